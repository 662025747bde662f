"""Decision curves: the net benefit of treating those whose predicted risk is above a threshold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation
from fedstats.contract.evaluation_results import NetBenefit
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.results import PredictedSurvival
from fedstats.methods.milestone_risks import by_risk, milestone_of, times_of
from fedstats.methods.predicted_risks import counted_risks, risk_model
from fedstats.numerics.binned_risks import net_benefits

Array = NDArray[np.float64]


def net_benefit(
    federation: Federation,
    fit: Fit,
    *,
    thresholds: Sequence[float] | None = None,
    time: float | None = None,
    baseline: PredictedSurvival | None = None,
) -> NetBenefit:
    """Net benefit by thresholds of the predicted risk, beside treating everybody and nobody.

    Parameters
    ----------
    federation : Federation
        Of the fit's patients, or others.
    fit : Fit
        Of :func:`logistic`, or of :func:`cox`, without weights.
    thresholds : sequence of float, optional
        Between 0 and 1; None: the finest of the agreed edges around the mean risk that every site lets out.
    time, baseline
        Of a Cox model the milestone of its risks, and its baseline hazard as in :func:`calibration`.

    Returns
    -------
    NetBenefit

    Raises
    ------
    FormulaError, QueryError, SiteRefused

    Notes
    -----
    See :func:`fedstats.numerics.binned_risks.net_benefits`.  Thresholds are edges of the cells in which patients are counted, so
    nothing is lost to the cells.
    """
    check_federation(federation)
    meter = Meter(federation)
    if getattr(fit, "kind", None) == "cox":
        return _of_milestone(meter, fit, thresholds, times_of(time)[0], baseline)
    if time is not None or baseline is not None:
        raise FormulaError(
            "Milestones and baseline hazards are those of a Cox model; a 0/1 outcome has none."
        )
    model, beta = risk_model(federation, fit)
    found = counted_risks(meter, model, beta, thresholds)
    threshold = np.array(found.edges[1:-1])
    n, events = (np.cumsum(v[::-1])[::-1][1:] for v in (found.n, found.n_event))
    everybody, risk = float(found.n.sum()), float(found.n_event.sum() / found.n.sum())
    with np.errstate(invalid="ignore"):
        above = events / n
    frame = _curve(np.nan, threshold, n / everybody, above, risk)
    return NetBenefit(fit.formula, frame, "exact", meter.rounds, meter.n_bytes, federation.sites)


def _of_milestone(
    meter: Meter,
    fit: Fit,
    thresholds: Sequence[float] | None,
    time: float,
    baseline: PredictedSurvival | None,
) -> NetBenefit:
    """Of a Cox model: risks above a threshold are Kaplan-Meier estimates of the patients there."""
    cells = by_risk(meter, milestone_of(meter, fit, time, baseline), thresholds)
    n_risk, events = (np.cumsum(v[::-1], axis=0)[::-1] for v in (cells.n_risk, cells.n_event))
    falls = np.where(n_risk > 0, 1.0 - events / np.maximum(n_risk, 1.0), 1.0)
    risk = 1.0 - np.prod(falls, axis=1)
    share = n_risk[:, 0] / n_risk[0, 0]
    above = np.where(share > 0, risk, np.nan)
    frame = _curve(time, np.array(cells.edges[1:-1]), share[1:], above[1:], float(risk[0]))
    sites = meter.federation.sites
    return NetBenefit(fit.formula, frame, cells.status, meter.rounds, meter.n_bytes, sites)


def _curve(time: float, threshold: Array, share: Array, above: Array, risk: float) -> pd.DataFrame:
    """Net benefits by threshold; ``risk`` is that of everybody."""
    frame = pd.DataFrame({"time": time, "threshold": threshold, "share_above": share, "risk_above": above})
    frame["model"] = net_benefits(threshold, share, above)
    frame["treat_all"] = net_benefits(threshold, np.ones(len(threshold)), np.full(len(threshold), risk))
    frame["treat_none"] = 0.0
    return frame
