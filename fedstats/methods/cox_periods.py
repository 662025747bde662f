"""A Cox model whose effects are others after agreed cuts, at a site: a sum over periods, each judged as a model of its own.

A patient who is at risk in a period is one row of it, so that whatever the gate counts there are patients.  Sums over
all periods need no judgement of their own: of weights, and of shares, what holds in every addend holds in the sum (the
triangle inequality), and more patients stand behind it than behind any addend.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum, full_matrix
from fedstats.contract.design import Period
from fedstats.contract.dominance import dominance_of_residuals, scores_of_clusters
from fedstats.contract.model_rows import ModelRows, model_rows
from fedstats.contract.periods import check_periods, cuts_of, periods_of, whole, within
from fedstats.contract.query import QueryError
from fedstats.contract.site_data import SiteData
from fedstats.methods.follow_up import FollowUp, cells_of, follow_up, moves_evidence
from fedstats.methods.risk_set_evidence import of_neighbours
from fedstats.numerics import risk_sets as rs

if TYPE_CHECKING:
    from fedstats.methods.cox_model import CoxMeat, CoxModel, CoxQuery

Array = NDArray[np.float64]

#: The code, none of the codebook's, of what has happened in another period.
_OTHER = "in another period"
#: Sums by coefficient, and by time cell of a shared baseline.
_BY_COEFFICIENT, _BY_CELL = {"score", "x_deaths", "s1", "t1"}, {"s0", "s1", "t0", "t1", "deaths", "weight"}


@dataclass(frozen=True)
class Part:
    """The patients at risk in a period.

    Attributes
    ----------
    period : Period
    data : SiteData        their rows, events of other periods left out
    who : (k,) int         their rows among those of the model
    model : CoxModel       with the columns that count there, each as of an ordinary model
    columns : (q,) int     which these are of all
    cells : (c,) bool      time cells of a shared baseline that lie in the period, of every stratum
    """

    period: Period
    data: SiteData
    who: NDArray[np.int64]
    model: "CoxModel"
    columns: NDArray[np.int64]
    cells: NDArray[np.bool_]


@dataclass(frozen=True)
class CoxParts:
    """A model whose effects change, prepared at a site: all its rows, and those of each period."""

    rows: ModelRows
    parts: tuple[Part, ...]
    evidence: tuple[Evidence, ...]
    faults: tuple[str, ...]


def cox_parts(model: "CoxModel", data: SiteData) -> CoxParts:
    """The rows of a model, and of each of its periods the patients at risk in it.

    Raises
    ------
    QueryError
        Periods that overlap, or that cut the cells of a shared baseline; a column of the outcome among the others.
    """
    outcome, cuts = model.outcome, cuts_of(model.design)
    check_periods(model.design)
    others = {*model.design.variables, *model.strata, model.offset, model.cluster}
    weight = data.weight(model.weights)
    behind = {model.weights} if weight is None else set(weight.variables)
    if (others | behind) & set(outcome.variables) or (others | behind) & set(data.made):
        raise QueryError(
            "Effects that change are not those of the outcome's own columns, or of columns made for a question."
        )
    if model.grid and not set(cuts) <= set(model.grid):
        raise QueryError("Effects change at edges of the agreed time cells alone.")
    groups = model.strata + ((model.cluster,) if model.cluster is not None else ())
    rows = model_rows(
        data,
        whole(model.design),
        outcome.variables,
        model.event,
        model.weights,
        model.offset,
        groups,
        rarer_outcome=False,
        code=model.event_level,
    )
    times = follow_up(rows.frame, outcome)
    row = np.full(len(data.positions), -1)
    row[np.isin(data.positions, rows.cohort.rows)] = np.flatnonzero(rows.counted)
    end = cells_of(times.time, np.array(cuts))
    entry = -np.inf if times.entry is None else times.entry
    parts = tuple(
        _part(model, data, row, period, end == k, (end >= k) & (entry < period.end))
        for k, period in enumerate(periods_of(model.design))
    )
    faults = tuple(dict.fromkeys((*rows.faults, *times.faults)))
    return CoxParts(rows, parts, _judged_between(data, rows, times, cuts), faults)


def _part(
    model: "CoxModel",
    data: SiteData,
    row: NDArray[np.int64],
    period: Period,
    ends_here: NDArray[np.bool_],
    at_risk: NDArray[np.bool_],
) -> Part:
    """The part of a period.

    Parameters
    ----------
    row : (all,) int            of the site's rows, which row of the model each is; -1 of the others
    ends_here, at_risk : (n,)   whose follow-up ends in the period, and who is at risk at some time of it
    """
    design, columns = within(model.design, period)
    chosen, happened = ((row >= 0) & flags[row] for flags in (at_risk, ends_here))
    event = data.frame[model.event]
    coded = model.event_level is not None
    changed = {
        model.event: event.astype(object).where(happened, _OTHER) if coded else event.where(happened, 0.0)
    }
    if model.entry is not None:  # who has entered before the period is there from its beginning
        entry = data.frame[model.entry]
        changed[model.entry] = entry.where(entry > period.after, np.minimum(entry, 0.0))
    if model.grid:  # and who leaves after it, to its end
        changed[model.time] = data.frame[model.time].where(happened, model.grid[-1] + 1.0)
    edges = np.array(model.grid)
    inside = (edges > period.after) & (edges <= period.end)
    return Part(
        period,
        data.part(chosen, changed),
        row[chosen],
        replace(model, design=design),
        columns,
        np.tile(inside, max(1, len(model.strata_levels))),
    )


def _judged_between(
    data: SiteData, rows: ModelRows, times: FollowUp, cuts: tuple[float, ...]
) -> tuple[Evidence, ...]:
    """Whether the cuts are agreed, and who leaves or enters between any of those agreed: two periods differ by these.

    Sums up to one cut less those up to another are of the patients between them, whichever of the agreed cuts is asked for.
    """
    if not rows.is_judged:
        return ()
    agreed = data.codebook.grid.cuts if data.codebook.grid is not None else ()
    edges, everybody = np.array(sorted({*cuts, *agreed})), np.zeros(rows.n, dtype=np.int64)
    own = np.array([len(set(cuts) - set(agreed))])
    found = [Evidence("agreed grid", own, "cuts that the codebook does not have")] if own else []
    found += moves_evidence(times, everybody, 1, edges)
    moved = times.on_grid(edges)
    grid = np.append(edges, np.inf)  # the last period is a cell as well
    sets = rs.risk_sets(everybody, moved.entry, moved.time, moved.event, rows.weights, grid, 1)
    weights = rows.counted.astype(float) if rows.weights is None else rows.weights
    return (*found, *of_neighbours(rows, sets, weights, tied=False))


# Sums over periods --------------------------------------------------------------------------------


def prepared_parts(query: "CoxQuery", data: SiteData) -> CoxParts:
    """The periods of a question's model, made once."""
    return data.prepared(query.model, lambda: cox_parts(query.model, data))


