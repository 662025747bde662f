"""A Cox model at a site: its rows, strata and risk sets, and the score residuals of its patients.

What both designs share, the site's own baseline hazard (``cox_regression``) and one for all sites
(``cox_shared_baseline``).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design, level_codes
from fedstats.contract.dominance import dominance_of_residuals, scores_of_clusters
from fedstats.contract.entries import Entries, between, crossed, groups_of, listed, one, options, pairs
from fedstats.contract.formula import Outcome
from fedstats.contract.model_cells import around_mean, model_cells, pairs_by_outcome, varies_within
from fedstats.contract.model_evidence import standard_sizes
from fedstats.contract.model_rows import ModelRows, model_rows
from fedstats.contract.query import POINT, Query, QueryError, Spec
from fedstats.contract.site_data import SiteData
from fedstats.methods.follow_up import TIME_GRID, FollowUp, cells_of, follow_up, grid_evidence, leavers
from fedstats.methods.risk_set_evidence import of_neighbours
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CoxModel(Spec):
    """What is modelled.

    ``grid`` empty: a baseline hazard for each stratum of each site.  Otherwise one baseline on these
    right edges, for each of the agreed ``strata_levels`` (one column of strata at most).  ``event_level`` is the level of ``event`` that
    counts; None: it is 0 or 1.
    """

    entry: str | None
    time: str
    event: str
    design: Design
    strata: tuple[str, ...]
    ties: Literal["efron", "breslow"]
    weights: str | None
    offset: str | None
    offset_centre: float
    cluster: str | None
    grid: tuple[float, ...] = field(default=(), metadata=TIME_GRID)
    strata_levels: tuple[str, ...] = ()
    event_level: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Its left-hand side."""
        return Outcome(self.event, self.time, self.entry, self.event_level)

    def in_words(self) -> str:
        """The model as a sentence."""
        followed = f"{self.entry} to {self.time}" if self.entry else self.time
        event = self.event if self.event_level is None else f"{self.event}[{self.event_level}]"
        parts = [f"Cox regression of {followed}/{event} on {listed(self.design.terms)}"]
        parts += [f"strata {listed(self.strata)}"] if self.strata else []
        parts += [f"{self.ties.capitalize()} ties"]
        parts += [f"one baseline hazard on {len(self.grid)} time cells"] if self.grid else []
        return ", ".join(parts) + options(weights=self.weights, offset=self.offset, cluster=self.cluster)

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cells of a shared baseline, stratum by stratum."""
        strata = groups_of(self.strata[0] if self.strata else None, self.strata_levels)
        return crossed(strata, between(self.grid, beyond=False))


#: Counts that go with every answer of a Cox model.
SIZES = {
    "n": one("patients in the model"),
    "n_event": one("patients with the event"),
    "event_weight": one("sum of the weights of patients with the event"),
    "dropped": one("rows with an empty cell"),
}


@dataclass(frozen=True)
class CoxRows:
    """A prepared model at a site: rows, strata, risk sets."""

    rows: ModelRows
    x: Array
    stratum: NDArray[np.int64]
    sets: rs.RiskSets
    event_weight: Array
    counts: dict[str, Sum]
    evidence: tuple[Evidence, ...]
    faults: tuple[str, ...]
    informative: NDArray[np.bool_]


def _prepare(model: CoxModel, data: SiteData) -> CoxRows:
    outcome = model.outcome
    groups = model.strata + ((model.cluster,) if model.cluster is not None else ())
    rows = model_rows(
        data,
        model.design,
        outcome.variables,
        model.event,
        model.weights,
        model.offset,
        groups,
        rarer_outcome=False,
        code=model.event_level,
    )
    times = follow_up(rows.frame, outcome)
    faults = rows.faults + times.faults
    shared = np.array(model.grid) if model.grid else None
    if shared is None:
        stratum, n_strata = rows.codes(model.strata), None
        evidence: tuple[Evidence, ...] = ()
        x = rows.x
    else:
        stratum, strange = _agreed_strata(model, rows)
        faults += strange
        n_strata = max(1, len(model.strata_levels))
        evidence = grid_evidence(data, times, stratum, n_strata, shared)
        if model.ties == "efron":
            evidence += _tied_events(times, stratum, n_strata, shared)
        times, x = times.on_grid(shared), rows.x
    sets = rs.risk_sets(stratum, times.entry, times.time, times.event, rows.weights, shared, n_strata)
    events = np.zeros(rows.n)
    events[sets.death] = 1.0 if rows.weights is None else rows.weights[sets.death]
    if shared is None:
        x = _centred_by_stratum(x, stratum, events)
        rows = rows if rows.is_judged else replace(rows, x=x)  # large tables are not kept twice
    n_event = len(sets.death)
    counts = {
        "n": Sum(np.array([rows.n]), np.array([rows.n])),
        "n_event": Sum(np.array([n_event]), np.array([n_event])),
        "event_weight": Sum(np.array([events.sum()]), np.array([n_event])),
        "dropped": Sum(np.array([rows.dropped]), np.array([rows.n + rows.dropped])),
    }
    informative = np.ones(rows.n, dtype=bool)
    if shared is None:
        informative = _informative(times, stratum, sets.death)
        rows, more = _judged_on(rows, model, informative, stratum)
        evidence += more
    return CoxRows(rows, x, stratum, sets, events, counts, evidence, faults, informative)


def _informative(times: FollowUp, stratum: NDArray[np.int64], death: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Who stands behind the sums: at risk at a death of a stratum that has more than one patient.

    Strata of one patient each, or without a death, leave the others alone in what the site sends.
    """
    size = np.bincount(stratum)
    first = np.full(len(size), np.inf)
    np.minimum.at(first, stratum[death], times.time[death])
    return np.asarray((size[stratum] > 1) & (times.time >= first[stratum]))


