"""A site: its rows, its policy, and nothing that leaves but what the policy has released."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from fedstats.contract.aggregate import Release
from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy, DisclosureRefused, Refusal
from fedstats.contract.query import Query, QueryError
from fedstats.contract.refusal import not_answered
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread


@dataclass(frozen=True)
class Answer:
    """What a site answers to one query, and what it alone may see of it.

    Attributes
    ----------
    query : Query
    content : Release or Refusal   the only part that leaves
    judge : callable               makes ``review``; most answers are never looked at
    problem : Exception or None    what went wrong, for the site's own eyes
    """

    query: Query
    content: Release | Refusal
    judge: Callable[[], pd.DataFrame] = field(default=pd.DataFrame, repr=False, compare=False)
    problem: Exception | None = field(default=None, repr=False, compare=False)

    @cached_property
    def review(self) -> pd.DataFrame:
        """Every judgement of the gate, with its counts; stays at the site."""
        return self.judge()

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
    home : path, optional
        The site's private folder: its keys and what it keeps of an exchange; empty: one below the user's own.
    fingerprints : mapping, optional
        Fingerprints of keys that the study names, by place.

    Raises
    ------
    DataError
        The table does not keep to the codebook; every fault is listed.
    """

    def __init__(
        self,
        name: str,
        frame: pd.DataFrame,
        codebook: Codebook,
        policy: DisclosurePolicy | None = None,
        *,
        home: str | Path = "",
        fingerprints: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.home, self.fingerprints = home, dict(fingerprints or {})
        self.policy = policy if policy is not None else DisclosurePolicy()
        self.data = SiteData(codebook.harmonise(frame, f"The table of {name}"), codebook)

    def answer(self, query: Query) -> Answer:
        """Evaluate a query on the site's rows and put it through the gate."""
        kind = type(query).__name__
        if not self.policy.answers(query):  # nothing is computed
            return Answer(query, not_answered(query))
        try:
            with one_blas_thread(), np.errstate(over="raise"):
                aggregate = query.aggregate(self.data.among(query.where))
        except QueryError as problem:  # its text holds names of the protocol alone
            return Answer(query, Refusal(kind, "question", str(problem)))
        except FloatingPointError:
            return Answer(query, Refusal(kind, "sum", "the sums are finite at these coefficients"))
        # The site's outermost boundary: whatever went wrong, its text may hold a patient's value.
        except Exception as problem:  # noqa: BLE001
            _LOG.warning("question %s could not be evaluated", kind, exc_info=True)
            return Answer(query, Refusal(kind, "question", _UNEXPECTED), problem=problem)
        judge = partial(self.policy.review, aggregate)
        try:
            return Answer(query, self.policy.release(query, aggregate), judge)
        except DisclosureRefused as refused:
            return Answer(query, refused.refusal, judge)

    def answers(self, questions: Iterable[Asked]) -> list[Answer]:
        """An answer to each filed question; nothing has left yet."""
        return [self.answer(question.query) for question in questions]

    def __repr__(self) -> str:
        return f"Site({self.name!r}, {len(self.data.frame)} rows, policy {self.policy.name!r})"

    def _repr_html_(self) -> str:
        frame = self.data.frame
        overview = pd.DataFrame(
            {"missing": frame.isna().sum(), "kind": [v.kind for v in self.data.codebook.variables]}
        )
        return (
            f"<p>{len(frame)} rows, disclosure policy <strong>{self.policy.name}</strong>. "
            f"This overview stays at the site.</p>{overview.to_html()}"
        )
