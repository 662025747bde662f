"""Calibration: observed shares with their intervals beside the mean predicted risks of their cells, and the line of a perfect prediction."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fedstats.reporting.curve_drawing import new_axes
from fedstats.reporting.measure import above
from fedstats.reporting.palette import COLOURS, MARKERS, QUIET, RULE, drawing_style, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("predicted", "observed", "conf_low", "conf_high")


def calibration_plot(cells: pd.DataFrame, *, unit: str = "") -> "Axes":
    """Draw observed against predicted risks, a point a cell, by milestone where there are several.

    Parameters
    ----------
    cells : DataFrame
        As :meth:`Calibration.tidy` gives them: predicted observed conf_low conf_high, and time.
    unit : str
        Of the milestones.
    """
    require(cells, _COLUMNS, "A plot of calibration")
    times = cells["time"] if "time" in cells else pd.Series(np.nan, index=cells.index)
    with drawing_style():
        axes = new_axes()
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1.0, linestyle=(0, (4, 2)), label="perfect")
        for k, (time, rows) in enumerate(cells.groupby(times.fillna(-1.0))):
            colour, known = COLOURS[k % len(COLOURS)], rows.dropna(subset=["observed"])
            label = f"by {time:g} {unit}".strip() if float(time) >= 0 else "observed"  # type: ignore[arg-type]
            axes.plot(
                known["predicted"],
                known["observed"],
                color=colour,
                marker=MARKERS[k % len(MARKERS)],
                label=label,
            )
            axes.vlines(
                known["predicted"], known["conf_low"], known["conf_high"], color=colour, linewidth=1.0
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("Mean predicted risk", labelpad=6)
        axes.text(0, 1, "Observed", transform=above(axes, 9), ha="left", va="bottom")
        axes.grid(color=RULE, linewidth=0.7, zorder=0)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
    return axes
