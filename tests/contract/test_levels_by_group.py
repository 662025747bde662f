"""How many of each group have levels together, one of two, or neither: counted as sums of products, as here one by one."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedstats.contract.model_cells import levels_by_group


def one_by_one(group, levels):
    found = []
    for g in range(group.max() + 1):
        here = levels[group == g] > 0
        found.append(len(here))
        found += [count for column in here.T for count in (column.sum(), (~column).sum())]
        for a, b in combinations(here.T, 2):
            found += [(a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()]
    return sorted(found)


@given(st.integers(1, 40), st.integers(0, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_every_group_is_counted_by_levels_and_pairs_of_levels(n, c, groups, seed):
    random = np.random.default_rng(seed)
    group, levels = random.integers(groups, size=n), (random.random((n, c)) < 0.4).astype(float)
    assert sorted(levels_by_group(group, levels)) == one_by_one(group, levels)


def test_of_nobody_there_is_nothing_to_count():
    assert len(levels_by_group(np.zeros(0, dtype=np.int64), np.zeros((0, 3)))) == 0
