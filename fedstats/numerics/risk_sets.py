"""Risk sets by event time, with delayed entry, and sums over them and over tied deaths.

An *event cell* is a distinct event time of one stratum (or a cell of an agreed grid); the cells of
a stratum lie side by side in time order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: So many cells and their sums stay in cache while the patients pass by.
_FEW_CELLS = 4096
#: R's ``timefix``: times closer than this, absolutely or relative to their mean, are one time.
TIME_TOLERANCE = 1.49e-8


@dataclass(frozen=True)
class RiskSets:
    """Who is at risk in which event cell; made once, used at every beta.

    Attributes
    ----------
    n_cells : int            D, over all strata
    bounds : (S + 1,) int    the cells of stratum s are ``bounds[s]:bounds[s + 1]``
    first, last : (n,) int   a patient is at risk in cells ``first <= cell < last``
    late : (n,) bool         at risk, but not from the stratum's first cell on
    death : (m,) int         rows with an event and a positive weight
    death_cell : (m,) int    their cells
    steps : (2 D, n) sparse  moves: +1 in a patient's last cell, -1 in the cell before the first; below them the
                             deaths: +1 in the cell of a death

    By columns where cells are few, so that one pass over the patients serves all; else by rows.
    """

    n_cells: int
    bounds: Index
    first: Index
    last: Index
    late: NDArray[np.bool_]
    death: Index
    death_cell: Index
    steps: sparse.csc_matrix | sparse.csr_matrix


class CellSums(NamedTuple):
    """Sums over the risk set and over the tied deaths of every event cell.

    ``s0 (D,)`` and ``s1 (D, p)`` are sums of r and r x over the risk set, ``t0`` and ``t1`` over the
    deaths; ``deaths (D,)`` counts them and ``weight (D,)`` adds up their weights.
    """

    s0: Array
    s1: Array
    t0: Array
    t1: Array
    deaths: Array
    weight: Array


def tie_times(time: Array) -> Array:
    """Give times that differ by rounding alone the same value, as R's ``aeqSurv`` does."""
    values = np.unique(time)
    if len(values) < 2:
        return time
    gap = np.diff(values)
    tied = (gap <= TIME_TOLERANCE) | (gap / np.mean(np.abs(values)) <= TIME_TOLERANCE)
    if not tied.any():
        return time
    representative = values[np.concatenate([[0], np.flatnonzero(~tied) + 1])]
    return np.asarray(representative[np.searchsorted(representative, time, side="right") - 1])


def risk_sets(
    stratum: Index,
    entry: Array | None,
    time: Array,
    event: NDArray[np.bool_],
    weights: Array | None,
    grid: Array | None = None,
    n_strata: int | None = None,
) -> RiskSets:
    """Index patients by the event cells they are at risk in.

    Parameters
    ----------
    stratum : (n,) int    0 ... S-1
    entry, time : (n,)    at risk over ``(entry, time]``; None: from the beginning
    event : (n,) bool
    weights : (n,)        a death of weight zero counts for nothing
    grid : (G,), optional
        Agreed event times, the same in every stratum (times have been moved to their cell's right
        edge); None: the distinct event times of each stratum.
    n_strata : int, optional
        The agreed number of strata; None: those present.
    """
    death = np.flatnonzero(event if weights is None else event & (weights > 0))
    strata = int(stratum.max(initial=-1)) + 1 if n_strata is None else n_strata
    order = np.argsort(stratum, kind="stable")
    starts = np.searchsorted(stratum[order], np.arange(strata + 1))
    first, last = np.zeros(len(time), dtype=np.int64), np.zeros(len(time), dtype=np.int64)
    bounds = np.zeros(strata + 1, dtype=np.int64)
    is_death = np.zeros(len(time), dtype=bool)
    is_death[death] = True
    for s in range(strata):
        rows = order[starts[s] : starts[s + 1]]
        times = np.unique(time[rows[is_death[rows]]]) if grid is None else grid
        bounds[s + 1] = bounds[s] + len(times)
        last[rows] = bounds[s] + np.searchsorted(times, time[rows], side="right")
        first[rows] = (
            bounds[s] if entry is None else bounds[s] + np.searchsorted(times, entry[rows], side="right")
        )
    n_cells, late = int(bounds[-1]), (last > first) & (first > bounds[stratum])
    death_cell = last[death] - 1
    there, joined_late = np.flatnonzero(last > first), np.flatnonzero(late)
    cells = np.concatenate([last[there] - 1, first[joined_late] - 1, n_cells + death_cell])
    rows = np.concatenate([there, joined_late, death])
    signs = np.repeat([1.0, -1.0, 1.0], [len(there), len(joined_late), len(death)])
    steps = sparse.coo_matrix((signs, (cells, rows)), shape=(2 * n_cells, len(time)))
    by_few = steps.tocsc() if n_cells <= _FEW_CELLS else steps.tocsr()
    return RiskSets(n_cells, bounds, first, last, late, death, death_cell, by_few)


