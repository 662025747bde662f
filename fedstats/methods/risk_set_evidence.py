"""What the gate judges of sums over risk sets of agreed time cells, of which any two may be subtracted.

Neighbouring risk sets differ by those who leave in a cell and those who enter in the next; where the events of a
cell leave as well, as with Efron's ties, by those censored.  Hazards that a question names tell cells apart too.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.few_predictors import predictor_groups
from fedstats.contract.model_cells import levels_by_group
from fedstats.contract.model_evidence import effective_size
from fedstats.contract.model_rows import ModelRows
from fedstats.numerics import risk_sets as rs

Array = NDArray[np.float64]


def of_neighbours(rows: ModelRows, sets: rs.RiskSets, r: Array, *, tied: bool) -> tuple[Evidence, ...]:
    """Of every risk set, and of those by whom two differ, the effective size; of the latter, who has a level and who not.

    Parameters
    ----------
    r : (n,)         relative risks
    tied : bool      whether sums over the events of a cell can be told apart
    """
    if not rows.is_judged:
        return ()
    largest = max(float(r.max(initial=0.0)), 1e-300)
    weights, squares = (rs.cell_sizes(sets, (r / largest) ** k, None).s0 for k in (1, 2))
    somebody = rs.cell_sizes(sets, np.ones_like(r), None).s0 > 0.5
    sizes = effective_size(weights, squares)[somebody]
    evidence = [Evidence("effective sample size", sizes, "patients behind the sums of a risk set")]
    here = sets.last > sets.first
    died = np.zeros(len(r), dtype=bool)
    died[sets.death] = True
    groups = [(sets.last, here, "who leave in a cell"), (sets.first, here, "who enter in a cell")]
    if tied:
        groups += [
            (sets.last, here & died, "with the event in a cell"),
            (sets.last, here & ~died, "censored in a cell"),
        ]
    alike = _alike(r, rows.widened(r))
    for group, who, about in groups:
        evidence += _of_cells(rows, group, who, about)
        evidence += _of_group(group[who], r[who], np.asarray(rows.levels[who], dtype=float), about)
        if alike is not None:
            evidence.append(_of_alike(group[who], alike[who], about))
    return tuple(evidence)


def _of_cells(
    rows: ModelRows, group: NDArray[np.int64], who: NDArray[np.bool_], about: str
) -> Iterator[Evidence]:
    """How many share all levels of the model, or of those behind weights that a question makes, where no number hides these."""
    for cell in (rows.joint, rows.behind):
        if cell is not None:
            pair = (group * (int(cell.max(initial=0)) + 1) + cell)[who & (cell >= 0)]
            counts = np.unique(pair, return_counts=True)[1]
            yield Evidence("joint cell of levels", counts, f"patients {about} who share all levels")


def _alike(r: Array, widened: float) -> NDArray[np.int64] | None:
    """Whose relative risk is one of few that are told apart, as 0, 1 ...; -1 of those without any risk."""
    there = r > 0
    group = predictor_groups(np.log(r[there]) * widened)
    if group is None:
        return None
    found = np.full(len(r), -1)
    found[there] = group
    return found


def _of_alike(group: NDArray[np.int64], alike: NDArray[np.int64], about: str) -> Evidence:
    """How many of each cell share a relative risk: coefficients on a number alone tell its values apart in every cell."""
    pair = (group * (int(alike.max(initial=0)) + 1) + alike)[alike >= 0]
    return Evidence("patients of one predictor", np.bincount(pair), f"patients {about} who share a predictor")


def _of_group(group: NDArray[np.int64], r: Array, levels: Array, about: str) -> list[Evidence]:
    """Effective sizes of groups in their own measure, and their patients by level."""
    if not len(group):
        return []
    largest = np.full(int(group.max()) + 1, 1e-300)
    np.maximum.at(largest, group, r)
    own = r / largest[group]
    sizes = effective_size(*(np.bincount(group, own**k).astype(float) for k in (1, 2)))
    counts = levels_by_group(group, levels)
    return [
        Evidence("effective size of a level", sizes, f"patients {about}"),
        Evidence(
            "pair of levels", counts, f"patients {about}, with a level or two, with one of them or neither"
        ),
    ]
