"""Baseline hazard and predicted survival of a Cox model, from the risk-set sums of a shared baseline at its coefficients.

No question of its own: what a shared baseline asks at every point of its fit is asked once more at the last, and of a
model with the sites' own baseline hazards on an agreed grid, site by site.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, check_survival_interval
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import level_name
from fedstats.contract.design import Design
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.new_patients import new_patients
from fedstats.contract.results import PredictedSurvival
from fedstats.contract.same_patients import check_counts
from fedstats.contract.threads import one_blas_thread
from fedstats.methods.cox_fit import model_of
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_shared_baseline import CoxRiskSets, cells_of_total
from fedstats.methods.follow_up import candidate_grids, on_finest_grid
from fedstats.methods.weighting import with_weights_of
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics.predicted_survival import PredictedHazard, predicted_hazard
from fedstats.numerics.survival_table import ConfType, survival_interval

Array = NDArray[np.float64]

COLUMNS = ("row", "site", "stratum", "time", "cumulative_hazard", "estimate", "std_error", "conf_low", "conf_high")  # fmt: skip


def predict_survival(
    federation: Federation,
    fit: Fit,
    newdata: pd.DataFrame,
    *,
    grid: float | Sequence[float] | None = None,
    conf_type: ConfType = "log",
    level: float = 0.95,
) -> PredictedSurvival:
    """Survival that a Cox model predicts for given covariates.

    Parameters
    ----------
    federation : Federation
        The same sites and patients that the model was fitted on: others are refused, as their hazard is another.  Of these, make
        the fit's predictor a column there (``others.with_linear_predictor("lp", fit)``) and fit with ``offset="lp"``.
    fit : Fit
        Of :func:`cox`, without a penalty.
    newdata : DataFrame
        One row a prediction, with the columns of the model (and its offset); it stays here.  With the column of strata a
        row is predicted in its own stratum, without it in each.
    grid : number or sequence, optional
        Of a model with the sites' own baseline hazards: cell width or right edges; None: the finest of the codebook's
        candidates that every site lets out, or the distinct times where they may leave.  A shared baseline keeps its own.
    conf_type : {"log", "log-log", "plain"}
        Scale of the intervals; ``"log"`` is R's default.
    level : float
        Coverage of the intervals.

    Returns
    -------
    PredictedSurvival
        Equal to ``survfit(fit, newdata)``: where the sites have baseline hazards of their own, to that of each stratum of
        ``coxph(... + strata(site))``, on times moved to the right edge of their cell.

    Raises
    ------
    FormulaError, SiteRefused, DataError

    Notes
    -----
    exp(-cumulative hazard), with the ties of the fit (Breslow; Efron as in Therneau & Grambsch 2000, section 10.2).  The standard
    error is that of the survival probability, and holds the uncertainty of the coefficients (Tsiatis 1981; the sandwich of a robust
    fit).
    """
    check_federation(federation)
    federation = with_weights_of(federation, fit)
    check_survival_interval(conf_type, level)
    model, _ = model_of(federation, fit)
    table = patients_to_predict(newdata, model.design, model.offset, model.strata, federation.codebook)
    x = model.design.scaled(model.design.raw(table))
    offset = table[model.offset].to_numpy(dtype=float) if model.offset else np.zeros(len(table))
    strata = [c for c in model.strata if c in table.columns]
    stratum = [level_name(v) for v in table[strata[0]]] if len(strata) == 1 else None
    rows = _Rows(list(table.index), x, offset, stratum)
    return _predicted(federation, fit, rows, grid, conf_type, level)


def baseline_hazard(
    federation: Federation,
    fit: Fit,
    *,
    grid: float | Sequence[float] | None = None,
    conf_type: ConfType = "log",
    level: float = 0.95,
) -> PredictedSurvival:
    """The baseline hazard of a Cox model: of a patient all of whose covariates are zero, or at their reference level.

    Parameters are those of :func:`predict_survival`.

    Returns
    -------
    PredictedSurvival
        ``cumulative_hazard`` is ``basehaz(fit, centered=FALSE)`` of R; of a fit with an offset that of an offset of zero, where
        R's is of the mean offset of the rows, and so larger by a factor ``exp(mean(offset))``.

    Raises
    ------
    FormulaError, SiteRefused
    """
    check_federation(federation)
    federation = with_weights_of(federation, fit)
    check_survival_interval(conf_type, level)
    model, _ = model_of(federation, fit)
    x = model.design.scaled(np.zeros((1, len(model.design.columns))))
    return _predicted(federation, fit, _Rows(["baseline"], x, np.zeros(1), None), grid, conf_type, level)


def patients_to_predict(
    newdata: object, design: Design, offset: str | None, strata: Sequence[str], codebook: Codebook
) -> pd.DataFrame:
    """Covariates of predictions as the codebook has them, with the column of strata where it is given.

    Raises
    ------
    FormulaError, DataError, TypeError
    """
    if isinstance(newdata, pd.DataFrame) and "site" in newdata.columns and "site" not in codebook:
        raise FormulaError(
            "A row of newdata is predicted at every site that has a baseline hazard of its own, and its column 'site' would not be "
            "read: leave it out, and choose among the rows of the result by their site."
        )
    given = [c for c in strata if isinstance(newdata, pd.DataFrame) and c in newdata.columns]
    needed = (*design.variables, *((offset,) if offset else ()))
    table = new_patients(newdata, (*needed, *given), codebook)
    for column in given:
        unknown = sorted(set(map(level_name, table[column])) - set(codebook[column].levels))
        if unknown:
            raise FormulaError(f"{unknown[0]!r} is no level of the strata {column}.")
    return table


def check_strata(strata: Sequence[str], codebook: Codebook) -> None:
    """Strata whose baseline hazards can be told apart: those of one factor.

    Raises
    ------
    FormulaError
    """
    if len(strata) > 1 or (strata and not codebook[strata[0]].levels):
        raise FormulaError(
            "Baseline hazards of strata are those of agreed levels: fit with one factor as strata, or with none."
        )


@dataclass(frozen=True)
class _Rows:
    """Covariates on the scale of the question's columns, (k, p), with offsets (k,) and strata where they are given."""

    names: list[object]
    x: Array
    offset: Array
    stratum: list[str] | None


