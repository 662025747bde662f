"""What follows from a fit is asked of the patients it was made of: told by the sizes that come with every answer."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.numerics.rounded_covariance import rounded_covariance, rounding

Array = NDArray[np.float64]

#: Where patients of a fit are asked of, what to do about others.
WITH_OWN_BASELINE = (
    'Of others, make the fit\'s predictor a column, others.with_linear_predictor("lp", fit), and fit a Cox model '
    'with offset="lp", or on lp, there: its baseline hazard is theirs.'
)
AS_A_POPULATION = "To standardise to other patients, say another_population=True."


def check_counts(fit: Fit, total: Mapping[str, Array], *, all_events: bool = True) -> None:
    """Of an answer that counts patients and events.

    Parameters
    ----------
    all_events : bool
        Whether all events of the fit are within the time cells that were asked of.

    Raises
    ------
    FormulaError
    """
    n, n_event = (round(float(total[name][0])) for name in ("n", "n_event"))
    if n != fit.n or n_event > fit.n_event or (all_events and n_event != fit.n_event):
        raise _others(f"{fit.n} patients with {fit.n_event} events", f"{n} with {n_event}", WITH_OWN_BASELINE)


def check_weight(fit: Fit, total: Mapping[str, Array], remedy: str = "") -> None:
    """Of an answer that says what patients' weights add up to, of a model whose fit says so as well.

    Raises
    ------
    FormulaError
    """
    weight = float(total["weight"][0])
    if np.isfinite(fit.weight) and abs(weight - fit.weight) > 1e-9 * abs(fit.weight):
        said = "patients whose weights add up to " if fit.options.get("weights") else "patients: "
        raise _others(f"{said}{fit.weight:.12g}", f"{weight:.12g}", remedy)


def check_information(fit: Fit, information: Array, unscaling: Array) -> None:
    """Of an answer with the information at the fit's coefficients, on the scale of the question's columns.

    The inverse is the fit's model-based covariance, to the digits that its condition leaves.  Of results that were saved
    for readers correlations are rounded: there the variances are held to these digits, and the rest to the rounding.

    Raises
    ------
    FormulaError
    """
    covariance = fit.model_covariance
    if covariance is None:
        return
    inverse = np.linalg.inv(unscaling)
    covariance_here = inverse @ covariance @ inverse.T
    root = np.linalg.cholesky(covariance_here)
    away = float(np.abs(root.T @ information @ root - np.eye(len(root))).max())
    digits = 1e-6 + 1e-12 * fit.condition
    is_rounded = np.array_equal(rounded_covariance(covariance), covariance)
    others = away > digits + (rounding(len(root), fit.condition) if is_rounded else 0.0)
    if is_rounded and not others:
        variances = np.diag(np.linalg.inv(information)) / np.diag(covariance_here)
        others = bool(np.abs(variances - 1).max() > len(root) * digits)
    if others:
        shares = np.diag(information) / np.diag(np.linalg.inv(covariance_here))
        j = int(np.abs(shares - 1).argmax())
        had = f"{fit.n} patients with {fit.n_event} events"
        found = f"others, who tell {shares[j]:.3g} times as much of {fit.names[j]}"
        raise _others(had, found, "Of others, fit the model there and test that fit.")


def _others(had: str, found: str, remedy: str) -> FormulaError:
    return FormulaError(
        f"The fit is of {had}, and this federation's are {found}: give the federation, with the condition, that the model was fitted "
        f"on. {remedy}".rstrip()
    )
