"""Standardised survival (g-computation) of a Cox model with a shared baseline hazard, from sums over the sites' own patients.

Every patient is given the same value of a column, such as his site; what leaves are sums of the survival that the model then
predicts at the edges of the agreed grid, and of how it changes with coefficients and hazards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from fedstats.contract.aggregate import Aggregate, Evidence, Sum
from fedstats.contract.arguments import check_federation, check_survival_interval
from fedstats.contract.condition import level_name
from fedstats.contract.entries import Entries, between, each, one
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import POINT, QueryError
from fedstats.contract.same_patients import check_counts
from fedstats.contract.site_data import SiteData
from fedstats.contract.standardised_curves import StandardisedSurvival
from fedstats.contract.threads import one_blas_thread
from fedstats.methods.column_set import check_values, require_settable, rows_with, sizes_where_set
from fedstats.methods.cox_fit import model_of
from fedstats.methods.cox_model import CoxQuery
from fedstats.methods.cox_rows import CoxRows
from fedstats.methods.cox_shared_baseline import CoxRiskSets, cells_of_total
from fedstats.methods.marginal_effects import check_column, values_of
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics.survival_table import ConfType, survival_interval

Array = NDArray[np.float64]


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ExpectedSurvival(CoxQuery):
    """Sums of the survival that a Cox model with a shared baseline hazard predicts for all patients, were a column the same for each.

    ``hazards`` are the published increments of the baseline hazard by stratum and cell.
    """

    hazards: tuple[float, ...] = field(metadata=POINT)
    column: str
    values: tuple[float | str, ...]

    likelihood = "Cox model with one baseline"
    asks = "sums of predicted survival with a column set to given values"
    most_points = 2

    def entries(self) -> dict[str, Entries]:
        """Numbers by value and cell."""
        settings = tuple(f"{self.column}={level_name(value)}" for value in self.values)
        cells, names = self.model.cells, self.model.design.described
        times = between(self.model.grid, beyond=False)
        return {
            "survival": each(
                "sum of the predicted survival at the end of a cell", settings, times, count="v e"
            ),
            "by_hazard": each("sum of how it falls with the hazard before it", settings, cells, count="v c"),
            "by_beta": each("the same times hazard and a column", settings, times, names, count="v e p"),
            "weight": one("sum of the weights"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """1 + v (e + c + e p) sums over patients, of v values of the column and e times."""
        if not self.model.grid:
            raise QueryError("Survival is predicted on an agreed grid; the question names none.")
        require_settable(data, self.model.design, self.model.offset, self.column)
        check_values(self.values)
        cox, _, r = self.at_point(data)
        rows = cox.rows
        w = np.ones(rows.n) if rows.weights is None else rows.weights
        hazard = self._cumulative()[cox.stratum]
        found = [self._of_value(data, cox, w, hazard, value) for value in self.values]
        counted = np.array([rows.counted.sum()])
        in_stratum = np.bincount(cox.stratum[rows.counted], minlength=max(1, len(self.model.strata_levels)))
        times = len(self.model.grid)
        survival, by_hazard, by_beta = (np.stack([getattr(f, k) for f in found]) for k in _Sums.parts())
        behind = np.stack([f.behind for f in found])[:, None, :]
        sums = {
            "survival": Sum(survival, np.broadcast_to(counted, survival.shape)),
            "by_hazard": Sum(by_hazard, np.broadcast_to(np.repeat(in_stratum, times), by_hazard.shape)),
            "by_beta": Sum(by_beta, np.broadcast_to(behind, by_beta.shape)),
            "weight": Sum(np.array([w.sum()]), counted),
        }
        answer = self.answer(cox, r, sums)
        effects = [effect for f in found for effect in f.effects]
        own = [e for effect in effects for e in rows.effective_sizes(effect)]
        alike = [e for f in found for e in rows.predictor_groups(f.eta)]
        return answer.with_evidence(*own, *alike, *(size for f in found for size in f.sizes))

    def _cumulative(self) -> Array:
        """The baseline hazard up to the end of each cell, (strata, e)."""
        if len(self.hazards) != len(self.model.cells) or min(self.hazards, default=0.0) < 0:
            raise QueryError("The published hazards are not one for each cell, and none below zero.")
        return np.cumsum(np.reshape(self.hazards, (-1, len(self.model.grid))), axis=1)

    def _of_value(self, data: SiteData, cox: CoxRows, w: Array, hazard: Array, value: float | str) -> "_Sums":
        rows, design = cox.rows, self.model.design
        frame, raw = rows_with(data, rows.frame, design, self.column, value)
        x, beta = design.scaled(raw), np.array(self.beta)
        eta = x @ beta
        if rows.offset is not None:
            eta = eta + (rows.offset - self.model.offset_centre)
        r = np.exp(eta)[:, None]
        survival = np.exp(-r * hazard)
        falls = w[:, None] * survival * r
        strata = max(1, len(self.model.strata_levels))
        by_hazard = np.stack([falls[cox.stratum == s].sum(axis=0) for s in range(strata)]).ravel()
        return _Sums(
            w @ survival,
            by_hazard,
            (falls * hazard).T @ x,
            np.count_nonzero(raw * rows.counted[:, None], axis=0),
            eta,
            # of survivals near one, or near zero, what is left of a sum is a few patients'
            [
                e
                for e in (*(w[:, None] * survival).T, *(w[:, None] * -np.expm1(-r * hazard)).T, *falls.T)
                if e.any()
            ],
            sizes_where_set(rows, design, frame, raw, x, beta),
        )


@dataclass(frozen=True)
class _Sums:
    """Of one value of the column: sums, who stands behind a column, linear predictors, what weighs a patient, and sizes."""

    survival: Array
    by_hazard: Array
    by_beta: Array
    behind: NDArray[np.int64]
    eta: Array
    effects: list[Array]
    sizes: tuple[Evidence, ...]

    @staticmethod
    def parts() -> tuple[str, str, str]:
        """Names of the sums."""
        return "survival", "by_hazard", "by_beta"


# The coordinator's half ------------------------------------------------------------------------


def standardised_survival(
    federation: Federation,
    fit: Fit,
    column: str,
    *,
    values: Sequence[float | str] | None = None,
    conf_type: ConfType = "log",
    level: float = 0.95,
) -> StandardisedSurvival:
    """Survival that a Cox model expects on average of all patients, were a column the same for each (g-computation).

    Parameters
    ----------
    federation : Federation
        The same sites and patients that the model was fitted on.
    fit : Fit
        Of :func:`cox` with ``baseline="shared"``, without a penalty.
    column : str
        A column of the model; the site itself is one where the codebook has a column of sites (``of_site``).
    values : sequence, optional
        Values of the column, the reference first; its levels unless given.
    conf_type : {"log", "log-log", "plain"}
        Scale of the intervals of the curves; those of differences are plain.
    level : float
        Coverage of the intervals.

    Returns
    -------
    StandardisedSurvival
        The mean over all patients of ``survfit(fit, newdata)`` with the column set, on times moved to the right edge of their cell.

    Raises
    ------
    FormulaError, SiteRefused

    Notes
    -----
    Makuch (1982), Chang, Gelman & Pagano (1982).  The standard error is by the delta method, from the covariance of the
    coefficients (the sandwich of a robust fit) and that of the hazard increments (Tsiatis 1981), for the patients at hand: that others might have
    been drawn is not in it.  A difference between sites is what the site does only as far as the model holds all that site and survival both
    depend on, and hazards are proportional.
    """
    check_federation(federation)
    check_survival_interval(conf_type, level)
    model, gamma = model_of(federation, fit)
    if fit.is_penalised:
        raise FormulaError(
            "A penalised fit has no standard error of what it predicts; fit without a penalty."
        )
    if not model.grid:
        raise FormulaError(
            'Where every site has a baseline hazard of its own, patients of different sites are not comparable: fit with baseline="shared".'
        )
    check_column(column, model.design, federation.codebook)
    variable = federation.codebook[column]
    asked = tuple(v if isinstance(v, str) else float(v) for v in values_of(variable, values))
    meter = Meter(federation)
    with one_blas_thread():
        risk_sets = meter.sum(CoxRiskSets(model, gamma))
        check_counts(fit, risk_sets)
        sums, terms = cells_of_total(risk_sets, model.ties)
        hazards = tuple(np.maximum(terms.a, 0.0).tolist())
        total = meter.sum(ExpectedSurvival(model, gamma, hazards, column, asked))
        jacobian, increments = _slopes(total, pl.cell_means(sums, terms))
        inverse = np.linalg.inv(model.design.unscaling())
        covariance = inverse @ fit.covariance @ inverse.T
    survival = total["survival"] / total["weight"][0]
    curves = _Curves(
        model.grid, [level_name(v) for v in asked], survival, jacobian, increments, covariance, terms.p
    )
    return StandardisedSurvival(
        fit.formula,
        column,
        curves.frame(conf_type, level),
        curves.contrasts(level),
        fit.status,
        meter.rounds,
        meter.n_bytes,
        federation.sites,
        conf_type,
        level,
    )


def _slopes(total: Total, means: pl.CellMeans) -> tuple[Array, Array]:
    """How mean survival changes with the coefficients, (v, e, p), and with each stratum's hazard before a time, (v, S, e)."""
    v, times = total["survival"].shape
    weight = total["weight"][0]
    by_hazard = -total["by_hazard"].reshape(v, -1, times) / weight
    of_hazard = -np.cumsum(means.c.reshape(-1, times, means.c.shape[1]), axis=1)  # (S, e, p)
    indirect = np.einsum("vse,sep->vep", by_hazard, of_hazard)
    return indirect - total["by_beta"] / weight, by_hazard


