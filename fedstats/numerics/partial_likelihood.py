"""Cox's partial likelihood: risk sets by event time, Efron and Breslow ties, delayed entry.

One set of sums serves both designs.  A site with its own baseline hazard evaluates them alone and
sends the derivatives; with a shared baseline the sites send the sums and the coordinator evaluates.
An *event cell* is a distinct event time of one stratum (or a cell of an agreed grid); the cells of
a stratum lie side by side in time order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Ties = Literal["efron", "breslow"]

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
    moves : (D, n) sparse    +1 in a patient's last cell, -1 in the cell before the first
    died : (D, n) sparse     +1 in the cell of a death

    Both by columns where cells are few, so that one pass over the patients serves all; else by rows.
    """

    n_cells: int
    bounds: Index
    first: Index
    last: Index
    late: NDArray[np.bool_]
    death: Index
    death_cell: Index
    moves: sparse.csc_matrix | sparse.csr_matrix
    died: sparse.csc_matrix | sparse.csr_matrix


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


class CellTerms(NamedTuple):
    """What the event cells contribute: ``-loglik`` and the hazard pieces A, B with their x-weighted kin.

    a, b : (D,)       A_j = (W/d) sum_l 1/phi_jl;  B_j = (W/d) sum_l (l/d)/phi_jl
    p, q, r : (D,)    (W/d) sum_l (1, l/d, (l/d)^2)/phi_jl^2
    """

    log_terms: float
    a: Array
    b: Array
    p: Array
    q: Array
    r: Array


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
    as_rows = n_cells > _FEW_CELLS

    def matrix(cells: Index, rows: Index, signs: Array) -> sparse.csc_matrix | sparse.csr_matrix:
        made = sparse.coo_matrix((signs, (cells, rows)), shape=(n_cells, len(time)))
        return made.tocsr() if as_rows else made.tocsc()

    moves = matrix(
        np.concatenate([last[there] - 1, first[joined_late] - 1]),
        np.concatenate([there, joined_late]),
        np.repeat([1.0, -1.0], [len(there), len(joined_late)]),
    )
    died = matrix(death_cell, death, np.ones(len(death)))
    return RiskSets(n_cells, bounds, first, last, late, death, death_cell, moves, died)


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
    moves = _times(sets.moves, r)
    s0 = _suffix_sums(np.asarray(moves.sum(axis=1)).ravel(), sets.bounds, subtracts=True)
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
    moves, died = _times(sets.moves, r), _times(sets.died, r)
    tied = np.bincount(sets.death_cell, minlength=sets.n_cells) > (0 if every_death else 1)
    above, running = sets.n_cells, np.zeros(x.shape[1])
    while above > 0:
        below = max(0, above - _FEW_CELLS)
        cells = slice(below, above)
        bounds = np.unique(np.clip(sets.bounds, below, above))
        whole = above - below == sets.n_cells
        of_set = np.asarray((moves if whole else moves[cells]) @ x)
        if above not in sets.bounds:
            of_set[-1] += running  # the stratum goes on beyond this block
        of_set = _suffix_sums(of_set, bounds - below, subtracts=False)
        of_deaths = np.zeros_like(of_set)
        some = np.flatnonzero(tied[cells])
        if len(some) == above - below:
            of_deaths = np.asarray((died if whole else died[cells]) @ x)
        elif len(some):
            of_deaths[some] = died[below + some] @ x
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
        out[a:b] = np.cumsum(values[a:b][::-1], axis=0, dtype=dtype)[::-1]
    return out


def prefix_sums(values: Array, bounds: Index) -> Array:
    """Cumulative sums within strata, with a leading zero: shape (D + S,); cell c of stratum s at c + s."""
    out = np.zeros((values.shape[0] + len(bounds) - 1, *values.shape[1:]))
    for s, (a, b) in enumerate(pairwise(bounds.tolist())):
        np.cumsum(values[a:b], axis=0, out=out[a + s + 1 : b + s + 1])
    return out


def cell_terms(sums: CellSums, ties: Ties) -> CellTerms:
    """Evaluate every event cell: its share of the log-likelihood and its hazard pieces.

    Raises
    ------
    FloatingPointError
        A risk set whose sum is not positive although someone died in it: overflow of exp(eta).
    """
    cell, fraction, share, phi = tied_deaths(sums, ties)
    terms = [share / phi, share * fraction / phi, share / phi**2, share * fraction / phi**2]
    terms.append(share * fraction**2 / phi**2)
    a, b, p, q, r = (np.bincount(cell, term, len(sums.deaths)).astype(float) for term in terms)
    return CellTerms(float(share @ np.log(phi)), a, b, p, q, r)


def tied_deaths(sums: CellSums, ties: Ties) -> tuple[Index, Array, Array, Array]:
    """Of every death, one after the other: its cell, l/d (zero for Breslow), W/d and phi.

    Raises
    ------
    FloatingPointError
        As :func:`cell_terms`.
    """
    d = sums.deaths.astype(np.int64)
    cell = np.repeat(np.arange(len(d)), d)
    rank = np.arange(len(cell)) - np.repeat(np.cumsum(d) - d, d)
    fraction = rank / sums.deaths[cell] if ties == "efron" else np.zeros(len(cell))
    phi = sums.s0[cell] - fraction * sums.t0[cell]
    if not np.all(phi > 0):
        raise FloatingPointError("a risk set adds up to nothing although an event happened in it")
    return cell, fraction, sums.weight[cell] / sums.deaths[cell], phi


