"""The augmented (doubly robust) effect of a treatment on a 0/1 outcome: a model of the outcome and one of the treatment.

With m_a(x) what the outcome's model expects under treatment a, and e(x) the propensity, the mean outcome were everybody given a is the
mean of phi_a = m_a(x) + 1[A = a] / P(A = a | x) (y - m_a(x)): right where either model is (Robins, Rotnitzky & Zhao 1994).  Of the treated it
is the sum of phi_a = A m_a(x) + 1[A = a] w (y - m_a(x)) over how many they are, with the weights w of ATT.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fedstats.contract.aggregate import Aggregate, Sum, full_matrix
from fedstats.contract.arguments import check_federation
from fedstats.contract.dominance import deviations, dominance_of_sums
from fedstats.contract.effect_results import StandardisedRisks
from fedstats.contract.entries import Entries, each, one, pairs
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.formula import FormulaError
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.query import QueryError
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_level
from fedstats.methods.glm_fit import model_of
from fedstats.methods.glm_model import GlmQuery
from fedstats.methods.glm_regression import logistic
from fedstats.methods.standardisation import StandardisedMeans
from fedstats.methods.weighting import PropensityWeights, weighted


@dataclass(frozen=True)
class AugmentedMeans(GlmQuery):
    """Sums and products over patients of what a model expects with a treatment set, augmented by weighted residuals.

    The model's weights are those of the treatment; ``values`` are the untreated and the treated one.  Fitted values are of those
    whom the effect is of: all patients, or with the weights of ATT the treated; residuals are of all.
    """

    column: str
    values: tuple[float | str, ...]

    asks = "sums of augmented fitted values, and of their products"

    def entries(self) -> dict[str, Entries]:
        """Two sums, of all and of those whom the effect is of, and three products."""
        names = tuple(f"{self.column}={value}" for value in self.values)
        return {
            "sum": each("sum of the augmented fitted values", names, count="2"),
            "own": each("the same of those whom the effect is of", names, count="2"),
            "products": replace(pairs("sum of products of two augmented fitted values", names), count="3"),
            "n": one("patients whom the effect is of"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """4 + 3 sums over patients, and how many the effect is of."""
        weight = data.weight(self.model.weights)
        if weight is None or not has_augmented(weight) or weight.treatment != self.column:
            raise QueryError(
                "Augmented fitted values are of ATE or ATT weights, not stabilised, of the column that is set."
            )
        if len(self.values) != 2 or self.model.distribution.name != "binomial":
            raise QueryError("Augmented fitted values are those of a 0/1 outcome under two treatments.")
        at, treated = self._at(data), weight.treated(self._at(data).rows.frame)
        rows, family = at.rows, self.model.distribution
        setting = StandardisedMeans(self.model, self.beta, self.column, self.values)
        means = setting.aggregate(data)  # what it judges of a column that is set
        own = treated if weight.estimand == "ATT" else np.ones(rows.n, dtype=bool)
        columns = []
        for value, given in zip(self.values, (~treated, treated), strict=True):
            expected = family.mean(setting.changed(data, rows, value)[3])
            columns.append(own * expected + np.where(given, at.w * (at.y - expected), 0.0))
        phi = np.column_stack(columns)
        away, away_own = deviations(phi), deviations(phi[own])
        names = ("augmented fitted values of the untreated", "of the treated")
        evidence = [*dominance_of_sums(np.column_stack([away, away**2]), names * 2)]
        evidence += dominance_of_sums(away_own, names)
        everybody, n_own = np.full((2, 2), rows.n), int(own.sum())
        sums = {
            "sum": Sum(phi.sum(axis=0), np.full(2, rows.n)),
            "own": Sum(phi[own].sum(axis=0), np.full(2, n_own)),
            "products": Sum.triangle(phi.T @ phi, everybody),
            "n": Sum(np.array([n_own]), np.array([n_own])),
        }
        return replace(means, sums=sums).with_evidence(*evidence)


def has_augmented(weight: PropensityWeight) -> bool:
    """Whether weights are of an estimand that has an augmented effect: of all patients, or of the treated."""
    return weight.estimand != "overlap" and not weight.stabilised


def augmented_effect(
    federation: Federation,
    formula: str,
    weights: PropensityWeights,
    *,
    level: float = 0.95,
) -> StandardisedRisks:
    """Risks of a 0/1 outcome under both treatments, doubly robust, with their difference and ratio.

    Parameters
    ----------
    federation : Federation
        The patients whose propensity was modelled.
    formula : str
        The logistic model of the outcome, with the treatment among its terms: ``"resistant ~ arm + age + C(ecog)"``.
    weights : PropensityWeights
        Of the estimand ATE, not stabilised, or ATT; where they are cut, so are the residuals' weights.
    level : float
        Coverage of the intervals.

    Returns
    -------
    StandardisedRisks
        Of all patients, or of the treated where the weights are of ATT.  Right where the model of the outcome or that of the
        treatment is.  Standard errors are those of the influence function: right where both are.

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    Robins, Rotnitzky & Zhao (1994); Lunceford & Davidian (2004), estimator DR and its variance.  Of the treated: Mercatanti & Li
    (2014), with the influence function (phi - A mu) / P(A = 1).
    """
    check_federation(federation)
    check_level(level)
    if not isinstance(weights, PropensityWeights):
        raise FormulaError(
            "An augmented effect needs a model of the treatment: give the result of fs.propensity_weights."
        )
    recipe = weights.recipe
    if not has_augmented(recipe):
        raise FormulaError(
            "An augmented effect is of all patients or of the treated: give weights of the estimand ATE, not stabilised, or ATT."
        )
    fit = logistic(federation, formula)
    model, beta = model_of(federation, fit)
    if recipe.treatment not in model.design.variables:
        raise FormulaError(f"The model of the outcome has no term of the treatment, {recipe.treatment}.")
    values: tuple[float | str, ...] = (0.0, 1.0)
    if recipe.level is not None:
        other = next(name for name in federation.codebook[recipe.treatment].levels if name != recipe.level)
        values = (other, recipe.level)
    extended, name, _ = weighted(federation, weights)
    meter = Meter(extended)
    with one_blas_thread():
        total = meter.sum(AugmentedMeans(replace(model, weights=name), beta, recipe.treatment, values))
    n = float(total["n"][0])
    if n == 0:
        raise QueryError("Nobody whom the effect is of has complete values.")
    estimates = total["sum"] / n
    crossed = np.outer(total["own"], estimates)
    squares = full_matrix(total["products"]) - crossed - crossed.T + n * np.outer(estimates, estimates)
    covariance = squares / n**2
    measure: Literal["risk"] = "risk"
    return StandardisedRisks(
        recipe.treatment,
        tuple(weights.groups if recipe.level is None else map(str, values)),
        measure,
        estimates,
        covariance,
        level,
        np.inf,
        fit.rounds + meter.rounds,
        fit.n_bytes + meter.n_bytes,
    )
