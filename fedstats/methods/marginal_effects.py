"""Standardised risks with their differences and ratios, and average marginal effects, with intervals by the delta method."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import level_name
from fedstats.contract.design import Design
from fedstats.contract.effect_results import MarginalEffects, StandardisedRisks
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.hypotheses import coefficient_table
from fedstats.contract.query import QueryError
from fedstats.contract.same_patients import AS_A_POPULATION, check_weight
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_flag, check_level, shown
from fedstats.contract.variable import Variable
from fedstats.methods.glm_fit import model_of
from fedstats.methods.glm_model import GlmModel
from fedstats.methods.standardisation import MarginalSlopes, StandardisedMeans, derivative
from fedstats.methods.weighting import with_weights_of

Array = NDArray[np.float64]


def standardised_risks(
    federation: Federation,
    fit: Fit,
    column: str,
    *,
    values: Sequence[float | str] | None = None,
    level: float = 0.95,
    another_population: bool = False,
) -> StandardisedRisks:
    """Risks standardised to all patients of a fit: their mean, were a column the same for each of them.

    Parameters
    ----------
    federation : Federation
        The same sites and patients that the model was fitted on, unless ``another_population``.
    fit : Fit
        Of :func:`logistic` or :func:`glm`.
    column : str
        A column of the model, for instance the treatment.
    values : sequence, optional
        Levels, or numbers, the reference first; None: the column's levels as the codebook has them.
    level : float
        Coverage of the intervals.
    another_population : bool
        Whether the federation's patients are meant although the fit is of others: those of one arm, or those whom it is to be
        carried over to.  Nothing but the coefficients is taken from the fit then, an intercept among them.

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
    federation = with_weights_of(federation, fit)
    check_level(level)
    check_flag("another_population", another_population)
    model, beta = _checked(federation, fit, column)
    chosen = values_of(federation.codebook[column], values)
    meter = Meter(federation)
    its_own = None if another_population else fit
    estimates, jacobian = _means(meter, model, beta, column, chosen, its_own)
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
    federation: Federation,
    fit: Fit,
    variables: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    another_population: bool = False,
) -> MarginalEffects:
    """Average marginal effects: of a factor, the mean difference of what is expected; of a number, the mean slope.

    Parameters
    ----------
    federation : Federation
        The same sites and patients that the model was fitted on, unless ``another_population``.
    fit : Fit
        Of :func:`logistic` or :func:`glm`.
    variables : sequence of str, optional
        Columns of the model; None: all.
    level : float
        Coverage of the intervals.
    another_population : bool
        As in :func:`standardised_risks`.

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
    federation = with_weights_of(federation, fit)
    check_level(level)
    check_flag("another_population", another_population)
    model, _ = model_of(federation, fit)
    if isinstance(variables, str):
        variables = [variables]
    if variables is not None and not isinstance(variables, Sequence):
        raise FormulaError(
            f"variables is {shown(variables)}; give the name of a column, or several in a list."
        )
    its_own = None if another_population else fit
    meter, tables = Meter(federation), []
    for name in model.design.variables if variables is None else variables:
        _, beta = _checked(federation, fit, name)
        if _has_levels(name, model.design):
            values = federation.codebook[name].levels
            estimates, jacobian = _means(meter, model, beta, name, values, its_own)
            estimates, jacobian = estimates[1:] - estimates[0], jacobian[1:] - jacobian[0]
            contrasts = [f"{value} - {values[0]}" for value in values[1:]]
        else:
            estimates, jacobian = _slopes(meter, model, beta, name, its_own)
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
    return MarginalEffects(pd.concat(tables, ignore_index=True), meter.rounds, meter.n_bytes, level)


def _checked(federation: Federation, fit: Fit, column: str) -> tuple[GlmModel, tuple[float, ...]]:
    """The fitted model and its coefficients, where the column is one of it and the fit has a covariance."""
    model, beta = model_of(federation, fit)
    check_column(column, model.design, federation.codebook)
    if not np.isfinite(fit.covariance).all():
        raise FormulaError("A lasso has no standard errors, and neither has what follows from it.")
    return model, beta


def check_column(column: str, design: Design, codebook: Codebook, *, slope: bool = False) -> None:
    """A column that can be set for all patients; with ``slope`` one that has an average slope, where it is a number.

    Raises
    ------
    FormulaError
    """
    known_column(column, codebook, "A variable")
    if column not in design.variables:
        raise FormulaError(f"{column} is no column of the model; it has {', '.join(design.variables)}.")
    if slope and not _has_levels(column, design):
        try:
            derivative(design, column)
        except QueryError as problem:
            raise FormulaError(
                f"{problem} Ask for standardised risks: their difference between two values."
            ) from None


def values_of(variable: Variable, values: Sequence[float | str] | None) -> tuple[float | str, ...]:
    """Values that a column is set to, the reference first; None: its levels.

    Raises
    ------
    FormulaError
        Fewer than two, or one of them twice, or no agreed level.
    """
    given = values if isinstance(values, list | tuple | np.ndarray) else ()  # a number is no contrast
    chosen = variable.levels if values is None else tuple(given)
    if len({level_name(value) for value in chosen}) < max(2, len(chosen)):
        raise FormulaError(
            f"Give at least two values of {variable.name}, each once and the reference first, as values=[0, 1]."
        )
    unknown = [value for value in chosen if variable.levels and level_name(value) not in variable.levels]
    if unknown:
        raise FormulaError(
            f"{variable.name} has no level {shown(unknown[0])}; the codebook agrees on {', '.join(variable.levels)}."
        )
    return chosen


def _has_levels(column: str, design: Design) -> bool:
    return any(p.level is not None for c in design.columns for p in c.parts if p.column == column)


def _means(
    meter: Meter,
    model: GlmModel,
    beta: tuple[float, ...],
    column: str,
    values: Sequence[float | str],
    fit: Fit | None,
) -> tuple[Array, Array]:
    """Means with the column set to each value, and their slopes in the coefficients as written; of the patients of ``fit``."""
    asked = tuple(v if isinstance(v, str) else float(v) for v in values)
    with one_blas_thread():
        total = meter.sum(StandardisedMeans(model, beta, column, asked))
    if fit is not None:
        check_weight(fit, total, AS_A_POPULATION)
    weight = float(total["weight"][0])
    return model.centre + model.scale * total["mean"] / weight, _as_written(model, total["slope"] / weight)


def _slopes(
    meter: Meter, model: GlmModel, beta: tuple[float, ...], column: str, fit: Fit | None
) -> tuple[Array, Array]:
    """The mean slope of a number, and its slopes in the coefficients as written; of the patients of ``fit``."""
    check_column(column, model.design, meter.federation.codebook, slope=True)
    with one_blas_thread():
        total = meter.sum(MarginalSlopes(model, beta, column))
    if fit is not None:
        check_weight(fit, total, AS_A_POPULATION)
    weight = float(total["weight"][0])
    return model.scale * total["effect"] / weight, _as_written(model, total["slope"][None, :] / weight)


def _as_written(model: GlmModel, slopes: Array) -> Array:
    """From slopes in coefficients of the scaled columns (v, k) to those of the columns as written."""
    return np.asarray(np.linalg.solve(model.design.unscaling().T, slopes.T).T)
