"""Standardised risks with their differences and ratios, and average marginal effects, with intervals by the delta method."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, check_level, known_column
from fedstats.contract.condition import level_name
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.hypotheses import coefficient_table
from fedstats.contract.query import QueryError
from fedstats.contract.threads import one_blas_thread
from fedstats.methods.glm_fit import model_of
from fedstats.methods.glm_model import GlmModel
from fedstats.methods.standardisation import MarginalSlopes, StandardisedMeans, derivative

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StandardisedRisks:
    """What a model expects on average, were a column the same for all patients.

    Attributes
    ----------
    column : str
    values : tuple of str     of the column, the reference first
    measure : str             ``"risk"`` of a 0/1 outcome, else ``"mean"``
    estimates : (v,)
    covariance : (v, v)
    """

    column: str
    values: tuple[str, ...]
    measure: str
    estimates: Array
    covariance: Array
    level: float
    df_residual: float
    rounds: int
    n_bytes: int

    def tidy(self) -> pd.DataFrame:
        """One row a risk, difference and ratio: measure term estimate std_error statistic p_value conf_low conf_high.

        Differences and ratios are to the first value.  Of a ratio the standard error is that of its logarithm; a risk by
        itself is not tested.
        """
        risks = self._table(self.measure, self.values, np.eye(len(self.values)))
        risks[["statistic", "p_value"]] = np.nan
        return pd.concat([risks, self.differences(), self.ratios()], ignore_index=True)

    def differences(self) -> pd.DataFrame:
        """Every other value less the first."""
        contrasts = np.eye(len(self.values))[1:]
        contrasts[:, 0] = -1.0
        names = [f"{value} - {self.values[0]}" for value in self.values[1:]]
        return self._table(f"{self.measure} difference", names, contrasts)

    def ratios(self) -> pd.DataFrame:
        """Every other value over the first, where all are above zero; else none."""
        names = [f"{value} / {self.values[0]}" for value in self.values[1:]]
        if (self.estimates <= 0).any():
            return self._table(f"{self.measure} ratio", [], np.zeros((0, len(self.values))))
        contrasts = np.eye(len(self.values))[1:]
        contrasts[:, 0] = -1.0
        return self._table(f"{self.measure} ratio", names, contrasts / self.estimates, exponentiate=True)

    def _table(
        self, measure: str, names: Sequence[str], jacobian: Array, *, exponentiate: bool = False
    ) -> pd.DataFrame:
        """Of combinations of the risks, or of their logarithms (whose slopes the Jacobian holds)."""
        contrasts = np.sign(jacobian) if exponentiate else jacobian
        estimates = contrasts @ (np.log(self.estimates) if exponentiate else self.estimates)
        table = coefficient_table(
            names,
            estimates,
            jacobian @ self.covariance @ jacobian.T,
            np.zeros(len(names)),
            self.level,
            exponentiate=exponentiate,
            df=self.df_residual,
        )
        table.insert(0, "measure", measure)
        return table

    def _repr_html_(self) -> str:
        return self.tidy().to_html(index=False, float_format="%.4g")


@dataclass(frozen=True)
class MarginalEffects:
    """Average marginal effects; ``frame`` has one row an effect: term contrast estimate std_error statistic p_value conf_low conf_high."""

    frame: pd.DataFrame
    rounds: int
    n_bytes: int

    def tidy(self) -> pd.DataFrame:
        """One row an effect."""
        return self.frame.copy()

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False, float_format="%.4g")


def standardised_risks(
    federation: Federation,
    fit: Fit,
    column: str,
    *,
    values: Sequence[float | str] | None = None,
    level: float = 0.95,
) -> StandardisedRisks:
    """Risks standardised to all patients of a fit: their mean, were a column the same for each of them.

    Parameters
    ----------
    federation : Federation
        The same sites and patients that the model was fitted on.
    fit : Fit
        Of :func:`logistic` or :func:`glm`.
    column : str
        A column of the model, for instance the treatment.
    values : sequence, optional
        Levels, or numbers, the reference first; None: the column's levels as the codebook has them.
    level : float
        Coverage of the intervals.

    Returns
    -------
    StandardisedRisks
        Risks with their differences and ratios; means of an outcome that is not 0 or 1.

    Raises
    ------
    FormulaError, SiteRefused

    Notes
    -----
    The g-formula, sum_i w_i mu(x_i with the column set) / sum_i w_i.  Standard errors are of the delta method, with the fit's covariance
    (the sandwich of a robust fit) and the patients' other columns as they are.
    """
    check_federation(federation)
    check_level(level)
    model, beta = _checked(federation, fit, column)
    chosen = tuple(federation.codebook[column].levels if values is None else values)
    if len(chosen) < 2 or isinstance(values, str):
        raise FormulaError(f"Give at least two values of {column}, the reference first, as values=[0, 1].")
    meter = Meter(federation)
    estimates, jacobian = _means(meter, model, beta, column, chosen)
    return StandardisedRisks(
        column,
        tuple(level_name(value) for value in chosen),
        "risk" if model.family == "binomial" else "mean",
        estimates,
        jacobian @ fit.covariance @ jacobian.T,
        level,
        fit.df_residual,
        meter.rounds,
        meter.n_bytes,
    )


def marginal_effects(
    federation: Federation, fit: Fit, variables: Sequence[str] | None = None, *, level: float = 0.95
) -> MarginalEffects:
    """Average marginal effects: of a factor, the mean difference of what is expected; of a number, the mean slope.

    Parameters
    ----------
    federation : Federation
        The same sites and patients that the model was fitted on.
    fit : Fit
        Of :func:`logistic` or :func:`glm`.
    variables : sequence of str, optional
        Columns of the model; None: all.
    level : float
        Coverage of the intervals.

    Returns
    -------
    MarginalEffects
        A level's effect is its difference to the reference level (``contrast`` ``"B - A"``), that of a number its slope
        (``"slope"``).

    Raises
    ------
    FormulaError
        A function of a number, such as a spline: ask :func:`standardised_risks` for two values of it.
    SiteRefused

    Notes
    -----
    Standard errors are of the delta method, as in :func:`standardised_risks`.
    """
    check_federation(federation)
    check_level(level)
    model, _ = model_of(federation, fit)
    if isinstance(variables, str):
        variables = [variables]
    meter, tables = Meter(federation), []
    for name in model.design.variables if variables is None else variables:
        _, beta = _checked(federation, fit, name)
        levels = any(p.level is not None for c in model.design.columns for p in c.parts if p.column == name)
        if levels:
            values = federation.codebook[name].levels
            estimates, jacobian = _means(meter, model, beta, name, values)
            estimates, jacobian = estimates[1:] - estimates[0], jacobian[1:] - jacobian[0]
            contrasts = [f"{value} - {values[0]}" for value in values[1:]]
        else:
            estimates, jacobian = _slopes(meter, model, beta, name)
            contrasts = ["slope"]
        covariance = jacobian @ fit.covariance @ jacobian.T
        null, df = np.zeros(len(estimates)), fit.df_residual
        table = coefficient_table(
            [name] * len(estimates), estimates, covariance, null, level, exponentiate=False, df=df
        )
        table.insert(1, "contrast", contrasts)
        tables.append(table)
    if not tables:
        raise FormulaError("The model has no column of which there could be an effect.")
    return MarginalEffects(pd.concat(tables, ignore_index=True), meter.rounds, meter.n_bytes)


def _checked(federation: Federation, fit: Fit, column: str) -> tuple[GlmModel, tuple[float, ...]]:
    """The fitted model and its coefficients, where the column is one of it and the fit has a covariance."""
    model, beta = model_of(federation, fit)
    known_column(column, federation.codebook, "A variable")
    if column not in model.design.variables:
        raise FormulaError(f"{column} is no column of the model; it has {', '.join(model.design.variables)}.")
    if not np.isfinite(fit.covariance).all():
        raise FormulaError("A lasso has no standard errors, and neither has what follows from it.")
    return model, beta


def _means(
    meter: Meter, model: GlmModel, beta: tuple[float, ...], column: str, values: Sequence[float | str]
) -> tuple[Array, Array]:
    """Means with the column set to each value, and their slopes in the coefficients as written."""
    asked = tuple(v if isinstance(v, str) else float(v) for v in values)
    with one_blas_thread():
        total = meter.sum(StandardisedMeans(model, beta, column, asked))
    weight = float(total["weight"][0])
    return model.centre + model.scale * total["mean"] / weight, _as_written(model, total["slope"] / weight)


def _slopes(meter: Meter, model: GlmModel, beta: tuple[float, ...], column: str) -> tuple[Array, Array]:
    """The mean slope of a number, and its slopes in the coefficients as written."""
    try:
        derivative(model.design, column)
    except QueryError as problem:
        raise FormulaError(
            f"{problem} Ask fs.standardised_risks for its difference between two values."
        ) from None
    with one_blas_thread():
        total = meter.sum(MarginalSlopes(model, beta, column))
    weight = float(total["weight"][0])
    return model.scale * total["effect"] / weight, _as_written(model, total["slope"][None, :] / weight)


def _as_written(model: GlmModel, slopes: Array) -> Array:
    """From slopes in coefficients of the scaled columns (v, k) to those of the columns as written."""
    return np.asarray(np.linalg.solve(model.design.unscaling().T, slopes.T).T)
