"""Generalised linear models as families of functions of the linear predictor.

McCullagh & Nelder (1989), chapter 2.  A Gaussian log-likelihood is that of variance one, up to a constant; its variance is
estimated from the deviance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, xlogy

Array = NDArray[np.float64]
OfBoth = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Family:
    """A response distribution with its link.

    Attributes
    ----------
    name, link : str
    mean : eta (n,) -> mu (n,)
    inverse : mu -> eta             the link itself, of one number
    loglik : (y, eta) -> (n,)       each patient's log-likelihood
    residual : (y, eta) -> (n,)     d loglik / d eta
    curvature : (y, eta) -> (n,)    -d2 loglik / d eta2
    expected : eta -> (n,)          the expectation of the curvature: the same for a canonical link
    deviance : (y, eta) -> (n,)     twice what the log-likelihood falls short of a perfect fit
    tilt : eta -> (n,) or None      d log(expected) / d eta, which Firth's penalty takes; None: it is not offered
    constants : y -> two (n,), or None    addends of the log-likelihood and of the deviance that no coefficient changes; None: these are zero
    intercept : float               where a fit of the intercept alone may be begun
    """

    name: str
    link: str
    mean: Callable[[Array], Array]
    inverse: Callable[[float], float]
    loglik: OfBoth
    residual: OfBoth
    curvature: OfBoth
    expected: Callable[[Array], Array]
    deviance: OfBoth
    tilt: Callable[[Array], Array] | None = None
    intercept: float = 0.0
    constants: Callable[[Array], tuple[Array, Array]] | None = None

    @property
    def canonical(self) -> bool:
        """Whether the curvature is its own expectation."""
        return (self.name, self.link) != ("binomial", "log")

    def mean_slope(self, eta: Array) -> Array:
        """The derivative of the mean in the linear predictor."""
        return _SLOPES[self.link](eta)

    def mean_bend(self, eta: Array) -> Array:
        """The second derivative of the mean in the linear predictor."""
        return _BENDS[self.link](eta)

    def reaches(self, eta: Array) -> bool:
        """Whether every linear predictor has a mean that the response can have.

        Beyond an edge nothing is made up: whatever stood in for a likelihood there would change where a patient crosses it,
        and two answers at either side of him would differ by his row.
        """
        return self.canonical or not (eta > -NEAR_ONE).any()

    @property
    def counts_outcomes(self) -> bool:
        """Whether the response is 0 or 1."""
        return self.name == "binomial"


def _logit_loglik(y: Array, eta: Array) -> Array:
    # log(1 + exp(eta)) without overflow, whatever the sign of eta
    return y * eta - np.maximum(eta, 0.0) - np.log1p(np.exp(-np.abs(eta)))


def _logit_curvature(eta: Array) -> Array:
    # mu (1 - mu) as a product of two tails keeps its digits where mu is near one
    return np.asarray(expit(eta) * expit(-eta))


#: First and second derivatives of the mean, by link.
_SLOPES: dict[str, Callable[[Array], Array]] = {
    "logit": _logit_curvature,
    "log": np.exp,
    "identity": np.ones_like,
}
_BENDS: dict[str, Callable[[Array], Array]] = {
    "logit": lambda eta: -_logit_curvature(eta) * np.tanh(eta / 2),
    "log": np.exp,
    "identity": np.zeros_like,
}


LOGIT = Family(
    "binomial",
    "logit",
    lambda eta: np.asarray(expit(eta)),
    lambda mu: float(np.log(mu / (1 - mu))),
    _logit_loglik,
    lambda y, eta: np.asarray(y - expit(eta)),
    lambda _, eta: _logit_curvature(eta),
    _logit_curvature,
    lambda y, eta: -2 * _logit_loglik(y, eta),
    lambda eta: -np.tanh(eta / 2),
)


#: Means above exp(-NEAR_ONE) are none of a binomial response: see :meth:`Family.reaches`.
NEAR_ONE = 1e-6


def _log_loglik(y: Array, eta: Array) -> Array:
    return y * eta + (1 - y) * np.log(-np.expm1(eta))


def _odds(eta: Array) -> Array:
    """mu / (1 - mu) of a mean exp(eta) below one."""
    return np.asarray(1.0 / np.expm1(-eta))


def _log_curvature(y: Array, eta: Array) -> Array:
    odds = _odds(eta)
    return (1 - y) * odds * (1 + odds)


LOG_BINOMIAL = Family(
    "binomial",
    "log",
    np.exp,
    lambda mu: float(np.log(mu)),
    _log_loglik,
    lambda y, eta: y - (1 - y) * _odds(eta),
    _log_curvature,
    _odds,
    lambda y, eta: -2 * _log_loglik(y, eta),
    intercept=-1.0,
)

GAUSSIAN = Family(
    "gaussian",
    "identity",
    lambda eta: eta,
    lambda mu: mu,
    lambda y, eta: -0.5 * (y - eta) ** 2,
    lambda y, eta: y - eta,
    lambda _, eta: np.ones_like(eta),
    np.ones_like,
    lambda y, eta: (y - eta) ** 2,
)

POISSON = Family(
    "poisson",
    "log",
    np.exp,
    lambda mu: float(np.log(mu)),
    lambda y, eta: y * eta - np.exp(eta) - gammaln(np.maximum(y, 0) + 1),
    lambda y, eta: y - np.exp(eta),
    lambda _, eta: np.exp(eta),
    np.exp,
    lambda y, eta: 2 * (xlogy(np.maximum(y, 0), np.maximum(y, 0)) - y * eta - y + np.exp(eta)),
    np.ones_like,
    constants=lambda y: (-gammaln(np.maximum(y, 0) + 1), 2 * xlogy(np.maximum(y, 0), np.maximum(y, 0))),
)

#: By distribution and link; the first link of each is its canonical one.
FAMILIES = {(f.name, f.link): f for f in (LOGIT, LOG_BINOMIAL, GAUSSIAN, POISSON)}


def family_of(name: str, link: str | None) -> Family:
    """A family by its name, with its canonical link unless another is named.

    Raises
    ------
    ValueError
        There is no such family.
    """
    for (known, known_link), family in FAMILIES.items():
        if name == known and link in (None, known_link):
            return family
    there = "; ".join(f"{known} ({known_link})" for known, known_link in FAMILIES)
    asked = name if link is None else f"{name} with link {link}"
    raise ValueError(f"There is no family {asked!r}; choose one of: {there}.")
