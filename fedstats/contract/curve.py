"""A survival curve and what is read off it: milestones, quantiles, the cumulative hazard."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.entries import listed
from fedstats.contract.printed import Printed, dropped_in_words, with_heading
from fedstats.contract.values import shown
from fedstats.numerics.survival_table import (
    ConfType,
    interpolated_time,
    nelson_aalen_estimate,
    quantile_cells,
    quantile_time,
    survival_interval,
    widest_interval,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Curve(Printed):
    """Survival curves by group, with a row at time 0.

    Attributes
    ----------
    frame : DataFrame   group time n_risk n_event estimate std_error conf_low conf_high, and start (of the
                        row's cell of the grid; the time itself without one: n_risk are at risk then),
                        n_censor, estimate_low (see ``grid_error``); missing where not known; n_enter, of those
                        at risk, who were not at risk in the row before
    medians : DataFrame group median conf_low conf_high, and median_low median_high: edges of the grid
                        between which the median on exact times lies; the interval of a curve on a grid
                        ends at edges too and contains the one on exact times (but for robust standard errors)
    unit : str          of time
    status : str        ``"exact"`` or ``"exact on the grid of <width>"``, with its end where that is before the agreed one
    grid_error : float  how far at most the curve on exact times lies below this one, at the edges of the
                        grid; never above.  NaN: not known
    weights : str       column of case weights, of which the numbers at risk and of events are then sums; else empty
    robust : bool       standard errors by the infinitesimal jackknife, not Greenwood's
    reverse : bool      of the end of follow-up: events are those who left without one
    landmark : float    from which time on; 0: from the beginning
    dropped : int       patients left out for an empty cell in one of the curve's columns
    empty : tuple       groups of which nobody is at risk: there is no curve of them
    """

    formula: str
    frame: pd.DataFrame
    medians: pd.DataFrame
    unit: str
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    conf_type: ConfType = "log"
    level: float = 0.95
    grid_error: float = 0.0
    weights: str = ""
    robust: bool = False
    reverse: bool = False
    landmark: float = 0.0
    dropped: int = 0
    empty: tuple[str, ...] = ()

    @property
    def grid(self) -> tuple[float, ...]:
        """Right edges of the cells that the curve has rows of; none on distinct times."""
        on_grid = self.frame[self.frame["start"] < self.frame["time"]]
        return tuple(
            sorted({*on_grid["time"].tolist(), *([self.landmark] if self.landmark and len(on_grid) else [])})
        )

    @property
    def is_plain(self) -> bool:
        """A Kaplan-Meier curve of patients who count alike, from the beginning."""
        return not (self.weights or self.reverse or self.landmark)

    def tidy(self) -> pd.DataFrame:
        """One row a group and time; ``attrs["dropped"]`` are patients left out for an empty cell."""
        frame = self.frame.copy()
        frame.attrs["dropped"] = self.dropped
        return frame

    def glance(self) -> pd.DataFrame:
        """One row: what was estimated how, and what it cost."""
        groups = self.frame["group"].nunique()
        row = {
            "groups": groups,
            "dropped": self.dropped,
            "status": self.status,
            "grid_error": self.grid_error,
            "rounds": self.rounds,
        }
        return pd.DataFrame([row | {"bytes": self.n_bytes, "sites": len(self.sites)}])

    def at(self, times: float | Iterable[float]) -> pd.DataFrame:
        """Survival at milestones.

        Parameters
        ----------
        times : number or several
            In the unit of time.

        Returns
        -------
        DataFrame
            One row a group and time: group time estimate std_error conf_low conf_high, and low high, between which the
            estimate on exact times lies.  Between two edges of a grid the curve is drawn straight, with a standard error that
            is no smaller than that of the line.  Missing beyond the end of a curve that has not come down to zero.

        Raises
        ------
        ValueError
            A time that is none.
        """
        wanted = times_given(times)
        rows = [
            {"group": name, "time": t} | read_at(frame, t, self.conf_type, self.level)
            for name, frame in self.frame.groupby("group", sort=False)
            for t in wanted
        ]
        return pd.DataFrame(rows)

    def quantiles(self, probabilities: float | Iterable[float] = (0.25, 0.5, 0.75)) -> pd.DataFrame:
        """Times by which so many have had the event (Brookmeyer & Crowley 1982).

        Parameters
        ----------
        probabilities : number or several
            Between 0 and 1; 0.25 is the time at which survival has come down to 75 %.

        Returns
        -------
        DataFrame
            One row a group and probability: group probability estimate conf_low conf_high, and low high: edges of the grid
            between which the quantile on exact times lies.

        Raises
        ------
        ValueError
        """
        wanted = _numbers(
            probabilities, "probabilities", lambda p: 0 < p < 1, "probabilities between 0 and 1"
        )
        rows = [
            {"group": name, "probability": p}
            | quantile(frame, p, self.conf_type, self.level, robust=self.robust)
            for name, frame in self.frame.groupby("group", sort=False)
            for p in wanted
        ]
        return pd.DataFrame(rows)

    def cumulative_hazard(self) -> pd.DataFrame:
        """The Nelson-Aalen estimate of the cumulative hazard.

        Returns
        -------
        DataFrame
            One row a group and time: group time estimate std_error conf_low conf_high, and highest: on exact times the
            estimate is nowhere below this one at the edges of a grid, and at most so high.

        Raises
        ------
        ValueError
            The curve has robust standard errors, which this estimate is not given.
        """
        if self.robust:
            raise ValueError(
                "The standard error of a cumulative hazard is the model-based one: ask for a curve without robust."
            )
        parts = []
        for name, frame in self.frame.groupby("group", sort=False):
            later = frame.iloc[1:]
            n_risk, n_event = (later[c].to_numpy(float) for c in ("n_risk", "n_event"))
            found = nelson_aalen_estimate(n_risk, n_event, left_of(later), self.conf_type, self.level)
            zero = pd.DataFrame([dict.fromkeys(found._fields, 0.0)])
            part = pd.concat([zero, pd.DataFrame(found._asdict())], ignore_index=True)
            part.insert(0, "time", frame["time"].to_numpy())
            part.insert(0, "group", name)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    @property
    def _kind(self) -> str:
        kind = "Follow-up" if self.reverse else "Survival"
        return kind + (f", weighted by {self.weights}" if self.weights else "")

    def _groups(self) -> pd.DataFrame:
        """One row a group, as R prints a curve: patients, events, and the median with its interval."""
        found = [
            {"group": group, "n": _n_of(rows), "n_event": rows["n_event"].sum()}
            for group, rows in self.frame.groupby("group", sort=False)
        ]
        medians = self.medians[["group", "median", "conf_low", "conf_high"]]
        return pd.DataFrame(found).merge(medians, on="group", how="left")

    def _heading(self) -> str:
        dropped = f": {dropped_in_words(self.dropped)}" if self.dropped else ""
        return f"{self._kind}, {self.formula} ({self.status}){dropped}"

    def __str__(self) -> str:
        return "\n".join([with_heading(self._heading(), self._groups()), *self._notes()])

    def _repr_html_(self) -> str:
        medians = self.medians.to_html(index=False, float_format="%.4g")
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes())
        return f"<p>{escape(self._heading())}</p>{medians}{notes}"

    def _notes(self) -> list[str]:
        """What one has to know of who has a part, a sentence each."""
        return nobody_in(self.empty)


def nobody_in(groups: tuple[str, ...]) -> list[str]:
    """That groups are empty, as a sentence; none where there are none."""
    return [f"Nobody is at risk in {listed(groups)}: left out, as R does after droplevels."] if groups else []


def _n_of(frame: pd.DataFrame) -> float:
    """Patients of one group's rows: at risk in the first, and all who enter after the second, which has the same; weights of them summed."""
    found = float(frame["n_risk"].iloc[0] + frame["n_enter"].iloc[2:].sum())
    return int(found) if found.is_integer() else found


def left_of(frame: pd.DataFrame) -> Array:
    """At risk for a part of each row's cell alone; nobody on distinct times."""
    on_grid = (frame["start"] < frame["time"]).to_numpy()
    return np.where(on_grid, (frame["n_censor"] + frame["n_enter"]).to_numpy(float), 0.0)


def quantile(
    frame: pd.DataFrame, probability: float, conf_type: ConfType, level: float, *, robust: bool
) -> dict[str, float]:
    """A quantile of one group's curve with its interval, read off the curve and its bounds.

    On a grid the interval ends at edges; but for robust standard errors it contains the one on exact times.
    """
    time, estimate = frame["time"].to_numpy(), frame["estimate"].to_numpy()
    # beyond the last defined bound the lower one is zero and the upper one has not come down
    low, high = frame["conf_low"].fillna(0.0).to_numpy(), frame["conf_high"].fillna(1.0).to_numpy()
    if not (frame["start"] < frame["time"]).any():
        found = quantile_time(time, estimate, probability)
        limits = (quantile_time(time, bound, probability) for bound in (low, high))
        return dict(
            zip(
                ("estimate", "conf_low", "conf_high", "low", "high"),
                (found, *limits, found, found),
                strict=True,
            )
        )
    within = quantile_cells(time, estimate, frame["estimate_low"].to_numpy(), probability)
    if not robust:
        later = frame.iloc[1:]
        n_risk, n_event = (later[c].to_numpy(float) for c in ("n_risk", "n_event"))
        widest = widest_interval(n_risk, n_event, left_of(later), conf_type, level)
        low, high = (np.append(1.0, bound) for bound in widest)
    ends = quantile_cells(time, high, low, probability)
    found = interpolated_time(time, estimate, probability)
    return dict(
        zip(("estimate", "conf_low", "conf_high", "low", "high"), (found, *ends, *within), strict=True)
    )


def read_at(frame: pd.DataFrame, t: float, conf_type: ConfType, level: float) -> dict[str, float]:
    """Estimate with interval at a time, and between which values it lies on exact times, of one group's rows.

    Parameters
    ----------
    frame : DataFrame
        time start estimate std_error conf_low conf_high, and low high or estimate_low; a row at the beginning.
    """
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    if "low" not in frame:
        frame = frame.assign(low=frame["estimate_low"], high=frame["estimate"])
    time, on_grid = frame["time"].to_numpy(), bool((frame["start"] < frame["time"]).any())
    place = int(np.searchsorted(time, t * (1 + 1e-9), side="right")) - 1
    row, is_last = frame.iloc[max(place, 0)], place == len(time) - 1
    is_flat = "estimate_low" in frame and row["estimate"] == 0
    if place < 0 or (is_last and t > time[-1] * (1 + 1e-9) and not is_flat):
        return dict.fromkeys((*columns, "low", "high"), np.nan)
    if is_last or not on_grid or np.isclose(t, time[place], rtol=1e-9):
        return {c: float(row[c]) for c in (*columns, "low", "high")}
    following = frame.iloc[place + 1]
    part = (t - time[place]) / (time[place + 1] - time[place])
    estimate, error = (
        float((1 - part) * row[c] + part * np.nan_to_num(following[c])) for c in ("estimate", "std_error")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = survival_interval(np.array([estimate]), np.array([error / estimate]), conf_type, level)
    known = dict(zip(columns, (estimate, error, float(low[0]), float(high[0])), strict=True))
    bounds = [row["low"], row["high"], following["low"], following["high"]]
    return known | {"low": float(np.min(bounds)), "high": float(np.max(bounds))}


def times_given(times: float | Iterable[float]) -> list[float]:
    """Times from 0 on, one or several.

    Raises
    ------
    ValueError
    """
    return _numbers(times, "times", lambda t: 0 <= t < np.inf, "times from 0 on")


def _numbers(given: object, name: str, holds: Callable[[float], bool], words: str) -> list[float]:
    wrong = ValueError(f"{name} is {shown(given)}; give {words}.")
    several: Any = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    try:
        found = [float(v) for v in several]
    except (TypeError, ValueError):
        raise wrong from None
    if isinstance(given, str) or not found or not all(holds(v) for v in found):
        raise wrong
    return found
