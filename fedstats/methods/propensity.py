"""The propensity of a treatment, and weights by it."""

import re
from collections.abc import Sequence

import numpy as np

from fedstats.contract.arguments import check_federation
from fedstats.contract.federation import Federation
from fedstats.contract.formula import FormulaError
from fedstats.contract.linear_predictor import DIGITS
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.values import check_choice, check_flag
from fedstats.methods.glm_regression import glm, glm_model
from fedstats.methods.weighting import PropensityWeights, check_treatment, checked_ends
from fedstats.numerics.balancing_weights import Estimand, Truncation
from fedstats.numerics.firth import Firth
from fedstats.numerics.penalties import ElasticNet

ESTIMANDS: tuple[Estimand, ...] = ("ATE", "ATT", "overlap")


def propensity_weights(
    federation: Federation,
    formula: str,
    *,
    estimand: Estimand = "ATE",
    stabilised: bool = False,
    truncate: tuple[float, float] | None = None,
    bounds: tuple[float, float] | None = None,
    penalty: ElasticNet | Firth | None = None,
    level: float = 0.95,
) -> PropensityWeights:
    """Model the propensity of a treatment over all sites, and make weights of it that sites compute and keep.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"arm ~ age + C(ecog)"``; the treatment is 0 or 1, or a factor of two levels whose second is the treated one.
    estimand : {"ATE", "ATT", "overlap"}
        Of whom the weighted effect is: all patients, the treated, or those for whom both treatments are given.
    stabilised : bool
        ATE weights times the share of patients with the same treatment.
    truncate : pair of float, optional
        Ends at which propensities are cut, ``(0.01, 0.99)``: fixed beforehand, for a quantile is one patient's value.
    bounds : pair of float, optional
        Ends at which weights are cut, ``(0.1, 10)``.
    penalty : ElasticNet or Firth, optional
        Of the propensity model, as of :func:`logistic`.
    level : float
        Coverage of the propensity model's intervals.

    Returns
    -------
    PropensityWeights
        To be passed as ``weights=`` of :func:`cox`, :func:`logistic`, :func:`glm`, :func:`kaplan_meier`, :func:`rmst`,
        :func:`penalty_path`, :func:`cross_validate` and :func:`balance`.  Log-rank tests take none: their like is a weighted Cox model of the groups.  Their standard errors then account for the estimated propensity (``robust="stacked"`` is the default there).

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    Rosenbaum (1987); Li, Morgan & Zaslavsky (2018) for overlap weights; Robins, Hernan & Brumback (2000) for stabilised ones.
    """
    ends = check_recipe(estimand, truncate, bounds, stabilised=stabilised)
    check_federation(federation)
    check_treatment(federation.codebook, formula)
    model = glm_model(federation, formula, "binomial", "logit")
    fit = glm(federation, formula, penalty=penalty, level=level)
    gamma = np.linalg.solve(model.design.unscaling(), fit.beta)
    recipe = PropensityWeight(
        _free_name(federation, model.outcome),
        model.outcome,
        model.event_level,
        model.design,
        tuple(float(f"{g:.{DIGITS}g}") for g in gamma),
        estimand,
        stabilised,
        float(np.clip(fit.n_event / fit.n, 1e-9, 1 - 1e-9)) if stabilised else 0.5,
        ends.low,
        ends.high,
        ends.lightest,
        None if np.isinf(ends.heaviest) else ends.heaviest,
    )
    return PropensityWeights(federation, recipe, fit)


def check_recipe(
    estimand: str,
    truncate: Sequence[float] | None,
    bounds: Sequence[float] | None,
    *,
    stabilised: bool,
) -> Truncation:
    """Where weights are cut, of an estimand that there is.

    Raises
    ------
    FormulaError
    """
    check_choice("estimand", estimand, ESTIMANDS)
    check_flag("stabilised", stabilised)
    if stabilised and estimand != "ATE":
        raise FormulaError(
            "Stabilised weights are those of the estimand ATE; ask for it, or without stabilised."
        )
    of_propensity = (0.0, 1.0) if truncate is None else checked_ends("truncate", truncate, 0.0, 1.0)
    of_weight = (0.0, np.inf) if bounds is None else checked_ends("bounds", bounds, 0.0, np.inf)
    return Truncation(*of_propensity, *of_weight)


def _free_name(federation: Federation, treatment: str) -> str:
    name = re.sub(r"\W", "_", f"{treatment[:30]}_weight")
    name = name if re.match(r"[^\W\d]", name) else f"w{name}"
    while name in federation.codebook:
        name += "_"
    return name
