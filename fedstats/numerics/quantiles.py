"""Quantiles of counted values, and of counts between agreed edges."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def quantile(values: Array, counts: Array, probability: float) -> float:
    """Quantile of counted values in order, type 7 of Hyndman & Fan (1996), R's default."""
    cumulative = np.cumsum(counts)
    if not len(counts) or cumulative[-1] == 0:
        return float("nan")
    position = (cumulative[-1] - 1) * probability
    low, high = (
        float(values[np.searchsorted(cumulative, k, side="right")])
        for k in (np.floor(position), np.ceil(position))
    )
    return float(low + (position - np.floor(position)) * (high - low))


def interpolated(edges: Array, counts: Array, probability: float) -> float:
    """Quantile by linear interpolation within the cell that holds it; NaN in an open outer cell."""
    cumulative = np.cumsum(counts)
    if cumulative[-1] == 0:
        return float("nan")
    target = probability * cumulative[-1]
    cell = int(np.searchsorted(cumulative, target, side="left"))
    if cell in (0, len(edges)):
        return float(edges[0]) if cell == 0 and counts[0] == target else float("nan")
    before = cumulative[cell - 1]
    return float(edges[cell - 1] + (target - before) / counts[cell] * (edges[cell] - edges[cell - 1]))


def between(edges: Array, counts: Array, probability: float) -> tuple[float, float]:
    """Edges between which the quantile of the values themselves lies; infinite in an open outer cell.

    It is a mean of two neighbours in order (type 7), which may lie in different cells.
    """
    cumulative = np.cumsum(counts)
    if cumulative[-1] == 0:
        return float("nan"), float("nan")
    position = (cumulative[-1] - 1) * probability
    left, right = (
        int(np.searchsorted(cumulative, k, side="right")) for k in (np.floor(position), np.ceil(position))
    )
    open_edges = np.concatenate([[-np.inf], edges, [np.inf]])
    return float(open_edges[left]), float(open_edges[right + 1])
