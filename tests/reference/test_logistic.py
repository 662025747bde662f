"""A federated logistic fit is R's ``glm(family = binomial)`` on the pooled rows, split anyhow over sites.

``robust=True`` is ``sandwich::sandwich`` (HC0); ``cluster`` is ``sandwich::vcovCL`` without small-sample factors.
"""

from functools import cache

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import (
    FIT_TOLERANCE,
    JOINT_TOLERANCE,
    agrees,
    cases,
    coefficient_differences,
    covariance_differences,
    federation,
    hypothesis_differences,
    joint_test_differences,
    layouts,
    numbers,
    std_errors,
)


@cache
def fit_of(layout):
    return fs.logistic(layout.sites, layout.case["formula"], **layout.case["options"])


@pytest.fixture(scope="module", params=layouts("regression", "logistic"))
def fitted(request):
    """A federated fit beside R's: (fit, case)."""
    return fit_of(request.param), request.param.case


@pytest.mark.acceptance(1)
@pytest.mark.reference("coefficients")
def test_coefficients_are_those_of_glm(fitted):
    fit, case = fitted
    assert set(fit.coef.index) == set(case["terms"])
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE


@pytest.mark.reference("standard errors")
def test_standard_errors_and_covariances_are_those_of_glm_and_sandwich(fitted):
    fit, case = fitted
    np.testing.assert_allclose(std_errors(fit, case), numbers(case["se"]), rtol=FIT_TOLERANCE)
    assert covariance_differences(fit, case).max() <= FIT_TOLERANCE


@pytest.mark.reference("likelihood", "score test", "Wald test", "likelihood-ratio test", "AIC and BIC")
def test_log_likelihoods_and_tests_are_those_of_glm(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    names = ("loglik", "loglik_null", "score_statistic", "wald_statistic", "lr_statistic", "aic", "bic")
    assert {name: glance[name] for name in names if not agrees(glance[name], case[name])} == {}


def test_the_deviance_of_a_binary_outcome_is_minus_twice_the_log_likelihood(fitted):
    fit, case = fitted
    assert agrees(-2 * fit.loglik, case["deviance"])


@pytest.mark.reference("joint tests")
def test_joint_tests_of_terms_are_those_of_glms_coefficients(fitted):
    fit, case = fitted
    assert joint_test_differences(fit, case).max() <= JOINT_TOLERANCE


@pytest.mark.reference("linear hypotheses")
@pytest.mark.parametrize("layout", layouts("regression", "logistic", lambda case: case["hypothesis"]))
def test_linear_hypotheses_are_those_of_car(layout):
    fit = fit_of(layout)
    assert hypothesis_differences(fit, layout.case).max() <= JOINT_TOLERANCE


def test_patients_and_events_are_counted_as_by_glm(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    assert (glance["n"], glance["n_event"]) == (case["n"], case["n_event"])
    assert fit.converged


@pytest.mark.parametrize("name", ["lung", "lung, weights and offset", "fair"])
def test_a_warm_start_ends_at_the_same_fit(name):
    case = cases("regression", "logistic")[name]
    fit = fs.logistic(federation(case, 4, 3), case["formula"], start="pooled", **case["options"])
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
    assert agrees(fit.glance()["loglik_null"].item(), case["loglik_null"])
