"""Predicted risks of a Cox model until a milestone: patients at risk and events by cells of the risk, and squared errors."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Sum
from fedstats.contract.entries import Entries, between, each, one
from fedstats.contract.federation import Federation, Meter, SiteRefused, Total
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import POINT, QueryError
from fedstats.contract.results import PredictedSurvival
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import is_number, shown
from fedstats.methods import cox_fit
from fedstats.methods.cox_model import CoxModel, CoxQuery
from fedstats.methods.cox_rows import CoxRows
from fedstats.methods.follow_up import candidate_grids, cells_of, follow_up, leavers, moves_evidence
from fedstats.methods.predicted_risks import (
    CELL_RULES,
    POINTS,
    RISK_EDGES,
    cells_of_risk,
    check_edges,
    dominance_of_cells,
    edges_of,
    four_digits,
    predictor,
    sums_by_cell,
    with_cells,
)
from fedstats.methods.survival_prediction import baseline_hazard

Array = NDArray[np.float64]

#: Refusals that wider cells of the risk, or of time, can cure.
TABLE_RULES = (*CELL_RULES, "events of a time cell", "effective sample size", "effective size of a level")


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Milestone(CoxQuery):
    """Risks until a time: ``hazards`` are the published cumulative baseline hazards by then, by stratum, of a patient at the agreed centres."""

    hazards: tuple[float, ...] = field(metadata=POINT)
    until: float

    likelihood = "Cox model with one baseline"
    most_points = POINTS

    def times_until(self) -> tuple[float, ...]:
        """Edges of the time cells up to the milestone."""
        return tuple(edge for edge in self.model.grid if edge <= self.until)

    def at_milestone(
        self, data: SiteData
    ) -> "tuple[CoxRows, Array, Array, NDArray[np.int64], NDArray[np.bool_]]":
        """Rows, relative risks and risks, (n,), with the time cell in which each patient leaves and whether with an event."""
        m = self.model
        if m.entry is not None or m.weights is not None or m.event_level is not None:
            raise QueryError(
                "Risks until a time are those of one event, from the beginning on, and without weights."
            )
        if (
            self.until not in m.grid
            or len(self.hazards) != max(1, len(m.strata_levels))
            or min(self.hazards) < 0
        ):
            raise QueryError(
                "A milestone is an edge of the grid, with a published hazard for each stratum, none below zero."
            )
        cox, _, r = self.at_point(data)
        eta = predictor(cox.rows, np.array(self.beta)) - (m.offset_centre if m.offset else 0.0)
        risk = -np.expm1(-np.array(self.hazards)[cox.stratum] * np.exp(eta))
        times = follow_up(cox.rows.frame, m.outcome)
        return cox, r, risk, cells_of(times.time, np.array(self.times_until())), times.event


@dataclass(frozen=True)
class MilestoneCells(_Milestone):
    """Patients at risk and events by time cells until a milestone, by cells of the risk that a Cox model predicts by then.

    Past a gate edges are among the agreed ones, and sums of risks leave rounded.
    """

    edges: tuple[float, ...] = field(metadata=RISK_EDGES)

    asks = "patients at risk and events by cells of the predicted risk"

    def entries(self) -> dict[str, Entries]:
        """Two numbers a cell of risk and time, and two a cell of the risk."""
        cells, times = between(self.edges[1:], beyond=False), between(self.times_until(), beyond=False)
        return {
            "n_risk": each("patients at risk in the time cell", cells, times, count="b c"),
            "n_event": each("patients with the event in it", cells, times, count="b c"),
            "n_beyond": each("patients followed beyond the milestone", cells, count="b"),
            "expected": each("sum of the predicted risks", cells, count="b"),
            "dropped": one("rows with an empty cell"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 sums a cell of risk and time, and 2 a cell of the risk."""
        check_edges(self.edges, gated=data.is_gated)
        cox, r, risk, time, event = self.at_milestone(data)
        rows, cells, times = cox.rows, len(self.edges) - 1, len(self.times_until())
        cell = cells_of_risk(risk, self.edges)
        leaving = leavers(cell, cells, time, times)
        at_risk = leaving[:, ::-1].cumsum(axis=1)[:, ::-1]
        events = leavers(cell[event], cells, time[event], times)[:, :times]
        sums = {
            "n_risk": Sum(at_risk[:, :times], at_risk[:, :times]),
            "n_event": Sum(events, at_risk[:, :times]),
            # how many they are is judged as the last cell's leavers; behind them stand all who are at risk before
            "n_beyond": Sum(leaving[:, times], at_risk[:, times - 1]),
            "expected": Sum(sums_by_cell(risk, cell, cells, rounds=data.is_gated), at_risk[:, 0]),
            "dropped": Sum(np.array([rows.dropped]), np.array([rows.n + rows.dropped])),
        }
        answer = self.answer(cox, r, sums)
        if not rows.is_judged:
            return answer
        point = replace(
            self, edges=(0.0, 1.0), where=(), model=replace(self.model, grid=(self.until,))
        ).digest()
        answer = with_cells(answer, point, self.edges, cell, data)
        moves = moves_evidence(
            follow_up(rows.frame, self.model.outcome), cell, cells, np.array(self.times_until())
        )
        return answer.with_evidence(*moves, *dominance_of_cells(risk, cell, cells))


