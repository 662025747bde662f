"""Faults of units and scale: what every cell's range lets through and a site's distribution shows."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from fedstats.cohort import distributions
from fedstats.cohort.dictionary_entries import Amount, Column, Dictionary, Table
from fedstats.cohort.findings import Findings
from fedstats.cohort.measurements import MEASURE
from fedstats.cohort.reading import practices

_PATIENT = "patient_id"


class Numbers(NamedTuple):
    """Numbers of one kind at a site."""

    table: str
    column: str  # "value of albumin" in a table of measurements
    key: str  # under which the site may confirm them
    amount: Amount
    x: np.ndarray
    lines: np.ndarray
    practice: np.ndarray  # of each number; None where the tables tell of none


def check_plausibility(dictionary: Dictionary, tables: dict[str, pd.DataFrame], findings: Findings) -> None:
    """Note every doubt about units, scale and coding; each has a key under which a site may confirm its data.

    Parameters
    ----------
    tables : dict of str to DataFrame      as :func:`fedstats.cohort.reading.read_tables` gives them
    """
    practice_of = pd.Series(dtype=object)
    if dictionary.practices and dictionary.patients in tables:
        practice_of = practices(tables[dictionary.patients], dictionary)
    for name, frame in tables.items():
        table = dictionary.tables[name]
        numbers = list(_numbers(name, frame, table, practice_of))
        swapped = _note_swapped(numbers, findings)
        for one in numbers:
            _check_numbers(one, findings, placed=one.column not in swapped)
        _check_upper_limits(name, frame, table, findings)
        for column, entry in table.columns.items():
            _check_shares(name, column, entry, frame[column], findings)
            if not _is_measured(table, column):
                _check_constant(name, column, entry, frame[column], findings)
            _check_many_values(name, column, entry, frame[column], dictionary, findings)
        _check_repeated(name, frame, table, findings)


def _numbers(name: str, frame: pd.DataFrame, table: Table, practice_of: pd.Series) -> Iterator[Numbers]:
    measured, where = table.measured, frame[_PATIENT].astype(object).map(practice_of)
    for measure, agreed in table.measures.items():
        assert measured is not None, "measures and measured go together"
        rows = frame[frame[MEASURE] == measure][measured.value].dropna()
        key = f"{name}.{measure}"
        column, practice = f"{measured.value} of {measure}", where[rows.index].to_numpy(object)
        yield Numbers(name, column, key, agreed, rows.to_numpy(float), rows.index.to_numpy(), practice)
    for column, entry in table.columns.items():
        if entry.kind in ("number", "integer") and not _is_measured(table, column):
            rows = frame[column].dropna()
            x, practice = rows.to_numpy(float), where[rows.index].to_numpy(object)
            yield Numbers(name, column, f"{name}.{column}", entry, x, rows.index.to_numpy(), practice)


def _is_measured(table: Table, column: str) -> bool:
    """Whether a column holds numbers of several measures, which are looked at one by one."""
    return table.measured is not None and column in (table.measured.value, table.measured.upper_limit)


def _check_numbers(one: Numbers, findings: Findings, *, placed: bool) -> None:
    amount, values = one.amount, one.x
    standing = distributions.stand_ins(values, zero=amount.zero)
    for number, times in standing.items():
        at = values == number
        findings.add(
            one.table, one.column, f"is {number:g}, which seems to stand for a missing value,",
            f"List {number:g} under missing of this {'column' if isinstance(amount, Column) else 'measure'} in mapping.toml, or leave it out.{_confirm(one.key + '.missing')}",
            lines=list(one.lines[at]), rows=times, key=f"{one.key}.missing",
        )  # fmt: skip
    rest = values[~np.isin(values, list(standing))] if standing else values
    if len(rest) < distributions.FEWEST:
        return
    if np.ptp(rest) == 0 and not isinstance(amount, Column):
        _note_constant(one.table, one.column, one.key, rest[0], len(rest), findings)
        return
    mixed = False
    for unit, factor in amount.accepts.items():
        if share := distributions.mixture(rest, factor) if factor != 1 else 0.0:
            mixed = True
            said, remedy = (
                f"seems to be in {unit} in {share:.0%} of the rows",
                "Bring all rows to one unit, or give each row its own.",
            )
            if there := _practices_in(unit, factor, one):
                named = ", ".join(f'"{practice}" = "{unit}"' for practice in there)
                said += f" (those of {', '.join(there)})"
                remedy += f" In mapping.toml: [tables.{one.table}.measures.{one.key.partition('.')[2]}] practices = {{ {named} }}."
            findings.add(
                one.table, one.column, f"{said} and in {amount.unit} in the others",
                f"{remedy}{_confirm(one.key + '.mixture')}", key=f"{one.key}.mixture",
            )  # fmt: skip
    if placed and not mixed:
        _check_place(one, rest, findings)


def _practices_in(unit: str, factor: float, one: Numbers) -> list[str]:
    """Practices whose own median is out of its band, and in it as another unit."""
    band, found = one.amount.median, []
    if band is None or isinstance(one.amount, Column):
        return []
    for practice in sorted({str(p) for p in one.practice if p is not None and p == p}):  # noqa: PLR0124 (NaN)
        x = one.x[one.practice == practice]
        if len(x) >= distributions.FEWEST and distributions.quantile_is_outside(x, 0.5, band):
            why = distributions.explanation(float(np.median(x)), band, {unit: factor})
            found += [practice] if why == f"as if in {unit}" else []
    return found


def _check_place(one: Numbers, values: np.ndarray, findings: Findings) -> None:
    """Note a median, or upper quartile, outside its band."""
    amount = one.amount
    for at, words, band in ((0.5, "median", amount.median), (0.75, "upper quartile", amount.upper_quartile)):
        if band is None or not distributions.quantile_is_outside(values, at, band):
            continue
        found = float(np.quantile(values, at))
        why = distributions.explanation(found, band, amount.accepts)
        unit = f" {amount.unit}" if amount.unit else ""
        findings.add(
            one.table, one.column, f"has the {words} {found:.4g}, where {band[0]:g} to {band[1]:g}{unit} is expected{': ' + why if why else ''}",
            f"Look at unit and scale; name the site's unit in mapping.toml.{_confirm(one.key + '.place')}", key=f"{one.key}.place",
        )  # fmt: skip
        return


def _note_swapped(numbers: list[Numbers], findings: Findings) -> set[str]:
    """Note pairs of columns each of which lies where the other one should; their names."""
    swapped: set[str] = set()
    for a, b in combinations([n for n in numbers if n.amount.median and len(n.x) >= distributions.FEWEST], 2):
        assert a.amount.median is not None, "those without are left out"
        assert b.amount.median is not None, "those without are left out"
        own = [distributions.quantile_is_outside(n.x, 0.5, n.amount.median or (0, 1)) for n in (a, b)]
        medians = float(np.median(a.x)), float(np.median(b.x))
        crossed = _within(medians[0], b.amount.median) and _within(medians[1], a.amount.median)
        if all(own) and crossed:
            key = f"{a.key}.swapped"
            findings.add(
                a.table, a.column, f"and {b.column} seem to be swapped: medians {medians[0]:.3g} and {medians[1]:.3g}",
                f"Exchange the two, their codes or the columns they come from.{_confirm(key)}", key=key,
            )  # fmt: skip
            swapped |= {a.column, b.column}
    return swapped


def _within(value: float, band: tuple[float, float]) -> bool:
    return band[0] <= value <= band[1]


def _check_upper_limits(name: str, frame: pd.DataFrame, table: Table, findings: Findings) -> None:
    measured = table.measured
    if measured is None or not measured.upper_limit:
        return
    for measure, agreed in table.measures.items():
        rows = frame[(frame[MEASURE] == measure) & frame[measured.value].notna()]
        if agreed.upper_limit is None or len(rows) < distributions.FEWEST:
            continue
        column, key = f"{measured.upper_limit} of {measure}", f"{name}.{measure}.upper_limit"
        limits = rows[measured.upper_limit]
        outside = (limits < agreed.upper_limit[0]) | (limits > agreed.upper_limit[1])
        low, high = agreed.upper_limit
        if outside.any():
            findings.add(
                name, column, f"is not from {low:g} to {high:g} {agreed.unit}, the unit of its value,",
                f"Give the laboratory's own limit in the unit of the value.{_confirm(key)}",
                lines=list(rows.index[outside]), values=[f"{v:g}" for v in limits[outside]], key=key,
            )  # fmt: skip
        if limits.isna().mean() > 0.5:
            findings.add(
                name, column, "is empty in most rows", "Without it a value cannot be compared with normal.", severity="warning",
                rows=int(limits.isna().sum()),
            )  # fmt: skip


def _check_shares(name: str, column: str, entry: Column, cells: pd.Series, findings: Findings) -> None:
    filled = cells.dropna()
    if entry.share is None or len(filled) < distributions.FEWEST:
        return
    times = int(filled.astype(bool).sum())
    if distributions.share_is_outside(times, len(filled), entry.share):
        key = f"{name}.{column}.share"
        findings.add(
            name, column, f"is true in {times / len(filled):.0%} of the rows, where {entry.share[0]:.0%} to {entry.share[1]:.0%} is expected",
            f"Is it coded the other way, or filled for some patients only?{_confirm(key)}", key=key,
        )  # fmt: skip


def _check_constant(name: str, column: str, entry: Column, cells: pd.Series, findings: Findings) -> None:
    filled = cells.dropna()
    if not entry.always_varies or len(filled) < 30 or not (filled == filled.iloc[0]).all():
        return
    shown = filled.iloc[0]
    value = f"{shown:%Y-%m-%d}" if isinstance(shown, pd.Timestamp) else shown
    _note_constant(name, column, f"{name}.{column}", value, len(filled), findings)


def _note_constant(name: str, column: str, key: str, value: object, n: int, findings: Findings) -> None:
    findings.add(
        name, column, f"is {value} in all {n} rows that are filled",
        f"Is it a default of the export? Then leave the cells empty.{_confirm(key + '.constant')}", key=f"{key}.constant",
    )  # fmt: skip


def _check_many_values(
    name: str, column: str, entry: Column, cells: pd.Series, dictionary: Dictionary, findings: Findings
) -> None:
    """A code that is another one in nearly every row is none: free text, or a number of the patient."""
    filled = cells.dropna()
    if (
        entry.kind == "code"
        and len(filled) >= 50
        and filled.nunique() > dictionary.deidentification.most_values * len(filled)
    ):
        key = f"{name}.{column}.values"
        findings.add(
            name, column, f"has {filled.nunique()} different values in {len(filled)} rows, as no code has",
            f"Free text and numbers of patients have no place here.{_confirm(key)}", key=key,
        )  # fmt: skip


def _check_repeated(name: str, frame: pd.DataFrame, table: Table, findings: Findings) -> None:
    """Patients whose whole row is another one's under another pseudonym; of other tables rows that are there twice."""
    dates = sum(entry.kind == "date" for entry in table.columns.values())
    if table.one_row_a_patient and dates >= 2 and len(table.columns) >= 8:
        what = [column for column in table.columns if column != _PATIENT]
        again = frame.duplicated(what, keep="first").to_numpy()
        if again.any():
            key = f"{name}.repeated"
            findings.add(
                name, _PATIENT, "has the same values as an earlier patient in every other column",
                f"Is it one patient under two pseudonyms? Then leave one.{_confirm(key)}",
                lines=list(frame.index[again]), values=list(frame.loc[again, _PATIENT]), key=key,
            )  # fmt: skip
    elif not table.key:
        again = frame.duplicated().to_numpy()
        if again.sum() > max(5, 0.03 * len(frame)):
            findings.add(
                name, "", "holds rows that are the same as an earlier one in every column",
                "Leave one of each: was an export added to another one?", severity="warning", lines=list(frame.index[again]),
            )  # fmt: skip


def _confirm(key: str) -> str:
    return f' If the data are right, add "{key}" to confirmed in mapping.toml.'
