"""Numbered, hashed files in an exchange folder: what was asked, what was answered, in which order.

``study.json``                      what is exchanged about: the study's digest, the sites
``questions/000001.json``           written by the coordinator, each naming the sha256 of the one before
``answers/<site>/000001.json``      written by that site, naming the question's sha256 and its own last answer's
``closed.json``                     the coordinator has no more questions

A file is written once: beside its name first, then linked to it, so that readers never see half of
one and nobody overwrites another's.
"""

import hashlib
import json
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fedstats.contract.aggregate import Release
from fedstats.contract.disclosure import Refusal
from fedstats.contract.query import Query, QueryError, canonical_json, spec_from_dict

SITE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
#: Larger files are refused before they are read.
LARGEST_FILE = 256 * 2**20


class LedgerMismatch(RuntimeError):  # noqa: N818 (names what was found)
    """The exchange folder holds something else than this run would have asked, or has been changed."""


@dataclass(frozen=True)
class Question:
    """A filed question.

    Attributes
    ----------
    number : int       1, 2, 3 ... in the order of asking
    query : Query
    study : str        digest of the study it belongs to
    sha256 : str       of the file's bytes; answers name it
    """

    number: int
    query: Query
    study: str
    sha256: str

    @property
    def kind(self) -> str:
        """The query's name."""
        return type(self.query).__name__


class Ledger:
    """The files of one exchange folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._questions: list[Question] = []
        self._last: dict[str, str] = {}

    @cached_property
    def head(self) -> dict[str, Any]:
        """Content of ``study.json``."""
        path = self.folder / "study.json"
        if not os.path.lexists(path):
            raise FileNotFoundError(
                f"There is no exchange in {self.folder} yet: the coordinator opens it. Start the coordinator first, or wait."
            )
        head, _ = _message(path)
        sites = head.get("sites")
        if (
            not isinstance(head.get("study"), str)
            or not isinstance(sites, list)
            or not all(map(_is_site, sites))
        ):
            raise LedgerMismatch(
                "study.json does not say which study and sites the exchange is about: it has been changed."
            )
        return head

    def open(self, study: str, study_id: str, sites: tuple[str, ...]) -> None:
        """Begin an exchange, or go on with one about the same study and sites.

        Raises
        ------
        LedgerMismatch
            The folder belongs to another study, another version of it, or other sites.
        """
        for site in sites:
            if not _is_site(site):
                raise ValueError(
                    f"The site name {site!r} must be lower-case letters, digits, - and _, at most 31."
                )
        head = {"format": 1, "study": study, "study_id": study_id, "sites": list(sites)}
        with suppress(FileExistsError):
            _write_once(self.folder / "study.json", canonical_json(head).encode())
        if self.head != head:
            raise LedgerMismatch(
                f"The exchange in {self.folder} is about the study {self.head.get('study_id')!r} in another version or with "
                "other sites. Use a new exchange folder, or the study files it was begun with."
            )

    @property
    def closed(self) -> bool:
        """Whether the coordinator has said that no more questions come."""
        return (self.folder / "closed.json").exists()

    def close(self) -> None:
        """No more questions: sites that wait may leave."""
        with suppress(FileExistsError):
            _write_once(self.folder / "closed.json", b'{"closed":true}')

    def reopen(self) -> None:
        """Questions may come again: a coordinator has been started anew."""
        (self.folder / "closed.json").unlink(missing_ok=True)

    def absent(self) -> list[str]:
        """Sites, or the coordinator, that whoever runs them has reported gone (``absent/<name>.json``)."""
        folder = self.folder / "absent"
        return sorted(p.stem for p in folder.glob("*.json")) if folder.is_dir() else []

    def questions(self) -> list[Question]:
        """All questions in order, the chain of hashes checked; files already read are not read again."""
        while os.path.lexists(path := self._question_path(len(self._questions) + 1)):
            self._questions.append(self._read_question(path, len(self._questions) + 1))
        return self._questions

    def _question_path(self, number: int) -> Path:
        return self.folder / "questions" / f"{number:06d}.json"

    def _read_question(self, path: Path, number: int) -> Question:
        content, sha256 = _message(path)
        before = self._questions[-1].sha256 if self._questions else ""
        if content.get("number") != number or content.get("previous") != before:
            raise LedgerMismatch(
                f"Question {number} does not follow the one before it: {path.name} has been changed or moved."
            )
        if content.get("study") != self.head["study"]:
            raise LedgerMismatch(f"Question {number} belongs to another study than the exchange it lies in.")
        try:
            query = spec_from_dict(content.get("query"), Query)
        except QueryError as problem:
            raise LedgerMismatch(f"Question {number} cannot be read by this version: {problem}") from None
        return Question(number, query, str(content["study"]), sha256)

    def ask(self, query: Query) -> Question:
        """File a new question; one that another coordinator has filed in the meantime is taken as it is."""
        while True:
            known = list(self.questions())  # one look: whoever files in between makes the number taken
            filed = next((q for q in reversed(known) if q.query == query), None)
            if filed is not None:
                return filed
            number, previous = len(known) + 1, known[-1].sha256 if known else ""
            content = {
                "number": number,
                "previous": previous,
                "query": query.to_dict(),
                "study": self.head["study"],
            }
            with suppress(FileExistsError):  # somebody else's question has taken this number
                _write_once(self._question_path(number), canonical_json(content).encode())

    def answer_path(self, site: str, number: int) -> Path:
        """Where a site's answer to a question lies.

        Raises
        ------
        LedgerMismatch
            The exchange does not know the site.
        """
        if site not in self.head["sites"]:
            raise LedgerMismatch(
                f"The exchange is between {', '.join(self.head['sites'])}; it does not know the site {site}."
            )
        return self.folder / "answers" / site / f"{number:06d}.json"

    def answer(self, site: str, question: Question) -> Release | Refusal | None:
        """A site's answer, or None while there is none.

        Raises
        ------
        LedgerMismatch
            The answer names another question, or cannot be read.
        """
        path = self.answer_path(site, question.number)
        if not os.path.lexists(path):
            return None
        content, _ = _message(path)
        if content.pop("sha256", None) != _checksum(content):
            raise LedgerMismatch(f"The answer {path.name} of {site} has been changed: its sha256 is another.")
        if content.get("question") != question.sha256 or content.get("site") != site:
            raise LedgerMismatch(
                f"The answer {path.name} of {site} belongs to another question than number {question.number}."
            )
        try:
            if "refusal" in content:
                refused: Refusal = spec_from_dict(content["refusal"], Refusal)
                return refused
            return Release.from_dict(content["release"])
        except (QueryError, KeyError, TypeError, AttributeError) as problem:
            raise LedgerMismatch(f"The answer {path.name} of {site} cannot be read: {problem}") from None

    def file_answer(self, site: str, question: Question, content: Release | Refusal, policy: str) -> Path:
        """Write a site's answer once; an answer that lies there already stays as it is."""
        path = self.answer_path(site, question.number)
        if os.path.lexists(path):
            return path
        part = "release" if isinstance(content, Release) else "refusal"
        body = {"site": site, "number": question.number, "question": question.sha256, "policy": policy}
        body |= {"previous": self._last_answer(site), part: content.to_dict()}
        body["sha256"] = _checksum(body)
        with suppress(FileExistsError):
            _write_once(path, canonical_json(body).encode())
        self._last[site] = _message(path)[1]
        return path

    def _last_answer(self, site: str) -> str:
        """sha256 of the answer that no later one names; empty before the first."""
        if site not in self._last:
            chain = self._chain(site)
            named = {before for _, before in chain.values()}
            self._last[site] = next((own for own, _ in chain.values() if own not in named), "")
        return self._last[site]

    def _chain(self, site: str) -> dict[int, tuple[str, str]]:
        """Of each answer its own sha256 and that of the one sent before it."""
        chain = {}
        for number in sorted(self.answered(site)):
            content, sha256 = _message(self.answer_path(site, number))
            chain[number] = (sha256, str(content.get("previous")))
        return chain

    def answered(self, site: str) -> set[int]:
        """Numbers of the questions that a site has answered."""
        folder = self.answer_path(site, 0).parent
        return _numbers(folder)

    def verify(self) -> Iterator[str]:
        """Check both chains of hashes, file by file; yields one sentence a fault, nothing when all is well."""
        try:
            questions = self.questions()
        except (LedgerMismatch, FileNotFoundError) as problem:
            yield str(problem)
            return
        numbers = {question.number for question in questions}
        for number in sorted(_numbers(self.folder / "questions") - numbers):
            yield f"Question {number} stands alone: one before it is missing."
        for site in self.head["sites"]:
            for number in sorted(self.answered(site) - numbers):
                yield f"Answer {number} of {site} has no question."
            yield from self._faults_of(site, [q for q in questions if q.number in self.answered(site)])

    def _faults_of(self, site: str, questions: list[Question]) -> Iterator[str]:
        chain: dict[str, str] = {}
        for question in questions:
            path = self.answer_path(site, question.number)
            try:
                self.answer(site, question)
                content, sha256 = _message(path)
            except LedgerMismatch as problem:
                yield str(problem)
                return
            chain[str(content.get("previous"))] = sha256
        follows, last = 0, ""
        while last in chain:  # in the order in which they were sent
            last, follows = chain[last], follows + 1
        if follows < len(questions):
            yield f"The answers of {site} do not follow each other: one has been changed, added or taken away."