@dataclass(frozen=True)
class MilestoneErrors(_Milestone):
    """Sums of squared differences between outcomes at a milestone and predicted risks, by the chance of not being censored before.

    ``uncensored`` are the published chances before each time cell, and at the milestone.  Past a gate the sums leave with four digits.
    """

    uncensored: tuple[float, ...] = field(metadata=POINT)

    asks = "sums of squared errors of prediction at the milestone"

    def entries(self) -> dict[str, Entries]:
        """Four numbers."""
        return {
            "n": one("patients"),
            "rounded": one("patients of a site that rounds its sums"),
            "squares": each("weighted squared errors", ("sum", "sum of squares"), count="2"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """4 sums over patients."""
        cox, r, risk, time, event = self.at_milestone(data)
        chance, rows = np.array(self.uncensored), cox.rows
        beyond = len(self.times_until())
        if (
            len(chance) != beyond + 1
            or not ((chance > 0) & (chance <= 1)).all()
            or (np.diff(chance) > 0).any()
        ):
            raise QueryError("Chances of not being censored are one a time cell, fall, and lie above 0.")
        told = event | (time == beyond)
        weight = told / chance[time]
        errors = weight * np.where(time == beyond, risk, 1.0 - risk) ** 2
        n, behind = np.array([rows.n]), np.array([int(told.sum())])
        digits = four_digits if data.is_gated else np.asarray
        sums = {
            "n": Sum(n, n),
            "rounded": Sum(n if data.is_gated else 0 * n, n),
            "squares": Sum(digits(np.array([errors.sum(), errors @ errors])), behind),
        }
        answer = self.answer(cox, r, sums)
        if not rows.is_judged:
            return answer
        happened = (event & (time < beyond)).astype(float)
        groups = rows.predictor_groups(predictor(rows, np.array(self.beta)), happened[:, None])
        return answer.with_evidence(
            *rows.effective_sizes(weight, ", of those whose outcome is known"),
            *rows.effective_sizes(errors, ", by their errors"),
            *groups,
        )


# The coordinator's half ------------------------------------------------------------------------


@dataclass(frozen=True)
class Milestone:
    """A model at a milestone, and what the sites' patients were counted to be.

    Attributes
    ----------
    model, beta, hazards : of the questions
    until : float
    edges : tuple of float     b + 1, of the cells of the risk
    n_risk, n_event : (b, c)
    n_beyond, expected : (b,)
    dropped : int
    status : str               on which grid
    grids : list               those that may be tried, finest first, with their words
    """

    model: CoxModel
    beta: tuple[float, ...]
    hazards: tuple[float, ...]
    until: float
    edges: tuple[float, ...]
    n_risk: Array
    n_event: Array
    n_beyond: Array
    expected: Array
    dropped: int
    status: str
    grids: list[tuple[tuple[float, ...], str]]

    @property
    def n(self) -> Array:
        """Patients of each cell of the risk, (b,)."""
        return self.n_risk[:, 0]

    def uncensored(self) -> Array:
        """The chance of not being censored before the events of each time cell, and by the milestone, (c + 1,): Kaplan-Meier, of all patients."""
        n_risk, events = self.n_risk.sum(axis=0), self.n_event.sum(axis=0)
        left = n_risk - events
        stay = np.append(n_risk[1:], self.n_beyond.sum())
        falls = np.divide(stay, left, out=np.ones_like(left), where=left > 0)
        return np.concatenate([[1.0], np.cumprod(falls)])


def times_of(times: object) -> tuple[float, ...]:
    """Milestones, one or several.

    Raises
    ------
    FormulaError
    """
    many = isinstance(times, Sequence | np.ndarray) and not isinstance(times, str)
    several: list[Any] = list(times) if many else [times]  # type: ignore[call-overload]
    if not several or not all(is_number(time) and time > 0 for time in several):
        raise FormulaError(f"times is {shown(times)}; give milestones above zero, as in times=[6, 12].")
    return tuple(float(time) for time in several)


def milestone_of(meter: Meter, fit: Fit, until: float, baseline: PredictedSurvival | None) -> Milestone:
    """The model of a fit at a milestone with its baseline hazard, and all patients as one cell of the risk.

    Raises
    ------
    FormulaError, QueryError, SiteRefused
    """
    federation = meter.federation
    model, beta = absolute_model(federation, fit)
    model, hazards = _with_baseline(meter, fit, model, beta, until, baseline)
    with one_blas_thread():
        return counted_until(meter, model, beta, hazards, until)


def absolute_model(federation: Federation, fit: Fit) -> tuple[CoxModel, tuple[float, ...]]:
    """The model behind a fit whose risks by a time can be counted.

    Raises
    ------
    FormulaError
        No Cox model, or one of late entries, weights, or one cause of several.
    """
    model, beta = cox_fit.model_of(federation, fit)
    if model.entry is not None or model.weights is not None or model.event_level is not None:
        raise FormulaError(
            "A risk by a time is that of one event, of patients who are followed from the beginning: give a fit without entry times, weights "
            "or a cause of several."
        )
    return model, beta


def counted_until(
    meter: Meter, model: CoxModel, beta: tuple[float, ...], hazards: tuple[float, ...], until: float | None
) -> Milestone:
    """All patients as one cell of the risk, on the finest grid that every site lets out; ``until`` None: the end of the grid."""
    grids = candidate_grids(meter.federation, meter, model.outcome, None)
    if until is not None:
        agreed = meter.federation.codebook.grid
        distinct = meter.federation.distinct_values or agreed is None
        grids = [
            (tuple(sorted({*edges, until})) if distinct else edges, words)
            for edges, words in grids
            if distinct or until in edges
        ]
        if not grids:
            raise FormulaError(f"The milestone {until:g} is no edge of an agreed time grid of the codebook.")
    return _counted(meter, model, beta, hazards, until, [(0.0, 1.0)], grids)


def by_risk(meter: Meter, whole: Milestone, bins: Sequence[float] | None) -> Milestone:
    """The same by cells of the risk, the finest that every site lets out.

    Raises
    ------
    FormulaError, SiteRefused
    """
    mean = float(whole.expected.sum() / whole.n.sum())
    edges = edges_of(bins, mean, 0.6 * mean * (1.0 - mean))
    some = edges if len(edges) < 4 else [edges[0], edges[len(edges) // 2], edges[-1]]
    with one_blas_thread():
        return _counted(meter, whole.model, whole.beta, whole.hazards, whole.until, some, whole.grids)


def _counted(
    meter: Meter,
    model: CoxModel,
    beta: tuple[float, ...],
    hazards: tuple[float, ...],
    until: float | None,
    edges: Sequence[tuple[float, ...]],
    grids: list[tuple[tuple[float, ...], str]],
) -> Milestone:
    tries = [(some, grid, words, k) for some in edges for k, (grid, words) in enumerate(grids)]
    for number, (some, grid, words, k) in enumerate(tries, start=1):
        end = grid[-1] if until is None else until
        there = replace(model, grid=grid, ties="breslow")
        try:
            total = meter.sum(MilestoneCells(there, beta, hazards, end, some))
        except SiteRefused as refused:
            if refused.rule not in TABLE_RULES or number == len(tries):
                raise
            continue
        return _read(total, there, beta, hazards, end, some, words, grids[k:])
    raise QueryError("There is no time grid to try.")


def _read(
    total: Total,
    model: CoxModel,
    beta: tuple[float, ...],
    hazards: tuple[float, ...],
    until: float,
    edges: tuple[float, ...],
    status: str,
    grids: list[tuple[tuple[float, ...], str]],
) -> Milestone:
    if not total["n_risk"].any():
        raise QueryError("There are no patients with complete values whose risk could be predicted.")
    dropped = round(float(total["dropped"][0]))
    n_risk, n_event, n_beyond, expected = (total[k] for k in ("n_risk", "n_event", "n_beyond", "expected"))
    return Milestone(
        model, beta, hazards, until, edges, n_risk, n_event, n_beyond, expected, dropped, status, grids
    )


def _with_baseline(
    meter: Meter,
    fit: Fit,
    model: CoxModel,
    beta: tuple[float, ...],
    until: float,
    baseline: PredictedSurvival | None,
) -> tuple[CoxModel, tuple[float, ...]]:
    """The model with the strata of its baseline hazard, and that hazard by the milestone at the agreed centres of the columns."""
    if baseline is None:
        if fit.options["baseline"] != "shared":
            raise FormulaError(
                "A risk by a time takes a baseline hazard that is that of all sites: fit with baseline='shared', or give one as baseline=."
            )
        baseline = baseline_hazard(meter.federation, fit)
        meter.rounds, meter.n_bytes = meter.rounds + baseline.rounds, meter.n_bytes + baseline.n_bytes
    if getattr(baseline, "formula", None) != fit.formula:
        raise FormulaError(
            "baseline is that of the fit: give fs.baseline_hazard(sites, fit) of the sites that it was fitted on."
        )
    frame = baseline.frame[baseline.frame["time"] <= until * (1 + 1e-9)]
    curves = {s: g["cumulative_hazard"].iloc[-1] for s, g in frame.groupby(["site", "stratum"], sort=False)}
    wanted = [("", level) for level in model.strata_levels or ("",)]
    if list(curves) != wanted:
        raise FormulaError(
            "baseline has other strata than one hazard for all sites, or one for each agreed stratum."
        )
    at_zero = (
        model.design.scaled(np.zeros((1, len(model.design.columns))))[0] @ np.array(beta)
        - model.offset_centre
    )
    found = tuple(float(curves[key] / np.exp(at_zero)) for key in wanted)
    if model.grid:
        return model, found
    return replace(model, strata=(), strata_levels=()), found
