"""Cox's partial likelihood: risk sets by event time, Efron and Breslow ties, delayed entry.

One set of sums serves both designs.  A site with its own baseline hazard evaluates them alone and
sends the derivatives; with a shared baseline the sites send the sums and the coordinator evaluates.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.risk_sets import CellSums, RiskSets, blocks_of_cells, cell_sums, prefix_sums

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Ties = Literal["efron", "breslow"]


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


def cell_terms(sums: CellSums, ties: Ties) -> CellTerms:
    """Evaluate every event cell: its share of the log-likelihood and its hazard pieces.

    Raises
    ------
    FloatingPointError
        A risk set whose sum is not positive although someone died in it: overflow of exp(eta).
    """
    cell, fraction, share, phi = tied_deaths(sums, ties)
    first = share / phi
    second = first / phi
    third = second * fraction
    terms = (first, first * fraction, second, third, third * fraction)
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
    root, room = np.sqrt(v), np.empty((min(block, len(x)), x.shape[1]))
    for a in range(0, len(x), block):
        scaled = room[: len(x) - a]
        np.multiply(x[a : a + block], root[a : a + block, None], out=scaled)
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
