"""What follows from counts of patients by cells of their predicted risk: order, net benefit, and intervals of proportions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from fedstats.numerics.concordance_index import PairSums, pair_sums
from fedstats.numerics.concordant_pairs import influences

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def binned_pairs(time: Array, event: NDArray[np.bool_], cell: Array, counts: Array) -> PairSums:
    """Pairs of patients who are counted by time, event and cell of their score.

    Parameters
    ----------
    time : (k,), event : (k,) bool, cell : (k,)    kinds of patients
    counts : (k,)                                  how many there are of each

    Notes
    -----
    Pairs within one cell count as of equal scores.  If all of them were concordant, or all discordant, the index would be another by
    half their share: within that lies the index of all pairs.
    """
    kinds = np.flatnonzero(counts > 0)
    one = np.zeros(len(kinds), dtype=np.int64)
    parts = influences(one, None, time[kinds], event[kinds], cell[kinds], counts[kinds])
    columns = np.column_stack([parts.beyond, parts.comparable]) * np.sqrt(counts[kinds])[:, None]
    return pair_sums(parts.totals(counts[kinds]), columns)


class Proportion(NamedTuple):
    """A proportion with its standard error and an interval, each (k,)."""

    estimate: Array
    std_error: Array
    conf_low: Array
    conf_high: Array


def proportions(n: Array, events: Array, level: float) -> Proportion:
    """Of counts, (k,); of nobody, NaN.

    Notes
    -----
    The interval is Wilson's (1927): the proportions that a score test does not reject, as R's ``prop.test(correct=FALSE)``.
    """
    z2 = float(norm.ppf(0.5 + level / 2.0)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        p = events / n
        middle = (events + z2 / 2) / (n + z2)
        half = np.sqrt(z2) / (n + z2) * np.sqrt(p * (1 - p) * n + z2 / 4)
        return Proportion(
            p, np.sqrt(p * (1 - p) / n), np.maximum(middle - half, 0), np.minimum(middle + half, 1)
        )


def net_benefits(threshold: Array, share_above: Array, risk_above: Array) -> Array:
    """True positives less false ones, at the odds of the threshold, by all patients, (k,).

    Parameters
    ----------
    threshold : (k,)      of the predicted risk, between 0 and 1
    share_above : (k,)    of the patients, with a higher risk
    risk_above : (k,)     of the event among these; anything where there are none

    Notes
    -----
    Vickers & Elkin (2006), Medical Decision Making 26: 565-74; of a time to an event the risk is that of the Kaplan-Meier estimate
    (Vickers et al. 2008, BMC Medical Informatics and Decision Making 8: 53).
    """
    positive = np.where(share_above > 0, share_above * risk_above, 0.0)
    return np.asarray(positive - (share_above - positive) * threshold / (1.0 - threshold))
