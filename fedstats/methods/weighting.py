"""Weights by an estimated propensity, as every analysis that takes a column of weights takes them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design
from fedstats.contract.federation import Federation, Meter, SiteRefused, Total, WithColumn
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.printed import Printed
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.query import canonical_json, spec_from_dict
from fedstats.contract.values import shown
from fedstats.contract.weight_results import ALL_SITES, EffectiveSizes, Overlap
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from fedstats.methods.stacked_equations import PropensityScores
from fedstats.methods.weighted_arms import EDGES, ArmSums, PropensityHistogram
from fedstats.numerics.stacked_variance import stacked_meat

Array = NDArray[np.float64]
Robust = bool | Literal["stacked"] | None
#: What standard errors come from: the likelihood, the sandwich, the sandwich of both models' equations.
Variance = Literal["model", "robust", "stacked"]


@dataclass(frozen=True, repr=False)
class PropensityWeights(Printed):
    """Weights that sites make of their own rows, by a propensity model of all of them.  Made by :func:`fedstats.propensity_weights`.

    Pass it as ``weights=`` of what :func:`fedstats.propensity_weights` names.

    Attributes
    ----------
    federation : Federation      the patients whose propensity was modelled
    recipe : PropensityWeight    what sites receive
    fit : Fit                    the propensity model
    """

    federation: Federation = field(repr=False, compare=False)
    recipe: PropensityWeight
    fit: Fit = field(repr=False, compare=False)

    @property
    def estimand(self) -> str:
        """``"ATE"``, ``"ATT"`` or ``"overlap"``."""
        return self.recipe.estimand

    @property
    def groups(self) -> tuple[str, str]:
        """The arms, the untreated first, as tables name them."""
        return arms_of(self.federation, self.recipe.treatment, self.recipe.level)

    @property
    def has_variance(self) -> bool:
        """Whether the propensity's coefficients have a covariance; a lasso's have none."""
        return self.fit.has_std_errors

    def effective_sample_size(self) -> EffectiveSizes:
        """Patients of each arm, of each site and of all, and how many equally weighted ones they are worth.

        Raises
        ------
        SiteRefused
        """
        recipe, federation = self.recipe, WithColumn(self.federation, self.recipe)
        meter, query = Meter(federation), ArmSums(recipe.treatment, recipe.level, recipe.name, Design(()))
        by_site = meter.each(query) | {ALL_SITES: meter.sum(query)}
        rows = [
            {
                "site": site,
                "group": group,
                "n": round(float(total["n"][arm])),
                "weight": float(total["weight"][arm]),
                "effective": _effective(total, arm),
            }
            for site, total in by_site.items()
            for arm, group in enumerate(self.groups)
        ]
        return EffectiveSizes(pd.DataFrame(rows), meter.rounds, meter.n_bytes)

    def overlap(self) -> Overlap:
        """Patients of each arm by their propensity, of each site and of all, on the finest agreed edges that every site lets out.

        Raises
        ------
        SiteRefused
            Also on the coarsest edges some cell holds too few patients.
        """
        recipe = self.recipe.of_propensity
        federation = WithColumn(self.federation, recipe)
        meter = Meter(federation)
        for edges in EDGES:
            query = PropensityHistogram(recipe.treatment, recipe.level, recipe.name, edges)
            try:
                total = meter.sum(query)
                break
            except SiteRefused as refused:
                if refused.rule not in ("entry", "pair of levels") or edges == EDGES[-1]:
                    raise
        rows = [
            {"site": site, "group": group, "low": low, "high": high, "n": round(float(n))}
            for site, found in (meter.each(query) | {ALL_SITES: total}).items()
            for arm, group in enumerate(self.groups)
            for low, high, n in zip(edges[:-1], edges[1:], found["counts"][arm], strict=True)
        ]
        return Overlap(pd.DataFrame(rows), meter.rounds, meter.n_bytes)

    def covariance(self) -> Array:
        """Inverse of the propensity's (penalised) information, of the scaled columns, (k, k)."""
        back = np.linalg.inv(self.recipe.design.unscaling())
        return np.asarray(back @ self.fit.covariance @ back.T)

    def nuisance(self, meter: Meter, cluster: str | None) -> tuple[Array, Array, bool]:
        """A^-1 and sum psi psi' of all that was estimated for the weights, (q, q) each, and whether the latter is expected.

        Squared scores of a propensity of many levels count pairs of these by treatment, and may not leave; their expectation
        where the propensity is right, A itself, tells nothing new.
        """
        recipe, own = self.recipe, Meter(self.federation)
        model = GlmModel(recipe.treatment, recipe.design, None, None, cluster, event_level=recipe.level)
        bread: Array = self.covariance()
        scores: GlmMeat = GlmMeat(model, recipe.gamma)
        if recipe.stabilised:
            scores = PropensityScores(model, recipe.gamma, recipe.share)
            bread = np.pad(bread, (0, 1))
            bread[-1, -1] = 1.0 / self.fit.n
        try:
            meat, is_expected = full_matrix(own.sum(scores)["meat"]), False
        except SiteRefused:
            if cluster is not None or self.fit.is_penalised or not recipe.design.intercept:
                raise
            meat, is_expected = self._expected_products(), True
        if (
            self.fit.is_penalised
        ):  # scores add up to the slope of the penalty, of which each patient has a part
            slope = own.sum(GlmDerivatives(replace(model, cluster=None), recipe.gamma))["score"]
            slope = np.append(slope, 0.0) if recipe.stabilised else slope
            meat = meat - np.outer(slope, slope) / self.fit.n
        meter.rounds += own.rounds
        meter.n_bytes += own.n_bytes
        return bread, meat, is_expected

    def _expected_products(self) -> Array:
        """What sum psi psi' is expected to be: the information, and the share's with it, as A - e and A - p share e (1 - e)."""
        information = np.linalg.inv(self.covariance())
        if not self.recipe.stabilised:
            return np.asarray(information)
        share, found = self.recipe.share, np.pad(information, (0, 1))
        found[-1, :-1] = found[:-1, -1] = information[:, 0]
        found[-1, -1] = self.fit.n * share * (1 - share)
        return np.asarray(found)

    def stacked(
        self, meter: Meter, meat: Array, terms: Total, cluster: str | None, scale: float = 1.0
    ) -> tuple[Array, dict[str, str]]:
        """The meat of a weighted model with the equations of the propensity, and what its fit keeps of how.

        ``scale`` is the outcome's.
        """
        bread, scores, is_expected = self.nuisance(meter, cluster)
        found = stacked_meat(meat, terms["slope"] * scale, terms["cross"] * scale, bread, scores)
        return found, {"propensity_scores": "expected"} if is_expected else {}

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """The propensity model's coefficients."""
        return self.fit.tidy(exponentiate)

    def __str__(self) -> str:
        return f"{self.recipe.in_words()}\n{self.fit}"

    def _repr_html_(self) -> str:
        return self.fit._repr_html_()


