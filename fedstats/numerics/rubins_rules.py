"""Rubin's rules: estimates of completed copies of the data put together, with what the missing values add to their variance."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

Array = NDArray[np.float64]

#: Of the variance between copies in the total one, below which degrees of freedom are those of a hundred millionth: mice's bound.
LEAST_SHARE = 1e-4


class PooledEstimates(NamedTuple):
    """Estimates of m copies put together.

    Attributes
    ----------
    estimate : (p,)       mean of the copies' estimates
    within : (p, p)       mean of their covariances
    between : (p, p)      covariance of their estimates
    total : (p, p)        within + (1 + 1 / m) between
    df : (p,)             degrees of freedom of Barnard & Rubin
    increase : (p,)       relative increase of the variance by the missing values
    missing : (p,)        fraction of missing information
    """

    estimate: Array
    within: Array
    between: Array
    total: Array
    df: Array
    increase: Array
    missing: Array


class JointTest(NamedTuple):
    """F statistic that coefficients are all zero, its degrees of freedom, and the p-value."""

    statistic: float
    df: float
    df_denominator: float
    p_value: float


def pooled_estimates(estimates: Array, covariances: Array, df_complete: float) -> PooledEstimates:
    """Put estimates of completed copies together.

    Parameters
    ----------
    estimates : (m, p)         of each copy, at least two
    covariances : (m, p, p)
    df_complete : float        degrees of freedom were nothing missing; infinite for a normal law

    Notes
    -----
    Rubin (1987), chapter 3; degrees of freedom of Barnard & Rubin (1999), and the fraction of missing information
    (r + 2 / (df + 3)) / (1 + r) of van Buuren (2018, section 2.3.5), as ``mice::pool`` has them.
    """
    m = len(estimates)
    within = covariances.mean(axis=0)
    between = np.atleast_2d(np.cov(estimates, rowvar=False))
    total = within + (1 + 1 / m) * between
    own, added = np.diag(within), (1 + 1 / m) * np.diag(between)
    increase = added / own
    df = barnard_rubin(m, added / np.diag(total), df_complete)
    missing = (increase + 2 / (df + 3)) / (1 + increase)
    return PooledEstimates(estimates.mean(axis=0), within, between, total, df, increase, missing)


def barnard_rubin(m: int, share: Array, df_complete: float) -> Array:
    """Degrees of freedom from the share (p,) of the total variance that is between copies."""
    share = np.maximum(share, LEAST_SHARE)
    large_sample = (m - 1) / share**2
    if np.isinf(df_complete):
        return large_sample
    observed = (df_complete + 1) / (df_complete + 3) * df_complete * (1 - share)
    return np.asarray(large_sample * observed / (large_sample + observed))


def joint_wald_test(estimates: Array, covariances: Array, df_complete: float) -> JointTest:
    """Test that k coefficients are all zero (D1), from those of m copies.

    Parameters
    ----------
    estimates : (m, k)
    covariances : (m, k, k)
    df_complete : float        degrees of freedom were nothing missing

    Notes
    -----
    Li, Raghunathan & Rubin (1991): one relative increase r of the variance for all k coefficients.  Degrees of freedom of the
    denominator are those of Reiter (2007) where m is large enough for them, k (m - 1) > 4, as ``mice::D1`` has them, else
    of the former.  Of one coefficient it is the square of its t, with the degrees of freedom of Barnard & Rubin.
    """
    m, k = estimates.shape
    found = pooled_estimates(estimates, covariances, df_complete)
    scale = np.sqrt(np.diag(found.within))
    within, between = (v / np.outer(scale, scale) for v in (found.within, found.between))
    r = float((1 + 1 / m) * np.trace(np.linalg.solve(within, between)) / k)
    z = found.estimate / scale
    statistic = float(z @ np.linalg.solve((1 + r) * within, z) / k)
    df = float(found.df[0]) if k == 1 else _denominator(m, k, r, df_complete)
    return JointTest(statistic, float(k), df, float(f_distribution.sf(statistic, k, df)))


def _denominator(m: int, k: int, r: float, df_complete: float) -> float:
    t = k * (m - 1)
    r = max(r, LEAST_SHARE)  # where the copies agree there is nothing to divide by
    complete = np.inf if np.isinf(df_complete) else (df_complete + 1) / (df_complete + 3) * df_complete
    if t <= 4:  # a large-sample formula, which may exceed what complete data have
        return float(min(t * (1 + 1 / k) * (1 + 1 / r) ** 2 / 2, complete))
    if np.isinf(df_complete):
        return 4 + (t - 4) * (1 + (1 - 2 / t) / r) ** 2
    a = r * t / (t - 2)
    c0, c1, c2 = 1 / (t - 4), complete - 2 * (1 + a), complete - 4 * (1 + a)
    if c2 <= 0:  # too few patients for the expansion
        return 4.0
    z = 1 / c2 + c0 * (
        a**2 * c1 / ((1 + a) ** 2 * c2)
        + 8 * a**2 * c1 / ((1 + a) * c2**2)
        + 4 * a**2 / ((1 + a) * c2)
        + 4 * a**2 / (c2 * c1)
        + 16 * a**2 * c1 / c2**3
        + 8 * a**2 / c2**2
    )
    return 4 + 1 / z
