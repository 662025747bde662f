"""Whom cohorts single out when their sums are put together: by hand, and against every small combination."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedstats.federations.overlay import Overlay


def flags(n, *parts):
    return [np.isin(np.arange(n), np.concatenate([np.arange(*p) for p in part])) for part in parts]


def sizes(cohorts, least, within=None):
    return sorted(Overlay.of(cohorts).singled_out(least, within).values())


@pytest.mark.parametrize("apart", [1, 10, 11])
def test_two_cohorts_single_out_those_by_whom_they_differ(apart):
    cohorts = flags(100, [(0, 100 - apart)], [(0, 100)])
    assert sizes(cohorts, 11) == ([apart] if apart < 11 else [])


def test_of_those_added_and_those_subtracted_the_larger_number_counts():
    assert sizes(flags(100, [(5, 100)], [(0, 90)]), 11) == [10]
    assert sizes(flags(100, [(5, 100)], [(0, 89)]), 11) == []


def test_the_whole_minus_two_parts_singles_out_who_is_in_neither():
    whole, low, high = flags(100, [(0, 100)], [(0, 40)], [(41, 100)])
    assert sizes([whole, low], 11) == sizes([whole, high], 11) == sizes([low, high], 11) == []
    assert sizes([whole, low, high], 11) == [1]


def test_a_whole_and_its_parts_tell_of_nobody():
    assert sizes(flags(100, [(0, 100)], [(0, 40)], [(40, 100)]), 11) == []


def test_inclusion_and_exclusion_tell_of_the_few_in_neither_of_two():
    # 20 lack one value, 25 the other, 4 both: all - one - other + complete is a sum over the 4
    whole, one, other = flags(200, [(0, 200)], [(20, 200)], [(0, 16), (41, 200)])
    both = one & other
    assert sizes([whole, one, other], 11) == []
    assert sizes([whole, one, other, both], 11) == [4]


def test_within_a_level_fewer_rows_stand_behind_a_difference():
    whole, part = flags(100, [(0, 100)], [(20, 100)])
    level = np.arange(100) % 17 == 3  # one of the twenty, five of the others
    assert sizes([whole, part], 11) == []
    assert sizes([whole, part], 5, level) == [1]


def test_groups_that_come_and_go_together_are_one():
    # a row moved from one value to another, eleven times: minus the old ones, plus the new ones
    before, after = flags(60, [(0, 20), (20, 31)], [(0, 20), (31, 42)])
    assert sizes([before, after], 11) == []
    assert sizes([before, after], 12) == [11]


def test_no_cohort_and_one_cohort():
    assert sizes(flags(30, [(0, 30)]), 11) == []
    assert sizes(flags(30, [(0, 0)], [(0, 30)]), 11) == []


@st.composite
def cohort_lists(draw):
    n, m = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    return [np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))) for _ in range(m)]


@given(cohort_lists(), st.integers(2, 4))
def test_no_combination_tells_of_fewer_than_those_that_are_found(cohorts, least):
    found = Overlay.of(cohorts).singled_out(least)
    for factors in product((-2, -1, 0, 1, 2), repeat=len(cohorts)):
        total = sum(f * c.astype(int) for f, c in zip(factors, cohorts, strict=True))
        few = 0 < max((total > 0).sum(), (total < 0).sum()) < least
        told_of = set(np.flatnonzero(total).tolist())
        if few:  # whoever is told of stands in a group that was found, of nobody else
            assert told_of == set().union(*(g for g in found if g <= told_of))


@given(cohort_lists(), st.integers(2, 4))
def test_every_group_that_is_found_is_told_of_by_some_combination(cohorts, least):
    table = np.array(cohorts, dtype=float)
    for group in Overlay.of(cohorts).singled_out(least):
        others = np.setdiff1d(np.arange(table.shape[1]), sorted(group))
        assert np.linalg.matrix_rank(table[:, others]) < np.linalg.matrix_rank(table)


@given(cohort_lists(), st.integers(2, 4), st.permutations(range(4)))
def test_the_order_of_the_cohorts_changes_nothing(cohorts, least, order):
    shuffled = [cohorts[i] for i in order if i < len(cohorts)]
    assert Overlay.of(shuffled).singled_out(least) == Overlay.of(cohorts).singled_out(least)


@given(cohort_lists(), st.integers(2, 4))
def test_a_cohort_that_is_a_sum_of_the_others_tells_nothing_new(cohorts, least):
    first = cohorts[0]
    rest = [c & ~first for c in cohorts[1:]]
    both = first | rest[0] if rest else first
    known = Overlay.of([first, *rest]).singled_out(least)
    assert Overlay.of([first, *rest, both]).singled_out(least) == known
