"""Log-rank tests with weights by time, from counts at risk and of events of each group."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, ndtri
from scipy.stats import chi2, norm, qmc

Array = NDArray[np.float64]
Alternative = Literal["two-sided", "less", "greater"]

#: Of a MaxCombo p-value: the power of two of the directions that it is averaged over.
DIRECTIONS = 17
#: A contrast of groups with less of the largest variance has none: what it has is rounding.
NO_CONTRAST = 1e-9


class LogRankSums(NamedTuple):
    """Events beyond expectation of G groups under M weights, and their covariance; those of several strata add up.

    Attributes
    ----------
    observed, expected : (M, G)     weighted events
    covariance : (M, M, G, G)       of observed - expected, under equal hazards
    """

    observed: Array
    expected: Array
    covariance: Array

    def plus(self, other: "LogRankSums") -> "LogRankSums":
        """Of two strata together."""
        return LogRankSums(*(a + b for a, b in zip(self, other, strict=True)))


def log_rank_sums(n_risk: Array, n_event: Array, weights: Sequence[tuple[float, float]]) -> LogRankSums:
    """Of one stratum.

    Parameters
    ----------
    n_risk, n_event : (G, T)
        At risk just before, and events at, each time, in time order.
    weights : sequence of (rho, gamma)
        The weight S(t-)^rho (1 - S(t-))^gamma of Fleming & Harrington (1991), section 7.4, with the Kaplan-Meier curve
        of the stratum; (0, 0) is the log-rank test of Mantel (1966).

    Notes
    -----
    The variance is that of the multivariate hypergeometric distribution, as in R's ``survdiff``.
    """
    n, d = n_risk.sum(axis=0), n_event.sum(axis=0)
    there = (n > 0) & (d > 0)
    n_risk, n_event, n, d = n_risk[:, there], n_event[:, there], n[there], d[there]
    survival = np.cumprod(1.0 - d / n)
    before = np.append(1.0, survival[:-1])[: len(d)]
    w = np.array([before**rho * (1.0 - before) ** gamma for rho, gamma in weights])
    share = n_risk / n
    one = d * np.divide(n - d, n - 1.0, out=np.zeros_like(n), where=n > 1)
    both = np.einsum("kt,lt,t->klt", w, w, one)
    covariance = np.einsum("klt,gt->klg", both, share)[..., None] * np.eye(len(n_risk))
    covariance = covariance - np.einsum("klt,gt,ht->klgh", both, share, share)
    return LogRankSums(w @ n_event.T, w @ (d * share).T, np.asarray(covariance))


def rounded(sums: LogRankSums) -> LogRankSums:
    """The same sums with the digits that a test needs.

    Events beyond expectation are multiples of a thousandth of their standard deviation, covariances of a 256th of a variance, weighted
    events of one (or of a standard deviation, where that is less), each unit a power of two and no larger.  Of several groups
    the standard deviation is that of the contrast that varies least, of those that vary: so a chi-squared changes by less than half a percent,
    whatever the groups, and a group of which nobody is there changes no digit of the others.  As many events are expected as observed,
    as before, and where some were, some are.
    """
    there = sums.expected.sum(axis=0) > 0
    reference = int(np.argmax(there))  # a group of which nobody is at risk has no part in anything
    others = np.delete(np.arange(len(there)), reference)
    beyond = (sums.observed - sums.expected)[:, others]
    within = sums.covariance[:, :, others[:, None], others]
    contrasts = max(int(there.sum()) - 1, 1)
    spread = np.sqrt([_least_variance(within[k, k]) for k in range(len(within))])
    beyond = _to_units(beyond, (spread / 1000)[:, None])
    beyond = np.insert(beyond, reference, -beyond.sum(axis=1), axis=1)
    unit = _power_below(np.minimum(spread, 1.0))[:, None]
    observed = _to_units(sums.observed, unit)
    none_left = (sums.expected > 0) & (observed <= beyond)
    observed = np.where(none_left, observed + np.ceil((beyond - observed) / unit + 0.5) * unit, observed)
    expected = observed - beyond
    within = _to_units(within, (np.outer(spread, spread) / (256 * contrasts))[:, :, None, None])
    covariance = np.zeros_like(sums.covariance)
    covariance[:, :, others[:, None], others] = within
    covariance[:, :, reference, others] = -within.sum(axis=2)
    covariance[:, :, :, reference] = -covariance[:, :, :, others].sum(axis=3)
    return LogRankSums(observed, expected, covariance)


def _least_variance(covariance: Array) -> float:
    """Of the contrasts of groups that there are, (G - 1, G - 1), the smallest variance; 1 where there is none.

    A contrast without any, of groups that are never at risk together, has nothing to be rounded by.
    """
    values = np.linalg.eigvalsh(covariance) if len(covariance) else np.zeros(1)
    values = values[values > NO_CONTRAST * values[-1]]
    return float(max(values[0], 1e-6 * values[-1])) if len(values) else 1.0


def _to_units(values: Array, most: Array) -> Array:
    """Numbers as multiples of the largest power of two that is at most ``most``."""
    unit = _power_below(most)
    return np.asarray(np.round(values / unit) * unit)


def _power_below(most: Array) -> Array:
    return np.asarray(2.0 ** np.floor(np.log2(most)))


def chi_squared(sums: LogRankSums) -> tuple[float, int]:
    """Statistic of the first weight, and degrees of freedom: groups that events were expected of, less one."""
    groups = np.flatnonzero(sums.expected[0] > 0)[1:]
    if not len(groups):
        return 0.0, 0
    beyond = (sums.observed - sums.expected)[0][groups]
    covariance = sums.covariance[0, 0][np.ix_(groups, groups)]
    return float(beyond @ np.linalg.solve(covariance, beyond)), len(groups)


def chi_squared_p_value(statistic: float, df: int) -> float:
    """Upper tail; NaN where there is nothing to compare."""
    return float(chi2.sf(statistic, df)) if df else float("nan")


def z_values(sums: LogRankSums) -> tuple[Array, Array]:
    """Standardised scores of the second of two groups under each weight, (M,), and their correlation, (M, M)."""
    variance = sums.covariance[:, :, 1, 1]
    scale = np.sqrt(np.diag(variance))
    return (sums.observed - sums.expected)[:, 1] / scale, variance / np.outer(scale, scale)


def max_combo_p_value(z: Array, correlation: Array, alternative: Alternative) -> float:
    """That the most extreme of correlated standard normal scores is as extreme as the one observed.

    Parameters
    ----------
    z : (M,)
    correlation : (M, M)       of any rank: the weights 1, S and 1 - S give scores of which one is the sum of the others
    alternative : {"two-sided", "less", "greater"}
        "less": fewer events in the second group.

    Notes
    -----
    Scores are A y with y standard normal in as many dimensions r as the correlation has rank, and y is a direction times
    a length whose square is chi-squared (Genz & Bretz 2009, section 2.1.2): along each direction the probability is an
    upper tail, whose mean is taken over 2^17 directions of a Sobol sequence without scrambling.  So the
    same sums give the same digits, and the error is relative, however small the p-value: 1e-5 of it for a rank of up to three, which the
    default weights have, and 3e-4 beyond.
    """
    alone = norm.sf({"two-sided": np.abs(z), "less": -z, "greater": z}[alternative])
    alone = 2 * alone if alternative == "two-sided" else alone
    values, vectors = np.linalg.eigh(correlation)
    kept = values > 1e-10 * values[-1]
    if kept.sum() == 1:
        return float(alone.min())
    scores = _directions(int(kept.sum())) @ (vectors[:, kept] * np.sqrt(values[kept])).T
    if alternative == "two-sided":
        p = _beyond(float(np.abs(z).max()), np.abs(scores).max(axis=1), int(kept.sum()))
    else:
        signed, turned = (-z, -scores) if alternative == "less" else (z, scores)
        most = float(signed.max())
        if most >= 0:
            p = _beyond(most, turned.max(axis=1), int(kept.sum()))
        else:  # all scores below a negative one: seen from zero that is what lies beyond
            p = 1.0 - _beyond(-most, (-turned).min(axis=1), int(kept.sum()))
    return float(np.clip(p, alone.min(), min(1.0, alone.sum())))


def _directions(rank: int) -> Array:
    """Points all over the unit sphere of so many dimensions, (n, rank); the same ones every time."""
    n = 2**DIRECTIONS
    if rank == 2:
        angle = 2 * np.pi * (np.arange(n) + 0.5) / n
        return np.column_stack([np.cos(angle), np.sin(angle)])
    if rank == 3:  # areas of a sphere are those of its cylinder
        height, turn = (qmc.Sobol(2, scramble=False).random_base2(DIRECTIONS) + 0.5 / n).T
        z, angle = 2 * height - 1, 2 * np.pi * turn
        across = np.sqrt(1 - z**2)
        return np.column_stack([across * np.cos(angle), across * np.sin(angle), z])
    normal = ndtri(qmc.Sobol(rank, scramble=False).random_base2(DIRECTIONS) + 0.5 / n)
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


def _beyond(distance: float, reach: Array, rank: int) -> float:
    """Probability that a standard normal vector's length, times what it reaches along its direction, exceeds a distance."""
    there = reach > 0
    lengths = distance / reach[there]
    return float(gammaincc(rank / 2, lengths**2 / 2).sum() / len(reach))
