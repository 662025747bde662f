"""Follow-up of patients on an agreed time grid, shared by Cox regression and survival curves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.arguments import checked_edges
from fedstats.contract.entries import Entries, each
from fedstats.contract.faults import Fault, late_entry, negative_time, no_event, times_too_near
from fedstats.contract.federation import Federation, Meter, SiteRefused
from fedstats.contract.formula import Outcome
from fedstats.contract.model_evidence import UNJUDGED
from fedstats.contract.query import Query, QueryError, candidate
from fedstats.contract.site_data import SiteData
from fedstats.contract.variable import TimeGrid
from fedstats.numerics.risk_sets import TIME_TOLERANCE, tie_times

Array = NDArray[np.float64]
T = TypeVar("T")

#: Marks the time grid of a question: the coordinator tries the agreed ones, finest first.
TIME_GRID = candidate("a coarser time grid")
#: Refusals that a coarser grid can cure.
GRID_RULES = (
    "leavers of a time cell",
    "events of a time cell",
    "entry",
    "effective sample size",
    "effective size of a level",
)


@dataclass(frozen=True)
class FollowUp:
    """Entry, exit and event of each patient; ``entry`` is None when everyone starts at zero."""

    entry: Array | None
    time: Array
    event: NDArray[np.bool_]
    faults: tuple[str, ...] = ()  # rows that do not fit, said after the gate alone

    def on_grid(self, grid: Array) -> "FollowUp":
        """Time moved to the right edge of its cell (beyond the last: infinity, without event).

        An entry counts from the left edge of its cell: at risk in cells whose right edge it precedes.
        """
        cell = cells_of(self.time, grid)
        edges = np.append(grid, np.inf)
        entry = None
        if self.entry is not None:
            slack = TIME_TOLERANCE * np.maximum(np.abs(self.entry), 1.0)
            passed = np.searchsorted(grid, self.entry + slack, side="right")
            entry = np.append(-np.inf, grid)[passed]
        return FollowUp(entry, edges[cell], self.event & (cell < len(grid)), self.faults)


def follow_up(frame: pd.DataFrame, outcome: Outcome) -> FollowUp:
    """Read follow-up from complete rows; times that differ by rounding alone are made equal.

    An event that is not coded 0 or 1, a negative time, or an entry that is not before the end of follow-up, is a fault, named
    without a value.
    """
    time = frame[outcome.time].to_numpy(dtype=float)
    event = outcome.occurred(frame)
    faults: tuple[str, ...] = () if outcome.event_level else no_event(frame[outcome.event], outcome.time)
    faults += negative_time(frame[outcome.time])
    if outcome.entry is None:
        tied = tie_times(time)
        return FollowUp(None, tied, event, faults + _joined(frame[outcome.time], tied))
    both = tie_times(np.concatenate([frame[outcome.entry].to_numpy(dtype=float), time]))
    entry, time = both[: len(frame)], both[len(frame) :]
    faults += _joined(frame[outcome.time], time)
    if not (entry < time).all():
        faults += late_entry(frame[outcome.entry], frame[outcome.time], ~(entry < time))
        entry = np.where(entry < time, entry, time - 1.0)
    return FollowUp(entry, time, event, faults)


def _joined(time: "pd.Series[float]", tied: Array) -> tuple[Fault, ...]:
    """Times that were made equal though they are further apart than rounding: which are depends on a site's other patients."""
    values = time.to_numpy(dtype=float)
    size = float(np.abs(values).mean()) if len(values) else 0.0
    return times_too_near(time, values - tied > TIME_TOLERANCE * max(size, 1.0))


def cells_of(time: Array, grid: Array) -> NDArray[np.int64]:
    """Index of the grid cell (left, right] of each time; ``len(grid)`` beyond the last edge."""
    slack = TIME_TOLERANCE * np.maximum(np.abs(time), 1.0)
    return np.asarray(np.searchsorted(grid, time - slack, side="left"), dtype=np.int64)


