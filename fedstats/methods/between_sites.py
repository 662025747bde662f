"""How far intercepts of an imputation model lie apart between practices or sites: what is drawn where a variable was never observed."""

from collections.abc import Mapping

import numpy as np

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.arguments import known_column
from fedstats.contract.design import Design
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.formula import FormulaError
from fedstats.contract.imputed_columns import levels_of_variable
from fedstats.contract.values import is_number, shown
from fedstats.methods.glm_fit import agreed_units
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.methods.patient_groups import SITE
from fedstats.methods.practice_estimates import PracticeEstimates
from fedstats.numerics.families import family_of
from fedstats.numerics.meta_analysis import between_groups

#: So many practices or sites tell something of how far others may lie apart.
LEAST_UNITS = 3

Between = str | Mapping[str, float] | None


def deviations_between(
    federation: Federation, designs: Mapping[str, Design], between: Between, meter: Meter
) -> dict[str, float]:
    """Standard deviation of intercepts between units, of each imputed variable.

    Parameters
    ----------
    designs : mapping       of each variable the columns of its model that are observed
    between : str, mapping or None
        A column of practices, or ``"site"``: estimated by REML of the intercepts of each unit's own fit.  A mapping states them.

    Raises
    ------
    FormulaError
        Neither, a variable that is not imputed, or one that fewer than three units have observed.
    """
    if between is None:
        return {}
    if isinstance(between, Mapping):
        return _stated(between, designs)
    if not isinstance(between, str):
        raise FormulaError(
            f'between is {shown(between)}; give a column of practices, "site", or standard deviations by variable.'
        )
    by = None if between == SITE and SITE not in federation.codebook else between
    if by is not None and known_column(by, federation.codebook, "between").kind not in ("label", "factor"):
        raise FormulaError(f"between is {by!r}; give a column of practices, or 'site'.")
    return {name: _estimated(federation, name, design, by, meter) for name, design in designs.items()}


def _stated(between: Mapping[str, float], designs: Mapping[str, Design]) -> dict[str, float]:
    if not all(is_number(value) and value >= 0 for value in between.values()):
        raise FormulaError(
            f'between is {shown(dict(between))}; give standard deviations by variable, as {{"albumin": 2.0}}.'
        )
    if unknown := {*between} - {*designs}:
        raise FormulaError(f"between names {shown(min(unknown, key=str))}, which is not imputed.")
    return {name: float(value) for name, value in between.items()}


def _estimated(federation: Federation, name: str, design: Design, by: str | None, meter: Meter) -> float:
    """REML of the intercepts, at the agreed centres of the other columns."""
    levels = levels_of_variable(name, federation.codebook)
    nothing = (0.0,) * len(design.names)
    scale, variance = 1.0, 1.0
    if levels:
        level = None if federation.codebook[name].kind == "event" else levels[0]
        question = GlmDerivatives(GlmModel(name, design, None, None, None, event_level=level), nothing)
    else:
        family = family_of("gaussian", None)
        centre, scale = agreed_units(federation, name, family, centred=True)
        model = GlmModel(name, design, None, None, None, family.name, family.link, centre=centre, scale=scale)
        question = GlmDerivatives(model, nothing)
        total = meter.sum(question)
        beta = np.linalg.solve(full_matrix(total["information"]), total["score"])
        left = float(total["deviance"][0]) - float(total["score"] @ beta)
        variance = left / (float(total["n"][0]) - len(beta))
    found = list(meter.each(PracticeEstimates(question, by, (), (0,))).values())
    # a unit whose own fit lacks a level has its intercept at another reference
    estimated = np.concatenate(
        [(own["estimated"][:, 0] > 0) & (own["aliased"] == 0).all(axis=1) for own in found]
    )
    estimates = np.concatenate([own["estimate"][:, 0] for own in found])[estimated]
    variances = variance * np.concatenate([own["covariance"][:, 0, 0] for own in found])[estimated]
    if len(estimates) < LEAST_UNITS:
        raise FormulaError(
            f"{name} was observed with its own model in {len(estimates)} unit{'' if len(estimates) == 1 else 's'}, too few to say how far others lie "
            f'apart: state a standard deviation as a sensitivity analysis, between={{"{name}": ...}}.'
        )
    return scale * float(np.sqrt(between_groups(estimates, variances, "REML")))
