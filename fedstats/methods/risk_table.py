"""One protected table of counts by group and time cell, of which curves, their tests and their areas are made."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.design import Column, Design, Part, level_codes
from fedstats.contract.entries import Entries, between, crossed, each, groups_of, listed, one
from fedstats.contract.faults import negative_weights
from fedstats.contract.formula import Outcome
from fedstats.contract.model_evidence import left_out
from fedstats.contract.model_rows import ModelRows, model_rows
from fedstats.contract.query import Query, QueryError, candidate
from fedstats.contract.site_data import SiteData
from fedstats.methods.follow_up import FollowUp, cells_of, follow_up, grid_evidence
from fedstats.methods.table_weights import (
    OF_A_PROPENSITY,
    OF_WEIGHTS,
    cells_evidence,
    joint_evidence,
    levels_evidence,
    rows_evidence,
    weights_of,
)
from fedstats.numerics.risk_sets import TIME_TOLERANCE

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Marks the time grid of a table: the coordinator tries the agreed ones, finest first, and then earlier ends of them.
TABLE_GRID = candidate("a coarser or shorter time grid")


@dataclass(frozen=True)
class RiskTable(Query):
    """Patients at risk and events, by group and cell of the agreed time grid.

    Behind a number of events stand all who are at risk; how many leave in a cell is judged on its own.
    Patients with an empty cell in one of the columns ``complete`` are left out: the rows of a model.

    With ``strata`` every group is counted within each combination of their levels; with ``causes`` events are counted
    by these codes of the event's column; with ``weights`` patients count as much as they weigh, and squared
    weights are added up beside; with ``weighted_by`` everybody with a weight in that column counts as one, as in a
    model's own rows.
    """

    entry: str | None
    time: str
    event: str
    group: str | None
    levels: tuple[str, ...]
    grid: tuple[float, ...] = field(metadata=TABLE_GRID)
    complete: tuple[str, ...] = ()
    event_level: str | None = None
    strata: tuple[str, ...] = ()
    strata_levels: tuple[tuple[str, ...], ...] = ()
    causes: tuple[str, ...] = ()
    weights: str | None = None
    weighted_by: str | None = None

    asks = "patients at risk and events in each time cell"

    def subject(self) -> str:
        """Outcome, groups and grid."""
        followed = f"{self.entry} to {self.time}" if self.entry else self.time
        by = f" by {self.group}" if self.group else ""
        within = f" within {listed(self.strata)}" if self.strata else ""
        code = listed(self.causes) if self.causes else self.event_level
        event = self.event if code is None else f"{self.event}[{code}]"
        weighed = f", weights {self.weights}" if self.weights else ""
        rows = f", of rows without an empty cell in {listed(self.complete)}" if self.complete else ""
        rows += f", of patients with a weight in {self.weighted_by}" if self.weighted_by else ""
        return (
            f"Survival table of {followed}/{event}{by}{within}{weighed} on {len(self.grid)} time cells{rows}"
        )

    def entries(self) -> dict[str, Entries]:
        """Counts by group and cell."""
        strata = (groups_of(c, levels) for c, levels in zip(self.strata, self.strata_levels, strict=False))
        groups = crossed(groups_of(self.group, self.levels), *strata)
        cells = between(self.grid, beyond=False)
        causes = (groups_of(self.event, self.causes),) if self.causes else ()
        many = "k " if self.causes else ""
        what = "weights of patients" if self.weights else "patients"
        found = {
            "n_risk": each(f"{what} at risk in the cell", groups, cells, count="g c"),
            "n_event": each(f"{what} with the event in the cell", *causes, groups, cells, count=f"{many}g c"),
            "n_beyond": each(f"{what} followed beyond the grid", groups, count="g"),
            "dropped": one("rows with an empty cell"),
        }
        if self.entry:
            found["n_enter"] = each(
                f"{what} who enter late, at risk from the cell on", groups, cells, count="g c"
            )
        if self.weights:
            found["squares"] = each("squared weights of patients at risk", groups, cells, count="g c")
            found["event_squares"] = each(
                "squared weights of those with the event", groups, cells, count="g c"
            )
        return found

    def remedies(self) -> dict[str, str]:
        """Of weights the table's own words: wider cells, or weights by fewer columns."""
        if self.weights is None:
            return {}
        return OF_A_PROPENSITY if any(made.name == self.weights for made in self.made) else OF_WEIGHTS

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 counts a group and cell, those beyond the grid and those dropped."""
        if self.causes and (self.weights is not None or self.event_level is not None):
            raise QueryError(
                "Events are counted by cause without weights, and without one code of them alone."
            )
        if self.weights is not None and self.weighted_by is not None:
            raise QueryError("Patients are weighted, or counted where they have a weight, and not both.")
        columns = (self.group, *self.strata)
        if len(self.strata) != len(self.strata_levels) or len(set(columns)) < len(columns):
            raise QueryError("A column is a group or a stratum with its levels, and is named once.")
        rows = _rows(self, data)
        times, grid, cells = rows.times, np.array(self.grid), rows.cells
        at_risk = cells.at_risk()
        sums = {
            "n_risk": Sum(cells.at_risk(rows.w), at_risk),
            "n_event": self._events(rows, at_risk),
            # how many they are is judged as the last cell's leavers; behind them stand all who are at risk before
            "n_beyond": Sum(cells.beyond(rows.w), at_risk[:, -1]),
            "dropped": Sum(np.array([rows.dropped]), np.array([len(rows.frame) + rows.dropped])),
        }
        evidence = [
            *data.subset_evidence,
            *grid_evidence(data, times, cells.group, cells.n_groups, grid, ends_early=True),
        ]
        if times.entry is not None:
            sums["n_enter"] = Sum(cells.entering(rows.w), at_risk)
            evidence.append(
                Evidence(
                    "leavers of a time cell", cells.entering().ravel(), "patients at risk from a cell on"
                )
            )
        if rows.w is not None:
            sums["squares"] = Sum(cells.at_risk(rows.w**2), at_risk)
            sums["event_squares"] = Sum(cells.count(times.event, rows.w**2), at_risk)
            ways = cells.ways(times.event)
            evidence += cells_evidence(rows.w, ways)
        evidence.append(_totals_evidence(times.event, cells))
        if self.causes or self.event_level is not None:
            evidence.append(_codes_evidence(rows.frame[self.event], cells))
        evidence += rows.evidence
        cohort = self._cohort(rows)
        if rows.w is not None and data.weight(self.weights) is not None:
            behind = self._behind(data)
            evidence += [*behind.evidence, *levels_evidence(rows.w, ways, behind.levels)]
            evidence += joint_evidence(ways, behind.behind)
            read = behind.cohort
            cohort = replace(
                cohort,
                columns=tuple(dict.fromkeys((*data.sources(cohort.columns), *read.columns))),
                levels=tuple(dict.fromkeys((*cohort.levels, *read.levels))),
                functions=read.functions,
                made=read.made,
            )
        return Aggregate(sums, len(rows.frame), tuple(evidence), (cohort,), rows.faults)

    def _behind(self, data: SiteData) -> ModelRows:
        """The rows as those of a model by the groups, whose weights a question makes: what is judged of columns behind these."""
        by_level = (
            Column(f"{name}[{level}]", (Part(name, level),))
            for name, levels in self._groups.items()
            for level in levels[1:]
        )
        return model_rows(
            data,
            Design(tuple(by_level)),
            self._outcome.variables,
            self.event,
            self.weights,
            None,
            (),
            rarer_outcome=False,
            code=self.event_level,
        )

    def _events(self, rows: "_Rows", at_risk: Index) -> Sum:
        cells = rows.cells
        if not self.causes:
            return Sum(cells.count(rows.times.event, rows.w), at_risk)
        cause = level_codes(rows.frame[self.event], self.causes)
        by_cause = [cells.count(cause == k, rows.w) for k in range(len(self.causes))]
        return Sum(np.array(by_cause), np.broadcast_to(at_risk, (len(by_cause), *at_risk.shape)))

    def _cohort(self, rows: "_Rows") -> Cohort:
        outcome, groups = self._outcome, self._groups
        levels = [(c,) for c in groups] + ([tuple(sorted(groups))] if len(groups) > 1 else [])
        levels += [(self.event,)] if self.causes or self.event_level is not None else []
        return Cohort(rows.positions, rows.columns, outcome.cuts(self.grid), tuple(levels))

    @property
    def _outcome(self) -> Outcome:
        return Outcome(self.event, self.time, self.entry, self.event_level)

    @property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        """Columns that patients are grouped by, with the levels that were agreed."""
        by = {} if self.group is None else {self.group: self.levels}
        return by | dict(zip(self.strata, self.strata_levels, strict=True))


@dataclass(frozen=True)
class _Cells:
    """Patients by group and cell; a group is a combination of the agreed levels, the last column fastest.

    Attributes
    ----------
    group : (n,) int           0 ... n_groups - 1
    first, last : (n,) int     cells of the grid from which, and in which, a patient is at risk; n_cells: beyond it
    late : (n,) bool           enters after the beginning
    """

    group: Index
    n_groups: int
    first: Index
    last: Index
    late: NDArray[np.bool_]
    n_cells: int

    def at_risk(self, w: Array | None = None) -> NDArray[Any]:
        """At risk in each cell, (g, c), from the last one backwards: nothing large is subtracted from."""
        still = self._by_cell(self.last, w)[:, ::-1].cumsum(axis=1)[:, ::-1]
        not_yet = self._by_cell(self.first, w)[:, ::-1].cumsum(axis=1)[:, ::-1]
        return np.asarray(still[:, :-1] - not_yet[:, 1:])

    def count(self, who: NDArray[np.bool_], w: Array | None = None) -> NDArray[Any]:
        """Of whom the cells are the last, (g, c)."""
        return self._by_cell(self.last, w, who)[:, :-1]

    def beyond(self, w: Array | None = None) -> NDArray[Any]:
        """Followed beyond the grid, (g,)."""
        return self._by_cell(self.last, w)[:, -1]

    def entering(self, w: Array | None = None) -> NDArray[Any]:
        """At risk from each cell on, of those who enter late, (g, c)."""
        return self._by_cell(self.first, w, self.late)[:, :-1]

    def ways(self, event: NDArray[np.bool_]) -> dict[str, Index]:
        """Group and cell of those who leave in each way, -1 of the others: what sums of weights are told apart by."""
        leaving = self.group * (self.n_cells + 1) + self.last
        entering = self.group * (self.n_cells + 1) + self.first
        return {
            "with the event in a cell": np.where(event & (self.last < self.n_cells), leaving, -1),
            "without it who leave in a cell": np.where(event & (self.last < self.n_cells), -1, leaving),
            "who enter in a cell": np.where(self.late, entering, -1),
        }

    def _by_cell(self, cell: Index, w: Array | None, who: NDArray[np.bool_] | slice = slice(None)) -> Any:
        flat = (self.group * (self.n_cells + 1) + cell)[who]
        size = self.n_groups * (self.n_cells + 1)
        counts = np.bincount(flat, None if w is None else w[who], size)
        return counts.reshape(self.n_groups, self.n_cells + 1)


@dataclass(frozen=True)
class _Rows:
    """Complete rows with a weight, (n,) or none, and where they stand among all of the site."""

    frame: pd.DataFrame
    positions: Index
    columns: tuple[str, ...]
    w: Array | None
    times: FollowUp
    cells: _Cells
    dropped: int
    evidence: tuple[Evidence, ...]
    faults: tuple[str, ...]


def _rows(query: RiskTable, data: SiteData) -> _Rows:
    groups, outcome = query._groups, query._outcome
    extra = tuple(column for column in (query.weights, query.weighted_by) if column is not None)
    data.require((*outcome.variables, *groups), query.complete)  # of these no value is read
    data.require_weights(query.weights)
    data.require(() if query.weighted_by is None else (query.weighted_by,))
    columns = tuple(dict.fromkeys((*outcome.variables, *groups, *extra, *query.complete)))
    complete = data.frame[list(columns)].notna().all(axis=1).to_numpy()
    frame, positions = (
        data.frame.loc[complete, list(columns)].reset_index(drop=True),
        data.positions[complete],
    )
    dropped = int((~complete).sum())
    evidence: tuple[Evidence, ...] = (
        Evidence("dropped rows", np.array([dropped]), "rows with an empty cell"),
    )
    w, faults = weights_of(frame, query.weights)
    if w is not None and query.weights is not None:
        evidence = rows_evidence(dropped, frame, w, query.weights)
        frame, positions, w = frame[w > 0].reset_index(drop=True), positions[w > 0], w[w > 0]
    if query.weighted_by is not None:
        there, faults = (
            frame[query.weighted_by].to_numpy(dtype=float) > 0,
            negative_weights(frame[query.weighted_by]),
        )
        evidence = left_out(dropped, there, frame, ())
        frame, positions = frame[there].reset_index(drop=True), positions[there]
    followed = frame
    if query.causes:  # an event of any cause
        followed = frame.assign(
            **{query.event: (level_codes(frame[query.event], query.causes) >= 0).astype(float)}
        )
    times = follow_up(followed, outcome)
    group, strange = _combinations(frame, groups)
    n_groups = int(np.prod([len(levels) for levels in groups.values()], dtype=int))
    cells = _cells(times, group, n_groups, np.array(query.grid))
    return _Rows(
        frame, positions, columns, w, times, cells, dropped, evidence, (*faults, *times.faults, *strange)
    )


def _cells(times: FollowUp, group: Index, n_groups: int, grid: Array) -> _Cells:
    last = cells_of(times.time, grid)
    first, late = np.zeros(len(last), dtype=np.int64), np.zeros(len(last), dtype=bool)
    if times.entry is not None:
        slack = TIME_TOLERANCE * np.maximum(np.abs(times.entry), 1.0)
        first, late = np.searchsorted(grid, times.entry + slack, side="right"), times.entry > 0
    return _Cells(group, n_groups, first, last, late, len(grid))


def _combinations(frame: pd.DataFrame, groups: dict[str, tuple[str, ...]]) -> tuple[Index, tuple[str, ...]]:
    """The combination of levels that each row has, and the fault that a row has none."""
    found, faults = np.zeros(len(frame), dtype=np.int64), []
    for column, levels in groups.items():
        code = level_codes(frame[column], levels)
        if (code < 0).any():
            faults.append(f"{column} has a level outside the agreed groups.")
        found = found * len(levels) + np.maximum(code, 0)
    return found, tuple(faults)


def _codes_evidence(values: "pd.Series[Any]", cells: _Cells) -> Evidence:
    """Every code of an event in every group, whichever is asked for: of all codes but one the rest tell."""
    codes, names = pd.factorize(values, sort=True)
    counts = np.bincount(cells.group * len(names) + codes, minlength=cells.n_groups * len(names))
    return Evidence("level by outcome", counts, f"patients of a group with a code of {values.name}")


def _totals_evidence(event: NDArray[np.bool_], cells: _Cells) -> Evidence:
    """Of each group who has the event on the grid, and who has not, as of a level by outcome: cells add up to these."""
    with_event = cells.count(event).sum(axis=1)
    everybody = np.bincount(cells.group, minlength=cells.n_groups)
    counts = np.concatenate([with_event, everybody - with_event])
    return Evidence("level by outcome", counts, "patients of a group with the event, or without it")
