"""Case weights of a table of counts: a sum of them says more of a patient than a count does."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.dominance import deviations, dominance
from fedstats.contract.faults import negative_weights
from fedstats.contract.model_evidence import effective_size, left_out

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_WIDER = "agree on wider cells in the codebook's [grid]"
#: What would make a table with a column of weights pass; it is asked with the agreed cells, and with earlier ends of them.
OF_WEIGHTS = {
    "events of a time cell": f"Too few patients leave in a cell of the time grid, with the event or without it, to add up their weights: {_WIDER}, or ask of the curve without weights.",
    "effective size of a level": f"A few of those who leave in a cell of the time grid weigh too much: {_WIDER}, or bring the weights nearer to each other.",
    "patients of one predictor": f"The weights have few values, and too few of those who leave in a cell of the time grid share one: {_WIDER}, or give similar weights the same value.",
    "dominance": f"One patient makes up most of the weights of those who leave in a cell of the time grid: {_WIDER}, or bring the weights nearer to each other.",
    "dominance of two": f"Two patients make up most of the weights of those who leave in a cell of the time grid: {_WIDER}, or bring the weights nearer to each other.",
}
_BALANCED = "survival with characteristics balanced is also that of a Cox model with baseline = 'shared' (standardised_survival), which asks less"
#: The same of weights that sites make by a propensity, where columns behind these are judged too, some of them whatever the grid.
OF_A_PROPENSITY = OF_WEIGHTS | {
    "effective size of a level": f"Too few equally weighted patients with a level of a column behind the weights leave in a cell of the time grid: merge levels in the propensity's formula, take fewer factors into it, cut the weights at fixed ends, or {_WIDER}; {_BALANCED}.",
    "patients of one predictor": f"The propensity has few values, and too few of those who leave in a cell of the time grid share one: put a number into its formula, take fewer factors into it, or {_WIDER}.",
    "joint cell of levels": f"The weights are of levels alone, and too few of those who leave in a cell of the time grid share all levels behind them: put a number such as age into the propensity's formula, take fewer factors into it, or {_WIDER}; {_BALANCED}.",
    "pair of levels": f"Too few patients share a treatment and a level of a column behind the weights, with the event or without it, whatever the time grid: merge levels in the propensity's formula or take fewer factors into it; {_BALANCED}.",
    "level by outcome": f"Too few patients with a level of a column behind the weights have the event, or do not, whatever the time grid: merge levels in the propensity's formula or take fewer factors into it; {_BALANCED}.",
}

#: Weights of at most so many values, each shared by so many patients on average, are those of as many groups.
MOST_VALUES, SHARED = 64, 3


def weights_of(frame: pd.DataFrame, column: str | None) -> tuple[Array | None, tuple[str, ...]]:
    """The weights of rows, (n,), none below zero, and the fault that some were."""
    if column is None:
        return None, ()
    return np.maximum(frame[column].to_numpy(dtype=float), 0.0), negative_weights(frame[column])


def rows_evidence(dropped: int, frame: pd.DataFrame, w: Array, column: str) -> tuple[Evidence, ...]:
    """For the gate: rows that are left out, and patients with another weight than most."""
    return left_out(dropped, w > 0, frame, (column,))


def cells_evidence(w: Array, groups: dict[str, Index]) -> list[Evidence]:
    """For the gate: of the patients who leave a cell in one way, how many they are, and whether few of them weigh.

    Parameters
    ----------
    w : (n,)
    groups : mapping of words to (n,) int
        Disjoint groups whose weights, and squared weights, are added up; -1 of who is in none.

    Notes
    -----
    A number of events may be one, for it is a count; the weight of the only patient with the event is his.
    """
    found: list[Evidence] = []
    value = _shared_values(w)
    for about, group in groups.items():
        here = group >= 0
        if not here.any():
            continue
        _, place = np.unique(group[here], return_inverse=True)
        own = w[here]
        counts = np.bincount(place)
        found.append(
            Evidence("events of a time cell", counts, f"patients {about}, whose weights are added up")
        )
        sizes = effective_size(*(np.bincount(place, own**k).astype(float) for k in (1, 2)))
        found.append(Evidence("effective size of a level", sizes, f"weighted patients {about}"))
        cells = (place[:, None] == np.arange(len(counts))).astype(float)
        names = tuple(f"cell {i + 1} of patients {about}" for i in range(len(counts)))
        found += dominance(
            deviations(np.column_stack([own, own**2])), ("weight", "squared weight"), cells, names
        )
        if value is not None:
            alike = np.bincount(place * (int(value.max()) + 1) + value[here])
            found.append(Evidence("patients of one predictor", alike, f"patients {about} of one weight"))
    return found


def levels_evidence(w: Array, groups: dict[str, Index], levels: Array) -> list[Evidence]:
    """For the gate: of the patients with a level who leave a cell in one way, how many equally weighted ones they are worth.

    A weight that a question makes of columns tells by its slope in a coefficient what those with a level of them do.

    Parameters
    ----------
    groups : mapping     as of :func:`cells_evidence`
    levels : (n, c)      0/1
    """
    found = []
    for about, group in groups.items():
        here = group >= 0
        _, place = np.unique(group[here], return_inverse=True)
        both = (
            np.column_stack([half[here] for half in levels.T]) if levels.size else np.zeros((here.sum(), 0))
        )
        sums = [np.array([np.bincount(place, own * w[here] ** k) for own in both.T]).ravel() for k in (1, 2)]
        sizes = effective_size(sums[0], sums[1])
        found.append(Evidence("effective size of a level", sizes, f"weighted patients with a level {about}"))
    return found


def joint_evidence(groups: dict[str, Index], behind: Index | None) -> list[Evidence]:
    """For the gate: of the patients who leave a cell in one way, how many share all levels behind their weights.

    Parameters
    ----------
    groups : mapping         as of :func:`cells_evidence`
    behind : (n,) or None    cell in the joint table of these levels; -1 where numbers hide it
    """
    if behind is None:
        return []
    cells = int(behind.max(initial=0)) + 1
    found = []
    for about, group in groups.items():
        here = (group >= 0) & (behind >= 0)
        counts = np.unique(group[here] * cells + behind[here], return_counts=True)[1]
        said = f"patients {about} who share all levels behind the weights"
        found.append(Evidence("joint cell of levels", counts, said))
    return found


def _shared_values(w: Array) -> Index | None:
    """Which of few values each weight has; None where patients have values of their own.

    Counts of patients are whole numbers: a sum of fifty bits of a few known values tells how many have each.
    """
    values, place = np.unique(np.round(w, 9), return_inverse=True)
    few = len(values) <= MOST_VALUES and len(w) >= SHARED * len(values)
    return place.reshape(-1) if few else None
