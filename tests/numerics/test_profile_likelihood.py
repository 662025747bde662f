"""Profile limits against closed forms and bisection."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from fedstats.numerics.newton import Derivatives, NotConverged, newton
from fedstats.numerics.profile_likelihood import profile_limit

DROP = 1.9207294103470617  # half the 95 % quantile of chi-squared with one degree of freedom


def normal(beta):
    """Two correlated coefficients whose log-likelihood is a parabola."""
    information = np.array([[4.0, 1.0], [1.0, 2.0]])
    away = np.asarray(beta) - np.array([0.5, -1.0])
    return Derivatives(-0.5 * away @ information @ away, -information @ away, information, np.asarray(beta))


def binomial(events, n):
    def at(beta):
        p = expit(beta[0])
        loglik = events * beta[0] - n * np.logaddexp(0.0, beta[0])
        information = np.array([[n * p * (1 - p)]])
        return Derivatives(float(loglik), np.array([events - n * p]), information, np.asarray(beta))

    return at


@pytest.mark.parametrize("j", [0, 1])
def test_of_a_parabola_the_ends_are_those_of_wald(j):
    maximum = normal([0.5, -1.0])
    se = np.sqrt(np.linalg.inv(maximum.information)[j, j])
    for side in (-1, 1):
        end = profile_limit(normal, maximum, j, DROP, side)
        assert end == pytest.approx(maximum.beta[j] + side * np.sqrt(2 * DROP) * se, rel=1e-12)


@pytest.mark.parametrize(("events", "n"), [(1, 10), (3, 7), (5, 1000), (199, 200), (1, 2)])
def test_of_a_proportion_the_ends_are_where_bisection_finds_them(events, n):
    asked = binomial(events, n)
    maximum = newton(asked, np.zeros(1), ("x",)).at

    def fallen(value):
        return asked(np.array([value])).loglik - maximum.loglik + DROP

    centre = maximum.beta[0]
    for side, bracket in ((-1, (centre - 40, centre)), (1, (centre, centre + 40))):
        expected = brentq(fallen, *bracket, xtol=1e-14, rtol=1e-15)
        assert profile_limit(asked, maximum, 0, DROP, side) == pytest.approx(expected, abs=1e-9)


def plateau(beta):
    """Rises to its maximum at zero and falls by no more than one on the right."""
    b = float(np.asarray(beta)[0])
    loglik = -(b**2) / (1 + b**2) if b > 0 else -(b**2)
    score = -2 * b / (1 + b**2) ** 2 if b > 0 else -2 * b
    curvature = (2 - 6 * b**2) / (1 + b**2) ** 3 if b > 0 else 2.0
    return Derivatives(loglik, np.array([score]), np.array([[curvature]]), np.array([b]))


def test_a_profile_that_stays_above_its_level_has_no_end():
    assert profile_limit(plateau, plateau([0.0]), 0, DROP, 1) == np.inf
    assert profile_limit(plateau, plateau([0.0]), 0, DROP, -1) == pytest.approx(-np.sqrt(DROP), rel=1e-9)


def test_where_sums_overflow_the_step_is_halved():
    def overflowing(beta):
        return Derivatives.not_finite(np.asarray(beta)) if beta[0] > 0.8 else normal(beta)

    maximum = normal([0.5, -1.0])
    with pytest.raises(NotConverged, match="was not found"):
        profile_limit(overflowing, maximum, 0, DROP, 1)
    assert profile_limit(overflowing, maximum, 0, DROP, -1) < 0.5
