"""Levels in threes, and products of three columns, as Firth's penalty is judged by them."""

from itertools import product

import numpy as np

from fedstats.contract.dominance import dominance_of_triples
from fedstats.contract.model_cells import ModelCells, levels_in_threes

NOBODY = np.zeros(0, dtype=np.int64)


def test_every_cell_of_three_levels_is_counted_once_under_its_name():
    held = np.random.default_rng(0).integers(0, 2, (60, 4)).astype(float)
    cells = ModelCells(held, ("a", "b", "c", "d"), NOBODY, NOBODY)
    (found,) = levels_in_threes(cells)
    counted = {found.label(i): found.counts[i] for i in range(len(found.counts))}
    expected = {}
    for i, j, k in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)):
        for signs in product((1, 0), repeat=3):
            who = np.all([held[:, m] == s for m, s in zip((i, j, k), signs, strict=True)], axis=0)
            a, b, c = ("" if s else "not " for s in signs)
            expected[f"{a}{'abcd'[i]}, {b}{'abcd'[j]} and {c}{'abcd'[k]}"] = who.sum()
    assert counted == expected


def test_two_levels_have_no_third():
    (found,) = levels_in_threes(ModelCells(np.ones((5, 2)), ("a", "b"), NOBODY, NOBODY))
    assert found.counts.size == 0


def test_shares_of_products_of_three_are_those_of_the_products():
    columns = np.abs(np.random.default_rng(1).normal(size=(40, 3))) ** 3
    cells = (np.arange(40) % 2 == 0).astype(float)[:, None]
    found = dominance_of_triples(columns, ("x", "y", "z"), cells, ("even",))
    one = {e.label(i): e.counts[i] for e in found if e.rule == "dominance" for i in range(len(e.counts))}
    for a, b, c in ((0, 0, 0), (0, 1, 2), (1, 1, 2), (0, 2, 2)):
        of_three = columns[:, a] * columns[:, b] * columns[:, c]
        label = " times ".join("xyz"[m] for m in (a, b, c))
        np.testing.assert_allclose(one[label], of_three.max() / of_three.sum(), rtol=1e-12)
    assert len(one) == 10 + 6  # products of three, and of two among the even
    assert "x times z, even" in one
