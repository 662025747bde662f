"""Firth's penalised Cox fits are those of a slow maximiser in R on the pooled rows, split anyhow into sites of whole strata.

1e-9 of a standard error as elsewhere: R's difference quotients are exact to about 1e-11 of one.
"""

import pytest

import fedstats as fs
from tests.reference.comparison import FIT_TOLERANCE, cases, federation, layouts, limit_differences
from tests.reference.firth_comparison import check_fit, check_penalised_likelihoods, profiled

ASKED = ("strata", "ties", "weights", "offset")


@pytest.fixture(scope="module", params=layouts("firth_cox"))
def fitted(request):
    """A fit with profiles beside R's, of all its columns at two sites and of one elsewhere: (fit, case)."""
    case, asked = request.param.case, profiled(request.param, *ASKED)
    return fs.cox(request.param.sites, case["formula"], penalty=fs.Firth(), **asked), case


@pytest.mark.reference("coefficients", "standard errors")
def test_fits_are_those_of_r(fitted):
    check_fit(*fitted)


@pytest.mark.reference("penalised likelihood-ratio test")
def test_penalised_likelihoods_and_their_test_are_those_of_r(fitted):
    check_penalised_likelihoods(*fitted)


@pytest.mark.reference("profile intervals")
def test_ends_of_profiles_are_those_of_r(fitted):
    fit, case = fitted
    assert limit_differences(fit, case).max() <= FIT_TOLERANCE
    # some four points an end, two rounds each
    assert fit.rounds <= 2 * (fit.steps + 2) + 1 + 2 * 2 * 6 * len(fit.profile_limits)


def test_the_monotone_case_has_no_maximum_without_the_penalty():
    case = cases("firth_cox")["leukemia, monotone"]
    with pytest.raises(fs.NotConverged, match=r"monotone \(towards minus infinity\)"):
        fs.cox(federation(case, 2), case["formula"], strata=case["strata"])
