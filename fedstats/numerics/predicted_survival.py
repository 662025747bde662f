"""Survival that a Cox model predicts, from risk-set sums at its coefficients."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.partial_likelihood import CellMeans, CellTerms

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class PredictedHazard(NamedTuple):
    """Cumulative hazard after each event cell, and its standard error, each (k, D) for k sets of covariates."""

    hazard: Array
    std_error: Array


def predicted_hazard(
    terms: CellTerms, means: CellMeans, bounds: Index, x: Array, eta: Array, covariance: Array
) -> PredictedHazard:
    """The cumulative hazard of a Cox model for given covariates.

    Parameters
    ----------
    terms, means : of the cells of one or several strata, as at the fit's coefficients
    bounds : (S + 1,) int     the cells of stratum s are ``bounds[s]:bounds[s + 1]``
    x : (k, p)                covariates, in the columns of the sums
    eta : (k,)                their linear predictors, on the scale of the sums' relative risks
    covariance : (p, p)       of the coefficients

    Notes
    -----
    Increments are A_j exp(eta), which is W_j / S0_j with Breslow's ties and their mean over the tied deaths with Efron's.
    The variance adds that of the increments, Tsiatis (1981), to that of the coefficients through
    dA_j / dbeta = -c_j: exp(2 eta) (sum P_j + q' V q) with q = sum (A_j x - c_j).  Therneau & Grambsch (2000), section 10.2.
    """
    hazard = np.empty((len(x), len(terms.a)))
    std_error = np.empty_like(hazard)
    for a, b in pairwise(bounds.tolist()):
        cumulative, variance = np.cumsum(terms.a[a:b]), np.cumsum(terms.p[a:b])
        q = cumulative[None, :, None] * x[:, None, :] - np.cumsum(means.c[a:b], axis=0)
        of_beta = np.einsum("kdp,pq,kdq->kd", q, covariance, q, optimize=True)
        risk = np.exp(eta)[:, None]
        hazard[:, a:b] = risk * cumulative
        std_error[:, a:b] = risk * np.sqrt(variance + np.maximum(of_beta, 0.0))
    return PredictedHazard(hazard, std_error)
