"""The rows of a Cox model at a site, made once: strata, risk sets, and what the gate judges whatever the coefficients."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fedstats.contract.aggregate import Evidence, Sum
from fedstats.contract.design import level_codes
from fedstats.contract.joint_cells import FLAT_AT_RISK
from fedstats.contract.model_cells import around_mean, model_cells, varies_within
from fedstats.contract.model_rows import ModelRows, model_rows
from fedstats.contract.site_data import SiteData
from fedstats.methods.follow_up import FollowUp, cells_of, follow_up, grid_evidence, leavers
from fedstats.numerics import risk_sets as rs

if TYPE_CHECKING:
    from fedstats.methods.cox_model import CoxModel

Array = NDArray[np.float64]

#: Columns of which patients are counted at a time.
_COLUMNS = 8


@dataclass(frozen=True)
class CoxRows:
    """A prepared model at a site: rows, strata, risk sets; who stands behind its sums, and who of these leaves while events happen."""

    rows: ModelRows
    x: Array
    stratum: NDArray[np.int64]
    sets: rs.RiskSets
    event_weight: Array
    counts: dict[str, Sum]
    evidence: tuple[Evidence, ...]
    faults: tuple[str, ...]
    informative: NDArray[np.bool_]
    leaves: NDArray[np.bool_]

    @cached_property
    def behind(self) -> "Behind":
        """The patients behind sums by cell, the same at every point; a few columns at a time, for a whole matrix of ones is a second design."""
        ones, present = np.ones(self.rows.n), self.rows.present
        blocks = [
            rs.cell_sums(self.sets, present[:, a : a + _COLUMNS].astype(float), ones, None)
            for a in range(0, present.shape[1], _COLUMNS)
        ]
        s1, t1 = (
            np.concatenate([np.rint(getattr(b, k)).astype(np.int32) for b in blocks], axis=1)
            for k in ("s1", "t1")
        )
        s0, t0 = (np.rint(sizes).astype(np.int32) for sizes in (blocks[0].s0, blocks[0].t0))
        return Behind(s0, s1, t0, t1)


class Behind(NamedTuple):
    """Patients at risk (c,), and with a column (c, p), in each cell; those of them who die there."""

    at_risk: NDArray[np.int32]
    at_risk_with: NDArray[np.int32]
    died: NDArray[np.int32]
    died_with: NDArray[np.int32]


def prepare(model: "CoxModel", data: SiteData) -> CoxRows:
    """The rows of a model at a site with their strata and risk sets, and what the gate judges of them at any point."""
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
        flat=None if model.grid else FLAT_AT_RISK,
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
        rows, x = _centred_by_stratum(rows, stratum, events)
    n, n_event = np.array([rows.counted.sum()]), len(sets.death)
    counts = {
        "n": Sum(n, n),
        "n_event": Sum(np.array([n_event]), np.array([n_event])),
        "event_weight": Sum(np.array([events.sum()]), np.array([n_event])),
        "dropped": Sum(np.array([rows.dropped]), np.array([rows.n + rows.dropped])),
    }
    informative = np.ones(rows.n, dtype=bool)
    if shared is None:
        informative = _informative(sets, rows.counted)
        rows, more = _judged_on(rows, model, informative, stratum)
        evidence += more
    leaves = informative & (sets.last < sets.bounds[stratum + 1])
    leaves[sets.death] = informative[sets.death]
    return CoxRows(rows, x, stratum, sets, events, counts, evidence, faults, informative, leaves)


def _informative(sets: rs.RiskSets, counted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Who stands behind the sums: at risk at a death together with somebody else.

    Strata of one patient each, or without a death, leave the others alone in what the site sends; and so does who is
    the last of his stratum, or enters after its last death.
    """
    here = counted & (sets.last > sets.first)
    ends = (np.bincount(cell[here], minlength=sets.n_cells + 1) for cell in (sets.first, sets.last))
    at_risk = np.cumsum(next(ends) - next(ends))[:-1]
    told = np.append(0, np.cumsum(at_risk > 1))
    return np.asarray(here & (told[sets.last] > told[sets.first]))


def _judged_on(
    rows: ModelRows, model: "CoxModel", who: NDArray[np.bool_], stratum: NDArray[np.int64]
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
    measurements = cells.measurements(rows.judged, columns, weights, offset, once=rows.made)
    evidence += cells.dominance(measurements, y)
    if (code := model.event_level) is not None:
        evidence += tuple(cells.of_other_codes(measurements, frame[model.event], code, differs))
    return replace(rows, present=present, levels=levels, level_names=names), evidence + rows.shared(who)


def _centred_by_stratum(
    rows: ModelRows, stratum: NDArray[np.int64], events: Array
) -> tuple[ModelRows, Array]:
    """Columns minus the mean of their stratum's deaths: the partial likelihood does not change.

    Of one stratum the rows' own columns are moved: a second matrix of that size costs more than all its arithmetic.

    At the maximum that is the expected mean, so the rounding of a large risk set's sum drops out of
    the score, and nothing cancels in the information.
    """
    x, size = rows.x, np.bincount(stratum, events)
    if x.size == 0 or not size.any():
        return rows, x
    by_stratum = sparse.csc_matrix(
        (events, stratum, np.arange(len(events) + 1)), shape=(len(size), len(events))
    )
    means = (by_stratum @ x) / np.where(size > 0, size, 1.0)[:, None]
    if len(means) > 1:
        return rows, np.asarray(x - means[stratum])
    np.subtract(x, means, out=x)
    return replace(rows, origin=means[0]), x


def _agreed_strata(model: "CoxModel", rows: ModelRows) -> tuple[NDArray[np.int64], tuple[str, ...]]:
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
