"""Survival curves from counts at risk and of events, one table for each group."""

import numpy as np
import pandas as pd

from fedstats.contract.arguments import check_survival_interval
from fedstats.contract.curve import Curve, quantile
from fedstats.contract.federation import Federation
from fedstats.contract.formula import FormulaError
from fedstats.contract.values import check_flag
from fedstats.methods.survival_counts import Grid, GroupCounts, robust_errors, survival_counts
from fedstats.methods.weighting import Weighting, weights_name
from fedstats.numerics.survival_table import (
    ConfType,
    SurvivalEstimate,
    estimate_with,
    kaplan_meier_estimate,
    lowest_estimate,
    robust_se_log,
)


def kaplan_meier(
    federation: Federation,
    formula: str,
    *,
    grid: Grid = None,
    conf_type: ConfType = "log",
    level: float = 0.95,
    weights: Weighting = None,
    robust: bool | None = None,
    reverse: bool = False,
    landmark: float | None = None,
) -> Curve:
    """Kaplan-Meier curves of all sites together.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"Surv(time, event) ~ group"``, ``"Surv(entry, time, event) ~ group"`` or ``"... ~ 1"``.
    grid : number or sequence, optional
        Cell width or right edges; None: the finest of the codebook's candidates that every site lets
        out to the agreed horizon, else the one that goes the farthest; or the distinct times where no rule forbids them.
    conf_type : {"log", "log-log", "plain"}
        Scale of the intervals; ``"log"`` is R's default.
    level : float
        Coverage of the intervals.
    weights : str, optional
        A column of case weights, or the result of :func:`propensity_weights`.  Standard errors are Greenwood's on the weighted counts, as if a patient of weight 2
        were two.
    robust : bool, optional
        With weights: standard errors by the infinitesimal jackknife, as R's ``survfit`` has them for weights that are no whole
        numbers.  Not where patients enter late.  None: of weights by a propensity, where it can be.
    reverse : bool
        The curve of follow-up itself (Schemper & Smith 1996): whoever leaves without the event has "the event", and
        the median is the median follow-up.
    landmark : number, optional
        Curves from this time on, of those who are still at risk then.  No further question.

    Returns
    -------
    Curve
        Equal to ``survfit`` on the pooled rows, times moved to the right edge of their cell.  How far the
        curve on unmoved times may lie below it stands in ``grid_error`` and ``estimate_low``.

    Raises
    ------
    FormulaError, QueryError, SiteRefused, ValueError

    Notes
    -----
    Kaplan & Meier (1958), Greenwood (1926).  A patient's time counts at the right edge of its cell, an
    entry at the left one; on distinct times neither moves.
    """
    check_survival_interval(conf_type, level)
    check_flag("reverse", reverse)
    robust = robust_errors(federation, formula, weights, robust)
    if weights is not None and reverse:
        raise FormulaError("Follow-up is described as it is: leave out weights, or reverse.")
    counts = survival_counts(federation, formula, grid=grid, weights=weights).after(landmark)
    frames, medians = [], []
    for i, name in enumerate(counts.names):
        group = counts.group(i).reversed() if reverse else counts.group(i)
        frame = _one_curve(name, group, conf_type, level, robust=robust, start=counts.start)
        if not frame.empty:
            frames.append(frame)
            found = quantile(frame, 0.5, conf_type, level, robust=robust)
            names = {"estimate": "median", "low": "median_low", "high": "median_high"}
            medians.append({"group": name} | {names.get(k, k): v for k, v in found.items()})
    frame = pd.concat(frames, ignore_index=True)
    return Curve(
        formula,
        frame,
        pd.DataFrame(medians),
        counts.unit,
        counts.status,
        counts.meter.rounds,
        counts.meter.n_bytes,
        federation.sites,
        conf_type,
        level,
        0.0 if counts.is_exact else _grid_error(frame),
        weights_name(weights),
        robust,
        reverse,
        counts.start,
        counts.dropped,
        counts.empty,
    )


def survival_estimate(
    counts: GroupCounts, conf_type: ConfType, level: float, *, robust: bool
) -> SurvivalEstimate:
    """The curve of one group, (T,)."""
    if not robust or counts.squares is None or counts.event_squares is None:
        return kaplan_meier_estimate(counts.n_risk, counts.n_event, conf_type, level)
    errors = robust_se_log(counts.n_risk, counts.n_event, counts.squares, counts.event_squares)
    return estimate_with(errors, counts.n_risk, counts.n_event, conf_type, level)


def _one_curve(
    name: str, counts: GroupCounts, conf_type: ConfType, level: float, *, robust: bool, start: float
) -> pd.DataFrame:
    on_grid = bool((counts.start < counts.time).any())
    weighted = counts.squares is not None
    if not on_grid:  # distinct times of every group: keep those at which someone of this one leaves
        least = 1e-9 * counts.n_risk.max(initial=0.0) if weighted else 0.0
        counts = counts.chosen(counts.n_event + counts.n_censor > least)
    estimate = survival_estimate(counts, conf_type, level, robust=robust)
    lowest = lowest_estimate(counts.n_risk, counts.n_event, counts.n_left) if on_grid else estimate.estimate
    frame = pd.DataFrame(
        {"group": name, "time": counts.time, "n_risk": counts.n_risk, "n_event": counts.n_event}
        | estimate._asdict()
        | {
            "start": counts.start,
            "n_censor": counts.n_censor,
            "estimate_low": lowest,
            "n_enter": counts.n_enter,
        }
    )
    # with delayed entry a risk set may be empty between two others; the curve stays level there
    frame = frame[counts.n_risk > 0]
    if frame.empty:
        return frame
    zero = {"n_event": 0, "estimate": 1.0, "std_error": 0.0, "conf_low": 1.0, "conf_high": 1.0}
    zero |= {"time": start, "start": start, "n_censor": 0.0, "estimate_low": 1.0, "n_enter": 0.0}
    frame = pd.concat([frame.iloc[:1].assign(**zero), frame], ignore_index=True)
    return frame if weighted else frame.astype({"n_risk": int, "n_event": int})


def _grid_error(frame: pd.DataFrame) -> float:
    """Largest distance to the lowest curve."""
    gap = np.where(frame["start"] < frame["time"], frame["estimate"] - frame["estimate_low"], 0.0)
    return float(gap.max())
