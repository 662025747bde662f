"""Which columns of a table of counts are shown as one, so that no small cell can be worked out."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Chosen = NDArray[np.bool_]


def shown_together(counts: Counts, enough: Callable[[NDArray[np.float64]], Chosen]) -> Chosen:
    """Columns that are added up before the table is shown; none where every cell may be seen.

    Parameters
    ----------
    counts : (g, c) int    patients by group and level
    enough : callable      of counts, which of them may be seen: nobody, or enough

    Returns
    -------
    (c,) bool

    Notes
    -----
    Primary suppression: columns with a cell that may not be seen.  Secondary: further ones, the rarest of all first, until
    what is added up may be seen in every group.  A column goes with all its groups, so that the margins of the table leave at
    least two unknown cells in every row and column, and between bounds that lie as far apart as is enough.  Columns that are
    rare in the total have the same partners in every table, or else one would show alone what another adds up
    (Hundepool et al. 2012, chapter 4).
    """
    total = counts.sum(axis=0)
    nobody = np.zeros(counts.shape[1], dtype=bool)
    always = _closed(total[None], nobody, nobody, enough)
    return _closed(counts, always, enough(total.astype(float)) & ~always, enough)


def _closed(
    counts: Counts, always: Chosen, elsewhere: Chosen, enough: Callable[[NDArray[np.float64]], Chosen]
) -> Chosen:
    """``always`` are hidden in every table; totals of the columns ``elsewhere`` may be seen in another one."""
    total = counts.sum(axis=0)
    hidden = always | ~enough(counts.astype(float)).all(axis=0)
    if not hidden.any():
        return hidden
    others = [j for j in np.argsort(total, kind="stable") if total[j] > 0 and not hidden[j]]
    while others and not _is_safe(counts, hidden, elsewhere, enough):
        hidden[others.pop(0)] = True
    return hidden


def _is_safe(
    counts: Counts, hidden: Chosen, elsewhere: Chosen, enough: Callable[[NDArray[np.float64]], Chosen]
) -> bool:
    """Whether sums of the hidden may be seen, and beside each whose total is seen elsewhere stand enough others."""
    total = counts.sum(axis=0)
    beside = total[hidden].sum() - total
    return bool(
        enough(counts[:, hidden].sum(axis=1).astype(float)).all()
        and (beside[hidden & (total > 0)] > 0).all()
        and enough(beside[hidden & elsewhere].astype(float)).all()
    )
