"""The linear predictor of a fit as a column is that of R's ``predict``, described, as a term and as an offset.

A coefficient of the second model depends on those of the first, which travel to twelve digits: 1e-8 of a standard error.
"""

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import coefficient_differences, layouts, std_errors

TOLERANCE = 1e-8


def fit_of(sites, formula, **options):
    if formula.startswith("Surv("):
        return fs.cox(sites, formula, baseline="shared", **options)
    return fs.logistic(sites, formula, **options)


@pytest.fixture(scope="module", params=layouts("linear_predictor"))
def with_column(request):
    case, sites = request.param.case, request.param.sites
    return sites.with_linear_predictor("lp", fit_of(sites, case["formula"])), case


@pytest.mark.reference("linear predictor")
@pytest.mark.parametrize("place", ["as_term", "as_offset"])
def test_regressions_with_the_column_are_those_of_r(with_column, place):
    sites, case = with_column
    expected = case[place]
    fit = fit_of(sites, expected["formula"], offset="lp" if place == "as_offset" else None)
    assert coefficient_differences(fit, expected).max() <= TOLERANCE
    np.testing.assert_allclose(std_errors(fit, expected), expected["se"], rtol=TOLERANCE)
    assert fit.loglik == pytest.approx(expected["loglik"], rel=1e-9)


def test_its_mean_and_spread_are_those_of_r(with_column):
    sites, case = with_column
    row = fs.table_one(sites, variables=["lp"]).tidy().iloc[0]
    assert row["mean"] == pytest.approx(case["mean"], abs=TOLERANCE * case["sd"])
    assert row["sd"] == pytest.approx(case["sd"], rel=TOLERANCE)
