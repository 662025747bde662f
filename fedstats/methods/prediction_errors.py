"""Brier scores: how far predicted risks are from what happened."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from fedstats.contract.arguments import check_federation
from fedstats.contract.evaluation_results import PredictionError
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_level
from fedstats.methods.predicted_risks import risk_model, squared_errors

#: The status of a result to which a site with a gate has answered.
ROUNDED = "rounded to four digits"


def brier_score(federation: Federation, fit: Fit, *, level: float = 0.95) -> PredictionError:
    """The mean squared difference between outcomes and predicted risks, and by how much it is below that of one risk for all.

    Parameters
    ----------
    federation : Federation
        Of the fit's patients, or others.
    fit : Fit
        Of :func:`logistic`, without weights.
    level : float
        Coverage of the interval.

    Returns
    -------
    PredictionError

    Raises
    ------
    FormulaError, QueryError, SiteRefused

    Notes
    -----
    Brier (1950), Monthly Weather Review 78: 1-3; the standard error is that of a mean.  ``scaled`` is one less the score by that
    of the share of events, the index of prediction accuracy (Kattan & Gerds 2018, Diagnostic and Prognostic Research 2: 7); where
    all have the event, or none, it has none.
    """
    check_federation(federation)
    check_level(level)
    model, beta = risk_model(federation, fit)
    meter = Meter(federation)
    with one_blas_thread():
        total = squared_errors(meter, model, beta)
    n, events = (round(float(total[name][0])) for name in ("n", "n_event"))
    score, square = total["squares"] / n
    std_error = float(np.sqrt(max(square - score**2, 0.0) / max(n - 1, 1)))
    z = float(norm.ppf(0.5 + level / 2.0))
    null = events / n * (1.0 - events / n)
    row = {"time": np.nan, "n": n, "n_event": events, "estimate": score, "std_error": std_error}
    row |= {"conf_low": max(0.0, score - z * std_error), "conf_high": min(1.0, score + z * std_error)}
    row |= {"null": null, "scaled": 1.0 - score / null if null > 0 else np.nan}
    frame = pd.DataFrame([row])
    status = ROUNDED if total["rounded"][0] else "exact"
    return PredictionError(fit.formula, frame, status, meter.rounds, meter.n_bytes, federation.sites, level)
