"""What holds between rows and tables: keys, patients that are there, dates in order, nobody over the top age."""

import numpy as np
import pandas as pd

from fedstats.cohort.dictionary_entries import Dictionary, Order, Table
from fedstats.cohort.findings import Findings

_PATIENT = "patient_id"


def check_links(dictionary: Dictionary, tables: dict[str, pd.DataFrame], findings: Findings) -> None:
    """Note everything that rows and tables contradict each other in.

    Parameters
    ----------
    tables : dict of str to DataFrame      as :func:`fedstats.cohort.reading.read_tables` gives them
    findings : Findings                    filled
    """
    patients = tables.get(dictionary.patients)
    for name, frame in tables.items():
        table = dictionary.tables[name]
        _check_key(name, frame, table, findings)
        _check_filled(name, frame, table, findings)
        for earlier, later in table.order:
            bad = (frame[later] < frame[earlier]).to_numpy()
            _note_order(name, f"{later} is before {earlier}", frame, bad, later, findings)
        if patients is not None and name != dictionary.patients:
            _check_patients(name, frame, table, patients, dictionary.patients, findings)
    _check_sites(tables, findings)
    for order in dictionary.orders:
        _check_order(order, tables, findings)
    _check_ages(dictionary, tables, findings)


def _check_key(name: str, frame: pd.DataFrame, table: Table, findings: Findings) -> None:
    if not table.key:
        return
    filled = frame[list(table.key)].notna().all(axis=1)
    again = (frame[filled].duplicated(list(table.key))).reindex(frame.index, fill_value=False).to_numpy()
    if again.any():
        shown = frame.loc[again, list(table.key)].astype(str).agg(", ".join, axis=1)
        told = (
            "is there in more than one row"
            if len(table.key) == 1
            else f"is no key with {', '.join(table.key[1:])}: rows repeat it"
        )
        findings.add(
            name, table.key[0], told,
            "Leave one row each. A patient who is there twice would be counted twice.",
            lines=list(frame.index[again]), values=list(shown),
        )  # fmt: skip


def _check_filled(name: str, frame: pd.DataFrame, table: Table, findings: Findings) -> None:
    for column, entry in table.columns.items():
        for condition, filled in ((entry.filled_when, True), (entry.empty_when, False)):
            for other, value in condition.items():
                holds = (_as_text(frame[other]) == value).to_numpy()
                bad = holds & (frame[column].isna().to_numpy() == filled)
                if not bad.any():
                    continue
                told = f"is {'empty' if filled else 'filled'} although {other} is {value}"
                turned = (
                    " In nearly every row it is so: is it coded the other way, 1 for censored?"
                    if bad.mean() > 0.3
                    else ""
                )
                findings.add(
                    name, column, told, f"Correct {column} or {other}.{turned}", lines=list(frame.index[bad])
                )  # fmt: skip


def _as_text(column: pd.Series) -> pd.Series:
    return column.astype(object).map(lambda v: str(v).lower() if isinstance(v, bool | np.bool_) else str(v))


def _check_patients(
    name: str, frame: pd.DataFrame, table: Table, patients: pd.DataFrame, main: str, findings: Findings
) -> None:
    known, here = pd.Index(patients[_PATIENT].dropna().unique()), frame[_PATIENT]
    strange = (here.notna() & ~here.isin(known)).to_numpy()
    if strange.any():
        findings.add(
            name, _PATIENT, f"is of nobody in the table {main}",
            f"Add the patient to {main}, or leave the rows out of the export.",
            lines=list(frame.index[strange]), values=list(here[strange]),
        )  # fmt: skip
    without = ~known.isin(here.dropna().unique())
    if table.everybody and without.any():
        findings.add(
            name, _PATIENT, f"has no row of {int(without.sum())} patient{'s' if without.sum() > 1 else ''} of {main}, for instance {known[without][0]!r}",
            "Every patient has a row in this table.", rows=int(without.sum()),
        )  # fmt: skip


def _check_sites(tables: dict[str, pd.DataFrame], findings: Findings) -> None:
    named: dict[str, str] = {}
    for name, frame in tables.items():
        for site in frame["site_id"].dropna().unique():
            named.setdefault(str(site), name)
    if len(named) > 1:
        shown = ", ".join(f"{site!r} in {table}" for site, table in list(named.items())[:4])
        findings.add(
            "all tables", "site_id", f"is not the same everywhere: {shown}",
            "A folder holds the tables of one site; practices within it have a column of their own.",
        )  # fmt: skip


def _note_order(
    name: str,
    told: str,
    frame: pd.DataFrame,
    bad: np.ndarray,
    column: str,
    findings: Findings,
    severity: str = "error",
) -> None:
    if bad.any():
        findings.add(
            name, column, told, "Correct the dates. Where all rows are so, two columns may be swapped.",
            severity="error" if severity == "error" else "warning",
            lines=list(frame.index[bad]), values=[f"{d:%Y-%m-%d}" for d in frame.loc[bad, column]],
        )  # fmt: skip


def _check_order(order: Order, tables: dict[str, pd.DataFrame], findings: Findings) -> None:
    table, _, column = order.later.partition(".")
    if table not in tables:
        return
    last = _latest(tables[table], column)
    for earlier in order.earlier:
        name, _, date = earlier.partition(".")
        if name not in tables:
            continue
        frame = tables[name]
        limit = frame[_PATIENT].astype(object).map(last) + pd.Timedelta(days=order.slack_days)
        bad = (frame[date] > limit).to_numpy()
        slack = f" by more than {order.slack_days} days" if order.slack_days else ""
        _note_order(name, f"{date} is after {order.later}{slack}", frame, bad, date, findings, order.fault)


def _latest(frame: pd.DataFrame, date: str) -> pd.Series:
    """The last of a date by patient."""
    last = frame.groupby(_PATIENT, observed=True)[date].max()
    return last.set_axis(last.index.astype(object))


def _check_ages(dictionary: Dictionary, tables: dict[str, pd.DataFrame], findings: Findings) -> None:
    """Nobody is older than the top age at the last of all dates."""
    rules = dictionary.deidentification
    name, _, column = rules.birth_year.partition(".")
    if not rules.birth_year or name not in tables:
        return
    last = [
        _latest(frame, date)
        for table, frame in tables.items()
        for date, entry in dictionary.tables[table].columns.items()
        if entry.kind == "date" and len(frame)
    ]
    latest = pd.concat(last, axis=1).max(axis=1).dt.year if last else pd.Series(dtype=float)
    frame = tables[name]
    ages = frame[_PATIENT].astype(object).map(latest).astype(float) - frame[column].astype(float)
    bad = (ages > rules.top_age).to_numpy()
    if bad.any():
        findings.add(
            name, column, f"makes a patient older than {rules.top_age} at the last of his dates",
            f"Ages over {rules.top_age - 1} are one group: write the year of the last date less {rules.top_age}.",
            lines=list(frame.index[bad]), values=[f"{a:g} years" for a in ages[bad]],
        )  # fmt: skip
