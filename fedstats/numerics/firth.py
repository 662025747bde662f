"""Firth's penalised likelihood: finite coefficients where the likelihood has none, and less bias where events are few.

Half the logarithm of the information's determinant is added to the log-likelihood.  Firth (1993); Heinze & Schemper (2002).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


class Penalised:
    """The log-likelihood with Firth's penalty at one point after another, and what its curvature is known to be.

    Parameters
    ----------
    derivatives : callable     ``(p,) -> Derivatives``; one round
    correction : callable      ``(Derivatives, inverse information (p, p)) -> (p,)``, the slope of the penalty; one round

    Notes
    -----
    The curvature of the penalty would take fourth moments.  It is learned from how the correction changes from point to
    point, a symmetric secant update (Powell 1970) in the metric of the information, which itself is exact everywhere; so a
    step is nearly Newton's, and the last ones shrink faster than linearly.  A copy goes on learning by itself.
    """

    def __init__(
        self, derivatives: Callable[[Array], Derivatives], correction: Callable[[Derivatives, Array], Array]
    ) -> None:
        self._derivatives, self._correction = derivatives, correction
        self._learned: Array | None = None
        self._last: tuple[Array, Array] | None = None

    def at(self, beta: Array) -> tuple[Derivatives, float]:
        """The derivatives without the penalty, and the log-likelihood with it; one round."""
        plain = self._derivatives(beta)
        sign, log_det = np.linalg.slogdet(plain.information) if np.isfinite(plain.loglik) else (0.0, 0.0)
        return plain, plain.loglik + 0.5 * float(log_det) if sign > 0 else -np.inf

    def penalised(self, plain: Derivatives, value: float) -> Derivatives:
        """All of them with the penalty; one round.  The information holds the penalty's as far as it is known."""
        slope = self._correction(plain, np.asarray(np.linalg.inv(plain.information)))
        if self._learned is None:
            self._learned = np.zeros_like(plain.information)
        if self._last is not None:
            moved, fallen = plain.beta - self._last[0], self._last[1] - slope
            self._learned = _updated(self._learned, plain.information, moved, fallen)
        self._last = plain.beta, slope
        information = plain.information + self._learned
        return Derivatives(value, plain.score + slope, information, plain.beta, plain.unit)

    def __call__(self, beta: Array) -> Derivatives:
        """The penalised log-likelihood with its derivatives; two rounds."""
        plain, value = self.at(beta)
        return self.penalised(plain, value) if np.isfinite(value) else Derivatives.not_finite(beta)


def firth(objective: Penalised, start: Array, names: Sequence[str], *, max_steps: int = 50) -> Solution:
    """Maximise ``loglik + log det(information) / 2``.

    Parameters
    ----------
    objective : Penalised
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
    """
    now, value = objective.at(np.asarray(start, dtype=float))
    first = now
    require_full_rank(first.information, names)
    for steps in range(1, max_steps + 1):
        penalised = objective.penalised(now, value)
        step = _step(now.information, penalised)
        close = float(np.sqrt(max(float(penalised.score @ step), 0.0))) <= DECREMENT
        after = _not_falling(objective, penalised, step, 1 if close else 30)
        if after is None:
            if close:
                return Solution(now.beta, now, first, steps)
            break
        now, value = after
        if close:
            return Solution(now.beta, now, first, steps)
    raise NotConverged(
        f"The fit with Firth's penalty did not converge in {max_steps} steps. Centre and scale the columns, or simplify the model."
    )


def _not_falling(
    objective: Penalised, now: Derivatives, step: Array, tries: int
) -> tuple[Derivatives, float] | None:
    slack = 1e-11 * (abs(now.loglik) + 1.0)
    for _ in range(tries):
        after, value = objective.at(now.beta + step)
        if value >= now.loglik - slack:
            return after, value
        step = step / 2
    return None


def _step(information: Array, penalised: Derivatives) -> Array:
    """Newton's step with what is known of the curvature; with the information alone where that is not a maximum's."""
    curvature = penalised.information
    if np.linalg.eigvalsh(curvature / np.sqrt(np.outer(np.diag(information), np.diag(information))))[0] <= 0:
        curvature = information
    return np.asarray(np.linalg.solve(curvature, penalised.score))


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
