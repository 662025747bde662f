"""Baseline columns of a cohort: one small function a rule of ``cohort.toml``, from rows to a value a patient."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fedstats.cohort.cohort_entries import (
    Among,
    Best,
    Count,
    Cut,
    Days,
    First,
    HasRow,
    Nearest,
    Points,
    Ratio,
    Regimen,
    Rows,
    Score,
    Value,
    Years,
)
from fedstats.cohort.dictionary_entries import Dictionary
from fedstats.cohort.measurements import MEASURE
from fedstats.cohort.screening import DAY, PATIENT, Screened, as_text, is_one_of, matching, meets


def value(spec: Value, here: Screened) -> pd.Series:
    """The patient's own value."""
    frame = here.tables.get(spec.table)
    if frame is None:
        return _named(here.nobody(), {}, spec.missing)
    found = frame.drop_duplicates(PATIENT).set_index(PATIENT)[spec.column]
    return _named(here.by_patient(found), spec.levels, spec.missing)


def first(spec: First, here: Screened) -> pd.Series:
    """The value of the earliest row."""
    found = here.rows(spec)
    if found is None:
        return _named(here.nobody(), {}, spec.missing)
    rows = found.sort_values(DAY, kind="stable").drop_duplicates(PATIENT).set_index(PATIENT)
    return _named(here.by_patient(rows[spec.column]), spec.levels, spec.missing)


def nearest(spec: Nearest, here: Screened, dictionary: Dictionary) -> pd.Series:
    """The value nearest to time zero within its window; a tie goes to the earlier, and of one day to the first row."""
    found, measured = here.rows(spec), dictionary.tables[spec.table].measured
    if found is None:
        return _named(here.nobody(), {}, spec.missing)
    column = spec.column
    if spec.measure and measured is not None:
        found, column = found[found[MEASURE] == spec.measure], measured.value
        if spec.per_limit:
            found = found.assign(**{column: found[column] / found[measured.upper_limit]})
    found = found[found[column].notna()]
    found = found.assign(**{".far": found[DAY].abs()}).sort_values([".far", DAY], kind="stable")
    rows = found.drop_duplicates(PATIENT).set_index(PATIENT)
    return _named(here.by_patient(rows[column]), spec.levels, spec.missing)


def any_(spec: HasRow, here: Screened) -> pd.Series:
    """Yes or no: has the patient such a row?"""
    found = here.rows(spec)
    if found is None:
        return here.nobody()
    tested = matching(here.tables, Rows(table=spec.table, where=spec.tested)) if spec.tested else None
    if spec.at_least is not None:
        column, bound = spec.at_least
        amount = found[column].astype(float)
        if spec.factors_of:
            amount = amount * as_text(found[spec.factors_of]).map(spec.factors).astype(float)
        found = found[amount >= bound]
    has = _yes(here, found)
    return has if tested is None else has.where(here.patients.isin(tested[PATIENT]))


def _yes(here: Screened, found: pd.DataFrame) -> pd.Series:
    inside = here.patients.isin(found[PATIENT].dropna().unique())
    return pd.Series(np.where(inside, "yes", "no"), index=here.patients, dtype=object)


def count(spec: Count, here: Screened) -> pd.Series:
    """How many different values."""
    found = here.rows(spec)
    if found is None:
        return here.nobody()
    return here.by_patient(found.groupby(PATIENT)[spec.column].nunique()).fillna(0).astype(float)


def score(spec: Score, here: Screened) -> pd.Series:
    """Points of the groups of codes that a patient has, each group once."""
    found = here.rows(spec)
    if found is None:
        return here.nobody()
    codes = as_text(found[spec.column]).str.replace(".", "", regex=False)
    kinds = codes.dropna().unique()
    has = {
        name: here.patients.isin(found.loc[codes.isin([c for c in kinds if is_one_of(g.codes, c)]), PATIENT])
        for name, g in spec.groups.items()
    }
    points = [
        group.points * (has[name] & ~has[group.unless] if group.unless else has[name])
        for name, group in spec.groups.items()
    ]
    return pd.Series(np.sum(points, axis=0).astype(float), index=here.patients)


