"""A model with intercepts of practices is R's ``glm`` with a 0/1 column for each, practices dealt anyhow to sites."""

from functools import cache

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import (
    FIT_TOLERANCE,
    agrees,
    cases,
    coefficient_differences,
    covariance_differences,
    federation,
    layouts,
    numbers,
    options,
)

ASKED = ("family", "weights", "offset", "robust", "cluster", "intercepts")


def fit_of(sites, case, **more):
    return fs.glm(sites, case["formula"], profile=case["profile"] or (), **options(case, *ASKED), **more)


@cache
def fit_at(layout):
    return fit_of(layout.sites, layout.case)


@pytest.fixture(scope="module", params=layouts("intercepts"))
def fitted(request):
    return fit_at(request.param), request.param.case


@pytest.mark.reference("coefficients", "standard errors")
def test_coefficients_and_their_covariance_are_those_of_glm(fitted):
    fit, case = fitted
    assert fit.names == tuple(case["terms"])
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
    assert covariance_differences(fit, case).max() <= FIT_TOLERANCE


@pytest.mark.reference("likelihood", "AIC and BIC")
def test_likelihoods_and_sizes_are_those_of_glm(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    names = ("loglik", "loglik_null", "aic", "bic", "deviance", "dispersion")
    assert {name: glance[name] for name in names if not agrees(glance[name], case[name])} == {}
    assert glance["n"] == case["n"]
    assert glance["intercepts"] == case["practices"]
    assert glance["uninformative"] == case["uninformative"]


@pytest.mark.reference("profile intervals")
@pytest.mark.parametrize("layout", layouts("intercepts", chosen=lambda case: case["ends"]))
def test_ends_of_profiles_are_those_of_r(layout):
    case = layout.case
    row = fit_at(layout).tidy().set_index("term").loc[case["profile"]]
    unit = case["se"][case["terms"].index(case["profile"])]
    assert np.abs(numbers(case["ends"]) - [row["conf_low"], row["conf_high"]]).max() <= FIT_TOLERANCE * unit


def test_the_start_makes_no_difference():
    case = cases("intercepts")["lung"]
    fit = fit_of(federation(case, 2, 20), case, start="pooled")
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