def over_periods(query: "CoxQuery", data: SiteData) -> Aggregate:
    """The answer to a question about a model whose effects change, of the answers of its periods."""
    found = prepared_parts(query, data)
    answers = [(part, query.in_period(part).aggregate(part.data)) for part in found.parts]
    sums: dict[str, Sum] = {}
    p, n = len(query.model.design.names), int(found.rows.counted.sum())
    for part, answer in answers:
        for name, own in answer.sums.items():
            spread = _spread(name, own, part, p)
            sums[name] = _added(sums[name], spread) if name in sums else spread
    dropped, everybody = found.rows.dropped, found.rows.n + found.rows.dropped
    for name, count, behind in (("n", n, n), ("dropped", dropped, everybody)):
        sums[name] = Sum(np.array([count]), np.array([behind]))
    asked = query.entries()
    return _judged(query, found, {name: s for name, s in sums.items() if name in asked}, answers)


def meat_over_periods(query: "CoxMeat", data: SiteData) -> Aggregate:
    """Squares of patients' (or clusters') score residuals, each the sum of a patient's in all periods."""
    found = prepared_parts(query, data)
    rows, u = residuals_over_periods(query, data)
    answers = [(part, query.in_period(part).aggregate(part.data)) for part in found.parts]
    evidence = dominance_of_residuals(u, query.model.design)
    if query.model.cluster is not None:
        u, more = scores_of_clusters(u, rows.codes((query.model.cluster,)))
        evidence += more
    return _judged(query, found, {"meat": rows.matrix(u.T @ u)}, answers).with_evidence(*evidence)


def residuals_over_periods(query: "CoxMeat", data: SiteData) -> tuple[ModelRows, Array]:
    """The rows, with who stands behind each column in some period, and their score residuals in all of them, (n, p)."""
    found = prepared_parts(query, data)
    shape = (found.rows.n, len(query.model.design.names))
    u, present = np.zeros(shape), np.zeros(shape, dtype=bool)
    for part in found.parts:
        place = np.ix_(part.who, part.columns)
        cox, _, own = query.in_period(part).residuals(part.data)
        u[place] += own
        present[place] |= cox.rows.present
    return replace(found.rows, present=present), u


def _judged(
    query: "CoxQuery", found: CoxParts, sums: dict[str, Sum], answers: list[tuple[Part, Aggregate]]
) -> Aggregate:
    """An answer with everything that is judged of its periods, and of what lies between them."""
    rows, outcome = found.rows, query.model.outcome
    evidence = (*rows.evidence, *found.evidence)
    cohorts: tuple[Cohort, ...] = (replace(rows.cohort, cuts=outcome.cuts(query.cut_at())),)
    for part, answer in answers:
        evidence += tuple(e.of(part.period.in_words()) for e in answer.evidence)
        cohorts += answer.rows
    faults = tuple(
        dict.fromkeys((*found.faults, *(fault for _, answer in answers for fault in answer.faults)))
    )
    return Aggregate(sums, rows.n, evidence, cohorts, faults)


def _spread(name: str, own: Sum, part: Part, p: int) -> Sum:
    """A sum of a period with zeros for the coefficients, and the time cells, that are none of the period's."""
    if own.pairs:
        lower = np.tril_indices(p)
        both = np.ix_(part.columns, part.columns)
        values, patients = np.zeros((p, p)), np.zeros((p, p), dtype=np.int64)
        values[both] = full_matrix(own.values)
        patients[both] = full_matrix(np.asarray(own.patients, dtype=float)).astype(np.int64)
        return replace(own, values=values[lower], patients=patients[lower])
    values, patients = own.values, np.asarray(own.patients)
    if name in _BY_CELL:
        here = part.cells if values.ndim == 1 else part.cells[:, None]
        values, patients = np.where(here, values, 0.0), np.where(here, patients, 0)
    if name in _BY_COEFFICIENT:
        shape = (*values.shape[:-1], p)
        all_values, all_patients = np.zeros(shape), np.zeros(shape, dtype=np.int64)
        all_values[..., part.columns], all_patients[..., part.columns] = values, patients
        values, patients = all_values, all_patients
    return replace(own, values=values, patients=patients)


def _added(one: Sum, other: Sum) -> Sum:
    """Two sums; of the patients behind them the smaller number, but nobody is fewer than a few.

    They are more, and may be the same in both periods; but whoever judges the smaller number has judged every period.
    """
    few, many = np.minimum(one.patients, other.patients), np.maximum(one.patients, other.patients)
    return replace(one, values=one.values + other.values, patients=np.where(few > 0, few, many))
