"""Everybody screened at a site, each with a time zero, and rows of tables as days from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from fedstats.cohort.cohort_entries import Rows
from fedstats.contract.condition import Condition

PATIENT = "patient_id"
DAY = ".day"
UNTIL = ".until"


@dataclass
class Screened:
    """The patients of a site while their columns are made.

    Attributes
    ----------
    tables : dict of str to DataFrame     as validation reads them, patients as texts
    patients : Index                      everybody in the table of patients
    zero : Series                         time zero by patient; empty where there is none
    columns : dict of str to Series       those made so far, by patient
    days_in_month : float
    """

    tables: dict[str, pd.DataFrame]
    patients: pd.Index
    zero: pd.Series
    days_in_month: float
    columns: dict[str, pd.Series] = field(default_factory=dict)

    def rows(self, spec: Rows) -> pd.DataFrame | None:
        """The rows that a rule is about, of patients with a time zero, with their day; None without such a table."""
        found = matching(self.tables, spec)
        if found is None or not spec.date:
            return found
        zero = found[PATIENT].map(self.zero)
        found = found.assign(**{DAY: (found[spec.date] - zero).dt.days})
        found = found[found[DAY].notna()]
        if spec.until:
            until = (found[spec.until] - found[PATIENT].map(self.zero)).dt.days
            found = found.assign(**{UNTIL: until.fillna(np.inf)})  # empty while it goes on
        if spec.window is None:
            return found
        first, last = spec.window
        end = found[UNTIL] if spec.until else found[DAY]
        return found[(found[DAY] <= last) & (end >= first)]

    def by_patient(self, values: pd.Series) -> pd.Series:
        """Values by patient, of everybody screened."""
        return values.reindex(self.patients)

    def nobody(self) -> pd.Series:
        """A column of empty cells: the site has no such table."""
        return pd.Series(np.nan, index=self.patients, dtype=object)


def matching(tables: dict[str, pd.DataFrame], spec: Rows) -> pd.DataFrame | None:
    """Rows of a table whose columns have one of the values that ``where`` names; ``C34*`` names all that begin so."""
    frame = tables.get(spec.table)
    if frame is None:
        return None
    for column, wanted in spec.where.items():
        frame = frame[as_text(frame[column]).map(partial(is_one_of, [_text(v) for v in wanted])).astype(bool)]
    return frame


def meets(
    conditions: Iterable[Condition],
    columns: Mapping[str, pd.Series] | pd.DataFrame,
    *,
    or_missing: bool = False,
) -> pd.Series:
    """Who meets all conditions; an empty cell meets one where ``or_missing`` says so."""
    met: pd.Series | None = None
    for condition in conditions:
        column = columns[condition.column]
        texts = [v for v in tuple(condition.values) if isinstance(v, str)]
        if texts:  # levels that nobody has may be asked for
            text = as_text(column)
            column = pd.Series(pd.Categorical(text, sorted({*text.dropna(), *texts})), index=column.index)
        else:
            column = column.astype(float)
        holds = pd.Series(condition.among(pd.DataFrame({condition.column: column})), index=column.index)
        holds |= column.isna() & or_missing
        met = holds if met is None else met & holds
    if met is None:
        raise ValueError("There is no condition to meet.")
    return met


def is_one_of(wanted: Iterable[str], cell: object) -> bool:
    """Whether a cell is one of these values, of which ``C34*`` stands for all that begin so."""
    return any(
        cell == value or (value.endswith("*") and isinstance(cell, str) and cell.startswith(value[:-1]))
        for value in wanted
    )


def as_text(column: pd.Series) -> pd.Series:
    """Cells as ``cohort.toml`` writes them: whole numbers without a point, flags as true and false."""
    return column.astype(object).map(_text, na_action="ignore")


def _text(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
