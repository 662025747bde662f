"""Variance of a weighted estimate whose weights were estimated: stacked estimating equations.

The propensity's coefficients alpha solve sum psi_i(alpha) = 0, those of the outcome beta solve
sum u_i(beta, alpha) = 0, where alpha stands in the weights.  To first order (Stefanski & Boos 2002; Lunceford & Davidian 2004)

    alpha^ - alpha = A^-1 sum psi_i,                      A = - sum d psi_i / d alpha'
    beta^ - beta = B^-1 sum (u_i + C A^-1 psi_i),         B = - sum d u_i / d beta',   C = sum d u_i / d alpha'

so that the covariance is B^-1 M B^-1 with M = sum (u_i + G psi_i)(u_i + G psi_i)', G = C A^-1.

**The cross-derivative C is a sum over patients for every model here.**  Let U be the whole score.  Its derivative in one
patient's weight is u_i / w_i, with u_i the (weighted) score residual.  Of a generalised linear model that is plain: u_i = w_i x_i
(y_i - mu_i).  Of a Cox model weights stand in every risk set as well.  With S0, S1 the sums of r = w exp(eta) and r x at risk at a
time of d deaths, T0, T1 those of its deaths, W the deaths' weight, and phi_l = S0 - (l/d) T0, n_l = S1 - (l/d) T1 (l = 0 for
Breslow), U = sum_deaths w x - sum_times (W/d) sum_l n_l / phi_l, and

    d U / d w_i = dead_i (x_i - (1/d) sum_l n_l / phi_l)
                  - sum_times (W/d) sum_l exp(eta_i) (at risk_i - (l/d) dead_i) (x_i - n_l / phi_l) / phi_l,

which is u_i / w_i of :func:`fedstats.numerics.partial_likelihood.score_residuals`, Efron's ties included, for d counts deaths and
not weights.  With intercepts of groups that were profiled out the same holds of the profile score.  Hence

    C = sum_i u_i (d log w_i / d alpha)'.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def stacked_meat(
    meat: Array, slope: Array, cross: Array, nuisance_bread: Array, nuisance_meat: Array
) -> Array:
    """M (p, p) of the stacked equations, which stands in place of the meat of a sandwich.

    Parameters
    ----------
    meat : (p, p)               sum u u', by patient or cluster
    slope : (p, q)              C
    cross : (p, q)              sum u psi', by patient or cluster
    nuisance_bread : (q, q)     A^-1
    nuisance_meat : (q, q)      sum psi psi', by patient or cluster
    """
    g = slope @ nuisance_bread
    mixed = g @ cross.T
    return np.asarray(meat + mixed + mixed.T + g @ nuisance_meat @ g.T)
