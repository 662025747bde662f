"""Patient characteristics of all sites together: counts, means, medians and standardised differences from sums."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, check_names, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.federation import Federation, Meter, SiteRefused
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import QueryError
from fedstats.contract.results import NOT_SHOWN, OVERALL
from fedstats.contract.values import check_flag
from fedstats.contract.variable import AS_FACTOR, Variable
from fedstats.methods.descriptives import Histogram, LevelCounts, Moments
from fedstats.methods.patient_groups import PatientGroups
from fedstats.methods.table_layout import PatientTable
from fedstats.numerics.quantiles import between, interpolated, quantile
from fedstats.numerics.standardised_differences import (
    GroupTest,
    analysis_of_variance,
    chi_square,
    factor_difference,
    number_difference,
)

Array = NDArray[np.float64]
QUARTILES = (0.25, 0.5, 0.75)
_QUARTILE_COLUMNS = ("q1", "median", "q3")
COLUMNS = (
    *("variable", "level", "group", "n", "percent", "mean", "sd", "median", "q1", "q3", "missing", "smd"),
    *("smd_max", *(f"{name}_{side}" for name in _QUARTILE_COLUMNS for side in ("low", "high"))),
)
PAIR_COLUMNS = ("variable", "group", "other", "smd")
INTERPOLATED = (
    "counts, means and standard deviations are those of the pooled rows; "
    "medians and quartiles are approximate: interpolated between the codebook's edges, or the cell that holds them"
)
#: Standard deviations of a group: in a wider cell of the codebook a quartile is the cell, for a value in it would say nothing.  Up to one
#: an interpolated quartile is within 0.2 of them in 99 of 100, in two to three 1.0, and without a bound in wider ones
#: (21,000 quartiles of seven distributions, 500 patients each).
WIDEST_CELL = 1.0


def table_one(
    federation: Federation,
    *,
    by: str | Sequence[str] | None = None,
    variables: Sequence[str],
    p_values: bool = False,
) -> PatientTable:
    """Patient characteristics of all sites together.

    Parameters
    ----------
    federation : Federation
    by : str or sequence of str, optional
        Grouping factors, whose levels are crossed; ``"site"``, where no column is called so, is the site itself, which
        every site has to permit (``per_site_estimates``).  Standardised mean differences compare the groups.
    variables : sequence of str
        Factors give n (%), numbers mean (SD) and median (quartiles); ``C(column)`` reads a number as a factor.
    p_values : bool
        Test that the groups do not differ: chi-square of counts, and of means Student's t (first group less second) or of more
        than two the analysis of variance (F), which are functions of sums.  Rank tests (Wilcoxon, Kruskal-Wallis) are not, and there is none.

    Returns
    -------
    PatientTable
        Means, standard deviations and percentages are exact.  Medians and quartiles are exact where
        distinct values may leave, otherwise interpolated between the codebook's edges; ``median_low`` and
        ``median_high`` (``q1_low`` ...) are the edges between which the true value lies.  In a cell wider than a standard deviation of
        the group nothing is interpolated: the value is missing, and the cell is what is printed.

        A level with a cell too small to be seen at a site is not shown, and with it others, so that its cells follow from no
        total: their ``n`` is missing, and a row ``(not shown)`` holds what is in all of them together.  Of a variable whose groups
        a policy did not let out there is the column of all patients alone; ``refused`` names it, and what is missing altogether.

    Raises
    ------
    FormulaError, QueryError

    Notes
    -----
    Standardised mean differences are absolute, as in R's ``tableone``; for factors Yang & Dalton
    (2012).  Of more than two groups ``smd`` is the mean over pairs and ``smd_max`` the largest; ``differences()`` has all.
    Levels that are not shown count as one.  Patients with an empty cell in ``by`` are in no group, and not in the column of all groups:
    how many they are stands in ``ungrouped``, in ``tidy().attrs`` and below the printed table.
    """
    check_federation(federation)
    check_flag("p_values", p_values)
    codebook = federation.codebook
    check_variables(variables, codebook)
    groups = PatientGroups.of(by, codebook, federation.sites)
    meter = Meter(federation)
    made = _Made(groups)
    for text in variables:
        column = _column(text)
        variable = federation.agreed[
            column
        ]  # a variable is counted by all levels, groups are those that there may be
        as_factor = column != text or variable.kind in ("factor", "event")
        rows = _factor if as_factor else _number
        _grouped(partial(rows, meter, variable), made, column, rehearses=federation.rehearses)
    frame = pd.DataFrame(made.rows, columns=COLUMNS)
    if made.rows and not np.nan_to_num(frame[["n", "missing"]].to_numpy(float)).any():
        raise QueryError("There are no patients to describe.")
    sizes = [
        name for name in ("n", "missing") if frame[name].notna().all()
    ]  # the others hold what is not shown
    frame = frame.astype(dict.fromkeys(sizes, int))
    uncertain = bool((frame["median_low"] < frame["median_high"]).any())
    return PatientTable(
        by if by is None or isinstance(by, str) else tuple(by),
        frame,
        tuple(made.refused),
        INTERPOLATED if uncertain and not federation.distinct_values else "exact",
        meter.rounds,
        meter.n_bytes,
        federation.sites,
        pairs=pd.DataFrame(made.pairs, columns=PAIR_COLUMNS),
        tests=pd.DataFrame(made.tests if p_values else [], columns=["variable", *GroupTest._fields]),
        labels=_labels(codebook, frame),
        ungrouped=max(made.ungrouped, default=0),
    )


def _grouped(describe: Callable[["_Made"], None], made: "_Made", name: str, *, rehearses: bool) -> None:
    """What is asked by group, or of everybody where a site does not let out the groups."""
    whole = replace(made, groups=PatientGroups((), by_site=False, names=()))
    try:
        describe(made)
    except SiteRefused as refusal:
        said = f"{name} (by group)" if made.groups.names else name
        try:
            if made.groups.names:
                describe(whole)
        except SiteRefused:
            said = name
        made.refused.append((said, refusal.rule))
    else:
        if rehearses and made.groups.names:  # what may be asked is agreed on beforehand
            describe(_Made(whole.groups))


def check_variables(variables: Sequence[str], codebook: Codebook) -> None:
    """Columns that a table can describe, each once.

    Raises
    ------
    FormulaError
    """
    check_names("variables", variables)
    if not variables:
        raise FormulaError(
            "variables is empty; give the columns that the table is to describe, as in ['age', 'sex']."
        )
    columns = [known_column(_column(text), codebook, "A variable").name for text in variables]
    if twice := [c for c in columns if columns.count(c) > 1]:
        raise FormulaError(
            f"variables names {twice[0]!r} twice; a table describes it once, as a number or as C({twice[0]})."
        )
    read_as_factors = [c for c, text in zip(columns, variables, strict=True) if c != text]
    if bare := [
        c for c in read_as_factors if codebook[c].kind not in ("event", "label") and not codebook[c].levels
    ]:
        raise FormulaError(
            f"C({bare[0]}) needs levels: {bare[0]} is {codebook[bare[0]].kind} in the codebook; make it a factor there, or describe it as a number."
        )
    if labels := [c for c in columns if codebook[c].kind == "label"]:
        raise FormulaError(
            f"variables names {labels[0]!r}, which {codebook[labels[0]].in_words()}, so that a table cannot describe it; "
            f"{codebook[labels[0]].remedy(AS_FACTOR)}."
        )


def _column(text: str) -> str:
    """The column of a variable as it is written: ``C(column)`` reads a number as a factor."""
    return text[2:-1].strip() if text.startswith("C(") and text.endswith(")") else text


def _labels(codebook: Codebook, frame: pd.DataFrame) -> dict[str, dict[str, str]]:
    found = {}
    for name in dict.fromkeys(frame["variable"]):
        variable = codebook[name]
        found[name] = {"": variable.title} | {level: variable.level_label(level) for level in variable.levels}
    return found


@dataclass
class _Made:
    """What a table is made of, variable by variable."""

    groups: PatientGroups
    rows: list[dict[str, object]] = field(default_factory=list)
    pairs: list[tuple[str, str, str, float]] = field(default_factory=list)
    tests: list[tuple[str, str, float, float]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    ungrouped: list[int] = field(default_factory=list)

    def count_ungrouped(self, found: dict[str, Array]) -> None:
        """What sites say of patients without a group: of every variable the same."""
        self.ungrouped.append(round(float(np.sum(found.get("ungrouped", 0.0)))))

    def compare(
        self, variable: str, difference: Callable[[int, int], float], test: GroupTest
    ) -> dict[str, object]:
        """Differences of every pair of groups, and the test of all of them."""
        names = self.groups.names
        found = [difference(i, j) for i, j in combinations(range(len(names)), 2)]
        pairs = combinations(names, 2)
        self.pairs += [(variable, a, b, smd) for (a, b), smd in zip(pairs, found, strict=True)]
        self.tests.append((variable, *test))
        known = [smd for smd in found if not np.isnan(smd)]
        return {
            "smd": float(np.mean(found)) if found else np.nan,
            "smd_max": max(known, default=np.nan) if len(known) == len(found) else np.nan,
        }


def _with_overall(by_group: Array, names: tuple[str, ...]) -> list[tuple[str, Array]]:
    return [*zip(names, by_group, strict=False), (OVERALL, by_group.sum(axis=0))]


# Factors ------------------------------------------------------------------------------------------


def _factor(meter: Meter, variable: Variable, made: _Made) -> None:
    groups, levels = made.groups, variable.levels or ("0", "1")
    question = LevelCounts(variable.name, *groups.asked, levels, across=groups.across)
    found, hidden = groups.hidden(meter, question, len(levels) + 1)
    made.count_ungrouped(found)
    counts, together = np.rint(found["counts"]), np.rint(found["together"])
    names, n_groups = [*groups.names, OVERALL], len(groups.names)
    shown = np.vstack([~hidden, ~hidden.any(axis=0)])  # of all groups together: what every group shows
    table, size = np.vstack([counts, counts.sum(axis=0)]), counts.sum(axis=1) + together
    size = np.append(size, size.sum())
    compared = _as_compared(table, shown, size)[:-1]
    differences = made.compare(
        variable.name, lambda i, j: factor_difference(compared[i], compared[j]), chi_square(compared)
    )
    rows = zip(table, shown, size, strict=True) if n_groups else [(table[-1], shown[-1], size[-1])]
    for name, (row, seen, n) in zip(names, rows, strict=True):
        cells = {"group": name, "missing": row[-1] if seen[-1] else np.nan} | differences
        for level, said, percent in _levels(row, seen, n, variable):
            made.rows.append(
                {"variable": variable.name, "level": level, "n": said, "percent": percent} | cells
            )


def _as_compared(table: Array, shown: NDArray[np.bool_], size: Array) -> Array:
    """Levels (the empty cell is none) as groups are compared by them: those that any group hides as one."""
    seen = np.asarray(shown.all(axis=0))
    counts = table[:, :-1][:, seen[:-1]]
    if seen.all():
        return counts
    if (
        not seen[-1] or not seen[:-1].any()
    ):  # who has an empty cell, or any level, is not known: so are no shares
        return np.zeros_like(table[:, :-1])
    return np.column_stack([counts, size - table[:, -1] - counts.sum(axis=1)])


def _levels(
    row: Array, seen: NDArray[np.bool_], size: float, variable: Variable
) -> Iterator[tuple[str, float, float]]:
    """Level, patients, percentage of those with a level; at last what is not shown, together."""
    known = size - row[-1] if seen[-1] and size > row[-1] else np.nan
    levels = variable.levels or ("0", "1")
    found = dict(zip(levels, zip(row[:-1], seen[:-1], strict=True), strict=True))
    for level in variable.categories or levels:
        count, there = found.get(level, (0.0, True))  # a category that nobody has in any of the frames
        n = count if there else np.nan
        yield level, n, 100 * n / known
    if not seen.all():
        rest = size - row[seen].sum()
        yield NOT_SHOWN, rest, 100 * rest / known


# Numbers ------------------------------------------------------------------------------------------


def _number(meter: Meter, variable: Variable, made: _Made) -> None:
    groups = made.groups
    question = Moments(variable.name, *groups.asked, variable.centre, variable.scale, across=groups.across)
    total = groups.sums(meter, question)
    made.count_ungrouped(total)
    sums = np.column_stack([total[k] for k in ("n", "missing", "sum", "squares")])
    quartiles: dict[str, dict[str, float]] = {}
    _grouped(
        lambda of: quartiles.update(_quartiles(meter, variable, of.groups)),
        made,
        f"{variable.name} (median and quartiles)",
        rehearses=meter.federation.rehearses,
    )
    nothing = {f"{q}{side}": np.nan for q in _QUARTILE_COLUMNS for side in ("", "_low", "_high")}
    moments = np.array([_mean_sd(row, variable) for row in sums])
    differences = made.compare(
        variable.name,
        lambda i, j: number_difference(tuple(moments[i]), tuple(moments[j])),
        analysis_of_variance(sums[:, 0], *moments.T),
    )
    for group, row in _with_overall(sums, groups.names):
        mean, sd = _mean_sd(row, variable)
        line = {
            "variable": variable.name,
            "level": "",
            "group": group,
            "n": round(row[0]),
            "mean": mean,
            "sd": sd,
        }
        told = _without_wide(quartiles.get(group, nothing), sd)
        made.rows.append(line | told | {"missing": round(row[1])} | differences)


def _mean_sd(row: Array, variable: Variable) -> tuple[float, float]:
    n, _, total, squares = row
    if n == 0:
        return np.nan, np.nan
    # around the agreed centre nothing cancels: the mean deviation is of the size of the spread
    variance = (squares - total**2 / n) / (n - 1) if n > 1 else np.nan
    spread = float(np.sqrt(np.maximum(variance, 0.0)))  # a constant may miss zero by a rounding
    return variable.centre + variable.scale * total / n, variable.scale * spread


def _quartiles(
    meter: Meter, variable: Variable, groups: PatientGroups
) -> Iterator[tuple[str, dict[str, float]]]:
    if meter.federation.distinct_values:
        values, by_group = groups.distinct(meter, variable.name)
        for name, c in _with_overall(by_group, groups.names):
            yield name, _named([(quantile(values, c, q),) * 3 for q in QUARTILES])
    elif variable.edges:
        question = Histogram(variable.name, *groups.asked, variable.edges, across=groups.across)
        counts, edges = groups.sums(meter, question)["counts"], np.array(variable.edges)
        for name, c in _with_overall(counts, groups.names):
            yield name, _named([(interpolated(edges, c, q), *between(edges, c, q)) for q in QUARTILES])


def _without_wide(quartiles: dict[str, float], sd: float) -> dict[str, float]:
    """Quartiles by column without a value where the cell that holds them is too wide to tell one: its edges stay."""
    told = dict(quartiles)
    for name in _QUARTILE_COLUMNS:
        if told[f"{name}_high"] - told[f"{name}_low"] > WIDEST_CELL * sd:
            told[name] = np.nan
    return told


def _named(quartiles: list[tuple[float, ...]]) -> dict[str, float]:
    """Columns of a table from the value, lower and upper edge of each quartile."""
    named: dict[str, float] = {}
    for name, (value, low, high) in zip(_QUARTILE_COLUMNS, quartiles, strict=True):
        named |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return named
