"""The coordinator's archive of opened sums: results can be rebuilt from it without keys and without patients."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fedstats.contract.aggregate import Release
from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy, Refusal
from fedstats.contract.federation import Answers, Asked, Federation
from fedstats.contract.query import Query, QueryError, spec_from_dict
from fedstats.federations.asking import archive_path
from fedstats.federations.envelope import read_envelope
from fedstats.federations.files import LedgerMismatch
from fedstats.federations.keys import COORDINATOR
from fedstats.federations.ledger import Ledger, Question
from fedstats.federations.replay import Course


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
    total: Release | None
    each: Mapping[str, Release]
    refused: Mapping[str, Refusal]

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
        if not os.path.lexists(path):
            return None
        message = read_envelope(path, "opened").signed_by(self.ledger.head.keys, COORDINATOR)
        try:
            body = message.body
            opened = Opened(
                {str(site): str(sha256) for site, sha256 in body["answers"].items()},
                Release.from_dict(body["total"]) if "total" in body else None,
                {site: Release.from_dict(sums) for site, sums in body.get("each", {}).items()},
                {site: spec_from_dict(r, Refusal) for site, r in body.get("refused", {}).items()},
            )
        except (QueryError, KeyError, TypeError, AttributeError) as problem:
            raise LedgerMismatch(
                f"The archive of question {question.number} cannot be read: {problem}"
            ) from None
        sealed = {site: self.ledger.sealed_answer(site, question) for site in self.sites}
        found = {site: message.sha256 for site, message in sealed.items() if message is not None}
        if message.header.get("question") != question.sha256 or opened.answers != found:
            raise LedgerMismatch(
                f"The archive of question {question.number} belongs to other answers than those in the exchange."
            )
        return opened
