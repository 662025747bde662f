"""Coefficients at which patients have one of few linear predictors: what weighs them multiplies the levels behind it."""

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence

Array = NDArray[np.float64]

#: So many groups are told apart by one point: of counts weighed by known numbers a sum of fifty bits leaves one solution.
MOST_GROUPS = 64
#: Patients a group at the least, on average: where nearly everybody has a predictor of his own nobody knows which there are.
SHARED = 3
#: Predictors that lie so far apart make two groups, whatever lies within them.
GAP = 2.0
#: So many times as far apart as any of them is wide, groups are told apart at whatever size of the coefficients.
WIDTHS = 3.0
#: Groups of which one is separate leave one of so many equal bins of all predictors empty.
_BINS = 2048


def in_groups(eta: Array, levels: Array, counted: NDArray[np.bool_]) -> tuple[Evidence, ...]:
    """How many patients with one of few predictors have a level, and how many have not.

    A curved function of the predictor has one value a group, and counts of patients are whole numbers: the sums of each
    group are told, by as many points as there are groups, or by the digits of one.

    Parameters
    ----------
    eta : (n,)            linear predictors
    levels : (n, c)       0/1
    counted : (n,) bool   rows with a weight
    """
    group = _groups(eta[counted])
    if group is None:
        return ()
    inside = np.zeros((len(group), int(group.max()) + 1))
    inside[np.arange(len(group)), group] = 1.0
    with_level = inside.T @ levels[counted]
    counts = np.concatenate([with_level, inside.sum(axis=0)[:, None] - with_level], axis=1)
    return (
        Evidence(
            "patients of one predictor", np.rint(counts).ravel(), "a level, of patients of one predictor"
        ),
    )


def _groups(eta: Array) -> NDArray[np.int64] | None:
    """The group of each predictor, from the smallest; None where they lie in one, or in too many."""
    low, wide = (float(eta.min()), float(np.ptp(eta))) if len(eta) else (0.0, 0.0)
    if not 1e-9 < wide < np.inf:
        return None
    bins = np.minimum((eta - low) * (_BINS / wide), _BINS - 1).astype(np.int64)
    if np.bincount(bins, minlength=_BINS).all() and wide < _BINS * GAP / 2:
        return None  # no gap is as wide as a group would need
    values, place = np.unique(eta, return_inverse=True)
    cut = _cuts(values, min(MOST_GROUPS, len(eta) // SHARED))
    return None if cut is None else np.concatenate([[0], np.cumsum(cut)])[place]


def _cuts(values: Array, most: int) -> NDArray[np.bool_] | None:
    """After which values, in order, a group ends: the most groups that are told apart, if any are."""
    gaps, found = np.diff(values), None
    for threshold in np.unique(np.sort(gaps)[::-1][: max(most - 1, 0)])[::-1]:
        cut = gaps >= threshold
        groups = int(cut.sum()) + 1
        ends = np.flatnonzero(cut)
        widths = values[np.append(ends, len(values) - 1)] - values[np.append(0, ends + 1)]
        if groups <= most and (threshold > GAP or threshold > WIDTHS * widths.max()):
            found = cut
    return found
