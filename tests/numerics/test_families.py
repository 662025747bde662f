"""The binomial family against forty-digit arithmetic."""

from decimal import Decimal, localcontext

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from fedstats.numerics.families import FAMILIES, LOG_BINOMIAL, LOGIT, family_of

LAW = settings(max_examples=200, deadline=None, database=None, derandomize=True)
ETA = st.floats(-700.0, 700.0)  # beyond, exp(-|eta|) is subnormal
ULP = float(np.finfo(float).eps)


def tail(eta: float) -> Decimal:
    """1 / (1 + exp(-eta)) to forty digits."""
    return 1 / (1 + (-Decimal(eta)).exp())


@LAW
@given(ETA)
def test_mean_and_curvature_keep_their_digits_in_both_tails(eta: float) -> None:
    with localcontext() as context:
        context.prec = 400  # 1 - mean must not lose what the tail at 700 holds
        mean = tail(eta)
        curvature = mean * (1 - mean)
    # a handful of roundings
    assert float(LOGIT.mean(np.array([eta]))[0]) == pytest.approx(float(mean), rel=8 * ULP, abs=0)
    found = float(LOGIT.expected(np.array([eta]))[0])
    assert found == pytest.approx(float(curvature), rel=16 * ULP, abs=0)


@LAW
@given(ETA, st.sampled_from([0.0, 1.0]))
def test_loglik_and_residual_are_within_rounding_of_the_linear_predictor(eta: float, y: float) -> None:
    with localcontext() as context:
        context.prec = 400
        mean = tail(eta)
        loglik = mean.ln() if y else (1 - mean).ln()
        residual = Decimal(y) - mean
    at = np.array([eta])
    assert float(LOGIT.loglik(np.array([y]), at)[0]) == pytest.approx(
        float(loglik), abs=2 * ULP * max(1.0, abs(eta))
    )
    assert float(LOGIT.residual(np.array([y]), at)[0]) == pytest.approx(float(residual), abs=ULP)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_eight_hundred_is_far_but_neither_overflow_nor_nan(sign: float) -> None:
    eta, y = np.full(2, sign * 800.0), np.array([0.0, 1.0])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loglik, residual = LOGIT.loglik(y, eta), LOGIT.residual(y, eta)
        mean, curvature = LOGIT.mean(eta), LOGIT.expected(eta)
    right = int(sign > 0)
    np.testing.assert_array_equal(mean, [right, right])
    np.testing.assert_array_equal(curvature, [0, 0])
    assert (loglik[right], loglik[1 - right]) == (0.0, -800.0)
    assert (residual[right], residual[1 - right]) == (0.0, 1.0 - 2.0 * right)


def test_the_family_is_symmetric_in_the_two_outcomes() -> None:
    eta = np.linspace(-40, 40, 401)
    np.testing.assert_allclose(LOGIT.mean(eta), 1 - LOGIT.mean(-eta), atol=ULP)
    np.testing.assert_array_equal(LOGIT.expected(eta), LOGIT.expected(-eta))
    np.testing.assert_allclose(LOGIT.loglik(np.ones(401), eta), LOGIT.loglik(np.zeros(401), -eta), atol=1e-14)


def test_residual_and_curvature_are_derivatives() -> None:
    eta, y, h = np.linspace(-6, 6, 49), np.resize([0.0, 1.0], 49), 1e-5
    slope = (LOGIT.loglik(y, eta + h) - LOGIT.loglik(y, eta - h)) / (2 * h)
    bend = (LOGIT.residual(y, eta - h) - LOGIT.residual(y, eta + h)) / (2 * h)
    # central differences: h^2 / 6 times a third derivative below 0.1, rounding 1e-15 / h
    np.testing.assert_allclose(LOGIT.residual(y, eta), slope, atol=1e-9)
    np.testing.assert_allclose(LOGIT.expected(eta), bend, atol=1e-9)


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.tilt], ids=lambda f: f.name)
def test_the_tilt_is_the_slope_of_the_logarithm_of_the_curvature(family):
    eta, h = np.linspace(-6, 6, 49), 1e-5
    slope = (np.log(family.expected(eta + h)) - np.log(family.expected(eta - h))) / (2 * h)
    np.testing.assert_allclose(family.tilt(eta), slope, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f"{f.name} {f.link}")
