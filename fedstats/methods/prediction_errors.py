"""Brier scores: how far predicted risks are from what happened."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from fedstats.contract.arguments import check_federation
from fedstats.contract.evaluation_results import PredictionError
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import QueryError
from fedstats.contract.results import PredictedSurvival
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_level
from fedstats.methods.milestone_risks import Milestone, MilestoneErrors, milestone_of, times_of
from fedstats.methods.predicted_risks import risk_model, squared_errors

Array = NDArray[np.float64]

#: The status of a result to which a site with a gate has answered.
ROUNDED = "rounded to four digits"


def brier_score(
    federation: Federation,
    fit: Fit,
    *,
    times: float | Sequence[float] | None = None,
    baseline: PredictedSurvival | None = None,
    level: float = 0.95,
) -> PredictionError:
    """The mean squared difference between outcomes and predicted risks, and by how much it is below that of one risk for all.

    Parameters
    ----------
    federation : Federation
        Of the fit's patients, or others.
    fit : Fit
        Of :func:`logistic`, or of :func:`cox`, without weights.
    times, baseline
        Of a Cox model, as in :func:`calibration`.
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
    all have the event, or none, it has none.  By a milestone who was censored before has no outcome, and others weigh by the inverse of the
    chance of not having been (Graf et al. 1999, Statistics in Medicine 18: 2529-45), by the Kaplan-Meier estimate of all sites together on
    the time grid; the standard error takes these chances as known.
    """
    check_federation(federation)
    check_level(level)
    if getattr(fit, "kind", None) == "cox":
        return _of_milestones(federation, fit, times_of(times), baseline, level)
    if times is not None or baseline is not None:
        raise FormulaError(
            "Milestones and baseline hazards are those of a Cox model; a 0/1 outcome has none."
        )
    model, beta = risk_model(federation, fit)
    meter = Meter(federation)
    with one_blas_thread():
        total = squared_errors(meter, model, beta)
    n, events = (round(float(total[name][0])) for name in ("n", "n_event"))
    frame = pd.DataFrame(
        [_row(np.nan, (n, events), total["squares"], events / n * (1.0 - events / n), level)]
    )
    status = ROUNDED if total["rounded"][0] else "exact"
    return PredictionError(fit.formula, frame, status, meter.rounds, meter.n_bytes, federation.sites, level)


def _row(time: float, sizes: tuple[int, int], squares: Array, null: float, level: float) -> dict[str, float]:
    """A score from the sums of squared errors and of their squares."""
    n, events = sizes
    score, square = squares / n
    std_error = float(np.sqrt(max(square - score**2, 0.0) / max(n - 1, 1)))
    z = float(norm.ppf(0.5 + level / 2.0))
    row = {"time": time, "n": n, "n_event": events, "estimate": score, "std_error": std_error}
    row |= {"conf_low": max(0.0, score - z * std_error), "conf_high": score + z * std_error}
    return row | {"null": null, "scaled": 1.0 - score / null if null > 0 else np.nan}


def _of_milestones(
    federation: Federation,
    fit: Fit,
    times: tuple[float, ...],
    baseline: PredictedSurvival | None,
    level: float,
) -> PredictionError:
    meter = Meter(federation)
    rows, status = [], set()
    for time in times:
        whole = milestone_of(meter, fit, time, baseline)
        chance = whole.uncensored()
        if not chance[-1] > 0:
            raise QueryError(
                f"Nobody is followed until the milestone {time:g} without an event: take an earlier one."
            )
        question = MilestoneErrors(whole.model, whole.beta, whole.hazards, time, tuple(chance.tolist()))
        with one_blas_thread():
            total = meter.sum(question)
        events, beyond = whole.n_event.sum(axis=0), float(whole.n_beyond.sum())
        n, risk = float(whole.n.sum()), 1.0 - _survival(whole)
        null = float(((1.0 - risk) ** 2 * events / chance[:-1]).sum() + risk**2 * beyond / chance[-1]) / n
        rows.append(_row(time, (round(n), round(float(events.sum()))), total["squares"], null, level))
        status |= {whole.status} | ({ROUNDED} if total["rounded"][0] else set())
    words = "; ".join(sorted(status))
    return PredictionError(
        fit.formula, pd.DataFrame(rows), words, meter.rounds, meter.n_bytes, federation.sites, level
    )


def _survival(whole: Milestone) -> float:
    """The Kaplan-Meier estimate of all patients at the milestone."""
    n_risk, events = whole.n_risk.sum(axis=0), whole.n_event.sum(axis=0)
    return float(np.prod(np.where(n_risk > 0, 1.0 - events / np.maximum(n_risk, 1.0), 1.0)))
