"""What standardised risks and average marginal effects return: frozen results with tidy frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.hypotheses import coefficient_table
from fedstats.contract.printed import Printed

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class StandardisedRisks(Printed):
    """What a model expects on average, were a column the same for all patients.

    Attributes
    ----------
    column : str
    values : tuple of str     of the column, the reference first
    measure : str             ``"risk"`` of a 0/1 outcome, else ``"mean"``
    estimates : (v,)
    covariance : (v, v)
    """

    column: str
    values: tuple[str, ...]
    measure: str
    estimates: Array
    covariance: Array
    level: float
    df_residual: float
    rounds: int
    n_bytes: int

    def tidy(self) -> pd.DataFrame:
        """One row a risk, difference and ratio: measure term estimate std_error statistic p_value conf_low conf_high.

        Differences and ratios are to the first value.  Of a ratio the standard error is that of its logarithm; a risk by
        itself is not tested.
        """
        risks = self._table(self.measure, self.values, np.eye(len(self.values)))
        risks[["statistic", "p_value"]] = np.nan
        return pd.concat([risks, self.differences(), self.ratios()], ignore_index=True)

    def differences(self) -> pd.DataFrame:
        """Every other value less the first."""
        contrasts = np.eye(len(self.values))[1:]
        contrasts[:, 0] = -1.0
        names = [f"{value} - {self.values[0]}" for value in self.values[1:]]
        return self._table(f"{self.measure} difference", names, contrasts)

    def ratios(self) -> pd.DataFrame:
        """Every other value over the first, where all are above zero; else none."""
        names = [f"{value} / {self.values[0]}" for value in self.values[1:]]
        if (self.estimates <= 0).any():
            return self._table(f"{self.measure} ratio", [], np.zeros((0, len(self.values))))
        contrasts = np.eye(len(self.values))[1:]
        contrasts[:, 0] = -1.0
        return self._table(f"{self.measure} ratio", names, contrasts / self.estimates, exponentiate=True)

    def _table(
        self, measure: str, names: Sequence[str], jacobian: Array, *, exponentiate: bool = False
    ) -> pd.DataFrame:
        """Of combinations of the risks, or of their logarithms (whose slopes the Jacobian holds)."""
        contrasts = np.sign(jacobian) if exponentiate else jacobian
        estimates = contrasts @ (np.log(self.estimates) if exponentiate else self.estimates)
        table = coefficient_table(
            names,
            estimates,
            jacobian @ self.covariance @ jacobian.T,
            np.zeros(len(names)),
            self.level,
            exponentiate=exponentiate,
            df=self.df_residual,
        )
        table.insert(0, "measure", measure)
        return table

    def __str__(self) -> str:
        head = f"Standardised {self.measure}s by {self.column} ({self.level * 100:g} % intervals)"
        return f"{head}\n{self.tidy().to_string(index=False, na_rep='')}"

    def _repr_html_(self) -> str:
        return str(self.tidy().to_html(index=False, float_format="%.4g"))


@dataclass(frozen=True, repr=False)
class MarginalEffects(Printed):
    """Average marginal effects; ``frame`` has one row an effect: term contrast estimate std_error statistic p_value conf_low conf_high."""

    frame: pd.DataFrame
    rounds: int
    n_bytes: int
    level: float = 0.95

    def tidy(self) -> pd.DataFrame:
        """One row an effect."""
        return self.frame.copy()

    def __str__(self) -> str:
        head = f"Average marginal effects ({self.level * 100:g} % intervals)"
        return f"{head}\n{self.frame.to_string(index=False)}"

    def _repr_html_(self) -> str:
        return str(self.frame.to_html(index=False, float_format="%.4g"))
