"""The concordance index and its standard error from sums over pairs, which add up over strata and sites."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.concordant_pairs import Pairs

Array = NDArray[np.float64]

#: Rounded sums are multiples of this part of a standard deviation, or of its square.
PART = 1 / 128
#: Of a score that orders nearly all pairs alike, the standard deviation that its sums are rounded by, in sizes of the pairs.
LEAST_SD = 1 / 16


class PairSums(NamedTuple):
    """Pairs, and products of patients' parts in them.

    Attributes
    ----------
    counts : (3,)     concordant less discordant pairs, all comparable ones, and those of equal scores
    squares : (3,)    sums over patients (or clusters) of u^2, u v and v^2, where u is a patient's part in concordant less
                      discordant pairs and v that in all comparable ones
    """

    counts: Array
    squares: Array

    @property
    def somers(self) -> float:
        """Somers' d, concordant less discordant pairs by the comparable ones; 0 without any."""
        beyond, comparable, _ = self.counts
        return float(beyond / comparable) if comparable > 0 else 0.0

    @property
    def variance(self) -> float:
        """Of the concordant less the discordant pairs, about what the comparable ones lead to expect."""
        return max(0.0, float(self.squares @ (1.0, -2.0 * self.somers, self.somers**2)))


def pair_sums(pairs: Pairs, parts: Array) -> PairSums:
    """From the pairs of all patients, and the columns u and v by patient or cluster, (n, 2)."""
    counts = np.array([pairs.beyond, pairs.comparable, pairs.tied_score], dtype=float)
    products = parts.T @ parts
    return PairSums(counts, np.array([products[0, 0], products[0, 1], products[1, 1]]))


def concordance_index(sums: PairSums) -> tuple[float, float]:
    """The share of comparable pairs that are concordant, equal scores counting a half, and its standard error.

    Notes
    -----
    C = (d + 1) / 2 with Somers' d = (concordant - discordant) / comparable; the variance is that of the infinitesimal
    jackknife, sum_i (u_i - d v_i)^2 / (2 comparable)^2 (Therneau & Watson 2015, Mayo Clinic technical report 85), as in R's
    ``concordance``.
    """
    return (sums.somers + 1.0) / 2.0, float(np.sqrt(sums.variance) / (2.0 * sums.counts[1]))


def rounded(sums: PairSums) -> PairSums:
    """The same sums with the digits that an estimate and its interval need.

    Pairs are multiples of a 128th of the standard deviation of concordant less discordant ones, products of a 128th of its
    square, each unit a power of two and no larger.  So an index is off by at most a 128th of its standard error, and that by at
    most a hundredth.  A thousandth would be less than one pair at most sites, and no rounding.  Of scores that
    order nearly all pairs alike the standard deviation counts as a sixteenth of the root of the sum of v^2: all there is to find out
    would else be told.
    """
    size = float(np.sqrt(sums.squares[2]))
    if not size > 0.0:
        return sums
    sd = max(float(np.sqrt(sums.variance)), LEAST_SD * size)
    return PairSums(_to_units(sums.counts, sd * PART), _to_units(sums.squares, sd**2 * PART))


def _to_units(values: Array, most: float) -> Array:
    unit = 2.0 ** np.floor(np.log2(most))
    return np.asarray(np.round(values / unit) * unit)