def _predicted(
    federation: Federation,
    fit: Fit,
    rows: _Rows,
    grid: float | Sequence[float] | None,
    conf_type: ConfType,
    level: float,
) -> PredictedSurvival:
    if fit.is_penalised:
        raise FormulaError(
            "A penalised fit has no standard error of what it predicts; fit without a penalty."
        )
    model, gamma = model_of(federation, fit)
    meter = Meter(federation)
    with one_blas_thread():
        model, totals, status = _risk_sets(federation, meter, fit, model, gamma, grid)
        bounds = np.arange(max(1, len(model.strata_levels)) + 1) * len(model.grid)
        inverse = np.linalg.inv(model.design.unscaling())
        covariance = inverse @ fit.covariance @ inverse.T
        eta = rows.x @ np.array(gamma) + rows.offset - model.offset_centre
        sizes = {
            name: np.sum([total[name] for total in totals.values()], axis=0) for name in ("n", "n_event")
        }
        check_counts(fit, sizes, all_events=fit.options["baseline"] == "shared")
        found = []
        for site, total in totals.items():
            sums, terms = cells_of_total(total, model.ties)
            hazard = predicted_hazard(terms, pl.cell_means(sums, terms), bounds, rows.x, eta, covariance)
            found += list(_curves(model, rows, sums.s0, hazard, (conf_type, level), site))
    frame = pd.concat(found, ignore_index=True)[list(COLUMNS)]
    return PredictedSurvival(
        fit.formula, frame, status, meter.rounds, meter.n_bytes, federation.sites, conf_type, level
    )


def _risk_sets(
    federation: Federation,
    meter: Meter,
    fit: Fit,
    model: CoxModel,
    gamma: tuple[float, ...],
    grid: float | Sequence[float] | None,
) -> tuple[CoxModel, Mapping[str, Total], str]:
    """Risk-set sums at the coefficients, of all sites together or of each that has a baseline hazard of its own."""
    if model.grid:
        if grid is not None:
            raise FormulaError("A shared baseline hazard is predicted on the grid that it was fitted on.")
        return model, {"": meter.sum(CoxRiskSets(model, gamma))}, fit.status
    check_strata(model.strata, federation.codebook)
    levels = federation.codebook[model.strata[0]].levels if model.strata else ()

    def ask(edges: tuple[float, ...]) -> tuple[CoxModel, Mapping[str, Total]]:
        candidate = replace(model, grid=edges, strata_levels=levels)
        # of a course of its own: a fit with a shared baseline asks the same, at coefficients of its own
        return candidate, meter.each(CoxRiskSets(candidate, gamma, course="baseline of the site"))

    outcome = model.outcome
    (model, totals), _, status = on_finest_grid(candidate_grids(federation, meter, outcome, grid), ask)
    return model, totals, status


def _curves(
    model: CoxModel,
    rows: _Rows,
    s0: Array,
    predicted: PredictedHazard,
    interval: tuple[ConfType, float],
    site: str,
) -> Iterator[pd.DataFrame]:
    """Every row's curve in every stratum in which it is predicted, up to the last time at which anybody is at risk."""
    time = np.append(0.0, model.grid)
    for s, stratum in enumerate(model.strata_levels or ("",)):
        cells = slice(s * len(model.grid), (s + 1) * len(model.grid))
        there = np.flatnonzero(s0[cells] > 1e-12 * s0[cells].max(initial=0.0))
        if not len(there):
            continue
        n = int(there[-1]) + 2
        for k, name in enumerate(rows.names):
            if rows.stratum is not None and rows.stratum[k] != stratum:
                continue
            hazard, error = (np.append(0.0, values[k, cells])[:n] for values in predicted)
            survival = np.exp(-hazard)
            low, high = survival_interval(survival, error, *interval)
            yield pd.DataFrame(
                {"row": name, "site": site, "stratum": stratum, "time": time[:n], "cumulative_hazard": hazard}
                | {"estimate": survival, "std_error": survival * error, "conf_low": low, "conf_high": high}
            )
