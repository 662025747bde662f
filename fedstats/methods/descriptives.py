"""Patient characteristics: counts, means, medians and standardised differences from sums."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.arguments import check_federation, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import level_codes
from fedstats.contract.dominance import deviations, shares
from fedstats.contract.entries import Entries, between, each, groups_of
from fedstats.contract.federation import Federation, Meter, SiteRefused
from fedstats.contract.formula import FormulaError
from fedstats.contract.linear_predictor import LinearPredictor
from fedstats.contract.query import Query, QueryError
from fedstats.contract.results import Table
from fedstats.contract.site_data import SiteData
from fedstats.contract.variable import Variable

Array = NDArray[np.float64]
QUARTILES = (0.25, 0.5, 0.75)
_QUARTILE_COLUMNS = ("q1", "median", "q3")
COLUMNS = (
    *("variable", "level", "group", "n", "percent", "mean", "sd", "median", "q1", "q3", "missing", "smd"),
    *(f"{name}_{side}" for name in _QUARTILE_COLUMNS for side in ("low", "high")),
)
INTERPOLATED = (
    "counts, means and standard deviations are those of the pooled rows; "
    "medians and quartiles are interpolated between the codebook's edges"
)


# The site's half -----------------------------------------------------------------------------


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


# The coordinator's half ------------------------------------------------------------------------


def table_one(federation: Federation, *, by: str | None = None, variables: Sequence[str]) -> Table:
    """Patient characteristics of all sites together.

    Parameters
    ----------
    federation : Federation
    by : str, optional
        Grouping factor; standardised mean differences compare its groups.
    variables : sequence of str
        Factors give n (%), numbers mean (SD) and median (quartiles); ``C(column)`` reads a number as a factor.

    Returns
    -------
    Table
        Means, standard deviations and percentages are exact.  Medians and quartiles are exact where
        distinct values may leave, otherwise interpolated between the codebook's edges; ``median_low`` and
        ``median_high`` (``q1_low`` ...) are the edges between which the true value lies.  What a policy did
        not let out is missing and named in ``refused``.

    Notes
    -----
    Standardised mean differences are absolute, as in R's ``tableone``; for factors Yang & Dalton
    (2012), averaged over pairs of groups when there are more than two.
    """
    check_federation(federation)
    codebook = federation.codebook
    _check_variables(variables)
    groups = _group_levels(codebook, by)
    meter = Meter(federation)
    names = [codebook[by].level_label(g) for g in groups] if by else []
    rows: list[dict[str, object]] = []
    refused: list[tuple[str, str]] = []
    for text in variables:
        column = text[2:-1].strip() if text.startswith("C(") and text.endswith(")") else text
        variable = known_column(column, codebook, "A variable")
        as_factor = column != text or variable.kind in ("factor", "event")
        try:
            describe = _factor_rows if as_factor else _number_rows
            rows += describe(meter, variable, by, groups, names, refused)
        except SiteRefused as refusal:
            refused.append((column, refusal.rule))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    if rows and not frame[["n", "missing"]].to_numpy(float).any():
        raise QueryError("There are no patients to describe.")
    interpolated = bool((frame["median_low"] < frame["median_high"]).any())
    status = INTERPOLATED if interpolated and not federation.distinct_values else "exact"
    return Table(by, frame, tuple(refused), status, meter.rounds, meter.n_bytes, federation.sites)


def _check_variables(variables: object) -> None:
    if isinstance(variables, str) or not isinstance(variables, Sequence):
        raise FormulaError(f"variables is {variables!r}; give a list of columns, as in ['age', 'sex'].")
    strange = [v for v in variables if not isinstance(v, str)]
    if strange:
        raise FormulaError(f"variables names {strange[0]!r}; give the names of columns as texts.")


def _group_levels(codebook: Codebook, by: str | None) -> tuple[str, ...]:
    if by is None:
        return ()
    if not known_column(by, codebook, "by").levels:
        raise FormulaError(f"A table is grouped by a factor; {by!r} is not one in the codebook.")
    return codebook[by].levels


def _with_overall(by_group: Array, names: list[str]) -> list[tuple[str, Array]]:
    return [*zip(names, by_group, strict=False), ("Overall", by_group.sum(axis=0))]


def _factor_rows(
    meter: Meter,
    variable: Variable,
    by: str | None,
    groups: tuple[str, ...],
    names: list[str],
    refused: list[tuple[str, str]],  # noqa: ARG001 (one signature for both kinds of variable)
) -> list[dict[str, object]]:
    levels = variable.levels or ("0", "1")
    counts = np.rint(meter.sum(LevelCounts(variable.name, by, groups, levels))["counts"])
    smd = _mean_over_pairs([_factor_difference(a[:-1], b[:-1]) for a, b in combinations(counts, 2)])
    rows = []
    for group, row in _with_overall(counts, names):
        known = row[:-1].sum()
        for level, n in zip(levels, row[:-1], strict=True):
            percent = 100 * n / known if known else np.nan
            rows.append(
                {"variable": variable.name, "level": level, "group": group, "n": int(n), "percent": percent}
                | {"missing": int(row[-1]), "smd": smd}
            )
    return rows


def _number_rows(
    meter: Meter,
    variable: Variable,
    by: str | None,
    groups: tuple[str, ...],
    names: list[str],
    refused: list[tuple[str, str]],
) -> list[dict[str, object]]:
    total = meter.sum(Moments(variable.name, by, groups, variable.centre, variable.scale))
    sums = np.column_stack([total[k] for k in ("n", "missing", "sum", "squares")])
    try:
        quartiles = dict(_quartiles(meter, variable, by, groups, names))
    except SiteRefused as refusal:
        refused.append((f"{variable.name} (median and quartiles)", refusal.rule))
        quartiles = {}
    nothing = {f"{q}{side}": np.nan for q in _QUARTILE_COLUMNS for side in ("", "_low", "_high")}
    moments = {g: (row, *_mean_sd(row, variable)) for g, row in _with_overall(sums, names)}
    pairs = [_number_difference(moments[a][1:], moments[b][1:]) for a, b in combinations(names, 2)]
    smd = _mean_over_pairs(pairs)
    return [
        {"variable": variable.name, "level": "", "group": group, "n": round(row[0]), "mean": mean, "sd": sd}
        | quartiles.get(group, nothing)
        | {"missing": round(row[1]), "smd": smd}
        for group, (row, mean, sd) in moments.items()
    ]


def _mean_sd(row: Array, variable: Variable) -> tuple[float, float]:
    n, _, total, squares = row
    if n == 0:
        return np.nan, np.nan
    # around the agreed centre nothing cancels: the mean deviation is of the size of the spread
    variance = (squares - total**2 / n) / (n - 1) if n > 1 else np.nan
    spread = float(np.sqrt(np.maximum(variance, 0.0)))  # a constant may miss zero by a rounding
    return variable.centre + variable.scale * total / n, variable.scale * spread


def _quartiles(
    meter: Meter, variable: Variable, by: str | None, groups: tuple[str, ...], names: list[str]
) -> list[tuple[str, dict[str, float]]]:
    if meter.federation.distinct_values:
        answers = meter.each(DistinctValues(variable.name, by, groups)).values()
        values = np.concatenate([a["values"] for a in answers])
        counts = np.concatenate([a["counts"] for a in answers], axis=1)
        order = np.argsort(values, kind="stable")
        return [
            (g, _named([(_quantile(values[order], c[order], q),) * 3 for q in QUARTILES]))
            for g, c in _with_overall(counts, names)
        ]
    if not variable.edges:
        return []
    counts = meter.sum(Histogram(variable.name, by, groups, variable.edges))["counts"]
    edges = np.array(variable.edges)
    return [
        (g, _named([(_interpolated(edges, c, q), *_between(edges, c, q)) for q in QUARTILES]))
        for g, c in _with_overall(counts, names)
    ]


def _named(quartiles: list[tuple[float, ...]]) -> dict[str, float]:
    """Columns of a table from the value, lower and upper edge of each quartile."""
    named: dict[str, float] = {}
    for name, (value, low, high) in zip(_QUARTILE_COLUMNS, quartiles, strict=True):
        named |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return named


def _quantile(values: Array, counts: Array, probability: float) -> float:
    """Quantile of counted values in order, type 7 of Hyndman & Fan (1996), R's default."""
    cumulative = np.cumsum(counts)
    if not len(counts) or cumulative[-1] == 0:
        return float("nan")
    position = (cumulative[-1] - 1) * probability
    low, high = (
        float(values[np.searchsorted(cumulative, k, side="right")])
        for k in (np.floor(position), np.ceil(position))
    )
    return low + (position - np.floor(position)) * (high - low)


