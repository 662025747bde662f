"""A federated Cox fit is R's ``coxph`` on the pooled rows, however these are split over sites and ordered.

``baseline="shared"`` is ``coxph`` without the sites; a site baseline with strata nested in sites is ``coxph`` with
those strata; a site baseline without strata is ``coxph(... + strata(site))``.
"""

from functools import cache

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import lung_all
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
    return fs.cox(layout.sites, layout.case["formula"], **layout.case["options"])


@pytest.fixture(scope="module", params=layouts("regression", "cox"))
def fitted(request):
    """A federated fit beside R's: (fit, case)."""
    return fit_of(request.param), request.param.case


@pytest.mark.acceptance(1)
@pytest.mark.reference("coefficients")
def test_coefficients_are_those_of_coxph(fitted):
    fit, case = fitted
    assert set(fit.coef.index) == set(case["terms"])
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE


@pytest.mark.acceptance(1)
@pytest.mark.reference("standard errors")
def test_standard_errors_and_covariances_are_those_of_coxph(fitted):
    fit, case = fitted
    np.testing.assert_allclose(std_errors(fit, case), numbers(case["se"]), rtol=FIT_TOLERANCE)
    assert covariance_differences(fit, case).max() <= FIT_TOLERANCE


@pytest.mark.reference("likelihood", "score test", "Wald test", "likelihood-ratio test", "AIC and BIC")
def test_log_likelihoods_and_tests_are_those_of_coxph(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    names = ("loglik", "loglik_null", "score_statistic", "wald_statistic", "lr_statistic", "aic", "bic")
    assert {name: glance[name] for name in names if not agrees(glance[name], case[name])} == {}


@pytest.mark.reference("joint tests")
def test_joint_tests_of_terms_are_those_of_coxphs_coefficients(fitted):
    fit, case = fitted
    assert joint_test_differences(fit, case).max() <= JOINT_TOLERANCE


@pytest.mark.reference("linear hypotheses")
@pytest.mark.parametrize("layout", layouts("regression", "cox", lambda case: case["hypothesis"]))
def test_linear_hypotheses_are_those_of_car(layout):
    fit = fit_of(layout)
    assert hypothesis_differences(fit, layout.case).max() <= JOINT_TOLERANCE


def test_patients_and_events_are_counted_as_by_coxph(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    assert (glance["n"], glance["n_event"]) == (case["n"], case["n_event"])
    assert fit.converged


def test_a_polynomial_counts_from_the_agreed_centre_without_being_told():
    name = "heart, cubic calendar year, strata centre"
    [case] = [case for key, case in cases("regression", "cox").items() if key == name]
    fit = fs.cox(
        federation(case, 2), "Surv(start, stop, event) ~ poly(calendar, 3) + transplant", strata="centre"
    )
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE


def test_the_reference_holds_the_published_stratified_fit_of_lung():
    case = cases("regression", "cox")["lung, strata inst, Efron"]
    assert case["terms"] == ["age", "sex", "ph.ecog"]
    assert np.round(case["coef"], 12).tolist() == [0.009561341697, -0.547356676849, 0.597253244680]


def test_rows_with_an_empty_cell_in_a_column_of_the_model_are_dropped_and_counted():
    case = cases("regression", "cox")["lung, strata inst, Efron"]
    sites = fs.InProcess({"all": lung_all()}, policy=fs.DisclosurePolicy.none())
    fit = fs.cox(sites, case["formula"], **case["options"])
    assert fit.glance()["dropped"].item() == 2
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE


@pytest.mark.parametrize("name", ["lung, strata inst, Efron", "heart, strata centre, Efron"])
def test_a_warm_start_ends_at_the_same_fit(name):
    case = cases("regression", "cox")[name]
    fit = fs.cox(federation(case, 4, 3), case["formula"], start="pooled", **case["options"])
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
    assert agrees(fit.loglik, case["loglik"])
    assert agrees(fit.glance()["loglik_null"].item(), case["loglik_null"])
