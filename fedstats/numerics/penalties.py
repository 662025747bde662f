"""Penalised likelihoods: ridge, lasso and the elastic net, on summed derivatives.

The strength is on glmnet's scale, the ``lambda`` that its caller gives: of ``-loglik / sum of weights``, with columns of unit
standard deviation.  Of a Gaussian outcome y, whose log-likelihood is minus half its squares here, glmnet gives y unit standard
deviation as well; in y's own units an absolute value then counts ``lambda`` and a square ``lambda / sd(y)``.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from fedstats.numerics.newton import Derivatives, NotConverged, Solution, newton

Array = NDArray[np.float64]
T = TypeVar("T")
#: A maximisation that names one point after the other, and is told the derivatives there.
Search = Generator[Array, Derivatives, T]

#: A step of less than so many standard errors of the penalised fit ends it.
STEP = 1e-9


@dataclass(frozen=True)
class ElasticNet:
    """The elastic net: ``strength (mixing |b| + (1 - mixing) b^2 / 2)`` for every standardised coefficient b.

    Attributes
    ----------
    strength : float     glmnet's lambda, above zero
    mixing : float       glmnet's alpha, from 0 (ridge) to 1 (lasso)

    References
    ----------
    Zou & Hastie (2005); Friedman, Hastie & Tibshirani (2010).
    """

    strength: float
    mixing: float = 1.0

    def __post_init__(self) -> None:
        for what, given in (("The strength of a penalty", self.strength), ("mixing", self.mixing)):
            if isinstance(given, bool) or not isinstance(given, int | float | np.number):
                raise TypeError(f"{what} is {given!r}; give a number.")
        if not 0 < self.strength < np.inf:
            raise ValueError(f"The strength of a penalty is {self.strength!r}; give a number above zero.")
        if not 0 <= self.mixing <= 1:
            raise ValueError(f"mixing is {self.mixing!r}; give a number from 0 (ridge) to 1 (lasso).")

    def in_words(self) -> str:
        """As it is written: ``ridge 0.1``, ``lasso 0.1``, ``elastic net 0.1, mixing 0.5``."""
        kind = {0.0: "ridge", 1.0: "lasso"}.get(self.mixing, "elastic net")
        mixed = f", mixing {self.mixing:g}" if kind == "elastic net" else ""
        return f"{kind} {self.strength:g}{mixed}"


def Ridge(strength: float) -> ElasticNet:  # noqa: N802 (a kind of penalty, as the others are)
    """The ridge penalty, ``strength b^2 / 2`` for every standardised coefficient b: Hoerl & Kennard (1970)."""
    return ElasticNet(strength, 0.0)


@dataclass(frozen=True)
class Weighted:
    """A penalty in the units of a question's columns.

    Attributes
    ----------
    absolute : (p,)     of the absolute value of each coefficient
    square : (p,)       of half its square; both zero for an intercept
    """

    absolute: Array
    square: Array

    @classmethod
    def of(
        cls, penalty: ElasticNet, weight: float, spread: Array, outcome: tuple[float, float] = (1.0, 1.0)
    ) -> "Weighted":
        """For columns of the given standard deviations, (p,), and a sum of case weights; 0 is not penalised.

        ``outcome`` is the scale on which a Gaussian outcome is worked on, and its standard deviation, both in its own units.
        """
        total, (scale, sd) = penalty.strength * weight, outcome
        return cls(total * penalty.mixing * spread / scale, total * (1 - penalty.mixing) * spread**2 / sd)

    def value(self, beta: Array) -> float:
        """What is taken from the log-likelihood."""
        return float(self.absolute @ np.abs(beta) + 0.5 * self.square @ beta**2)

    def smooth(self, at: Derivatives) -> Derivatives:
        """The log-likelihood with the squares taken off, and its derivatives."""
        return at._replace(
            loglik=at.loglik - 0.5 * float(self.square @ at.beta**2),
            score=at.score - self.square * at.beta,
            information=at.information + np.diag(self.square),
        )


def penalised(
    derivatives: Callable[[Array], Derivatives],
    start: Array,
    names: Sequence[str],
    penalty: Weighted,
    *,
    max_steps: int = 100,
) -> Solution:
    """Maximise a log-likelihood less a penalty.

    Parameters
    ----------
    derivatives : callable
        As for :func:`newton`.
    start : (p,)
    names : sequence of str
    penalty : Weighted
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
    Squares alone are Newton's method.  With absolute values each step maximises the quadratic
    approximation less the penalty by coordinate descent (Friedman, Hastie & Tibshirani 2010, section 3), here at the
    coordinator, where it costs no round; it is halved until the penalised likelihood does not fall.
    """
    if not penalty.absolute.any():
        found = newton(lambda beta: penalty.smooth(derivatives(beta)), start, names, max_steps=max_steps)
        return found._replace(at=derivatives(found.beta), first=derivatives(found.first.beta))
    first = derivatives(np.asarray(start, dtype=float))
    at, steps = driven(climb(first, penalty, max_steps=max_steps), derivatives)
    return Solution(at.beta, at, first, steps)


def climb(
    at: Derivatives, penalty: Weighted, *, enough: float = STEP, max_steps: int = 100
) -> Search[tuple[Derivatives, int]]:
    """From a point to the maximum of a log-likelihood less a penalty, in steps of the quadratic approximation.

    A step of less than ``enough`` standard errors ends it; what is left after it is of its square.

    Raises
    ------
    NotConverged
    """
    for steps in range(1, max_steps + 1):
        if not np.isfinite(at.loglik):
            break
        step = _best_of_quadratic(at, penalty) - at.beta
        size = float(np.abs(step * np.sqrt(np.diag(at.information) + penalty.square)).max())
        after = yield from _not_falling(at, step, penalty)
        if after is None:
            if size < enough:
                return at, steps
            break
        at = after
        if size < enough:
            return at, steps
    raise NotConverged(
        f"The penalised fit did not converge in {max_steps} steps. Use a stronger penalty, or begin at a stronger one."
    )


def driven(search: Search[T], derivatives: Callable[[Array], Derivatives]) -> T:
    """What a search returns when each point it names is evaluated."""
    try:
        point = next(search)
        while True:
            point = search.send(derivatives(point))
    except StopIteration as done:
        found: T = done.value
        return found


def _not_falling(at: Derivatives, step: Array, penalty: Weighted) -> Search[Derivatives | None]:
    """The step, halved until the penalised log-likelihood does not fall; None when it always does."""
    now = at.loglik - penalty.value(at.beta)
    slack = 1e-11 * (abs(now) + 1.0)
    for _ in range(30):
        after = yield at.beta + step
        if np.isfinite(after.loglik) and after.loglik - penalty.value(after.beta) >= now - slack:
            return after
        step = step / 2
    return None


def _best_of_quadratic(at: Derivatives, penalty: Weighted) -> Array:
    """Where the quadratic approximation at a point, less the penalty, is largest."""
    curvature = at.information + np.diag(penalty.square)
    if not penalty.absolute.any() and np.all(np.diag(curvature) > 0):
        try:
            factor = cho_factor(curvature, lower=True)
            return np.asarray(at.beta + cho_solve(factor, at.score - penalty.square * at.beta))
        except np.linalg.LinAlgError:
            pass  # the descent below names the remedy
    return _coordinate_descent(at, penalty)


def _coordinate_descent(at: Derivatives, penalty: Weighted) -> Array:
    """The same, one coefficient after the other: Friedman, Hastie & Tibshirani (2010), section 2."""
    h = at.information
    curvature = np.diag(h) + penalty.square
    beta = at.beta.copy()
    gradient = at.score.copy()  # of the smooth part without the squares, at beta
    for _ in range(100_000):
        largest = 0.0
        for j in range(len(beta)):
            if not curvature[j] > 0:
                continue  # constant among the patients: it stays where it is
            pull = gradient[j] + h[j, j] * beta[j]
            new = np.sign(pull) * max(abs(pull) - penalty.absolute[j], 0.0) / curvature[j]
            if new != beta[j]:
                gradient -= h[:, j] * (new - beta[j])
                largest = max(largest, abs(new - beta[j]) * np.sqrt(curvature[j]))
                beta[j] = new
        if largest < 1e-3 * STEP:
            return beta
    raise NotConverged(
        "The columns of the penalised fit are too nearly collinear to be told apart. Drop one of them, or use a ridge."
    )
