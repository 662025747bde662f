"""Elementary vectors against every choice of a support, and by hand."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedstats.federations import elementary_vectors as module
from fedstats.federations.elementary_vectors import elementary_vectors


def supports(basis):
    vectors, untried = elementary_vectors(np.array(basis, dtype=float))
    assert not untried.size
    return sorted(tuple(np.flatnonzero(vector).tolist()) for vector in vectors)


def test_by_hand():
    assert supports([[1, 0, 0], [0, 1, 1]]) == [(0,), (1, 2)]
    # differences of four things: every pair of them
    assert supports([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]]) == sorted(combinations(range(4), 2))


@st.composite
def spaces(draw):
    k = draw(st.integers(1, 7))
    d = draw(st.integers(1, min(k, 4)))
    rows = draw(st.lists(st.lists(st.integers(-2, 2), min_size=k, max_size=k), min_size=d, max_size=d))
    basis = np.array(rows, dtype=float)
    basis = basis[:, basis.any(axis=0)]
    return basis if basis.size and np.linalg.matrix_rank(basis) == len(basis) else np.ones((1, 3))


@given(spaces())
def test_they_are_the_smallest_supports_that_there_are(basis):
    d, k = basis.shape
    smallest = []
    for size in range(1, k + 1):
        for support in combinations(range(k), size):
            others = np.setdiff1d(np.arange(k), support)
            if any(set(s) <= set(support) for s in smallest):
                continue
            if np.linalg.matrix_rank(basis[:, others]) < d:  # some vector is zero on all the others
                smallest.append(support)
    assert supports(basis) == sorted(smallest)


def test_a_space_too_large_to_try_is_said_and_the_rest_is_tried(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 3)
    basis = np.zeros((4, 6))
    basis[0, :2] = 1.0, 1.0
    basis[1:, 2:] = np.array([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]])
    vectors, untried = elementary_vectors(basis)
    assert [np.flatnonzero(v).tolist() for v in vectors] == [[0, 1]]
    assert untried.tolist() == [2, 3, 4, 5]
