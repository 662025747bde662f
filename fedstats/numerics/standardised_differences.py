"""Standardised mean differences of two groups."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def number_difference(a: tuple[float, float], b: tuple[float, float]) -> float:
    spread = np.sqrt((a[1] ** 2 + b[1] ** 2) / 2)
    return float(abs(a[0] - b[0]) / spread) if spread > 0 else float("nan")


def factor_difference(a: Array, b: Array) -> float:
    """Mahalanobis distance of the level shares, one of the levels at hand left out (Yang & Dalton 2012)."""
    if a.sum() == 0 or b.sum() == 0:
        return float("nan")
    held = np.flatnonzero(a + b)[1:]
    p, q = a[held] / a.sum(), b[held] / b.sum()
    covariance = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    try:
        return float(np.sqrt((p - q) @ np.linalg.solve(covariance, p - q)))
    except np.linalg.LinAlgError:
        return float("nan")
