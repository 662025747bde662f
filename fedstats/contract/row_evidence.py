"""What the gate judges of a model's rows whatever the coefficients: made once a model."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.coefficient_sizes import Terms, terms_of
from fedstats.contract.design import Design
from fedstats.contract.joint_cells import (
    cells_behind,
    flat_of,
    joint_cells,
    level_cells,
    shared_behind,
    shared_by,
)
from fedstats.contract.margins import margin
from fedstats.contract.model_cells import ModelCells, model_cells, pairs_by_outcome
from fedstats.contract.model_evidence import UNJUDGED, knots, left_out, of_own_site
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.site_data import SiteData

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ModelColumns:
    """The columns of a model as it is asked for; what they are says :func:`fedstats.contract.model_rows.model_rows`."""

    design: Design
    outcome: tuple[str, ...]
    event: str | None
    weights: str | None
    offset: str | None
    groups: tuple[str, ...]
    rarer_outcome: bool
    code: str | None
    curved: bool
    flat: float | None

    @property
    def extra(self) -> tuple[str, ...]:
        """Weights and offset, where there are any."""
        return tuple(c for c in (self.weights, self.offset) if c is not None)

    @property
    def read(self) -> tuple[str, ...]:
        """All but the groups."""
        return (*self.outcome, *self.design.variables, *self.extra)


class Judged(NamedTuple):
    """What is known of rows that are judged: see :class:`fedstats.contract.model_rows.ModelRows`."""

    present: NDArray[np.bool_]
    levels: Array
    level_names: tuple[str, ...]
    terms: Terms | None
    evidence: tuple[Evidence, ...]
    own: frozenset[str] | None = None
    joint: NDArray[np.int64] | None = None
    cell: NDArray[np.int64] | None = None
    flat: float = 0.0
    behind: NDArray[np.int64] | None = None


class _Counted(NamedTuple):
    """Rows with a weight: their columns, unscaled, (n, q), weights, offset and 0/1 outcome, (n,) or None."""

    frame: pd.DataFrame
    columns: Array
    weights: Array | None
    offset: Array | None
    event: Array | None


def unjudged(counted: NDArray[np.bool_], k: int) -> Judged:
    """Rows that nobody judges: everybody with a weight stands behind every one of k columns."""
    everybody = np.broadcast_to(counted[:, None], (len(counted), k))
    return Judged(everybody, np.zeros((len(counted), 0)), (), None, UNJUDGED)


def judged_rows(
    data: SiteData,
    asked: ModelColumns,
    whole: Design,
    judged: Design,
    frame: pd.DataFrame,
    raw: Array,
    event: Array | None,
    weights: Array | None,
    offset: Array | None,
    dropped: int,
) -> Judged:
    """What is judged of complete rows.

    Parameters
    ----------
    whole : Design               the model's columns, and those behind columns that the question made
    judged : Design              these, and the outcome where it is a measurement
    frame : (n, ...)             complete rows
    raw : (n, p)                 the model's columns, unscaled; written over
    event, weights, offset : (n,) or None
    dropped : int                rows with an empty cell
    """
    counted = np.ones(len(frame), dtype=bool) if weights is None else weights > 0
    design, made = asked.design, data.weight(asked.weights)
    k = int(design.intercept)
    present = np.ones((len(frame), raw.shape[1] + k), dtype=bool, order="F")  # counted column by column
    np.not_equal(raw, 0, out=present[:, k:])
    if not counted.all():
        present[~counted] = False
    rows = _Counted(frame, raw, weights, offset, event)
    if not counted.all():
        some = (None if v is None else v[counted] for v in (weights, offset, event))
        rows = _Counted(frame[counted], raw[counted], *some)
    if whole != design:
        rows = rows._replace(columns=whole.raw(rows.frame))
    if event is None:
        measured = rows.frame[asked.outcome[0]].to_numpy(dtype=float)
        rows = rows._replace(columns=np.column_stack([rows.columns, measured]))
    terms = terms_of(design, frame, raw, counted)
    cells = model_cells(judged, rows.frame, rows.columns)
    levels = np.zeros((len(frame), len(cells.names)))
    levels[counted] = cells.indicators
    held = ((asked.weights, rows.weights), (asked.offset, rows.offset))
    own_numbers = [v for name, v in held if v is not None and name not in data.made]
    cell = np.zeros(len(frame), dtype=np.int64)
    cell[counted] = level_cells(whole, rows.frame, rows.columns, own_numbers)
    flat = flat_of(cell[counted]) if asked.flat is None else asked.flat
    joint = np.full(len(frame), -1)
    joint[counted] = joint_cells(cell[counted], whole, rows.columns, cells.indicators, own_numbers)
    measurements = cells.measurements(  # from here on the columns are these
        judged, rows.columns, rows.weights, rows.offset, once=made is not None
    )
    evidence = (
        *data.subset_evidence,
        *left_out(dropped, counted, frame, asked.extra),
        *cells.evidence(design, rows.event, asked.rarer_outcome),
        *cells.dominance(measurements, rows.event),
        *knots(design, data.codebook),
        *of_own_site((*design.variables, *asked.groups), data.codebook),
    )
    own: frozenset[str] | None = None
    behind: NDArray[np.int64] | None = None
    if made is not None:
        at_hand = replace(design, columns=(*design.columns, made.columns[0]))
        own = frozenset(model_cells(at_hand, rows.frame, at_hand.raw(rows.frame)).names)
        logit = made.logit(rows.frame)
        behind = np.full(len(frame), -1)
        behind[counted] = cells_behind(made.columns, logit, rows.frame)
        evidence += _of_weights(made, logit, data, design, rows, cells, behind[counted])
    if asked.event is not None and asked.code is not None:
        evidence += tuple(cells.of_other_codes(measurements, rows.frame[asked.event], asked.code))
    if asked.curved:  # a straight predictor's sums are of pairs of levels, unless they are squared
        evidence += (shared_by(joint),)
    return Judged(present, levels, cells.names, terms, evidence, own, joint, cell, flat, behind)


def _of_weights(
    made: PropensityWeight,
    logit: Array,
    data: SiteData,
    design: Design,
    rows: _Counted,
    cells: ModelCells,
    behind: NDArray[np.int64],
) -> tuple[Evidence, ...]:
    """Of weights that the question made: what they tell, the levels behind them, and the pairs that their slopes are sums over."""
    widened = margin(data.secret, logit.tobytes()) if data.secret else 1.0
    found = made.judged(rows.frame, cells.indicators, rows.event, data.codebook, widened)
    found += (shared_behind(behind, cells.indicators, rows.event),)
    if rows.event is None:
        return found
    of_treatment = replace(design, columns=made.columns[:1])
    given = model_cells(of_treatment, rows.frame, of_treatment.raw(rows.frame)).names
    mask = np.array([name in given for name in cells.names], dtype=bool)
    everybody = np.ones(len(rows.frame), dtype=bool)
    return (*found, pairs_by_outcome(cells.indicators, rows.event, everybody, mask))
