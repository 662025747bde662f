"""Kaplan-Meier and Nelson-Aalen with their intervals from counts at risk and of events."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Array = NDArray[np.float64]
ConfType = Literal["log", "log-log", "plain"]


class SurvivalEstimate(NamedTuple):
    """Survival after each time with Greenwood's standard error and an interval, each (T,)."""

    estimate: Array
    std_error: Array
    conf_low: Array
    conf_high: Array


def kaplan_meier_estimate(
    n_risk: Array, n_event: Array, conf_type: ConfType, level: float
) -> SurvivalEstimate:
    """Product-limit estimate.

    Parameters
    ----------
    n_risk, n_event : (T,)
        At risk just before, and events at, each time, in time order.
    conf_type : {"log", "log-log", "plain"}
        The scale on which the interval is symmetric.
    level : float
        Coverage, for instance 0.95.

    Notes
    -----
    Kaplan & Meier (1958); Greenwood's variance S^2 sum d / (n (n - d)).  Where S is zero the
    standard error and the interval are not defined (NaN), as in R's ``survfit``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(n_event > 0, n_event / (n_risk * (n_risk - n_event)), 0.0)
    return estimate_with(np.sqrt(np.cumsum(terms)), n_risk, n_event, conf_type, level)


def estimate_with(
    se_log: Array, n_risk: Array, n_event: Array, conf_type: ConfType, level: float
) -> SurvivalEstimate:
    """The product-limit estimate with a standard error of its logarithm, (T,), that is known otherwise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        survival: Array = np.cumprod(np.where(n_risk > 0, 1.0 - n_event / n_risk, 1.0)).astype(float)
        std_error = np.where(survival > 0, survival * se_log, np.nan)
        low, high = survival_interval(survival, se_log, conf_type, level)
    return SurvivalEstimate(survival, std_error, low, high)


class CumulativeHazard(NamedTuple):
    """Nelson-Aalen with its interval, and the largest value that exact times allow, each (T,)."""

    estimate: Array
    std_error: Array
    conf_low: Array
    conf_high: Array
    highest: Array


