"""One intercept for each practice of a site, profiled out there: who stands behind the sums, and what is judged of them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Cohort, Evidence
from fedstats.contract.design import Design
from fedstats.contract.model_cells import around_mean, model_cells, varies_within
from fedstats.contract.model_rows import ModelRows
from fedstats.numerics.families import Family
from fedstats.numerics.group_intercepts import estimable

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Practices:
    """The practices of a model at a site.

    Attributes
    ----------
    group : (n,) int              0 ... K-1
    count : int                   practices with a patient who has a weight
    estimable : (n,) bool         rows of practices whose intercept is finite
    informative : (n,) bool       those of them where it leaves something for the coefficients: not a patient alone
    """

    group: NDArray[np.int64]
    count: int
    estimable: NDArray[np.bool_]
    informative: NDArray[np.bool_]


def practices(rows: ModelRows, column: str, family: Family, y: Array) -> Practices:
    """The practices of prepared rows; without a column all of them are one."""
    group, counted = rows.codes((column,) if column else ()), rows.counted
    w = counted.astype(float) if rows.weights is None else rows.weights
    found = estimable(family, group, y, w)[group] & counted
    size = np.bincount(group, counted)
    return Practices(group, int((size > 0).sum()), found, found & (size[group] > 1))


def judged_within(rows: ModelRows, design: Design, inside: Practices) -> ModelRows:
    """The rows with those alone counted who stand behind a sum, and what the gate judges of them.

    A column that is the same for all patients of a practice says nothing there: the sums about it are of the
    practices where it differs, which may be one, and in that one a single patient may be the other.  So levels, levels by outcome,
    pairs and dominance are judged of these practices' patients, beside what is judged of all.
    """
    who = inside.informative
    frame, group = rows.frame[who], inside.group[who]
    present = np.zeros_like(rows.present)
    present[who] = rows.present[who] & varies_within(np.nan_to_num(design.raw(frame), nan=0.0), group)
    if not rows.is_judged:
        return replace(rows, present=present)
    judged, columns = rows.summed, np.nan_to_num(rows.summed.raw(frame), nan=0.0)
    event = None if rows.event is None else rows.event[who]
    cells = model_cells(judged, frame, columns)
    differs = varies_within(cells.indicators, group)
    weights, offset = (None if v is None else v[who] for v in (rows.weights, rows.offset))
    around = None if offset is None else around_mean(offset[:, None], group)[:, 0]
    levels = np.zeros((rows.n, 2 * len(cells.names)))
    levels[who] = np.column_stack([cells.indicators * differs, (1 - cells.indicators) * differs])
    measurements = cells.measurements(judged, around_mean(columns, group), weights, around)
    evidence = (
        *cells.evidence(design, event, True),
        *cells.evidence_within(differs, event),
        *cells.dominance(measurements, event),
        *_beside_the_largest(group, event),
        *(rows.shared(who) if rows.curved else ()),
    )
    return replace(rows, present=present, levels=levels, evidence=rows.evidence + evidence)


def _beside_the_largest(group: NDArray[np.int64], event: Array | None) -> tuple[Evidence, ...]:
    """Of two practices the log-likelihood and the events of both tell the events of each: of all but the largest, of many."""
    size = np.bincount(group)
    others = group != (size.argmax() if len(size) else 0)
    found = [Evidence("level", np.array([others.sum()]), "patients beside the largest practice")]
    if event is not None:
        counts = np.array([event[others].sum(), (1 - event[others]).sum()])
        found.append(
            Evidence("level by outcome", counts, "beside the largest practice, with the event or without")
        )
    return tuple(found)


def told(rows: ModelRows, outcome: str, inside: Practices) -> Cohort:
    """Who is told of by the outcome and the practices alone: other practices of the same outcome leave others out."""
    return Cohort(rows.cohort.rows[inside.informative[rows.counted]], (), told_by=(outcome,))
