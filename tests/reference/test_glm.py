"""``fs.glm`` is R's ``glm`` on the pooled rows, split anyhow over sites; robust variances are ``sandwich``'s."""

from functools import cache

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import (
    FIT_TOLERANCE,
    agrees,
    cases,
    coefficient_differences,
    federation,
    layouts,
    numbers,
    options,
    std_errors,
)

CASES = cases("glm")
ASKED = ("family", "link", "weights", "offset", "robust", "cluster")


def fit_of(sites, case, **more):
    return fs.glm(sites, case["formula"], **options(case, *ASKED), **more)


@cache
def fit_at(layout):
    return fit_of(layout.sites, layout.case)


@pytest.fixture(scope="module", params=layouts("glm"))
def fitted(request):
    return fit_at(request.param), request.param.case


@pytest.mark.reference("coefficients")
def test_coefficients_are_those_of_glm(fitted):
    fit, case = fitted
    assert set(fit.coef.index) == set(case["terms"])
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE


@pytest.mark.reference("standard errors")
def test_standard_errors_are_those_of_glm_and_sandwich(fitted):
    fit, case = fitted
    np.testing.assert_allclose(std_errors(fit, case), numbers(case["se"]), rtol=FIT_TOLERANCE)


@pytest.mark.reference("likelihood", "AIC and BIC", "deviance and dispersion")
def test_likelihoods_deviance_and_dispersion_are_those_of_glm(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    names = ("loglik", "loglik_null", "aic", "bic", "deviance", "null_deviance", "dispersion")
    assert {name: glance[name] for name in names if not agrees(glance[name], case[name])} == {}
    assert glance["n"] == case["n"]


def has_p_values(case):
    return not (case["robust"] or case["cluster"])  # summary(glm) knows no robust variance


@pytest.mark.parametrize("layout", layouts("glm", chosen=has_p_values))
def test_p_values_are_those_of_summary(layout):
    case = layout.case
    found = fit_at(layout).tidy().set_index("term")["p_value"][case["terms"]].to_numpy()
    # a p-value of 1e-20 moves by 20 times what its statistic does
    np.testing.assert_allclose(found, numbers(case["p_value"]), rtol=1e-6, atol=1e-300)


@pytest.mark.reference("profile intervals")
@pytest.mark.parametrize("layout", layouts("glm", chosen=lambda case: case["confint"]))
def test_profiles_of_a_gaussian_model_are_those_of_confint(layout):
    case = layout.case
    columns = [term for term in case["terms"] if term != "Intercept"]
    fit = fit_of(layout.sites, case, profile=columns)
    found = fit.tidy().set_index("term").loc[columns, ["conf_low", "conf_high"]].to_numpy()
    expected = numbers(case["confint"])[[case["terms"].index(term) for term in columns]]
    unit = numbers(case["se"])[[case["terms"].index(term) for term in columns], None]
    # R interpolates the root of a difference of deviances, of which a tenth of the digits is left
    assert (np.abs(found - expected) / unit).max() < 1e-6
    assert fit.rounds == fit_at(layout).rounds  # nothing is asked for it


def test_a_logistic_regression_is_the_binomial_family_with_its_own_link():
    case = CASES["lung, odds"]
    fit = fs.logistic(federation(case, 2), case["formula"])
    assert fit.coef.equals(fit_of(federation(case, 2), case).coef)
    assert (fit.kind, fit.effect) == ("logistic", "Odds ratio")