def nelson_aalen_estimate(
    n_risk: Array, n_event: Array, n_left: Array, conf_type: ConfType, level: float
) -> CumulativeHazard:
    """Cumulative hazard.

    Parameters
    ----------
    n_risk, n_event : (T,)    as of :func:`kaplan_meier_estimate`
    n_left : (T,)             at risk for a part of a cell alone; 0 on distinct times
    conf_type : {"log", "log-log", "plain"}
        Of survival: the interval is symmetric on the scale of the hazard but for "log-log", where it is on its logarithm's.

    Notes
    -----
    Nelson (1972), Aalen (1978); the variance is sum d / n^2, as of R's ``survfit``.  On exact times the deaths of a cell
    come one after the other, at the most after all others have left: sum of 1 / (n - left - i).
    """
    z = float(norm.ppf(0.5 + level / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.cumsum(np.where(n_event > 0, n_event / n_risk, 0.0))
        error = np.sqrt(np.cumsum(np.where(n_event > 0, n_event / n_risk**2, 0.0)))
        if conf_type == "log-log":
            factor = np.exp(z * np.where(hazard > 0, error / hazard, 0.0))
            low, high = hazard / factor, hazard * factor
        else:
            low, high = np.maximum(hazard - z * error, 0.0), hazard + z * error
    least = np.nan_to_num(n_risk - n_left)
    steps = [
        float((1.0 / np.maximum(n - np.arange(round(d)), 1.0)).sum())
        for n, d in zip(least, n_event, strict=True)
    ]
    highest = hazard if not np.nan_to_num(n_left, nan=1.0).any() else np.cumsum(steps)
    return CumulativeHazard(hazard, error, low, high, np.asarray(highest))


def robust_se_log(n_risk: Array, n_event: Array, squares: Array, event_squares: Array) -> Array:
    """Standard error of log S by the infinitesimal jackknife, (T,), of weighted counts where everybody is there from the start.

    Parameters
    ----------
    n_risk, n_event : (T,)           sums of weights at risk, and of those with the event
    squares, event_squares : (T,)    of squared weights

    Notes
    -----
    Who leaves in cell e has w (A_e - [event] b_e) as influence on -log S from then on, with b = 1 / (N - D) and A the sum of
    D / (N (N - D)) so far; who has not left has w A.  As R's ``survfit(robust = TRUE)``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        jump = np.where(n_event > 0, 1.0 / (n_risk - n_event), 0.0)
        drift = np.cumsum(np.where(n_event > 0, n_event / n_risk * jump, 0.0))
        return np.sqrt(squared_influences(drift, jump, squares, event_squares))


def squared_influences(drift: Array, jump: Array, squares: Array, event_squares: Array) -> Array:
    """Sums of squared influences after each time, (T,), of patients who drift while at risk and jump back at an event.

    Parameters are (T,) each; ``squares`` are of who is at risk, ``event_squares`` of who has the event.
    """
    censored_squares = np.append(squares[:-1] - event_squares[:-1] - squares[1:], 0.0)
    gone = np.cumsum(event_squares * (drift - jump) ** 2 + censored_squares * drift**2)
    still = squares - event_squares - censored_squares
    return np.asarray(gone + still * drift**2)


def survival_interval(
    survival: Array, se_log: Array, conf_type: ConfType, level: float
) -> tuple[Array, Array]:
    """Ends of the interval of a survival probability, from the standard error of its logarithm."""
    z = float(norm.ppf(0.5 + level / 2))
    if conf_type == "plain":
        low, high = survival - z * survival * se_log, survival + z * survival * se_log
    elif conf_type == "log":
        low, high = survival * np.exp(-z * se_log), survival * np.exp(z * se_log)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            half = z * se_log / np.log(survival)
        low, high = survival ** np.exp(-half), survival ** np.exp(half)
        untouched = survival == 1.0  # before the first event nothing is uncertain
        low, high = np.where(untouched, 1.0, low), np.where(untouched, 1.0, high)
    undefined = survival <= 0
    low, high = (
        np.where(undefined, np.nan, np.maximum(low, 0.0)),
        np.where(undefined, np.nan, np.minimum(high, 1.0)),
    )
    return np.asarray(low), np.asarray(high)


def censored(n_risk: Array, n_event: Array, *, after: float) -> Array:
    """Censored in each cell, (T,), where nobody enters late.

    ``after`` is the number still followed after the last cell; NaN where that is not known, unless
    everybody at risk in the last cell has had an event.
    """
    left = n_risk - n_event
    last = 0.0 if len(left) and left[-1] == 0 else after
    return np.asarray(left - np.append(n_risk[1:], last))


def lowest_estimate(n_risk: Array, n_event: Array, n_left: Array) -> Array:
    """Survival after each cell if everybody ``n_left`` had left before its events, or come after them, (T,).

    These are the censored and who enters within the cell.  The curve on exact times lies between this and the usual one, for
    which they are at risk throughout the cell: the risk set of every event lies between the two.  NaN from the
    first cell with events of which their number is not known.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        # nobody left at risk without an event: every one of them died
        least = n_risk - n_left
        factors = np.where(
            n_event > 0, np.where(least <= 0, 0.0, np.maximum(1.0 - n_event / least, 0.0)), 1.0
        )
    return np.asarray(np.cumprod(factors))


def widest_interval(
    n_risk: Array, n_event: Array, n_left: Array, conf_type: ConfType, level: float
) -> tuple[Array, Array]:
    """Bounds within which the interval on exact times lies after each cell, (T,) each.

    No exact risk set is smaller than if everybody ``n_left`` in its cell had left before, so no standard
    error on exact times is larger than the lowest curve's.  The lower bound is the lowest curve's; the
    upper one takes the usual curve with the lowest one's standard error.  Nothing but 0 and 1 is known
    from the first cell with events of which that number is not.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        least = np.maximum(n_risk - n_left, 0.0)
        alive = np.maximum(least - n_event, 0.0)
        terms = np.where(n_event > 0, n_event / (least * alive), 0.0)
        se_log = np.nan_to_num(np.sqrt(np.cumsum(terms)), nan=np.inf, posinf=np.inf)
        lowest = np.nan_to_num(lowest_estimate(n_risk, n_event, n_left))
        highest = np.cumprod(1.0 - n_event / n_risk).astype(float)
        low, _ = survival_interval(lowest, se_log, conf_type, level)
        # log-log: a higher curve with the same standard error may have the lower bound
        other, high = survival_interval(highest, se_log, conf_type, level)
    return np.nan_to_num(np.minimum(low, other)), np.nan_to_num(high, nan=1.0)


def quantile_cells(time: Array, survival: Array, lowest: Array, probability: float) -> tuple[float, float]:
    """Edges between which the quantile on exact times must lie.

    Left edge of the cell in which the lowest curve may reach 1 - probability, right edge of the cell
    in which the usual curve falls below it; the last edge, and NaN, where they do not.  ``time`` starts at 0.
    """
    target, tolerance = 1.0 - probability, 1.5e-8
    possible = np.flatnonzero(np.nan_to_num(lowest) <= target + tolerance)  # not known: it may be zero
    below = np.flatnonzero(survival < target - tolerance)
    low = float(time[max(int(possible[0]) - 1, 0)] if len(possible) else time[-1])
    return low, float(time[below[0]]) if len(below) else float("nan")


def interpolated_time(time: Array, survival: Array, probability: float) -> float:
    """Time at which survival, drawn straight between the edges of a grid, reaches 1 - probability.

    ``time`` starts at 0 with survival 1.  The curve is exact at the edges alone, so the error is less
    than the width of the cell.
    """
    target = 1.0 - probability
    reached = np.flatnonzero(survival <= target)
    if not len(reached):
        return float("nan")
    i = int(reached[0])
    drop = survival[i - 1] - survival[i]
    return float(time[i - 1] + (survival[i - 1] - target) / drop * (time[i] - time[i - 1]))


def quantile_time(time: Array, survival: Array, probability: float) -> float:
    """First time at which survival is at most 1 - probability; the midpoint of a flat step, as R has it."""
    target = 1.0 - probability
    tolerance = 1.5e-8  # R's: a product of rounded factors misses 1/2 by more than its last digit
    below = np.flatnonzero(survival < target - tolerance)
    level = np.flatnonzero(np.abs(survival - target) <= tolerance)
    if len(level):
        after = time[below[0]] if len(below) else time[level[-1]]
        return float((time[level[0]] + after) / 2)
    return float(time[below[0]]) if len(below) else float("nan")