@dataclass(frozen=True)
class _Curves:
    """Mean survival by value and time, with what its uncertainty comes from."""

    grid: tuple[float, ...]
    values: list[str]
    survival: Array
    by_beta: Array
    by_hazard: Array
    covariance: Array
    increments: Array

    def _std_error(self, weights: Array) -> Array:
        """Of a combination of the values' curves, (e,)."""
        beta = np.einsum("v,vep->ep", weights, self.by_beta)
        hazard = np.einsum("v,vse->se", weights, self.by_hazard)
        of_increments = np.cumsum(self.increments.reshape(-1, len(self.grid)), axis=1)
        variance = np.einsum("ep,pq,eq->e", beta, self.covariance, beta) + (hazard**2 * of_increments).sum(
            axis=0
        )
        return np.sqrt(np.maximum(variance, 0.0))

    def frame(self, conf_type: ConfType, level: float) -> pd.DataFrame:
        """One row a value and time, from time 0 on."""
        parts = []
        for i, value in enumerate(self.values):
            survival = np.append(1.0, self.survival[i])
            error = np.append(0.0, self._std_error(np.eye(len(self.values))[i]))
            low, high = survival_interval(survival, error / survival, conf_type, level)
            parts.append(self._part("value", value, survival, error, low, high))
        return pd.concat(parts, ignore_index=True)

    def contrasts(self, level: float) -> pd.DataFrame:
        """Every other value less the first."""
        z, parts = float(norm.isf((1 - level) / 2)), []
        for i, value in enumerate(self.values[1:], 1):
            weights = np.zeros(len(self.values))
            weights[[0, i]] = -1.0, 1.0
            difference = np.append(0.0, self.survival[i] - self.survival[0])
            error = np.append(0.0, self._std_error(weights))
            ends = difference - z * error, difference + z * error
            parts.append(self._part("contrast", f"{value} - {self.values[0]}", difference, error, *ends))
        return pd.concat(parts, ignore_index=True)

    def _part(
        self, what: str, name: str, estimate: Array, error: Array, low: Array, high: Array
    ) -> pd.DataFrame:
        numbers = {"estimate": estimate, "std_error": error, "conf_low": low, "conf_high": high}
        return pd.DataFrame({what: name, "time": np.append(0.0, self.grid)} | numbers)
