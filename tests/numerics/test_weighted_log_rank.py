"""Rounded sums of log-rank tests: what is rounded by what, whatever groups there are."""

import numpy as np
import pytest

from fedstats.numerics.weighted_log_rank import LogRankSums, chi_squared, log_rank_sums, rounded

TESTS = [(0.0, 0.0), (0.0, 1.0)]


def counts(seed, groups=3, times=30):
    """At risk and events of groups of 60 patients each, over 30 times."""
    random = np.random.default_rng(seed)
    n_event = random.integers(0, 2, (groups, times))
    left = 60 - np.column_stack([np.zeros(groups), n_event.cumsum(axis=1)[:, :-1]])
    return left, n_event.astype(float)


def with_nobody(table, place):
    return np.insert(table, place, 0.0, axis=0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("place", range(4))
def test_a_group_of_nobody_changes_no_digit(seed, place):
    n_risk, n_event = counts(seed)
    alone = rounded(log_rank_sums(n_risk, n_event, TESTS))
    beside = rounded(log_rank_sums(with_nobody(n_risk, place), with_nobody(n_event, place), TESTS))
    there = np.delete(np.arange(4), place)
    for found, expected in ((beside.observed, alone.observed), (beside.expected, alone.expected)):
        np.testing.assert_array_equal(found[:, there], expected)
        assert (found[:, place] == 0).all()
    np.testing.assert_array_equal(beside.covariance[:, :, there[:, None], there], alone.covariance)


def test_groups_that_are_never_at_risk_together_are_rounded_by_those_that_are():
    """Two groups in each of two strata: between the pairs nothing varies, and that is no standard deviation."""
    n_risk, n_event = counts(1, groups=2)
    nothing = np.zeros_like(n_risk)
    strata = [
        log_rank_sums(np.vstack(pair), np.vstack(events), TESTS)
        for pair, events in (
            ((n_risk, nothing), (n_event, nothing)),
            ((nothing, n_risk), (nothing, n_event)),
        )
    ]
    exact = strata[0].plus(strata[1])
    found = rounded(exact)
    variance = exact.covariance[0, 0, 1, 1]
    unit = (
        2.0 ** np.floor(np.log2(np.sqrt(variance) / 1000)) / 4
    )  # a contrast of two varies at least half as much as one
    beyond = (found.observed - found.expected)[0, 1:]
    np.testing.assert_array_equal(beyond / unit, np.round(beyond / unit))


@pytest.mark.parametrize("seed", range(5))
def test_a_chi_squared_hardly_changes(seed):
    sums = log_rank_sums(*counts(seed), TESTS)
    assert isinstance(sums, LogRankSums)
    exact, df = chi_squared(sums)
    found, same = chi_squared(rounded(sums))
    assert same == df == 2
    assert found == pytest.approx(exact, rel=5e-3, abs=5e-3)
