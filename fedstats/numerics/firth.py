"""Firth's penalised likelihood: finite coefficients where the likelihood has none, and less bias where events are few.

Half the logarithm of the information's determinant is added to the log-likelihood.  Firth (1993); Heinze & Schemper (2002).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.newton import Derivatives, NotConverged, Solution, require_full_rank

Array = NDArray[np.float64]

#: A Newton decrement, in standard errors, below which one last step is taken: the error after it is a hundredth of it.
DECREMENT = 1e-8


@dataclass(frozen=True)
class Firth:
    """Firth's penalty, of logistic, Poisson and Cox regression; it has no strength to choose."""

    def in_words(self) -> str:
        """As it is printed."""
        return "Firth's penalty"


class _Point(NamedTuple):
    at: Derivatives
    value: float


def firth(
    derivatives: Callable[[Array], Derivatives],
    correction: Callable[[Derivatives, Array], Array],
    start: Array,
    names: Sequence[str],
    *,
    max_steps: int = 50,
) -> Solution:
    """Maximise ``loglik + log det(information) / 2``.

    Parameters
    ----------
    derivatives : callable     ``(p,) -> Derivatives``; one round
    correction : callable      ``(Derivatives, inverse information (p, p)) -> (p,)``, the slope of the penalty; one round
    start : (p,)
    names : sequence of str    for the messages
    max_steps : int

    Returns
    -------
    Solution
        ``at`` holds the log-likelihood and information without the penalty.

    Raises
    ------
    NotConverged

    Notes
    -----
    The curvature of the penalty would take fourth moments.  It is learned from how the correction changes from step to
    step, a symmetric secant update (Powell 1970) in the metric of the information, which itself is exact at every step; so a step
    is nearly Newton's, and the last ones shrink faster than linearly.
    """
    point = first = _point(derivatives, np.asarray(start, dtype=float))
    require_full_rank(first.at.information, names)
    slope = correction(point.at, np.asarray(np.linalg.inv(point.at.information)))
    learned = np.zeros_like(point.at.information)
    for steps in range(1, max_steps + 1):
        score = point.at.score + slope
        step = _step(point.at.information, learned, score)
        close = float(np.sqrt(max(float(score @ step), 0.0))) <= DECREMENT
        after = _not_falling(derivatives, point, step, 1 if close else 30)
        if after is None:
            if close:
                return Solution(point.at.beta, point.at, first.at, steps)
            break
        if close:
            return Solution(after.at.beta, after.at, first.at, steps)
        moved, before = after.at.beta - point.at.beta, slope
        point = after
        slope = correction(point.at, np.asarray(np.linalg.inv(point.at.information)))
        learned = _updated(learned, point.at.information, moved, before - slope)
    raise NotConverged(
        f"The fit with Firth's penalty did not converge in {max_steps} steps. Centre and scale the columns, or simplify the model."
    )


def _point(derivatives: Callable[[Array], Derivatives], beta: Array) -> _Point:
    at = derivatives(beta)
    sign, log_det = np.linalg.slogdet(at.information) if np.isfinite(at.loglik) else (0.0, 0.0)
    return _Point(at, at.loglik + 0.5 * float(log_det) if sign > 0 else -np.inf)


def _not_falling(
    derivatives: Callable[[Array], Derivatives], now: _Point, step: Array, tries: int
) -> _Point | None:
    slack = 1e-11 * (abs(now.value) + 1.0)
    for _ in range(tries):
        after = _point(derivatives, now.at.beta + step)
        if after.value >= now.value - slack:
            return after
        step = step / 2
    return None


def _step(information: Array, learned: Array, score: Array) -> Array:
    """Newton's step with what is known of the curvature; with the information alone where that is not a maximum's."""
    curvature = information + learned
    if np.linalg.eigvalsh(curvature / np.sqrt(np.outer(np.diag(information), np.diag(information))))[0] <= 0:
        curvature = information
    return np.asarray(np.linalg.solve(curvature, score))


def _updated(learned: Array, information: Array, moved: Array, fallen: Array) -> Array:
    """The nearest symmetric matrix that takes the step to the change that was seen."""
    missing, direction = fallen - learned @ moved, information @ moved
    length = float(direction @ moved)
    if not length > 0:
        return learned
    outer = np.outer(missing, direction) / length
    return np.asarray(
        learned + outer + outer.T - float(missing @ moved) * np.outer(direction, direction) / length**2
    )
