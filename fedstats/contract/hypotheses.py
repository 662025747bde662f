"""Wald tests of coefficients, one by one and together."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, norm
from scipy.stats import f as f_distribution
from scipy.stats import t as student

from fedstats.contract.printed import Printed

if TYPE_CHECKING:
    from fedstats.contract.fit import Fit

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class LinearHypothesis(Printed):
    """Combinations of coefficients and the Wald test of what they should be.

    Attributes
    ----------
    names : tuple of str     ``C(ecog)[2] - C(ecog)[1]``
    estimates : (k,)
    covariance : (k, k)
    null : (k,)              values under the hypothesis
    level : float            coverage of the intervals
    df_residual : float      on which a dispersion is estimated; infinite where none is
    """

    names: tuple[str, ...]
    estimates: Array
    covariance: Array
    null: Array
    level: float
    df_residual: float = np.inf

    @property
    def statistic(self) -> float:
        """Chi-squared of all combinations together."""
        return wald_test(self.estimates - self.null, self.covariance)[0]

    @property
    def df(self) -> int:
        """Number of combinations."""
        return len(self.names)

    @property
    def p_value(self) -> float:
        """Of the joint test."""
        return wald_p_value(self.statistic, self.df, self.df_residual)

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """One row a combination: term estimate std_error statistic p_value conf_low conf_high."""
        return coefficient_table(
            self.names,
            self.estimates,
            self.covariance,
            self.null,
            self.level,
            exponentiate=exponentiate,
            df=self.df_residual,
        )

    def __str__(self) -> str:
        test = f"Wald test: statistic {self.statistic:.4g}, df {self.df}, p {self.p_value:.4g}"
        said = (f"{name} = {null:g}" for name, null in zip(self.names, self.null, strict=True))
        return f"Hypothesis {' and '.join(said)}; {test}\n{self.tidy().to_string(index=False)}"

    def _repr_html_(self) -> str:
        head, _, _ = str(self).partition("\n")
        return f"<p>{escape(head)}</p>{self.tidy().to_html(index=False, float_format='%.4g')}"


def wald_test(estimates: Array, covariance: Array) -> tuple[float, int]:
    """Chi-squared that all are zero, on the scale of their correlations, and its degrees of freedom."""
    std_error = np.sqrt(np.diag(covariance))
    z = estimates / std_error
    correlation = covariance / np.outer(std_error, std_error)
    return (float(z @ np.linalg.solve(correlation, z)) if len(z) else 0.0), len(z)


def likelihood_ratio_test(fit: "Fit", smaller: "Fit") -> pd.DataFrame:
    """Of a model and one that it contains: one row, df statistic p_value.

    Raises
    ------
    ValueError
    """
    both = (fit, smaller)
    if any(f.is_penalised or f.options.get("robust") or np.isfinite(f.df_residual) for f in both):
        raise ValueError(
            "A likelihood-ratio test is of fits without a penalty, a robust variance or a dispersion."
        )
    sizes = [(f.kind, f.n, f.n_event) for f in both]
    null = [f.loglik_null for f in both]
    if sizes[0] != sizes[1] or abs(null[0] - null[1]) > 1e-9 * abs(null[0]):
        raise ValueError(
            "The two models are of other patients, another outcome or other strata: the likelihoods of both must begin alike."
        )
    df = len(fit.names) - len(smaller.names)
    statistic = 2 * (fit.loglik - smaller.loglik)
    if df < 1 or statistic < -1e-8:
        raise ValueError(
            "The other model is not contained in this one: give the smaller one as the argument."
        )
    row = {"df": df, "statistic": max(statistic, 0.0), "p_value": float(chi2.sf(max(statistic, 0.0), df))}
    return pd.DataFrame([row])


def wald_p_value(statistic: float, df: float, df_residual: float) -> float:
    """Of chi-squared, or of F = chi-squared / df where a dispersion is estimated."""
    if np.isinf(df_residual) or not df:
        return float(chi2.sf(statistic, df))
    return float(f_distribution.sf(statistic / df, df, df_residual))


def coefficient_table(
    names: Sequence[str],
    estimates: Array,
    covariance: Array,
    null: Array,
    level: float,
    *,
    exponentiate: bool,
    df: float | Array = np.inf,
) -> pd.DataFrame:
    """One row an estimate: term estimate std_error statistic p_value conf_low conf_high; Student's t of finite ``df``, (p,) or one."""
    std_error = np.sqrt(np.diag(covariance))
    z = (estimates - null) / std_error
    law = norm if np.isinf(df).all() else student(df)
    half = law.ppf(0.5 + level / 2) * std_error
    scale = np.exp if exponentiate else np.asarray
    return pd.DataFrame(
        {
            "term": list(names),
            "estimate": scale(estimates),
            "std_error": std_error,
            "statistic": z,
            "p_value": 2 * law.sf(np.abs(z)),
            "conf_low": scale(estimates - half),
            "conf_high": scale(estimates + half),
        }
    )
