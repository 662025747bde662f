"""What the gate judges of sums over events that are weighted by a function of time, or told apart by its steps.

Whoever asks with two functions of time subtracts one answer from the other: with steps that differ in one
cell, the events of that cell are left, and of a function such as time itself those far from the others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Design
from fedstats.contract.dominance import dominance_of_sums, shares_of_groups
from fedstats.contract.entries import ordinal
from fedstats.contract.model_evidence import effective_sizes_of_many
from fedstats.methods.cox_rows import CoxRows
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs

Array = NDArray[np.float64]

#: So many times are told apart by the functions of time that can be asked for, and by none.
FEW_TIMES = 5
#: So many numbers, 32 MB of them, are weights of patients at a time.
_NUMBERS = 2**22


@dataclass(frozen=True)
class Events:
    """The deaths of a model that tell of anybody, and what each adds to the sums.

    Attributes
    ----------
    told : (all,) bool     which of all deaths they are; who is alone at risk adds nothing, and is not among them
    death : (m,) int       their rows
    event_cell : (m,) int  the distinct time of each, in its stratum
    parts : (m, 2 p)       squared residuals, then expected spreads: what each adds, not negative
    names : (2 p,) str
    """

    told: NDArray[np.bool_]
    death: NDArray[np.int64]
    event_cell: NDArray[np.int64]
    parts: Array
    names: tuple[str, ...]


def events(
    cox: CoxRows, r: Array, sums: rs.CellSums, terms: pl.CellTerms, residuals: Array, design: Design
) -> Events:
    """The deaths with more than one patient at risk.

    Parameters
    ----------
    residuals : (all, p)    weighted: columns minus their expectation
    """
    here = rs.cell_sizes(cox.sets, cox.rows.counted.astype(float), None).s0
    told = here[cox.sets.death_cell] > 1.5
    cell = cox.sets.death_cell[told]
    spread = pl.cell_variances(cox.sets, cox.x, r, sums, terms)[cell] / sums.deaths[cell, None]
    names = tuple(
        f"{what} of {name}" for what in ("squared residuals", "expected spread") for name in design.names
    )
    return Events(told, cox.sets.death[told], cell, np.column_stack([residuals[told] ** 2, spread]), names)


def of_function(cox: CoxRows, r: Array, terms: pl.CellTerms, found: Events, g: Array) -> tuple[Evidence, ...]:
    """Of a function of time: whether one event far from the others makes up most of a sum, or one patient at risk.

    The answer without the function is known, so that any number can be taken off it: what is judged are
    distances from the median event.

    Parameters
    ----------
    g : (m,)    the function at each event

    Notes
    -----
    Sums of 1, t, t^2, log t and log^2 t tell apart the events of as many times: where there are no more, each is a cell.
    """
    times, cell = np.unique(g, return_inverse=True)
    if len(times) <= FEW_TIMES:
        labels = tuple(f"at the {ordinal(number + 1)} time" for number in range(len(times)))
        return of_cells(cox, r, terms, found, cell.reshape(-1), labels)
    far = np.abs(g - np.median(g)) if len(g) else g
    squares = (far / max(float(far.max(initial=0.0)), 1e-300)) ** 2
    weight = np.zeros(cox.sets.n_cells)
    weight[found.event_cell] = squares
    names = tuple(f"{name}, by time" for name in found.names)
    return (
        *dominance_of_sums(found.parts * squares[:, None], names),
        *effective_sizes_of_many(_at_risk(cox, r, terms, weight[:, None]), cox.rows.levels, (", by time",)),
    )


def of_cells(
    cox: CoxRows,
    r: Array,
    terms: pl.CellTerms,
    found: Events,
    cell: NDArray[np.int64],
    labels: tuple[str, ...],
) -> tuple[Evidence, ...]:
    """Of steps: the events of every time cell, in all, with a level and without, and who is at risk at them.

    Parameters
    ----------
    cell : (m,) int    of the agreed grid, of each event
    labels : sequence of str
        What the cells are called.
    """
    inside = sparse.csr_matrix(
        (np.ones(len(cell)), cell, np.arange(len(cell) + 1)), shape=(len(cell), len(labels))
    ).T
    counts = np.bincount(cell, minlength=len(labels))
    with_level = inside @ np.asarray(cox.rows.levels[found.death], dtype=float)
    by_level = np.stack([with_level, counts[:, None] - with_level])
    halves = (cox.rows.level_names, tuple(f"not {name}" for name in cox.rows.level_names))
    of_level = tuple(f"events {label}, {name}" for half in halves for label in labels for name in half)
    one, two = shares_of_groups(found.parts, cell, len(labels), floor=True)
    about = tuple(f"{name}, {label}" for label in labels for name in found.names)
    evidence = [
        Evidence("events of a time cell", counts, tuple(f"events {label}" for label in labels)),
        Evidence("events of a time cell", by_level.ravel(), of_level),
        Evidence("dominance", one.ravel(), about),
        Evidence("dominance of two", two.ravel(), about),
    ]
    some = np.flatnonzero(counts)
    at_once = max(1, _NUMBERS // max(cox.rows.n, cox.sets.n_cells, 1))
    for numbers in np.split(some, range(at_once, len(some), at_once)):
        place = np.searchsorted(numbers, cell)
        here = np.isin(cell, numbers)
        weight = np.zeros((cox.sets.n_cells, len(numbers)))
        weight[found.event_cell[here], place[here]] = 1.0
        among = tuple(f" at the events {labels[number]}" for number in numbers)
        evidence += effective_sizes_of_many(_at_risk(cox, r, terms, weight), cox.rows.levels, among)
    return tuple(evidence)


def _at_risk(cox: CoxRows, r: Array, terms: pl.CellTerms, weight: Array) -> Array:
    """Events expected of each patient, event cell by event cell with weights that are not negative, (D, b); (n, b)."""
    a, b = (weight * piece[:, None] for piece in (terms.a, terms.b))
    return r[:, None] * pl.expected(cox.sets, cox.stratum, a, b)