Weighting = str | PropensityWeights | None


def weighted(
    federation: Federation, weights: Weighting
) -> tuple[Federation, str | None, PropensityWeights | None]:
    """The federation in which a column of weights is known, its name, and whence it is if sites make it.

    Raises
    ------
    FormulaError
        Weights that are neither.
    """
    if isinstance(weights, PropensityWeights):
        return WithColumn(federation, weights.recipe), weights.recipe.name, weights
    if weights is not None and not isinstance(weights, str):
        raise FormulaError(
            f"weights is {shown(weights)}; give the name of a column, or the result of fs.propensity_weights."
        )
    return federation, weights, None


def weights_name(weights: Weighting) -> str:
    """The column's name, as a result keeps it; empty without weights."""
    return weights.recipe.name if isinstance(weights, PropensityWeights) else weights or ""


def made_weights(propensity: PropensityWeights | None) -> dict[str, str]:
    """What a fit keeps of weights that sites made, for what is asked about it afterwards."""
    return {} if propensity is None else {"propensity": canonical_json(propensity.recipe.to_dict())}


def with_weights_of(federation: Federation, fit: Fit) -> Federation:
    """The federation in which the weights of a fit are known."""
    recipe = recipe_of(fit)
    return federation if recipe is None else WithColumn(federation, recipe)


