"""How a weighted score changes with the propensity's coefficients, by finite differences of the sites' own answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.federation import Meter, WithColumn
from fedstats.methods.cox_regression import SiteBaseline, cox_model
from fedstats.methods.cox_shared_baseline import SharedBaseline
from fedstats.methods.glm_model import GlmDerivatives
from fedstats.methods.glm_regression import glm_model
from fedstats.methods.stacked_equations import GlmPropensityTerms
from tests.datasets import rossi, split

H = 1e-5


def sites(k=3):
    return fs.InProcess(split(rossi(), k, 5), policy=fs.DisclosurePolicy.none())


def weights(federation, **options):
    return fs.propensity_weights(federation, "fin ~ age + C(race) + prio", **options)


def moved(w, j, step):
    """The recipe with one of its coefficients, or its share, moved."""
    gamma = list(w.recipe.gamma)
    if j == len(gamma):
        return replace(w.recipe, share=w.recipe.share + step)
    gamma[j] += step
    return replace(w.recipe, gamma=tuple(gamma))


def glm_scores(options):
    def of(federation, recipe, at=(0.1, -0.3, 0.02)):
        within = WithColumn(federation, recipe)
        model = glm_model(within, "arrest ~ fin + age", "binomial", None, recipe.name, **options)
        beta = tuple(np.array(at[-len(model.design.names) :]) * 0.5)
        terms = within.sum(GlmPropensityTerms(model, beta))
        return within.sum(GlmDerivatives(model, beta))["score"], terms["slope"]

    return of


def cox_scores(kind, ties, **options):
    def of(federation, recipe):
        within = WithColumn(federation, recipe)
        strata = options.get("strata")
        model = cox_model(
            within, "Surv(week, arrest) ~ fin + age", strata, ties, recipe.name, cuts=options.get("cuts", {})
        )
        beta = np.array([-0.3, 0.2, 0.1][: len(model.design.names)])
        meter = Meter(within)
        if kind is SharedBaseline:
            grid = tuple(float(week) for week in range(1, 53))
            evaluate = SharedBaseline(meter, replace(model, grid=grid))
        else:
            evaluate = SiteBaseline(meter, model, "")
        return evaluate(beta).score, evaluate.propensity_terms(beta)["slope"]

    return of


CASES = {
    "logistic": glm_scores({}),
    "intercepts of centres": glm_scores({"intercepts": "centre"}),
    "Efron": cox_scores(SiteBaseline, "efron"),
    "Breslow, strata": cox_scores(SiteBaseline, "breslow", strata="centre"),
    "shared, Efron": cox_scores(SharedBaseline, "efron"),
    "periods": cox_scores(SiteBaseline, "efron", cuts={"fin": (20.0,)}),
}
RECIPES = {
    "ATE": {},
    "ATT": {"estimand": "ATT"},
    "overlap": {"estimand": "overlap"},
    "stabilised": {"stabilised": True},
    "cut": {"truncate": (0.45, 0.55), "bounds": (1.9, 2.1)},
}


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        *((name, "ATE") for name in CASES),
        *((name, r) for name in ("logistic", "Efron") for r in RECIPES if r != "ATE"),
    ],
)
def test_the_slope_of_a_score_in_the_propensity_is_a_finite_difference(name, recipe):
    federation = sites()
    w, scores = weights(federation, **RECIPES[recipe]), CASES[name]
    _, slope = scores(federation, w.recipe)
    for j in range(slope.shape[1]):
        high, low = (scores(federation, moved(w, j, sign * H))[0] for sign in (1, -1))
        np.testing.assert_allclose((high - low) / (2 * H), slope[:, j], atol=2e-6 * np.abs(slope).max())


@pytest.mark.parametrize("k", [1, 4])
def test_overlap_weights_balance_every_column_of_the_propensity_exactly(k):
    """Li, Morgan & Zaslavsky (2018), theorem 3: the logistic score is the difference of weighted means."""
    federation = sites(k)
    found = fs.balance(federation, weights=weights(federation, estimand="overlap")).tidy()
    whole = found[found["site"] == "all"]
    assert len(whole) == 3
    assert whole["weighted_smd"].abs().max() < 1e-9 < whole["smd"].abs().min()


WHATEVER = {
    "penalty path": lambda s, w: fs.penalty_path(s, "arrest ~ fin + age", family="binomial", weights=w, n_strengths=4).beta,
    "cross-validation": lambda s, w: fs.cross_validate(
        s, "arrest ~ fin + age", family="binomial", weights=w, n_strengths=3, folds="fold"
    ).fold_deviance,
    "proportional hazards": lambda s, w: fs.cox_zph(s, _cox(s, w)).tidy()["statistic"],
    "predicted survival": lambda s, w: fs.predict_survival(s, _cox(s, w), pd.DataFrame({"fin": [0.0, 1.0]})).frame["estimate"],
    "baseline hazard": lambda s, w: fs.baseline_hazard(s, _cox(s, w)).frame["cumulative_hazard"],
    "marginal effects": lambda s, w: fs.marginal_effects(s, fs.logistic(s, "arrest ~ fin", weights=w, robust=True)).tidy()["std_error"],
    "effects that change": lambda s, w: fs.cox(
        s, "Surv(week, arrest) ~ fin", weights=w, time_varying={"fin": [20]}, robust=True
    ).covariance,
    "ridge": lambda s, w: fs.logistic(s, "arrest ~ fin", weights=w, penalty=fs.Ridge(0.1)).covariance,
    "curve": lambda s, w: fs.kaplan_meier(s, "Surv(week, arrest) ~ 1", weights=w, robust=True).frame["std_error"],
    "profile": lambda s, w: fs.logistic(s, "arrest ~ fin", weights=w, profile="fin").profile_limits["fin"],
    "local starts": lambda s, w: fs.cox(s, "Surv(week, arrest) ~ fin", weights=w, start="pooled", robust=False).covariance,
}  # fmt: skip


def _cox(federation, weights):
    return fs.cox(federation, "Surv(week, arrest) ~ fin", weights=weights, robust=True)


@pytest.mark.parametrize("name", WHATEVER)
def test_whatever_takes_a_column_of_weights_takes_those_that_sites_make(name):
    frame = rossi().assign(fold=np.array(["1", "2", "3"])[np.arange(432) % 3])
    made = fs.InProcess(split(frame, 2, 5), policy=fs.DisclosurePolicy.none())
    w = weights(made)
    held = frame.assign(w=w.recipe.values(frame))
    column = fs.InProcess(split(held, 2, 5), policy=fs.DisclosurePolicy.none())
    np.testing.assert_allclose(WHATEVER[name](made, w), WHATEVER[name](column, "w"), rtol=1e-8)
