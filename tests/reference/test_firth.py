"""Firth's penalised fits are those of a slow maximiser in R on the pooled rows, split anyhow over sites.

1e-9 of a standard error as elsewhere: the R script lets no solution pass that one step would move by more than 1e-12.
"""

import pytest

import fedstats as fs
from tests.reference.comparison import FIT_TOLERANCE, layouts, limit_differences
from tests.reference.firth_comparison import check_fit, check_penalised_likelihoods, profiled

ASKED = ("family", "weights", "offset")


@pytest.fixture(scope="module", params=layouts("firth"))
def fitted(request):
    """A fit with profiles beside R's, of all its columns at two sites and of one elsewhere: (fit, case)."""
    case, asked = request.param.case, profiled(request.param, *ASKED)
    return fs.glm(request.param.sites, case["formula"], penalty=fs.Firth(), **asked), case


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
    of_null = (
        2 * 5 if case.get("offset") else 0
    )  # without an offset the penalised null model follows from the plain one
    assert fit.rounds <= 2 * (fit.steps + 2) + 1 + of_null + 2 * 2 * 6 * len(fit.profile_limits)
