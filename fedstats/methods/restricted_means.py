"""Restricted mean survival time, its differences and ratios, of the table of counts that the curves are drawn from."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from fedstats.contract.federation import Federation
from fedstats.contract.query import QueryError
from fedstats.contract.survival_results import RestrictedMeans
from fedstats.contract.values import check_level, is_number, shown
from fedstats.methods.survival_counts import Grid, GroupCounts, robust_errors, survival_counts
from fedstats.methods.weighting import Weighting, weights_name
from fedstats.numerics.restricted_mean import Area, area_between_edges, area_of_steps, area_variance
from fedstats.numerics.survival_table import kaplan_meier_estimate, lowest_estimate, squared_influences


class _Mean(NamedTuple):
    estimate: float
    variance: float
    low: float
    high: float


def rmst(
    federation: Federation,
    formula: str,
    *,
    tau: float,
    grid: Grid = None,
    level: float = 0.95,
    weights: Weighting = None,
    robust: bool | None = None,
    landmark: float | None = None,
) -> RestrictedMeans:
    """Restricted mean survival time: what patients live on average within a horizon, with differences and ratios of groups.

    Parameters
    ----------
    federation : Federation
    formula : str
        As of :func:`fedstats.kaplan_meier`.
    tau : float
        The horizon; every group must be followed so far.
    grid, weights, robust, landmark
        As of :func:`fedstats.kaplan_meier`, and of the same table.  After a landmark the mean is of the time from there to ``tau``.
    level : float
        Coverage of the intervals.

    Returns
    -------
    RestrictedMeans
        On distinct times the area under the Kaplan-Meier curve with Greenwood's variance, as R's ``print(survfit(), rmean =)``
        and survRM2.  On a grid the area under straight lines between its edges, approximate: the area under the curve on
        exact times lies between ``low`` and ``high``.

    Raises
    ------
    FormulaError, SiteRefused, ValueError
    QueryError
        The horizon lies beyond what is known of a group.

    Notes
    -----
    Royston & Parmar (2013); Uno, Claggett, Tian et al. (2014).  Differences and ratios are to the first group; intervals
    and tests of ratios are on the scale of the logarithm.
    """
    check_level(level)
    if not is_number(tau) or tau <= 0:
        raise ValueError(f"tau is {shown(tau)}; give a time above zero.")
    robust = robust_errors(federation, formula, weights, robust)
    counts = survival_counts(federation, formula, grid=grid, weights=weights).after(landmark)
    if tau <= counts.start:
        raise ValueError(f"tau is {tau:g}, which is not after the landmark at {counts.start:g}.")
    means = {}
    for i, name in enumerate(counts.names):
        group = counts.group(i)
        _check_followed(name, group, tau, exact=counts.is_exact)
        means[name] = _mean(group, counts.start, float(tau), robust=robust)
    status = (
        counts.status
        if counts.is_exact
        else counts.status.replace("exact on", "approximate between the edges of")
    )
    return RestrictedMeans(
        **counts.common | {"status": status},
        frame=_table(means, level),
        tau=float(tau),
        level=level,
        weights=weights_name(weights),
        robust=robust,
    )


def _check_followed(name: str, counts: GroupCounts, tau: float, *, exact: bool) -> None:
    """The curve of a group is known up to the horizon: somebody is at risk there, or all have had the event before."""
    at_risk = counts.n_risk > 0
    last = (
        counts.time[at_risk & ((counts.n_event > 0) | (np.abs(counts.n_censor) > 0))]
        if exact
        else counts.time[at_risk]
    )
    end = float(last[-1]) if len(last) else 0.0
    died_out = bool(kaplan_meier_estimate(counts.n_risk, counts.n_event, "log", 0.95).estimate[-1] <= 1e-12)
    if tau > end * (1 + 1e-9) and not died_out:
        raise QueryError(
            f"tau is {tau:g}, and what is known of {name} ends at {end:g}: choose an earlier horizon."
        )


def _mean(counts: GroupCounts, start: float, tau: float, *, robust: bool) -> _Mean:
    time, n_risk, n_event = counts.time - start, counts.n_risk, counts.n_event
    survival = kaplan_meier_estimate(n_risk, n_event, "log", 0.95).estimate
    if (counts.start < counts.time).any():
        lowest = lowest_estimate(n_risk, n_event, counts.n_left)
        area = area_between_edges(time, survival, lowest, tau - start)
    else:
        area = area_of_steps(time, survival, tau - start)
    variance = _robust_variance(area, counts) if robust else area_variance(area, n_risk, n_event)
    return _Mean(area.estimate, variance, area.low, area.high)


def _robust_variance(area: Area, counts: GroupCounts) -> float:
    """Sum of squared influences: those on minus the logarithm of the curve, times the area that comes after."""
    assert counts.squares is not None
    assert counts.event_squares is not None
    left = counts.n_risk - counts.n_event
    happened = (counts.n_event > 0) & (left > 0)
    jump = np.divide(area.after, left, out=np.zeros_like(left), where=happened)
    hazard = np.divide(counts.n_event, counts.n_risk, out=np.zeros_like(left), where=happened)
    return float(squared_influences(np.cumsum(hazard * jump), jump, counts.squares, counts.event_squares)[-1])


def _table(means: dict[str, _Mean], level: float) -> pd.DataFrame:
    z = float(norm.ppf(0.5 + level / 2))
    rows = [
        _row(name, "mean", "", m.estimate, np.sqrt(m.variance), z, m.low, m.high) for name, m in means.items()
    ]
    reference, *others = means
    base = means[reference]
    for name in others:
        m = means[name]
        error = np.sqrt(m.variance + base.variance)
        rows.append(
            _row(
                name,
                "difference",
                reference,
                m.estimate - base.estimate,
                error,
                z,
                m.low - base.high,
                m.high - base.low,
            )
        )
    for name in others:
        m = means[name]
        error = np.sqrt(m.variance / m.estimate**2 + base.variance / base.estimate**2)
        low, high = m.low / base.high, m.high / base.low if base.low > 0 else np.inf
        rows.append(_row(name, "ratio", reference, m.estimate / base.estimate, error, z, low, high))
    return pd.DataFrame(rows)


def _row(
    group: str, measure: str, reference: str, estimate: float, error: float, z: float, low: float, high: float
) -> dict[str, object]:
    ratio = measure == "ratio"
    tested = np.log(estimate) if ratio else estimate
    ends = tested - z * error, tested + z * error
    p_value = 2 * norm.sf(abs(tested) / error) if measure != "mean" and error > 0 else np.nan
    conf_low, conf_high = np.exp(ends) if ratio else ends
    found = {
        "group": group,
        "measure": measure,
        "reference": reference,
        "estimate": estimate,
        "std_error": error,
    }
    found |= {"p_value": p_value, "conf_low": conf_low, "conf_high": conf_high, "low": low, "high": high}
    return found
