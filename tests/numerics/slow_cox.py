"""Cox's partial likelihood by plain loops over event times and tied deaths, as the textbooks print it.

No cumulative sum, no shift, no centring: O(n^2 p^2), and every term stands where its formula has it.
"""

from typing import NamedTuple

import numpy as np


class SlowCox(NamedTuple):
    """Log-likelihood, score (p,), information (p, p) and weighted score residuals (n, p)."""

    loglik: float
    score: np.ndarray
    information: np.ndarray
    residuals: np.ndarray


def slow_cox(stratum, entry, time, event, weights, eta, x, ties) -> SlowCox:
    """Sum over strata s, event times tau and l = 0 ... d - 1.

    A patient is at risk over (entry, time]; Efron's l-th denominator leaves out the share l / d of
    every tied death, Breslow's none; each of the d terms has the mean weight W / d of the deaths.
    """
    n, p = x.shape
    loglik, score, information, residuals = 0.0, np.zeros(p), np.zeros((p, p)), np.zeros((n, p))
    for s in sorted(set(stratum.tolist())):
        died = (stratum == s) & event & (weights > 0)
        for tau in sorted(set(time[died].tolist())):
            risk = np.flatnonzero((stratum == s) & (entry < tau) & (tau <= time))
            deaths = np.flatnonzero(died & (time == tau))
            d, share = len(deaths), weights[deaths].sum() / len(deaths)
            for i in deaths:
                loglik += weights[i] * eta[i]
                score += weights[i] * x[i]
                residuals[i] += weights[i] * x[i]
            for rank in range(d):
                fraction = rank / d if ties == "efron" else 0.0
                kept = np.where(np.isin(risk, deaths), 1.0 - fraction, 1.0)
                r = kept * weights[risk] * np.exp(eta[risk])
                phi = r.sum()
                mean = r @ x[risk] / phi
                loglik -= share * np.log(phi)
                score -= share * mean
                centred = x[risk] - mean
                information += share * (centred.T * (r / phi)) @ centred
                residuals[deaths] -= weights[deaths, None] / d * mean
                residuals[risk] -= share * (r / phi)[:, None] * centred
    return SlowCox(loglik, score, information, residuals)
