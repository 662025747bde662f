"""Survival curves from counts at risk and of events, one table for each group."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.arguments import check_federation, check_survival_interval
from fedstats.contract.design import level_codes
from fedstats.contract.entries import Entries, between, each, groups_of, listed, one
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.formula import Outcome, parse_groups
from fedstats.contract.query import Query, QueryError
from fedstats.contract.results import Curve
from fedstats.contract.site_data import SiteData
from fedstats.methods.follow_up import (
    TIME_GRID,
    candidate_grids,
    follow_up,
    grid_evidence,
    on_finest_grid,
)
from fedstats.numerics.risk_sets import risk_sets
from fedstats.numerics.survival_table import (
    ConfType,
    censored,
    interpolated_time,
    kaplan_meier_estimate,
    lowest_estimate,
    quantile_cells,
    quantile_time,
    widest_interval,
)

Array = NDArray[np.float64]


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class RiskTable(Query):
    """Patients at risk and events, by group and cell of the agreed time grid.

    Behind a number of events stand all who are at risk; how many leave in a cell is judged on its own.
    Patients with an empty cell in one of the columns ``complete`` are left out: the rows of a model.
    """

    entry: str | None
    time: str
    event: str
    group: str | None
    levels: tuple[str, ...]
    grid: tuple[float, ...] = field(metadata=TIME_GRID)
    complete: tuple[str, ...] = ()
    event_level: str | None = None

    asks = "patients at risk and events in each time cell"

    def subject(self) -> str:
        """Outcome, groups and grid."""
        followed = f"{self.entry} to {self.time}" if self.entry else self.time
        by = f" by {self.group}" if self.group else ""
        event = self.event if self.event_level is None else f"{self.event}[{self.event_level}]"
        rows = f", of rows without an empty cell in {listed(self.complete)}" if self.complete else ""
        return f"Survival table of {followed}/{event}{by} on {len(self.grid)} time cells{rows}"

    def entries(self) -> dict[str, Entries]:
        """Counts by group and cell."""
        axes = (groups_of(self.group, self.levels), between(self.grid, beyond=False))
        return {
            "n_risk": each("patients at risk in the cell", *axes, count="g c"),
            "n_event": each("patients with the event in the cell", *axes, count="g c"),
            "dropped": one("rows with an empty cell"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 counts a group and cell, and the number of rows dropped."""
        outcome = Outcome(self.event, self.time, self.entry, self.event_level)
        columns = [*outcome.variables, *([self.group] if self.group else [])]
        data.require(columns, self.complete)  # of these no value is read
        columns = list(dict.fromkeys((*columns, *self.complete)))
        frame = data.frame[columns].reset_index(drop=True)
        complete = frame.notna().all(axis=1)
        frame, dropped = frame[complete], int((~complete).sum())
        times, grid = follow_up(frame, outcome), np.array(self.grid)
        group, n_groups = self._groups(frame)
        faults = times.faults
        if (group < 0).any():
            faults += (f"{self.group} has a level outside the agreed groups.",)
            group = np.maximum(group, 0)
        moved = times.on_grid(grid)
        sets = risk_sets(group, moved.entry, moved.time, moved.event, None, grid, n_groups)
        shape = (n_groups, len(grid))
        at_risk = sets.at_risk.reshape(shape)
        events = np.bincount(sets.death_cell, minlength=sets.n_cells).reshape(shape)
        return Aggregate(
            {
                "n_risk": Sum(at_risk, at_risk),
                "n_event": Sum(events, at_risk),
                "dropped": Sum(np.array([dropped]), np.array([len(frame) + dropped])),
            },
            len(frame),
            (
                *data.subset_evidence,
                *grid_evidence(data, times, group, n_groups, grid),
                Evidence("dropped rows", np.array([dropped]), "rows with an empty cell"),
            ),
            (
                Cohort(
                    data.positions[complete.to_numpy()],
                    tuple(columns),
                    outcome.cuts(self.grid),
                    ((self.group,),) if self.group else (),
                ),
            ),
            faults,
        )

    def _groups(self, frame: pd.DataFrame) -> tuple[NDArray[np.int64], int]:
        if self.group is None:
            return np.zeros(len(frame), dtype=np.int64), 1
        return level_codes(frame[self.group], self.levels), len(self.levels)


# The coordinator's half ------------------------------------------------------------------------


