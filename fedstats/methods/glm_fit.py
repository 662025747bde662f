"""The model behind a fit of a generalised linear model, for what is asked about it afterwards."""

import numpy as np

from fedstats.contract.codebook import Codebook
from fedstats.contract.federation import Federation
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse_again
from fedstats.methods.glm_model import GlmModel
from fedstats.numerics.families import Family, family_of


def agreed_units(
    federation: Federation, outcome: str, family: Family, *, centred: bool
) -> tuple[float, float]:
    """Centre and scale of a Gaussian outcome, as the codebook has them; without an intercept nothing can be centred."""
    if family.name != "gaussian":
        return 0.0, 1.0
    agreed = federation.codebook[outcome]
    return (agreed.centre if centred else 0.0), agreed.scale


def event_level_of(federation: Federation, outcome: str, family: Family) -> str | None:
    """As :func:`event_level_in`, by the codebook of a federation."""
    return event_level_in(federation.codebook, outcome, family)


def event_level_in(codebook: Codebook, outcome: str, family: Family) -> str | None:
    """Of a factor of two levels the second, as ``glm`` has it; None where the outcome is 0 or 1, or a measurement.

    Raises
    ------
    FormulaError
        A factor of more levels, or one as the outcome of a family that has none.
    """
    variable = codebook[outcome]
    if variable.kind != "factor":
        return None
    if len(variable.levels) != 2 or not family.counts_outcomes:
        raise FormulaError(
            f"{outcome} has the levels {', '.join(variable.levels)}; an outcome of a {family.name} model is "
            + ("0 or 1, or a factor of two levels." if family.counts_outcomes else "a number.")
        )
    return variable.levels[1]


def model_of(federation: Federation, fit: Fit) -> tuple[GlmModel, tuple[float, ...]]:
    """The model that was fitted, and its coefficients on the scale of the question's columns and outcome.

    Raises
    ------
    FormulaError
        No generalised linear model, or one of another codebook.
    """
    if getattr(fit, "kind", None) not in ("logistic", "glm"):
        raise FormulaError(
            "This is about a generalised linear model: give the result of fs.logistic or fs.glm."
        )
    options = fit.options
    if fit.intercepts:
        raise FormulaError(
            "Fitted values need the intercepts, which stay at the sites: give a fit without intercepts=."
        )
    family = family_of(options.get("family", "binomial"), options.get("link"))
    outcome, design = parse_again(fit.formula, fit.names, federation.codebooks, intercept=True)
    centre, scale = agreed_units(federation, outcome.event, family, centred=design.intercept)
    model = GlmModel(
        outcome.event,
        design,
        options["weights"],
        options["offset"],
        options["cluster"],
        family.name,
        family.link,
        centre,
        scale,
        event_level=event_level_of(federation, outcome.event, family),
    )
    beta = np.array(fit.beta)
    if design.intercept:
        beta[0] -= centre
    return model, tuple((np.linalg.solve(design.unscaling(), beta) / scale).tolist())
