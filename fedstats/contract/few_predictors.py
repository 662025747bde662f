"""Coefficients at which patients have one of few linear predictors: what weighs them multiplies the levels behind it."""

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence

Array = NDArray[np.float64]

#: So many groups are told apart by as many points, which a fit takes.
MOST_GROUPS = 12
#: Predictors that lie so far apart make two groups, whatever lies within them.
GAP = 2.0


def in_groups(eta: Array, levels: Array, counted: NDArray[np.bool_]) -> tuple[Evidence, ...]:
    """How many patients with one of few predictors have a level, and how many have not.

    A curved function of the predictor has one value a group, and at as many points as there are groups the sums of
    each are told: of three levels with the same large coefficient, those of patients with all three.

    Parameters
    ----------
    eta : (n,)            linear predictors
    levels : (n, c)       0/1
    counted : (n,) bool   rows with a weight
    """
    if not counted.any() or _are_many_and_close(eta[counted]):
        return ()
    values, group = np.unique(np.round(eta[counted], 9), return_inverse=True)
    if len(values) > MOST_GROUPS:
        new = np.diff(values) > GAP
        group = np.concatenate([[0], np.cumsum(new)])[group]
    groups = int(group.max()) + 1
    if not 1 < groups <= MOST_GROUPS:
        return ()
    inside = np.zeros((len(group), groups))
    inside[np.arange(len(group)), group] = 1.0
    with_level = inside.T @ levels[counted]
    counts = np.concatenate([with_level, inside.sum(axis=0)[:, None] - with_level], axis=1)
    return (Evidence("pair of levels", np.rint(counts).ravel(), "a level, of patients of one predictor"),)


def _are_many_and_close(eta: Array) -> bool:
    """Seen at a glance: more predictors than groups among the first rows, and no gap so wide that a cell of half its width is empty."""
    if len(np.unique(np.round(eta[: 20 * MOST_GROUPS], 9))) <= MOST_GROUPS:
        return False
    low, high = float(eta.min()), float(eta.max())
    if not high - low < 1e5:
        return False
    return bool(np.bincount(((eta - low) / (GAP / 2)).astype(np.int64)).all())
