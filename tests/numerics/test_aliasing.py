"""Which columns are left out, and which coefficients do not depend on that, by hand."""

import numpy as np

from fedstats.numerics.aliasing import aliasing


def of(*columns):
    x = np.column_stack(columns)
    centred = x - x.mean(axis=0)
    return tuple(found.tolist() for found in aliasing(centred.T @ centred))


A = np.array([1.0, 1, 0, 0, 0, 0])
B = np.array([0.0, 0, 1, 1, 0, 0])
X = np.array([1.0, 4, 2, 7, 3, 9])


def test_everything_is_kept_where_nothing_is_a_combination():
    assert of(A, B, X) == ([True] * 3, [True] * 3)


def test_a_constant_is_left_out_and_takes_nobody_with_it():
    assert of(A, np.ones(6), X, np.zeros(6)) == ([True, False, True, False],) * 2


def test_the_last_column_of_a_combination_is_left_out_and_none_of_it_is_estimable():
    kept, estimable = of(A, X, B, 1 - A - B)
    assert kept == [True, True, True, False]
    assert estimable == [False, True, False, False]


def test_units_do_not_matter():
    assert of(100 * A, X, B / 100, 1 - A - B) == of(A, X, B, 1 - A - B)


def test_nothing_is_told_by_no_information():
    found = aliasing(np.zeros((2, 2)))
    assert not found.kept.any()
    assert not found.estimable.any()
