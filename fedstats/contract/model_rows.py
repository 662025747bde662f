"""The rows of a regression at a site; what the gate judges of them is made in ``row_evidence``, and at a point in ``point_evidence``."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Cohort, Evidence, Sum
from fedstats.contract.coefficient_sizes import Terms
from fedstats.contract.design import Column, Design, Part, level_codes
from fedstats.contract.faults import Fault, negative_weights, no_counts, no_event, undefined
from fedstats.contract.few_predictors import in_groups
from fedstats.contract.flat_numbers import FlatNumbers
from fedstats.contract.joint_cells import is_number, shared_by
from fedstats.contract.margins import margin
from fedstats.contract.model_cells import few_values, pairs_by_outcome
from fedstats.contract.model_evidence import UNJUDGED, effective_sizes
from fedstats.contract.point_evidence import Kept, PointEvidence
from fedstats.contract.query import QueryError
from fedstats.contract.row_evidence import ModelColumns, judged_rows, unjudged
from fedstats.contract.site_data import SiteData

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ModelRows:
    """Complete rows of a model.

    Attributes
    ----------
    frame : DataFrame          complete rows of the model's columns
    x : (n, k)                 scaled design, intercept included
    present : (n, k) bool      raw columns that are not zero: who stands behind an entry; everybody where nobody judges
    levels : (n, c) bool       who has which level of the model
    level_names : (c,) str
    judged : Design            the model's columns, and those behind columns that the question made
    summed : Design            these, and the outcome where it is a measurement
    event : (n,) or None       the outcome as 0/1, whatever the family; None where it is a measurement
    weights, offset : (n,) or None
    dropped : int              rows with an empty cell in one of the model's columns
    terms : Terms or None      by how much columns make patients differ; None where nobody judges
    evidence : tuple           for the gate, made once
    cohort : Cohort            whose sums these are: complete rows with a weight
    faults : tuple of str      rows that do not fit, said after the gate alone
    curved : bool              whether what weighs a patient depends on the linear predictor
    origin : (k,) or float     what was taken off every row of ``x``
    joint : (n,) int or None   cell in the joint table of all levels; -1: no weight, or numbers hide it.  None where nobody judges
    made : bool                whether the question made the weights
    cell : (n,) int or None    the same whatever numbers hide; 0 without a weight
    flat : float               so far numbers may spread in predictors and hide nothing
    behind : (n,) int or None  cell in the joint table of the levels behind such weights; -1: no weight, or numbers among them hide it
    own : frozenset or None    names of the levels that are the question's own, or the treatment's behind its weights; None: all
    secret : bytes             of the site, for margins; empty where it keeps no memory
    """

    frame: pd.DataFrame
    x: Array
    present: NDArray[np.bool_]
    levels: Array
    level_names: tuple[str, ...]
    judged: Design
    summed: Design
    event: Array | None
    weights: Array | None
    offset: Array | None
    dropped: int
    terms: Terms | None
    evidence: tuple[Evidence, ...]
    cohort: Cohort
    faults: tuple[str, ...]
    curved: bool = True
    origin: Array | float = 0.0
    joint: NDArray[np.int64] | None = None
    cell: NDArray[np.int64] | None = None
    flat: float = 0.0
    made: bool = False
    behind: NDArray[np.int64] | None = None
    own: frozenset[str] | None = None
    secret: bytes = b""

    @property
    def n(self) -> int:
        """Patients in the model at this site."""
        return len(self.frame)

    @property
    def is_judged(self) -> bool:
        """Whether anything was counted for the gate; not where every rule is off."""
        return self.evidence is not UNJUDGED

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """Rows with a weight, (n,)."""
        return np.ones(self.n, dtype=bool) if self.weights is None else self.weights > 0

    def codes(self, columns: tuple[str, ...]) -> NDArray[np.int64]:
        """Groups of rows that agree in all the columns, as 0 ... G-1; one group without columns."""
        if not columns:
            return np.zeros(self.n, dtype=np.int64)
        groups = self.frame.groupby(list(columns), observed=True, sort=True).ngroup()
        return np.asarray(groups.to_numpy(dtype=np.int64))

    def at(self, gamma: Array, unit: float = 1.0) -> PointEvidence:
        """The rows at coefficients of ``x``, (k,), that count in some unit; of the last such what was worked out is kept."""
        point = gamma.tobytes(), unit
        if point not in self._points:
            self._points.clear()
            self._points[point] = Kept()
        return PointEvidence(self, gamma, unit, self._points[point])

    @cached_property
    def _points(self) -> dict[tuple[bytes, float], Kept]:
        return {}

    def vector(self, values: Array) -> Sum:
        """A sum with one entry a design column."""
        return Sum(values, np.diag(self.patients))

    def matrix(self, values: Array) -> Sum:
        """A sum with one entry a pair of design columns."""
        return Sum.triangle(values, self.patients)

    @cached_property
    def patients(self) -> NDArray[np.int64]:
        """How many stand behind each pair of design columns, (k, k): the same at every point."""
        alone = np.array([np.count_nonzero(column) for column in self.present.T], dtype=np.int64)
        both = np.minimum(alone[:, None], alone)  # of a column that everybody has, the other's
        some = np.flatnonzero(alone < self.n)
        there = self.present[:, some].astype(float)
        both[np.ix_(some, some)] = np.rint(there.T @ there)
        return np.asarray(both, dtype=np.int64)

    @cached_property
    def flat_numbers(self) -> FlatNumbers:
        """Where numbers do not hide the joint table of levels; a site's own weights of many values always do."""
        p = 0 if self.terms is None else len(self.terms.alone)
        who = self.counted
        own = self.weights is not None and not self.made and is_number(self.weights[who])
        if own or self.cell is None or not self.curved:
            return FlatNumbers.nowhere(p)
        x = self.x[:, self.x.shape[1] - p :]
        return FlatNumbers.of(self.judged.columns[:p], x, self.offset, who, self.cell, self.levels, self.flat)

    def by_outcome(self, y: Array, who: NDArray[np.bool_]) -> tuple[Evidence, ...]:
        """Pairs of levels, and all of them, by a 0/1 outcome, (n,): of squared scores, or the slope of a weighted score in its weights.

        Columns behind a weight stand in no score: such a slope multiplies one of them by those that do.
        """
        return pairs_by_outcome(self.levels, y, who, self._of_the_model), *self.shared(who, y)

    def shared(self, who: NDArray[np.bool_], y: Array | None = None) -> tuple[Evidence, ...]:
        """How many of some patients, (n,), share all levels, by an outcome if there is one, where no number hides it."""
        return () if self.joint is None else (shared_by(np.where(who, self.joint, -1), y),)

    @cached_property
    def _of_the_model(self) -> NDArray[np.bool_]:
        """Which levels the model's own columns have, or the treatment behind its weights, (c,)."""
        if self.own is None or len(self.level_names) != self.levels.shape[1]:
            return np.ones(self.levels.shape[1], dtype=bool)  # within groups they have no names
        return np.array([name.removeprefix("not ") in self.own for name in self.level_names], dtype=bool)

    def predictor_groups(self, eta: Array, split: Array | None = None) -> tuple[Evidence, ...]:
        """What the gate judges of patients who share a linear predictor, (n,), where that is what weighs them.

        With ``split``, (n, s) of 0 and 1, two levels are multiplied with each of these, and squares bend a straight predictor.
        """
        if not self.is_judged or not (self.curved or split is not None):
            return ()
        levels = self.levels if self._of_the_model.all() else self.levels[:, self._of_the_model]
        return in_groups(eta * self.widened(eta), levels, self.counted, split)

    def widened(self, at: Array) -> float:
        """By how much predictors are judged as further apart than they are, (n,): where groups begin is nobody's value."""
        return margin(self.secret, at.tobytes()) if self.secret else 1.0

    def effective_sizes(self, effect: Array, among: str = "") -> tuple[Evidence, ...]:
        """What the gate judges of rows that are weighted: how many they are worth, in all, within a level and outside.

        Parameters
        ----------
        effect : (n,)    weights
        among : str      of whom, where sums over some of the rows leave on their own
        """
        return effective_sizes(effect, self.levels, among) if self.is_judged else UNJUDGED


