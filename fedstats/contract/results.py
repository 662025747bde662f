"""What an analysis other than a regression returns: frozen results with tidy frames."""

from dataclasses import dataclass
from html import escape

import pandas as pd

from fedstats.contract.one_frame import WithStatus
from fedstats.contract.printed import Printed

#: Of a table: the group of everybody, and the level that stands for those too small to be seen.
OVERALL, NOT_SHOWN = "Overall", "(not shown)"


@dataclass(frozen=True, repr=False)
class PredictedSurvival(WithStatus):
    """Survival of patients with given covariates.

    Attributes
    ----------
    frame : DataFrame    row site stratum time cumulative_hazard estimate std_error conf_low conf_high, with a row at time 0
    status : str         ``"exact"`` or ``"exact on the grid of <width>"``
    """

    formula: str
    frame: pd.DataFrame
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    conf_type: str = "log"
    level: float = 0.95

    def _heading(self) -> str:
        return f"Survival and cumulative hazard of {self.formula} ({self.status}, {self.level * 100:g} % intervals)"


@dataclass(frozen=True, repr=False)
class Table(WithStatus):
    """A descriptive table, one row a variable, level and group.

    Attributes
    ----------
    frame : DataFrame     variable level group n percent mean sd median q1 q3 missing smd smd_max, and median_low
                          median_high q1_low q1_high q3_low q3_high: between them lies the true value
    refused : tuple       (variable, rule) of what a site's policy did not let out
    """

    by: str | tuple[str, ...] | None
    frame: pd.DataFrame
    refused: tuple[tuple[str, str], ...]
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    title = "Patient characteristics"

    def _repr_html_(self) -> str:
        bounds = [c for c in self.frame if str(c).endswith(("_low", "_high"))]  # on a page too wide with them
        return str(self.frame.drop(columns=bounds).to_html(index=False, float_format="%.4g", na_rep=""))


@dataclass(frozen=True, repr=False)
class NotAvailable(Printed):
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
