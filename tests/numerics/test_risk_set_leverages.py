"""Leverages and the slope of Firth's penalty in Cox's partial likelihood, against loops and differences."""

import numpy as np
import pytest

from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs
from fedstats.numerics.risk_set_leverages import leverages
from tests.numerics.slow_cox import slow_cox

P = 3


def patients(seed, n=60):
    """Delayed entry, ties, two strata, weights of which some are zero."""
    random = np.random.default_rng(seed)
    time = np.ceil(random.exponential(8, n))
    entry = np.where(random.random(n) < 0.5, 0.0, np.floor(time * random.random(n) * 0.9))
    return (
        random.integers(0, 2, n),
        entry,
        time,
        random.random(n) < 0.6,
        random.integers(0, 3, n).astype(float),
        random.normal(size=(n, P)),
    )


def information(rows, beta, ties):
    stratum, entry, time, event, weights, x = rows
    return slow_cox(stratum, entry, time, event, weights, x @ beta, x, ties).information


def fast(rows, beta, ties, inverse, shift=0.0):
    stratum, entry, time, event, weights, x = rows
    x = x + shift
    sets = rs.risk_sets(stratum, entry, time, event, weights)
    r = weights * np.exp(x @ beta - 2.0)
    sums = rs.cell_sums(sets, x, r, weights)
    terms = pl.cell_terms(sums, ties)
    return leverages(sets, stratum, x, r, sums, terms, pl.cell_means(sums, terms), ties, inverse)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("seed", range(4))
def test_half_the_slope_is_that_of_the_log_determinant(ties, seed):
    rows, beta, h = patients(seed), np.array([0.4, -0.6, 0.2]), 1e-5
    inverse = np.linalg.inv(information(rows, beta, ties))

    def penalty(at):
        return np.linalg.slogdet(information(rows, at, ties))[1] / 2

    expected = [(penalty(beta + h * e) - penalty(beta - h * e)) / (2 * h) for e in np.eye(P)]
    # differences: rounding 1e-15 / h = 1e-10, and third derivatives of a few times h^2 / 6
    np.testing.assert_allclose(
        fast(rows, beta, ties, inverse).slope.sum(axis=0) / 2, expected, atol=2e-9, rtol=1e-8
    )


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_leverages_are_not_negative_and_add_up_to_the_trace(ties):
    rows, beta = patients(9), np.array([0.4, -0.6, 0.2])
    total = information(rows, beta, ties)
    found = fast(rows, beta, ties, np.linalg.inv(total)).leverage
    assert found.min() > -1e-12
    assert found.sum() == pytest.approx(P, rel=1e-10)
    half = np.diag([0.5, 0.0, 0.0])
    assert fast(rows, beta, ties, half).leverage.sum() == pytest.approx(total[0, 0] / 2, rel=1e-10)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_neither_a_leverage_nor_the_slope_changes_with_the_origin_of_a_column(ties):
    rows, beta, inverse = patients(3), np.array([0.4, -0.6, 0.2]), np.diag([1.0, 2.0, 3.0])
    here, there = fast(rows, beta, ties, inverse), fast(rows, beta, ties, inverse, shift=2.0)
    np.testing.assert_allclose(there.leverage, here.leverage, atol=1e-9)
    np.testing.assert_allclose(there.slope.sum(axis=0), here.slope.sum(axis=0), atol=1e-9)
