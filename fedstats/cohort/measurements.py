"""Tables of measurements, a row a value: what each row measures, in the agreed unit."""

import numpy as np
import pandas as pd

from fedstats.cohort.dictionary_entries import Table
from fedstats.cohort.findings import Findings
from fedstats.cohort.mapping import TableMapping

#: The column that names the measure of a row; no agreed column can be called so.
MEASURE = ".measure"


def in_agreed_units(
    name: str,
    frame: pd.DataFrame,
    table: Table,
    mapping: TableMapping,
    findings: Findings,
    practice_of: pd.Series | None = None,
) -> pd.DataFrame:
    """A chunk of a table of measurements with the measure of every row, and numbers in the agreed units.

    Parameters
    ----------
    frame : DataFrame      as its cells have been read; its index are lines
    practice_of : Series   practice by patient, where the mapping names units of practices

    Returns
    -------
    DataFrame
        With the column ``MEASURE``, empty where the dictionary has none for a row's code; such rows are not used.
    """
    measured = table.measured
    if measured is None:
        return frame
    frame = frame.assign(**{MEASURE: frame[measured.by].map(table.code_of(), na_action="ignore")})
    _note_unknown(name, frame, table, findings)
    for measure, agreed in table.measures.items():
        rows = (frame[MEASURE] == measure).to_numpy()
        if not rows.any():
            continue
        if (given := mapping.measures.get(measure)) is not None and given.missing:
            frame.loc[rows & frame[measured.value].isin(given.missing).to_numpy(), measured.value] = np.nan
        factor = _factors(name, measure, frame, rows, table, mapping, findings)
        if given is not None and given.practices and practice_of is not None:
            practice = frame.loc[rows, "patient_id"].map(practice_of)
            own = practice.map(given.practices, na_action="ignore").map({agreed.unit: 1.0, **agreed.accepts})
            factor = np.where(own.notna(), own.to_numpy(float), factor)
        for column in filter(None, (measured.value, measured.upper_limit)):
            frame.loc[rows, column] = frame.loc[rows, column].to_numpy(float) * factor
        if measured.unit:
            frame.loc[rows, measured.unit] = agreed.unit or None
        _check_range(name, measure, frame.loc[rows, measured.value], table, findings)
    return frame


def _note_unknown(name: str, frame: pd.DataFrame, table: Table, findings: Findings) -> None:
    measured = table.measured
    assert measured is not None, "only tables of measurements come here"
    column = table.columns[measured.by]
    strange = frame[frame[measured.by].notna() & frame[MEASURE].isna()]
    if len(strange) and column.kind == "code":
        findings.add(
            name, measured.by, "is a code of no measure of the study, so the row is not used",
            "Leave it, or translate the site's own codes under codes in mapping.toml.",
            severity="warning", lines=list(strange.index), values=list(strange[measured.by]),
        )  # fmt: skip


def _factors(
    name: str,
    measure: str,
    frame: pd.DataFrame,
    rows: np.ndarray,
    table: Table,
    mapping: TableMapping,
    findings: Findings,
) -> np.ndarray:
    """The factor from each row's unit to the agreed one; not a number where the unit is not accepted."""
    measured, agreed = table.measured, table.measures[measure]
    assert measured is not None, "only tables of measurements come here"
    factors = {agreed.unit: 1.0, **agreed.accepts}
    given = mapping.measures.get(measure)
    unit = given.unit if given is not None else ""
    if unit or not measured.unit:
        return np.full(int(rows.sum()), factors[unit or agreed.unit])
    units = frame.loc[rows, measured.unit]
    found = units.map(factors, na_action="ignore").astype(float)
    if agreed.unit == "":
        found = found.fillna(1.0)
    strange = units[found.isna() & units.notna()]
    if len(strange):
        accepted = ", ".join(factors)
        findings.add(
            name, measured.unit, f"is no unit of {measure}, which may be in {accepted}",
            f"Give {measure} in {agreed.unit}, or name the site's unit in mapping.toml under [tables.{name}.measures.{measure}].",
            lines=list(strange.index), values=list(strange),
        )  # fmt: skip
    empty = units[units.isna() & frame.loc[rows, measured.value].notna()]
    if len(empty) and agreed.unit and table.columns[measured.unit].missing:
        findings.add(
            name, measured.unit, f"is empty although there is a value of {measure}",
            f"Write the unit, or name it once in mapping.toml under [tables.{name}.measures.{measure}].",
            lines=list(empty.index),
        )  # fmt: skip
    return found.to_numpy(float)


def _check_range(name: str, measure: str, values: pd.Series, table: Table, findings: Findings) -> None:
    measured, agreed = table.measured, table.measures[measure]
    assert measured is not None, "only tables of measurements come here"
    numbers = values.to_numpy(float)
    if agreed.range is not None:
        low, high = agreed.range
        bad = (numbers < low) | (numbers > high)
        if bad.any():
            unit = f" {agreed.unit}" if agreed.unit else ""
            findings.add(
                name, f"{measured.value} of {measure}", f"is not from {low:g} to {high:g}{unit}",
                f"Correct the values or their unit, or leave the rows out where nothing was measured. In mapping.toml, [tables.{name}.measures.{measure}] names another unit, and lists under missing what stands for no value.",
                lines=list(values.index[bad]), values=[f"{v:g}" for v in numbers[bad]],
            )  # fmt: skip
    if agreed.whole and (broken := np.isfinite(numbers) & (numbers != np.floor(numbers))).any():
        findings.add(
            name, f"{measured.value} of {measure}", "is no whole number", "Correct the values.",
            lines=list(values.index[broken]), values=[f"{v:g}" for v in numbers[broken]],
        )  # fmt: skip