def leavers(
    group: NDArray[np.int64], n_groups: int, cell: NDArray[np.int64], n_cells: int
) -> NDArray[np.int64]:
    """Patients who leave in each cell, by group, those beyond the grid last: (n_groups, n_cells + 1)."""
    flat = np.bincount(group * (n_cells + 1) + cell, minlength=n_groups * (n_cells + 1))
    return flat.reshape(n_groups, n_cells + 1)


def grid_evidence(
    data: SiteData,
    times: FollowUp,
    group: NDArray[np.int64],
    n_groups: int,
    grid: Array,
    *,
    ends_early: bool = False,
) -> tuple[Evidence, ...]:
    """For the gate: who leaves and who enters in every cell, by group, and whether the grid is agreed.

    ``ends_early``: whether the first cells of an agreed grid are agreed as well.
    """
    if not data.judged:
        return UNJUDGED
    evidence = moves_evidence(times, group, n_groups, grid)
    agreed = data.codebook.grid
    known = {agreed.edges(width) for width in agreed.candidates} if agreed is not None else set()
    is_known = tuple(grid) in known
    if ends_early and agreed is not None and not is_known:
        is_known = any(edges[: len(grid)] == tuple(grid) for edges in known)
        evidence += _next_edges_evidence(times, group, n_groups, float(grid[-1]), agreed)
    if (agreed is not None or data.agreed_grids) and not is_known:
        # any other edges, laid across the agreed ones, would cut cells into pieces too small
        evidence.append(
            Evidence("agreed grid", np.array([len(grid)]), "cells that the codebook does not have")
        )
    return tuple(evidence)


def agreed_until(end: float, agreed: TimeGrid | None) -> Array:
    """Edges up to a time, of the coarsest agreed grid that has it; of none the time alone."""
    grids = [agreed.edges(width) for width in sorted(agreed.candidates, reverse=True)] if agreed else []
    edges = next((edges for edges in grids if end in edges), (end,))
    return np.array(edges[: edges.index(end) + 1])


def moves_evidence(times: FollowUp, group: NDArray[np.int64], n_groups: int, grid: Array) -> list[Evidence]:
    """For the gate: who leaves and who enters in every cell, by group."""
    labels = (*(f"up to {edge:g}" for edge in grid), "beyond the grid")
    leaving = leavers(group, n_groups, cells_of(times.time, grid), len(grid))
    evidence = [Evidence("leavers of a time cell", leaving.ravel(), labels * n_groups)]
    if times.entry is not None:
        late = times.entry > 0
        entering = leavers(group[late], n_groups, cells_of(times.entry[late], grid), len(grid))
        evidence.append(Evidence("leavers of a time cell", entering.ravel(), labels * n_groups))
    return evidence


def _next_edges_evidence(
    times: FollowUp, group: NDArray[np.int64], n_groups: int, end: float, agreed: TimeGrid
) -> list[Evidence]:
    """For the gate: who leaves, or enters, between the end of a grid that ends early and the next edge of every other one.

    A coarser grid has cells that go on beyond this end: less the cells up to it, that is what they tell.  With these and the
    cells themselves every piece between two edges of agreed grids, whatever their ends, has been judged.
    """
    grids = [agreed.edges(width) for width in agreed.candidates] + ([agreed.cuts] if agreed.cuts else [])
    later = {
        min((edge for edge in edges if edge > end), default=np.inf) for edges in grids if end not in edges
    }
    found = []
    for edge in sorted(later):
        cells = [cells_of(times.time, np.array([end, edge]))]
        if times.entry is not None:  # at risk from the left edge of a cell on
            cells.append(np.searchsorted([end, edge], times.entry, side="right"))
        for cell in cells:
            counts = np.bincount(group[cell == 1], minlength=n_groups)
            found.append(Evidence("leavers of a time cell", counts, f"between {end:g} and {edge:g}"))
    return found


