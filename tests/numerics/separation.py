"""Is there a finite maximum?  Decided by linear programming, without iterating towards infinity.

Konis (2007) for logistic regression; for Cox's model each death must reach the largest linear
predictor of its risk set along a direction in which the likelihood never falls.
"""

import numpy as np
from scipy.optimize import linprog


def _directions(rows: np.ndarray, objective: np.ndarray) -> float:
    """The largest objective over directions d in the unit box with rows d >= 0."""
    found = linprog(-objective, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1), method="highs")
    assert found.status == 0
    return float(-found.fun)


def infinite_terms(rows: np.ndarray) -> dict[int, set[int]]:
    """Columns that can run away, with the signs they can take; none: the maximum is finite.

    ``rows`` are vectors a such that along d the log-likelihood never falls exactly when all a d >= 0
    (the columns are of full rank).
    """
    unit = np.eye(rows.shape[1])
    signs = {j: {s for s in (1, -1) if _directions(rows, s * unit[j]) > 1e-6} for j in range(rows.shape[1])}
    return {j: s for j, s in signs.items() if s}


def logistic_rows(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(2 y - 1) x``: along a direction of recession no patient's likelihood falls."""
    return (2 * y - 1)[:, None] * x


def cox_rows(time: np.ndarray, event: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Each death minus everyone in its risk set (one stratum, no entry); zero differences left out."""
    rows = [x[i] - x[k] for i in np.flatnonzero(event) for k in np.flatnonzero(time >= time[i])]
    rows = np.array(rows).reshape(-1, x.shape[1])
    return rows[np.any(rows != 0, axis=1)]
