"""Times and events of a cohort: to the first of several dates, censored or competing; and what had come by a day."""

import numpy as np
import pandas as pd

from fedstats.cohort.cohort_entries import Event, Resistance, TimeTo
from fedstats.cohort.screening import DAY, PATIENT, Screened


def time_to(name: str, spec: TimeTo, here: Screened) -> dict[str, pd.Series]:
    """Months to the first event or to the end of follow-up, and which it was.

    Parameters
    ----------
    name : str      the columns are ``<name>_months`` and ``<name>_event``, or ``<name>_cause`` where events compete

    Notes
    -----
    Of two events on one day the first that the file lists is the cause.  Who is followed up to before time zero, or has
    neither event nor end, has empty cells.
    """
    events = pd.concat([_first(event, here) for event in spec.events], axis=1, keys=range(len(spec.events)))
    earliest, ends = events.min(axis=1), pd.concat([_end(e, here) for e in spec.censored], axis=1).max(axis=1)
    came = earliest.notna()
    end = earliest.where(came, ends)
    seen = end.notna() & (end >= 0)
    months = (end / here.days_in_month).where(seen)
    if not spec.competing:
        return {f"{name}_months": months, f"{name}_event": came.astype(float).where(seen)}
    which = events.eq(earliest, axis=0).to_numpy().argmax(axis=1)
    names = np.array([event.name for event in spec.events], dtype=object)[which]
    cause = pd.Series(np.where(came, names, "none"), index=here.patients, dtype=object)
    return {f"{name}_months": months, f"{name}_cause": cause.where(seen)}


def _first(event: Event, here: Screened) -> pd.Series:
    """The day of the earliest row that counts."""
    found = here.rows(event)
    if found is None:
        return pd.Series(np.nan, index=here.patients)
    return here.by_patient(found[found[DAY] > event.after_days].groupby(PATIENT)[DAY].min()).astype(float)


def _end(dotted: str, here: Screened) -> pd.Series:
    """The last day of a date by patient."""
    table, _, column = dotted.partition(".")
    frame = here.tables.get(table)
    if frame is None:
        return pd.Series(np.nan, index=here.patients)
    last = here.by_patient(frame.groupby(PATIENT)[column].max())
    return (last - here.zero.reindex(here.patients)).dt.days.astype(float)


def by_day(spec: Resistance, here: Screened) -> pd.Series:
    """1 where the event came by the day, 0 where the patient was observed to that day without, else empty."""
    time, event = (here.columns[f"{spec.time}_{part}"].astype(float) for part in ("months", "event"))
    day = np.round(time * here.days_in_month)
    yes, no = (event == 1) & (day <= spec.day), ((event == 0) & (day >= spec.day)) | (day > spec.day)
    found = pd.Series(np.where(yes, 1.0, np.where(no, 0.0, np.nan)), index=here.patients)
    if spec.insufficient_days is not None:
        died = _end(spec.death, here)
        found = found.mask(yes & (died <= spec.insufficient_days))
    return found
