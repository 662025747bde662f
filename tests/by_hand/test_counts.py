"""Tests, areas and incidences of tables so small that every number can be written down."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm

from fedstats.numerics.cumulative_incidence import aalen_johansen
from fedstats.numerics.restricted_mean import area_between_edges, area_of_steps, area_variance
from fedstats.numerics.weighted_log_rank import chi_squared, log_rank_sums, max_combo_p_value, z_values

# Group A dies at 1, 3 and is censored at 4; group B dies at 3, 5, 6.  At risk at 1, 3, 5, 6:
N_RISK = np.array([[3.0, 2, 0, 0], [3, 3, 2, 1]])
N_EVENT = np.array([[1.0, 1, 0, 0], [0, 1, 1, 1]])


def test_log_rank_by_hand():
    sums = log_rank_sums(N_RISK, N_EVENT, [(0, 0)])
    expected_of_a = Fraction(3, 6) + 2 * Fraction(2, 5)
    variance = Fraction(1, 4) + Fraction(2, 5) * Fraction(3, 5) * 2 * Fraction(
        3, 4
    )  # of one death, and of two tied ones among five
    assert sums.expected[0, 0] == pytest.approx(float(expected_of_a))
    assert sums.covariance[0, 0, 0, 0] == pytest.approx(float(variance))
    assert chi_squared(sums) == (pytest.approx(float((2 - expected_of_a) ** 2 / variance)), 1)


def test_weights_are_of_the_curve_before_each_time():
    before = [Fraction(1), Fraction(5, 6), Fraction(5, 6) * Fraction(3, 5), Fraction(1, 4)]
    sums = log_rank_sums(N_RISK, N_EVENT, [(1, 0), (0, 2)])
    for row, weights in enumerate([before, [(1 - s) ** 2 for s in before]]):
        assert sums.observed[row].tolist() == pytest.approx(
            [float(weights[0] + weights[1]), float(weights[1] + weights[2] + weights[3])]
        )


def test_time_in_cells_without_patients_changes_nothing():
    wide = [np.insert(v, 2, 0.0, axis=1) for v in (N_RISK, N_EVENT)]
    assert chi_squared(log_rank_sums(*wide, [(0, 1)])) == chi_squared(
        log_rank_sums(N_RISK, N_EVENT, [(0, 1)])
    )


def test_of_two_uncorrelated_tests_the_more_extreme_one():
    found = max_combo_p_value(np.array([1.2, -2.0]), np.eye(2), "two-sided")
    assert found == pytest.approx(1 - (2 * norm.cdf(2.0) - 1) ** 2, rel=1e-4)
    for alternative, most in (("less", 2.0), ("greater", 1.2)):
        found = max_combo_p_value(np.array([1.2, -2.0]), np.eye(2), alternative)
        assert found == pytest.approx(1 - norm.cdf(most) ** 2, rel=1e-4)
    below = max_combo_p_value(np.array([-1.5, -1.0]), np.eye(2), "greater")
    assert below == pytest.approx(1 - norm.cdf(-1.0) ** 2, rel=1e-4)


def test_of_one_test_asked_twice_it_is_the_test_itself():
    same = max_combo_p_value(np.array([2.5, 2.5]), np.ones((2, 2)), "two-sided")
    assert same == pytest.approx(2 * norm.sf(2.5), rel=1e-12)


def test_a_tiny_p_value_has_relative_digits():
    found = max_combo_p_value(np.array([9.0, 1.0, 0.5]), np.eye(3), "two-sided")
    assert found == pytest.approx(
        6 * norm.sf(9.0), rel=1e-3
    )  # beyond 9 in one of three directions, hardly in two


def test_a_score_of_the_second_group_is_above_zero_where_it_has_more_events():
    z, _ = z_values(log_rank_sums(N_RISK[::-1], N_EVENT[::-1], [(0, 0)]))
    assert z[0] > 0  # A is the second group now, and dies earlier


def test_area_under_steps_by_hand():
    time, survival = np.array([1.0, 3.0, 4.0]), np.array([2 / 3, 1 / 3, 1 / 3])
    area = area_of_steps(time, survival, 3.5)
    assert area.estimate == pytest.approx(1 + 2 * Fraction(2, 3) + Fraction(1, 6))
    assert area.after.tolist() == pytest.approx([4 / 3 + 1 / 6, 1 / 6, 0.0])
    variance = area_variance(area, np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0]))
    assert variance == pytest.approx(1.5**2 * Fraction(1, 6) + Fraction(1, 36) * Fraction(1, 2))
    assert area_of_steps(time, survival, 0.5).estimate == 0.5


def test_area_between_edges_by_hand():
    time, survival, lowest = np.array([2.0, 4.0]), np.array([0.5, 0.25]), np.array([0.4, 0.2])
    area = area_between_edges(time, survival, lowest, 3.0)
    assert area.estimate == pytest.approx(1.5 + (0.5 + 0.375) / 2)
    assert (area.low, area.high) == pytest.approx((2 * 0.4 + 0.2, 2 * 1 + 0.5))


def test_the_slopes_of_an_area_are_its_difference_quotients():
    time = np.array([1.0, 2.0, 4.0])
    for tau in (0.7, 2.0, 3.1, 4.0):
        hazard = np.array([0.1, 0.3, 0.2])

        def area(h, tau=tau):
            return area_between_edges(time, np.cumprod(1 - h), np.zeros(3), tau)

        for j, after in enumerate(area(hazard).after):
            step = 1e-6 * np.eye(3)[j] * (1 - hazard[j])
            quotient = (area(hazard - step).estimate - area(hazard + step).estimate) / 2e-6
            assert after == pytest.approx(quotient, rel=1e-6, abs=1e-9)


def test_incidences_by_hand():
    # four patients: the first cause at 1 and 3, the second at 2, one is followed on
    n_risk, n_event = np.array([4.0, 3, 2]), np.array([[1.0, 0, 1], [0, 1, 0]])
    incidence, error, survival = aalen_johansen(n_risk, n_event)
    assert incidence.tolist() == [[0.25, 0.25, 0.5], [0.0, 0.25, 0.25]]
    assert survival.tolist() == pytest.approx([0.75, 0.5, 0.25])
    # without losses an incidence is a share of the patients
    assert error[0].tolist() == pytest.approx([sqrt(p * (1 - p) / 4) for p in (0.25, 0.25, 0.5)])
    assert error[1].tolist() == pytest.approx([0.0, sqrt(0.25 * 0.75 / 4), sqrt(0.25 * 0.75 / 4)])


def test_incidences_and_survival_add_up_to_one_where_all_die():
    n_risk, n_event = np.array([3.0, 1]), np.array([[1.0, 1], [1, 0]])
    incidence, error, survival = aalen_johansen(n_risk, n_event)
    assert (incidence.sum(axis=0) + survival).tolist() == pytest.approx([1.0, 1.0])
    assert error[0, 1] == pytest.approx(sqrt(2 / 9 / 3))
