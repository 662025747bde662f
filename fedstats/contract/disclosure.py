"""The gate: what a site lets out, entry by entry.

A policy belongs to a site.  :meth:`DisclosurePolicy.release` is the only function that makes a
:class:`Release`; what it refuses is refused by rule, and the numbers behind a refusal stay here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from fedstats.contract.aggregate import Aggregate, Evidence, Release, Rule, Sum
from fedstats.contract.query import Query, Spec
from fedstats.numerics import exact_sum

#: Stands for "no upper limit" in a message that holds finite numbers alone.
NO_LIMIT = 1e300


@dataclass(frozen=True)
class Refusal(Spec):
    """What leaves in place of sums: the query, the kind of entry and the rule; never a number."""

    query: str
    entry: str
    rule: str

    def __str__(self) -> str:
        return f"{self.query} was refused: the {self.entry} did not meet the rule '{self.rule}'."


class DisclosureRefused(PermissionError):  # noqa: N818 (a decision, not an error)
    """Raised at a site; ``refusal`` may leave, ``findings`` may not."""

    def __init__(self, refusal: Refusal, review: Callable[[], pd.DataFrame]) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self._review = review

    @property
    def findings(self) -> pd.DataFrame:
        """Every judgement with its counts; stays at the site."""
        return self._review()


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement: what was counted, what the rule needs, and whether it passed (stays at the site)."""

    entry: str
    rule: Rule
    about: str
    count: float
    needed: str
    passed: bool