def _judged_on(
    rows: ModelRows, model: CoxModel, who: NDArray[np.bool_], stratum: NDArray[np.int64]
) -> tuple[ModelRows, tuple[Evidence, ...]]:
    """The rows with those alone counted who stand behind a sum, and what the gate judges of them.

    A column that is the same for a whole stratum says nothing there: the sums about it are of the strata where it
    differs, and in one of them a single patient may be the other.
    """
    strata = bool(stratum.any())
    if who.all() and not strata:
        return rows, ()
    if not rows.is_judged:
        return replace(rows, present=rows.present & who[:, None]), ()
    frame, raw = rows.frame[who], np.nan_to_num(rows.judged.raw(rows.frame)[who], nan=0.0)
    group = stratum[who]
    y = model.outcome.occurred(frame).astype(float)
    cells = model_cells(rows.judged, frame, raw)
    weights, offset = (None if v is None else v[who] for v in (rows.weights, rows.offset))
    evidence = cells.evidence(model.design, y, False)
    present, names = rows.present & who[:, None], cells.names
    levels = np.zeros((rows.n, len(names) * (1 + strata)))
    levels[who, : len(names)] = cells.indicators
    columns, differs = raw, None
    if strata:
        differs = varies_within(cells.indicators, group)
        evidence += cells.evidence_within(differs, y)
        levels[who] = np.column_stack([cells.indicators * differs, (1 - cells.indicators) * differs])
        names += tuple(f"not {name}" for name in names)
        present[who] &= varies_within(np.nan_to_num(model.design.raw(frame), nan=0.0), group)
        columns = around_mean(raw, group)
        offset = None if offset is None else around_mean(offset[:, None], group)[:, 0]
    evidence += cells.dominance(rows.judged, columns, y, weights, offset)
    if (code := model.event_level) is not None:
        evidence += tuple(
            cells.of_other_codes(rows.judged, columns, frame[model.event], code, weights, offset, differs)
        )
    return replace(rows, present=present, levels=levels, level_names=names), evidence


def _centred_by_stratum(x: Array, stratum: NDArray[np.int64], events: Array) -> Array:
    """Columns minus the mean of their stratum's deaths: the partial likelihood does not change.

    At the maximum that is the expected mean, so the rounding of a large risk set's sum drops out of
    the score, and nothing cancels in the information.
    """
    size = np.bincount(stratum, events)
    if x.size == 0 or not size.any():
        return x
    by_stratum = sparse.csc_matrix(
        (events, stratum, np.arange(len(events) + 1)), shape=(len(size), len(events))
    )
    means = (by_stratum @ x) / np.where(size > 0, size, 1.0)[:, None]
    return np.asarray(x - (means if len(means) == 1 else means[stratum]))


def _agreed_strata(model: CoxModel, rows: ModelRows) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The stratum of each row, and the fault that a row is in none."""
    if not model.strata:
        return np.zeros(rows.n, dtype=np.int64), ()
    levels = level_codes(rows.frame[model.strata[0]], model.strata_levels)
    if (levels < 0).any():
        fault = f"{model.strata[0]} has a level outside the agreed strata."
        return np.maximum(levels, 0), (fault,)
    return levels, ()


def _tied_events(
    times: FollowUp, stratum: NDArray[np.int64], n_strata: int, grid: Array
) -> tuple[Evidence, ...]:
    """Efron's ties send sums over the events of a cell: these, and its other leavers, must be as many as all of them.

    Neighbouring risk sets differ by everybody who leaves; minus the events, the censored are left.
    """
    evidence = []
    for here, about in ((times.event, "events"), (~times.event, "patients censored")):
        counts = leavers(stratum[here], n_strata, cells_of(times.time[here], grid), len(grid))[:, :-1]
        evidence.append(
            Evidence("events of a time cell", counts.ravel(), f"{about} in a cell, for Efron's ties")
        )
    return tuple(evidence)


def _relative_risk(model: CoxModel, cox: CoxRows, gamma: Array) -> tuple[Array, Array]:
    """eta - c and r = w exp(eta - c); c is the stratum's largest eta, or agreed where sums of r travel."""
    eta = cox.x @ gamma
    if cox.rows.offset is not None:
        eta = eta + (cox.rows.offset - model.offset_centre)
    if not model.grid and len(eta):
        largest = np.full(int(cox.stratum.max()) + 1, -np.inf)
        np.maximum.at(largest, cox.stratum, eta)
        eta = eta - largest[cox.stratum]
    with np.errstate(over="ignore"):
        r = np.exp(eta)
    return eta, r if cox.rows.weights is None else cox.rows.weights * r


