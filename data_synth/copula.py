"""Correlated normal scores: two latent factors, frailty and burden, and stated pairs beside them."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from data_synth.assumptions import PEOPLE, Columns

NAMES = tuple(PEOPLE["loadings"])
KRAS_SHARE = 0.235  # of all patients: what `kras` in people.toml comes to over histologies and drivers


def _tetrachoric(phi: float, p: float, q: float) -> float:
    """Return the correlation of normal scores that gives two yes/no traits of shares p and q the correlation phi."""
    both = phi * np.sqrt(p * (1 - p) * q * (1 - q)) + p * q
    cut = norm.ppf([p, q])

    def excess(rho: float) -> float:
        return float(multivariate_normal.cdf(cut, cov=[[1, rho], [rho, 1]])) - both

    return float(brentq(excess, -0.99, 0.99))


def _stated_pairs() -> dict[tuple[str, str], float]:
    share = {
        name: KRAS_SHARE if name == "u_kras" else PEOPLE["shared"][name[2:]]
        for name in NAMES
        if name[:2] == "u_"
    }
    pairs = {tuple(pair.split()): 2 * np.sin(np.pi * rho / 6) for pair, rho in PEOPLE["spearman"].items()}
    for pair, phi in PEOPLE["phi"].items():
        first, second = pair.split()
        pairs[first, second] = _tetrachoric(phi, share[first], share[second])
    return pairs


@cache
def _roots() -> tuple[np.ndarray, np.ndarray]:
    """Return the loadings (p, 2) and the root (p, p) of what the factors leave unexplained."""
    loadings = np.array(list(PEOPLE["loadings"].values()))
    covariance = np.diag(1 - (loadings**2).sum(axis=1))
    explained = loadings @ loadings.T
    for (first, second), rho in _stated_pairs().items():
        i, j = NAMES.index(first), NAMES.index(second)
        covariance[i, j] = covariance[j, i] = rho - explained[i, j]
    try:
        return loadings, np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(covariance)[0]
        raise ValueError(
            f"The loadings and stated pairs of people.toml contradict each other (smallest eigenvalue "
            f"{smallest:.3f}): bring a stated pair nearer to the product of its loadings."
        ) from None


def scores(number: int, rng: np.random.Generator, frailty: float = 0.0) -> Columns:
    """Draw normal scores.

    Parameters
    ----------
    number : int
        Patients.
    rng : Generator
        Their stream.
    frailty : float
        Mean of the latent frailty: a practice's case mix.

    Returns
    -------
    dict of str to (number,) array
        A score for each name of the table ``loadings``; standard normal where `frailty` is 0.
    """
    loadings, root = _roots()
    factors = rng.standard_normal((number, 2)) + np.array([frailty, 0.0])
    drawn = factors @ loadings.T + rng.standard_normal((number, len(NAMES))) @ root.T
    return dict(zip(NAMES, drawn.T, strict=True))
