"""Intercepts of groups against closed forms, bisection and the Schur complement."""

import numpy as np
import pytest
from scipy.optimize import brentq

from fedstats.numerics.families import GAUSSIAN, LOGIT, POISSON
from fedstats.numerics.group_intercepts import centred, estimable, with_intercepts

N, K = 300, 7


def rows(family, seed=0, spread=1.0):
    random = np.random.default_rng(seed)
    group, eta = random.integers(0, K, N), random.normal(0, spread, N)
    y = {
        "binomial": (random.random(N) < 0.3).astype(float),
        "poisson": random.poisson(2.0, N).astype(float),
        "gaussian": random.normal(5, 2, N),
    }[family.name]
    return group, y, random.integers(1, 4, N).astype(float), eta


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("family", [LOGIT, POISSON, GAUSSIAN], ids=lambda f: f.name)
def test_means_add_up_to_the_outcomes_of_every_group(family, spread):
    group, y, w, eta = rows(family, spread=spread)
    assert estimable(family, group, y, w).all()
    found = with_intercepts(family, group, y, w, eta)
    left = np.bincount(group, w * (y - family.mean(found)))
    np.testing.assert_allclose(left, 0, atol=1e-11 * np.bincount(group, w * np.abs(y)).max())
    alpha = found - eta
    for k in range(K):
        np.testing.assert_allclose(alpha[group == k], alpha[group == k][0], atol=1e-13 * max(spread, 10))


def test_a_logistic_intercept_is_where_bisection_finds_it():
    group, y, w, eta = rows(LOGIT, 3)
    found = (with_intercepts(LOGIT, group, y, w, eta) - eta)[group == 2][0]
    here = group == 2

    def gap(alpha):
        return w[here] @ (y[here] - LOGIT.mean(eta[here] + alpha))

    assert found == pytest.approx(brentq(gap, -20, 20, xtol=1e-14), abs=1e-12)


def test_intercepts_of_counts_and_of_measurements_have_closed_forms():
    group, y, w, eta = rows(POISSON, 1)
    expected = np.log(np.bincount(group, w * y) / np.bincount(group, w * np.exp(eta)))
    np.testing.assert_allclose(with_intercepts(POISSON, group, y, w, eta) - eta, expected[group], atol=1e-13)
    group, y, w, eta = rows(GAUSSIAN, 1)
    expected = np.bincount(group, w * (y - eta)) / np.bincount(group, w)
    np.testing.assert_allclose(with_intercepts(GAUSSIAN, group, y, w, eta) - eta, expected[group], atol=1e-12)


def test_predictors_beyond_the_range_of_floats_leave_a_finite_intercept():
    group, y, w, eta = rows(POISSON, 1)
    eta = eta + np.where(np.arange(N) % 5 == 0, 2000.0, -2000.0)
    assert np.isfinite(with_intercepts(POISSON, group, y, w, eta)).all()


def test_groups_without_an_event_or_with_events_alone_have_no_finite_intercept():
    group = np.repeat([0, 1, 2, 3], 3)
    y = np.array([0, 0, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1.0])
    w = np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2, 0.0])
    assert estimable(LOGIT, group, y, w).tolist() == [False, False, True, False]
    assert estimable(POISSON, group, y, w).tolist() == [False, True, True, False]
    assert estimable(GAUSSIAN, group, y, 0 * w + (group > 0)).tolist() == [False, True, True, True]


def test_the_information_of_centred_columns_is_the_schur_complement():
    group, _, w, _ = rows(LOGIT)
    x = np.random.default_rng(2).normal(size=(N, 3))
    whole = np.column_stack([x, np.eye(K)[group]])
    information = whole.T @ (whole * w[:, None])
    inverse = np.linalg.inv(information)[:3, :3]
    within = centred(x, group, w)
    np.testing.assert_allclose(within.T @ (within * w[:, None]), np.linalg.inv(inverse), rtol=1e-10)
