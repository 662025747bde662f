"""What a path of penalties, and its cross-validation, return: frozen results with tidy frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PenaltyPath:
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
    points : int               coefficients at which the sites were asked for derivatives
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
    points: int
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
        cost = {"points": self.points, "rounds": self.rounds, "bytes": self.n_bytes}
        return pd.DataFrame([row | cost | {"sites": len(self.sites), "status": self.status}])

    def __str__(self) -> str:
        head = f"penalty path ({self.family}) of {self.formula}, mixing {self.mixing:g}"
        return f"{head}\n{self.coef.to_string()}"

    def _repr_html_(self) -> str:
        table = self.coef.to_html(float_format="%.4g")
        return f"<p>{escape(self.formula)}, mixing {self.mixing:g}</p>{table}"
