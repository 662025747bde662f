"""Leverages of patients in Cox's partial likelihood, and the slope of Firth's penalty that they add up to."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.partial_likelihood import (
    CellMeans,
    CellTerms,
    Index,
    Ties,
    expected,
    tied_deaths,
    while_at_risk,
)
from fedstats.numerics.risk_sets import CellSums, RiskSets

Array = NDArray[np.float64]


class Leverages(NamedTuple):
    """Each patient's part in ``tr(M information)`` (n,), and in its slope in the coefficients (n, p)."""

    leverage: Array
    slope: Array


def leverages(
    sets: RiskSets,
    stratum: Index,
    x: Array,
    r: Array,
    sums: CellSums,
    terms: CellTerms,
    means: CellMeans,
    ties: Ties,
    inverse: Array,
) -> Leverages:
    """What each patient adds to the trace of ``inverse`` (p, p) times the information, and to its derivative.

    Notes
    -----
    The information is a sum over patients i and (tied) deaths jl of ``h_ijl (x_i - xbar_jl)(x_i - xbar_jl)'`` with
    h the share r_i / phi_jl of the hazard; its slope in the coefficients has the same sum of three factors instead of two
    (a third central moment).  One of the three is x, the other two make a number by ``inverse``: so

        slope = sum_i sum_jl h_ijl ((x_i - xbar_jl)' M (x_i - xbar_jl)) (x_i - xbar_jl).

    Multiplied out, what belongs to a patient and what belongs to a risk set part company, and nothing is larger than
    (n, p).  Half the slope at M, the inverse information, is that of Firth's penalty.  Heinze & Schemper (2001), section 2.
    """
    cell, fraction, share, phi = tied_deaths(sums, ties)
    xbar = (sums.s1[cell] - fraction[:, None] * sums.t1[cell]) / phi[:, None]
    # the hazard times the squared length of the risk set's own mean, over cells and, for a death, over its ties
    length = share / phi * np.einsum("ij,ij->i", xbar @ inverse, xbar)
    of_cell, of_tie = (np.bincount(cell, v, sets.n_cells).astype(float) for v in (length, fraction * length))
    v = expected(sets, stratum, terms.a, terms.b)
    drawn = while_at_risk(sets, stratum, means.c, means.d)
    own = while_at_risk(sets, stratum, of_cell, of_tie)
    metric = x @ inverse
    squared = np.einsum("ij,ij->i", metric, x)
    leverage = r * (squared * v - 2 * np.einsum("ij,ij->i", metric, drawn) + own)
    slope = x * (leverage + r * own)[:, None] - drawn * (r * squared)[:, None]
    return Leverages(leverage, slope)