def years(spec: Years, here: Screened) -> pd.Series:
    """The year of time zero, or an age of whole years in it."""
    year = here.zero.reindex(here.patients).dt.year.astype(float)
    if not spec.since:
        return year
    born = here.tables[spec.table].drop_duplicates(PATIENT).set_index(PATIENT)[spec.since].astype(float)
    return year - here.by_patient(born)


def days(spec: Days, here: Screened) -> pd.Series:
    """Days, or months, from time zero to a date."""
    found = here.rows(spec)
    if found is None:
        return here.nobody()
    grouped = found.groupby(PATIENT)[DAY]
    taken = here.by_patient(grouped.min() if spec.take == "first" else grouped.max()).astype(float)
    taken = taken if spec.at_least is None else taken.clip(lower=spec.at_least)
    return taken / here.days_in_month if spec.months else taken


def ratio(spec: Ratio, here: Screened) -> pd.Series:
    """A ratio of two numbers; empty where the lower one is not above zero."""
    upper, lower = (here.columns[name].astype(float) for name in (spec.of, spec.over))
    lower = lower - upper if spec.rest else lower
    found = upper / lower.where(lower > 0)
    return found if spec.largest is None else found.clip(upper=spec.largest)


def cut(spec: Cut, here: Screened) -> pd.Series:
    """The level in which a number lies; a cut belongs to the level above it."""
    x = here.columns[spec.of].astype(float)
    levels = np.array(spec.levels, dtype=object)[np.searchsorted(spec.at, x.fillna(0), side="right")]
    return _named(pd.Series(levels, index=x.index, dtype=object).where(x.notna()), {}, spec.missing)


def points(spec: Points, here: Screened) -> pd.Series:
    """The level by how many bounds are passed."""
    above = [
        (here.columns[name].astype(float) > bound).where(here.columns[name].notna())
        for name, bound in spec.above.items()
    ]
    total = pd.concat(above, axis=1).astype(float).sum(axis=1, skipna=False)
    levels = np.array(spec.levels, dtype=object)[total.fillna(0).astype(int)]
    return pd.Series(levels, index=total.index, dtype=object).where(total.notna())


def among(spec: Among, here: Screened) -> pd.Series:
    """A column of those who meet a condition."""
    return here.columns[spec.of].where(meets(spec.conditions, here.columns))


def regimen(spec: Regimen, here: Screened) -> pd.Series:
    """The regimen of the drugs begun from time zero to the end of the grace period."""
    window = Rows(table=spec.table, date=spec.date, where=spec.where, window=(0, spec.grace_days))
    found = here.rows(window)
    if found is None:
        return here.nobody()
    class_of = {drug: name for name, drugs in spec.classes.items() for drug in drugs}
    classes = as_text(found[spec.column]).map(class_of)
    known = {frozenset(classes): name for name, classes in spec.regimens.items()}
    sets = classes.groupby(found[PATIENT]).agg(lambda c: frozenset(c) if c.notna().all() else frozenset({""}))
    return here.by_patient(sets.map(lambda c: known.get(c, spec.other))).astype(object)


def best(spec: Best, here: Screened) -> pd.Series:
    """The best level in an order, as a best overall response; or whether it is a certain one."""
    found = here.rows(spec)
    if found is None:
        return here.nobody()
    ranks = as_text(found[spec.column]).map({level: i for i, level in enumerate(spec.order)})
    least = here.by_patient(ranks.groupby(found[PATIENT]).min())
    level = least.map(dict(enumerate(spec.order))).astype(object)
    return level.isin(spec.is_one_of).astype(float).where(least.notna()) if spec.is_one_of else level


def _named(column: pd.Series, levels: Mapping[str, str], missing: str | None) -> pd.Series:
    """A column with other names for its levels, and a level for empty cells, where these are given."""
    if not levels and missing is None:
        return column
    named = as_text(column).map(lambda text: levels.get(text, text), na_action="ignore").astype(object)
    return named if missing is None else named.where(named.notna(), missing)
