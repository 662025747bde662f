"""Step curves with bands, each named at its end: what figures of survival and of hazards share."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fedstats.reporting.measure import LINE, size, spread, text_width
from fedstats.reporting.palette import COLOURS, DASHES, QUIET, fold_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TOTAL = 7.8  # inches that a whole figure takes
TABLE_FOLD, LABEL_FOLD = 22, 20  # characters in a line of a label, beside the table and beside the curves

Curves = list[tuple[str, pd.DataFrame]]


def new_axes() -> "Axes":
    """Axes of a figure of their own, before room is made for labels."""
    return Figure(figsize=(_TOTAL, 4.2)).add_axes((0.1, 0.12, 0.72, 0.76))


def make_room(axes: "Axes", names: list[str], *, table: bool = True) -> None:
    """Make the axes as wide as the labels on both sides leave them, so that all figures are about one width.

    ``table``: the labels stand to the left as well, beside numbers at risk.
    """
    left, right = (
        max((_label_width(axes, fold_label(name, fold)) for name in names), default=0)
        for fold in (TABLE_FOLD, LABEL_FOLD)
    )
    margin = max(0.55, left + 0.8 if names and table else 0)
    width = max(4.0, _TOTAL - margin - (right + 0.55 if names else 0.2))
    box = axes.get_position()
    axes.set_position((margin / _TOTAL, box.y0, width / _TOTAL, box.height))


def _label_width(axes: "Axes", label: str) -> float:
    text = axes.text(0, 0, label)
    width = text_width(axes, text)
    text.remove()
    return width


def draw_curve(axes: "Axes", rows: pd.DataFrame, number: int, alpha: float) -> None:
    """A step curve with its band where both bounds are known."""
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


def label_curves(axes: "Axes", curves: Curves) -> None:
    """Each curve is named at its end, to the right; a hairline leads to a name that had to move."""
    ends = []
    for name, rows in curves:
        known = rows[np.isfinite(rows["estimate"].to_numpy(float))]
        end = (float(known["time"].iloc[-1]), float(known["estimate"].iloc[-1])) if len(known) else (0.0, 1.0)
        ends.append((name, end))
    name_ends(axes, ends)


def name_ends(axes: "Axes", ends: list[tuple[str, tuple[float, float]]]) -> None:
    """The same of any lines, by name and the point at which each ends, in data coordinates."""
    width, height = size(axes)
    labels = [fold_label(name, LABEL_FOLD) for name, _ in ends]
    sizes = [(label.count("\n") + 1) * LINE / height + 0.02 for label in labels]
    low, high = axes.get_ylim()
    wanted = [(y - low) / (high - low) for _, (_, y) in ends]
    for number, (label, (_, end), y) in enumerate(
        zip(labels, ends, spread(wanted, sizes, -0.02, 1.02), strict=True)
    ):
        axes.annotate(
            "",
            xy=end,
            xycoords="data",
            xytext=(1 + 0.1 / width, y),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 1},
        )
        sample_line(axes, number, (1 + 0.12 / width, 1 + 0.4 / width), y)
        axes.text(
            1 + 0.47 / width, y, label, transform=axes.transAxes, va="center", ha="left", linespacing=1.15
        )


def sample_line(axes: "Axes", number: int, span: tuple[float, float], y: float) -> None:
    """A short piece of a curve's line beside its name."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    axes.plot(
        span, (y, y), transform=axes.transAxes, clip_on=False, color=colour, linestyle=dash, linewidth=1.8
    )
