"""The gate: what a site lets out, entry by entry.

A policy belongs to a site.  :meth:`DisclosurePolicy.release` is the only function that makes a
:class:`Release`; what it refuses is refused by rule, and the numbers behind a refusal stay here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from fedstats.contract.aggregate import Aggregate, Evidence, Release, Rule, Sum
from fedstats.contract.profile_entries import profile_of, thresholds_of
from fedstats.contract.query import Query, Spec, questions_in
from fedstats.contract.refusal import SUM_TOO_LARGE, DisclosureRefused, Finding, Refusal, not_answered
from fedstats.contract.thresholds import threshold
from fedstats.numerics import exact_sum

__all__ = ["DisclosurePolicy", "DisclosureRefused", "Refusal"]

#: Stands for "no upper limit" in a message that holds finite numbers alone.
NO_LIMIT = 1e300


@dataclass(frozen=True)
class DisclosurePolicy(Spec):
    """Thresholds that an answer must meet before it leaves a site.

    "0 or at least k" lets an empty cell pass, for nobody is in it.  The defaults are strict.

    Attributes
    ----------
    name : str                       printed in reports
    min_patients : int               behind every entry, in every level and level x outcome: 0 or at least
    min_pair : int                   in every pair of levels of a model: 0 or at least
    min_joint_cell : int             who share all levels of a model that has levels alone: 0 or at least
    min_level_difference : int       of a level in what answers together tell of: 0 or at least
    min_leavers : int                leaving the risk set in every cell of a time grid: 0 or at least
    min_in_order : int               leaving while events happen in a Cox model of levels, or between two outcomes of the same patients: 0 or at least
    min_difference : int             dropped from a model, outside a subset, or told of by answers together: 0 or at least
    min_model_patients : int         in a model: at least
    max_parameters_per_event : float coefficients per event (or per patient of the rarer outcome): at most
    min_effective : float            effective sample size (sum w)^2 / sum w^2 behind a model's sums: at least
    min_effective_level : float      the same within every level and outside it: 0 or at least
    max_coefficient : float          |beta| on the standardised scale at which a model is answered: at most
    max_top_share : float            of one patient in a sum of deviations or of their products: at most
    max_top_two_share : float        of the two patients with the largest parts of it: at most
    max_points : int                 distinct points at which one model is answered, where a site keeps count: at most
    max_numbers_per_patient : float  sums that leave about one model beyond those of a fit, by its patients, where a site keeps count: at most
    max_sums_per_value : float       told by subtraction of patients who are in one of two cohorts alone, for each of their values: at most
    max_refusals : int               points at which one model is refused before it is not answered any more: at most
    distinct_values : bool           may distinct times and values leave, one by one?
    per_site_estimates : bool        may a site's own estimate be asked for, unmasked?
    bounded_models : bool            are models answered that have a likelihood at some coefficients alone (log-binomial)?
    beyond_study : bool              are questions answered that no analysis of the site's study asks?
    allow : tuple of str or None     kinds of question that are answered, by name; None: all
    deny : tuple of str              kinds of question that are not
    off : bool                       every rule off (teaching, tests, data that are public or synthetic)
    """

    name: str = "strict"
    min_patients: int = 11
    min_pair: int = 5
    min_joint_cell: int = 5
    min_level_difference: int = 3
    min_leavers: int = 11
    min_in_order: int = 64
    min_difference: int = 11
    min_model_patients: int = 50
    max_parameters_per_event: float = 0.2
    min_effective: float = 30.0
    min_effective_level: float = 5.0
    max_coefficient: float = 5.0
    max_top_share: float = 0.5
    max_top_two_share: float = 0.9
    max_points: int = 100
    max_refusals: int = 16
    max_numbers_per_patient: float = 1.0
    max_sums_per_value: float = 1.0
    distinct_values: bool = False
    per_site_estimates: bool = True
    bounded_models: bool = False
    beyond_study: bool = False
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    off: bool = False

    #: Fields where a larger number is stricter; of the others a smaller one (or False) is.
    _larger_is_stricter: ClassVar[tuple[str, ...]] = (
        "min_patients",
        "min_pair",
        "min_joint_cell",
        "min_level_difference",
        "min_leavers",
        "min_in_order",
        "min_difference",
        "min_model_patients",
        "min_effective",
        "min_effective_level",
    )

    @classmethod
    def none(cls) -> Self:
        """Every rule off: for teaching, tests, and data that are public or synthetic."""
        return cls(
            name="none",
            min_patients=0,
            min_pair=0,
            min_joint_cell=0,
            min_level_difference=0,
            min_leavers=0,
            min_in_order=0,
            min_difference=0,
            min_model_patients=0,
            max_parameters_per_event=NO_LIMIT,
            min_effective=0.0,
            min_effective_level=0.0,
            max_coefficient=NO_LIMIT,
            max_top_share=1.0,
            max_top_two_share=1.0,
            max_points=10**9,
            max_refusals=10**9,
            max_numbers_per_patient=NO_LIMIT,
            max_sums_per_value=NO_LIMIT,
            distinct_values=True,
            bounded_models=True,
            beyond_study=True,
            off=True,
        )

    @classmethod
    def teaching(cls) -> Self:
        """Low thresholds for small public data; reports name it on their first page."""
        return cls(
            name="teaching",
            min_patients=3,
            min_pair=1,
            min_joint_cell=1,
            min_level_difference=1,
            min_leavers=1,
            min_in_order=1,
            min_difference=1,
            min_model_patients=20,
            max_parameters_per_event=0.25,
            min_effective=10.0,
            min_effective_level=1.5,
            max_top_share=0.75,
            max_top_two_share=0.95,
            max_numbers_per_patient=100.0,
            max_sums_per_value=10.0,
            bounded_models=True,
            beyond_study=True,
        )

    @classmethod
    def opensafely(cls) -> Self:
        """OpenSAFELY's threshold: 7 or fewer patients are not shown, hence 0 or at least 8.

        Its other half, rounding what is shown to the nearest 5, is no matter of sums that are still to be
        added up: it belongs to the check of a report before it is handed on.
        """
        return cls(name="opensafely", min_patients=8, min_leavers=8, min_difference=8)

    @classmethod
    def named(cls, name: str) -> Self:
        """The profile of that name: ``strict``, ``teaching``, ``opensafely`` or ``none``."""
        profiles = {p.name: p for p in (cls(), cls.teaching(), cls.opensafely(), cls.none())}
        if name not in profiles:
            raise ValueError(f"There is no disclosure profile {name!r}; choose one of {sorted(profiles)}.")
        return profiles[name]

    @classmethod
    def from_toml(cls, content: Mapping[str, Any]) -> Self:
        """Read a site's profile file: ``base``, a built-in profile, and any threshold by its name.

        Raises
        ------
        ValueError
            An unknown key or kind of question, a value of another type, below zero or not finite; in one sentence.
        """
        base, changes = profile_of(content)
        built_in = cls.named(base)
        own = replace(built_in, **changes)
        return own if own == built_in else replace(own, name=f"{base}, as the site has set it")

    def tightened_by_study(self, content: Mapping[str, Any]) -> "DisclosurePolicy":
        """The policy with a study's ``[disclosure]`` on top, which can tighten it alone.

        Raises
        ------
        ValueError
            As :meth:`from_toml`.
        """
        return self.tightened_by(replace(DisclosurePolicy.none(), name="the study", **thresholds_of(content)))

    def with_points(self, stated: int | None) -> "DisclosurePolicy":
        """What a study asks for that states at how many points it asks about one model; None: its profile's number.

        A penalty's path, or many profile likelihoods, need more than a fit, and a study may state up to 400.  That is what its
        coordinator may ask; a site answers at no more than its own profile has.
        """
        return self if stated is None or self.off else replace(self, max_points=stated)

    def answers(self, query: Query) -> bool:
        """Whether the site answers this kind of question at all, and every question that stands inside it."""
        if self.allow is None and not self.deny:
            return True
        kinds = {type(question).__name__ for question in questions_in(query)}
        return kinds.isdisjoint(self.deny) and (self.allow is None or kinds <= set(self.allow))

    def tightened_by(self, other: "DisclosurePolicy") -> "DisclosurePolicy":
        """The stricter of both, rule by rule: a study can tighten a site's policy, never loosen it."""
        changes: dict[str, Any] = {}
        for f in fields(self):
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            if f.name not in ("name", "allow", "deny"):
                changes[f.name] = (
                    max(mine, theirs) if f.name in self._larger_is_stricter else min(mine, theirs)
                )
        lists = [set(p.allow) for p in (self, other) if p.allow is not None]
        changes["allow"] = tuple(sorted(set.intersection(*lists))) if lists else None
        changes["deny"] = tuple(sorted({*self.deny, *other.deny}))
        name = self.name if replace(self, **changes) == self else f"{self.name}, tightened by {other.name}"
        return replace(self, name=name, **changes)

    def needs(self, rule: Rule) -> str:
        """What a count must be to meet a rule, in words; "off" where no rule applies."""
        return "off" if self.off else threshold(self, rule, np.zeros(0))[1]

    def meets(self, rule: Rule, counts: np.ndarray) -> np.ndarray:
        """Which counts meet a rule, (...,) bool."""
        counts = np.asarray(counts, dtype=float)
        return np.ones(counts.shape, dtype=bool) if self.off else threshold(self, rule, counts)[0]

    def passes(self, aggregate: Aggregate) -> bool:
        """Whether every rule is met."""
        judged = self._judged(aggregate)
        return self.off or all(self.meets(one.rule, one.counts).all() for _, one in judged)

    def review(self, aggregate: Aggregate) -> pd.DataFrame:
        """Every judgement on an aggregate, for the eyes of the site: entry, rule, about, count, needed, passed."""
        names = [f.name for f in fields(Finding)]
        rows = [[getattr(found, name) for name in names] for found in self._findings(aggregate)]
        return pd.DataFrame(rows, columns=names)

    def check(self, query: Query, aggregate: Aggregate) -> None:
        """Judge without letting anything out.

        Raises
        ------
        DisclosureRefused
            At the first rule that is not met.
        """
        if not self.answers(query):
            raise DisclosureRefused(not_answered(query), pd.DataFrame)
        if not self.off:
            for entry, evidence in self._judged(aggregate):
                if not self.meets(evidence.rule, evidence.counts).all():
                    refusal = Refusal(type(query).__name__, entry, evidence.rule)
                    raise DisclosureRefused(refusal, partial(self.review, aggregate))

    def release(self, query: Query, aggregate: Aggregate) -> Release:
        """Let the sums out, or refuse.

        Raises
        ------
        DisclosureRefused
            At the first rule that is not met, or where a sum is too large to travel.
        """
        self.check(query, aggregate)
        try:
            limbs = exact_sum.encode_all({k: one.in_units for k, one in aggregate.sums.items()})
            return Release({k: (limbs[k], one.exponent) for k, one in aggregate.sums.items()})
        except OverflowError:  # its text may hold a number: fixed words leave
            raise DisclosureRefused(
                Refusal(type(query).__name__, "sum", SUM_TOO_LARGE),
                partial(self.review, aggregate),
            ) from None

    def _findings(self, aggregate: Aggregate) -> Iterator[Finding]:
        """Failing entries in full; of those that pass, the smallest of each kind."""
        for entry, evidence in self._judged(aggregate):
            yield from self._judge(entry, evidence)

    def _judged(self, aggregate: Aggregate) -> Iterator[tuple[str, Evidence]]:
        """Everything that is judged, with the entry that a refusal names."""
        for evidence in aggregate.evidence:
            yield evidence.rule, evidence
        for name, entries in aggregate.sums.items():
            yield name, self._entry_counts(name, entries, diagonal=True)
            if entries.pairs:
                yield name, self._entry_counts(name, entries, diagonal=False)

    @staticmethod
    def _entry_counts(name: str, entries: Sum, *, diagonal: bool) -> Evidence:
        if not entries.pairs:
            return Evidence("entry", entries.patients.ravel(), f"entries of {name}")
        chosen = entries.patients[entries.on_diagonal if diagonal else ~entries.on_diagonal]
        return Evidence("entry" if diagonal else "pair of levels", chosen, f"entries of {name}")

    def _judge(self, entry: str, evidence: Evidence) -> Iterator[Finding]:
        counts = np.asarray(evidence.counts, dtype=float)
        if counts.size == 0:
            return
        ok, needed, smallest_first = threshold(self, evidence.rule, counts)
        order = np.lexsort((counts if smallest_first else -counts, ok))
        worst = order[: max(1, int((~ok).sum()))]
        for i in worst:
            yield Finding(
                entry,
                evidence.rule,
                evidence.label(int(i)),
                float(counts[i]),
                needed,
                bool(ok[i]),
            )
