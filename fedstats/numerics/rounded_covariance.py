"""Covariance matrices with the digits that tests and contrasts need."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Decimals of a correlation: at least, and at most however near to singular the matrix is.
DECIMALS = (4, 9)
#: A correlation of so many decimals comes back from its covariance with errors of this size at most.
_LAST_DIGITS = 1e-13


def rounded_covariance(covariance: Array) -> Array:
    """The same standard errors, and correlations rounded to decimals.

    Parameters
    ----------
    covariance : (p, p)

    Returns
    -------
    (p, p)
        A variance of a contrast differs by at most p / 2 thousandths of itself: a unit of the last decimal is at most a thousandth of the
        smallest eigenvalue of the correlations.  A matrix that is rounded already comes back as it is, to the bit.
    """
    std_error = np.sqrt(np.diag(covariance))
    if not (np.isfinite(covariance).all() and (std_error > 0).all()):
        return covariance
    scale = np.outer(std_error, std_error)
    correlation = covariance / scale
    decimals = _decimals(correlation)
    found = np.round(correlation, decimals) * scale
    found[np.diag_indices_from(found)] = np.diag(covariance)
    return np.asarray(found)


def rounding(p: int, condition: float) -> float:
    """By what share of itself the variance of a contrast of p coefficients differs at most, of correlations of that condition."""
    return p / 2 * max(1e-3, 10.0 ** -DECIMALS[1] * condition)


def _decimals(correlation: Array) -> int:
    for decimals in range(DECIMALS[0], DECIMALS[1] + 1):
        if (np.abs(correlation - np.round(correlation, decimals)) < _LAST_DIGITS).all():
            return decimals
    least = float(np.linalg.eigvalsh(correlation)[0])
    return int(np.clip(np.ceil(3 - np.log10(max(least, 1e-15))), *DECIMALS))
