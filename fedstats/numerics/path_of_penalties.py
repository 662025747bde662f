"""A path of penalties, each maximum begun at the one before; and several searches in step."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.newton import Derivatives
from fedstats.numerics.penalties import Search, Weighted, climb

Array = NDArray[np.float64]
T = TypeVar("T")

#: A step of so many standard errors ends the fit at one strength: what is left is of its square.
ENOUGH = 1e-5
#: The strongest penalty is so much above the one that keeps the first coefficient at zero: rounding lets none in.
A_HAIR = 1e-9


def strongest(null: Derivatives, weight: float, spread: Array, mixing: float) -> float:
    """The smallest strength at which no penalised coefficient is above zero, at the maximum of the others.

    Of a ridge there is none; as in ``glmnet`` it gets that of a mixing of 0.001.
    """
    there = spread > 0
    slopes = np.abs(null.score[there]) / (weight * spread[there])
    return float(slopes.max(initial=0.0)) / max(mixing, 0.001) * (1 + A_HAIR)


def path(start: Array, penalties: Sequence[Weighted]) -> Search[list[Derivatives]]:
    """The maximum under each penalty in turn: Friedman, Hastie & Tibshirani (2010), section 2.5.

    The first step towards each costs no point, for the derivatives at the maximum before are known.

    Raises
    ------
    NotConverged
    """
    at = yield start
    found = []
    for penalty in penalties:
        at, _ = yield from climb(at, penalty, enough=ENOUGH)
        found.append(at)
    return found


def abreast(searches: Sequence[Search[T]], derivatives: Callable[[Array], Sequence[Derivatives]]) -> list[T]:
    """Several searches in step: the points of all of them, (k, p), are evaluated together.

    A search that has ended stays where it is until all have.
    """
    points = [next(search) for search in searches]
    found: dict[int, T] = {}
    while len(found) < len(searches):
        for i, at in enumerate(derivatives(np.array(points))):
            if i in found:
                continue
            try:
                points[i] = searches[i].send(at)
            except StopIteration as done:
                found[i] = done.value
    return [found[i] for i in range(len(searches))]


def quadratic(known: Derivatives) -> Callable[[Array], Derivatives]:
    """Derivatives at any point of a log-likelihood that is quadratic, as a Gaussian one is, from those at one point."""

    def derivatives(beta: Array) -> Derivatives:
        away = beta - known.beta
        slope = known.information @ away
        return known._replace(
            loglik=known.loglik + float(away @ (known.score - 0.5 * slope)),
            score=known.score - slope,
            beta=beta,
        )

    return derivatives