def test_slope_and_bend_of_the_mean_are_its_derivatives(family):
    eta, h = np.linspace(-6, 2, 33), 1e-5
    slope = (family.mean(eta + h) - family.mean(eta - h)) / (2 * h)
    bend = (family.mean_slope(eta + h) - family.mean_slope(eta - h)) / (2 * h)
    # h^2 / 6 times a third derivative below 10, and rounding of 1e-15 / h
    np.testing.assert_allclose(family.mean_slope(eta), slope, atol=1e-9)
    np.testing.assert_allclose(family.mean_bend(eta), bend, atol=1e-9)


RESPONSES = {
    ("binomial", "logit"): [0.0, 1.0],
    ("binomial", "log"): [0.0, 1.0],
    ("gaussian", "identity"): [-2.0, 0.5],
    ("poisson", "log"): [0.0, 3.0],
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f"{f.name} {f.link}")
def test_derivatives_of_every_family_are_those_of_its_log_likelihood(family):
    eta, h = np.linspace(-3, -0.2, 15), 1e-4
    for value in RESPONSES[family.name, family.link]:
        y = np.full_like(eta, value)
        slope = (family.loglik(y, eta + h) - family.loglik(y, eta - h)) / (2 * h)
        bend = (family.residual(y, eta - h) - family.residual(y, eta + h)) / (2 * h)
        # differences of second order: h^2 times a third derivative below 1e3, and rounding of 1e-12
        np.testing.assert_allclose(family.residual(y, eta), slope, atol=1e-5)
        np.testing.assert_allclose(family.curvature(y, eta), bend, atol=1e-5, rtol=1e-6)
        short = -2 * family.loglik(y, eta) - family.deviance(y, eta)
        assert np.ptp(short) < 1e-12  # what a perfect fit has does not depend on the predictor


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f"{f.name} {f.link}")
def test_the_expected_curvature_is_its_mean_and_the_link_undoes_the_mean(family):
    eta = np.linspace(-3, -0.2, 15)
    mean = family.mean(eta)
    np.testing.assert_allclose([family.inverse(float(m)) for m in mean], eta, rtol=1e-12)
    if family.counts_outcomes:
        ones, zeros = family.curvature(np.ones(15), eta), family.curvature(np.zeros(15), eta)
        np.testing.assert_allclose(family.expected(eta), mean * ones + (1 - mean) * zeros, rtol=1e-12)
    else:
        np.testing.assert_allclose(family.expected(eta), family.curvature(mean, eta))


def test_a_risk_of_one_is_out_of_reach_and_just_below_it_everything_is_finite():
    assert not LOG_BINOMIAL.reaches(np.array([-1.0, 0.0]))
    assert not LOG_BINOMIAL.reaches(np.array([-1.0, np.nan, 3.0]))
    assert LOGIT.reaches(np.array([700.0]))
    y, eta = np.array([0.0, 1.0]), np.array([-2e-6, -2e-6])
    assert LOG_BINOMIAL.reaches(eta)
    for part in (LOG_BINOMIAL.loglik, LOG_BINOMIAL.residual, LOG_BINOMIAL.curvature):
        assert np.isfinite(part(y, eta)).all()


@pytest.mark.parametrize("asked", [("gamma", None), ("poisson", "logit"), ("gaussian", "log")])
def test_a_family_that_is_not_there_is_one_sentence(asked):
    with pytest.raises(ValueError, match=r"There is no family.*choose one of"):
        family_of(*asked)