def expected(sets: RiskSets, stratum: Index, a: Array, b: Array) -> Array:
    """v (n,): r_i v_i is the number of events expected of patient i (never leaves the site)."""
    return np.asarray(np.maximum(while_at_risk(sets, stratum, a, b), 0.0))


def while_at_risk(sets: RiskSets, stratum: Index, a: Array, b: Array) -> Array:
    """For each patient the sum of a (D, ...) over the cells at risk, less b of the cell of a death; (n, ...)."""
    cumulative = prefix_sums(a, sets.bounds)
    found = cumulative[sets.last + stratum] - cumulative[sets.first + stratum]
    found[sets.last <= sets.first] = 0.0
    found[sets.death] -= b[sets.death_cell]
    return np.asarray(found)


def second_product(sums: CellSums, terms: CellTerms) -> Array:
    """sum_j (W_j/d_j) sum_l n_jl n_jl' / phi_jl^2 (p, p), from the sums of every cell."""
    return _second_product(sums.s1, sums.t1, terms.p, terms.q, terms.r)


def second_product_at_site(sets: RiskSets, x: Array, r: Array, terms: CellTerms) -> Array:
    """The same from the patients, block by block: with a cell for each event time their sums are not kept."""
    found = np.zeros((x.shape[1], x.shape[1]))
    for cells, s1, t1 in blocks_of_cells(sets, x, r, every_death=False):
        found += _second_product(s1, t1, terms.p[cells], terms.q[cells], terms.r[cells])
    return found


def _second_product(s1: Array, t1: Array, p: Array, q: Array, r: Array) -> Array:
    """Two rows a cell with non-negative coefficients.

    With n_jl = s1 - (l/d) t1 the sum is P s1 s1' - Q (s1 t1' + t1 s1') + R t1 t1'; completing the
    square subtracts nothing: P (s1 - (Q/P) t1)(.)' + (R - Q^2/P) t1 t1'.
    """
    ratio = np.divide(q, p, out=np.zeros_like(p), where=p > 0)
    shifted = s1 * np.sqrt(p)[:, None]
    tied = np.flatnonzero(r > 0)  # Efron's ties alone; elsewhere t1 has no part in it
    if not len(tied):
        return np.asarray(shifted.T @ shifted)
    shifted[tied] -= t1[tied] * (ratio * np.sqrt(p))[tied, None]
    rest = t1[tied] * np.sqrt(np.maximum(r - q * ratio, 0.0))[tied, None]
    return np.asarray(shifted.T @ shifted + rest.T @ rest)


def cell_variances(sets: RiskSets, x: Array, r: Array, sums: CellSums, terms: CellTerms) -> Array:
    """What each event cell adds to the diagonal of the information, (D, p): its deaths' expected spread of x."""
    squares = cell_sums(sets, x**2, r, None)
    p, q, v = (piece[:, None] for piece in (terms.p, terms.q, terms.r))
    of_means = p * sums.s1**2 - 2 * q * sums.s1 * sums.t1 + v * sums.t1**2
    found = terms.a[:, None] * squares.s1 - terms.b[:, None] * squares.t1 - of_means
    return np.asarray(np.maximum(found, 0.0))


def weighted_gram(x: Array, v: Array, block: int = 4096) -> Array:
    """sum_i v_i x_i x_i' (p, p) for v >= 0, by blocks that stay in cache; one symmetric product each."""
    gram = np.zeros((x.shape[1], x.shape[1]))
    root = np.sqrt(v)
    for a in range(0, len(x), block):
        scaled = x[a : a + block] * root[a : a + block, None]
        gram += scaled.T @ scaled
    return gram


def score_from_cells(wx_deaths: Array, sums: CellSums, terms: CellTerms) -> Array:
    """Gradient (p,) from cell sums alone: sum of x over deaths minus its expectation."""
    return wx_deaths - terms.a @ sums.s1 + terms.b @ sums.t1


def score_residuals(
    sets: RiskSets,
    stratum: Index,
    x: Array,
    r: Array,
    weights: Array | None,
    v: Array,
    means: "CellMeans",
) -> Array:
    """Each patient's weighted share of the score (n, p); columns sum to the score.  Never leaves the site.

    Agrees with R's ``residuals(fit, "score", weighted=TRUE)`` for the same handling of ties.
    Therneau & Grambsch (2000), Modeling Survival Data, section 4.6 and appendix E.
    """
    drawn = while_at_risk(sets, stratum, means.c, means.d)
    u = -r[:, None] * (x * v[:, None] - drawn)
    w = np.ones(len(sets.death)) if weights is None else weights[sets.death]
    u[sets.death] += w[:, None] * (x[sets.death] - means.xbar[sets.death_cell])
    return np.asarray(u)


class CellMeans(NamedTuple):
    """Weighted means of x over the risk sets, as score residuals need them, by event cell (D, p).

    xbar : (1/d) sum_l n_jl/phi_jl;  c : (W/d) sum_l n_jl/phi_jl^2;  d : (W/d) sum_l (l/d) n_jl/phi_jl^2
    """

    xbar: Array
    c: Array
    d: Array


def cell_means(sums: CellSums, terms: CellTerms) -> CellMeans:
    """Risk-set means of x and their hazard-weighted kin, averaged over the tied deaths of a cell."""
    with np.errstate(invalid="ignore", divide="ignore"):
        w = np.where(sums.weight > 0, sums.weight, 1.0)
    xbar = (terms.a[:, None] * sums.s1 - terms.b[:, None] * sums.t1) / w[:, None]
    c = terms.p[:, None] * sums.s1 - terms.q[:, None] * sums.t1
    d = terms.q[:, None] * sums.s1 - terms.r[:, None] * sums.t1
    return CellMeans(xbar, c, d)
