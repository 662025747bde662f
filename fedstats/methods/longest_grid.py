"""The grid of a table of counts: the finest that every site lets out to the agreed horizon, else the longest that one does.

A grid that ends early is the first cells of an agreed one.  All who leave after it are then in one cell, so where a few are still
followed at the horizon an earlier end may be let out.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from fedstats.contract.federation import Federation, Meter, SiteRefused
from fedstats.contract.formula import Outcome
from fedstats.contract.variable import TimeGrid
from fedstats.methods.follow_up import GRID_RULES, candidate_grids, on_finest_grid

T = TypeVar("T")
Edges = tuple[float, ...]

#: Refusals of a table that wider cells, or an earlier end, can cure.
TABLE_RULES = (*GRID_RULES, "patients of one predictor", "dominance", "dominance of two")


def on_longest_grid(
    federation: Federation,
    meter: Meter,
    outcome: Outcome,
    grid: float | Sequence[float] | None,
    ask: Callable[[Edges], T],
) -> tuple[T, Edges, str]:
    """Ask with the grid that is given; of agreed ones, with the finest to the horizon, else with the longest.

    Returns
    -------
    answer, edges, status

    Raises
    ------
    SiteRefused
        None was let out, or a rule refused that no grid can cure.

    Notes
    -----
    Whatever holds for cells holds for unions of them, so what is let out is let out with wider cells and with an earlier end too.
    The search follows from that: the widest cells as far as they go, and from there finer ones that go as far or farther.  It
    meets one refusal for each width, two where the widest have several ends to choose among.
    """
    candidates = candidate_grids(federation, meter, outcome, grid)
    try:
        return on_finest_grid(candidates, ask, TABLE_RULES)
    except SiteRefused as refused:
        agreed = federation.codebook.grid
        if grid is not None or agreed is None or refused.rule not in TABLE_RULES:
            raise
        found = _Search(agreed, ask).longest()
        if found is None:
            raise
    answer, edges, width = found
    return answer, edges, f"exact on the grid of {width:g} {agreed.unit} up to {edges[-1]:g}"


class _Search(Generic[T]):
    """Ends of agreed grids before the horizon, from wide cells to fine ones."""

    def __init__(self, agreed: TimeGrid, ask: Callable[[Edges], T]) -> None:
        self.agreed, self.ask = agreed, ask

    def longest(self) -> tuple[T, Edges, float] | None:
        """Answer, edges and width; None where no site lets out a single cell."""
        best: tuple[T, Edges, float] | None = None
        reached, refused = 0.0, self.agreed.horizon
        for width in reversed(self.agreed.candidates):
            edges = self.agreed.edges(width)
            ends = [edge for edge in edges if reached <= edge < refused]
            found = self._farthest(edges, ends)
            if found is not None:
                best = (*found, width)
                reached = found[1][-1]
                refused = min([edge for edge in edges if edge > reached], default=refused)
            elif best is not None:
                return best  # finer cells would be let out no farther
            else:
                refused = ends[0] if ends else refused
        return best

    def _farthest(self, edges: Edges, ends: list[float]) -> tuple[T, Edges] | None:
        """The answer with the latest of the ends, in order, that is let out; by halves."""
        low, high, found = 0, len(ends), None
        while low < high:
            middle = (low + high) // 2
            asked = edges[: edges.index(ends[middle]) + 1]
            try:
                found = self.ask(asked), asked
                low = middle + 1
            except SiteRefused as refusal:
                if refusal.rule not in TABLE_RULES:
                    raise
                high = middle
        return found
