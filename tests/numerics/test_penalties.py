"""Penalised likelihoods by hand: least squares, where everything is known in closed form, and the conditions of a maximum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedstats.numerics.newton import Derivatives, NotConverged
from fedstats.numerics.penalties import ElasticNet, Ridge, Weighted, penalised


def least_squares(x, y):
    """Minus half the sum of squares, and its derivatives."""

    def derivatives(beta):
        r = y - x @ beta
        return Derivatives(-0.5 * float(r @ r), x.T @ r, x.T @ x, beta)

    return derivatives


def data(seed, n=40, p=4):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    return x, x @ np.array([1.0, -0.5, 0.0, 0.2])[:p] + random.normal(size=n)


NAMES = list("abcd")
ONES = np.ones(4)


def test_ridge_is_a_linear_system():
    x, y = data(0)
    found = penalised(least_squares(x, y), np.zeros(4), NAMES, Weighted.of(Ridge(0.3), 40.0, ONES))
    expected = np.linalg.solve(x.T @ x + 12.0 * np.eye(4), x.T @ y)
    assert found.beta == pytest.approx(expected, rel=1e-12)
    assert found.at.information == pytest.approx(x.T @ x)  # without the penalty


def test_a_lasso_of_orthogonal_columns_is_soft_thresholding():
    x = np.linalg.qr(data(1)[0])[0]
    y = 3 * x[:, 0] - 0.2 * x[:, 1] + 1.5 * x[:, 2]
    found = penalised(least_squares(x, y), np.zeros(4), NAMES, Weighted.of(ElasticNet(0.5), 1.0, ONES))
    assert found.beta == pytest.approx([2.5, 0.0, 1.0, 0.0], abs=1e-12)
    assert found.beta[1] == 0.0


@given(st.integers(0, 1000), st.floats(0.01, 2.0), st.floats(0.0, 1.0))
def test_the_conditions_of_a_maximum_hold(seed, strength, mixing):
    x, y = data(seed)
    spread = np.array([0.0, 1.0, 2.0, 0.5])  # the first is not penalised
    penalty = Weighted.of(ElasticNet(strength, mixing), 40.0, spread)
    found = penalised(least_squares(x, y), np.zeros(4), NAMES, penalty)
    slope = found.at.score - penalty.square * found.beta
    there = found.beta != 0
    # to 1e-6 of the largest slope at zero: a step of 1e-9 standard errors is left
    tolerance = 1e-6 * np.abs(x.T @ y).max()
    assert np.abs(slope - penalty.absolute * np.sign(found.beta))[there].max(initial=0) < tolerance
    assert (np.abs(slope) - penalty.absolute)[~there].max(initial=-1) < tolerance


def test_a_ridge_makes_a_fit_of_collinear_columns():
    x, y = data(2)
    x[:, 3] = x[:, 0]
    found = penalised(least_squares(x, y), np.zeros(4), NAMES, Weighted.of(Ridge(0.1), 40.0, ONES))
    assert found.beta[0] == pytest.approx(found.beta[3], rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [((0.0,), "above zero"), ((-1.0,), "above zero"), ((1.0, 2.0), "mixing"), ((np.nan,), "above")],
)
def test_a_penalty_out_of_range_is_one_sentence(arguments, word):
    with pytest.raises(ValueError, match=word):
        ElasticNet(*arguments)


def test_sums_that_are_not_finite_stop_a_fit():
    with pytest.raises(NotConverged):
        penalised(Derivatives.not_finite, np.zeros(4), NAMES, Weighted.of(ElasticNet(1.0), 1.0, ONES))
