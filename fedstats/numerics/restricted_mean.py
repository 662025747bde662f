"""Restricted mean survival time: the area under a curve up to a horizon, exact or between the edges of a grid."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Area(NamedTuple):
    """The area under a survival curve up to ``tau``.

    Attributes
    ----------
    estimate : float
    after : (T,)          what of it lies after each time: minus its slope in the hazard there, times 1 - hazard
    low, high : float     between them lies the area under the curve on exact times
    """

    estimate: float
    after: Array
    low: float
    high: float


def area_of_steps(time: Array, survival: Array, tau: float) -> Area:
    """Of a curve that is known at all its steps.

    Parameters
    ----------
    time, survival : (T,)     the curve after each time, in time order
    tau : float
    """
    ends = np.minimum(np.append(time, np.inf), tau)
    pieces = np.append(1.0, survival) * np.diff(ends, prepend=0.0)
    total = float(pieces.sum())
    after = np.cumsum(pieces[:0:-1])[::-1]
    return Area(total, np.asarray(after), total, total)


def area_between_edges(time: Array, survival: Array, lowest: Array, tau: float) -> Area:
    """Of a curve that is known at the edges of a grid alone, drawn straight between them.

    Parameters
    ----------
    time, survival : (T,)     right edges, and the curve there
    lowest : (T,)             the lowest curve on exact times that the counts allow; NaN where it is not known
    tau : float               at most the last edge

    Notes
    -----
    Within a cell the curve on exact times is nowhere above its left end nor below the lowest curve's right end: the
    bounds are the areas of these two step curves.
    """
    edges = np.append(0.0, time)
    here = np.clip((tau - edges[:-1]) / np.diff(edges), 0.0, 1.0)  # part of each cell that counts
    left, right = np.append(1.0, survival[:-1]), survival
    width = here * np.diff(edges)
    # of a straight line from left to right over the first part of its cell
    of_left, of_right = width * (1.0 - here / 2), width * here / 2
    low = np.where(here > 0, width * np.nan_to_num(lowest), 0.0)
    later = np.append(np.cumsum((of_left * left + of_right * right)[:0:-1])[::-1], 0.0)
    return Area(
        float((of_left * left + of_right * right).sum()),
        np.asarray(of_right * right + later),
        float(low.sum()),
        float((width * left).sum()),
    )


def area_variance(area: Area, n_risk: Array, n_event: Array) -> float:
    """Greenwood's: sum of (area after each time)^2 d / (n (n - d)); as R's ``print(survfit, rmean = )``."""
    left = n_risk - n_event
    terms = np.divide(n_event, n_risk * left, out=np.zeros_like(n_risk), where=(n_event > 0) & (left > 0))
    return float((area.after**2 * terms).sum())
