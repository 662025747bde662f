"""What every fit under Firth's penalty is compared with: R's coefficients, penalised likelihoods and their test."""

import numpy as np
import pytest

from tests.reference.comparison import (
    FIT_TOLERANCE,
    agrees,
    coefficient_differences,
    numbers,
    options,
    std_errors,
)


def profiled(layout, *asked):
    """Arguments of a case with the columns that get profiles: all of them at two sites, one elsewhere."""
    columns = slopes(layout.case)
    return options(layout.case, *asked) | {"profile": columns if layout.k == 2 else columns[-1:]}


def slopes(case):
    """Coefficients beside the intercept."""
    return [term for term in case["terms"] if term != "Intercept"]


def check_fit(fit, case):
    """Coefficients, standard errors and the log-likelihood."""
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
    np.testing.assert_allclose(std_errors(fit, case), numbers(case["se"]), rtol=FIT_TOLERANCE)
    assert agrees(fit.loglik, case["loglik"])
    assert fit.is_penalised


def check_penalised_likelihoods(fit, case):
    """Both penalised log-likelihoods and their test; what a penalised fit has not, is missing."""
    glance = fit.glance().iloc[0]
    assert agrees(fit.penalised_loglik, case["penalised_loglik"])
    assert agrees(fit.penalised_loglik_null, case["penalised_loglik_null"])
    # a difference of two log-likelihoods, which may be a thousand times as large: their digits are 1e-12 of them in R
    assert glance["lr_statistic"] == pytest.approx(case["lr_statistic"], rel=FIT_TOLERANCE, abs=1e-9)
    assert glance["df"] == len(slopes(case))
    assert np.isnan(glance[["aic", "bic", "score_statistic"]].to_numpy(float)).all()
