"""Predicted risks beside what happened: by cells of the predicted risk, in the large, and along the linear predictor."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from fedstats.contract.arguments import check_federation
from fedstats.contract.evaluation_results import Calibration
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.results import PredictedSurvival
from fedstats.contract.values import check_level
from fedstats.methods.milestone_risks import Milestone, by_risk, milestone_of, times_of
from fedstats.methods.predicted_risks import CountedRisks, counted_risks, risk_model
from fedstats.methods.recalibration import calibration_line, line_table, without_line
from fedstats.numerics.binned_risks import proportions
from fedstats.numerics.survival_table import kaplan_meier_estimate


def calibration(
    federation: Federation,
    fit: Fit,
    *,
    times: float | Sequence[float] | None = None,
    bins: Sequence[float] | None = None,
    baseline: PredictedSurvival | None = None,
    level: float = 0.95,
) -> Calibration:
    """Whether predicted risks are right: observed shares by cells of the predicted risk, calibration in the large, and slope.

    Parameters
    ----------
    federation : Federation
        Whose patients the prediction is held against: those of the fit, or others with the columns of the model.
    fit : Fit
        Of :func:`logistic` (penalised or not), or of :func:`cox`, without weights.
    times : number or sequence
        Of a Cox model the milestones, edges of the agreed time grid, by which its risks are held against Kaplan-Meier estimates.
    bins : sequence of float, optional
        Edges of the cells between 0 and 1; None: the finest of the agreed ones around the mean risk that every site lets out.
    baseline : PredictedSurvival, optional
        Of a Cox model :func:`baseline_hazard` of the sites that it was fitted on, where other patients are meant; None: of a fit with
        ``baseline="shared"`` it is asked of ``federation``, whose patients are the fit's then.
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
    Biometrika 45: 562-5), of a Cox model the slope that of a Cox model on the linear predictor; observed shares have Wilson's intervals; the ratio of observed to expected events one from the
    binomial variance of the observed share, on the scale of logarithms.
    """
    check_federation(federation)
    check_level(level)
    if getattr(fit, "kind", None) == "cox":
        return _of_milestones(federation, fit, times_of(times), bins, baseline, level)
    if times is not None or baseline is not None:
        raise FormulaError(
            "Milestones and baseline hazards are those of a Cox model; a 0/1 outcome has none."
        )
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


def _of_milestones(
    federation: Federation,
    fit: Fit,
    times: tuple[float, ...],
    bins: Sequence[float] | None,
    baseline: PredictedSurvival | None,
    level: float,
) -> Calibration:
    """Of a Cox model: Kaplan-Meier estimates by cells of the risk, the slope, and observed by expected risk."""
    meter, z = Meter(federation), float(norm.ppf(0.5 + level / 2.0))
    line = calibration_line(federation, fit, level)
    tables, overall, status = [], [line_table(line, z).query("measure == 'slope'").assign(time=np.nan)], set()
    for time in times:
        whole = milestone_of(meter, fit, time, baseline)
        cells = by_risk(meter, whole, bins)
        tables.append(_observed(cells, level).assign(time=time))
        overall.append(_ratio_until(whole, level).assign(time=time))
        status.add(cells.status)
    names = [
        "time",
        "low",
        "high",
        "n",
        "n_event",
        "predicted",
        "observed",
        "std_error",
        "conf_low",
        "conf_high",
    ]
    measures = pd.concat(overall, ignore_index=True)[
        ["time", "measure", "estimate", "std_error", "conf_low", "conf_high"]
    ]
    return Calibration(
        fit.formula,
        pd.concat(tables, ignore_index=True)[names],
        measures,
        "; ".join(sorted(status)),
        meter.rounds + line.rounds,
        meter.n_bytes + line.n_bytes,
        federation.sites,
        level,
        line.notes,
    )


def _observed(cells: Milestone, level: float) -> pd.DataFrame:
    """One less the Kaplan-Meier estimate at the milestone, by cell of the risk."""
    found = []
    for b in np.flatnonzero(cells.n > 0):
        curve = kaplan_meier_estimate(cells.n_risk[b], cells.n_event[b], "log-log", level)
        survival, se, low, high = (float(values[-1]) for values in curve)
        row = {"low": cells.edges[b], "high": cells.edges[b + 1], "n": round(float(cells.n[b]))}
        row |= {"n_event": round(float(cells.n_event[b].sum())), "predicted": cells.expected[b] / cells.n[b]}
        found.append(
            row | {"observed": 1 - survival, "std_error": se, "conf_low": 1 - high, "conf_high": 1 - low}
        )
    return pd.DataFrame(found)


def _ratio_until(whole: Milestone, level: float) -> pd.DataFrame:
    """The observed risk of all patients by the mean of those predicted, with the interval of the former."""
    row = _observed(whole, level).iloc[0]
    ends = {name: row[name] / row["predicted"] for name in ("std_error", "conf_low", "conf_high")}
    return pd.DataFrame(
        [{"measure": "observed / expected", "estimate": row["observed"] / row["predicted"]} | ends]
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
