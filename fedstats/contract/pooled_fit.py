"""Fits of completed copies of the data put together by Rubin's rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.combinations import Combination, combinations_of
from fedstats.contract.hypotheses import coefficient_table
from fedstats.contract.printed import Printed
from fedstats.numerics.rubins_rules import JointTest, PooledEstimates, joint_wald_test, pooled_estimates

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class PooledHypothesis(Printed):
    """Combinations of coefficients over all copies, and the test (D1) of what they should be.

    Attributes
    ----------
    names : tuple of str     ``C(ecog)[2] - C(ecog)[1]``
    pooled : PooledEstimates
    test : JointTest
    null : (k,)              values under the hypothesis
    level : float            coverage of the intervals
    """

    names: tuple[str, ...]
    pooled: PooledEstimates
    test: JointTest
    null: Array
    level: float

    @property
    def statistic(self) -> float:
        """F of all combinations together."""
        return self.test.statistic

    @property
    def p_value(self) -> float:
        """Of the joint test."""
        return self.test.p_value

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """One row a combination: term estimate std_error statistic p_value conf_low conf_high df missing_information."""
        return _table(self.names, self.pooled, self.null, self.level, exponentiate=exponentiate)

    def __str__(self) -> str:
        said = (f"{name} = {null:g}" for name, null in zip(self.names, self.null, strict=True))
        test = f"F {self.statistic:.4g} on {self.test.df:g} and {self.test.df_denominator:.4g} df, p {self.p_value:.4g}"
        return f"Hypothesis {' and '.join(said)}; {test}\n{self.tidy().to_string(index=False)}"


@dataclass(frozen=True, repr=False)
class PooledFit(Printed):
    """One model fitted to m completed copies of the data, put together.  Made by :func:`fedstats.pool_imputed`.

    Attributes
    ----------
    formula, kind, effect : str    as of each fit
    names, terms : tuple of str    coefficients, and the term of each as it was written
    estimates : (m, p)             coefficients of each copy
    covariances : (m, p, p)        theirs
    df_complete : float            degrees of freedom were nothing missing
    n, n_event, dropped : int      of the copy with the fewest patients; they differ where a copy has cells that stay empty
    level : float                  coverage of the intervals
    assumption : str               a sensitivity analysis' in words, such as ``albumin - 0.3 where it was missing``; empty: none
    """

    formula: str
    kind: str
    effect: str
    names: tuple[str, ...]
    terms: tuple[str, ...]
    estimates: Array
    covariances: Array
    df_complete: float
    n: int
    n_event: int
    dropped: int
    level: float
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    status: str = "multiple imputation"
    assumption: str = ""

    @cached_property
    def pooled(self) -> PooledEstimates:
        """Means, variances within and between copies, degrees of freedom, missing information."""
        return pooled_estimates(self.estimates, self.covariances, self.df_complete)

    @property
    def m(self) -> int:
        """Copies."""
        return len(self.estimates)

    @property
    def is_ratio(self) -> bool:
        """Whether coefficients are logarithms of ratios, and not differences of means."""
        return self.effect.endswith("ratio")

    @property
    def coef(self) -> pd.Series:
        """Coefficients by term."""
        return pd.Series(self.pooled.estimate, index=list(self.names), name="estimate")

    @property
    def vcov(self) -> pd.DataFrame:
        """Total covariance matrix, by term."""
        return pd.DataFrame(self.pooled.total, index=list(self.names), columns=list(self.names))

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """One row a term: term estimate std_error statistic p_value conf_low conf_high df missing_information.

        Intervals and tests are of Student's t with the degrees of freedom of Barnard & Rubin.

        Raises
        ------
        ValueError
            ``exponentiate`` of differences of means.
        """
        if exponentiate and not self.is_ratio:
            raise ValueError("Differences of means are no logarithms: ask for them without exponentiate.")
        null = np.zeros(len(self.names))
        return _table(self.names, self.pooled, null, self.level, exponentiate=exponentiate)

    def joint_tests(self) -> pd.DataFrame:
        """Tests (D1) of all coefficients of a term together, one row a term: term df df_denominator statistic p_value."""
        terms = np.array(self.terms or self.names)
        rows = []
        for term in dict.fromkeys(t for t in terms.tolist() if t != "Intercept"):
            test = self._test(np.eye(len(terms))[terms == term])
            rows.append({"term": term, **_test_row(test)})
        return pd.DataFrame(rows, columns=["term", "df", "df_denominator", "statistic", "p_value"])

    def linear_hypothesis(
        self, weights: Combination | Sequence[Combination], value: float | Sequence[float] = 0.0
    ) -> PooledHypothesis:
        """Test that combinations of coefficients have given values, as :meth:`Fit.linear_hypothesis` is asked.

        Raises
        ------
        TypeError, ValueError
            A name that is no coefficient, no weights, or combinations of which one follows from the others.
        """
        words, matrix, null = combinations_of(weights, value, self.names)
        estimates, covariances = self._combined(matrix)
        found = pooled_estimates(estimates, covariances, self.df_complete)
        return PooledHypothesis(words, found, self._test(matrix, null), null, self.level)

    def _combined(self, matrix: Array) -> tuple[Array, Array]:
        return self.estimates @ matrix.T, matrix @ self.covariances @ matrix.T

    def _test(self, matrix: Array, null: Array | float = 0.0) -> JointTest:
        estimates, covariances = self._combined(matrix)
        return joint_wald_test(estimates - null, covariances, self.df_complete)

    def glance(self) -> pd.DataFrame:
        """One row: copies, sizes, the test of all coefficients, the largest fraction of missing information, and what it cost."""
        slopes = np.array([name != "Intercept" for name in self.names])
        row: dict[str, float] = {"m": self.m, "n": self.n, "n_event": self.n_event, "dropped": self.dropped}
        if slopes.any():
            test = self._test(np.eye(len(self.names))[slopes])
            row |= {f"wald_{name}": value for name, value in _test_row(test).items()}
        row |= {"missing_information": float(self.pooled.missing.max()), "df_complete": self.df_complete}
        cost = {"rounds": self.rounds, "bytes": self.n_bytes, "sites": len(self.sites)}
        return pd.DataFrame([row | cost | {"status": self.status, "assumption": self.assumption}])

    def __str__(self) -> str:
        return f"{self._head}\n{self.tidy().to_string(index=False)}"

    def _repr_html_(self) -> str:
        table = self.tidy(exponentiate=self.is_ratio).to_html(index=False, float_format="%.4g")
        return f"<p>{escape(self._head)}</p>{table}"

    @property
    def _head(self) -> str:
        events = "" if self.kind == "glm" and not self.n_event else f", {self.n_event} events"
        assumed = f"; assumed: {self.assumption}" if self.assumption else ""
        head = f"{self.kind}({self.formula}), {self.m} completed copies ({self.status})"
        return f"{head}: {self.n} patients{events}{assumed}"


def _test_row(test: JointTest) -> dict[str, float]:
    return {
        "df": test.df,
        "df_denominator": test.df_denominator,
        "statistic": test.statistic,
        "p_value": test.p_value,
    }


def _table(
    names: Sequence[str], pooled: PooledEstimates, null: Array, level: float, *, exponentiate: bool
) -> pd.DataFrame:
    table = coefficient_table(
        names, pooled.estimate, pooled.total, null, level, exponentiate=exponentiate, df=pooled.df
    )
    return table.assign(df=pooled.df, missing_information=pooled.missing)
