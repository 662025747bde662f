"""Fixed and random effects that a pencil can check, and what has no answer."""

import numpy as np
import pytest

from fedstats.numerics.meta_analysis import meta_analysis, one_stage_score_test


def test_two_estimates_by_a_pencil():
    """Of 0 and 2, each with variance 1: mean 1, Q = 2 on one degree of freedom, and every tau2 is 2 - 1 = 1."""
    for method in ("REML", "DL", "PM"):
        found = meta_analysis(np.array([0.0, 2.0]), np.ones(2), method, hartung_knapp=False)
        assert found.fixed.estimate == found.random.estimate == 1.0
        assert found.fixed.std_error == pytest.approx(np.sqrt(0.5))
        assert (found.q, found.df) == (2.0, 1)
        assert found.tau2 == pytest.approx(1.0, rel=1e-12)
        assert found.random.std_error == pytest.approx(1.0)
        assert (found.i2, found.h2) == pytest.approx((0.5, 2.0))
        assert found.prediction == pytest.approx(
            (1 - 1.959963984540054 * 2**0.5, 1 + 1.959963984540054 * 2**0.5)
        )


def test_groups_that_agree_have_no_variance_between_them():
    found = meta_analysis(np.full(4, 0.3), np.array([1.0, 2.0, 3.0, 4.0]))
    assert (found.q, found.tau2, found.i2) == pytest.approx((0.0, 0.0, 0.0), abs=1e-15)
    assert found.tau2_interval == (0.0, 0.0)


def test_of_one_group_nothing_is_known_of_others():
    found = meta_analysis(np.array([0.3]), np.array([0.04]))
    assert (found.fixed.estimate, found.fixed.std_error, found.df) == (0.3, pytest.approx(0.2), 0)
    assert np.isnan([found.random.std_error, found.tau2, *found.prediction]).all()


def test_the_score_test_of_two_independent_means():
    """Of groups with information 1 each and slopes 1 and -1, others orthogonal: 1 + 1 on one degree of freedom."""
    statistic, df, p = one_stage_score_test(
        np.array([[1.0], [-1.0]]), np.ones((2, 1, 1)), np.zeros((2, 1, 3)), np.eye(3)
    )
    assert (statistic, df) == (2.0, 1)
    assert p == pytest.approx(0.15729920705028513)


def test_a_group_without_information_leaves_the_score_test_as_it_is():
    """A third group of which nothing is known, and one whose column is a sum of rounding errors."""
    for nothing in (0.0, 1e-15):
        own = np.array([1.0, 1.0, nothing]).reshape(3, 1, 1)
        statistic, df, _ = one_stage_score_test(
            np.array([[1.0], [-1.0], [nothing]]), own, np.zeros((3, 1, 1)), np.eye(1)
        )
        assert (statistic, df) == (pytest.approx(2.0), 1)
    alone, df, p_value = one_stage_score_test(
        np.zeros((2, 1, 1))[:, 0], np.array([[[1.0]], [[0.0]]]), np.zeros((2, 1, 0)), np.eye(0)
    )
    assert df == 0
    assert np.isnan([alone, p_value]).all()