def kaplan_meier(
    federation: Federation,
    formula: str,
    *,
    grid: float | Sequence[float] | None = None,
    conf_type: ConfType = "log",
    level: float = 0.95,
) -> Curve:
    """Kaplan-Meier curves of all sites together.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"Surv(time, event) ~ group"``, ``"Surv(entry, time, event) ~ group"`` or ``"... ~ 1"``.
    grid : number or sequence, optional
        Cell width or right edges; None: the finest of the codebook's candidates that every site lets
        out, or the distinct times where no rule forbids them.
    conf_type : {"log", "log-log", "plain"}
        Scale of the intervals; ``"log"`` is R's default.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Curve
        Equal to ``survfit`` on the pooled rows, times moved to the right edge of their cell.  How far the
        curve on unmoved times may lie below it stands in ``grid_error`` and ``estimate_low``.

    Raises
    ------
    FormulaError, SiteRefused

    Notes
    -----
    Kaplan & Meier (1958), Greenwood (1926).  A patient's time counts at the right edge of its cell, an
    entry at the left one; on distinct times neither moves.
    """
    check_federation(federation)
    check_survival_interval(conf_type, level)
    outcome, group = parse_groups(formula, federation.codebook)
    levels = federation.codebook[group].levels if group else ()
    assert outcome.time is not None
    time, event, entry = outcome.time, outcome.event, outcome.entry
    meter = Meter(federation)

    def ask(edges: tuple[float, ...]) -> Total:
        return meter.sum(RiskTable(entry, time, event, group, levels, edges, event_level=outcome.event_level))

    total, edges, status = on_finest_grid(candidate_grids(federation, meter, outcome, grid), ask)
    names = [federation.codebook[group].level_label(v) for v in levels] if group else ["all"]
    frames, medians = [], []
    for i, name in enumerate(names):
        followed = _Followed(np.array(edges), total["n_risk"][i], total["n_event"][i], status == "exact")
        frame = _one_curve(name, followed, conf_type, level, entered_late=entry is not None)
        if not frame.empty:
            frames.append(frame)
            medians.append({"group": name} | _median(frame, conf_type, level, exact=status == "exact"))
    if not frames:
        raise QueryError(f"There are no patients with complete values for {formula!r}.")
    agreed = federation.codebook.grid
    unit = federation.codebook[time].unit or (agreed.unit if agreed else "")
    frame = pd.concat(frames, ignore_index=True)
    return Curve(
        formula,
        frame,
        pd.DataFrame(medians),
        unit,
        status,
        meter.rounds,
        meter.n_bytes,
        federation.sites,
        conf_type,
        level,
        0.0 if status == "exact" else _grid_error(frame),
    )


@dataclass(frozen=True)
class _Followed:
    """Counts of one group, (T,) each; ``exact``: at distinct times, not in cells."""

    time: Array
    n_risk: Array
    n_event: Array
    exact: bool


def _one_curve(
    name: str, counts: _Followed, conf_type: ConfType, level: float, *, entered_late: bool
) -> pd.DataFrame:
    time, n_risk, n_event = counts.time, np.rint(counts.n_risk), np.rint(counts.n_event)
    start = time if counts.exact else np.append(0.0, time[:-1])
    if counts.exact:  # distinct times of every group: keep those at which someone of this one leaves
        own = (n_event > 0) | (n_risk > np.append(n_risk[1:], 0))
        time, start, n_risk, n_event = time[own], start[own], n_risk[own], n_event[own]
    n_censor = censored(n_risk, n_event, after=0.0 if counts.exact else np.nan)
    if entered_late:
        n_censor[:-1] = np.nan
    estimate = kaplan_meier_estimate(n_risk, n_event, conf_type, level)
    lowest = estimate.estimate if counts.exact else lowest_estimate(n_risk, n_event, n_censor)
    frame = pd.DataFrame(
        {"group": name, "time": time, "n_risk": n_risk, "n_event": n_event}
        | estimate._asdict()
        | {"start": start, "n_censor": n_censor, "estimate_low": lowest}
    )
    # with delayed entry a risk set may be empty between two others; the curve stays level there
    frame = frame[n_risk > 0]
    if frame.empty:
        return frame
    zero = {"time": 0.0, "n_event": 0, "estimate": 1.0, "std_error": 0.0, "conf_low": 1.0, "conf_high": 1.0}
    zero |= {"start": 0.0, "n_censor": 0.0, "estimate_low": 1.0}
    frame = pd.concat([frame.iloc[:1].assign(**zero), frame], ignore_index=True)
    return frame.astype({"n_risk": int, "n_event": int})


def _grid_error(frame: pd.DataFrame) -> float:
    """Largest distance to the lowest curve where that is known; NaN where it never is.

    With delayed entry those who enter in a cell cannot be told from those who leave it.
    """
    known = frame[(frame["time"] > 0) & frame["n_censor"].notna()]
    return float((known["estimate"] - known["estimate_low"]).max())


def _median(frame: pd.DataFrame, conf_type: ConfType, level: float, *, exact: bool) -> dict[str, float]:
    """Median with its interval, read off the curve and its bounds (Brookmeyer & Crowley 1982).

    On a grid the interval ends at edges and contains the one on exact times.
    """
    time, estimate = frame["time"].to_numpy(), frame["estimate"].to_numpy()
    if exact:
        median = median_low = median_high = quantile_time(time, estimate, 0.5)
        # beyond the last defined bound the lower one is zero and the upper one has not come down
        conf_low = quantile_time(time, frame["conf_low"].fillna(0.0).to_numpy(), 0.5)
        conf_high = quantile_time(time, frame["conf_high"].fillna(1.0).to_numpy(), 0.5)
    else:
        median = interpolated_time(time, estimate, 0.5)
        median_low, median_high = quantile_cells(time, estimate, frame["estimate_low"].to_numpy(), 0.5)
        n_risk, n_event, n_censor = frame[["n_risk", "n_event", "n_censor"]].to_numpy(float).T
        low, high = widest_interval(n_risk, n_event, n_censor, conf_type, level)
        conf_low, conf_high = quantile_cells(time, high, low, 0.5)
    return {
        "median": median,
        "conf_low": conf_low,
        "conf_high": conf_high,
        "median_low": median_low,
        "median_high": median_high,
    }