def _interpolated(edges: Array, counts: Array, probability: float) -> float:
    """Quantile by linear interpolation within the cell that holds it; NaN in an open outer cell."""
    cumulative = np.cumsum(counts)
    if cumulative[-1] == 0:
        return float("nan")
    target = probability * cumulative[-1]
    cell = int(np.searchsorted(cumulative, target, side="left"))
    if cell in (0, len(edges)):
        return float(edges[0]) if cell == 0 and counts[0] == target else float("nan")
    before = cumulative[cell - 1]
    return float(edges[cell - 1] + (target - before) / counts[cell] * (edges[cell] - edges[cell - 1]))


def _between(edges: Array, counts: Array, probability: float) -> tuple[float, float]:
    """Edges between which the quantile of the values themselves lies; infinite in an open outer cell.

    It is a mean of two neighbours in order (type 7), which may lie in different cells.
    """
    cumulative = np.cumsum(counts)
    if cumulative[-1] == 0:
        return float("nan"), float("nan")
    position = (cumulative[-1] - 1) * probability
    left, right = (
        int(np.searchsorted(cumulative, k, side="right")) for k in (np.floor(position), np.ceil(position))
    )
    open_edges = np.concatenate([[-np.inf], edges, [np.inf]])
    return float(open_edges[left]), float(open_edges[right + 1])


def _number_difference(a: tuple[float, float], b: tuple[float, float]) -> float:
    spread = np.sqrt((a[1] ** 2 + b[1] ** 2) / 2)
    return float(abs(a[0] - b[0]) / spread) if spread > 0 else float("nan")


def _factor_difference(a: Array, b: Array) -> float:
    """Mahalanobis distance of the level shares, one of the levels at hand left out (Yang & Dalton 2012)."""
    if a.sum() == 0 or b.sum() == 0:
        return float("nan")
    held = np.flatnonzero(a + b)[1:]
    p, q = a[held] / a.sum(), b[held] / b.sum()
    covariance = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    try:
        return float(np.sqrt((p - q) @ np.linalg.solve(covariance, p - q)))
    except np.linalg.LinAlgError:
        return float("nan")


def _mean_over_pairs(differences: list[float]) -> float:
    return float(np.mean(differences)) if differences else float("nan")
