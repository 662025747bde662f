"""What an analysis other than a regression returns: frozen results with tidy frames."""

from dataclasses import dataclass
from html import escape

import pandas as pd

#: Of a table: the group of everybody, and the level that stands for those too small to be seen.
OVERALL, NOT_SHOWN = "Overall", "(not shown)"


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
class PredictedSurvival:
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

    def tidy(self) -> pd.DataFrame:
        """One row a set of covariates, site (of a baseline hazard of its own), stratum and time."""
        return self.frame.copy()

    def glance(self) -> pd.DataFrame:
        """One row: how it was predicted and what it cost."""
        row = {"status": self.status, "rounds": self.rounds, "bytes": self.n_bytes, "sites": len(self.sites)}
        return pd.DataFrame([row])

    def _repr_html_(self) -> str:
        return str(self.frame.to_html(index=False, float_format="%.4g"))


@dataclass(frozen=True)
class Table:
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
