"""The partial likelihood of a Cox model with group indicators alone: a function of counts at risk and of events."""

import numpy as np
from numpy.typing import NDArray

from fedstats.numerics.newton import Derivatives
from fedstats.numerics.partial_likelihood import Ties, cell_terms, score_from_cells, second_product
from fedstats.numerics.risk_sets import CellSums

Array = NDArray[np.float64]


def group_derivatives(n_risk: Array, n_event: Array, beta: Array, ties: Ties) -> Derivatives:
    """Log-likelihood, score and information of the log hazard ratios to the first group.

    Parameters
    ----------
    n_risk, n_event : (G, D)     of every group at each time, of all strata side by side
    beta : (G - 1,)
    ties : {"efron", "breslow"}

    Raises
    ------
    FloatingPointError
        A risk set overflows.
    """
    happened = n_event.sum(axis=0) > 0
    n, d = n_risk[:, happened].T, n_event[:, happened].T
    r = np.exp(np.append(0.0, beta))
    at_risk, died = n * r, d * r
    deaths = d.sum(axis=1)
    sums = CellSums(at_risk.sum(axis=1), at_risk[:, 1:], died.sum(axis=1), died[:, 1:], deaths, deaths)
    terms = cell_terms(sums, ties)
    observed = d[:, 1:].sum(axis=0)
    expected = terms.a @ sums.s1 - terms.b @ sums.t1
    return Derivatives(
        float(observed @ beta) - terms.log_terms,
        score_from_cells(observed, sums, terms),
        np.asarray(np.diag(expected) - second_product(sums, terms)),
        beta,
    )
