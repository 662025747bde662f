"""What stands in an exchange folder, for whoever reads it: nothing is believed unsigned.

``study/0001.json``                 the coordinator opens the exchange: the study, the sites, its own keys
``joins/0001/<site>.json``          a site takes part: its keys, its software, its profile; names the opening
``roster/0001.json``                the coordinator lists everybody's keys, once all have joined
``questions/000001.json``           the coordinator's, each naming the sha256 of the one before
``answers/<site>/000001.json``      that site's, sealed for the coordinator, naming the question and its own last answer
``closed.json``                     the coordinator has no more questions

An amended protocol or a new cut of the data is a new version, ``study/0002.json``, joined anew.
:mod:`fedstats.federations.asking` writes the coordinator's files, :mod:`fedstats.federations.desk` a
site's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fedstats.contract.query import Query, QueryError, spec_from_dict
from fedstats.federations.envelope import Envelope, read_envelope
from fedstats.federations.files import LedgerMismatch, explained, present, real_folder
from fedstats.federations.keys import COORDINATOR
from fedstats.federations.membership import Membership, Version

CLOSED = "closed.json"


@dataclass(frozen=True)
class Question:
    """A filed question.

    Attributes
    ----------
    number : int       1, 2, 3 ... in the order of asking
    query : Query
    study : str        digest of the study it belongs to
    sha256 : str       of the file's bytes; answers name it
    version : int      of the exchange
    roster : str       sha256 of the roster known when it was asked; empty before there was one
    """

    number: int
    query: Query
    study: str
    sha256: str
    version: int = 1
    roster: str = ""

    @property
    def kind(self) -> str:
        """The query's name."""
        return type(self.query).__name__


class Ledger:
    """The files of one exchange folder, read and checked.

    Attributes
    ----------
    members : Membership    who takes part, in which version
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.members = Membership(self.folder)
        self._questions: list[Question] = []

    @property
    def head(self) -> Version:
        """The version in force."""
        return self.members.head

    def questions(self) -> list[Question]:
        """All questions in order, signatures and the chain of hashes checked; none is read twice."""
        while present(path := self.question_path(len(self._questions) + 1)):
            self._questions.append(self._read_question(path, len(self._questions) + 1))
        return self._questions

    def question_path(self, number: int) -> Path:
        """Where a question lies."""
        return real_folder(self.folder, "questions") / f"{number:06d}.json"

    def _read_question(self, path: Path, number: int) -> Question:
        message = read_envelope(path, "question")
        header = message.signed_by(self.head.keys, COORDINATOR).header
        before = self._questions[-1].sha256 if self._questions else ""
        if header.get("number") != number or header.get("previous") != before:
            raise LedgerMismatch(
                f"Question {number} does not follow the one before it: {path.name} has been changed or moved."
            )
        asked_in = [v for v in self.members.versions() if v.sha256 == header.get("study")]
        if not asked_in:
            raise LedgerMismatch(f"Question {number} belongs to another study than the exchange it lies in.")
        try:
            query = spec_from_dict(message.body, Query)
        except QueryError as problem:
            raise LedgerMismatch(f"Question {number} cannot be read by this version: {problem}") from None
        version = asked_in[0]
        return Question(
            number, query, version.study, message.sha256, version.number, str(header.get("roster"))
        )

    def answer_path(self, site: str, number: int) -> Path:
        """Where a site's answer to a question lies.

        Raises
        ------
        LedgerMismatch
            The exchange does not know the site, or something else lies in the place of its folder.
        """
        self.members.require_site(site)
        return real_folder(self.folder, "answers", site) / f"{number:06d}.json"

    def answered(self, site: str) -> set[int]:
        """Numbers of the files that lie in a site's place; whose they are, :meth:`sealed_answer` says, or the site itself."""
        return numbers(self.answer_path(site, 0).parent)

    def sealed_answer(self, site: str, question: Question) -> Envelope | None:
        """A site's answer, still sealed; None while there is none.

        Raises
        ------
        LedgerMismatch
            It is not signed by the site, or answers another question.
        """
        path = self.answer_path(site, question.number)
        if not present(path):
            return None
        message = read_envelope(path, "answer")
        keys = self.members.keys_of(site, question.version, question.roster)
        if keys is None:
            raise LedgerMismatch(
                f"{site} has answered without having joined: its join is missing or was taken away."
            )
        header = message.signed_by(keys, site).header
        if header.get("question") != question.sha256 or header.get("number") != question.number:
            raise LedgerMismatch(
                f"The answer {path.name} of {site} belongs to another question than number {question.number}."
            )
        if header.get("roster") != question.roster:
            raise LedgerMismatch(f"The answer {path.name} of {site} names another roster than its question.")
        return message

    @property
    def closed(self) -> bool:
        """Whether the coordinator has said that no more questions come than those that are there."""
        path = self.folder / CLOSED
        if not present(path):
            return False
        header = read_envelope(path, "closed").signed_by(self.head.keys, COORDINATOR).header
        known = self.questions()
        last = known[-1].sha256 if known else ""
        return (header.get("exchange"), header.get("last")) == (self.head.exchange, last)

    def absent(self) -> list[str]:
        """Sites, or the coordinator, that whoever runs them has reported gone (``absent/<name>.json``).

        A hint and no more: it is not signed, and whoever heeds it only stops.
        """
        folder = real_folder(self.folder, "absent")
        with explained("exchange folder", folder, "read"):
            return sorted(p.stem for p in folder.glob("*.json")) if folder.is_dir() else []

    def verify(self) -> Iterator[str]:
        """Check every signature and chain, file by file; one sentence a fault, nothing when all is well."""
        from fedstats.federations.chain import faults  # noqa: PLC0415 (it reads ledgers)

        yield from faults(self)


def numbers(folder: Path) -> set[int]:
    """Numbers of the messages in a folder; whatever else lies there is not one."""
    with explained("folder", folder, "read"):
        if not folder.is_dir():
            return set()
        return {int(p.stem) for p in folder.iterdir() if re.fullmatch(r"[0-9]{6}\.json", p.name)}
