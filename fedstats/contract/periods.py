"""Effects that are others after agreed cuts of follow-up: a column for each period, of which one counts at a time.

Every event lies in one period, so the partial likelihood is a sum over periods, and each of its addends is that of an
ordinary Cox model: of the patients at risk in the period, with its events and with the columns that count there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Column, Design, Period
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.query import QueryError

#: Each is a model of its own at a site.
MOST_PERIODS = 12


def periods_of(design: Design) -> tuple[Period, ...]:
    """The periods between all cuts of a design, in order; none where every effect is constant."""
    cuts = cuts_of(design)
    return _between(cuts) if cuts else ()


def cuts_of(design: Design) -> tuple[float, ...]:
    """The times, above zero, after which some column of a design begins or ceases to count."""
    ends = {end for c in design.columns if c.period is not None for end in (c.period.after, c.period.until)}
    return tuple(sorted(end for end in ends if end))


def whole(design: Design) -> Design:
    """Every column once, whatever its period."""
    found = {c.parts: replace(c, period=None) for c in reversed(design.columns)}
    return replace(design, columns=tuple(reversed(found.values())))


def within(design: Design, period: Period) -> tuple[Design, NDArray[np.int64]]:
    """The columns that count throughout a period, as those of an ordinary model, and which of all they are.

    Raises
    ------
    QueryError
        None does, or the same one twice.
    """
    columns = [j for j, c in enumerate(design.columns) if c.period is None or _holds(c.period, period)]
    found = tuple(replace(design.columns[j], period=None) for j in columns)
    if not found or len({c.parts for c in found}) < len(found):
        raise QueryError("In every period of a model each column counts once, and at least one does.")
    return replace(design, columns=found), np.array(columns, dtype=np.int64)


def check_periods(design: Design) -> None:
    """Periods that a question may name.

    Raises
    ------
    QueryError
        Ends out of order, or more periods than a site takes.
    """
    periods = (c.period for c in design.columns if c.period is not None)
    if not all(0 <= period.after < period.end for period in periods):
        raise QueryError("A period begins at zero or later, and ends after it begins.")
    if len(cuts_of(design)) >= MOST_PERIODS:
        raise QueryError(f"Follow-up is cut into {MOST_PERIODS} periods at most.")


def _holds(period: Period, part: Period) -> bool:
    return period.after <= part.after and part.end <= period.end


def _between(cuts: tuple[float, ...]) -> tuple[Period, ...]:
    ends: tuple[float | None, ...] = (*cuts, None)
    return tuple(Period(after, until) for after, until in zip((0.0, *cuts), ends, strict=True))


# The coordinator's half ------------------------------------------------------------------------

#: Terms whose effects change: all at the codebook's cuts, or each at its own.
Varying = str | Sequence[str] | Mapping[str, float | Sequence[float]]


def agreed_cuts(varying: Varying | None, codebook: Codebook, design: Design) -> dict[str, tuple[float, ...]]:
    """The cuts of each term of a design whose effect changes with time.

    Raises
    ------
    FormulaError
        A term that the model does not have; no cuts, or such as are not times in increasing order.
    """
    if varying is None:
        return {}
    if isinstance(varying, str | Mapping | list | tuple):
        _check_terms([varying] if isinstance(varying, str) else [str(term) for term in varying], design)
    agreed = codebook.grid.cuts if codebook.grid is not None else ()
    if isinstance(varying, Mapping):
        return {str(term): _checked(term, cuts) for term, cuts in varying.items()}
    terms = [varying] if isinstance(varying, str) else varying
    if not isinstance(terms, list | tuple) or not all(isinstance(term, str) for term in terms):
        raise FormulaError(
            f"time_varying is {varying!r}; give a term, several in a list, or {{term: [times after which its effect is another]}}."
        )
    if terms and not agreed:
        raise FormulaError(
            "The codebook agrees on no times after which effects may be others: give its [grid] cuts, or name them, as in "
            f"time_varying={{{terms[0]!r}: [180]}}."
        )
    return dict.fromkeys(terms, agreed)


def with_periods(
    design: Design, cuts: Mapping[str, tuple[float, ...]], codebook: Codebook, time: str | None
) -> Design:
    """A design with a column for each period in place of every column of the terms named.

    Parameters
    ----------
    cuts : mapping       of a term, as it was written, to the times after which its effect is another
    time : str or None   column of the end of follow-up, whose unit names a period where the codebook has no grid

    Raises
    ------
    FormulaError
        A term that the model does not have.
    """
    _check_terms(cuts, design)
    grid = codebook.grid
    unit = grid.unit if grid is not None else codebook[time].unit if time is not None else ""
    columns: list[Column] = []
    for column in design.columns:
        if column.term not in cuts:
            columns.append(column)
            continue
        columns += [
            replace(column, name=f"{column.name}: {period_title(period, unit)}", period=period)
            for period in _between(cuts[column.term])
        ]
    return replace(design, columns=tuple(columns))


def design_of(fit: Fit, codebook: Codebook) -> Design:
    """The design of a fit: of its formula, with the periods of its options."""
    outcome, design = parse(fit.formula, codebook, intercept=fit.kind != "cox")
    return with_periods(design, fit.options.get("time_varying") or {}, codebook, outcome.time)


def by_period(design: Design) -> dict[str, tuple[str, ...]]:
    """Of a column whose effect changes, the names of its coefficients in order of time."""
    found: dict[str, tuple[str, ...]] = {}
    for column in design.columns:
        if column.period is not None:
            name = column.name.rpartition(": ")[0]
            found[name] = (*found.get(name, ()), column.name)
    return found


def period_title(period: Period, unit: str) -> str:
    """``0-6 months``, ``6+ months``: a period as tables name it."""
    ends = f"{period.after:.12g}+" if period.until is None else f"{period.after:.12g}-{period.until:.12g}"
    return f"{ends} {unit}".rstrip()


def _check_terms(named: Iterable[str], design: Design) -> None:
    terms = dict.fromkeys(c.term for c in design.columns)
    for term in named:
        if term not in terms:
            raise FormulaError(f"time_varying names {term!r}; the terms of the model are {', '.join(terms)}.")


def _checked(term: object, cuts: object) -> tuple[float, ...]:
    given = tuple(cuts) if isinstance(cuts, Sequence) and not isinstance(cuts, str) else (cuts,)
    numbers = all(isinstance(cut, int | float) and 0 < cut < np.inf for cut in given)
    if not given:
        raise FormulaError(
            f"time_varying gives {term} no times after which its effect is another: give them, as [180], or leave {term} out."
        )
    if not numbers or list(given) != sorted(set(given)):
        raise FormulaError(f"The cuts of {term} are {cuts!r}; give times above zero in increasing order.")
    return tuple(float(cut) for cut in given)
