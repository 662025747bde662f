"""What is worked out of a table of counts besides a curve: tests, restricted means, incidences, hazard ratios by period."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pandas as pd

from fedstats.contract.curve import nobody_in, read_at, times_given
from fedstats.contract.one_frame import WithStatus
from fedstats.contract.printed import dropped_in_words
from fedstats.numerics.survival_table import ConfType


@dataclass(frozen=True, kw_only=True, repr=False)
class CountedResult(WithStatus):
    """What every one of them has.

    Attributes
    ----------
    formula : str
    frame : DataFrame     what :meth:`tidy` shows
    unit : str            of time
    status : str          ``"exact"``, ``"exact on the grid of <width>"`` (times moved to the right edges of their cells), or
                          ``"approximate ..."``, with bounds in the frame
    landmark : float      from which time on; 0: from the beginning
    grid : tuple          right edges of the cells; none on distinct times
    dropped : int         patients left out for an empty cell in one of the question's columns
    empty : tuple         groups of which nobody is at risk: they have no part
    """

    formula: str
    frame: pd.DataFrame
    unit: str
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    landmark: float = 0.0
    grid: tuple[float, ...] = ()
    dropped: int = 0
    empty: tuple[str, ...] = ()

    def glance(self) -> pd.DataFrame:
        """One row: what was found, patients left out, how it was worked out, and what it cost."""
        row = super().glance()
        row.insert(len(self._summary()), "dropped", self.dropped)
        return row

    def tidy(self) -> pd.DataFrame:
        """The table, one row an estimate; ``attrs["dropped"]`` are patients left out for an empty cell."""
        frame = self.frame.copy()
        frame.attrs["dropped"] = self.dropped
        return frame

    def _heading(self) -> str:
        found = self._summary().items()
        said = [f"{name} {value:.4g}" for name, value in found if isinstance(value, float | int)]
        said += [dropped_in_words(self.dropped)] if self.dropped else []
        return f"{self.title}, {self.formula} ({self.status}){': ' + ', '.join(said) if said else ''}"

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes())
        return f"<p>{escape(self._heading())}</p>{self.frame.to_html(index=False, float_format='%.4g', na_rep='')}{notes}"

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *self._notes()])

    def _notes(self) -> list[str]:
        """What one has to know of who has a part, a sentence each."""
        return nobody_in(self.empty)


@dataclass(frozen=True, kw_only=True, repr=False)
class CurvePoints(CountedResult):
    """Milestones or quantiles of a curve; ``frame`` is that of :meth:`fedstats.Curve.at` or :meth:`fedstats.Curve.quantiles`."""

    level: float = 0.95

    title = "Points of a curve"


@dataclass(frozen=True, kw_only=True, repr=False)
class LogRankTest(CountedResult):
    """Test that the hazards of all groups are equal; ``frame`` has group n observed expected, weighted where ``rho`` or ``gamma`` is.

    Attributes
    ----------
    statistic : float, df : int, p_value : float     chi-squared
    rho, gamma : float                               weights S(t-)^rho (1 - S(t-))^gamma
    strata : tuple of str                            columns within whose levels groups are compared
    """

    statistic: float
    df: int
    p_value: float
    rho: float = 0.0
    gamma: float = 0.0
    strata: tuple[str, ...] = ()

    title = "Log-rank test"

    def _summary(self) -> dict[str, object]:
        return {"statistic": self.statistic, "df": self.df, "p_value": self.p_value}


@dataclass(frozen=True, kw_only=True, repr=False)
class MaxComboTest(CountedResult):
    """The most extreme of several weighted log-rank tests of two groups; ``frame`` has rho gamma statistic p_value of each.

    A statistic above zero: more events of the second group than were expected.

    Attributes
    ----------
    statistic : float       the most extreme of them
    p_value : float         that the most extreme one of correlated tests is as extreme
    alternative : str       "two-sided", or "less" or "greater" events of the second group
    """

    statistic: float
    p_value: float
    alternative: str = "two-sided"
    strata: tuple[str, ...] = ()

    title = "MaxCombo test"

    def _summary(self) -> dict[str, object]:
        return {"statistic": self.statistic, "p_value": self.p_value}


@dataclass(frozen=True, kw_only=True, repr=False)
class RestrictedMeans(CountedResult):
    """Restricted mean survival times; ``frame`` has group measure reference estimate std_error p_value conf_low conf_high low high.

    ``measure`` is "mean", "difference" or "ratio"; the latter two are to the ``reference``, and the standard error of a
    ratio is that of its logarithm.  The estimate on exact times lies between ``low`` and ``high``.

    Attributes
    ----------
    tau : float     the horizon
    """

    tau: float
    level: float = 0.95
    weights: str = ""
    robust: bool = False

    title = "Restricted mean survival times"

    def _summary(self) -> dict[str, object]:
        return {"tau": self.tau}


@dataclass(frozen=True, kw_only=True, repr=False)
class CumulativeIncidence(CountedResult):
    """Probability of having had each cause by a time, where the others compete.

    ``frame`` has group cause time n_risk n_event estimate std_error conf_low conf_high, start (of the row's cell), and low high,
    between which the estimate on exact times lies; with a row at time 0.
    """

    level: float = 0.95
    conf_type: ConfType = "log"

    title = "Cumulative incidence"

    def _printed(self) -> pd.DataFrame:
        """One row a group and cause: at risk in the beginning, those who had it, and the incidence where the curve ends."""
        rows = [
            {
                "group": group,
                "cause": cause,
                "n_risk": rows["n_risk"].iloc[0],
                "n_event": rows["n_event"].sum(),
            }
            | rows.iloc[-1][["time", "estimate", "std_error", "conf_low", "conf_high"]].to_dict()
            for (group, cause), rows in self.frame.groupby(["group", "cause"], sort=False)
        ]
        return pd.DataFrame(rows)

    def at(self, times: float | Iterable[float]) -> pd.DataFrame:
        """Incidences at milestones: one row a group, cause and time, as of :meth:`fedstats.Curve.at`.

        Raises
        ------
        ValueError
            A time that is none.
        """
        wanted = times_given(times)
        rows = [
            {"group": group, "cause": cause, "time": t} | read_at(rows, t, self.conf_type, self.level)
            for (group, cause), rows in self.frame.groupby(["group", "cause"], sort=False)
            for t in wanted
        ]
        return pd.DataFrame(rows)


@dataclass(frozen=True, kw_only=True, repr=False)
class PeriodHazardRatios(CountedResult):
    """Hazard ratios to the first group by period.

    ``frame`` has term period n_event estimate std_error statistic p_value conf_low conf_high, of logarithms.

    Attributes
    ----------
    constancy : DataFrame    term df statistic p_value: Wald tests that a ratio is the same in all periods
    """

    constancy: pd.DataFrame
    ties: str = "efron"
    strata: tuple[str, ...] = ()
    level: float = 0.95
    cuts: tuple[float, ...] = field(default=())

    title = "Hazard ratios by period, logarithms"

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """One row a group and period; estimates and intervals as ratios if ``exponentiate``."""
        frame = super().tidy()
        if exponentiate:
            ends = ["estimate", "conf_low", "conf_high"]
            frame[ends] = np.exp(frame[ends])
        return frame
