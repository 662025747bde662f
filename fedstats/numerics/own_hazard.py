"""The cumulative hazard of a site's own rows, at each row's own time."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def own_cumulative_hazard(time: Array, event: Array, entry: Array | None = None) -> Array:
    """Nelson-Aalen estimate at the time of each row, (n,).

    Parameters
    ----------
    time, event : (n,)      follow-up, and 0/1
    entry : (n,), optional  from when a row is at risk (not with it)

    Notes
    -----
    White & Royston (2009): beside the event itself, what an imputation model of a covariate needs of survival.
    """
    times, place = np.unique(time, return_inverse=True)
    events = np.bincount(place, event, len(times))
    at_risk = len(time) - np.searchsorted(np.sort(time), times, side="left")
    if entry is not None:
        at_risk = at_risk - (len(entry) - np.searchsorted(np.sort(entry), times, side="left"))
    steps = np.divide(events, at_risk, out=np.zeros(len(times)), where=events > 0)
    return np.asarray(np.cumsum(steps)[place])
