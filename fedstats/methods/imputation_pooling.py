"""One model fitted to completed copies of the data: the fits put together by Rubin's rules."""

from collections.abc import Mapping, Sequence

import numpy as np

from fedstats.contract.fit import Fit
from fedstats.contract.pooled_fit import PooledFit
from fedstats.contract.values import is_number, kind_of, shown

#: What completed copies of one model have in common, and what it is called.
_SAME = {"kind": "kind", "formula": "formula", "names": "coefficients", "sites": "sites"}
#: Of these options the values belong to a copy.
_OWN_OPTIONS = ("propensity",)


def pool_imputed(fits: Mapping[str, Fit] | Sequence[Fit], *, df_complete: float | None = None) -> PooledFit:
    """Put fits of completed copies of the data together.

    Parameters
    ----------
    fits : mapping or sequence of Fit
        One model, fitted by :func:`fedstats.cox`, :func:`fedstats.logistic` or :func:`fedstats.glm` to two copies or more.
    df_complete : float, optional
        Degrees of freedom were nothing missing: n - p unless given, of a Cox model events - p, as in ``mice::pool``; infinity for a
        normal law.

    Returns
    -------
    PooledFit

    Raises
    ------
    TypeError, ValueError
        Fewer than two fits, fits of different models, or without standard errors.
    """
    found = _checked(fits)
    if df_complete is None:
        df_complete = max(1.0, min(_complete_df(fit) for fit in found))
    elif df_complete != np.inf and not (is_number(df_complete) and df_complete > 0):
        raise ValueError(f"df_complete is {shown(df_complete)}; give a number above zero, or infinity.")
    first, fewest = found[0], min(found, key=lambda fit: fit.n)
    return PooledFit(
        first.formula,
        first.kind,
        first.effect,
        first.names,
        first.terms,
        np.stack([fit.beta for fit in found]),
        np.stack([fit.covariance for fit in found]),
        float(df_complete),
        fewest.n,
        fewest.n_event,
        fewest.dropped,
        first.level,
        sum(fit.rounds for fit in found),
        sum(fit.n_bytes for fit in found),
        first.sites,
    )


def _checked(fits: object) -> list[Fit]:
    given = list(fits.values()) if isinstance(fits, Mapping) else fits
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise TypeError(
            f"Give fits of completed copies, in a list or by name; this is {kind_of(fits)}: pool_imputed([fs.cox(copy, ...) for copy in copies])."
        )
    for fit in given:
        if not isinstance(fit, Fit):
            raise TypeError(
                f"Rubin's rules put fits together, and one of these is {kind_of(fit)} ({shown(str(fit))})."
            )
    if len(given) < 2:
        raise ValueError(f"Rubin's rules take two completed copies or more; there are {len(given)} fits.")
    first: Fit = given[0]
    for fit in given[1:]:
        for name, said in _SAME.items():
            if getattr(fit, name) != getattr(first, name):
                raise ValueError(f"The fits are of different models: their {said} differ.")
        if _options(fit) != _options(first):
            raise ValueError(
                "The fits are of different models: their options (weights, strata, ties ...) differ."
            )
    if not all(fit.has_std_errors for fit in given):
        raise ValueError("Rubin's rules take standard errors, and a lasso has none.")
    return list(given)


def _options(fit: Fit) -> dict[str, object]:
    return {name: value for name, value in fit.options.items() if name not in _OWN_OPTIONS}


def _complete_df(fit: Fit) -> float:
    if np.isfinite(fit.df_residual):
        return fit.df_residual
    counted = fit.n_event if fit.kind == "cox" else fit.n
    return float(counted - len(fit.names) - fit.intercepts)