@dataclass(frozen=True)
class DistinctTimes(Query):
    """The distinct ends of follow-up at a site; only let out where no rule forbids it.

    Ends without an event belong to the grid: on event times alone a patient censored between two of
    them would be counted at risk at the later one.
    """

    time: str
    event: str

    summable = False
    asks = "every distinct end of follow-up"

    def subject(self) -> str:
        """The columns."""
        return f"Follow-up {self.time}/{self.event}"

    def entries(self) -> dict[str, Entries]:
        """As many as the site has distinct times."""
        return {"times": each("one distinct end of follow-up", None, count="distinct times")}

    def aggregate(self, data: SiteData) -> Aggregate:
        """Distinct times with how many patients share each."""
        data.require((self.time, self.event))
        frame = data.frame[[self.time, self.event]].dropna()
        values, counts = np.unique(tie_times(frame[self.time].to_numpy(dtype=float)), return_counts=True)
        evidence = Evidence("distinct values", counts, "patients at one time")
        cohort = Cohort(data.positions[frame.index], (self.time, self.event))
        return Aggregate({"times": Sum(values, counts)}, len(frame), (evidence,), (cohort,))


def candidate_grids(
    federation: Federation, meter: Meter, outcome: Outcome, grid: float | Sequence[float] | None
) -> list[tuple[tuple[float, ...], str]]:
    """Grids to try, finest first, each with the words a report uses for it.

    ``None`` is the codebook's nested candidates, or the distinct times where they may leave; a number
    is a cell width up to the codebook's horizon; a sequence gives right edges.
    """
    agreed = federation.codebook.grid
    if grid is None and agreed is not None and not federation.distinct_values:
        return [(agreed.edges(w), f"exact on the grid of {w:g} {agreed.unit}") for w in agreed.candidates]
    if grid is None:
        if not federation.distinct_values or outcome.time is None:
            raise QueryError(
                "An agreed time grid is needed, for distinct times may not leave: give the codebook a [grid], "
                f"or pass grid= with right edges. {federation.hint}".strip()
            )
        answers = meter.each(DistinctTimes(outcome.time, outcome.event))
        times = tie_times(np.concatenate([a["times"] for a in answers.values()]))
        if not len(times):
            raise QueryError(
                f"There are no patients with a {outcome.time} to make a curve or a time grid of."
            )
        return [(tuple(np.unique(times).tolist()), "exact")]
    if isinstance(grid, int | float):
        if not 0 < grid < np.inf:
            raise ValueError(f"grid is {grid!r}; a cell is wider than zero.")
        if agreed is None:
            raise QueryError(
                "A cell width needs a codebook with a [grid] and its horizon; or give the right edges."
            )
        return [(_widths(float(grid), agreed.horizon), f"exact on the grid of {grid:g} {agreed.unit}")]
    edges = checked_edges(grid)
    return [(edges, f"exact on the grid of {len(edges)} given cells")]


def _widths(width: float, horizon: float) -> tuple[float, ...]:
    return tuple(min(width * (i + 1), horizon) for i in range(int(np.ceil(horizon / width - 1e-9))))


def on_finest_grid(
    candidates: list[tuple[tuple[float, ...], str]],
    ask: Callable[[tuple[float, ...]], T],
    rules: tuple[str, ...] = GRID_RULES,
) -> tuple[T, tuple[float, ...], str]:
    """Ask with the finest grid that every site lets out; a refusal by one of the ``rules`` costs one bit.

    Raises
    ------
    SiteRefused
        No candidate was let out, or a rule refused that no grid can cure.
    """
    for number, (edges, words) in enumerate(candidates, start=1):
        try:
            return ask(edges), edges, words
        except SiteRefused as refused:
            if refused.rule not in rules or number == len(candidates):
                raise
    raise QueryError("There is no time grid to try.")
