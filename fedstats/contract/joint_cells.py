"""Patients who share all levels of a model: its sums are weighted counts of them, and counts are whole numbers.

At any point a curved likelihood of levels alone adds up one value a cell of their joint table, times how many patients are in
the cell.  Few sums with fifty bits each tell all these whole numbers, by a reduced lattice or, at more points, by least squares.
A number that differs among those who share all levels makes each of them a term of his own, and hides the table.
"""

from collections.abc import Iterable
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Design
from fedstats.contract.model_cells import few_values, seems_few

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

#: A number of fewer values has levels.
MANY = 20
#: Of two patients chosen at random, how often they may have the same numbers where these hide anything.
SAME_BY_CHANCE = 0.1
#: The same of two patients who share one level, or lack it: these may be few.
SAME_IN_A_LEVEL = 0.25
#: An odd number near 2^64 over the golden ratio: multiplied by it, the first bits depend on all (Knuth 1998, 6.4).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
#: Numbers that add less than this to predictors (their standard deviation) hide nothing.
FLAT = 1e-3


def joint_cells(
    design: Design, frame: pd.DataFrame, raw: Array, indicators: Array, others: Iterable[Array] = ()
) -> Codes:
    """The cell of each patient in the joint table of all levels, (n,); -1 where numbers hide it.

    Parameters
    ----------
    design : Design        of the model, the columns behind those that the question made among them
    frame : (n, ...)       complete rows with a weight
    raw : (n, p)           its columns, unscaled
    indicators : (n, c)    0/1, of every level: within each, and outside it, numbers must differ
    others : (n,) each     weights and offsets that a site holds: numbers as well
    """
    cell, number = np.zeros(len(frame), dtype=np.int64), np.zeros(len(frame), dtype=np.int64)
    for codes in _levels(design, frame):
        cell = _together(cell, codes)
    many = []
    some = seems_few(raw, MANY)
    columns = [(raw[:, j], some[j]) for j, c in enumerate(design.columns) if c.multiplies_a_number]
    for x, few in chain(columns, ((x, True) for x in others)):
        if not few or is_number(x):
            many.append(x)
        else:
            cell = _together(cell, np.unique(x, return_inverse=True)[1])
    bare = _bare(cell, number, indicators)
    for x in many:
        if not bare.any():  # a further number only tells more patients apart
            break
        if _hides(x, cell, indicators):
            return np.full(len(frame), -1)
        number = _together(number, np.unique(x, return_inverse=True)[1])
        bare = _bare(cell, number, indicators)
    return np.where(bare, cell, -1)


def is_number(x: Array) -> bool:
    """Whether a column, (n,), has so many values that they are no levels."""
    return len(few_values(x, MANY)[0]) >= MANY


def where_numbers_are_flat(by_level: Array, by_number: Array, halves: Array) -> tuple[Evidence, ...]:
    """At coefficients where numbers hardly tell patients apart, how many share what the levels add to predictors, (n,) each.

    Only levels with a slope make cells; those of an intercept alone, where every fit starts, make one.  ``halves`` (n, c), 0/1, are
    levels within which, or outside which, numbers may be flat although they are not among all.
    """
    bare = np.full(len(by_level), by_number.std() <= FLAT)
    for level in halves.T > 0:
        for half in (level, ~level):
            if half.any() and by_number[half].std() <= FLAT:
                bare |= half
    if not bare.any() or np.ptp(by_level[bare]) <= FLAT:
        return ()
    cells = np.unique(np.round(by_level[bare], 9), return_inverse=True)[1]
    about = "patients who share all levels that weigh, at coefficients where no number does"
    return (Evidence("joint cell of levels", np.bincount(cells), about),)


def shared_by(cell: Codes, outcome: Array | None = None) -> Evidence:
    """How many patients are in each cell; with a 0/1 ``outcome`` (n,), how many by it.  Where numbers hide the table, nobody."""
    there = cell >= 0
    counts, about = np.bincount(cell[there], minlength=1), "patients who share all levels"
    if outcome is not None:
        about += ", by the outcome"
        counts = np.concatenate(
            [np.bincount(cell[there & (outcome == said)], minlength=1) for said in (0, 1)]
        )
    return Evidence("joint cell of levels", counts, about)


def _levels(design: Design, frame: pd.DataFrame) -> Iterable[Codes]:
    """Of each column that is read by its levels, the level of each patient."""
    by_level = {p.column for c in design.columns for p in c.parts if p.level is not None}
    for name in design.variables:
        values = frame[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            by_name = np.argsort(np.argsort(values.cat.categories.to_numpy(dtype=object), kind="stable"))
            yield by_name[values.cat.codes.to_numpy()]
        elif name in by_level:
            yield np.asarray(pd.Categorical(values.astype(object)).codes, dtype=np.int64)


def _together(one: Codes, other: Codes) -> Codes:
    """Groups of those who agree in both, as 0 ... G - 1."""
    both = one * (int(other.max(initial=0)) + 1) + other
    return np.asarray(np.unique(both, return_inverse=True)[1], dtype=np.int64)


def _bare(cell: Codes, number: Codes, indicators: Array) -> NDArray[np.bool_]:
    """Of whom numbers hide nothing: nearly all have the same, overall, within a cell, or within one level or outside it.

    A number that follows from the levels is a name of the cell; of one that nearly everybody shares, or everybody of a level,
    as pack-years of those who never smoked, sums over these are as of levels alone.
    """
    everybody = np.ones(len(cell), dtype=bool)
    if _same(number) > SAME_BY_CHANCE or _same_within(cell, number) > SAME_IN_A_LEVEL:
        return everybody
    bare = ~everybody
    for level in indicators.T > 0:
        for half in (level, ~level):
            if _same(number[half]) > SAME_IN_A_LEVEL:
                bare |= half
    return bare


def _hides(x: Array, cell: Codes, indicators: Array) -> bool:
    """Whether so few pairs of patients share a number, wherever they are, that it hides the table on its own.

    Of others the pairs within each cell and half are counted (:func:`_bare`), which takes a sorting of all values.
    """
    n, inside = len(x), np.count_nonzero(indicators > 0, axis=0)
    if np.isnan(x).any():
        return False
    groups = np.concatenate([inside, n - inside])
    limits = [
        (SAME_BY_CHANCE, n * (n - 1)),
        (SAME_IN_A_LEVEL, _pairs(np.bincount(cell))),
        *((SAME_IN_A_LEVEL, int(size) * (int(size) - 1)) for size in groups),
    ]
    alike = _pairs(np.bincount(_hashes(x)))  # no fewer than have the same value
    return all(pairs < MANY or alike / pairs <= limit for limit, pairs in limits)


def _hashes(x: Array) -> Codes:
    """Of each value a number below 2^16: the same of the same value, and hardly ever of two."""
    bits = (x + 0.0).view(np.uint64)  # of a zero without its sign
    return np.asarray((bits * _GOLDEN) >> np.uint64(48), dtype=np.int64)


def _pairs(sizes: Codes) -> int:
    """How many ordered pairs there are within groups of these sizes."""
    return int((sizes * (sizes - 1)).sum())


def _same(number: Codes) -> float:
    """How often two different patients have the same; 0 of hardly any pairs."""
    pairs, alike = len(number) * (len(number) - 1), _pairs(np.bincount(number))
    return alike / pairs if pairs >= MANY else 0.0


def _same_within(cell: Codes, number: Codes) -> float:
    """The same of two of one cell; 0 where hardly any cell holds two."""
    pairs, alike = (_pairs(np.bincount(codes)) for codes in (cell, _together(cell, number)))
    return alike / pairs if pairs >= MANY else 0.0
