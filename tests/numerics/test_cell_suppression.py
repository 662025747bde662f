"""What is hidden of a table stays unknown, whatever totals are known of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from fedstats.numerics.cell_suppression import shown_together

LEAST = 11


def enough(counts):
    return (counts == 0) | (counts >= LEAST)


def bounds(counts, hidden, known, cell):
    """The least and the most that a hidden cell may hold, by linear programming over all tables with the same margins."""
    block, at = counts[:, hidden], (cell[0], int(hidden[: cell[1]].sum()))
    groups, levels = block.shape
    rows = [np.kron(np.eye(groups)[g], np.ones(levels)) for g in range(groups)]
    columns = [np.kron(np.ones(groups), np.eye(levels)[j]) for j in np.flatnonzero(known[hidden])]
    margins = [*block.sum(axis=1), *block.sum(axis=0)[known[hidden]]]
    objective = np.zeros(block.size)
    objective[at[0] * levels + at[1]] = 1.0
    ends = [linprog(sign * objective, A_eq=np.array([*rows, *columns]), b_eq=margins).fun for sign in (1, -1)]
    return ends[0], -ends[1]


tables = st.integers(1, 4).flatmap(
    lambda g: st.integers(2, 5).flatmap(
        lambda c: st.lists(
            st.lists(st.sampled_from([0, 1, 3, 7, 10, 11, 15, 40]), min_size=c, max_size=c),
            min_size=g,
            max_size=g,
        )
    )
)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_no_small_cell_follows_from_the_margins_of_the_table(rows):
    """Also where totals of levels are known from a table without groups, in which those alone are hidden that are always."""
    counts = np.array(rows)
    hidden, alone = shown_together(counts, enough), shown_together(counts.sum(axis=0)[None], enough)
    assert (hidden >= alone).all()  # with the same partners in every table
    assert enough(counts[:, ~hidden]).all()
    together = counts[:, hidden].sum(axis=1)
    if not enough(together).all():
        assert (
            counts.sum(axis=0)[~hidden] == 0
        ).all()  # nothing else could be added: the gate refuses it all
        return
    if hidden.all():
        return
    for cell in zip(*np.nonzero(~enough(counts) & hidden), strict=True):
        low, high = bounds(counts, hidden, ~alone, cell)
        assert high - low >= LEAST


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([[40, 30, 20]], [0, 0, 0]),
        ([[40, 30, 0]], [0, 0, 0]),
        ([[40, 30, 5]], [0, 1, 1]),
        ([[40, 5, 6]], [0, 1, 1]),
        ([[40, 5, 5]], [1, 1, 1]),
        ([[40, 5, 30], [40, 30, 30]], [0, 1, 1]),
        ([[5, 20, 40], [60, 0, 40]], [1, 1, 0]),
        ([[5, 4], [60, 80]], [1, 1]),
    ],
)
def test_the_rarest_levels_go_with_a_small_one(counts, hidden):
    assert shown_together(np.array(counts), enough).tolist() == [bool(h) for h in hidden]


def test_where_everything_may_be_seen_nothing_is_hidden():
    assert not shown_together(np.array([[1, 2, 3]]), lambda counts: np.ones(counts.shape, dtype=bool)).any()
