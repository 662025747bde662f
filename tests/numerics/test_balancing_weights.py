"""Weights by a propensity: their table, their slopes by finite differences, and where they are cut."""

import numpy as np
import pytest

from fedstats.numerics.balancing_weights import Truncation, balancing_weights, departures

ETA = np.array([-2.0, -0.5, 0.0, 0.7, 3.0, -2.0, -0.5, 0.0, 0.7, 3.0])
TREATED = np.arange(10) < 5
E = 1 / (1 + np.exp(-ETA))
CUT = Truncation(0.2, 0.9, 0.0, np.inf)
LIGHT = Truncation(0.0, 1.0, 1.2, 4.0)


@pytest.mark.parametrize(
    ("estimand", "expected"),
    [
        ("ATE", np.where(TREATED, 1 / E, 1 / (1 - E))),
        ("ATT", np.where(TREATED, 1.0, E / (1 - E))),
        ("overlap", np.where(TREATED, 1 - E, E)),
    ],
)
def test_weights_are_those_of_the_table(estimand, expected):
    found = balancing_weights(ETA, TREATED, estimand)
    np.testing.assert_allclose(found.weight, expected, rtol=1e-14)
    assert not found.truncated.any()


def test_stabilised_weights_count_the_share_of_each_arm():
    plain, stabilised = (balancing_weights(ETA, TREATED, "ATE", share) for share in (None, 0.3))
    np.testing.assert_allclose(stabilised.weight / plain.weight, np.where(TREATED, 0.3, 0.7), rtol=1e-14)


@pytest.mark.parametrize("ends", [Truncation(), CUT, LIGHT], ids=["whole", "propensity cut", "weight cut"])
@pytest.mark.parametrize(
    ("estimand", "share"), [("ATE", None), ("ATE", 0.3), ("ATT", None), ("overlap", None)]
)
def test_slopes_are_finite_differences(estimand, share, ends):
    h = 1e-6

    def logs(eta, share):
        return np.log(balancing_weights(eta, TREATED, estimand, share, ends).weight)

    found = balancing_weights(ETA, TREATED, estimand, share, ends)
    slope = (logs(ETA + h, share) - logs(ETA - h, share)) / (2 * h)
    np.testing.assert_allclose(found.slope, slope, atol=1e-9)
    if share is not None:
        of_share = (logs(ETA, share + h) - logs(ETA, share - h)) / (2 * h)
        np.testing.assert_allclose(found.share_slope, of_share, atol=1e-9)
    else:
        assert not found.share_slope.any()


def test_what_is_cut_lies_at_the_ends():
    found = balancing_weights(ETA, TREATED, "ATE", ends=CUT)
    np.testing.assert_allclose(
        found.weight, np.where(TREATED, 1 / E.clip(0.2, 0.9), 1 / (1 - E.clip(0.2, 0.9)))
    )
    assert found.truncated.tolist() == [-1, 0, 0, 0, 1] * 2
    light = balancing_weights(ETA, TREATED, "ATE", ends=LIGHT)
    assert (light.weight.min(), light.weight.max()) == (1.2, 4.0)
    assert light.truncated.tolist() == [1, 0, 0, 0, -1, -1, 0, 0, 0, 1]


def test_a_weight_that_is_not_finite_is_an_error():
    with pytest.raises(FloatingPointError, match="not finite"):
        balancing_weights(np.array([-800.0]), np.array([True]), "ATE")


@pytest.mark.parametrize("ends", [Truncation(), CUT, LIGHT], ids=["whole", "propensity cut", "weight cut"])
def test_departures_are_what_is_left_of_a_weight_less_a_constant(ends):
    found = balancing_weights(ETA, TREATED, "ATE", None, ends)
    from_one, *at_ends = departures(ETA, TREATED, found, "ATE", None, ends)
    if ends == Truncation():
        np.testing.assert_allclose(from_one, found.weight - 1.0, rtol=1e-12)
    for departure in at_ends:  # who is cut departs by nothing
        assert (departure[found.truncated != 0] < 1e-12).any()
        assert (departure >= 0).all()
