"""The search for a grid that sites let out finds the longest there is, and of these the finest, with few questions."""

import numpy as np
import pytest

from fedstats.contract.federation import SiteRefused
from fedstats.contract.refusal import Refusal
from fedstats.contract.variable import TimeGrid
from fedstats.methods.longest_grid import _Search

GRIDS = {
    "four widths": (TimeGrid("months", (1.0, 3.0, 6.0, 12.0), 24.0), 7),
    "a horizon that no width divides": (TimeGrid("months", (1.0, 2.0, 12.0), 30.0), 7),
    "a long horizon": (TimeGrid("months", (1.0, 3.0, 6.0, 12.0), 60.0), 9),
    "one width": (TimeGrid("months", (3.0,), 60.0), 5),
}


class Times:
    """Follow-up at a site whose gate lets out cells of nobody or eleven."""

    def __init__(self, grid, seed):
        random = np.random.default_rng(seed)
        self.grid, self.asked = grid, []
        self.times = random.exponential(random.uniform(0.15, 0.8) * grid.horizon, random.integers(60, 600))

    def lets_out(self, edges):
        cells = np.bincount(np.searchsorted(edges, self.times), minlength=len(edges) + 1).tolist()
        for width in self.grid.candidates:
            later = [edge for edge in self.grid.edges(width) if edge >= edges[-1]]
            cells += [int(((self.times > edges[-1]) & (self.times <= edge)).sum()) for edge in later[:1]]
        return all(n == 0 or n >= 11 for n in cells)

    def __call__(self, edges):
        self.asked.append(edges)
        if not self.lets_out(edges):
            raise SiteRefused("north", Refusal("RiskTable", "entry", "leavers of a time cell"))
        return edges

    @property
    def all_ends(self):
        for width in self.grid.candidates:
            edges = self.grid.edges(width)
            yield from ((edges[: k + 1], width) for k in range(len(edges)))


@pytest.mark.parametrize("name", GRIDS)
def test_the_longest_of_the_finest(name):
    grid, most = GRIDS[name]
    searched = 0
    for seed in range(120):
        site = Times(grid, seed)
        if any(site.lets_out(grid.edges(width)) for width in grid.candidates):
            continue  # an agreed grid is let out to the horizon: nothing to search for
        best = max(((e[-1], -width) for e, width in site.all_ends if site.lets_out(e)), default=None)
        found = _Search(grid, site).longest()
        assert (None if found is None else (found[1][-1], -found[2])) == best
        assert found is None or found[0] == found[1]
        assert len(site.asked) <= most
        assert len(set(site.asked)) == len(site.asked)
        searched += 1
    assert searched > 20


def test_a_refusal_that_no_grid_cures_ends_the_search():
    def ask(_):
        raise SiteRefused("north", Refusal("RiskTable", "dropped rows", "dropped rows"))

    with pytest.raises(SiteRefused):
        _Search(GRIDS["four widths"][0], ask).longest()
