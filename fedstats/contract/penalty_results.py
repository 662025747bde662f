"""What a path of penalties, and its cross-validation, return: frozen results with tidy frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.printed import Printed
from fedstats.numerics.penalties import ElasticNet

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class PenaltyPath(Printed):
    """Fits of one model under penalties from strong to weak.

    Attributes
    ----------
    formula, family : str      ``"cox"`` for a Cox model
    names : tuple of str       one a coefficient
    mixing : float             glmnet's alpha
    strengths : (k,)           glmnet's lambda, falling
    beta : (k, p)              on the scale of the columns as written
    deviance : (k,)            twice what the log-likelihood falls short of a perfect fit; of a Cox model minus twice it
    null_deviance : float      with no coefficient but the intercept
    rounds : int               each but for the moments of the columns at a point of the model
    options : mapping          what was asked for: weights, offset, strata, ties
    """

    formula: str
    family: str
    names: tuple[str, ...]
    mixing: float
    strengths: Array
    beta: Array
    deviance: Array
    null_deviance: float
    n: int
    n_event: int
    dropped: int
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    status: str = "exact"

    @property
    def coef(self) -> pd.DataFrame:
        """Coefficients, a row a strength and a column a term."""
        return pd.DataFrame(
            self.beta, index=pd.Index(self.strengths, name="lambda"), columns=list(self.names)
        )

    @property
    def n_nonzero(self) -> NDArray[np.int64]:
        """How many coefficients but the intercept are other than zero, (k,)."""
        slopes = np.array([name != "Intercept" for name in self.names])
        return np.asarray(np.count_nonzero(self.beta[:, slopes], axis=1))

    def tidy(self) -> pd.DataFrame:
        """One row a strength and term: lambda term estimate n_nonzero deviance."""
        k, p = self.beta.shape
        return pd.DataFrame(
            {
                "lambda": np.repeat(self.strengths, p),
                "term": list(self.names) * k,
                "estimate": self.beta.ravel(),
                "n_nonzero": np.repeat(self.n_nonzero, p),
                "deviance": np.repeat(self.deviance, p),
            }
        )

    def glance(self) -> pd.DataFrame:
        """One row: sizes, the ends of the path, and what it cost."""
        row = {"n": self.n, "n_event": self.n_event, "dropped": self.dropped, "mixing": self.mixing}
        row |= {"strengths": len(self.strengths), "lambda_max": self.strengths[0]}
        row |= {"lambda_min": self.strengths[-1], "null_deviance": self.null_deviance}
        cost = {"rounds": self.rounds, "bytes": self.n_bytes}
        return pd.DataFrame([row | cost | {"sites": len(self.sites), "status": self.status}])

    def __str__(self) -> str:
        head = f"penalty path ({self.family}) of {self.formula}, mixing {self.mixing:g}"
        return f"{head}\n{self.coef.to_string()}"

    def _repr_html_(self) -> str:
        table = self.coef.to_html(float_format="%.4g")
        return f"<p>{escape(self.formula)}, mixing {self.mixing:g}</p>{table}"


@dataclass(frozen=True, repr=False)
class CrossValidation(Printed):
    """How well the fits of a path tell of patients who were left out of them.

    Attributes
    ----------
    path : PenaltyPath        fits of all patients
    folds : int or str        how many were drawn within each site, or the column that says them
    fold_deviance : (f, k)    deviance of the patients of a fold under the fit of the others, by unit of weight; of a
                              Cox model 2 (loglik of all - loglik without the fold) by event
    fold_weight : (f,)        sums of weights (of a Cox model, of its events)
    """

    path: PenaltyPath
    folds: int | str
    fold_deviance: Array
    fold_weight: Array

    @property
    def mean_deviance(self) -> Array:
        """Mean over the folds, by their weight, (k,)."""
        return np.asarray(np.average(self.fold_deviance, axis=0, weights=self.fold_weight))

    @property
    def std_error(self) -> Array:
        """Of the mean, from the spread between folds, (k,)."""
        squares = (self.fold_deviance - self.mean_deviance) ** 2
        return np.asarray(
            np.sqrt(np.average(squares, axis=0, weights=self.fold_weight) / (len(self.fold_weight) - 1))
        )

    @property
    def lambda_min(self) -> float:
        """The strength of the smallest mean deviance."""
        return float(self.path.strengths[int(np.argmin(self.mean_deviance))])

    @property
    def lambda_1se(self) -> float:
        """The largest strength whose mean deviance is within one standard error of the smallest."""
        best = int(np.argmin(self.mean_deviance))
        within = self.mean_deviance <= self.mean_deviance[best] + self.std_error[best]
        return float(self.path.strengths[within].max())

    def penalty(self, which: Literal["min", "1se"] = "min") -> ElasticNet:
        """The penalty of ``lambda_min`` or ``lambda_1se``, to fit with.

        Raises
        ------
        ValueError
        """
        if which not in ("min", "1se"):
            raise ValueError(f"which is {which!r}; choose 'min' or '1se'.")
        return ElasticNet(self.lambda_min if which == "min" else self.lambda_1se, self.path.mixing)

    def tidy(self) -> pd.DataFrame:
        """One row a strength: lambda mean_deviance std_error conf_low conf_high n_nonzero.

        ``conf_low`` and ``conf_high`` are one standard error away, as ``broom`` has them.
        """
        mean, error = self.mean_deviance, self.std_error
        return pd.DataFrame(
            {
                "lambda": self.path.strengths,
                "mean_deviance": mean,
                "std_error": error,
                "conf_low": mean - error,
                "conf_high": mean + error,
                "n_nonzero": self.path.n_nonzero,
            }
        )

    def glance(self) -> pd.DataFrame:
        """One row: the two strengths, sizes, and what it cost."""
        chosen = {
            "lambda_min": self.lambda_min,
            "lambda_1se": self.lambda_1se,
            "folds": len(self.fold_weight),
        }
        whole = self.path.glance().iloc[0]
        names = ("n", "n_event", "dropped", "mixing", "rounds", "bytes", "sites", "status")
        return pd.DataFrame([chosen | {name: whole[name] for name in names}])

    def __str__(self) -> str:
        chosen = f"lambda_min {self.lambda_min:.6g}, lambda_1se {self.lambda_1se:.6g}"
        return f"cross-validation of {self.path.formula}: {chosen}\n{self.tidy().to_string(index=False)}"

    def _repr_html_(self) -> str:
        table = self.tidy().to_html(index=False, float_format="%.4g")
        return f"<p>{escape(self.path.formula)}: lambda_min {self.lambda_min:.4g}, lambda_1se {self.lambda_1se:.4g}</p>{table}"
