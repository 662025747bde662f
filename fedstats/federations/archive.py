"""The coordinator's archive of opened sums: results can be rebuilt from it without keys and without patients."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Self

from fedstats.contract.aggregate import Release
from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy, Refusal
from fedstats.contract.federation import Answers, Asked, Federation
from fedstats.contract.query import Query, QueryError, spec_from_dict
from fedstats.contract.refusal import received
from fedstats.federations.envelope import Envelope, read_envelope
from fedstats.federations.files import LedgerMismatch, present
from fedstats.federations.keys import COORDINATOR, Identity
from fedstats.federations.ledger import Ledger, Question
from fedstats.federations.replay import Course

Answer = Release | Refusal


def archive_path(home: Path, exchange: str, number: int, *, each: bool) -> Path:
    """Where the opened sum of a question lies in the coordinator's private folder."""
    return home / "exchanges" / exchange / "archive" / f"{number:06d}{'-each' if each else ''}.json"


def open_answer(message: Envelope, reader: Identity, site: str, number: int) -> Answer:
    """A site's sealed answer, opened by its reader.

    Raises
    ------
    LedgerMismatch
        It was sealed for somebody else, or cannot be read.
    """
    content = message.opened(reader)
    try:
        if "refusal" in content:
            return received(content["refusal"])
        return Release.from_dict(content["release"])
    except (QueryError, KeyError, TypeError, AttributeError) as problem:
        raise LedgerMismatch(f"The answer {number} of {site} cannot be read: {problem}") from None


@dataclass(frozen=True)
class Opened:
    """What the sites have answered to one question.

    Attributes
    ----------
    answers : mapping     sha256 of every site's sealed answer
    total : Release       the sum; None where a site refused, or each site's own was asked for
    each : mapping        every site's own sums, where these were the point
    refused : mapping     refusals by site
    """

    answers: Mapping[str, str]
    total: Release | None = None
    each: Mapping[str, Release] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)

    @classmethod
    def of(cls, sealed: Mapping[str, str], answers: Mapping[str, Answer], *, each: bool) -> Self:
        """What is kept of the answers to a question.

        Parameters
        ----------
        sealed : mapping    sha256 of every site's sealed answer
        answers : mapping   the same answers, opened
        each : bool         keep every site's own sums, where these are what was asked
        """
        refused = {site: a for site, a in answers.items() if isinstance(a, Refusal)}
        released = {site: a for site, a in sorted(answers.items()) if isinstance(a, Release)}
        if refused:
            return cls(sealed, refused=refused)
        return cls(sealed, each=released) if each else cls(sealed, total=reduce(add, released.values()))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        body: dict[str, Any] = {"answers": dict(self.answers)}
        if self.refused:
            body["refused"] = {site: refusal.to_dict() for site, refusal in self.refused.items()}
        if self.each:
            body["each"] = {site: sums.to_dict() for site, sums in self.each.items()}
        if self.total is not None:
            body["total"] = self.total.to_dict()
        return body

    @classmethod
    def from_dict(cls, body: Any, number: int) -> Self:
        """Inverse of :meth:`to_dict`.

        Raises
        ------
        LedgerMismatch
            It is not what the archive holds of a question.
        """
        try:
            return cls(
                {str(site): str(sha256) for site, sha256 in body["answers"].items()},
                Release.from_dict(body["total"]) if "total" in body else None,
                {site: Release.from_dict(sums) for site, sums in body.get("each", {}).items()},
                {site: spec_from_dict(r, Refusal) for site, r in body.get("refused", {}).items()},
            )
        except (QueryError, KeyError, TypeError, AttributeError) as problem:
            raise LedgerMismatch(f"The archive of question {number} cannot be read: {problem}") from None

    @property
    def n_numbers(self) -> int:
        """How many numbers every site has let out."""
        one = self.total or next(iter(self.each.values()), None)
        return 0 if one is None else one.n_numbers