@dataclass(frozen=True)
class CoxQuery(Query):
    """A Cox model at a point: ``beta`` are coefficients of the scaled columns."""

    model: CoxModel
    beta: tuple[float, ...] = field(metadata=POINT)

    def subject(self) -> str:
        """The model in words."""
        return self.model.in_words()

    def cut_at(self) -> tuple[float, ...]:
        """Edges of the time cells by which the sums are told apart."""
        return self.model.grid

    def model_rows(self, data: SiteData) -> ModelRows:
        """The rows of the model at a site."""
        return self._prepared(data).rows

    def coefficients(self, codebook: Codebook) -> tuple[float, ...]:
        """Sizes in agreed spreads of the columns."""
        return standard_sizes(self.model.design, self.beta, codebook)

    def _prepared(self, data: SiteData) -> CoxRows:
        return data.prepared(self.model, lambda: _prepare(self.model, data))

    def at_point(self, data: SiteData) -> tuple[CoxRows, Array, Array]:
        cox = self._prepared(data)
        eta, r = _relative_risk(self.model, cox, np.array(self.beta))
        return cox, eta, r

    def answer(self, cox: CoxRows, r: Array, sums: dict[str, Sum]) -> Aggregate:
        evidence = cox.rows.evidence_at(np.array(self.beta), False, np.where(cox.informative, r, 0.0))
        evidence += cox.evidence
        outcome = self.model.outcome
        cuts = outcome.cuts(self.cut_at())
        whole = replace(cox.rows.cohort, cuts=cuts)
        # strata that set one patient alone leave him out of the sums, and other strata of the same outcome do not
        told = Cohort(whole.rows[cox.informative[cox.rows.counted]], (), told_by=outcome.variables)
        return Aggregate(sums, cox.rows.n, evidence, (whole, told), cox.faults)


@dataclass(frozen=True)
class CoxMeat(CoxQuery):
    """Sum of squared score residuals of a Cox model, for robust standard errors.

    Outer products by patient or cluster; clusters lie within a site.

    ``hazards`` are the published pieces of a shared baseline (a, b, xbar, c, d, flattened); empty for
    a site's own baseline.
    """

    hazards: tuple[float, ...] = field(default=(), metadata=POINT)

    asks = "squared score residuals (robust variance)"
    most_points = 2

    def entries(self) -> dict[str, Entries]:
        """One matrix."""
        return {
            "meat": pairs("products of patients' (or clusters') score residuals", self.model.design.described)
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """p (p + 1) / 2 sums over patients or clusters."""
        if self.hazards and not self.model.grid:  # the site's own number of event times is not for guessing
            raise QueryError("Published hazards belong to an agreed grid; the question names none.")
        cox, _, r = self.at_point(data)
        if self.hazards:
            a, b, means = unpack_hazards(np.array(self.hazards), cox.sets.n_cells, cox.x.shape[1])
        else:
            sums = rs.cell_sums(cox.sets, cox.x, r, cox.rows.weights)
            terms = pl.cell_terms(sums, self.model.ties)
            a, b, means = terms.a, terms.b, pl.cell_means(sums, terms)
        v = pl.expected(cox.sets, cox.stratum, a, b)
        u = pl.score_residuals(cox.sets, cox.stratum, cox.x, r, cox.rows.weights, v, means)
        parts = dominance_of_residuals(u, self.model.design)
        if self.model.cluster is not None:
            u, more = scores_of_clusters(u, cox.rows.codes((self.model.cluster,)))
            parts += more
        if self.hazards:
            parts += (*of_neighbours(cox.sets, r, cox.rows.levels, tied=True), deaths_of_cells(cox))
        y = np.zeros(cox.rows.n)
        y[cox.sets.death] = 1.0
        parts += (pairs_by_outcome(cox.rows.levels, y, cox.rows.counted & cox.informative),)
        return self.answer(cox, r, {"meat": cox.rows.matrix(u.T @ u)}).with_evidence(*parts)


def deaths_of_cells(cox: CoxRows) -> Evidence:
    """For sums that published hazards or means can narrow to the deaths of one cell, whatever the ties."""
    events = np.bincount(cox.sets.death_cell, minlength=cox.sets.n_cells)
    return Evidence("events of a time cell", events, "events in a cell, told apart from the others")


def pack_hazards(terms: pl.CellTerms, means: pl.CellMeans) -> tuple[float, ...]:
    pieces = (terms.a, terms.b, means.xbar, means.c, means.d)
    return tuple(np.concatenate([piece.ravel() for piece in pieces]).tolist())


def unpack_hazards(flat: Array, cells: int, p: int) -> tuple[Array, Array, pl.CellMeans]:
    if len(flat) != cells * (2 + 3 * p):
        raise QueryError("The published hazards do not have the agreed number of cells.")
    a, b, rest = flat[:cells], flat[cells : 2 * cells], flat[2 * cells :].reshape(3, cells, p)
    return a, b, pl.CellMeans(rest[0], rest[1], rest[2])
