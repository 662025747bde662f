"""Coefficients at which patients have one of few linear predictors: what weighs them multiplies the levels behind it."""

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.model_cells import levels_by_group

Array = NDArray[np.float64]

#: Of many groups the nearest that are told apart: see :func:`told_apart`.
NEAREST = 4 * np.pi * np.log10(np.e) / np.e / 14
#: Patients a group at the least, on average: where nearly everybody has a predictor of his own nobody knows which there are.
SHARED = 1.5
#: Predictors that lie so far apart make two groups, whatever lies within them.
GAP = 2.0
#: So many times as far apart as any of them is wide, groups are told apart at whatever size of the coefficients.
WIDTHS = 3.0
#: Decimal digits of a released sum: what differs beyond them is rounding.
DIGITS = 14.0
#: Groups of which one is separate leave one of so many equal bins of all predictors empty.
_BINS = 2048
#: Four times the distance of the logistic function's nearest poles, i pi and -i pi: how smooth a curved weight is.
_SMOOTH = 4 * np.pi


def in_groups(
    eta: Array, levels: Array, counted: NDArray[np.bool_], split: Array | None = None
) -> tuple[Evidence, ...]:
    """How many patients have one of few predictors, with one or two levels and without.

    A curved function of the predictor has one value a group, and counts of patients are whole numbers: the sums of each
    group are told, by as many points as there are groups, or by the digits of one.

    Parameters
    ----------
    eta : (n,)            linear predictors
    levels : (n, c)       0/1
    counted : (n,) bool   rows with a weight
    split : (n, s)        0/1: what sums multiply with two levels besides, the outcome or a third level
    """
    everybody = bool(counted.all())  # whose rows need not be gathered
    group = predictor_groups(eta if everybody else eta[counted])
    if group is None:
        return ()
    if not everybody:
        levels, split = levels[counted], None if split is None else split[counted]
    about = "patients of one predictor, with a level or two, with one of them or neither"
    counts = [levels_by_group(group, levels)]
    if split is not None:
        about += ", by what multiplies them"
        for half in split.T > 0:
            counts += [levels_by_group(group[who], levels[who]) for who in (half, ~half)]
    return (Evidence("patients of one predictor", np.concatenate(counts), about),)


def predictor_groups(eta: Array) -> NDArray[np.int64] | None:
    """The group of each predictor, from the smallest; None where they lie in one, or in too many."""
    low, wide = (float(eta.min()), float(np.ptp(eta))) if len(eta) else (0.0, 0.0)
    if not 1e-9 < wide < np.inf:
        return None
    bins = np.minimum((eta - low) * (_BINS / wide), _BINS - 1).astype(np.int64)
    if np.bincount(bins, minlength=_BINS).all() and wide < _BINS * NEAREST / 3:
        return None  # no gap is as wide as a group would need: three quarters of a step, which is more than two bins
    values, place = np.unique(eta, return_inverse=True)
    ends = _ends(values, min(int(wide / NEAREST) + 64, int(len(eta) / SHARED)))
    return None if ends is None else np.searchsorted(ends, place)


def _ends(values: Array, most: int) -> NDArray[np.int64] | None:
    """At which of the values, in order, a group ends: the most groups that are told apart, if any are."""
    gaps, found = np.diff(values), None
    widest_first = np.argsort(-gaps, kind="stable")[: max(most - 1, 0)]
    for k, last in enumerate(widest_first, start=1):
        ends = np.sort(widest_first[:k])
        widths = values[np.append(ends, len(values) - 1)] - values[np.append(0, ends + 1)]
        apart = gaps[last] > GAP or gaps[last] > WIDTHS * widths.max()
        if apart and told_apart(k + 1, float(values[-1] - values[0])):
            found = ends
    return found


def told_apart(groups: int, width: float) -> bool:
    """Whether so many groups, evenly over a width, can be told from sums of a curved weight at many points.

    A logistic weight is analytic within pi of the real axis: a combination of ``k + 1`` values over a width ``w`` is seen
    by no more than about ``(w / 4 pi)^k`` of it, and no group's neighbours further away than the worst such ``k`` matter.
    Against the singular values of such weights this is right within 1.5 digits of fourteen for up to 12 groups, and errs
    towards telling apart for more; exponential weights (Cox, Poisson) tell less.
    """
    step = width / (groups - 1)
    k = min(groups - 1, _SMOOTH / (np.e * step))
    return bool(k * np.log10(_SMOOTH / (k * step)) <= DIGITS)
