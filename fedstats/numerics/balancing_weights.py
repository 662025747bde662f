"""Weights that balance two treatments, as functions of the propensity score's logit, and how they change with it.

With e the propensity, A = 1 for the treated:

========== ====================== ====================== ============================================
estimand   of a treated patient   of an untreated one    of whom the weighted effect is
========== ====================== ====================== ============================================
ATE        1 / e                  1 / (1 - e)            all patients (Rosenbaum 1987)
ATT        1                      e / (1 - e)            the treated (Hirano & Imbens 2001)
overlap    1 - e                  e                      where both are given (Li, Morgan & Zaslavsky 2018)
========== ====================== ====================== ============================================

Stabilised ATE weights are these times the share of patients with the treatment (Robins, Hernan & Brumback 2000).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Array = NDArray[np.float64]
Estimand = Literal["ATE", "ATT", "overlap"]


class Truncation(NamedTuple):
    """Fixed ends of the propensity, and of the weight; 0 and 1, 0 and infinity where there are none."""

    low: float = 0.0
    high: float = 1.0
    lightest: float = 0.0
    heaviest: float = np.inf


UNCUT = Truncation()


class Weights(NamedTuple):
    """Weights of patients with their derivatives, (n,) each.

    weight          above zero
    slope           d log weight / d logit of the propensity; 0 where something was truncated
    share_slope     d log weight / d share of the treated, of stabilised weights; else 0
    truncated       -1, 0 or 1: at which end the propensity or the weight was cut
    """

    weight: Array
    slope: Array
    share_slope: Array
    truncated: NDArray[np.int64]


def balancing_weights(
    eta: Array,
    treated: NDArray[np.bool_],
    estimand: Estimand,
    share: float | None = None,
    ends: Truncation = UNCUT,
) -> Weights:
    """Weights at a logit of the propensity.

    Parameters
    ----------
    eta : (n,)            logit of the propensity
    treated : (n,) bool
    estimand : {"ATE", "ATT", "overlap"}
    share : float, optional
        Of the treated among all patients, for stabilised weights.
    ends : Truncation
        The propensity is cut first, then the weight.

    Raises
    ------
    FloatingPointError
        A weight that is no finite number above zero.
    """
    low, high = (float(logit(end)) for end in (ends.low, ends.high))
    cut = np.clip(eta, low, high)
    other = np.where(treated, -cut, cut)  # logit of the propensity of the treatment that was not given
    with np.errstate(over="ignore", under="ignore"):
        weight, slope = _of_estimand(other, treated, estimand)
        if share is not None:
            weight = weight * np.where(treated, share, 1.0 - share)
    if not (np.isfinite(weight).all() and (weight > 0).all()):
        raise FloatingPointError("a weight is not finite, or is zero")
    kept = np.clip(weight, ends.lightest, ends.heaviest)
    truncated = np.sign(eta - cut) + 2 * np.sign(weight - kept)
    free = truncated == 0
    of_share = np.zeros(len(eta))
    if share is not None:
        of_share = np.where(kept == weight, np.where(treated, 1 / share, -1 / (1 - share)), 0.0)
    slope = np.where(free, np.where(treated, -slope, slope), 0.0)
    return Weights(kept, slope, of_share, np.sign(truncated).astype(np.int64))


def _of_estimand(other: Array, treated: NDArray[np.bool_], estimand: Estimand) -> tuple[Array, Array]:
    """A weight and its logarithm's derivative, as functions of the logit of the other treatment's propensity."""
    if estimand == "overlap":
        return np.asarray(expit(other)), np.asarray(expit(-other))
    if estimand == "ATE":
        return 1.0 + np.exp(other), np.asarray(expit(other))
    return np.where(treated, 1.0, np.exp(other)), np.where(treated, 0.0, 1.0)


def departures(
    eta: Array,
    treated: NDArray[np.bool_],
    found: Weights,
    estimand: Estimand,
    share: float | None,
    ends: Truncation,
) -> list[Array]:
    """By how much weights depart from what they would be for everybody, (n,) each, not negative.

    A sum of weights less a multiple of the sum without them is a sum of these: from the weight where the propensity of
    the own treatment is one, and from those where something is cut.
    """
    scale = np.ones(len(eta)) if share is None else np.where(treated, share, 1.0 - share)
    other = np.clip(np.where(treated, -eta, eta), -700.0, 700.0)
    if estimand == "overlap":
        limits = [np.asarray(expit(-other))]  # from one
    elif estimand == "ATE":
        limits = [scale * np.exp(other)]
    else:
        limits = []
    for end in (ends.low, ends.high):
        if 0.0 < end < 1.0:
            at = np.full(len(eta), float(logit(end)))
            there = _of_estimand(np.where(treated, -at, at), treated, estimand)[0] * scale
            limits.append(np.abs(found.weight - there))
    for end in (ends.lightest, ends.heaviest):
        if 0.0 < end < np.inf:
            limits.append(np.abs(found.weight - end))
    return limits
