"""What a site answers about empty cells: how many each variable has, and two together; by practice, small ones merged."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.condition import level_name
from fedstats.contract.entries import Entries, each, listed, one
from fedstats.contract.query import Query, QueryError
from fedstats.contract.site_data import SiteData
from fedstats.methods.own_sums import per_site

Flags = NDArray[np.bool_]

#: Variables of one question.
MOST_VARIABLES = 60


@dataclass(frozen=True)
class EmptyCells(Query):
    """Patients with an empty cell, by variable and by two of them together.

    A count of a few, or of all but a few, is not shown, by the site's own threshold; two variables are shown together where
    all four combinations may be seen.
    """

    variables: tuple[str, ...]

    asks = "patients with an empty cell, and with two"

    def subject(self) -> str:
        """The columns."""
        return f"Empty cells of {listed(self.variables)}"

    def entries(self) -> dict[str, Entries]:
        """Of v variables v counts and v (v - 1) / 2 of two together, with which of them are not shown."""
        pairs = tuple(f"{a} and {b}" for a, b in combinations(self.variables, 2))
        return {
            "n": one("patients"),
            "missing": each("patients with an empty cell", self.variables, count="v"),
            "hidden": each("whether a count is not shown: 1 or 0", self.variables, count="v"),
            "both": each("patients with two empty cells", pairs, count="v (v - 1) / 2"),
            "both_hidden": each("whether a count of two is not shown: 1 or 0", pairs, count="v (v - 1) / 2"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """1 + v (v + 1) counts."""
        empty, cohorts = empty_cells(data, self.variables), list[Cohort]()
        n, everybody = np.array([len(data.frame)]), np.array(len(data.frame))
        missing = np.array([rows.sum() for rows in empty.values()], dtype=np.int64)
        hidden = ~(data.meets("entry", missing) & data.meets("entry", n - missing))
        both, both_hidden = [], []
        for (i, (a, first)), (j, (b, other)) in combinations(enumerate(empty.items()), 2):
            together = int((first & other).sum())
            cells = np.array(
                [together, missing[i] - together, missing[j] - together, n[0] - (first | other).sum()]
            )
            shown = not (hidden[i] or hidden[j]) and bool(data.meets("entry", cells).all())
            both.append(together if shown else 0)
            both_hidden.append(not shown)
            if shown:
                cohorts.append(Cohort(data.positions[first & other], (a, b)))
        for (name, rows), unseen in zip(empty.items(), hidden, strict=True):
            cohorts += [] if unseen else cohorts_of(data, name, rows)
        missing[hidden] = 0
        two = np.array(both, dtype=np.int64)
        sums = {
            "n": Sum(n, n),
            "missing": Sum(missing, missing),
            "hidden": Sum(hidden.astype(float), everybody),
            "both": Sum(two, two),
            "both_hidden": Sum(np.array(both_hidden, dtype=float), everybody),
        }
        return Aggregate(sums, int(n[0]), data.subset_evidence, tuple(cohorts))


@dataclass(frozen=True)
class EmptyCellsOfGroups(Query):
    """Patients with an empty cell by variable and practice, small practices merged.

    A practice stands by itself where every variable that the site shows is empty in nobody or enough and filled in nobody or enough; the
    others are merged, with the smallest of the former until that holds for them as well.
    """

    variables: tuple[str, ...]
    by: str

    summable = False
    asks = "patients with an empty cell in each practice, small ones merged"

    def subject(self) -> str:
        """The columns."""
        return f"Empty cells of {listed(self.variables)} by {self.by}"

    def entries(self) -> dict[str, Entries]:
        """Numbers by group, of which the rows decide how many there are."""
        return {
            "n": each("patients of a group", None, count="g"),
            "practices": each("practices in a group", None, count="g"),
            "missing": each("patients of a group with an empty cell", None, self.variables, count="g v"),
            "hidden": each("whether a variable's counts are not shown: 1 or 0", self.variables, count="v"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """Of each group its size and v counts."""
        empty = empty_cells(data, self.variables)
        data.require((), (self.by,))
        flags = np.array(list(empty.values()))
        n = len(data.frame)
        total = flags.sum(axis=1)
        hidden = ~(data.meets("entry", total) & data.meets("entry", n - total))
        values = data.frame[self.by].map(level_name, na_action="ignore").astype(object)
        groups = self._groups(data, values, flags[~hidden])
        size = np.array([rows.sum() for rows, _ in groups])
        missing = np.array([[(column & rows).sum() for column in flags] for rows, _ in groups])
        missing[:, hidden] = 0
        practices = np.array([float(count) for _, count in groups])
        cohorts = [
            cohort
            for (rows, _) in groups
            for (name, column), unseen in zip(empty.items(), hidden, strict=True)
            if not unseen
            for cohort in cohorts_of(data, name, column, rows)
        ]
        sums = {
            "n": Sum(size, size),
            "practices": Sum(practices, size),
            "missing": Sum(missing, missing),
            "hidden": Sum(hidden.astype(float), np.array(n)),
        }
        grouped = int(size.sum())
        evidence = (
            *data.subset_evidence,
            per_site(n),
            Evidence("dropped rows", np.array([n - grouped]), "rows without a practice"),
            Evidence(
                "level",
                np.concatenate([missing.ravel(), (size[:, None] - missing)[:, ~hidden].ravel()]),
                "empty cells of a practice, and filled ones",
            ),
        )
        return Aggregate(sums, grouped, evidence, tuple(cohorts))

    @staticmethod
    def _groups(data: SiteData, values: pd.Series, shown: Flags) -> list[tuple[Flags, int]]:
        """Rows of each group and how many practices it holds, the largest first."""

        def passes(rows: Flags) -> bool:
            inside = np.array([(column & rows).sum() for column in shown], dtype=np.int64)
            counts = np.concatenate([[rows.sum()], inside, rows.sum() - inside])
            return bool(data.meets("entry", counts).all())

        names = sorted(set(values.dropna()))
        singles = sorted(((values == name).to_numpy() for name in names), key=lambda rows: -int(rows.sum()))
        groups = [(rows, 1) for rows in singles if passes(rows)]
        small = [rows for rows in singles if not passes(rows)]
        if not small:
            return groups
        merged, count = np.logical_or.reduce(small), len(small)
        while groups and not passes(merged):
            rows, _ = groups.pop()
            merged, count = merged | rows, count + 1
        return [*groups, (merged, count)]


def empty_cells(data: SiteData, variables: tuple[str, ...]) -> dict[str, Flags]:
    """Which rows have an empty cell, by variable.

    Raises
    ------
    QueryError
        No variable, one twice, many, or columns that are none of the codebook's.
    """
    if not 0 < len(variables) <= MOST_VARIABLES or len(set(variables)) < len(variables):
        raise QueryError(f"A profile is of one to {MOST_VARIABLES} variables, each once.")
    data.require((), variables)
    return {name: data.frame[name].isna().to_numpy() for name in variables}


def cohorts_of(data: SiteData, name: str, empty: Flags, among: Flags | None = None) -> list[Cohort]:
    """For a memory: those with an empty cell and those without, each as a cohort of which the column was read."""
    inside = np.ones(len(empty), dtype=bool) if among is None else among
    return [Cohort(data.positions[rows & inside], (name,)) for rows in (empty, ~empty)]
