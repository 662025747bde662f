"""Survival curves with confidence bands, labels at the curves and the numbers at risk beneath."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fedstats.reporting.curve_drawing import (
    TABLE_FOLD,
    Curves,
    draw_curve,
    label_curves,
    make_room,
    new_axes,
    sample_line,
)
from fedstats.reporting.formats import MISSING, count
from fedstats.reporting.measure import LINE, above, size
from fedstats.reporting.palette import (
    QUIET,
    RULE,
    drawing_style,
    finite,
    fold_label,
    require,
)
from fedstats.reporting.ticks import grid_ticks, time_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WITHOUT_TABLE = ("group", "time", "estimate", "std_error", "conf_low", "conf_high")
_COLUMNS = (*_WITHOUT_TABLE, "n_risk", "n_event")


def survival_plot(
    curve: pd.DataFrame,
    *,
    unit: str = "months",
    ax: "Axes | None" = None,
    risk_table: bool = True,
    title: str | None = None,
    outcome: str = "Survival",
) -> "Axes":
    """Draw survival curves as steps.

    Parameters
    ----------
    curve : DataFrame
        Columns group, time, n_risk, n_event, estimate, std_error, conf_low, conf_high, with a row at time 0 for each
        group; of a curve on a grid also start, the left edge of the row's cell, and n_censor.  Where a bound is
        missing there is no band; where a number at risk is missing there is a dash.  Without numbers at risk
        beneath, n_risk and n_event are not needed.
    unit : str
        Unit of time; it names the axis and chooses its ticks.
    ax : Axes, optional
        Where to draw; the numbers at risk then need room beneath.
    risk_table : bool
        Numbers at risk beneath the curves?
    title : str, optional
    outcome : str
        What the vertical axis measures.

    Returns
    -------
    Axes
    """
    require(curve, _COLUMNS if risk_table else _WITHOUT_TABLE, "A survival plot")
    curves = [
        (str(name), rows.sort_values("time"))
        for name, rows in curve.groupby("group", sort=False, dropna=False)
    ]
    times = finite(curve["time"])
    if not times.size or times.max() <= 0:
        raise ValueError("A survival plot needs at least one time after 0.")
    with drawing_style():
        axes = new_axes() if ax is None else ax
        if ax is None:
            make_room(axes, [name for name, _ in curves] if len(curves) > 1 else [], table=risk_table)
        for number, (_, rows) in enumerate(curves):
            draw_curve(axes, rows, number, alpha=0.16 if len(curves) < 4 else 0.09)
        edges = _grid_edges(curve)
        ticks = grid_ticks(edges, unit) if edges else time_ticks(float(times.max()), unit)
        _frame(axes, float(times.max()), ticks, unit, outcome, title)
        if len(curves) > 1:
            label_curves(axes, curves)
        if risk_table:
            _draw_risk_table(axes, curves, ticks)
    return axes


def numbers_at_risk(rows: pd.DataFrame, ticks: list[float]) -> list[float]:
    """Patients still at risk at each tick, NaN where that is not known.

    Without a grid that is R's number, of patients with a time at or after the tick.  On a grid the ``n_risk`` of a row
    are at risk at the start of its cell, so at an edge the row counts whose cell starts there: a time after the edge.

    Parameters
    ----------
    rows : DataFrame
        The rows of one group, sorted by time.
    ticks : list of float
    """
    times, at_risk = rows["time"].to_numpy(float), rows["n_risk"].to_numpy(float)
    starts = rows["start"].to_numpy(float) if "start" in rows else times
    on_grid = bool((starts < times).any())
    found = []
    for tick in ticks:
        if tick < times[0] - 1e-9:  # before a landmark
            found.append(math.nan)
            continue
        place = int(np.searchsorted(starts, tick - 1e-9, side="left"))
        if place == len(times):
            found.append(_after_the_last(rows))
        elif on_grid and place and times[place - 1] <= tick + 1e-9 < starts[place] - 1e-9:
            found.append(0.0)  # cells in which nobody is at risk have no row
        else:
            found.append(float(at_risk[place]))
    return found


def _after_the_last(rows: pd.DataFrame) -> float:
    """At risk after the last row: 0, or not known where the grid ends before the follow-up."""
    last = rows.iloc[-1]
    return 0.0 if "n_censor" not in rows else float(last["n_risk"] - last["n_event"] - last["n_censor"])


def _grid_edges(curve: pd.DataFrame) -> list[float]:
    """Edges of the grid of a curve; none where its rows are at distinct times."""
    on_grid = "start" in curve and bool((curve["start"] < curve["time"]).any())
    return sorted({0.0, *curve["time"].astype(float)}) if on_grid else []


def _frame(axes: "Axes", end: float, ticks: list[float], unit: str, outcome: str, title: str | None) -> None:
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1.0)
    axes.set_xticks(ticks, [f"{tick:.0f}" if end > 30 else f"{tick:g}" for tick in ticks])
    shares = (0, 0.25, 0.5, 0.75, 1)
    axes.set_yticks(shares, [f"{share:.0%}" for share in shares])
    axes.set_xlabel(f"Time ({unit})", labelpad=6)
    axes.text(0, 1, outcome, transform=above(axes, 9), ha="left", va="bottom")
    axes.grid(axis="y", color=RULE, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    for line in axes.lines:
        line.set_clip_on(False)
    if title:
        axes.set_title(title, pad=30)


def _draw_risk_table(axes: "Axes", curves: Curves, ticks: list[float]) -> None:
    width, tall = size(axes)
    labels = [fold_label(name, TABLE_FOLD) if len(curves) > 1 else "" for name, _ in curves]
    lines = [label.count("\n") + 1 for label in labels]
    room = sum(lines) * LINE + 0.06 * len(lines)
    table = axes.inset_axes((0, -(0.78 + room) / tall, 1, room / tall))
    table.set_axis_off()
    table.set_xlim(axes.get_xlim())
    table.set_ylim(room, 0)
    table.text(
        0, 1, "Number at risk", transform=above(table, 3), va="bottom", ha="left", color=QUIET, fontsize=8.5
    )
    top = 0.0
    for number, ((_, rows), label, n_lines) in enumerate(zip(curves, labels, lines, strict=True)):
        middle = top + (n_lines * LINE + 0.06) / 2
        top = 2 * middle - top
        for tick, at_risk in zip(ticks, numbers_at_risk(rows, ticks), strict=True):
            # where the grid ends nothing is known of the next cell: no dash, but nothing
            beyond = "start" in rows and tick >= rows["time"].iloc[-1] - 1e-9
            shown = count(at_risk) if math.isfinite(at_risk) else "" if beyond else MISSING
            table.text(tick, middle, shown, ha="center", va="center", fontsize=8.5)
        if len(curves) > 1:
            sample_line(table, number, (-0.70 / width, -0.42 / width), 1 - middle / room)
            table.text(
                -0.76 / width, 1 - middle / room, label, transform=table.transAxes, ha="right", va="center",
                fontsize=8.5, linespacing=1.15,
            )  # fmt: skip
