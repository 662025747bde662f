"""Cumulative incidence of competing causes (Aalen & Johansen 1978), from counts at risk and of events by cause."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def aalen_johansen(n_risk: Array, n_event: Array) -> tuple[Array, Array, Array]:
    """Probability of having had an event of each cause by each time.

    Parameters
    ----------
    n_risk : (T,)        at risk just before each time, in time order
    n_event : (K, T)     events of each cause

    Returns
    -------
    incidence, std_error : (K, T)
    survival : (T,)      no event of any cause: one minus the sum of the incidences

    Notes
    -----
    The variance is the Greenwood-type one of Andersen, Borgan, Gill & Keiding (1993), (4.4.20), with multinomial increments:
    ties are allowed.  Where everybody is there from the start it equals the infinitesimal jackknife that R's
    ``survfit`` gives for several states; with late entries it is ``etm``'s.
    """
    n = np.where(n_risk > 0, n_risk, 1.0)
    hazards = n_event / n
    survival = np.cumprod(1.0 - hazards.sum(axis=0))
    before = np.append(1.0, survival[:-1])[: len(n)]
    incidence = np.cumsum(before * hazards, axis=1)
    variance = np.array([_variance(n, n_event, k, before, survival, f) for k, f in enumerate(incidence)])
    return incidence, np.sqrt(variance), survival


def _variance(
    n: Array, n_event: Array, cause: int, before: Array, survival: Array, incidence: Array
) -> Array:
    own, others = n_event[cause], n_event.sum(axis=0) - n_event[cause]
    happened = np.flatnonzero(own + others > 0)
    n, own, others = n[happened], own[happened], others[happened]
    scale = before[happened] ** 2 / n**3
    left, by_then = survival[happened], incidence[happened]
    alive = left > 1e-12
    variance = np.zeros(len(incidence))
    for t, reached in enumerate(incidence):
        k = int(np.searchsorted(happened, t, side="right"))
        # of those who have no event now, the part that has one of this cause later
        later = np.divide(reached - by_then[:k], left[:k], out=np.zeros(k), where=alive[:k])
        mean = own[:k] * (1.0 - later) - others[:k] * later
        square = own[:k] * (1.0 - later) ** 2 + others[:k] * later**2
        variance[t] = scale[:k] @ (n[:k] * square - mean**2)
    return np.asarray(np.maximum(variance, 0.0))


def incidence_bounds(n_risk: Array, n_event: Array, lowest: Array, *, late: bool) -> tuple[Array, Array]:
    """Between which values the incidences on exact times lie after each cell of a grid, (K, T) each.

    Parameters
    ----------
    n_risk, n_event : as of :func:`aalen_johansen`, by cell
    lowest : (T,)        the lowest curve of no event at all; NaN where it is not known
    late : bool          whether patients may enter within a cell

    Notes
    -----
    Every event takes S(t-) / n(t), which events do not change and losses raise: at least the lowest curve where its cell
    begins (where patients enter, where it ends) over all at risk.  What one cause has at most is what is left of the
    events of all, if the others have their least.
    """
    least_left = np.nan_to_num(lowest)
    if not late:
        least_left = np.append(1.0, least_left[:-1])[: len(lowest)]
    low = np.cumsum(
        n_event * np.divide(least_left, n_risk, out=np.zeros_like(n_risk), where=n_risk > 0), axis=1
    )
    of_others = low.sum(axis=0) - low
    return low, np.asarray(1.0 - np.nan_to_num(lowest) - of_others)
