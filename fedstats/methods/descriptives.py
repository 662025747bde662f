"""What a site answers about a column, group by group: counts, moments, and counts between agreed edges."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.design import level_codes
from fedstats.contract.dominance import deviations, shares
from fedstats.contract.entries import Entries, between, each, groups_of
from fedstats.contract.query import Query
from fedstats.contract.site_data import SiteData

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _ByGroup(Query):
    """A variable described by the agreed levels of a grouping column (None: everyone)."""

    variable: str
    by: str | None
    groups: tuple[str, ...]

    #: Whether the variable may be a column that the question makes.
    made_too: ClassVar[bool] = False

    def subject(self) -> str:
        """The columns."""
        return f"{self.variable} by {self.by}" if self.by else self.variable

    @property
    def _axis(self) -> tuple[str, ...]:
        return groups_of(self.by, self.groups)

    def _split(
        self, data: SiteData
    ) -> tuple[pd.Series, NDArray[np.int64], int, tuple[Evidence, ...], tuple[Cohort, ...]]:
        data.require([self.by] if self.by else [])
        data.require([self.variable], made_too=self.made_too)
        frame = data.frame
        group = (
            np.zeros(len(frame), dtype=np.int64)
            if self.by is None
            else level_codes(frame[self.by], self.groups)
        )
        ungrouped = int((group < 0).sum())
        evidence = (
            *data.subset_evidence,
            Evidence("dropped rows", np.array([ungrouped]), "rows without a group"),
        )
        keep = group >= 0
        columns = data.sources((self.variable, *([self.by] if self.by else [])))
        there = keep & frame[self.variable].notna().to_numpy()
        cohorts = tuple(
            Cohort(data.positions[rows], columns, levels=((self.by,),) if self.by else ())
            for rows in (keep, there)
        )
        return frame.loc[keep, self.variable], group[keep], max(1, len(self.groups)), evidence, cohorts


@dataclass(frozen=True)
class LevelCounts(_ByGroup):
    """Patients in each level of a factor, by group, and with an empty cell."""

    levels: tuple[str, ...]

    asks = "patients in each level"

    def entries(self) -> dict[str, Entries]:
        """Counts by group and level, the empty cells last."""
        levels = (*(f"{self.variable}={level}" for level in self.levels), f"{self.variable} empty")
        return {
            "counts": each("patients with a level, or an empty cell", self._axis, levels, count="g (l + 1)")
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """(groups, levels + 1) counts."""
        values, group, n_groups, evidence, cohorts = self._split(data)
        level = level_codes(values, self.levels)
        width = len(self.levels) + 1
        position = group * width + np.where(level < 0, width - 1, level)
        counts = np.bincount(position, minlength=n_groups * width).reshape(n_groups, width)
        read = tuple({(self.variable,), tuple(sorted({self.variable, self.by or self.variable}))})
        cohorts = tuple(replace(cohort, levels=(*cohort.levels, *read)) for cohort in cohorts)
        return Aggregate({"counts": Sum(counts, counts)}, len(values), evidence, cohorts)


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
        return {name: each(means, self._axis, count="g") for name, means in said.items()}

    def aggregate(self, data: SiteData) -> Aggregate:
        """4 sums a group: n, missing, sum, sum of squares."""
        values, group, n_groups, evidence, cohorts = self._split(data)
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
        sums = {"n": Sum(n, n), "missing": Sum(missing, missing)}
        with np.errstate(over="ignore", invalid="ignore"):  # whether a sum is finite is said after the gate
            z = (x[there] - self.centre) / self.scale
            sums["sum"] = Sum(np.bincount(group[there], z, n_groups), n)
            sums["squares"] = Sum(np.bincount(group[there], z * z, n_groups), n)
            evidence += (*_few_values(z, group[there]), *self._dominance(z, group[there], n_groups))
        if self.variable in data.made:
            made, frame = data.made[self.variable], data.frame.loc[values.index[there]]
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
            f"{what} of {self.variable}, {g}" for g in self.groups or ("all",) for what in ("sum", "squares")
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
        values, group, n_groups, evidence, cohorts = self._split(data)
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
        values, group, n_groups, evidence, cohorts = self._split(data)
        x = values.to_numpy(dtype=float)
        there = ~np.isnan(x)
        distinct, position = np.unique(x[there], return_inverse=True)
        counts = np.zeros((n_groups, len(distinct)), dtype=np.int64)
        np.add.at(counts, (group[there], position), 1)
        total = counts.sum(axis=0)
        singles = Evidence("distinct values", total, "patients with one value")
        sums = {"values": Sum(distinct, total), "counts": Sum(counts, counts)}
        return Aggregate(sums, len(values), (*evidence, singles), cohorts)
