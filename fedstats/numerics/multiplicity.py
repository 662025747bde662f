"""P-values adjusted for how many tests there are."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Adjustment = Literal["holm", "hochberg", "bonferroni", "BH", "BY"]
ADJUSTMENTS: tuple[str, ...] = get_args(Adjustment)


def adjusted(p: Array, method: str = "holm") -> Array:
    """P-values of one family of tests, (n,), adjusted as by R's ``p.adjust``; NaN is no test.

    Parameters
    ----------
    p : (n,)
    method : {"holm", "hochberg", "bonferroni", "BH", "BY"}
        The first three keep the chance of any false finding, whatever is true (Holm 1979; Hochberg 1988 where tests are independent
        or positively dependent); BH and BY the expected share of false ones among the findings (Benjamini & Hochberg 1995,
        Benjamini & Yekutieli 2001).
    """
    out = np.full(len(p), np.nan)
    there = np.flatnonzero(~np.isnan(p))
    n = len(there)
    order = there[np.argsort(p[there], kind="stable")]
    rank, ordered = np.arange(1, n + 1), p[order]
    if method == "bonferroni":
        out[order] = n * ordered
    elif method == "holm":
        out[order] = np.maximum.accumulate((n - rank + 1) * ordered)
    else:
        more = (1.0 / rank).sum() if method == "BY" else 1.0
        factor = n - rank + 1 if method == "hochberg" else more * n / rank
        out[order] = np.minimum.accumulate((factor * ordered)[::-1])[::-1]
    return np.asarray(np.minimum(out, 1.0))