def recipe_of(fit: Fit) -> PropensityWeight | None:
    """The recipe of the weights that sites made for a fit; None where it has a column's, or none."""
    text = getattr(fit, "options", {}).get("propensity")
    found: PropensityWeight | None = text and spec_from_dict(json.loads(text), PropensityWeight)
    return found


def variance_of(
    robust: Robust,
    cluster: str | None,
    propensity: PropensityWeights | None,
    *,
    likelihood: bool,
) -> Variance:
    """What standard errors come from.

    Parameters
    ----------
    robust : bool, "stacked" or None
        None: of weights by an estimated propensity the stacked equations, otherwise the likelihood.
    likelihood : bool
        Whether something is asked that a likelihood alone has: a penalty, a profile.

    Raises
    ------
    FormulaError
        Stacked equations of weights that were not estimated here, or whose propensity has no variance.
    """
    if robust is None:
        if propensity is not None and not likelihood:
            return "stacked" if propensity.has_variance else "robust"
        return "robust" if cluster is not None else "model"
    if robust == "stacked":
        if propensity is None:
            raise FormulaError(
                'robust="stacked" accounts for an estimated propensity: give the result of fs.propensity_weights as weights.'
            )
        if not propensity.has_variance:
            raise FormulaError("A lasso of the propensity has no variance: ask for robust=True.")
        return "stacked"
    if not isinstance(robust, bool):
        raise FormulaError(f'robust is {shown(robust)}; give True, False or "stacked".')
    return "robust" if robust or cluster is not None else "model"  # groups are those of a sandwich


def check_cohort(propensity: PropensityWeights, n: int) -> None:
    """Patients of a weighted model are among those whose propensity was modelled.

    Raises
    ------
    FormulaError
    """
    if n > propensity.fit.n:
        raise FormulaError(
            f"The model has {n} patients and its propensity {propensity.fit.n}: model the propensity of all, or ask for robust=True."
        )


def arms_of(federation: Federation, treatment: str, level: str | None) -> tuple[str, str]:
    """Names of the arms, the untreated first."""
    variable = federation.codebook[treatment]
    if level is None:
        return "0", "1"
    other = next(name for name in variable.levels if name != level)
    return variable.level_label(other), variable.level_label(level)


def check_treatment(codebook: Codebook, formula: str) -> None:
    """On the left two arms: a column of 0 and 1, or a factor of two levels; that it is there is said by whoever reads the formula.

    Raises
    ------
    FormulaError
    """
    name = str(formula).partition("~")[0].strip()
    if name not in codebook:
        return
    variable = codebook[name]
    if variable.kind == "factor" and len(variable.levels) != 2:
        raise FormulaError(
            f"A propensity is that of one treatment or another, and {name} has {len(variable.levels)} levels ({', '.join(variable.levels)}): agree on "
            "a factor of two of them in the codebook, empty for the other patients, or of one against the rest."
        )
    if variable.kind in ("label", "time"):
        raise FormulaError(
            f"{name} {variable.in_words()}; a treatment is a column of 0 and 1, or a factor of two levels."
        )


def _effective(total: Any, arm: int) -> float:
    squares = float(total["weight_squares"][arm])
    return float(total["weight"][arm]) ** 2 / squares if squares > 0 else 0.0


def checked_ends(name: str, ends: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """Two numbers in order between others.

    Raises
    ------
    FormulaError
    """
    try:
        first, last = (float(end) for end in ends)
    except (TypeError, ValueError):
        raise FormulaError(f"{name} is {shown(ends)}; give two numbers, as in (0.01, 0.99).") from None
    if not low <= first < last <= high:
        raise FormulaError(
            f"{name} is {shown(ends)}; it lies between {low:g} and {high:g}, the smaller end first."
        )
    return first, last
