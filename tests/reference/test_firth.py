"""Firth's penalised fits are those of a slow maximiser in R on the pooled rows, split anyhow over sites.

1e-9 of a standard error as elsewhere: the R script lets no solution pass that one step would move by more than 1e-12.
"""

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import (
    FIT_TOLERANCE,
    agrees,
    coefficient_differences,
    layouts,
    limit_differences,
    numbers,
    options,
    std_errors,
)

ASKED = ("family", "weights", "offset")


@pytest.fixture(scope="module", params=layouts("firth"))
def fitted(request):
    """A fit with profiles beside R's, of all its columns at two sites and of one elsewhere: (fit, case)."""
    case = request.param.case
    columns = [term for term in case["terms"] if term != "Intercept"]
    asked = options(case, *ASKED) | {"profile": columns if request.param.k == 2 else columns[-1:]}
    return fs.glm(request.param.sites, case["formula"], penalty=fs.Firth(), **asked), case


@pytest.mark.reference("coefficients", "standard errors")
def test_fits_are_those_of_r(fitted):
    fit, case = fitted
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
    np.testing.assert_allclose(std_errors(fit, case), numbers(case["se"]), rtol=FIT_TOLERANCE)
    assert agrees(fit.loglik, case["loglik"])
    assert fit.is_penalised


@pytest.mark.reference("penalised likelihood-ratio test")
def test_penalised_likelihoods_and_their_test_are_those_of_r(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    assert agrees(fit.penalised_loglik, case["penalised_loglik"])
    assert agrees(fit.penalised_loglik_null, case["penalised_loglik_null"])
    # a difference of two log-likelihoods, which may be a thousand times as large: their digits are 1e-12 of them in R
    assert glance["lr_statistic"] == pytest.approx(case["lr_statistic"], rel=FIT_TOLERANCE, abs=1e-9)
    assert glance["df"] == len([term for term in case["terms"] if term != "Intercept"])
    assert np.isnan(glance[["aic", "bic", "score_statistic"]].to_numpy(float)).all()


@pytest.mark.reference("profile intervals")
def test_ends_of_profiles_are_those_of_r(fitted):
    fit, case = fitted
    assert limit_differences(fit, case).max() <= FIT_TOLERANCE
    # some four points an end, two rounds each
    of_null = (
        2 * 5 if case.get("offset") else 0
    )  # without an offset the penalised null model follows from the plain one
    assert fit.rounds <= 2 * (fit.steps + 2) + 1 + of_null + 2 * 2 * 6 * len(fit.profile_limits)
