"""What the gate judges of sums over risk sets of agreed time cells, of which any two may be subtracted.

Neighbouring risk sets differ by those who leave in a cell and those who enter in the next; where the events of a
cell leave as well, as with Efron's ties, by those censored.  Hazards that a question names tell cells apart too.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.model_evidence import effective_size
from fedstats.numerics import risk_sets as rs

Array = NDArray[np.float64]


def of_neighbours(sets: rs.RiskSets, r: Array, levels: Array, *, tied: bool) -> tuple[Evidence, ...]:
    """Of every risk set, and of those by whom two differ, the effective size; of the latter, who has a level and who not.

    Parameters
    ----------
    r : (n,)         relative risks
    levels : (n, c)  0/1
    tied : bool      whether sums over the events of a cell can be told apart
    """
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
    for group, who, about in groups:
        evidence += _of_group(group[who], r[who], np.asarray(levels[who], dtype=float), about)
    return tuple(evidence)


def _of_group(group: NDArray[np.int64], r: Array, levels: Array, about: str) -> list[Evidence]:
    """Effective sizes of groups in their own measure, and their patients by level."""
    if not len(group):
        return []
    largest = np.full(int(group.max()) + 1, 1e-300)
    np.maximum.at(largest, group, r)
    own = r / largest[group]
    sizes = effective_size(*(np.bincount(group, own**k).astype(float) for k in (1, 2)))
    counts = _together(group, np.column_stack([np.ones(len(group)), levels]), len(largest))
    return [
        Evidence("effective size of a level", sizes, f"patients {about}"),
        Evidence(
            "pair of levels", counts, f"patients {about}, with a level or two, with one of them or neither"
        ),
    ]


def _together(group: NDArray[np.int64], levels: Array, groups: int) -> Array:
    """Of each group how many have two levels, the one, the other, and neither; the first level is everybody's."""
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(groups + 1))
    lower = np.tril_indices(levels.shape[1], -1)
    counts = []
    for begin, end in pairwise(ends):
        here = levels[order[begin:end]]
        both = here.T @ here
        one = np.diag(both)
        counts += [
            both[lower],
            (one[:, None] - both)[lower],
            (one[None, :] - both)[lower],
            (len(here) - one[:, None] - one[None, :] + both)[lower],
        ]
    return np.rint(np.concatenate(counts)) if counts else np.zeros(0)
