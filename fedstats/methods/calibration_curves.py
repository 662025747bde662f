"""Predicted risks beside what happened: by cells of the predicted risk, in the large, and along the linear predictor."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from fedstats.contract.arguments import check_federation
from fedstats.contract.evaluation_results import Calibration
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.values import check_level
from fedstats.methods.predicted_risks import CountedRisks, counted_risks, risk_model
from fedstats.methods.recalibration import calibration_line, line_table, without_line
from fedstats.numerics.binned_risks import proportions


def calibration(
    federation: Federation, fit: Fit, *, bins: Sequence[float] | None = None, level: float = 0.95
) -> Calibration:
    """Whether predicted risks are right: observed shares by cells of the predicted risk, calibration in the large, and slope.

    Parameters
    ----------
    federation : Federation
        Whose patients the prediction is held against: those of the fit, or others with the columns of the model.
    fit : Fit
        Of :func:`logistic` (penalised or not), without weights.
    bins : sequence of float, optional
        Edges of the cells between 0 and 1; None: the finest of the agreed ones around the mean risk that every site lets out.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Calibration
        Where all patients have the event, or none has, slope and intercept have no estimate, and the result says so.

    Raises
    ------
    FormulaError, QueryError, SiteRefused

    Notes
    -----
    Intercept and slope are those of logistic regressions on the predicted logit, as an offset and as a term (Cox 1958,
    Biometrika 45: 562-5); observed shares have Wilson's intervals; the ratio of observed to expected events one from the
    binomial variance of the observed share, on the scale of logarithms.
    """
    check_federation(federation)
    check_level(level)
    model, beta = risk_model(federation, fit)
    meter = Meter(federation)
    found = counted_risks(meter, model, beta, bins)
    n, events = (round(float(found.errors[name][0])) for name in ("n", "n_event"))
    line = calibration_line(federation, fit, level) if 0 < events < n else without_line(n, events)
    z = float(norm.ppf(0.5 + level / 2.0))
    overall = pd.concat([line_table(line, z), _ratio(found, z)], ignore_index=True)
    overall.insert(0, "time", np.nan)
    return Calibration(
        fit.formula,
        _cells(found, level),
        overall,
        f"exact in {len(found.n)} cells of the predicted risk",
        meter.rounds + line.rounds,
        meter.n_bytes + line.n_bytes,
        federation.sites,
        level,
        line.notes,
    )


def _cells(found: CountedRisks, level: float) -> pd.DataFrame:
    observed = proportions(found.n, found.n_event, level)
    with np.errstate(invalid="ignore"):
        predicted = found.expected / found.n
    columns = {
        "time": np.nan,
        "low": found.edges[:-1],
        "high": found.edges[1:],
        "n": found.n,
        "n_event": found.n_event,
    }
    columns |= {"predicted": predicted, "observed": observed.estimate} | observed._asdict()
    table = pd.DataFrame(columns).drop(columns="estimate")
    whole = table.astype({"n": int, "n_event": int})
    return whole[whole["n"] > 0].reset_index(drop=True)


def _ratio(found: CountedRisks, z: float) -> pd.DataFrame:
    """Observed by expected events."""
    n, events, expected = (float(v.sum()) for v in (found.n, found.n_event, found.expected))
    ratio = events / expected
    se_log = np.sqrt((1.0 - events / n) / events) if 0 < events < n else np.nan
    low, high = (ratio * np.exp(sign * z * se_log) for sign in (-1, 1))
    row = {"measure": "observed / expected", "estimate": ratio, "std_error": ratio * se_log}
    return pd.DataFrame([row | {"conf_low": low, "conf_high": high}])
