"""A federation over an exchange folder: the ledger answers what it knows, and waits for the rest."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.federation import Answers, Federation, Waiting
from fedstats.contract.query import Query, point_fields
from fedstats.federations.ledger import Ledger, LedgerMismatch, Question

#: Recorded and recomputed coefficients may differ by the last digits of another machine's arithmetic.
SAME_POINT = 1e-9
POLL_SECONDS = (0.005, 0.25)


class SiteMissing(TimeoutError):  # noqa: N818 (names what was found)
    """A site has not answered in time, or has been reported gone; what is there stays."""


class StudyLike(Protocol):
    """What a folder needs to know of a study."""

    id: str
    digest: str
    sites: tuple[str, ...]
    codebook: Codebook
    policy: DisclosurePolicy


class Folder(Federation):
    """Questions and answers as files; a new run replays its past and goes on at the first open question.

    Parameters
    ----------
    folder : path
        The exchange folder, for instance on a share that all sites reach, or carried by hand.
    study : Study
        Gives the sites, the codebook, and the digest that every message is about.
    wait_seconds : float
        How long to wait for the sites' answers.  0, the attended way: an open question raises
        :class:`Waiting` at once; run again when the sites have answered.
    """

    def __init__(self, folder: str | Path, *, study: StudyLike, wait_seconds: float = 0.0) -> None:
        self.ledger = Ledger(folder)
        self.ledger.open(study.digest, study.id, study.sites)
        self.ledger.reopen()
        self.sites = tuple(sorted(study.sites))
        self.codebook = study.codebook
        self.distinct_values = study.policy.distinct_values
        self.wait_seconds = wait_seconds
        self._by_digest: dict[str, Question] = {}
        self._courses: dict[str, list[Question]] = {}
        self._turns: Counter[str] = Counter()
        self._batch = False
        self._pending: dict[int, Question] = {}
        for question in self.ledger.questions():
            self._remember(question)

    def ask(self, query: Query) -> Answers:
        """The recorded answers, or a new question filed and waited for.

        Raises
        ------
        Waiting
            Attended: the answers are still to come.
        SiteMissing
            Unattended: they did not come in time.
        LedgerMismatch
            The ledger holds another course of this model.
        """
        question = self._recorded(query)
        if question is None:
            question = self.ledger.ask(query)
            self._remember(question)
        answers = self._answers(question)
        if answers is None:
            self._pending[question.number] = question
            if self._batch or self.wait_seconds <= 0:
                raise Waiting(self._calm_line([question]))
            self.wait()
            answers = self._answers(question)
            assert answers is not None
        return answers

    def close(self) -> None:
        """Tell the sites that no more questions come."""
        self.ledger.close()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Within it an open question is filed and raises :class:`Waiting`, so that others can be filed too."""
        turns = self._turns.copy()
        self._batch = True
        try:
            yield
        except Waiting:
            self._turns = turns  # the same questions will be put again, as the same turns
            raise
        finally:
            self._batch = False

    def wait(self) -> None:
        """Wait until every pending question is answered by every site."""
        questions, self._pending = list(self._pending.values()), {}
        if not questions:
            return
        if self.wait_seconds <= 0:
            raise Waiting(self._calm_line(questions))
        deadline, pause = time.monotonic() + self.wait_seconds, POLL_SECONDS[0]
        while missing := self._missing(questions):
            gone = sorted(set(missing) & set(self.ledger.absent()))
            if gone or time.monotonic() > deadline:
                why = "was reported gone" if gone else f"did not answer within {self.wait_seconds:g} s"
                raise SiteMissing(
                    f"The site {', '.join(gone or missing)} {why}. All answers so far are kept: start the site again, "
                    "then run this again to go on where it stopped."
                )
            time.sleep(pause)
            pause = min(pause * 1.3, POLL_SECONDS[1])

    def _missing(self, questions: list[Question]) -> list[str]:
        paths = self.ledger.answer_path
        return [s for s in self.sites if not all(os.path.lexists(paths(s, q.number)) for q in questions)]

    def _calm_line(self, questions: list[Question]) -> str:
        numbers = ", ".join(f"{q.number} ({q.kind})" for q in questions)
        return f"Waiting for {', '.join(self._missing(questions))} to answer question {numbers}. Run this again afterwards."

    def _answers(self, question: Question) -> Answers | None:
        by_site = {}
        for site in self.sites:
            answer = self.ledger.answer(site, question)
            if answer is None:
                return None
            by_site[site] = answer
        return Answers(question.query, by_site)

    def _remember(self, question: Question) -> None:
        self._by_digest[question.query.digest()] = question
        self._courses.setdefault(question.query.conversation(), []).append(question)

    def _recorded(self, query: Query) -> Question | None:
        """The filed question that this is: the same text, or the same turn of a conversation at the same point."""
        conversation = query.conversation()
        turn = self._turns[conversation]
        self._turns[conversation] += 1
        known = self._by_digest.get(query.digest())
        if known is not None:
            return known
        course = self._courses.get(conversation, [])
        # by turn, not by nearness alone: the last two points of a fit are closer than that to each other
        if not course:
            return None
        recorded = course[turn % len(course)]  # a second fit of the same model goes through the same turns
        if _same_point(query, recorded.query):
            return recorded
        if turn < len(course):
            raise LedgerMismatch(
                f"Question {recorded.number} ({recorded.kind}) was recorded at other coefficients than this run "
                f"has reached for round {turn + 1} of the same model. The options of the fit, or the software, have "
                "changed: use a new exchange folder, or what the exchange was begun with."
            )
        return None


def _same_point(query: Query, recorded: Query) -> bool:
    return all(_close(getattr(query, name), getattr(recorded, name)) for name in point_fields(type(query)))


def _close(a: Any, b: Any) -> bool:
    if len(a) != len(b):
        return False
    return all(abs(x - y) <= SAME_POINT * max(abs(x), abs(y), 1e-3) for x, y in zip(a, b, strict=True))
