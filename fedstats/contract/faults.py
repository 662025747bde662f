"""Rows that do not fit a question: what is said of them, and what the site alone sees.

The sentence may leave, and holds names and agreed numbers alone.  What was found (how many rows, and which values) stays with
whoever holds the rows.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.design import Column
from fedstats.contract.shapes import BasisSpline, Logarithm

#: Values that are shown to whoever holds the rows.
_SHOWN = 3


class Fault(str):
    """A sentence about rows that do not fit; ``found`` stays at the site."""

    __slots__ = ("found",)
    found: str

    def __new__(cls, sentence: str, found: str = "") -> Self:
        """A text like any other, with what was found beside it."""
        fault = super().__new__(cls, sentence)
        fault.found = found
        return fault


def rows_found(who: NDArray[np.bool_], *columns: pd.Series) -> str:
    """``2 of 100 rows, with time -1, -3``: of some rows, (n,) bool, how many they are and the first values."""
    first = np.flatnonzero(who)
    n = len(first)
    names = [str(column.name) for column in columns]
    values = dict.fromkeys(
        tuple(_value(column.iloc[i]) for column in columns) for i in first[: 20 * _SHOWN].tolist()
    )
    shown = [
        " and ".join(f"{name} {value}" for name, value in zip(names, row, strict=True)) for row in values
    ]
    more = ", and others" if len(shown) > _SHOWN else ""
    return f"{n} of {len(who)} row{'s' if len(who) != 1 else ''}, with {', '.join(shown[:_SHOWN])}{more}"


def no_event(values: pd.Series, time: str | None) -> tuple[Fault, ...]:
    """That an outcome is not coded 0 and 1; nothing where it is.

    Parameters
    ----------
    values : (n,)      of the column
    time : str or None    the follow-up that it ends, if it does
    """
    y = values.to_numpy(dtype=float)
    strange = (y != 0.0) & (y != 1.0)
    if not strange.any():
        return ()
    event = str(values.name)
    remedy = (
        f"of codes name that of the event, as in Surv({time}, {event} == 2)"
        if time is not None
        else "recode it, 1 for the event, or make it a factor of two levels in the codebook, the second the event"
    )
    said = f"The column {event!r} must hold 0 and 1 alone to be an event; {remedy}."
    return (Fault(said, rows_found(strange, values)),)


def negative_time(time: pd.Series) -> tuple[Fault, ...]:
    """That follow-up ends before zero in some rows."""
    before = (time < 0).to_numpy()
    said = (
        f"Some rows have a negative {time.name}; follow-up is counted from zero. Correct the dates behind it, or leave these "
        f'patients out with sites.where("{time.name} >= 0").'
    )
    return (Fault(said, rows_found(before, time)),) if before.any() else ()


def late_entry(entry: pd.Series, time: pd.Series, late: NDArray[np.bool_]) -> tuple[Fault, ...]:
    """That some patients, (n,) bool, enter when their follow-up has ended."""
    said = (
        f"Some rows have {entry.name} not before {time.name}; a patient must enter before follow-up ends. "
        "Correct them in the data, or leave out whoever was never at risk."
    )
    return (Fault(said, rows_found(late, entry, time)),) if late.any() else ()


def times_too_near(time: pd.Series, joined: NDArray[np.bool_]) -> tuple[Fault, ...]:
    """That times of some patients, (n,) bool, are one with others by way of times between them, and not by rounding."""
    said = (
        f"Ends of follow-up in {time.name} lie so near to each other that they count as ties: as in R, times are one that differ by "
        "less than 1.5e-8, or by that share of their mean. Count them from each patient's own beginning, in days or months."
    )
    return (Fault(said, rows_found(joined, time)),) if joined.any() else ()


def negative_weights(weights: pd.Series) -> tuple[Fault, ...]:
    """That a case weight is below zero."""
    below = (weights < 0).to_numpy()
    said = f"The column {str(weights.name)!r} holds negative weights; a case weight is zero or more."
    return (Fault(said, rows_found(below, weights)),) if below.any() else ()


def no_counts(column: str, values: pd.Series) -> tuple[Fault, ...]:
    """That an outcome is no count."""
    y = values.to_numpy(dtype=float)
    strange = (y < 0) | (y != np.floor(y))
    said = (
        f"The column {column!r} must hold whole numbers from 0 on to be counts; of a rate, count the events and give the "
        "logarithm of the time as offset."
    )
    return (Fault(said, rows_found(strange, values)),) if strange.any() else ()


def undefined(column: Column, described: str, who: NDArray[np.bool_], frame: pd.DataFrame) -> Fault:
    """That a function of a number has no value for some rows, (n,) bool, and where it has one."""
    shapes: list[tuple[str, Any]] = [(p.column, p.shape) for p in column.parts if p.shape is not None]
    where = [text for name, shape in shapes if (text := _defined(name, shape))]
    said = " ".join((f"{described} is not defined for every value at this site.", *where))
    numbers = dict.fromkeys(name for name, _ in shapes) or dict.fromkeys(p.column for p in column.parts)
    return Fault(said, rows_found(who, *(frame[name] for name in numbers)))


def _defined(name: str, shape: object) -> str:
    if isinstance(shape, BasisSpline):
        return (
            f"A B-spline lies between its ends, here {shape.low:g} and {shape.high:g}: widen low= and high= (or the range of "
            f"{name} in the codebook), or take rcs({name}, ...), which goes on as a line beyond its knots."
        )
    if isinstance(shape, Logarithm):
        return f"A logarithm is one of values above zero: add a number in the data, or take {name} as it is."
    return ""


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)
