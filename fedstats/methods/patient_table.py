"""Patient characteristics of all sites together: counts, means, medians and standardised differences from sums."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.federation import Federation, Meter, SiteRefused
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import QueryError
from fedstats.contract.results import Table
from fedstats.contract.variable import Variable
from fedstats.methods.descriptives import DistinctValues, Histogram, LevelCounts, Moments
from fedstats.numerics.quantiles import between, interpolated, quantile
from fedstats.numerics.standardised_differences import factor_difference, number_difference

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
    smd = _mean_over_pairs([factor_difference(a[:-1], b[:-1]) for a, b in combinations(counts, 2)])
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
    pairs = [number_difference(moments[a][1:], moments[b][1:]) for a, b in combinations(names, 2)]
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
            (g, _named([(quantile(values[order], c[order], q),) * 3 for q in QUARTILES]))
            for g, c in _with_overall(counts, names)
        ]
    if not variable.edges:
        return []
    counts = meter.sum(Histogram(variable.name, by, groups, variable.edges))["counts"]
    edges = np.array(variable.edges)
    return [
        (g, _named([(interpolated(edges, c, q), *between(edges, c, q)) for q in QUARTILES]))
        for g, c in _with_overall(counts, names)
    ]


def _named(quartiles: list[tuple[float, ...]]) -> dict[str, float]:
    """Columns of a table from the value, lower and upper edge of each quartile."""
    named: dict[str, float] = {}
    for name, (value, low, high) in zip(_QUARTILE_COLUMNS, quartiles, strict=True):
        named |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return named


def _mean_over_pairs(differences: list[float]) -> float:
    return float(np.mean(differences)) if differences else float("nan")
