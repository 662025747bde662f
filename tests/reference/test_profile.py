"""Ends of profile-likelihood intervals are those that R's fits have when they are searched for one by one."""

from functools import partial

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import layouts

#: The end is where a parabola-like function of z crosses a level, found by uniroot to 1e-13 standard errors on
#: log-likelihoods whose own rounding, 1e-15 of some hundreds over a slope of about 2 a standard error, is 1e-13.
TOLERANCE = 1e-9


@pytest.fixture(scope="module", params=layouts("regression", "profile"))
def fitted(request):
    case = request.param.case
    poisson = partial(fs.glm, family="poisson")
    estimate = {"cox": fs.cox, "logistic": fs.logistic, "poisson": poisson}[case["kind"]]
    options = case["options"] | {"level": case["level"], "profile": case["term"]}
    return estimate(request.param.sites, case["formula"], **options), case


@pytest.mark.reference("profile intervals")
def test_the_ends_are_those_of_r(fitted):
    fit, case = fitted
    row = fit.tidy().set_index("term").loc[case["term"]]
    assert abs(row["conf_low"] - case["low"]) <= TOLERANCE * case["se"]
    assert abs(row["conf_high"] - case["high"]) <= TOLERANCE * case["se"]


def test_the_other_intervals_and_everything_else_are_as_without(fitted):
    fit, case = fitted
    table = fit.tidy().set_index("term").drop(case["term"])
    half = (table["conf_high"] - table["conf_low"]) / 2 / table["std_error"]
    assert np.ptp(half) < 1e-12


def test_an_end_costs_some_five_rounds(fitted):
    fit, _ = fitted
    assert fit.rounds <= 3 * (fit.steps + 2) + 2 * 8
