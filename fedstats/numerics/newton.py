"""Newton's method on a log-likelihood that someone else adds up.

The driver knows no statistics and no federation: it is given a function from coefficients to
:class:`Derivatives` and returns the :class:`Solution`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Array = NDArray[np.float64]

#: The Newton decrement, in standard errors, below which one last full step is taken.
DECREMENT = 1e-7
#: A pivot of the information, scaled to unit diagonal, below which a column is a combination of
#: earlier ones.  R's coxph uses eps**0.75 = 1.8e-12 on a matrix of the same scaling.
PIVOT = 1e-11
#: A column's information, as a share of the largest (or of one), below which it is constant.
CONSTANT = 1e-13
#: Below this a pivot is rounding: the column is a combination to the last digit, and not nearly one.
EXACT = 1e-13
#: The condition of the information, scaled to unit diagonal, above which a fit says that columns are nearly collinear.  Standard
#: errors are off by 2e-16 of the condition (measured: tests/properties/test_collinear.py), so the 1e-9 that is promised ends at 5e6.
NEARLY_COLLINEAR = 1e6


class Derivatives(NamedTuple):
    """A log-likelihood and its derivatives at ``beta``.

    Attributes
    ----------
    loglik : float
    score : (p,)          gradient of the log-likelihood
    information : (p, p)  minus its Hessian
    beta : (p,)           where they were evaluated; a ledger may have recorded other last digits
    unit : float          the mean weight of those who count: a log-likelihood is so many of it
    """

    loglik: float
    score: Array
    information: Array
    beta: Array
    unit: float = 1.0

    @classmethod
    def not_finite(cls, beta: Array) -> "Derivatives":
        """Where the sums overflow: Newton halves its step."""
        p = len(beta)
        return cls(-np.inf, np.zeros(p), np.zeros((p, p)), beta)


class Solution(NamedTuple):
    """The maximum, and the first evaluation for tests of the null hypothesis."""

    beta: Array
    at: Derivatives
    first: Derivatives
    steps: int


class NotConverged(ArithmeticError):  # noqa: N818 (a statistician's word, not an Error)
    """The maximum was not found; the message names the terms concerned and the remedy."""


class NoInformation(NotConverged):
    """Columns are constant where it counts: ``terms`` names their coefficients."""

    def __init__(self, terms: Sequence[str], why: str = "", remedy: str = "") -> None:
        self.terms = tuple(terms)
        why = why or "constant among the patients of the model"
        remedy = remedy or "merge the level with another"
        super().__init__(
            f"No information about {_list(self.terms)}: {why}, or no event tells it apart. Drop it, or {remedy}."
        )


def newton(
    derivatives: Callable[[Array], Derivatives],
    start: Array,
    names: Sequence[str],
    *,
    max_steps: int = 30,
) -> Solution:
    """Maximise a concave log-likelihood from its summed derivatives.

    Parameters
    ----------
    derivatives : callable
        ``(p,) -> Derivatives``; each call is one round of the federation.
    start : (p,)
        Where to begin.
    names : sequence of str
        One name a coefficient, for the messages.
    max_steps : int
        Steps, halvings included, after which :class:`NotConverged` is raised.

    Returns
    -------
    Solution
        Score, information and log-likelihood belong to the reported coefficients.

    Raises
    ------
    NotConverged
        Constant or collinear columns, infinite coefficients, or no convergence; by name.

    Notes
    -----
    A step is halved only when the log-likelihood falls by more than ``1e-11 (|loglik| + 1)`` or is
    not finite.  Once the Newton decrement ``sqrt(u' I^-1 u)`` is at most 1e-7 the error left after
    one more full step is of its square, so that step is taken and the fit is evaluated there.
    """
    at = first = derivatives(np.asarray(start, dtype=float))
    if not np.isfinite(at.loglik):
        raise NotConverged(
            "The log-likelihood is not finite at the start of the fit. Centre and scale the columns."
        )
    require_full_rank(first.information, names)
    previous_step = np.full(len(names), np.inf)
    steps = 0
    while True:
        step = _solve(at.information, at.score, names)
        close = float(np.sqrt(max(float(at.score @ step), 0.0))) <= DECREMENT
        _require_finite_estimates(at, first, step, previous_step, names, close=close)
        after, used = _ascend(derivatives, at, step, 1 if close else max_steps - steps)
        steps += used
        if after is None:
            if close:  # at the maximum already; rounding alone made the last step fall
                return Solution(at.beta, at, first, steps)
            raise NotConverged(
                f"The fit did not converge in {max_steps} steps. Centre and scale the columns, or simplify the model."
            )
        # after a halving the full step says nothing about how the steps shrink
        at, previous_step = after, step if used == 1 else np.full(len(names), np.inf)
        if close:
            return Solution(at.beta, at, first, steps)


def _ascend(
    derivatives: Callable[[Array], Derivatives], at: Derivatives, step: Array, tries: int
) -> tuple[Derivatives | None, int]:
    """Take the step, halved until the log-likelihood does not fall; None when tries run out."""
    slack = 1e-11 * (abs(at.loglik) + 1.0)
    for used in range(1, tries + 1):
        after = derivatives(at.beta + step)
        if np.isfinite(after.loglik) and after.loglik >= at.loglik - slack:
            return after, used
        step = step / 2
    return None, max(tries, 0)


def _solve(information: Array, score: Array, names: Sequence[str]) -> Array:
    scale = np.sqrt(np.diag(information))
    if not np.all(scale > 0):
        raise NotConverged(_infinite([n for n, s in zip(names, scale, strict=True) if not s > 0]))
    try:
        factor = cho_factor(information / np.outer(scale, scale), lower=True)
    except np.linalg.LinAlgError:
        raise NotConverged(
            "The information matrix lost its rank during the fit: some coefficients run to infinity together. "
            "Merge sparse levels or drop a term."
        ) from None
    return np.asarray(cho_solve(factor, score / scale) / scale)


def require_full_rank(information: Array, names: Sequence[str]) -> None:
    """Name constant and collinear columns, in the order in which the model lists them."""
    diagonal = np.asarray(np.diag(information))
    constant = [
        n for n, v in zip(names, diagonal, strict=True) if not v > CONSTANT * max(1.0, diagonal.max())
    ]
    if constant:
        raise NoInformation(constant)
    scale = np.sqrt(diagonal)
    scaled = information / np.outer(scale, scale)
    lower = np.zeros_like(scaled)
    for j in range(len(names)):
        row = np.linalg.solve(lower[:j, :j], scaled[:j, j]) if j else np.zeros(0)
        pivot = scaled[j, j] - row @ row
        if pivot < PIVOT:
            weights = np.linalg.solve(scaled[:j, :j], scaled[:j, j])
            others = [name for name, weight in zip(names[:j], weights, strict=True) if abs(weight) > 1e-6]
            if others == ["Intercept"]:
                raise NoInformation([names[j]])
            raise NotConverged(_combination(names[j], others, pivot))
        lower[j, :j], lower[j, j] = row, np.sqrt(pivot)


def collinearity(information: Array, names: Sequence[str]) -> tuple[float, tuple[str, ...]]:
    """The condition of an information matrix that is scaled to unit diagonal, and who is nearly collinear; nobody below the threshold.

    Named are the coefficients that have a part in the direction of least information.
    """
    scale = np.sqrt(np.diag(information))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    condition = float(values[-1] / max(values[0], np.finfo(float).tiny))
    weakest = np.abs(vectors[:, 0])
    named = [n for n, w in zip(names, weakest, strict=True) if w > 0.1 * weakest.max()]
    return condition, tuple(named) if condition > NEARLY_COLLINEAR else ()


def _require_finite_estimates(
    at: Derivatives,
    first: Derivatives,
    step: Array,
    previous_step: Array,
    names: Sequence[str],
    *,
    close: bool,
) -> None:
    """Recognise coefficients that run away although the log-likelihood has settled.

    Along a direction of recession Newton's steps stay about one long while the information along
    them fades like exp(-|beta|); with a finite maximum they shrink quadratically.  The direction
    counts, not single columns: a difference of two may run away while each keeps its information.
    """
    length = float(np.abs(step).max())
    if length < 1e-3 or length < 0.75 * float(np.abs(previous_step).max()):
        return
    faded = step @ at.information @ step < 1e-3 * (step @ first.information @ step)
    expected_gain = 0.5 * float(at.score @ step)
    if (faded or close) and expected_gain < 0.005 * at.unit:
        running = [(n, s) for n, s in zip(names, step, strict=True) if abs(s) > 0.05 * length]
        raise NotConverged(
            _infinite([f"{n} (towards {'plus' if s > 0 else 'minus'} infinity)" for n, s in running])
        )


def _combination(name: str, others: Sequence[str], pivot: float) -> str:
    if pivot < EXACT:
        return f"{name} is a linear combination of {_list(others)}: their coefficients cannot be told apart. Drop one of them."
    return (
        f"{name} is nearly a linear combination of {_list(others)}: {pivot:.0e} of its information is its own, and a standard error "
        "would keep four digits or fewer. Drop one of them, or put their difference in its place; of powers of a number far from zero, "
        "write poly(x, 2), which counts from an agreed centre."
    )


def _infinite(names: Sequence[str]) -> str:
    return (
        f"The likelihood has no finite maximum for {_list(names)}: the outcome is separated by the covariates, or a "
        "group has no events. Merge sparse levels, drop the term, or use a penalised fit."
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "the other columns"