def model_rows(
    data: SiteData,
    design: Design,
    outcome: tuple[str, ...],
    event: str | None,
    weights: str | None,
    offset: str | None,
    groups: tuple[str, ...],
    *,
    rarer_outcome: bool,
    whole_numbers: str | None = None,
    code: str | None = None,
    curved: bool = True,
    flat: float | None = None,
) -> ModelRows:
    """Complete rows of a model's columns with their design matrix and evidence.

    Parameters
    ----------
    outcome : tuple of str     time columns and the event column
    event : str or None        the 0/1 column among them; None: the outcome is a measurement, or what the family takes for one
    groups : tuple of str      strata or cluster columns
    rarer_outcome : bool       parameters are weighed against the rarer of both outcomes, not the events
    whole_numbers : str        a column that must hold 0, 1, 2 ...
    code : str                 the level of the event's column that is an event; None: it is 0 or 1
    curved : bool              whether what weighs a patient depends on the linear predictor
    flat : float or None       so far numbers may spread in predictors and hide nothing; None: by the cells of all levels
    """
    asked = ModelColumns(
        design,
        outcome,
        event,
        weights,
        offset,
        groups,
        rarer_outcome=rarer_outcome,
        code=code,
        curved=curved,
        flat=flat,
    )
    if not all(column.scale > 0 for column in design.columns):
        raise QueryError(
            "A column's scale is not above zero."
        )  # sizes of coefficients are judged in its units
    if any(column.period is not None for column in design.columns):
        raise QueryError(
            "A column that counts in a period alone is one of a Cox model, and of no other question."
        )
    data.require(outcome, groups)
    data.require_weights(weights)
    data.require((*design.variables, *(c for c in (offset,) if c is not None)), made_too=True)
    told = data.sources((*asked.read, *groups))
    wanted = dict.fromkeys((*asked.read, *groups, *told))
    frame = pd.DataFrame({name: data.frame[name] for name in wanted}, copy=False)  # the columns themselves
    complete = _complete(frame)
    if not complete.all():  # whole tables are not copied
        frame = frame[complete]
    frame.index = pd.RangeIndex(len(frame))
    raw = design.raw(frame) if data.judged else None  # unscaled, they are for the gate alone
    x = design.scaled_of(frame) if raw is None else design.scaled(raw)
    faults: list[Fault] = []
    suspects = False
    for j, column in enumerate(design.columns, int(design.intercept)):
        if column.is_of_table:
            continue  # which has a value in every row
        undefined_for = np.isnan(x[:, j])
        if undefined_for.any():
            suspects = True
            faults.append(undefined(column, design.described[j], undefined_for, frame))
            x[undefined_for, j] = (0.0 - column.centre) / column.scale
    if raw is not None and suspects:
        np.nan_to_num(raw, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
    time = outcome[-2] if len(outcome) > 1 else None
    y, fault = _outcome(frame, outcome[0], event, whole_numbers, code, time)
    faults += fault
    w = None if weights is None else frame[weights].to_numpy(dtype=float)
    if weights is not None and w is not None and (w < 0).any():
        faults += negative_weights(frame[weights])
        w = np.maximum(w, 0.0)
    shift = None if offset is None else frame[offset].to_numpy(dtype=float)
    counted = np.ones(len(frame), dtype=bool) if w is None else w > 0
    dropped = int((~complete).sum())
    made = data.weight(weights)
    whole = judged = replace(design, columns=(*design.columns, *data.behind(design, offset, weights)))
    if y is None:
        judged = with_measured(whole, outcome[0])
    if raw is None:
        found = unjudged(counted, x.shape[1])
    else:
        found = judged_rows(data, asked, whole, judged, frame, raw, y, w, shift, dropped)
    return ModelRows(
        frame,
        x,
        found.present,
        found.levels,
        found.level_names,
        whole,
        judged,
        y,
        w,
        shift,
        dropped,
        found.terms,
        found.evidence,
        Cohort(
            data.positions if complete.all() and counted.all() else data.positions[complete][counted],
            told,
            levels=judged.levels if code is None or event is None else (*judged.levels, (event,)),
            functions=tuple(f for f in judged.functions if f[0] not in data.made),
            made=() if made is None or raw is None else made.readings(frame[counted]),
        ),
        tuple(faults),
        curved,
        joint=found.joint,
        cell=found.cell,
        flat=found.flat,
        made=made is not None,
        behind=found.behind,
        own=found.own,
        secret=data.secret,
    )


def _complete(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows without an empty cell, (n,)."""
    found = np.ones(len(frame), dtype=bool)
    for name in frame.columns:
        values = frame[name]
        is_float = values.dtype == np.float64  # most are, and pandas' own check takes three times as long
        found &= ~(np.isnan(values.to_numpy()) if is_float else values.isna().to_numpy())
    return found


def with_measured(design: Design, outcome: str) -> Design:
    """The columns of a design and a measured outcome, which is summed with every column as if it were one of them."""
    return replace(design, columns=(*design.columns, Column(outcome, (Part(outcome),))))


def _outcome(
    frame: pd.DataFrame,
    outcome: str,
    event: str | None,
    whole_numbers: str | None,
    code: str | None,
    time: str | None,
) -> tuple[Array | None, tuple[Fault, ...]]:
    """The 0/1 outcome, None where it is a measurement, and what is wrong with it.

    A family that takes measurements, or counts, may be given an outcome that is there or not: then its sums are those
    of a 0/1 outcome.
    """
    if event is not None and code is not None:
        return (level_codes(frame[event], (code,)) == 0).astype(float), ()
    y = frame[event or outcome].to_numpy(dtype=float)
    if event is not None:
        return (y == 1.0).astype(float), no_event(frame[event], time)
    values, _ = few_values(y, 2)
    both = y == values[-1] if len(values) == 2 else y == 1.0
    is_binary = len(values) == 2 or bool(np.isin(y, (0.0, 1.0)).all())
    faults = () if whole_numbers is None else no_counts(whole_numbers, frame[outcome])
    return both.astype(float) if is_binary else None, faults
