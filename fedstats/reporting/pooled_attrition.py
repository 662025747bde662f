"""Who left at which step of eligibility, federated against a count of everybody screened at all sites."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.attrition import ELIGIBLE, Attrition

#: Where pooled rows keep how many of everybody screened left at each step, and how many stayed.
SCREENED = "screened"


def attrition_rows(results: Mapping[str, Any], pooled: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each count of leavers: those of a step, those of hidden steps together, and those who stay after each.

    Parameters
    ----------
    pooled : DataFrame      of :func:`fedstats.reporting.pooled_fits.pooled_rows`, whose sites have screened patients
    """
    steps = pooled.attrs.get(SCREENED)
    found = {name: result for name, result in results.items() if isinstance(result, Attrition)}
    return [{"analysis": name} | _difference(one, steps) for name, one in found.items() if steps is not None]


def _difference(found: Attrition, steps: Mapping[str, int]) -> dict[str, Any]:
    """The largest difference of a count that is shown; counts are whole, so none is let pass."""
    everybody = sum(steps.values())
    names = found.frame["step"].iloc[1:]
    left = np.array([steps.get(name, 0) for name in names], dtype=float)
    hidden = found.frame["left"].iloc[1:].isna().to_numpy()
    stay = everybody - np.concatenate([[0.0], np.cumsum(left)])
    pairs = np.array(
        [
            *zip(found.frame["left"].iloc[1:], left, strict=True),
            *zip(found.frame["stay"], stay, strict=True),
            (found.together, left[hidden].sum()),
            (found.frame["stay"].iloc[-1], steps.get(ELIGIBLE, 0)),
        ],
        dtype=float,
    )
    gap = float(np.nanmax(np.abs(pairs[:, 0] - pairs[:, 1])))
    return {
        "compared": "patients who leave at each step, and who stay",
        "software": f"pandas {pd.__version__}",
        "patients": everybody,
        "largest difference": gap,
        "in standard errors": np.nan,
        "kept": gap == 0,
    }
