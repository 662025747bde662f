"""What standardised survival returns: a frozen result with tidy frames."""

from dataclasses import dataclass

import pandas as pd

from fedstats.contract.one_frame import WithStatus


@dataclass(frozen=True, repr=False)
class StandardisedSurvival(WithStatus):
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

    def differences(self) -> pd.DataFrame:
        """Survival of every other value less that of the first, one row a time."""
        return self.contrasts.copy()

    def _summary(self) -> dict[str, object]:
        return {"column": self.column}

    def _heading(self) -> str:
        return f"Standardised survival by {self.column}, {self.formula} ({self.status})"
