"""``fs.glm`` is R's ``glm`` on the pooled rows, split anyhow over sites; robust variances are ``sandwich``'s."""

import json
from pathlib import Path

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import FIT_TOLERANCE, agrees, coefficient_differences, federation, numbers

CASES = json.loads(Path(__file__).with_name("glm.json").read_text(encoding="utf-8"))["cases"]


def fit_of(case, k, seed=None, **options):
    asked = {name: case[name] for name in ("family", "link", "weights", "offset", "robust", "cluster")}
    return fs.glm(federation(case, k, seed), case["formula"], **(asked | options))


@pytest.fixture(
    scope="module",
    params=[(name, k, seed) for name in CASES for k, seed in ((1, None), (2, 20), (5, None))],
    ids=lambda p: f"{p[0]} | {p[1]} sites",
)
def fitted(request):
    name, k, seed = request.param
    return fit_of(CASES[name], k, seed), CASES[name]


def test_coefficients_are_those_of_glm(fitted):
    fit, case = fitted
    assert set(fit.coef.index) == set(case["terms"])
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE


def test_standard_errors_are_those_of_glm_and_sandwich(fitted):
    fit, case = fitted
    std_error = fit.tidy().set_index("term")["std_error"][case["terms"]].to_numpy()
    np.testing.assert_allclose(std_error, numbers(case["se"]), rtol=FIT_TOLERANCE)


def test_likelihoods_deviance_and_dispersion_are_those_of_glm(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    names = ("loglik", "loglik_null", "aic", "bic", "deviance", "null_deviance", "dispersion")
    assert {name: glance[name] for name in names if not agrees(glance[name], case[name])} == {}
    assert glance["n"] == case["n"]


def test_p_values_are_those_of_summary(fitted):
    fit, case = fitted
    if case["robust"] or case["cluster"]:
        return  # summary(glm) knows no robust variance
    found = fit.tidy().set_index("term")["p_value"][case["terms"]].to_numpy()
    # a p-value of 1e-20 moves by 20 times what its statistic does
    np.testing.assert_allclose(found, numbers(case["p_value"]), rtol=1e-6, atol=1e-300)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["confint"]])
def test_profiles_of_a_gaussian_model_are_those_of_confint(name):
    case = CASES[name]
    columns = [term for term in case["terms"] if term != "Intercept"]
    fit = fit_of(case, 2, 20, profile=columns)
    found = fit.tidy().set_index("term").loc[columns, ["conf_low", "conf_high"]].to_numpy()
    expected = numbers(case["confint"])[[case["terms"].index(term) for term in columns]]
    unit = numbers(case["se"])[[case["terms"].index(term) for term in columns], None]
    # R interpolates the root of a difference of deviances, of which a tenth of the digits is left
    assert (np.abs(found - expected) / unit).max() < 1e-6
    assert fit.rounds == fit_of(case, 2, 20).rounds  # nothing is asked for it


def test_a_logistic_regression_is_the_binomial_family_with_its_own_link():
    case = CASES["lung, odds"]
    fit = fs.logistic(federation(case, 2, None), case["formula"])
    assert fit.coef.equals(fit_of(case, 2).coef)
    assert (fit.kind, fit.effect) == ("logistic", "Odds ratio")
