"""Pairs of patients that a score orders as their outcomes are, or the other way round, with what each patient adds to them.

A pair is comparable where it is known whose event came first: one dies while the other is at risk and does not die at
the same time.  Counting all pairs one by one is quadratic; here those of every patient are counted together, level by level of
a wavelet matrix (Claude, Navarro & Ordonez 2015, Information Systems 47: 15-32), in O(n log n).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]
TimeWeights = Literal["n", "n/G2"]

#: Scores closer than this, relative to the largest, are equal: sums of the same numbers may differ by rounding.
SCORE_TOLERANCE = 1e-12


class Pairs(NamedTuple):
    """Weighted pairs, or each patient's part in them, (n,): how they change with his weight.

    A higher score stands for an earlier event.  ``tied_score`` are comparable pairs of equal scores; ``tied_time``
    events at one time, and ``tied_both`` those of equal scores.
    """

    concordant: Array
    discordant: Array
    tied_score: Array
    tied_time: Array
    tied_both: Array

    @property
    def beyond(self) -> Array:
        """Concordant less discordant pairs."""
        return self.concordant - self.discordant

    @property
    def comparable(self) -> Array:
        """Pairs of which one event came first."""
        return self.concordant + self.discordant + self.tied_score

    def totals(self, weights: Array) -> "Pairs":
        """The pairs of all patients from the part of each: a pair is in two parts."""
        return Pairs(*(np.asarray(weights @ part / 2.0) for part in self))


def influences(
    stratum: Index,
    entry: Array | None,
    time: Array,
    event: NDArray[np.bool_],
    score: Array,
    weights: Array,
    timewt: TimeWeights = "n",
    ymax: float | None = None,
) -> Pairs:
    """What each patient adds to the pairs of his stratum.

    Parameters
    ----------
    stratum : (n,) int
    entry, time : (n,)    at risk over ``(entry, time]``; None: from the beginning
    event : (n,) bool
    score : (n,)
    weights : (n,)
    timewt : {"n", "n/G2"}
        Every event counts the same (Harrell), or by the inverse square of the chance of not having been censored before it
        (Uno et al. 2011, Statistics in Medicine 30: 1105-17).
    ymax : float, optional
        Events after it are not counted.

    Returns
    -------
    Pairs
        (n,) each.  The time weights are taken as given, as in the infinitesimal jackknife of R's ``concordance``.
    """
    of_events = time_weights(stratum, time, event, weights, timewt)
    if ymax is not None:
        of_events = np.where(time > ymax, 0.0, of_events)
    rank = ranks(score)
    order = np.lexsort((~event, time, stratum))  # at one time events come first: they precede who is censored
    place = _places(stratum[order], time[order], event[order])
    earlier = order[event[order]]  # the events, in order
    as_event = np.zeros((5, len(time)))
    as_event[:, earlier] = _as_event(order, place, rank, weights, event)
    if entry is not None:
        as_event[:3, earlier] -= _not_yet_entered(stratum, entry, time, rank, weights, earlier)
    parts = as_event * of_events
    parts[:3] += _as_partner(stratum, entry, time, event, rank, weights * of_events, earlier)
    lower, higher, equal, same_time, both = parts
    return Pairs(lower, higher, equal, same_time - both, both)


def ranks(score: Array) -> Index:
    """The rank of each score among the distinct ones, 0 and up; scores that differ by rounding alone have one."""
    values, inverse = np.unique(score, return_inverse=True)
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    apart = np.diff(values) > SCORE_TOLERANCE * np.abs(values[[0, -1]]).max()
    return np.asarray(np.concatenate([[0], np.cumsum(apart)])[inverse], dtype=np.int64)


def time_weights(
    stratum: Index, time: Array, event: NDArray[np.bool_], weights: Array, timewt: TimeWeights
) -> Array:
    """The weight of each patient's event, (n,).

    The chance of not having been censored is the Kaplan-Meier estimate within the stratum just before the event; who dies is
    no longer at risk of being censored then.  A stratum with a single event has a weight of one, as in R.
    """
    if timewt == "n":
        return np.ones(len(time))
    order = np.lexsort((time, stratum))
    new = np.ones(len(time), dtype=bool)
    new[1:] = (np.diff(stratum[order]) != 0) | (np.diff(time[order]) != 0)
    cell = np.cumsum(new) - 1
    censored = np.bincount(cell, weights[order] * ~event[order])
    died = np.bincount(cell, weights[order] * event[order])
    first = np.flatnonzero(new)
    of_cell = stratum[order][first]
    left = _after(np.asarray(censored + died, dtype=float), of_cell) - died
    uncensored = 1.0 - np.divide(censored, left, out=np.zeros_like(left), where=left > 0)
    chance = np.ones(len(first))
    starts = np.flatnonzero(np.diff(of_cell, prepend=-1))
    for a, b in zip(starts, [*starts[1:], len(first)], strict=True):
        chance[a + 1 : b] = np.cumprod(uncensored[a : b - 1])
    found = np.empty(len(time))
    found[order] = (1.0 / np.where(chance > 0, chance, 1.0) ** 2)[cell]
    alone = np.bincount(stratum, event)[stratum] < 2
    return np.where(alone, 1.0, found)


def _after(values: Array, group: Index) -> Array:
    """Of cells in order, sums of their own and all later values of the same group."""
    total = np.bincount(group, values)
    before = np.concatenate([[0.0], np.cumsum(total)])[group]
    return np.asarray(total[group] + before - np.concatenate([[0.0], np.cumsum(values)])[:-1])


class _Places(NamedTuple):
    """Of patients in order of stratum and time: where those who leave with them, after them and with their stratum begin or end."""

    time_starts: Index
    after_events: Index
    stratum_ends: Index


def _places(stratum: Array | Index, time: Array, event: NDArray[np.bool_]) -> _Places:
    n = len(time)
    new_stratum = np.ones(n, dtype=bool)
    new_stratum[1:] = np.diff(stratum) != 0
    new_time = new_stratum.copy()
    new_time[1:] |= np.diff(time) != 0
    starts, groups = np.flatnonzero(new_time), np.cumsum(new_time) - 1
    events = np.bincount(groups, event, minlength=len(starts)).astype(np.int64)
    ends = np.append(np.flatnonzero(new_stratum)[1:], n) if n else np.zeros(0, dtype=np.int64)
    return _Places(starts[groups], (starts + events)[groups], ends[np.cumsum(new_stratum) - 1])


def _as_event(order: Index, place: _Places, rank: Index, weights: Array, event: NDArray[np.bool_]) -> Array:
    """Of each event, in order, the weights of who is at risk after it with a lower, higher and equal score; then of other events there."""
    dies = event[order]
    column, w = rank[order], weights[order]
    after, ends = place.after_events[dies], place.stratum_ends[dies]
    at_risk = sums_by_rank(column, w, after, ends, column[dies])
    together = sums_by_rank(column, w, place.time_starts[dies], after, column[dies])
    own = w[dies]
    return np.array([*at_risk, sum(together) - own, together[2] - own])


def _not_yet_entered(
    stratum: Index, entry: Array, time: Array, rank: Index, weights: Array, earlier: Index
) -> Array:
    """Of each event, in order, the weights of who enters at its time or later, by score."""
    order = np.lexsort((entry, stratum))
    begin = _positions(stratum[order], entry[order], stratum[earlier], time[earlier], after=False)
    ends = np.searchsorted(stratum[order], stratum[earlier], side="right")
    return np.array(sums_by_rank(rank[order], weights[order], begin, ends, rank[earlier]))


def _as_partner(
    stratum: Index,
    entry: Array | None,
    time: Array,
    event: NDArray[np.bool_],
    rank: Index,
    heft: Array,
    earlier: Index,
) -> Array:
    """Of each patient the weights of the events of others that he outlived, by score: with a higher one a pair is concordant."""
    groups, times = stratum[earlier], time[earlier]
    begin = (
        np.searchsorted(groups, stratum, side="left")
        if entry is None
        else _positions(groups, times, stratum, entry, after=True)
    )
    before, until = (_positions(groups, times, stratum, time, after=after) for after in (False, True))
    end = np.maximum(begin, np.where(event, before, until))
    lower, higher, equal = sums_by_rank(rank[earlier], heft[earlier], begin, end, rank)
    return np.array([higher, lower, equal])


def _positions(groups: Index, times: Array, group: Index, time: Array, *, after: bool) -> Index:
    """Where (group, time) would stand among pairs that are in order; behind those equal to it, or before them."""
    moments = np.unique(np.concatenate([times, time]))
    width = len(moments) + 1
    known = groups * width + np.searchsorted(moments, times)
    wanted = group * width + np.searchsorted(moments, time)
    return np.asarray(np.searchsorted(known, wanted, side="right" if after else "left"), dtype=np.int64)


def sums_by_rank(
    column: Index, weights: Array, begin: Index, end: Index, rank: Index
) -> tuple[Array, Array, Array]:
    """Of stretches of a column, the weights of the places whose rank is lower than, higher than and equal to a given one.

    Parameters
    ----------
    column : (m,) int           ranks, 0 and up
    weights : (m,)
    begin, end : (q,) int       stretches ``column[begin:end]``
    rank : (q,) int             of each stretch

    Returns
    -------
    lower, higher, equal : (q,)

    Notes
    -----
    Bit by bit from the highest, places are parted by that bit of their rank, zeros first and otherwise in the order they had; a
    stretch stays one, and where a rank has a one, the zeros of its stretch are lower.
    """
    if not len(rank):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    within = _cumulated(weights)
    total, lower = within[end] - within[begin], np.zeros(len(rank))
    bits = max(int(column.max(initial=0)), int(rank.max())).bit_length()
    for level in range(bits - 1, -1, -1):
        one = (column >> level & 1).astype(bool)
        zeros = np.concatenate([[0], np.cumsum(~one)])
        weighing = _cumulated(np.where(one, 0.0, weights))
        has_one = (rank >> level & 1).astype(bool)
        lower += np.where(has_one, weighing[end] - weighing[begin], 0.0)
        begin, end = (
            np.where(has_one, zeros[-1] + place - zeros[place], zeros[place]) for place in (begin, end)
        )
        parted = np.concatenate([np.flatnonzero(~one), np.flatnonzero(one)])
        column, weights = column[parted], weights[parted]
    within = _cumulated(weights)
    equal = within[end] - within[begin]
    return lower, total - lower - equal, equal


def _cumulated(weights: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(weights)])
