"""Intercepts of groups, profiled out of a generalised linear model with a canonical link.

At given coefficients every group has the intercept that makes its log-likelihood largest.  What is then left of score and
information are those of the columns less their mean in the group, weighted by the curvature.
"""

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.families import Family

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: An intercept is found when Newton's step is so short; the profile's error is of the square of it.
CLOSE = 1e-13
MAX_STEPS = 200


def estimable(family: Family, group: Index, y: Array, w: Array) -> NDArray[np.bool_]:
    """Which groups (K,) have an intercept that is finite: not those without an event or count, or with events alone."""
    size = np.bincount(group, w)
    mean = np.bincount(group, w * y) / np.where(size > 0, size, 1.0)
    there = size > 0
    if family.name == "gaussian":
        return there
    return np.asarray(there & (mean > 0) & ((mean < 1) if family.counts_outcomes else True))


def with_intercepts(family: Family, group: Index, y: Array, w: Array, eta: Array) -> Array:
    """The linear predictors (n,) with the intercepts of their groups, all of them estimable.

    Notes
    -----
    The intercept is where the means add up to the outcomes, between the link of the group's mean less its largest and less its
    smallest predictor.  Newton's method with that bracket, halved where a step would leave it.
    """
    groups = int(group.max(initial=-1)) + 1
    link = np.array([family.inverse(m) for m in np.bincount(group, w * y) / np.bincount(group, w)])
    least, most = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(least, group, eta)
    np.maximum.at(most, group, eta)
    low, high = link - most, link - least
    alpha = (low + high) / 2
    done = np.zeros(groups, dtype=bool)
    for _ in range(MAX_STEPS):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            at = eta + alpha[group]
            gap = np.bincount(group, w * (y - family.mean(at)))
            step = gap / np.bincount(group, w * family.expected(at))
        found = np.abs(step) <= CLOSE * (1 + np.abs(alpha))
        low, high = np.where(gap > 0, alpha, low), np.where(gap > 0, high, alpha)
        inside = (alpha + step >= low) & (alpha + step <= high)
        after = np.where(found | inside, alpha + step, (low + high) / 2)
        alpha = np.where(done, alpha, after)
        done |= found
        if done.all():
            break
    return np.asarray(eta + alpha[group])


def centred(x: Array, group: Index, weight: Array) -> Array:
    """Columns (n, k) less their weighted mean in the group; of groups without a weight, the columns themselves."""
    if x.size == 0:
        return x
    size = np.bincount(group, weight)
    size = np.where(size > 0, size, 1.0)[:, None]
    sums = np.column_stack([np.bincount(group, weight * column) for column in x.T])
    return np.asarray(x - (sums / size)[group])
