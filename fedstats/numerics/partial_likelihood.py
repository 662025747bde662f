"""Cox's partial likelihood: risk sets by event time, Efron and Breslow ties, delayed entry.

One set of sums serves both designs.  A site with its own baseline hazard evaluates them alone and
sends the derivatives; with a shared baseline the sites send the sums and the coordinator evaluates.
An *event cell* is a distinct event time of one stratum (or a cell of an agreed grid); the cells of
a stratum lie side by side in time order.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Ties = Literal["efron", "breslow"]

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
    death : (m,) int         rows with an event and a positive weight
    death_cell : (m,) int    their cells
    net : (D, n) sparse      +1 in a patient's last cell, -1 in the cell before the first
    """

    n_cells: int
    bounds: Index
    first: Index
    last: Index
    death: Index
    death_cell: Index
    net: sparse.csc_matrix


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
    n_cells = int(bounds[-1])
    return RiskSets(n_cells, bounds, first, last, death, last[death] - 1, _net(first, last, stratum, bounds))


def _net(first: Index, last: Index, stratum: Index, bounds: Index) -> sparse.csc_matrix:
    at_risk = last > first
    late = at_risk & (first > bounds[stratum])
    rows = np.concatenate([last[at_risk] - 1, first[late] - 1])
    columns = np.concatenate([np.flatnonzero(at_risk), np.flatnonzero(late)])
    signs = np.concatenate([np.ones(at_risk.sum()), -np.ones(late.sum())])
    return sparse.csc_matrix((signs, (rows, columns)), shape=(int(bounds[-1]), len(first)))


def cell_sums(sets: RiskSets, x: Array, r: Array, weights: Array | None) -> CellSums:
    """Risk-set and tied-death sums of r and r x, in one pass over the patients.

    Sums run from the last time to the first, patients joining at their exit and leaving at their
    entry, so that nothing larger than a risk set is ever subtracted from.
    """
    weighted = sparse.csc_matrix(
        (sets.net.data * np.repeat(r, np.diff(sets.net.indptr)), sets.net.indices, sets.net.indptr),
        shape=sets.net.shape,
    )
    s0 = _suffix_sums(np.asarray(weighted.sum(axis=1)).ravel(), sets.bounds)
    s1 = _suffix_sums(weighted @ x, sets.bounds)
    _require_digits(sets, r, s0)
    r_death = r[sets.death]
    one = sparse.csr_matrix(
        (r_death, (sets.death_cell, np.arange(len(sets.death)))), shape=(sets.n_cells, len(sets.death))
    )
    count = np.bincount(sets.death_cell, minlength=sets.n_cells).astype(float)
    w = count
    if weights is not None:
        w = np.bincount(sets.death_cell, weights[sets.death], sets.n_cells).astype(float)
    return CellSums(s0, s1, np.asarray(one.sum(axis=1)).ravel(), one @ x[sets.death], count, w)


def _require_digits(sets: RiskSets, r: Array, s0: Array) -> None:
    """Raise where late entrants outweigh the risk set they are subtracted from by more than the digits allow."""
    late = np.diff(sets.net.indptr) == 2
    if not late.any():
        return
    joining = np.bincount(sets.last[late] - 1, r[late], sets.n_cells).astype(float)
    joined = _suffix_sums(joining, sets.bounds)
    dead = np.bincount(sets.death_cell, minlength=sets.n_cells) > 0
    if (np.finfo(float).eps * joined[dead] > 1e-10 * s0[dead]).any():
        raise FloatingPointError("late entrants outweigh an early risk set beyond the digits of a float")


def _suffix_sums(values: Array, bounds: Index) -> Array:
    # long double: the running sum keeps its last digits when many enter late and many leave early
    out = np.empty_like(values)
    for a, b in pairwise(bounds.tolist()):
        out[a:b] = np.cumsum(values[a:b][::-1], axis=0, dtype=np.longdouble)[::-1]
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
    d = sums.deaths.astype(np.int64)
    cell = np.repeat(np.arange(len(d)), d)
    rank = np.arange(len(cell)) - np.repeat(np.cumsum(d) - d, d)
    fraction = rank / sums.deaths[cell] if ties == "efron" else np.zeros(len(cell))
    share = sums.weight[cell] / sums.deaths[cell]
    phi = sums.s0[cell] - fraction * sums.t0[cell]
    if not np.all(phi > 0):
        raise FloatingPointError("a risk set adds up to nothing although an event happened in it")
    terms = [share / phi, share * fraction / phi, share / phi**2, share * fraction / phi**2]
    terms.append(share * fraction**2 / phi**2)
    a, b, p, q, r = (np.bincount(cell, term, len(d)).astype(float) for term in terms)
    return CellTerms(float(share @ np.log(phi)), a, b, p, q, r)


def expected(sets: RiskSets, stratum: Index, a: Array, b: Array) -> Array:
    """v (n,): r_i v_i is the number of events expected of patient i (never leaves the site)."""
    cumulative = prefix_sums(a, sets.bounds)
    at_risk = sets.last > sets.first
    v = np.where(at_risk, cumulative[sets.last + stratum] - cumulative[sets.first + stratum], 0.0)
    v[sets.death] -= b[sets.death_cell]
    return np.asarray(np.maximum(v, 0.0))


def second_product(sums: CellSums, terms: CellTerms) -> Array:
    """sum_j (W_j/d_j) sum_l n_jl n_jl' / phi_jl^2, as two rows a cell with non-negative coefficients.

    With n_jl = s1 - (l/d) t1 the sum is P s1 s1' - Q (s1 t1' + t1 s1') + R t1 t1'; completing the
    square subtracts nothing: P (s1 - (Q/P) t1)(.)' + (R - Q^2/P) t1 t1'.
    """
    used = terms.p > 0
    p, q, r = terms.p[used], terms.q[used], terms.r[used]
    shifted = (sums.s1[used] - (q / p)[:, None] * sums.t1[used]) * np.sqrt(p)[:, None]
    rest = sums.t1[used] * np.sqrt(np.maximum(r - q * q / p, 0.0))[:, None]
    return shifted.T @ shifted + rest.T @ rest


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
    cumulative = prefix_sums(means.c, sets.bounds)
    at_risk = sets.last > sets.first
    drawn = np.where(
        at_risk[:, None], cumulative[sets.last + stratum] - cumulative[sets.first + stratum], 0.0
    )
    drawn[sets.death] -= means.d[sets.death_cell]
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
