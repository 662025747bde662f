"""Counts of pairs of all patients at once, against a loop over pairs."""

import numpy as np
import pytest

from fedstats.numerics.concordance_index import PairSums, concordance_index, pair_sums, rounded
from fedstats.numerics.concordant_pairs import influences, ranks, sums_by_rank, time_weights


def patients(seed, n=70):
    """Ties of times and scores, delayed entry, three strata, weights of which some are zero."""
    random = np.random.default_rng(seed)
    time = np.ceil(random.exponential(8, n))
    return {
        "stratum": random.integers(0, 3, n),
        "entry": np.floor(time * random.random(n) * 0.9),
        "time": time,
        "event": random.random(n) < 0.6,
        "score": random.integers(0, 9, n).astype(float),
        "weights": random.integers(0, 3, n).astype(float),
    }


def pair_by_pair(rows, timewt="n", ymax=np.inf):
    """The parts of each patient in the pairs, one pair at a time: (5, n)."""
    stratum, entry, time, event, score, w = rows.values()
    entry = np.full(len(time), -1.0) if entry is None else entry
    of_events = time_weights(stratum, time, event, w, timewt) * (time <= ymax)
    parts = np.zeros((5, len(time)))
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            if j == i or stratum[j] != stratum[i] or entry[j] >= time[i] or time[j] < time[i]:
                continue
            if time[j] == time[i] and event[j]:  # each of the two events meets the other
                parts[4 if score[j] == score[i] else 3, i] += w[j] * of_events[i]
                continue
            kind = 2 if score[j] == score[i] else int(score[j] > score[i])
            parts[kind, i] += w[j] * of_events[i]
            parts[kind, j] += w[i] * of_events[i]
    return parts


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("late", [False, True])
def test_parts_are_those_of_a_loop_over_pairs(seed, late):
    rows = patients(seed)
    rows["entry"] = rows["entry"] if late else None
    np.testing.assert_allclose(np.array(influences(*rows.values())), pair_by_pair(rows), atol=1e-9)


@pytest.mark.parametrize("ymax", [None, 6.0])
def test_events_count_by_the_chance_of_not_being_censored(ymax):
    rows = patients(9) | {"entry": None}
    found = np.array(influences(*rows.values(), "n/G2", ymax))
    np.testing.assert_allclose(found, pair_by_pair(rows, "n/G2", ymax or np.inf), rtol=1e-12, atol=1e-9)


def test_the_chance_of_not_being_censored_by_hand():
    """Of five at risk one is censored at 2, of three one at 4 after somebody died there: 4/5, and 4/5 times 1/2."""
    time, event = np.array([1.0, 2, 3, 4, 4, 5]), np.array([True, False, True, True, False, True])
    found = time_weights(np.zeros(6, dtype=int), time, event, np.ones(6), "n/G2")
    np.testing.assert_allclose(found**-0.5, [1, 1, 0.8, 0.8, 0.8, 0.4])


def test_of_a_stratum_with_one_event_it_is_one():
    time, event = np.array([1.0, 2, 3]), np.array([False, True, False])
    assert time_weights(np.zeros(3, dtype=int), time, event, np.ones(3), "n/G2").tolist() == [1, 1, 1]


def test_ranks_join_what_differs_by_rounding_alone():
    assert ranks(np.array([0.1 + 0.2, 0.3, 0.5, -1.0])).tolist() == [1, 1, 2, 0]
    assert ranks(np.zeros(0)).tolist() == []


@pytest.mark.parametrize("largest", [1, 5, 200])
def test_sums_by_rank_of_any_stretch(largest):
    random = np.random.default_rng(largest)
    column, w = random.integers(0, largest, 60), random.random(60)
    ends = np.sort(random.integers(0, 61, (40, 2)), axis=1)
    rank = random.integers(0, largest + 1, 40)
    found = np.array(sums_by_rank(column, w, ends[:, 0], ends[:, 1], rank)).T
    for (a, b), r, sums in zip(ends, rank, found, strict=True):
        inside, heft = column[a:b], w[a:b]
        expected = [heft[inside < r].sum(), heft[inside > r].sum(), heft[inside == r].sum()]
        np.testing.assert_allclose(sums, expected, atol=1e-12)


def test_nobody_makes_no_pair():
    nobody = np.zeros(0)
    found = influences(nobody.astype(int), None, nobody, nobody.astype(bool), nobody, nobody)
    assert [part.size for part in found] == [0] * 5


def test_the_standard_error_is_that_of_leaving_patients_out():
    """The jackknife without a limit: what the index changes by when a patient's weight does, by differences."""
    rows = patients(3) | {"weights": np.ones(70)}

    def index(weights):
        parts = influences(*(rows | {"weights": weights}).values())
        return concordance_index(pair_sums(parts.totals(weights), np.zeros((1, 2))))[0]

    parts = influences(*rows.values())
    sums = pair_sums(parts.totals(rows["weights"]), np.column_stack([parts.beyond, parts.comparable]))
    slopes = [(index(1 + step) - index(1 - step)) / 2e-4 for step in 1e-4 * np.eye(70)]
    assert concordance_index(sums)[1] == pytest.approx(np.linalg.norm(slopes), rel=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_rounding_takes_a_128th_of_a_standard_error(seed):
    rows = patients(seed, 150) | {"weights": np.ones(150)}
    parts = influences(*rows.values())
    sums = pair_sums(parts.totals(rows["weights"]), np.column_stack([parts.beyond, parts.comparable]))
    (exact, se), (near, near_se) = concordance_index(sums), concordance_index(rounded(sums))
    assert abs(near - exact) <= se / 128
    assert near_se == pytest.approx(se, rel=1e-2)
    assert not np.array_equal(rounded(sums).squares, sums.squares)


def test_of_a_perfect_score_not_all_pairs_are_told():
    """A standard deviation of zero has no 128th part: the size of the pairs stands in its place."""
    perfect = [PairSums(np.array([pairs, pairs, 0.0]), np.full(3, 4e8)) for pairs in (10096.0, 10099.0)]
    assert [sums.variance for sums in perfect] == [0, 0]
    told = [rounded(sums).counts.tolist() for sums in perfect]
    assert told[0] == told[1]


def test_without_a_pair_nothing_is_rounded():
    none = PairSums(np.zeros(3), np.zeros(3))
    assert rounded(none) is none
