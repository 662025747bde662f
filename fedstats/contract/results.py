"""What an analysis returns: frozen results with tidy frames, never an object that is not finished."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, norm

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A fitted regression.

    Attributes
    ----------
    kind : str                 ``"cox"`` or ``"logistic"``
    formula : str
    names : tuple of str       one a coefficient
    beta : (p,)                on the scale of the columns as written
    covariance : (p, p)        of ``beta``; the sandwich where ``robust``
    loglik, loglik_null : float
    score_test : float         chi-squared of the score test against the null model, p df
    n, n_event, dropped : int
    steps, rounds, n_bytes : int
    options : mapping          what was asked for: ties, baseline, strata, weights ...
    level : float              coverage of the intervals
    status : str               how the estimate relates to the pooled one
    """

    kind: str
    formula: str
    names: tuple[str, ...]
    beta: Array
    covariance: Array
    loglik: float
    loglik_null: float
    score_test: float
    n: int
    n_event: int
    dropped: int
    steps: int
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    level: float = 0.95
    converged: bool = True
    status: str = "exact"

    @property
    def coef(self) -> pd.Series:
        """Coefficients by term."""
        return pd.Series(self.beta, index=list(self.names), name="estimate")

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the coefficients, by term."""
        return pd.DataFrame(self.covariance, index=list(self.names), columns=list(self.names))

    @property
    def effect(self) -> str:
        """What an exponentiated coefficient is called."""
        return {"cox": "Hazard ratio", "logistic": "Odds ratio"}[self.kind]

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """One row a term: term estimate std_error statistic p_value conf_low conf_high.

        Parameters
        ----------
        exponentiate : bool
            Give estimates and intervals as ratios; the standard error stays on the log scale.
        """
        std_error = np.sqrt(np.diag(self.covariance))
        z = self.beta / std_error
        half = norm.ppf(0.5 + self.level / 2) * std_error
        scale = np.exp if exponentiate else np.asarray
        return pd.DataFrame(
            {
                "term": list(self.names),
                "estimate": scale(self.beta),
                "std_error": std_error,
                "statistic": z,
                "p_value": 2 * norm.sf(np.abs(z)),
                "conf_low": scale(self.beta - half),
                "conf_high": scale(self.beta + half),
            }
        )

    def glance(self) -> pd.DataFrame:
        """One row: sizes, log-likelihoods, tests and what the fit cost in rounds and bytes."""
        p = len(self.names)
        slopes = np.array([name != "Intercept" for name in self.names])
        likelihood_ratio = 2 * (self.loglik - self.loglik_null)
        b = self.beta[slopes]
        wald = float(b @ np.linalg.solve(self.covariance[np.ix_(slopes, slopes)], b)) if slopes.any() else 0.0
        df = int(slopes.sum())
        counted = self.n_event if self.kind == "cox" else self.n  # BIC of a Cox model counts events
        return pd.DataFrame(
            [
                {
                    "n": self.n,
                    "n_event": self.n_event,
                    "dropped": self.dropped,
                    "loglik": self.loglik,
                    "loglik_null": self.loglik_null,
                    "lr_statistic": likelihood_ratio,
                    "lr_p_value": float(chi2.sf(likelihood_ratio, df)),
                    "wald_statistic": wald,
                    "wald_p_value": float(chi2.sf(wald, df)),
                    "score_statistic": self.score_test,
                    "score_p_value": float(chi2.sf(self.score_test, df)),
                    "df": df,
                    "aic": -2 * self.loglik + 2 * p,
                    "bic": -2 * self.loglik + p * np.log(counted) if counted else np.nan,
                    "steps": self.steps,
                    "rounds": self.rounds,
                    "bytes": self.n_bytes,
                    "sites": len(self.sites),
                    "converged": self.converged,
                    "status": self.status,
                }
            ]
        )

    def __str__(self) -> str:
        head = (
            f"{self.kind} {self.formula}\n{self.n} patients, {self.n_event} events, {len(self.sites)} sites"
        )
        return f"{head}, log-likelihood {self.loglik:.4f}\n{self.tidy().to_string(index=False)}"

    def _repr_html_(self) -> str:
        caption = escape(
            f"{self.formula} ({self.n} patients, {self.n_event} events, {len(self.sites)} sites)"
        )
        table = self.tidy(exponentiate=True).to_html(index=False, float_format="%.4g")
        return f"<p>{caption}</p>{table}"


@dataclass(frozen=True)
class Curve:
    """Survival curves by group, with a row at time 0.

    Attributes
    ----------
    frame : DataFrame   group time n_risk n_event estimate std_error conf_low conf_high, and start (of the
                        row's cell of the grid; the time itself without one: n_risk are at risk then),
                        n_censor, estimate_low (see ``grid_error``); missing where not known
    medians : DataFrame group median conf_low conf_high, and median_low median_high: edges of the grid
                        between which the median on exact times lies; the interval of a curve on a grid
                        ends at edges too and contains the one on exact times
    unit : str          of time
    status : str        ``"exact"`` or ``"exact on the grid of <width>"``
    grid_error : float  how far at most the curve on exact times lies below this one, at the edges of the
                        grid; never above.  NaN: not known
    """

    formula: str
    frame: pd.DataFrame
    medians: pd.DataFrame
    unit: str
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    conf_type: str = "log"
    level: float = 0.95
    grid_error: float = 0.0

    def tidy(self) -> pd.DataFrame:
        """One row a group and time."""
        return self.frame.copy()

    def glance(self) -> pd.DataFrame:
        """One row: what was estimated how, and what it cost."""
        groups = self.frame["group"].nunique()
        row = {"groups": groups, "status": self.status, "grid_error": self.grid_error, "rounds": self.rounds}
        return pd.DataFrame([row | {"bytes": self.n_bytes, "sites": len(self.sites)}])

    def __str__(self) -> str:
        return f"{self.formula} ({self.status})\n{self.medians.to_string(index=False)}"

    def _repr_html_(self) -> str:
        medians = self.medians.to_html(index=False, float_format="%.4g")
        return f"<p>{escape(self.formula)} ({escape(self.status)})</p>{medians}"


@dataclass(frozen=True)
class Table:
    """A descriptive table, one row a variable, level and group.

    Attributes
    ----------
    frame : DataFrame     variable level group n percent mean sd median q1 q3 missing smd, and median_low
                          median_high q1_low q1_high q3_low q3_high: between them lies the true value
    refused : tuple       (variable, rule) of what a site's policy did not let out
    """

    by: str | None
    frame: pd.DataFrame
    refused: tuple[tuple[str, str], ...]
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """One row a variable, level and group."""
        return self.frame.copy()

    def glance(self) -> pd.DataFrame:
        """One row: what it cost."""
        row = {"status": self.status, "rounds": self.rounds, "bytes": self.n_bytes, "sites": len(self.sites)}
        return pd.DataFrame([row])

    def __str__(self) -> str:
        return str(self.frame.to_string(index=False))

    def _repr_html_(self) -> str:
        bounds = [c for c in self.frame if str(c).endswith(("_low", "_high"))]  # on a page too wide with them
        return str(self.frame.drop(columns=bounds).to_html(index=False, float_format="%.4g", na_rep=""))


@dataclass(frozen=True)
class NotAvailable:
    """An analysis that was refused or could not be estimated; it stands in a report under its name.

    Attributes
    ----------
    status : str    ``"not released"`` or ``"not estimated"``
    reason : str    one sentence, without any patient's value
    """

    status: str
    reason: str

    def tidy(self) -> pd.DataFrame:
        """One row that says why there is nothing else."""
        return pd.DataFrame([{"status": self.status, "reason": self.reason}])

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}"

    def _repr_html_(self) -> str:
        return f"<p><strong>{escape(self.status)}</strong>: {escape(self.reason)}</p>"
