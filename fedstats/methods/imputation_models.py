"""Imputation models: federated fits to those in whom a variable was observed, and a draw of their parameters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.condition import Condition
from fedstats.contract.design import Design
from fedstats.contract.federation import Federation, Meter, Subset
from fedstats.contract.imputed_columns import ImputationStep, levels_of_variable
from fedstats.contract.linear_predictor import DIGITS
from fedstats.contract.threads import one_blas_thread
from fedstats.methods.glm_fit import agreed_units
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.numerics.families import family_of
from fedstats.numerics.imputation_draws import drawn_coefficients, drawn_linear_model
from fedstats.numerics.newton import Derivatives, NotConverged, newton

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """A step with parameters from their posterior, and what it took.

    Attributes
    ----------
    step : ImputationStep
    estimates : tuple of (p,)   estimates of its models, where the next cycle begins
    n : int                     patients in whom the variable was observed, with all predictors
    rounds, n_bytes : int
    """

    step: ImputationStep
    estimates: tuple[Array, ...]
    n: int
    rounds: int
    n_bytes: int


def drawn_step(
    federation: Federation,
    variable: str,
    design: Design,
    begin: tuple[Array, ...],
    random: np.random.Generator,
) -> Drawn:
    """Fit the imputation model of a variable, and draw its parameters.

    Parameters
    ----------
    federation : Federation    in which the variable is as it was observed, and its predictors are completed
    begin : tuple of (p,)      estimates where the fits may begin; none: at zero

    Raises
    ------
    NotConverged
        The model has no finite maximum, or no residual; the message names the variable.
    """
    meter = Meter(federation)
    levels = levels_of_variable(variable, federation.codebook)
    try:
        with one_blas_thread():
            if not levels:
                step, estimates, n = _of_number(meter, variable, design, random)
            else:
                step, estimates, n = _of_levels(meter, variable, levels, design, begin, random)
    except NotConverged as problem:
        raise NotConverged(
            f"The imputation model of {variable} cannot be fitted. {problem} Take fewer predictors, or merge levels of {variable}."
        ) from None
    return Drawn(step, estimates, n, meter.rounds, meter.n_bytes)


def _of_number(
    meter: Meter, variable: str, design: Design, random: np.random.Generator
) -> tuple[ImputationStep, tuple[Array, ...], int]:
    """A linear model from one question: its sums at zero are X'y, X'X and y'y."""
    family = family_of("gaussian", None)
    centre, scale = agreed_units(meter.federation, variable, family, centred=True)
    model = GlmModel(variable, design, None, None, None, family.name, family.link, centre=centre, scale=scale)
    nothing = np.zeros(len(design.names))
    total = meter.sum(GlmDerivatives(model, tuple(nothing.tolist())))
    slope, products = total["score"], full_matrix(total["information"])
    n, squares = round(float(total["n"][0])), float(total["deviance"][0])

    def at(beta: Array) -> Derivatives:
        loglik = float(slope @ beta - beta @ products @ beta / 2 - squares / 2)
        return Derivatives(loglik, slope - products @ beta, products, beta)

    if n <= len(nothing):
        raise NotConverged(f"There are {n} patients for {len(nothing)} coefficients.")
    beta = newton(at, nothing, design.names).beta
    left = squares - float(slope @ beta)
    if left <= 1e-12 * squares:
        raise NotConverged("The variable follows from its predictors without any residual.")
    drawn, spread = drawn_linear_model(beta, products, left, n - len(beta), random)
    drawn, spread = drawn * scale, spread * scale
    drawn[0] += centre
    return ImputationStep(variable, design, (_digits(drawn),), _digits([spread])[0]), (beta,), n


def _of_levels(
    meter: Meter,
    variable: str,
    levels: tuple[str, ...],
    design: Design,
    begin: tuple[Array, ...],
    random: np.random.Generator,
) -> tuple[ImputationStep, tuple[Array, ...], int]:
    """Logistic models of each level but the last, among those with it or a later one."""
    is_event = meter.federation.codebook[variable].kind == "event"
    rows, estimates, patients = [], [], 0
    for i, level in enumerate(levels[:-1]):
        among: Federation = meter.federation
        if i:
            among = Subset(among, (Condition(variable, "in", levels[i:]),))
        own = Meter(among)
        model = GlmModel(variable, design, None, None, None, event_level=None if is_event else level)
        start = begin[i] if len(begin) > i else np.zeros(len(design.names))
        counts: list[int] = []

        def at(
            beta: Array, own: Meter = own, model: GlmModel = model, counts: list[int] = counts
        ) -> Derivatives:
            total = own.sum(GlmDerivatives(model, tuple(beta.tolist())))
            counts.append(round(float(total["n"][0])))
            information = full_matrix(total["information"])
            return Derivatives(
                float(total["loglik"][0]), total["score"], information, np.array(total.query.beta)
            )

        found = newton(at, start, design.names)
        drawn = drawn_coefficients(found.beta, found.at.information, random)
        rows.append(_digits(-drawn if is_event else drawn))
        estimates.append(found.beta)
        patients = patients or counts[-1]
        meter.rounds, meter.n_bytes = meter.rounds + own.rounds, meter.n_bytes + own.n_bytes
    return ImputationStep(variable, design, tuple(rows)), tuple(estimates), patients


def _digits(values: Array | list[float]) -> tuple[float, ...]:
    """To so many digits that a replay on another machine names the same column."""
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)
