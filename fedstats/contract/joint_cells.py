"""Patients who share all levels of a model: its sums are weighted counts of them, and counts are whole numbers.

At any point a curved likelihood of levels alone adds up one value a cell of their joint table, times how many patients are in
the cell.  Few sums with fifty bits each tell all these whole numbers, by a reduced lattice or, at more points, by least squares.
A number that differs among those who share all levels makes each of them a term of his own, and hides the table.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Column, Design
from fedstats.contract.model_cells import few_values, levels_by_group, model_cells, seems_few

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
#: Numbers whose standard deviation in predictors, times the cells of all levels, is no more than this hide nothing: in its powers sums are
#: linear in how many there are in each cell, and in a few moments of the numbers there, and an ordinary fit tells all of these.
SPREAD_BY_CELLS = 5.0
#: The standard deviation where sums are ratios over risk sets, which are not linear in the cells.
FLAT_AT_RISK = 1e-3


def level_cells(design: Design, frame: pd.DataFrame, raw: Array, others: Sequence[Array] = ()) -> Codes:
    """The cell of each patient in the joint table of levels, numbers of few values among them, as 0 ... G - 1, (n,).

    Parameters
    ----------
    design : Design        of the model, the columns behind those that the question made among them
    frame : (n, ...)       complete rows with a weight
    raw : (n, p)           its columns, unscaled
    others : (n,) each     weights and offsets that a site holds: numbers as well
    """
    cell = np.zeros(len(frame), dtype=np.int64)
    values = (np.unique(x, return_inverse=True)[1] for x, many in _numbers(design, raw, others) if not many)
    for codes in chain(_levels(design, frame), values):
        cell = _together(cell, codes)
    return cell


def joint_cells(
    cell: Codes, design: Design, raw: Array, indicators: Array, others: Sequence[Array] = ()
) -> Codes:
    """The cell of each patient in the joint table of all levels, (n,); -1 where numbers hide it.

    Parameters
    ----------
    cell : (n,) int        of :func:`level_cells`, whose the other parameters are
    indicators : (n, c)    0/1, of every level: within each, and outside it, numbers must differ
    """
    number = np.zeros(len(cell), dtype=np.int64)
    bare = _bare(cell, number, indicators)
    for x in (x for x, many in _numbers(design, raw, others) if many):
        if not bare.any():  # a further number only tells more patients apart
            break
        if _hides(x, cell, indicators):
            return np.full(len(cell), -1)
        number = _together(number, np.unique(x, return_inverse=True)[1])
        bare = _bare(cell, number, indicators)
    return np.where(bare, cell, -1)


def cells_behind(columns: tuple[Column, ...], logit: Array, frame: pd.DataFrame) -> Codes:
    """The cell of each patient in the joint table of the levels behind a weight that a question makes, (n,); -1 where numbers among them hide it.

    Such weights are added up with no number beside them, whatever else the question reads: what it has of its own hides nothing.
    Nor does a number that adds nothing to the ``logit`` (n,).
    """
    behind = Design(columns)
    raw = behind.raw(frame)
    levels = level_cells(behind, frame, raw)
    if _within(logit, levels).std() <= flat_of(levels):
        return levels
    return joint_cells(levels, behind, raw, model_cells(behind, frame, raw).indicators)


def shared_behind(cell: Codes, levels: Array, outcome: Array | None = None) -> Evidence:
    """How many patients share all levels behind a weight, and one or two of a model's levels, (n, c), or have one of them or neither.

    Sums of such weights leave within every level and pair of levels; with a 0/1 ``outcome`` (n,) by it as well.
    """
    there = cell >= 0
    halves = [there] if outcome is None else [there & (outcome == said) for said in (0, 1)]
    counts = [levels_by_group(cell[half], levels[half]) for half in halves if half.any()]
    about = "patients who share all levels behind the weights"
    return Evidence("joint cell of levels", np.concatenate([np.zeros(1), *counts]), about)


def flat_of(cell: Codes) -> float:
    """How far numbers may spread in predictors, as a standard deviation, and hide nothing of so many cells, 0 ... G - 1."""
    return SPREAD_BY_CELLS / (int(cell.max(initial=0)) + 1)


def is_number(x: Array) -> bool:
    """Whether a column, (n,), has so many values that they are no levels."""
    return len(few_values(x, MANY)[0]) >= MANY


def where_numbers_are_flat(
    eta: Array, by_number: Array, cell: Codes, halves: Array, flat: float
) -> tuple[Evidence, ...]:
    """At coefficients where numbers hardly tell patients apart who share all levels, how many share what the levels add to predictors.

    Only levels with a slope make cells; those of an intercept alone, where every fit starts, make one.

    Parameters
    ----------
    eta, by_number : (n,)    predictors, and what numbers add to them
    cell : (n,) int          in the joint table of all levels: a number that follows from these tells nobody apart
    halves : (n, c)          0/1: levels within which, or outside which, numbers may be flat although they are not among all
    flat : float             how far they may spread and be flat
    """
    told = np.full(len(eta), np.nan)  # what levels add, of those whom numbers hide nothing of
    left = _within(by_number, cell)
    everybody = np.ones(len(eta), dtype=bool)
    for some in (everybody, *(half for level in halves.T > 0 for half in (level, ~level))):
        by_chance = next((x for x in (by_number, left) if some.any() and x[some].std() <= flat), None)
        if by_chance is not None:
            told[some] = (eta - by_chance)[some]
    by_level = told[~np.isnan(told)]
    if not len(by_level) or np.ptp(by_level) <= FLAT_AT_RISK:
        return ()
    cells = np.unique(np.round(by_level, 9), return_inverse=True)[1]
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


def _numbers(design: Design, raw: Array, others: Sequence[Array]) -> Iterable[tuple[Array, bool]]:
    """Columns of numbers, and weights and offsets, each with whether it has many values."""
    some = seems_few(raw, MANY)
    for j, column in enumerate(design.columns):
        if column.multiplies_a_number:
            yield raw[:, j], not some[j] or is_number(raw[:, j])
    for x in others:
        yield x, is_number(x)


def _within(x: Array, cell: Codes) -> Array:
    """What is left of a number, (n,), less its mean in each cell; less the mean of all where hardly any cell holds two."""
    size = np.bincount(cell)
    if (size * (size - 1)).sum() < MANY:
        return np.asarray(x - x.mean())
    return np.asarray(x - (np.bincount(cell, x) / np.maximum(size, 1))[cell])


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
