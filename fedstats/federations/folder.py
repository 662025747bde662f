"""A federation over an exchange folder: the ledger answers what it knows, and waits for the rest."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.federation import Answers, Asked, Federation, Waiting
from fedstats.contract.query import Query
from fedstats.federations.asking import Asking
from fedstats.federations.files import present
from fedstats.federations.keys import COORDINATOR, home_of
from fedstats.federations.ledger import Question
from fedstats.federations.refusals import outcome
from fedstats.federations.replay import Course

POLL_SECONDS = (0.005, 0.25)
T = TypeVar("T")


class SiteMissing(TimeoutError):  # noqa: N818 (names what was found)
    """A site has not answered in time, or has been reported gone; what is there stays."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"SiteMissing: {self}"]


class StudyLike(Protocol):
    """What a folder needs to know of a study."""

    id: str
    digest: str
    sites: tuple[str, ...]
    codebook: Codebook
    policy: DisclosurePolicy
    fingerprints: Mapping[str, str]
    revoked_keys: tuple[str, ...]


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
    home : path, optional
        The coordinator's private folder: its keys, and the archive of opened sums; empty: one below the
        user's own.
    amend : str
        The reason for going on with another version of the study; what was answered before stands.
    new_data : bool
        With ``amend``: the sites' tables are new, so everything is asked anew.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        study: StudyLike,
        wait_seconds: float = 0.0,
        home: str | Path = "",
        amend: str = "",
        new_data: bool = False,
    ) -> None:
        self._desk = Asking(folder, home_of(study.id, COORDINATOR, home), study.fingerprints)
        self._desk.open(
            study.digest, study.id, study.sites, amend=amend, new_data=new_data, revoked=study.revoked_keys
        )
        self._desk.reopen()
        self.ledger = self._desk.ledger
        self.sites = tuple(sorted(study.sites))
        self.codebook = study.codebook
        self.distinct_values = study.policy.distinct_values
        self.max_points = study.policy.max_points
        self.wait_seconds = wait_seconds
        self._course = Course(self.ledger)
        self._batch = False
        self._pending: dict[int, Question] = {}

    def ask(self, query: Query, *, each: bool = False) -> Answers:
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
        question = self._course.recorded(query)
        if question is None:
            question = self._desk.ask(query)
            self._course.remember(question)
        answers = self._answers(question)
        if answers is None:
            self._pending[question.number] = question
            if self._batch or self.wait_seconds <= 0:
                raise Waiting(self._calm_line([question]))
            self.wait()
            answers = self._answers(question)
            assert answers is not None
        self._desk.archive(question, answers.by_site, each=each or not type(question.query).summable)
        return answers

    def history(self) -> Iterator[Asked]:
        """What has been asked in this exchange, whoever ran it."""
        for question in self.ledger.questions():
            yield outcome(question.query, {s: self._desk.answer(s, question) for s in self.sites})

    def close(self) -> None:
        """Tell the sites that no more questions come."""
        self._desk.close()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Within it an open question is filed and raises :class:`Waiting`, so that others can be filed too."""
        turns, before = self._course.turns.copy(), self._batch
        self._batch = True
        try:
            yield
        except Waiting:
            self._course.turns = turns  # the same questions will be put again, as the same turns
            raise
        finally:
            self._batch = before

    def lockstep(self, analyses: Sequence[Callable[[], T]]) -> list[T]:
        """Run independent analyses side by side: every pass files one question of each, and waits for all of them.

        Raises
        ------
        Waiting
            Attended, or within a batch of others: answers are still to come.
        """
        done: dict[int, T] = {}
        while True:
            for i, analysis in enumerate(analyses):
                if i not in done:
                    with suppress(Waiting), self.batch():
                        done[i] = analysis()
            if len(done) == len(analyses):
                return [done[i] for i in range(len(analyses))]
            if self._batch:
                raise Waiting(self._calm_line(list(self._pending.values())))
            self.wait()

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
        return [s for s in self.sites if not all(present(paths(s, q.number)) for q in questions)]

    def _calm_line(self, questions: list[Question]) -> str:
        # what a question is about, without the columns of a model
        numbers = ", ".join(f"{q.number} ({q.query.subject().split(' on ')[0]})" for q in questions)
        return f"Waiting for {', '.join(self._missing(questions))} to answer question {numbers}. Run this again afterwards."

    def _answers(self, question: Question) -> Answers | None:
        by_site = {}
        for site in self.sites:
            answer = self._desk.answer(site, question)
            if answer is None:
                return None
            by_site[site] = answer
        return Answers(question.query, by_site)