class Archive(Federation):
    """A federation that answers from the archive, and knows nothing that was not asked.

    Parameters
    ----------
    ledger : Ledger
        The exchange, whose signed questions and answers the archive belongs to.
    home : path
        The coordinator's private folder, or a copy of it without its keys.
    codebook, policy : Codebook, DisclosurePolicy
        Of the study.
    """

    def __init__(self, ledger: Ledger, home: Path, codebook: Codebook, policy: DisclosurePolicy) -> None:
        self.ledger, self.home, self.codebook = ledger, home, codebook
        self.sites = tuple(sorted(ledger.head.sites))
        self.distinct_values = policy.distinct_values
        self._course = Course(ledger)

    def ask(self, query: Query, *, each: bool = False) -> Answers:
        """The archived answers.

        Raises
        ------
        LedgerMismatch
            The question was never asked, or the archive does not hold its answers.
        """
        question = self._course.recorded(query)
        opened = None if question is None else self.opened(question, each=each or not type(query).summable)
        if question is None or opened is None:
            raise LedgerMismatch(
                f"The archive holds no answers to a {type(query).__name__} that the analyses ask: the exchange is not "
                "finished, or was about other analyses."
            )
        if opened.refused:
            nobody = Release.from_dict({})  # who refused decides; what the others let out was never added up
            return Answers(question.query, {s: opened.refused.get(s, nobody) for s in self.sites})
        if opened.total is None:
            return Answers(question.query, opened.each)
        # the sum stands in the first site's place and the others have nothing to add
        first, *others = self.sites
        return Answers(question.query, {first: opened.total} | dict.fromkeys(others, opened.total.zero()))

    def beyond(self) -> list[Question]:
        """Questions of the exchange that nothing asked of this archive has needed."""
        return [q for q in self.ledger.questions() if q.number not in self._course.met]

    def history(self) -> Iterator[Asked]:
        """What was asked, in order, as far as the archive holds it."""
        for question in self.ledger.questions():
            opened = self.opened(question) or self.opened(question, each=True)
            if opened is not None:
                yield Asked(question.query, opened.refused, not opened.refused)

    def opened(self, question: Question, *, each: bool = False) -> Opened | None:
        """What the archive holds of a question, checked against the sealed answers; None if nothing.

        Raises
        ------
        LedgerMismatch
            It is not signed by the coordinator, or belongs to other answers than those in the exchange.
        """
        path = archive_path(self.home, self.ledger.head.exchange, question.number, each=each)
        if not present(path):
            return None
        message = read_envelope(path, "opened").signed_by(self.ledger.head.keys, COORDINATOR)
        opened = Opened.from_dict(message.body, question.number)
        found = {site: sealed.sha256 for site, sealed in self._sealed(question).items()}
        if message.header.get("question") != question.sha256 or opened.answers != found:
            raise LedgerMismatch(
                f"The archive of question {question.number} belongs to other answers than those in the exchange."
            )
        return opened

    def differences(self, reader: Identity) -> Iterator[str]:
        """One sentence for every question whose archived sums are not those of its sealed answers.

        Parameters
        ----------
        reader : Identity    the coordinator, whose keys open the answers
        """
        for question in self.ledger.questions():
            for each in (False, True):
                try:
                    if not self._holds_its_answers(question, reader, each=each):
                        yield (
                            f"The archive holds other sums of question {question.number} ({question.kind}) than the "
                            "sites' sealed answers give: do not use the results before the coordinator has explained it."
                        )
                except (LedgerMismatch, QueryError) as problem:
                    yield str(problem)

    def _holds_its_answers(self, question: Question, reader: Identity, *, each: bool) -> bool:
        """Whether what is kept of a question follows from its sealed answers; so does nothing at all."""
        opened = self.opened(question, each=each)
        if opened is None:
            return True
        sealed = self._sealed(question)
        answers = {site: open_answer(m, reader, site, question.number) for site, m in sealed.items()}
        return opened.to_dict() == Opened.of(opened.answers, answers, each=each).to_dict()

    def _sealed(self, question: Question) -> dict[str, Envelope]:
        """The sites' sealed answers, as far as they are there."""
        found = {site: self.ledger.sealed_answer(site, question) for site in self.sites}
        return {site: message for site, message in found.items() if message is not None}
