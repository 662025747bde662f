"""Where the profile likelihood of one coefficient has fallen by a given amount: the ends of its interval."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.newton import Derivatives, NotConverged

Array = NDArray[np.float64]

#: A step of the coefficient, in standard errors, below which the next would be its square.
CLOSE = 1e-6
#: What is left of the information about a coefficient where its profile has become flat.
FLAT = 1e-6
MAX_STEPS = 40


def profile_limit(
    derivatives: Callable[[Array], Derivatives],
    maximum: Derivatives,
    j: int,
    drop: float,
    side: Literal[-1, 1],
    *,
    close: float = CLOSE,
    may_be_flat: bool = True,
) -> float:
    """One end of the interval of a coefficient.

    Parameters
    ----------
    derivatives : callable     ``(p,) -> Derivatives``; each call is one round of the federation
    maximum : Derivatives      at the fit
    j : int                    which coefficient
    drop : float               by how much the profile log-likelihood falls: half a quantile of chi-squared, 1 df
    side : {-1, 1}             the lower or the upper end
    close : float              a step, in standard errors, after which nothing is asked any more
    may_be_flat : bool         whether the profile may stay above the level; with Firth's penalty it falls without end

    Returns
    -------
    float
        Infinite where the profile stays above the level: the data do not exclude any larger value.

    Raises
    ------
    NotConverged

    Notes
    -----
    Venzon & Moolgavkar (1988): Newton's method on two conditions at once, the log-likelihood at its level and the
    score of all other coefficients zero.  It begins where a quadratic log-likelihood would have its end.
    """
    others = np.arange(len(maximum.score)) != j
    level = maximum.loglik - drop
    along = _along(maximum.information, j, others)
    std_error = 1.0 / np.sqrt(_left(maximum.information, j, others))
    last = maximum.beta
    beta = last + side * np.sqrt(2 * drop) * std_error * along
    for _ in range(MAX_STEPS):
        at = derivatives(beta)
        if not np.isfinite(at.loglik):
            beta = (last + beta) / 2
            continue
        if may_be_flat and at.loglik > level and _left(at.information, j, others) * std_error**2 < FLAT:
            return side * np.inf
        conditions = np.concatenate([[at.loglik - level], at.score[others]])
        slopes = np.vstack([at.score, -at.information[others]])
        try:
            step = -np.linalg.solve(slopes, conditions)
        except np.linalg.LinAlgError:
            break
        if abs(step[j]) <= close * std_error and at.score[j] * side < 0:
            return float(at.beta[j] + step[j])
        # never across the maximum, where the other end would be found
        ahead = side * (at.beta[j] - maximum.beta[j])
        back = -side * step[j] / ahead
        last, beta = at.beta, at.beta + step * (0.5 / back if back > 0.5 else 1.0)
    raise NotConverged(
        "The end of a profile-likelihood interval was not found: the log-likelihood is far from a parabola. "
        "Use the interval of the Wald test, or simplify the model."
    )


def _along(information: Array, j: int, others: NDArray[np.bool_]) -> Array:
    """How all coefficients move with one of them along the ridge of the log-likelihood."""
    along = np.ones(len(information))
    along[others] = -np.linalg.solve(information[np.ix_(others, others)], information[others, j])
    return along


def _left(information: Array, j: int, others: NDArray[np.bool_]) -> float:
    """Information about a coefficient when all others are unknown."""
    return float(information[j] @ _along(information, j, others))
