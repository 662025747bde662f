"""From a site's tables to one row for every screened patient, with the step at which each left."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from fedstats.cohort import derivations, endpoints
from fedstats.cohort.cohort_entries import NO_TIME_ZERO, CohortFile, Nearest, Rows, TimeTo, Value
from fedstats.cohort.dictionary import understood
from fedstats.cohort.dictionary_entries import Dictionary
from fedstats.cohort.screening import PATIENT, Screened, matching, meets
from fedstats.contract.attrition import ELIGIBLE
from fedstats.contract.codebook import Codebook
from fedstats.contract.variable import Variable
from fedstats.study.toml_file import StudyError, read_toml

#: The file's name, beside ``study.toml``.
COHORT = "cohort.toml"

_RULES: dict[str, Callable[[Any, Screened], pd.Series]] = {
    "value": derivations.value,
    "first": derivations.first,
    "any": derivations.any_,
    "count": derivations.count,
    "score": derivations.score,
    "years": derivations.years,
    "days": derivations.days,
    "ratio": derivations.ratio,
    "cut": derivations.cut,
    "points": derivations.points,
    "among": derivations.among,
    "regimen": derivations.regimen,
    "best": derivations.best,
    "by_day": endpoints.by_day,
}


@dataclass(frozen=True)
class Cohort:
    """One row for every screened patient; stays at the site.

    Attributes
    ----------
    rules : CohortFile
    frame : DataFrame        patient_id, the columns of the rules, and the step at which a patient left
    """

    rules: CohortFile
    frame: pd.DataFrame

    @property
    def eligible(self) -> pd.DataFrame:
        """The rows that analyses see."""
        step = self.rules.attrition
        return self.frame[self.frame[step] == ELIGIBLE].drop(columns=step).reset_index(drop=True)

    @property
    def screened(self) -> tuple[pd.DataFrame, Codebook]:
        """Everybody screened with the step at which each left, and the codebook of this table."""
        levels = (*self.rules.steps, ELIGIBLE)
        columns = (
            Variable(PATIENT, "label", unique=True),
            Variable(self.rules.attrition, "factor", levels=levels),
        )
        return self.frame[[PATIENT, self.rules.attrition]], Codebook(columns)

    def attrition(self) -> pd.DataFrame:
        """A line a step, as a CONSORT diagram has it.

        Returns
        -------
        DataFrame
            step, title, left (patients who leave at it), stay (those after it)
        """
        left = self.frame[self.rules.attrition].value_counts()
        lines, stay = [("screened", "Screened", 0, len(self.frame))], len(self.frame)
        for name, title in self.rules.steps.items():
            stay -= int(left.get(name, 0))
            lines.append((name, title, int(left.get(name, 0)), stay))
        return pd.DataFrame(lines, columns=["step", "title", "left", "stay"])


def read_cohort(file: Path, dictionary: Dictionary) -> tuple[bytes, CohortFile]:
    """The bytes of ``cohort.toml``, which a study is hashed by, and its rules, compared with the dictionary.

    Raises
    ------
    StudyError
        What is wrong first, with its place in the file.
    """
    raw, content = read_toml(file)
    rules = understood(CohortFile, content, file.name)
    for place, entry in [
        ("time_zero", rules.time_zero),
        *((f"columns.{n}", e) for n, e in rules.columns.items()),
    ]:
        for fault in _faults(entry, dictionary):
            raise StudyError(f"{file.name}: {place}: {fault}.")
    return raw, rules


def _faults(entry: Any, dictionary: Dictionary) -> list[str]:
    """Names of tables, columns and measures that the dictionary does not have."""
    if isinstance(entry, TimeTo):
        dotted = [f"there is no column {d!r}" for d in entry.censored if not _has(dictionary, *d.split("."))]
        return dotted + [fault for event in entry.events for fault in _faults(event, dictionary)]
    table = getattr(entry, "table", "")
    if not table:
        return []
    if table not in dictionary.tables:
        return [f"there is no table {table!r}; the dictionary has {', '.join(dictionary.tables)}"]
    names = [getattr(entry, part, "") for part in ("date", "until", "column", "since", "factors_of")]
    names += list(getattr(entry, "where", {}))
    faults = [f"there is no column {table}.{n}" for n in names if n and not _has(dictionary, table, n)]
    if isinstance(entry, Value) and not dictionary.tables[table].one_row_a_patient:
        faults.append(f"{table} has more than one row a patient; take the first or the nearest")
    if isinstance(entry, Nearest) and (bool(entry.measure) == bool(entry.column)):
        faults.append("name either a measure or a column")
    if (
        isinstance(entry, Nearest)
        and entry.measure
        and entry.measure not in dictionary.tables[table].measures
    ):
        faults.append(f"there is no measure {entry.measure!r} of {table}")
    return faults


def _has(dictionary: Dictionary, table: str, column: str = "") -> bool:
    return table in dictionary.tables and column in dictionary.tables[table].columns


def build_cohort(rules: CohortFile, dictionary: Dictionary, tables: dict[str, pd.DataFrame]) -> Cohort:
    """Make the columns of every screened patient and hold each against the steps of eligibility.

    Parameters
    ----------
    tables : dict of str to DataFrame      as :func:`fedstats.cohort.validation.validate` reads them, without errors

    Returns
    -------
    Cohort
        Patients in the order of their table.
    """
    here = _screened(rules, dictionary, tables)
    for name, entry in rules.columns.items():
        if isinstance(entry, TimeTo):
            here.columns |= endpoints.time_to(name, entry, here)
        elif isinstance(entry, Nearest):
            here.columns[name] = derivations.nearest(entry, here, dictionary)
        else:
            here.columns[name] = _RULES[cast(Any, entry).kind](entry, here)
    frame = pd.DataFrame(here.columns, index=here.patients)
    frame[rules.attrition] = _steps(rules, here, frame)
    return Cohort(rules, frame.rename_axis(PATIENT).reset_index())


def _screened(rules: CohortFile, dictionary: Dictionary, tables: dict[str, pd.DataFrame]) -> Screened:
    as_texts = {
        name: frame.assign(**{PATIENT: frame[PATIENT].astype(object)}) for name, frame in tables.items()
    }
    patients = pd.Index(as_texts[dictionary.patients][PATIENT].dropna().unique(), dtype=object)
    zero = rules.time_zero
    found = matching(as_texts, Rows(table=zero.table, where=zero.where))
    dates = pd.Series(pd.NaT, index=patients, dtype="datetime64[ns]")
    if found is not None:
        dates = found.groupby(PATIENT)[zero.date].min().reindex(patients)
    return Screened(as_texts, patients, dates, rules.days_in_month)


def _steps(rules: CohortFile, here: Screened, frame: pd.DataFrame) -> pd.Series:
    """The first step that a patient fails."""
    left = pd.Series(ELIGIBLE, index=frame.index, dtype=object)
    left[here.zero.isna().to_numpy()] = NO_TIME_ZERO
    for step in rules.eligibility:
        stays = meets(step.conditions, frame, or_missing=step.or_missing)
        left[(left == ELIGIBLE) & ~stays] = step.name
    return left
