"""Standardised mean differences of two groups, and tests that groups do not differ."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


def number_difference(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Of two means with their standard deviations: the absolute difference in units of the root mean variance."""
    spread = np.sqrt((a[1] ** 2 + b[1] ** 2) / 2)
    return float(abs(a[0] - b[0]) / spread) if spread > 0 else float("nan")


def factor_difference(a: Array, b: Array) -> float:
    """Mahalanobis distance of the level shares, one of the levels at hand left out (Yang & Dalton 2012).

    Parameters
    ----------
    a, b : (l,)    patients by level
    """
    if a.sum() == 0 or b.sum() == 0:
        return float("nan")
    held = np.flatnonzero(a + b)[1:]
    p, q = a[held] / a.sum(), b[held] / b.sum()
    covariance = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    try:
        return float(np.sqrt((p - q) @ np.linalg.solve(covariance, p - q)))
    except np.linalg.LinAlgError:
        return float("nan")


class GroupTest(NamedTuple):
    """A test that groups do not differ; NaN where there is nothing to compare."""

    name: str
    statistic: float
    p_value: float


def chi_square(counts: Array) -> GroupTest:
    """Pearson's test of a table (groups, levels), with Yates's correction of two by two cells, as R's ``chisq.test``."""
    held = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(held.shape, default=0) < 2:
        return GroupTest("chi-square", float("nan"), float("nan"))
    found = stats.chi2_contingency(held, correction=held.shape == (2, 2))
    return GroupTest("chi-square", float(found.statistic), float(found.pvalue))


def analysis_of_variance(n: Array, mean: Array, sd: Array) -> GroupTest:
    """Test of equal means under one variance, from (groups,) moments: of two groups Student's t, first less second, of more F.

    As R's ``t.test(var.equal = TRUE)`` and ``oneway.test(var.equal = TRUE)``.
    """
    name = "Student's t" if np.count_nonzero(n) == 2 else "ANOVA"
    there = n > 0
    n, mean, sd = n[there], mean[there], sd[there]
    between, within = len(n) - 1, n.sum() - len(n)
    left = float(((n - 1) * np.nan_to_num(sd) ** 2).sum())
    if between < 1 or within < 1 or left <= 0:
        return GroupTest(name, float("nan"), float("nan"))
    if between == 1:
        t = float((mean[0] - mean[1]) / np.sqrt(left / within * (1 / n).sum()))
        return GroupTest(name, t, float(2 * stats.t.sf(abs(t), within)))
    centre = (n * mean).sum() / n.sum()
    statistic = float((n * (mean - centre) ** 2).sum() / between / (left / within))
    return GroupTest(name, statistic, float(stats.f.sf(statistic, between, within)))
