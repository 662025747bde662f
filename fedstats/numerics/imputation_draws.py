"""Draws of multiple imputation: parameters from their posterior, missing values from what these say of them."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

Array = NDArray[np.float64]


def drawn_coefficients(beta: Array, information: Array, random: np.random.Generator) -> Array:
    """Coefficients (p,) from the normal law around their estimate, with the inverse information as covariance.

    Notes
    -----
    Of the Cholesky factor I = L L', L'^-1 z has the covariance I^-1.
    """
    z = random.standard_normal(len(beta))
    return np.asarray(beta + np.linalg.solve(np.linalg.cholesky(information).T, z))


def drawn_linear_model(
    beta: Array, information: Array, squares: float, df: float, random: np.random.Generator
) -> tuple[Array, float]:
    """Coefficients (p,) and residual standard deviation of a linear model from their posterior.

    Parameters
    ----------
    beta : (p,)             least-squares estimate
    information : (p, p)    X'X
    squares : float         residual sum of squares
    df : float              n - p

    Notes
    -----
    Rubin (1987), page 167: sigma^2 = squares / chi^2 on n - p degrees of freedom, then beta around its estimate
    with the covariance sigma^2 (X'X)^-1.
    """
    spread = float(np.sqrt(squares / random.chisquare(df)))
    return beta + spread * (drawn_coefficients(beta, information, random) - beta), spread


def drawn_numbers(means: Array, spread: float, uniform: Array) -> Array:
    """Values (n,) around their means, from uniform numbers between 0 and 1."""
    return means + spread * np.asarray(ndtri(uniform))


def drawn_levels(logits: Array, uniform: Array) -> NDArray[np.int64]:
    """Levels (n,), 0 ... k, of continuation-ratio logits (n, k): of each level, among those with it or a later one."""
    k = logits.shape[1]
    later = np.cumprod(1.0 - expit(logits), axis=1)  # the share with a later level than each
    return np.asarray((uniform[:, None] < later).sum(axis=1)) if k else np.zeros(len(uniform), dtype=np.int64)
