"""Models weighted by an estimated propensity are R's on the pooled rows, and so is the variance that accounts for the propensity.

Coefficients and the sandwich as everywhere (1e-9).  R's stacked variance is of numerical derivatives, right to about 1e-9 of the largest
of a matrix (Richardson, six halvings); the recipe's coefficients travel to twelve digits: 1e-7 relative.
"""

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS
from tests.reference.comparison import (
    FIT_TOLERANCE,
    coefficient_differences,
    layouts,
    numbers,
    options,
)

STACKED = 1e-7
ASKED = ("family", "link", "ties", "strata", "baseline", "cluster")


@pytest.fixture(scope="module", params=layouts("weights"))
def weighted(request):
    sites, case = request.param.sites, request.param.case
    penalty = fs.Ridge(case["ridge"]) if "ridge" in case else None
    recipe = {"truncate": case.get("truncate"), "bounds": case.get("bounds"), "penalty": penalty}
    w = fs.propensity_weights(
        sites,
        case["propensity"],
        estimand=case["estimand"],
        stabilised=case.get("stabilised", False),
        **recipe,
    )
    estimator = fs.cox if case["kind"] == "cox" else fs.glm
    return w, estimator(sites, case["formula"], weights=w, **options(case, *ASKED)), case, sites


def errors(fit, case):
    return fit.std_errors().set_index("term").loc[case["terms"]]


@pytest.mark.reference("weights by a propensity")
def test_weighted_coefficients_are_those_of_r(weighted):
    w, fit, case, _ = weighted
    assert (
        coefficient_differences(
            w.fit, {"coef": case["alpha"], "terms": case["alpha_terms"], "se": case["alpha"]}
        ).max()
        < 1e-8
    )
    # the weights are of coefficients with twelve digits
    assert coefficient_differences(fit, case).max() <= 10 * FIT_TOLERANCE


@pytest.mark.reference("stacked variance", "robust variance beside it")
def test_the_variance_accounts_for_the_propensity_and_the_sandwich_stands_beside(weighted):
    _, fit, case, _ = weighted
    found = errors(fit, case)
    assert list(found) == ["stacked", "robust", "model"]
    np.testing.assert_allclose(found["stacked"], case["se"], rtol=STACKED)
    np.testing.assert_allclose(found["robust"], case["robust"], rtol=10 * FIT_TOLERANCE)
    np.testing.assert_allclose(fit.tidy()["std_error"], found["stacked"], rtol=1e-12)


@pytest.mark.reference("balance", "effective sample size")
def test_balance_and_effective_sizes_are_those_of_r(weighted):
    w, _, case, sites = weighted
    sizes = w.effective_sample_size().tidy()
    assert len(sizes) == 2 * (len(sites.sites) + 1)
    np.testing.assert_allclose(sizes.query("site == 'all'")["effective"], case["effective"], rtol=1e-9)
    found = fs.balance(sites, weights=w, per_site=False).tidy()
    for column, of_r in case["balance"].items():
        np.testing.assert_allclose(found[column], numbers(of_r), atol=1e-9)


@pytest.mark.reference("augmented effect")
@pytest.mark.parametrize("layout", layouts("weights", "effects"))
def test_augmented_effects_are_those_worked_out_in_r(layout):
    sites, case = layout.sites, layout.case
    w = fs.propensity_weights(sites, case["propensity"], truncate=case["truncate"], estimand=case["estimand"])
    found = fs.augmented_effect(sites, case["formula"], w)
    table = found.tidy()
    np.testing.assert_allclose(table["estimate"][:2], case["risk"], rtol=1e-8)
    expected = [*case["risk_se"], case["difference_se"], case["ratio_se"]]
    np.testing.assert_allclose(table["std_error"], expected, rtol=1e-8)


@pytest.mark.reference("curve", "restricted means")
@pytest.mark.parametrize("layout", layouts("weights", "curves"))
def test_weighted_curves_are_those_of_r(layout):
    """Of coefficients that travel with twelve digits: 1e-9."""
    case = layout.case
    w = fs.propensity_weights(
        layout.sites, case["propensity"], estimand=case["estimand"], truncate=case.get("truncate")
    )
    curve = fs.kaplan_meier(layout.sites, case["formula"], weights=w)
    found = curve.at(case["times"])
    assert curve.robust
    assert found["group"].tolist() == case["group"]
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(found[column], case[column], rtol=1e-9)
    means = fs.rmst(layout.sites, case["formula"], tau=case["tau"], weights=w).tidy()
    means = means[means["measure"] == "mean"]
    np.testing.assert_allclose(means["estimate"], case["mean"], rtol=1e-9)
    np.testing.assert_allclose(means["std_error"], case["mean_error"], rtol=1e-9)


@pytest.mark.parametrize("robust", [True, False])
def test_another_variance_is_the_one_of_a_column_of_the_same_weights(robust):
    frame = DATASETS["rossi"]()
    sites = fs.InProcess({"all": frame}, policy=fs.DisclosurePolicy.none())
    w = fs.propensity_weights(sites, "fin ~ age + C(race) + prio")
    held = fs.InProcess({"all": frame.assign(w=w.recipe.values(frame))}, policy=fs.DisclosurePolicy.none())
    for estimator, formula in ((fs.logistic, "arrest ~ fin"), (fs.cox, "Surv(week, arrest) ~ fin")):
        made = estimator(sites, formula, weights=w, robust=robust)
        column = estimator(held, formula, weights="w", robust=robust)
        np.testing.assert_allclose(made.vcov, column.vcov, rtol=1e-12)
        assert made.variance == ("robust" if robust else "model")
        assert "stacked" not in made.std_errors()
