"""Product-limit estimates, their intervals and quantiles, by hand and against R's rule."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import norm

from fedstats.numerics.survival_table import kaplan_meier_estimate, quantile_time

LAW = settings(max_examples=200, deadline=None, database=None, derandomize=True)
Z = float(norm.ppf(0.975))


@st.composite
def tables(draw):
    """Counts at risk and of events without delayed entry."""
    leaves = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=12))
    events, losses = np.array(leaves, dtype=float).T
    gone = np.concatenate([[0], np.cumsum(events + losses)])
    return gone[-1] + draw(st.integers(1, 5)) - gone[:-1], events


@LAW
@given(tables())
def test_survival_and_greenwood_are_the_product_and_the_sum(table) -> None:
    n, d = table
    found = kaplan_meier_estimate(n, d, "log", 0.95)
    survival, cumulative = 1.0, 0.0
    for k in range(len(n)):
        survival *= 1 - d[k] / n[k]
        cumulative += d[k] / (n[k] * (n[k] - d[k]))
        assert found.estimate[k] == pytest.approx(survival, rel=1e-13)
        assert found.std_error[k] == pytest.approx(survival * cumulative**0.5, rel=1e-13)


@LAW
@given(tables(), st.sampled_from(["log", "log-log", "plain"]), st.sampled_from([0.5, 0.9, 0.95]))
def test_intervals_hold_the_estimate_and_widen_with_the_level(table, conf_type, level) -> None:
    narrow = kaplan_meier_estimate(*table, conf_type, level)
    wide = kaplan_meier_estimate(*table, conf_type, 0.99)
    slack = 1e-14
    assert np.all(wide.conf_low >= 0)
    assert np.all(wide.conf_low <= narrow.conf_low + slack)
    assert np.all(narrow.conf_low <= narrow.estimate + slack)
    assert np.all(narrow.estimate <= narrow.conf_high + slack)
    assert np.all(narrow.conf_high <= wide.conf_high + slack)
    assert np.all(wide.conf_high <= 1)


def test_the_three_intervals_by_hand() -> None:
    s, root = 0.8, np.sqrt(2 / (10 * 8))  # 2 of 10 die: S = 0.8, se(log S) = sqrt(d / (n (n - d)))
    expected = {
        "plain": (s - Z * s * root, 1.0),
        "log": (s * np.exp(-Z * root), 1.0),
        "log-log": (s ** np.exp(-Z * root / np.log(s)), s ** np.exp(Z * root / np.log(s))),
    }
    assert s + Z * s * root > 1  # so that the upper ends are cut at one
    for conf_type, (low, high) in expected.items():
        found = kaplan_meier_estimate(np.array([10.0]), np.array([2.0]), conf_type, 0.95)
        assert found.conf_low[0] == pytest.approx(low, rel=1e-13)
        assert found.conf_high[0] == pytest.approx(high, rel=1e-13)


@pytest.mark.parametrize("conf_type", ["log", "log-log", "plain"])
def test_when_the_last_patient_dies_nothing_but_zero_is_defined(conf_type: str) -> None:
    found = kaplan_meier_estimate(np.array([2.0, 1.0]), np.array([1.0, 1.0]), conf_type, 0.95)
    assert found.estimate[1] == 0
    assert np.isnan([found.std_error[1], found.conf_low[1], found.conf_high[1]]).all()


def test_an_empty_risk_set_leaves_the_curve_level() -> None:
    found = kaplan_meier_estimate(np.array([2.0, 0.0, 2.0]), np.array([1.0, 0.0, 1.0]), "log", 0.95)
    np.testing.assert_array_equal(found.estimate, [0.5, 0.5, 0.25])


def quantile_of_r(time, survival, probability: float) -> float:
    """survival:::quantile.survfit: first time at or below, the midpoint of a step that lies on the line."""
    line, tolerance = 1 - probability, 1.5e-8
    reached = [t for t, s in zip(time, survival, strict=True) if s <= line + tolerance]
    beyond = [t for t, s in zip(time, survival, strict=True) if s < line - tolerance]
    if not reached:
        return float("nan")
    on_line = any(abs(s - line) < tolerance for s in survival)
    return (reached[0] + (beyond[0] if beyond else time[-1])) / 2 if on_line else reached[0]


@LAW
@given(tables(), st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9]))
def test_quantiles_follow_the_rule_of_r(table, probability) -> None:
    survival = kaplan_meier_estimate(*table, "log", 0.95).estimate
    time = np.arange(1.0, len(survival) + 1)
    expected = quantile_of_r(time, survival, probability)
    assert quantile_time(time, survival, probability) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("n", [10, 20, 1000, 20_000, 300_000])
def test_the_median_of_uncensored_times_is_the_usual_one_whatever_rounding_did(n: int) -> None:
    at_risk = np.arange(n, 0, -1.0)
    survival = kaplan_meier_estimate(at_risk, np.ones(n), "log", 0.95).estimate
    time = np.arange(1.0, n + 1)
    assert quantile_time(time, survival, 0.5) == np.median(time)


def test_a_curve_that_ends_on_the_line_gives_the_midpoint_to_the_end_of_follow_up() -> None:
    assert quantile_time(np.array([1.0, 2, 6]), np.array([0.8, 0.5, 0.5]), 0.5) == 4.0


def test_a_quantile_that_is_not_reached_is_not_a_number() -> None:
    assert np.isnan(quantile_time(np.array([1.0, 2]), np.array([0.9, 0.6]), 0.5))