@dataclass(frozen=True)
class DisclosurePolicy(Spec):
    """Thresholds that an answer must meet before it leaves a site.

    "0 or at least k" lets an empty cell pass, for nobody is in it.  The defaults are strict.

    Attributes
    ----------
    name : str                       printed in reports
    min_patients : int               behind every entry, in every level and level x outcome: 0 or at least
    min_pair : int                   in every pair of levels of a model: 0 or at least
    min_leavers : int                leaving the risk set in every cell of a time grid: 0 or at least
    min_difference : int             dropped from a model, or outside a subset: 0 or at least
    min_model_patients : int         in a model: at least
    max_parameters_per_event : float coefficients per event (or per patient of the rarer outcome): at most
    min_effective : float            effective sample size (sum w)^2 / sum w^2 behind a model's sums: at least
    max_coefficient : float          |beta| on the standardised scale at which a model is answered: at most
    max_top_share : float            of one patient in a sum of deviations or of their products: at most
    max_top_two_share : float        of the two patients with the largest parts of it: at most
    distinct_values : bool           may distinct times and values leave, one by one?
    per_site_estimates : bool        may a site's own estimate be asked for, unmasked?
    off : bool                       every rule off (teaching, tests, data that are public or synthetic)
    """

    name: str = "strict"
    min_patients: int = 11
    min_pair: int = 5
    min_leavers: int = 11
    min_difference: int = 11
    min_model_patients: int = 50
    max_parameters_per_event: float = 0.2
    min_effective: float = 30.0
    max_coefficient: float = 10.0
    max_top_share: float = 0.5
    max_top_two_share: float = 0.9
    distinct_values: bool = False
    per_site_estimates: bool = True
    off: bool = False

    #: Fields where a larger number is stricter; of the others a smaller one (or False) is.
    _larger_is_stricter: ClassVar[tuple[str, ...]] = (
        "min_patients",
        "min_pair",
        "min_leavers",
        "min_difference",
        "min_model_patients",
        "min_effective",
    )

    @classmethod
    def none(cls) -> Self:
        """Every rule off: for teaching, tests, and data that are public or synthetic."""
        return cls(
            name="none",
            min_patients=0,
            min_pair=0,
            min_leavers=0,
            min_difference=0,
            min_model_patients=0,
            max_parameters_per_event=NO_LIMIT,
            min_effective=0.0,
            max_coefficient=NO_LIMIT,
            max_top_share=1.0,
            max_top_two_share=1.0,
            distinct_values=True,
            off=True,
        )

    @classmethod
    def teaching(cls) -> Self:
        """Low thresholds for small public data; reports name it on their first page."""
        return cls(
            name="teaching",
            min_patients=3,
            min_pair=1,
            min_leavers=1,
            min_difference=1,
            min_model_patients=20,
            max_parameters_per_event=0.25,
            min_effective=10.0,
            max_top_share=0.75,
            max_top_two_share=0.95,
        )

    @classmethod
    def named(cls, name: str) -> Self:
        """The profile of that name: ``strict``, ``teaching`` or ``none``."""
        profiles = {p.name: p for p in (cls(), cls.teaching(), cls.none())}
        if name not in profiles:
            raise ValueError(f"There is no disclosure profile {name!r}; choose one of {sorted(profiles)}.")
        return profiles[name]

    def tightened_by(self, other: "DisclosurePolicy") -> "DisclosurePolicy":
        """The stricter of both, rule by rule: a study can tighten a site's policy, never loosen it."""
        changes: dict[str, Any] = {}
        for f in fields(self):
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            if f.name != "name":
                changes[f.name] = (
                    max(mine, theirs) if f.name in self._larger_is_stricter else min(mine, theirs)
                )
        name = self.name if replace(self, **changes) == self else f"{self.name}, tightened by {other.name}"
        return replace(self, name=name, **changes)

    def review(self, aggregate: Aggregate) -> pd.DataFrame:
        """Every judgement on an aggregate, for the eyes of the site: entry, rule, about, count, needed, passed."""
        names = [f.name for f in fields(Finding)]
        rows = [[getattr(found, name) for name in names] for found in self._findings(aggregate)]
        return pd.DataFrame(rows, columns=names)

    def release(self, query: Query, aggregate: Aggregate) -> Release:
        """Let the sums out, or refuse.

        Raises
        ------
        DisclosureRefused
            At the first rule that is not met.
        """
        if not self.off:
            for finding in self._findings(aggregate):
                if not finding.passed:
                    refusal = Refusal(type(query).__name__, finding.entry, finding.rule)
                    raise DisclosureRefused(refusal, partial(self.review, aggregate))
        try:
            return Release(
                {k: (exact_sum.encode(s.values, s.exponent), s.exponent) for k, s in aggregate.sums.items()}
            )
        except OverflowError as problem:
            raise DisclosureRefused(
                Refusal(type(query).__name__, "sum", f"fixed point: {problem}"),
                partial(self.review, aggregate),
            ) from None

    def _findings(self, aggregate: Aggregate) -> Iterator[Finding]:
        """Failing entries in full; of those that pass, the smallest of each kind."""
        for evidence in aggregate.evidence:
            yield from self._judge(evidence)
        for name, entries in aggregate.sums.items():
            yield from self._judge(self._entry_counts(name, entries, diagonal=True), entry=name)
            if entries.pairs:
                yield from self._judge(self._entry_counts(name, entries, diagonal=False), entry=name)

    @staticmethod
    def _entry_counts(name: str, entries: Sum, *, diagonal: bool) -> Evidence:
        if not entries.pairs:
            return Evidence("entry", entries.patients.ravel(), f"entries of {name}")
        chosen = entries.patients[entries.on_diagonal if diagonal else ~entries.on_diagonal]
        return Evidence("entry" if diagonal else "pair of levels", chosen, f"entries of {name}")

    def _judge(self, evidence: Evidence, entry: str | None = None) -> Iterator[Finding]:
        counts = np.asarray(evidence.counts, dtype=float)
        if counts.size == 0:
            return
        ok, needed, smallest_first = self._threshold(evidence.rule, counts)
        order = np.lexsort((counts if smallest_first else -counts, ok))
        worst = order[: max(1, int((~ok).sum()))]
        for i in worst:
            yield Finding(
                entry or evidence.rule,
                evidence.rule,
                evidence.label(int(i)),
                float(counts[i]),
                needed,
                bool(ok[i]),
            )

    def _threshold(self, rule: Rule, counts: np.ndarray) -> tuple[np.ndarray, str, bool]:
        zero_or = {
            "entry": self.min_patients,
            "level": self.min_patients,
            "level by outcome": self.min_patients,
            "pair of levels": self.min_pair,
            "leavers of a time cell": self.min_leavers,
            "events of a time cell": self.min_leavers,
            "dropped rows": self.min_difference,
            "complement of the subset": self.min_difference,
        }
        if rule in zero_or:
            return (counts == 0) | (counts >= zero_or[rule]), f"0 or at least {zero_or[rule]}", True
        match rule:
            case "patients":
                return counts >= self.min_model_patients, f"at least {self.min_model_patients}", True
            case "effective sample size":
                return counts >= self.min_effective, f"at least {self.min_effective:g}", True
            case "parameters per event":
                return (
                    counts <= self.max_parameters_per_event,
                    f"at most {self.max_parameters_per_event:g}",
                    False,
                )
            case "size of coefficients":
                return counts <= self.max_coefficient, f"at most {self.max_coefficient:g}", False
            case "dominance":
                return counts <= self.max_top_share, f"at most {self.max_top_share:g}", False
            case "dominance of two":
                return counts <= self.max_top_two_share, f"at most {self.max_top_two_share:g}", False
            case "distinct values" | "agreed grid":
                return np.full(counts.shape, self.distinct_values), "an agreed grid or agreed edges", True
            case _:
                return (
                    np.full(counts.shape, self.per_site_estimates),
                    "permission for per-site estimates",
                    True,
                )
