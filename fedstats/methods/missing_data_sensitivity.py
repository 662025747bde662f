"""Sensitivity to values that are not missing at random: imputations whose draws are shifted, from one assumption to the next."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.arguments import known_column
from fedstats.contract.federation import Federation
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.sensitivity_results import TippingPoint
from fedstats.contract.values import is_number, shown
from fedstats.methods.imputation import impute

#: Shifts of one analysis: each is an imputation of its own.
MOST_SHIFTS = 11


def tipping_point(
    federation: Federation,
    models: Mapping[str, str],
    analysis: Callable[[Federation], Fit],
    *,
    variable: str,
    deltas: Sequence[float],
    term: str,
    **options: Any,
) -> TippingPoint:
    """How far the draws of a variable have to be shifted for a conclusion to change.

    Parameters
    ----------
    federation, models
        As of :func:`fedstats.impute`.
    analysis : callable
        ``lambda copy: fs.cox(copy, ...)``.
    variable : str
        Whose draws are shifted.
    deltas : sequence of float
        Shifts, in units of a number or on the logit scale of levels; 0 is missing at random.
    term : str
        The coefficient that is followed.
    **options
        ``m``, ``cycles``, ``survival``, ``seed`` of :func:`fedstats.impute`; with one seed the parameters of all shifts are drawn alike.

    Returns
    -------
    TippingPoint

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    van Buuren (2018), section 3.8.  A site counts the draws of every shift.
    """
    known_column(variable, federation.codebook, "variable")
    if variable not in models:
        raise FormulaError(f"variable is {variable!r}, which is not imputed: give it a model.")
    shifts = _shifts(deltas)
    if "delta" in options:
        raise FormulaError("The shifts are deltas; delta is of fs.impute.")
    rows, fits = [], []
    for shift in shifts:
        copies = impute(federation, models, delta={variable: shift}, **options)
        pooled = copies.fit(analysis)
        if term not in pooled.names:
            raise FormulaError(f"term is {shown(term)}; the coefficients are {', '.join(pooled.names)}.")
        row = pooled.tidy().set_index("term").loc[term].to_dict()
        rows.append({"delta": shift, "term": term} | row)
        fits.append((copies.rounds + pooled.rounds, copies.n_bytes + pooled.n_bytes))
    rounds, n_bytes = (sum(cost) for cost in zip(*fits, strict=True))
    return TippingPoint(
        pd.DataFrame(rows),
        variable,
        term,
        pooled.effect,
        pooled.level,
        pooled.status,
        rounds,
        n_bytes,
        pooled.sites,
    )


def _shifts(deltas: object) -> list[float]:
    numbers = isinstance(deltas, Sequence | np.ndarray) and not isinstance(deltas, str)
    found = list(deltas) if numbers else []  # type: ignore[call-overload]
    if not all(is_number(value) for value in found) or not 2 <= len(set(found)) == len(found) <= MOST_SHIFTS:
        raise FormulaError(
            f"deltas is {shown(deltas)}; give two to {MOST_SHIFTS} different numbers, as [-0.6, -0.3, 0.0]."
        )
    return sorted(float(value) for value in found)
