"""Survival curves with confidence bands, labels at the curves and the numbers at risk beneath."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fedstats.reporting.formats import MISSING, count
from fedstats.reporting.measure import LINE, above, size, spread, text_width
from fedstats.reporting.palette import (
    COLOURS,
    DASHES,
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

_COLUMNS = ("group", "time", "n_risk", "n_event", "estimate", "std_error", "conf_low", "conf_high")
_TOTAL = 7.8  # inches that a whole figure takes
_TABLE_FOLD, _LABEL_FOLD = 22, 20  # characters in a line of a label, beside the table and beside the curves

_Curves = list[tuple[str, pd.DataFrame]]


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
        missing there is no band; where a number at risk is missing there is a dash.
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
    require(curve, _COLUMNS, "A survival plot")
    curves = [
        (str(name), rows.sort_values("time"))
        for name, rows in curve.groupby("group", sort=False, dropna=False)
    ]
    times = finite(curve["time"])
    if not times.size or times.max() <= 0:
        raise ValueError("A survival plot needs at least one time after 0.")
    with drawing_style():
        axes = _new_axes() if ax is None else ax
        if ax is None:
            _make_room(axes, [name for name, _ in curves] if len(curves) > 1 else [])
        for number, (_, rows) in enumerate(curves):
            _draw_curve(axes, rows, number, alpha=0.16 if len(curves) < 4 else 0.09)
        edges = _grid_edges(curve)
        ticks = grid_ticks(edges, unit) if edges else time_ticks(float(times.max()), unit)
        _frame(axes, float(times.max()), ticks, unit, outcome, title)
        if len(curves) > 1:
            _label_curves(axes, curves)
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


def _new_axes() -> "Axes":
    return Figure(figsize=(_TOTAL, 4.2)).add_axes((0.1, 0.12, 0.72, 0.76))


def _make_room(axes: "Axes", names: list[str]) -> None:
    """Make the axes as wide as the labels on both sides leave them, so that all figures are about one width."""
    left, right = (
        max((_label_width(axes, fold_label(name, fold)) for name in names), default=0)
        for fold in (_TABLE_FOLD, _LABEL_FOLD)
    )
    margin = max(0.55, left + 0.8 if names else 0)
    width = max(4.0, _TOTAL - margin - (right + 0.55 if names else 0.2))
    box = axes.get_position()
    axes.set_position((margin / _TOTAL, box.y0, width / _TOTAL, box.height))


def _label_width(axes: "Axes", label: str) -> float:
    text = axes.text(0, 0, label)
    width = text_width(axes, text)
    text.remove()
    return width


def _draw_curve(axes: "Axes", rows: pd.DataFrame, number: int, alpha: float) -> None:
    colour = COLOURS[number % len(COLOURS)]
    times = rows["time"].to_numpy(float)
    low, high = (rows[name].to_numpy(float) for name in ("conf_low", "conf_high"))
    known = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(
        times, low, high, where=known, step="post", color=colour, alpha=alpha, linewidth=0, zorder=2
    )
    axes.step(
        times,
        rows["estimate"],
        where="post",
        color=colour,
        linestyle=DASHES[number % len(DASHES)],
        linewidth=1.8,
        zorder=3,
    )


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


def _label_curves(axes: "Axes", curves: _Curves) -> None:
    """Each curve is named at its end, to the right; a hairline leads to a name that had to move."""
    width, height = size(axes)
    labels, ends = [], []
    for name, rows in curves:
        known = rows[np.isfinite(rows["estimate"].to_numpy(float))]
        ends.append(
            (float(known["time"].iloc[-1]), float(known["estimate"].iloc[-1])) if len(known) else (0.0, 1.0)
        )
        labels.append(fold_label(name, _LABEL_FOLD))
    sizes = [(label.count("\n") + 1) * LINE / height + 0.02 for label in labels]
    for number, (label, end, y) in enumerate(
        zip(labels, ends, spread([y for _, y in ends], sizes, -0.02, 1.02), strict=True)
    ):
        axes.annotate(
            "",
            xy=end,
            xycoords="data",
            xytext=(1 + 0.1 / width, y),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 1},
        )
        _sample(axes, number, (1 + 0.12 / width, 1 + 0.4 / width), y)
        axes.text(
            1 + 0.47 / width, y, label, transform=axes.transAxes, va="center", ha="left", linespacing=1.15
        )


def _draw_risk_table(axes: "Axes", curves: _Curves, ticks: list[float]) -> None:
    width, tall = size(axes)
    labels = [fold_label(name, _TABLE_FOLD) if len(curves) > 1 else "" for name, _ in curves]
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
            _sample(table, number, (-0.70 / width, -0.42 / width), 1 - middle / room)
            table.text(
                -0.76 / width, 1 - middle / room, label, transform=table.transAxes, ha="right", va="center",
                fontsize=8.5, linespacing=1.15,
            )  # fmt: skip


def _sample(axes: "Axes", number: int, span: tuple[float, float], y: float) -> None:
    """A short piece of a curve's line beside its name."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    axes.plot(
        span, (y, y), transform=axes.transAxes, clip_on=False, color=colour, linestyle=dash, linewidth=1.8
    )