def cell_sums(sets: RiskSets, x: Array, r: Array, weights: Array | None) -> CellSums:
    """Risk-set and tied-death sums of r and r x.

    Sums run from the last time to the first, patients joining at their exit and leaving at their
    entry, so that nothing larger than a risk set is ever subtracted from.
    """
    sizes = cell_sizes(sets, r, weights)
    s1, t1 = np.zeros((sets.n_cells, x.shape[1])), np.zeros((sets.n_cells, x.shape[1]))
    for cells, of_set, of_deaths in blocks_of_cells(sets, x, r, every_death=True):
        s1[cells], t1[cells] = of_set, of_deaths
    return sizes._replace(s1=s1, t1=t1)


def cell_sizes(sets: RiskSets, r: Array, weights: Array | None) -> CellSums:
    """The sums of r alone, without those of r x: ``s1`` and ``t1`` have no columns."""
    d = sets.n_cells
    moves = (sets.steps @ r)[:d]
    s0 = _suffix_sums(moves, sets.bounds, subtracts=True)
    _require_digits(sets, r, s0)
    t0, count = (np.bincount(sets.death_cell, v, d).astype(float) for v in (r[sets.death], None))
    w = count if weights is None else np.bincount(sets.death_cell, weights[sets.death], d).astype(float)
    none = np.zeros((d, 0))
    return CellSums(s0, none, t0, none, count, w)


def blocks_of_cells(
    sets: RiskSets, x: Array, r: Array, *, every_death: bool
) -> Iterator[tuple[slice, Array, Array]]:
    """Sums of r x over the risk set and over the tied deaths, block by block from the last cell to the first.

    With a cell for each event time a block stays in cache where all of them would not.

    Parameters
    ----------
    every_death : bool
        Sums over tied deaths of cells with one death too, where Efron's ties do not need them.

    Yields
    ------
    cells : slice
    of_set, of_deaths : (k, p)
    """
    steps, d = _times(sets.steps, r), sets.n_cells
    tied = np.bincount(sets.death_cell, minlength=d) > (0 if every_death else 1)
    above, running = d, np.zeros(x.shape[1])
    while above > 0:
        below = max(0, above - _FEW_CELLS) if steps.format == "csr" else 0
        cells = slice(below, above)
        bounds = np.unique(np.clip(sets.bounds, below, above))
        if steps.format == "csc":
            both = np.asarray(steps @ x)
            of_set, of_deaths = both[:d], np.where(tied[:, None], both[d:], 0.0)
        else:
            of_set, of_deaths = np.asarray(steps[cells] @ x), np.zeros((above - below, x.shape[1]))
            some = np.flatnonzero(tied[cells])
            of_deaths[some] = steps[d + below + some] @ x
        if above not in sets.bounds:
            of_set[-1] += running  # the stratum goes on beyond this block
        of_set = _suffix_sums(of_set, bounds - below, subtracts=False)
        yield cells, of_set, of_deaths
        above, running = below, of_set[0]


def _times(matrix: Any, r: Array) -> Any:
    """A sparse matrix (D, n) with its columns multiplied by r."""
    each = np.repeat(r, np.diff(matrix.indptr)) if matrix.format == "csc" else r[matrix.indices]
    return type(matrix)((matrix.data * each, matrix.indices, matrix.indptr), shape=matrix.shape)


def _require_digits(sets: RiskSets, r: Array, s0: Array) -> None:
    """Raise where late entrants outweigh the risk sets they are subtracted from by more than the digits allow.

    A risk set is wrong by eps times all who have joined by then, relative to its own sum; so is what its deaths add
    to the score.  All of that together must stay below 1e-10 of what the score is uncertain by, the root of the deaths.
    """
    late = sets.late
    if not late.any():
        return
    joining = np.bincount(sets.last[late] - 1, r[late], sets.n_cells).astype(float)
    joined = _suffix_sums(joining, sets.bounds, subtracts=False)
    deaths = np.bincount(sets.death_cell, minlength=sets.n_cells)
    dead = deaths > 0
    if not (s0[dead] > 0).all():
        return  # said by cell_terms
    wrong = np.finfo(float).eps * joined[dead] / s0[dead]
    if deaths[dead] @ wrong > 1e-10 * np.sqrt(deaths.sum()):
        raise FloatingPointError("late entrants outweigh an early risk set beyond the digits of a float")


def _suffix_sums(values: Array, bounds: Index, *, subtracts: bool) -> Array:
    """Cumulative sums from the last cell of a stratum to its first.

    Where patients enter late they are subtracted: then in long double, or the running sum would lose its last digits.
    """
    out = np.empty_like(values)
    for a, b in pairwise(bounds.tolist()):
        dtype = np.longdouble if subtracts else np.float64
        with np.errstate(
            invalid="ignore"
        ):  # of what is infinite either way: not finite, which is said of the sums
            out[a:b] = np.cumsum(values[a:b][::-1], axis=0, dtype=dtype)[::-1]
    return out


def prefix_sums(values: Array, bounds: Index) -> Array:
    """Cumulative sums within strata, with a leading zero: shape (D + S,); cell c of stratum s at c + s."""
    out = np.zeros((values.shape[0] + len(bounds) - 1, *values.shape[1:]))
    for s, (a, b) in enumerate(pairwise(bounds.tolist())):
        np.cumsum(values[a:b], axis=0, out=out[a + s + 1 : b + s + 1])
    return out
