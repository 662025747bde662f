"""What a site answers about a column, group by group: counts, moments, and counts between agreed edges."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum, hidden_levels_of
from fedstats.contract.design import level_codes
from fedstats.contract.dominance import deviations, shares
from fedstats.contract.entries import Entries, between, crossed, each, groups_of, listed, one
from fedstats.contract.linear_predictor import LinearPredictor
from fedstats.contract.model_evidence import of_own_site
from fedstats.contract.query import Query, QueryError, Spec
from fedstats.contract.site_data import SiteData
from fedstats.numerics.cell_suppression import shown_together

Array = NDArray[np.float64]

#: Of patients in one question.
MOST_GROUPS = 400


@dataclass(frozen=True)
class Grouping(Spec):
    """A factor with its agreed levels, by which patients are grouped."""

    column: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class _ByGroup(Query):
    """A variable described by the agreed levels of a grouping column (None: everyone), and of others ``across``."""

    variable: str
    by: str | None
    groups: tuple[str, ...]
    across: tuple[Grouping, ...] = field(default=(), kw_only=True)

    #: Whether the variable may be a column that the question makes.
    made_too: ClassVar[bool] = False

    def subject(self) -> str:
        """The columns."""
        return f"{self.variable} by {' and '.join(self._by)}" if self._by else self.variable

    @property
    def _groupings(self) -> tuple[Grouping, ...]:
        first = () if self.by is None else (Grouping(self.by, self.groups),)
        return (*first, *self.across)

    @property
    def _by(self) -> tuple[str, ...]:
        return tuple(grouping.column for grouping in self._groupings)

    @property
    def _axis(self) -> tuple[str, ...]:
        return crossed(("",), *(groups_of(grouping.column, grouping.levels) for grouping in self._groupings))

    @property
    def _without_group(self) -> dict[str, Entries]:
        return {"ungrouped": one(f"rows with an empty cell in {listed(self._by)}")} if self._by else {}

    def _split(
        self, data: SiteData
    ) -> tuple[pd.Series, NDArray[np.int64], int, tuple[Evidence, ...], tuple[Cohort, ...], dict[str, Sum]]:
        """Values and group of who has one, how many groups, what the gate judges, whose values, and how many have no group."""
        data.require(self._by)
        data.require([self.variable], made_too=self.made_too)
        frame, n_groups = data.frame, 1
        group = np.zeros(len(frame), dtype=np.int64)
        if math.prod(max(1, len(grouping.levels)) for grouping in self._groupings) > MOST_GROUPS:
            raise QueryError(f"A table has at most {MOST_GROUPS} groups.")
        for grouping in self._groupings:
            codes, width = level_codes(frame[grouping.column], grouping.levels), max(1, len(grouping.levels))
            group = np.where((group < 0) | (codes < 0), -1, group * width + codes)
            n_groups *= width
        ungrouped = int((group < 0).sum())
        evidence = (
            *data.subset_evidence,
            Evidence("dropped rows", np.array([ungrouped]), "rows without a group"),
            *of_own_site((self.variable, *self._by), data.codebook),
        )
        keep = group >= 0
        columns = data.sources((self.variable, *self._by))
        there = keep & frame[self.variable].notna().to_numpy()
        every: tuple[tuple[str, ...], ...] = tuple((column,) for column in self._by)
        levels = (*every, tuple(sorted(self._by))) if len(every) > 1 else every
        cohorts = tuple(Cohort(data.positions[rows], columns, levels=levels) for rows in (keep, there))
        left = {"ungrouped": Sum(np.array([ungrouped]), np.array([len(frame)]))} if self._by else {}
        return frame.loc[keep, self.variable], group[keep], n_groups, evidence, cohorts, left


@dataclass(frozen=True)
class LevelCounts(_ByGroup):
    """Patients in each level of a factor, by group, and with an empty cell.

    Levels with a cell too small to be seen leave as one, together with others where that takes them, by the site's own thresholds.
    """

    levels: tuple[str, ...]

    asks = "patients in each level"

    def entries(self) -> dict[str, Entries]:
        """Counts by group and level, the empty cells last; which levels are not shown, and what is in these together."""
        levels = (*(f"{self.variable}={level}" for level in self.levels), f"{self.variable} empty")
        return {
            "counts": each("patients with a level, or an empty cell", self._axis, levels, count="g (l + 1)"),
            "together": each("patients with a level that is not shown", self._axis, count="g"),
            "hidden": each("whether a level is not shown: 1 or 0", levels, count="l + 1"),
        } | self._without_group

    def aggregate(self, data: SiteData) -> Aggregate:
        """(groups, levels + 1) counts, of which those of hidden levels leave added up, (groups,), and how many have no group."""
        values, group, n_groups, evidence, cohorts, ungrouped = self._split(data)
        if self.levels != (data.codebook[self.variable].levels or ("0", "1")):
            # with levels of its own a question would show alone what another one adds up
            evidence = (Evidence("agreed grid", np.array([1]), "levels of the question's own"), *evidence)
        level = level_codes(values, self.levels)
        width = len(self.levels) + 1
        level = np.where(level < 0, width - 1, level)
        counts = np.bincount(group * width + level, minlength=n_groups * width).reshape(n_groups, width)
        hidden = shown_together(counts, partial(data.meets, "entry"))
        together = counts[:, hidden].sum(axis=1)
        counts[:, hidden] = 0
        read = tuple({(self.variable,), tuple(sorted({self.variable, *self._by}))})
        cohorts = tuple(replace(cohort, levels=(*cohort.levels, *read)) for cohort in cohorts)
        of_table = _hidden_levels(self.variable, self._by, hidden[level], group)
        cohorts = (
            replace(cohorts[0], made=of_table),
            *cohorts[1:],
            *_added_up(cohorts[0], hidden[level], group),
        )
        sums = {
            "counts": Sum(counts, counts),
            "together": Sum(together, together),
            "hidden": Sum(hidden.astype(float), np.array(len(values))),
        } | ungrouped
        return Aggregate(sums, len(values), evidence, cohorts)


def _hidden_levels(
    variable: str, by: tuple[str, ...], hidden: NDArray[np.bool_], group: NDArray[np.int64]
) -> tuple[tuple[str, Array, bool], ...]:
    """Who has a level that is not shown, by group, for a memory: another column may tell a part of them."""
    if not hidden.any():
        return ()
    return ((hidden_levels_of(variable, by), np.where(hidden, group + 1.0, np.nan), False),)


def _added_up(cohort: Cohort, hidden: NDArray[np.bool_], group: NDArray[np.int64]) -> tuple[Cohort, ...]:
    """Patients of the hidden levels, by group: less those of one of these levels they would be those of the others."""
    return tuple(Cohort(cohort.rows[hidden & (group == g)], cohort.columns) for g in np.unique(group[hidden]))


@dataclass(frozen=True)
class Moments(_ByGroup):
    """Number, sum and sum of squares of a measurement around its agreed centre, by group."""

    centre: float
    scale: float

    asks = "number of patients, sum and sum of squares"
    made_too = True

    def entries(self) -> dict[str, Entries]:
        """Four numbers a group."""
        about = f"(value - {self.centre:g}) / {self.scale:g}"
        said = {"n": "patients with a value", "missing": "patients with an empty cell"}
        said |= {"sum": f"sum of {about}", "squares": f"sum of squares of {about}"}
        return {
            name: each(means, self._axis, count="g") for name, means in said.items()
        } | self._without_group

    def aggregate(self, data: SiteData) -> Aggregate:
        """4 sums a group, n, missing, sum, sum of squares, and how many have no group."""
        values, group, n_groups, evidence, cohorts, ungrouped = self._split(data)
        agreed = data.codebook[self.variable]
        if (self.centre, self.scale) != (agreed.centre, agreed.scale):
            evidence = (
                Evidence("agreed grid", np.array([1]), "a centre or scale of the question's own"),
                *evidence,
            )
        x = values.to_numpy(dtype=float)
        there = ~np.isnan(x)
        n = np.bincount(group[there], minlength=n_groups)
        missing = np.bincount(group[~there], minlength=n_groups)
        sums = {"n": Sum(n, n), "missing": Sum(missing, missing)} | ungrouped
        with np.errstate(over="ignore", invalid="ignore"):  # whether a sum is finite is said after the gate
            z = (x[there] - self.centre) / self.scale
            sums["sum"] = Sum(np.bincount(group[there], z, n_groups), n)
            sums["squares"] = Sum(np.bincount(group[there], z * z, n_groups), n)
            evidence += (*_few_values(z, group[there]), *self._dominance(z, group[there], n_groups))
        made = data.made.get(self.variable)
        if isinstance(made, LinearPredictor):
            frame = data.frame.loc[values.index[there]]
            evidence += tuple(made.evidence_within(frame, group[there]))
            cohorts = tuple(
                replace(cohort, functions=made.design.functions, levels=(*cohort.levels, *made.design.levels))
                for cohort in cohorts
            )
        else:
            functions = ((self.variable, self.variable),)
            cohorts = tuple(replace(cohort, functions=functions) for cohort in cohorts)
        return Aggregate(sums, len(values), evidence, cohorts)

    def _dominance(self, z: Array, group: NDArray[np.int64], n_groups: int) -> tuple[Evidence, ...]:
        """Shares of single patients in the sums and in the sums of squares, by group."""
        away = deviations(z[:, None])
        both = np.column_stack([away, away**2])
        within = (group[:, None] == np.arange(n_groups)).astype(float)
        one, two = shares(both, within, floor=True)
        about = tuple(
            f"{what} of {self.variable}, {g or 'all'}" for g in self._axis for what in ("sum", "squares")
        )
        return Evidence("dominance", one.ravel(), about), Evidence("dominance of two", two.ravel(), about)


def _few_values(z: Array, group: NDArray[np.int64]) -> Iterator[Evidence]:
    """Three sums (n, z, z squared) determine how many patients have each of up to three values."""
    for g in np.unique(group):
        _, counts = np.unique(z[group == g], return_counts=True)
        if len(counts) <= 3:
            yield Evidence("level", counts, "patients with one value of a measurement that has few")


@dataclass(frozen=True)
class Histogram(_ByGroup):
    """Patients between the agreed edges of a measurement, by group.

    A cell is (left, right]; the outer cells are open.
    """

    edges: tuple[float, ...]

    asks = "patients between the agreed edges"

    def entries(self) -> dict[str, Entries]:
        """Counts by group and cell, both ends open."""
        cells = between(self.edges, beyond=True)
        return {"counts": each("patients with a value in the cell", self._axis, cells, count="g (e + 1)")}

    def aggregate(self, data: SiteData) -> Aggregate:
        """(groups, edges + 1) counts."""
        values, group, n_groups, evidence, cohorts, _ = self._split(data)
        if self.edges != data.codebook[self.variable].edges:
            # a sliding edge would tell one patient after the other
            evidence = (Evidence("agreed grid", np.array([1]), "edges of the question's own"), *evidence)
        x = values.to_numpy(dtype=float)
        there = ~np.isnan(x)
        width = len(self.edges) + 1
        cell = np.searchsorted(np.array(self.edges), x[there], side="left")
        counts = np.bincount(group[there] * width + cell, minlength=n_groups * width).reshape(n_groups, width)
        cohorts = tuple(replace(cohort, cuts=((self.variable, self.edges),)) for cohort in cohorts)
        return Aggregate({"counts": Sum(counts, counts)}, len(values), evidence, cohorts)


@dataclass(frozen=True)
class DistinctValues(_ByGroup):
    """Every distinct value with its count by group; only let out where no rule forbids it."""

    summable = False
    asks = "every distinct value with its count"
    made_too = True

    def entries(self) -> dict[str, Entries]:
        """As many as the site has distinct values."""
        return {
            "values": each("one distinct value", None, count="distinct values"),
            "counts": each("patients with that value", self._axis, None, count="g times distinct values"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """Values (k,) and counts (groups, k)."""
        values, group, n_groups, evidence, cohorts, _ = self._split(data)
        x = values.to_numpy(dtype=float)
        there = ~np.isnan(x)
        distinct, position = np.unique(x[there], return_inverse=True)
        counts = np.zeros((n_groups, len(distinct)), dtype=np.int64)
        np.add.at(counts, (group[there], position), 1)
        total = counts.sum(axis=0)
        singles = Evidence("distinct values", total, "patients with one value")
        sums = {"values": Sum(distinct, total), "counts": Sum(counts, counts)}
        return Aggregate(sums, len(values), (*evidence, singles), cohorts)
