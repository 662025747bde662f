"""A model under penalties that vary: what a path and its cross-validation know of it at the coordinator."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.arguments import check_patients
from fedstats.contract.design import Design
from fedstats.contract.federation import Meter
from fedstats.methods.cox_regression import CoxDerivatives, cox_evaluation, cox_model
from fedstats.methods.cox_shared_baseline import CoxRiskSets, check_baseline
from fedstats.methods.glm_evaluation import Evaluation, null_model, outcome_units
from fedstats.methods.glm_model import GlmDerivatives
from fedstats.methods.glm_regression import glm_model
from fedstats.numerics.newton import Derivatives
from fedstats.numerics.path_of_penalties import quadratic
from fedstats.numerics.penalties import ElasticNet, Weighted

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PenalisedModel:
    """Derivatives of a model, where its path begins, and the units of its strengths.

    Attributes
    ----------
    question : query           the derivatives of the model, at zero (of a shared baseline hazard its risk sets)
    derivatives : callable     at any point; of a Gaussian model without asking
    null : Derivatives         the maximum with all penalised coefficients zero
    perfect : float            twice the log-likelihood of a perfect fit; zero where that is counted as zero
    scale, centre : float      the units of a Gaussian outcome
    counts : mapping           n, n_event, dropped
    status : str               how its fits relate to the pooled ones
    """

    family: str
    question: GlmDerivatives | CoxDerivatives | CoxRiskSets
    derivatives: Callable[[Array], Derivatives]
    null: Derivatives
    perfect: float
    scale: float
    centre: float
    counts: Mapping[str, int]
    status: str = "exact"

    @property
    def design(self) -> Design:
        """Of the model."""
        return self.question.model.design

    @property
    def grid(self) -> tuple[float, ...]:
        """Of a shared baseline hazard; else none."""
        return getattr(self.question.model, "grid", ())

    def penalties(
        self, at: Derivatives, weight: float, spread: Array, mixing: float, strengths: Array
    ) -> list[Weighted]:
        """In the units of the columns, for patients with this weight and spread; ``at`` are their derivatives at the null point."""
        units = 1.0, 1.0
        if isinstance(self.question, GlmDerivatives):
            units = outcome_units(self.question.model, at, weight)
        return [Weighted.of(ElasticNet(s, mixing), weight, spread, units) for s in strengths.tolist()]

    def deviance(self, loglik: Array | float, perfect: float) -> Array:
        """In the outcome's own units."""
        return np.asarray(self.scale**2 * (perfect - 2 * np.asarray(loglik)))

    def as_written(self, found: Sequence[Derivatives]) -> Array:
        """Coefficients on the scale of the columns as they were written, (k, p)."""
        beta = np.array([at.beta for at in found]) * self.scale
        if self.design.intercept:
            beta[:, 0] += self.centre
        # zeros stay zeros: the transform is diagonal but for the intercept
        return np.asarray(beta @ self.design.unscaling().T)


def penalised_model(
    meter: Meter, formula: str, family: str, course: str, options: Mapping[str, Any]
) -> PenalisedModel:
    """Ask for the null model; ``course`` names the rounds of these strengths."""
    if family == "cox":
        return _cox(meter, formula, course, options)
    return _glm(meter, formula, family, course, options)


def _glm(meter: Meter, formula: str, family: str, course: str, options: Mapping[str, Any]) -> PenalisedModel:
    model = glm_model(meter.federation, formula, family, None, options["weights"], options["offset"])
    evaluate = Evaluation(meter, model, formula, course)
    null = null_model(evaluate)
    return PenalisedModel(
        family,
        GlmDerivatives(model, tuple(model.begin(meter.federation.codebook).tolist()), course=course),
        quadratic(null) if family == "gaussian" else evaluate,
        null,
        evaluate.perfect(null),
        model.scale,
        model.centre,
        evaluate.counts,
    )


def _cox(meter: Meter, formula: str, course: str, options: Mapping[str, Any]) -> PenalisedModel:
    columns = {name: options[name] for name in ("strata", "ties", "weights", "offset")}
    model = cox_model(meter.federation, formula, **columns)
    baseline = options.get("baseline", "site")
    check_baseline(meter.federation, baseline, model.strata)
    model, evaluate, status = cox_evaluation(meter, model, baseline, options.get("grid"), course)
    zero = np.zeros(len(model.design.names))
    null = evaluate(zero)
    check_patients(evaluate.counts, formula, model.weights)
    return PenalisedModel(
        "cox", evaluate.question(zero), evaluate, null, 0.0, 1.0, 0.0, evaluate.counts, status
    )
