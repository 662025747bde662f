"""What standardised survival returns: a frozen result with tidy frames."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class StandardisedSurvival:
    """Survival that a Cox model expects on average, were a column the same for all patients.

    Attributes
    ----------
    column : str
    frame : DataFrame      value time estimate std_error conf_low conf_high, with a row at time 0
    contrasts : DataFrame  contrast time estimate std_error conf_low conf_high: every other value less the first
    status : str           ``"exact on the grid of <width>"``, or ``"exact"``
    """

    formula: str
    column: str
    frame: pd.DataFrame
    contrasts: pd.DataFrame
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    conf_type: str = "log"
    level: float = 0.95

    def tidy(self) -> pd.DataFrame:
        """One row a value and time."""
        return self.frame.copy()

    def differences(self) -> pd.DataFrame:
        """Survival of every other value less that of the first, one row a time."""
        return self.contrasts.copy()

    def glance(self) -> pd.DataFrame:
        """One row: how it was standardised and what it cost."""
        row = {"column": self.column, "status": self.status, "rounds": self.rounds, "bytes": self.n_bytes}
        return pd.DataFrame([row | {"sites": len(self.sites)}])

    def __str__(self) -> str:
        return (
            f"Survival by {self.column}, {self.formula} ({self.status})\n{self.frame.to_string(index=False)}"
        )

    def _repr_html_(self) -> str:
        return str(self.frame.to_html(index=False, float_format="%.4g"))
