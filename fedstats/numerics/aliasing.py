"""Which coefficients of a model rows cannot tell, and which of the others have no value of their own without them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.newton import CONSTANT, PIVOT

Array = NDArray[np.float64]

#: A part in a linear combination, of columns scaled to unit information, below which a column has none.
_NO_PART = 1e-6


class Aliasing(NamedTuple):
    """What an information matrix says of its columns.

    Attributes
    ----------
    kept : (p,) bool         a largest set of columns that are no combinations of each other, the first ones first
    estimable : (p,) bool    those of them whose coefficient does not depend on which others were kept
    """

    kept: NDArray[np.bool_]
    estimable: NDArray[np.bool_]


def aliasing(information: Array) -> Aliasing:
    """Columns to fit where some are constant or combinations of others.

    Parameters
    ----------
    information : (p, p)    around baseline hazards or intercepts, so that a constant column has none

    Notes
    -----
    The columns that are left out are those that R's ``coxph`` and ``glm`` give NA: each that is constant, or a linear combination of
    earlier ones.  A coefficient is estimable if no such combination has a part of its column (Searle 1971): with others left out
    it would be the same.  Thresholds are those of the fit of all rows.
    """
    diagonal = np.diag(information)
    varies = diagonal > CONSTANT * max(1.0, float(diagonal.max(initial=0.0)))
    scale = np.sqrt(np.where(varies, diagonal, 1.0))
    scaled = information / np.outer(scale, scale)
    kept, estimable = np.zeros(len(diagonal), dtype=bool), varies.copy()
    for j in np.flatnonzero(varies):
        of = np.flatnonzero(kept)
        parts = np.linalg.solve(scaled[np.ix_(of, of)], scaled[of, j])
        if scaled[j, j] - scaled[of, j] @ parts < PIVOT:
            estimable[j] = False
            estimable[of[np.abs(parts) > _NO_PART]] = False
        else:
            kept[j] = True
    return Aliasing(kept, kept & estimable)
