"""The binomial family against forty-digit arithmetic."""

from decimal import Decimal, localcontext

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from fedstats.numerics.families import BINOMIAL

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
    assert float(BINOMIAL.mean(np.array([eta]))[0]) == pytest.approx(float(mean), rel=8 * ULP, abs=0)
    found = float(BINOMIAL.curvature(np.array([eta]))[0])
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
    assert float(BINOMIAL.loglik(np.array([y]), at)[0]) == pytest.approx(
        float(loglik), abs=2 * ULP * max(1.0, abs(eta))
    )
    assert float(BINOMIAL.residual(np.array([y]), at)[0]) == pytest.approx(float(residual), abs=ULP)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_eight_hundred_is_far_but_neither_overflow_nor_nan(sign: float) -> None:
    eta, y = np.full(2, sign * 800.0), np.array([0.0, 1.0])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loglik, residual = BINOMIAL.loglik(y, eta), BINOMIAL.residual(y, eta)
        mean, curvature = BINOMIAL.mean(eta), BINOMIAL.curvature(eta)
    right = int(sign > 0)
    np.testing.assert_array_equal(mean, [right, right])
    np.testing.assert_array_equal(curvature, [0, 0])
    assert (loglik[right], loglik[1 - right]) == (0.0, -800.0)
    assert (residual[right], residual[1 - right]) == (0.0, 1.0 - 2.0 * right)


def test_the_family_is_symmetric_in_the_two_outcomes() -> None:
    eta = np.linspace(-40, 40, 401)
    np.testing.assert_allclose(BINOMIAL.mean(eta), 1 - BINOMIAL.mean(-eta), atol=ULP)
    np.testing.assert_array_equal(BINOMIAL.curvature(eta), BINOMIAL.curvature(-eta))
    np.testing.assert_allclose(
        BINOMIAL.loglik(np.ones(401), eta), BINOMIAL.loglik(np.zeros(401), -eta), atol=1e-14
    )


def test_residual_and_curvature_are_derivatives() -> None:
    eta, y, h = np.linspace(-6, 6, 49), np.resize([0.0, 1.0], 49), 1e-5
    slope = (BINOMIAL.loglik(y, eta + h) - BINOMIAL.loglik(y, eta - h)) / (2 * h)
    bend = (BINOMIAL.residual(y, eta - h) - BINOMIAL.residual(y, eta + h)) / (2 * h)
    # central differences: h^2 / 6 times a third derivative below 0.1, rounding 1e-15 / h
    np.testing.assert_allclose(BINOMIAL.residual(y, eta), slope, atol=1e-9)
    np.testing.assert_allclose(BINOMIAL.curvature(eta), bend, atol=1e-9)
