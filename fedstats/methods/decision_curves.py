"""Decision curves: the net benefit of treating those whose predicted risk is above a threshold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fedstats.contract.arguments import check_federation
from fedstats.contract.evaluation_results import NetBenefit
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.methods.predicted_risks import counted_risks, risk_model
from fedstats.numerics.binned_risks import net_benefits


def net_benefit(federation: Federation, fit: Fit, *, thresholds: Sequence[float] | None = None) -> NetBenefit:
    """Net benefit by thresholds of the predicted risk, beside treating everybody and nobody.

    Parameters
    ----------
    federation : Federation
        Of the fit's patients, or others.
    fit : Fit
        Of :func:`logistic`, without weights.
    thresholds : sequence of float, optional
        Between 0 and 1; None: the finest of the agreed edges around the mean risk that every site lets out.

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
    model, beta = risk_model(federation, fit)
    meter = Meter(federation)
    found = counted_risks(meter, model, beta, thresholds)
    threshold = np.array(found.edges[1:-1])
    n, events = (np.cumsum(v[::-1])[::-1][1:] for v in (found.n, found.n_event))
    everybody, risk = float(found.n.sum()), float(found.n_event.sum() / found.n.sum())
    with np.errstate(invalid="ignore"):
        above = events / n
    frame = pd.DataFrame(
        {"time": np.nan, "threshold": threshold, "share_above": n / everybody, "risk_above": above}
    )
    frame["model"] = net_benefits(threshold, n / everybody, above)
    frame["treat_all"] = net_benefits(threshold, np.ones(len(threshold)), np.full(len(threshold), risk))
    frame["treat_none"] = 0.0
    return NetBenefit(fit.formula, frame, "exact", meter.rounds, meter.n_bytes, federation.sites)
