"""A site: its rows, its policy, and nothing that leaves but what the policy has released."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from fedstats.contract.aggregate import Aggregate, Evidence, Release
from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy, DisclosureRefused, Refusal
from fedstats.contract.margins import with_margins
from fedstats.contract.query import Query, QueryError, has_point, questions_in
from fedstats.contract.refusal import SUM_NOT_FINITE, not_answered
from fedstats.contract.site_data import SiteData
from fedstats.contract.table_checks import DataError
from fedstats.contract.threads import one_blas_thread
from fedstats.federations.files import LedgerMismatch
from fedstats.federations.memory import Memory, Trace


@dataclass(frozen=True)
class Answer:
    """What a site answers to one query, and what it alone may see of it.

    Attributes
    ----------
    query : Query
    content : Release or Refusal   the only part that leaves
    judge : callable               makes ``review``; most answers are never looked at
    problem : Exception or None    what went wrong, for the site's own eyes
    trace : Trace or None          what the site's memory keeps when the answer leaves; of a refusal, too
    aggregate : Aggregate or None  what the gate has judged; stays at the site
    """

    query: Query
    content: Release | Refusal
    judge: Callable[[], pd.DataFrame] = field(default=pd.DataFrame, repr=False, compare=False)
    problem: Exception | None = field(default=None, repr=False, compare=False)
    trace: Trace | None = field(default=None, repr=False, compare=False)
    aggregate: Aggregate | None = field(default=None, repr=False, compare=False)

    @cached_property
    def review(self) -> pd.DataFrame:
        """Every judgement of the gate, with its counts; stays at the site."""
        return self.judge()

    @property
    def found(self) -> str:
        """Of rows that do not fit the question, how many they are and their values; stays at the site."""
        is_fault = isinstance(self.content, Refusal) and self.content.entry == "question"
        faults = self.aggregate.faults if is_fault and self.aggregate is not None else ()
        return str(getattr(faults[0], "found", "")) if faults else ""

    @property
    def released(self) -> bool:
        """Whether sums leave (rather than a refusal)."""
        return isinstance(self.content, Release)


_LOG = logging.getLogger(__name__)
_UNEXPECTED = "the question does not fit the rows of this site; the site's own log says why"


class Asked(Protocol):
    """Whatever carries a query, for instance a filed question."""

    @property
    def query(self) -> Query:
        """What is asked."""


class Site:
    """A data holder.

    Parameters
    ----------
    name : str
    frame : DataFrame
        One row a patient; checked against the codebook.
    codebook : Codebook
    policy : DisclosurePolicy, optional
        The site's own; strict by default.
    memory : Memory, optional
        The site's account of what has left; without one every answer is judged on its own.
    home : path, optional
        The site's private folder: its keys and what it keeps of an exchange; empty: one below the user's own.
    fingerprints : mapping, optional
        Fingerprints of keys that the study names, by place.
    reviewed : bool
        Whether anybody looks at the judgements of a policy that has every rule off; if not, nothing is counted for it.
    owned : bool
        Nobody else holds the floats of ``frame``: they need no copy.
    agreed : callable, optional
        Makes the topics (:meth:`Query.topic`) of what the site's study asks, from the site's own data; other
        questions are beyond the study, and the policy says whether they are answered.  Without it there is no study.
    among : sequence of str
        All sites of the study: an exchange between others is not joined.
    screened : Site, optional
        Everybody whom the site has screened, with the step at which each left, behind the same gate and with a memory of their own.

    Raises
    ------
    DataError
        The table does not keep to the codebook, every fault is listed; or its rows are not those of
        the answers that have left.
    """

    def __init__(
        self,
        name: str,
        frame: pd.DataFrame,
        codebook: Codebook,
        policy: DisclosurePolicy | None = None,
        memory: Memory | None = None,
        *,
        home: str | Path = "",
        fingerprints: Mapping[str, str] | None = None,
        agreed: Callable[["Site"], frozenset[str]] | None = None,
        among: Sequence[str] = (),
        screened: "Site | None" = None,
        reviewed: bool = True,
        owned: bool = False,
    ) -> None:
        self.name, self._agreed, self._reviewed, self.screened = name, agreed, reviewed, screened
        self.home, self.fingerprints, self.among = home, dict(fingerprints or {}), tuple(among)
        own = {v.name: name for v in codebook.variables if v.of_site and v.name not in frame.columns}
        table = frame.assign(**own) if own else frame
        harmonised = codebook.harmonise(table, f"The table of {name}", owned=owned)
        self.memory = memory
        if memory is not None:
            memory.hold(harmonised, codebook)
        self.data = SiteData(harmonised, codebook)
        self.policy = policy if policy is not None else DisclosurePolicy()

    @property
    def policy(self) -> DisclosurePolicy:
        """The site's own; with another one its rows are prepared anew."""
        return self._policy

    @policy.setter
    def policy(self, policy: DisclosurePolicy) -> None:
        self._policy = policy
        remembers = self.memory is not None
        secret = self.memory.secret if self.memory is not None else b""
        frame, codebook = self.data.frame, self.data.codebook
        judged = self._reviewed or not policy.off
        self.data = SiteData(
            frame, codebook, agreed_grids=remembers, judged=judged, secret=secret, gate=policy
        )
        if self.screened is not None:
            self.screened.policy = policy

    def without_memory(self, policy: DisclosurePolicy) -> "Site":
        """The same rows under a policy and without a memory or a study: for the site's own eyes."""
        everybody = None if self.screened is None else self.screened.without_memory(policy)
        return Site(self.name, self.data.frame, self.data.codebook, policy, screened=everybody)

    def answer(self, query: Query, pending: Sequence[Trace] = ()) -> Answer:
        """Evaluate a query on the site's rows and put it through the gate.

        ``pending`` are traces of answers that will leave together with this one.
        """
        if query.of_screened and self.screened is not None:
            return self._of_screened(self.screened, query, pending)
        pending = [trace for trace in pending if not trace.of_screened]
        answer = self._answer(query, pending)
        if answer.released or self.memory is None or self.policy.off:
            return answer
        if isinstance(answer.content, Refusal) and answer.content.rule == "number of refusals":
            return answer  # says nothing of this point
        return replace(answer, trace=self.memory.refused(query, self.policy))

    def _of_screened(self, screened: "Site", query: Query, pending: Sequence[Trace]) -> Answer:
        """What those screened answer, where it belongs to the study: their own memory keeps whose sums have left."""
        try:
            self.policy.check(query, Aggregate({}, 0, self._beyond(query)))
        except DisclosureRefused as refused:
            return Answer(query, refused.refusal, partial(getattr, refused, "findings"))
        answer = screened._answer(query, [trace for trace in pending if trace.of_screened])
        return (
            answer if answer.trace is None else replace(answer, trace=replace(answer.trace, of_screened=True))
        )

    def _answer(self, query: Query, pending: Sequence[Trace]) -> Answer:
        kind = type(query).__name__
        try:
            if not self.policy.answers(query):  # nothing is computed
                return Answer(query, not_answered(query))
            with one_blas_thread(), np.errstate(over="raise"):
                # first of all: which other rule refuses what nobody agreed on would tell of the rows
                self.policy.check(
                    query,
                    Aggregate(
                        {}, 0, (*self._beyond(query), *_bounded(query), *self._refusals(query, pending))
                    ),
                )
                data = self.data.with_columns(query.made).among(query.where)
                # a subset of too few is refused before its rows can make any difference
                subset = Aggregate({}, len(data.frame), data.subset_evidence)
                self.policy.check(query, subset)
                self.policy.check(
                    query, self._blurred(query, subset.with_evidence(*_beforehand(query, data)))
                )
                aggregate = data.judged_as_imputed(query, query.aggregate(data))
        except DisclosureRefused as refused:
            return Answer(query, refused.refusal, partial(getattr, refused, "findings"))
        except QueryError as problem:  # its text holds names of the protocol alone
            return Answer(query, Refusal(kind, "question", str(problem)))
        except FloatingPointError:
            if self.policy.off:
                return Answer(query, Refusal(kind, "sum", SUM_NOT_FINITE))
            # where sums cease to be finite depends on the rows: that is not said, but what would be said of larger coefficients
            return Answer(query, Refusal(kind, "size of coefficients", "size of coefficients"))
        # The site's outermost boundary: whatever went wrong, its text may hold a patient's value.
        except Exception as problem:  # noqa: BLE001
            return self._unexpected(query, problem)
        try:
            return self._judged(query, aggregate, pending)
        except (
            OSError,
            DataError,
            LedgerMismatch,
        ):  # the memory's own trouble: nothing is answered without it
            raise
        except Exception as problem:  # noqa: BLE001
            return self._unexpected(query, problem)

    @cached_property
    def _topics(self) -> frozenset[str] | None:
        return None if self._agreed is None else self._agreed(self)

    def _refusals(self, query: Query, pending: Sequence[Trace]) -> tuple[Evidence, ...]:
        return () if self.memory is None else self.memory.refusals(query, pending)

    def _beyond(self, query: Query) -> tuple[Evidence, ...]:
        """What the gate judges of a question that the study does not ask."""
        if self.policy.beyond_study or self._topics is None or query.topic() in self._topics:
            return ()
        return (
            Evidence("analysis of the study", np.ones(1), "questions that no analysis of the study asks"),
        )

    @staticmethod
    def _unexpected(query: Query, problem: Exception) -> Answer:
        _LOG.warning("question %s could not be evaluated", type(query).__name__, exc_info=True)
        return Answer(query, Refusal(type(query).__name__, "question", _UNEXPECTED), problem=problem)

    def _blurred(self, query: Query, aggregate: Aggregate) -> Aggregate:
        """With the margins of a point of a model, at a site with a memory: at its own, each time it is judged."""
        if self.memory is None or self.policy.off or not any(map(has_point, questions_in(query))):
            return aggregate
        return with_margins(aggregate, self.memory.secret, query.digest())

    def _judged(self, query: Query, aggregate: Aggregate, pending: Sequence[Trace]) -> Answer:
        """Put an aggregate through the gate, in the light of what has left before where the site remembers."""
        trace = None
        if self.memory is not None:
            evidence, trace = self.memory.judge(query, aggregate, self.policy, pending)
            aggregate = self._blurred(query, aggregate).with_evidence(*evidence)
        judge = partial(self.policy.review, aggregate)
        try:
            release = self.policy.release(query, aggregate)
        except DisclosureRefused as refused:
            return Answer(query, refused.refusal, judge, aggregate=aggregate)
        if aggregate.faults:
            fault = Refusal(type(query).__name__, "question", str(aggregate.faults[0]))
            return Answer(query, fault, judge, aggregate=aggregate)
        return Answer(query, release, judge, trace=trace, aggregate=aggregate)

    def answers(self, questions: Iterable[Asked]) -> list[Answer]:
        """An answer to each filed question, as if those before it had left; nothing has left yet."""
        answers: list[Answer] = []
        for question in questions:
            pending = [answer.trace for answer in answers if answer.trace is not None]
            answers.append(self.answer(question.query, pending))
        return answers

    def remembered(self, answer: Answer) -> Answer:
        """The same answer, once it stands in the site's memory; whoever lets it leave calls this first.

        Another answer may have left since this one was judged: if the two together tell of too few patients, a
        refusal leaves in its place.
        """
        holder = self.screened if answer.query.of_screened and self.screened is not None else self
        if holder.memory is None or answer.trace is None:
            return answer
        try:
            holder.memory.record(answer.trace)
        except DisclosureRefused as refused:
            judge = partial(getattr, refused, "findings")
            return Answer(answer.query, refused.refusal, judge, aggregate=answer.aggregate)
        return answer

    def __repr__(self) -> str:
        return f"Site({self.name!r}, {len(self.data.frame)} rows, policy {self.policy.name!r})"

    def _repr_html_(self) -> str:
        frame = self.data.frame
        overview = pd.DataFrame(
            {"missing": frame.isna().sum(), "kind": [v.kind for v in self.data.codebook.variables]}
        )
        return (
            f"<p>{len(frame)} rows, disclosure policy <strong>{escape(self.policy.name)}</strong>. "
            f"This overview stays at the site.</p>{overview.to_html()}"
        )


def _bounded(query: Query) -> tuple[Evidence, ...]:
    """What the gate judges of models that have a likelihood at some coefficients alone."""
    if not any(question.is_bounded() for question in questions_in(query)):
        return ()
    return (Evidence("bounded model", np.ones(1), "models with a likelihood at some coefficients alone"),)


def _beforehand(query: Query, data: SiteData) -> tuple[Evidence, ...]:
    """Of a question and those inside it what is judged before any sum is made."""
    return tuple(e for question in questions_in(query) for e in question.beforehand(data))
