"""Paths of penalties on least squares, where a lasso of orthogonal columns is known in closed form; searches in step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedstats.numerics.path_of_penalties import abreast, path, quadratic, strongest
from fedstats.numerics.penalties import ElasticNet, Weighted, driven
from tests.numerics.test_penalties import data, least_squares

ONES = np.ones(4)


def of_orthogonal(seed):
    x = np.linalg.qr(data(seed)[0])[0]
    return x, x @ np.array([3.0, -0.2, 1.5, 0.0])


def penalties(strengths, mixing=1.0):
    return [Weighted.of(ElasticNet(s, mixing), 1.0, ONES) for s in strengths]


def test_a_path_of_orthogonal_columns_is_soft_thresholding_at_every_strength():
    strengths = [3.5, 2.0, 1.0, 0.1]
    found = driven(path(np.zeros(4), penalties(strengths)), least_squares(*of_orthogonal(1)))
    expected = [[0, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0.5, 0], [2.9, -0.1, 1.4, 0]]
    assert np.array([at.beta for at in found]) == pytest.approx(np.array(expected), abs=1e-12)


def test_the_strongest_penalty_is_the_largest_slope():
    null = least_squares(*of_orthogonal(1))(np.zeros(4))
    assert strongest(null, 1.0, ONES, 1.0) == pytest.approx(3.0, rel=1e-8)
    assert strongest(null, 2.0, 0.5 * ONES, 0.5) == pytest.approx(6.0, rel=1e-8)
    assert strongest(null, 1.0, ONES, 0.0) == pytest.approx(3000.0, rel=1e-8)
    assert strongest(null, 1.0, np.array([0.0, 1, 1, 1]), 1.0) == pytest.approx(1.5, rel=1e-8)


@given(st.integers(0, 1000), st.floats(0.0, 1.0))
def test_a_quadratic_is_known_everywhere_from_one_point(seed, mixing):
    derivatives = least_squares(*data(seed))
    known = quadratic(derivatives(np.random.default_rng(seed).normal(size=4)))
    at, elsewhere = np.array([0.5, -2.0, 0.0, 1.0]), derivatives(np.array([0.5, -2.0, 0.0, 1.0]))
    assert known(at).loglik == pytest.approx(elsewhere.loglik, rel=1e-10)
    assert known(at).score == pytest.approx(elsewhere.score, rel=1e-9, abs=1e-9)
    strengths = [10.0, 1.0]
    one, other = (driven(path(np.zeros(4), penalties(strengths, mixing)), d) for d in (known, derivatives))
    assert one[-1].beta == pytest.approx(other[-1].beta, abs=1e-8)


def test_searches_in_step_find_what_each_finds_alone():
    alone = [least_squares(*data(seed)) for seed in (1, 2, 3)]
    paths = [penalties(s) for s in ([5.0, 1.0], [2.0], [20.0, 10.0, 5.0, 1.0, 0.1])]
    rounds = []

    def together(points):
        rounds.append(points.copy())
        return [d(point) for d, point in zip(alone, points, strict=True)]

    found = abreast([path(np.zeros(4), p) for p in paths], together)
    for each, d, p in zip(found, alone, paths, strict=True):
        expected = driven(path(np.zeros(4), p), d)
        assert [at.beta.tolist() for at in each] == [at.beta.tolist() for at in expected]
    assert {points.shape for points in rounds} == {(3, 4)}
    assert len(rounds) < 1 + 2 * 5 + 3  # as many as the longest takes, and not their sum