def _is_site(name: object) -> bool:
    return isinstance(name, str) and SITE_NAME.fullmatch(name) is not None


def _numbers(folder: Path) -> set[int]:
    """Numbers of the messages in a folder; whatever else lies there is not one."""
    if not folder.is_dir():
        return set()
    return {int(p.stem) for p in folder.iterdir() if re.fullmatch(r"[0-9]{6}\.json", p.name)}


def _message(path: Path) -> tuple[dict[str, Any], str]:
    """A message and the sha256 of its bytes.

    Raises
    ------
    LedgerMismatch
        Not a regular file, too large, or not a JSON object.
    """
    kind = path.lstat()
    if not stat.S_ISREG(kind.st_mode) or kind.st_size > LARGEST_FILE:
        raise LedgerMismatch(
            f"{path.name} is a link or larger than an exchange file may be, or no file at all; it was not read."
        )
    raw = path.read_bytes()
    try:
        content = json.loads(raw.decode("ascii"))
    except (ValueError, RecursionError):
        raise LedgerMismatch(f"{path.name} is not JSON: it has been changed or damaged.") from None
    if not isinstance(content, dict):
        raise LedgerMismatch(f"{path.name} does not hold an exchange message.")
    return content, hashlib.sha256(raw).hexdigest()


def _checksum(body: dict[str, Any]) -> str:
    """sha256 of an answer's content, which the answer carries: a flipped bit is never added up."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _write_once(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, then link: atomic, and an existing file is never replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:  # readable for others as the umask says: an exchange is shared
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
