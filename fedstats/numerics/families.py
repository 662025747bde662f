"""Generalised linear models as families of functions of the linear predictor."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """A response distribution with its link.

    Attributes
    ----------
    name : str
    mean : eta (n,) -> mu (n,)
    loglik : (y, eta) -> (n,)      each patient's log-likelihood
    residual : (y, eta) -> (n,)    d loglik / d eta
    curvature : eta -> (n,)        -d2 loglik / d eta2, its expectation
    """

    name: str
    mean: Callable[[Array], Array]
    loglik: Callable[[Array, Array], Array]
    residual: Callable[[Array, Array], Array]
    curvature: Callable[[Array], Array]


def _binomial_loglik(y: Array, eta: Array) -> Array:
    # log(1 + exp(eta)) without overflow, whatever the sign of eta
    return y * eta - np.logaddexp(0.0, eta)


def _binomial_residual(y: Array, eta: Array) -> Array:
    return np.asarray(y - expit(eta))


def _binomial_curvature(eta: Array) -> Array:
    # mu (1 - mu) as a product of two tails keeps its digits where mu is near one
    return np.asarray(expit(eta) * expit(-eta))


BINOMIAL = Family(
    "binomial", lambda eta: np.asarray(expit(eta)), _binomial_loglik, _binomial_residual, _binomial_curvature
)
