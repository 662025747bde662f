"""Cumulative hazards as rising steps, one for each baseline hazard."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fedstats.reporting.curve_drawing import draw_curve, label_curves, make_room, new_axes
from fedstats.reporting.formats import precise
from fedstats.reporting.measure import above
from fedstats.reporting.palette import RULE, drawing_style, finite, require
from fedstats.reporting.ticks import difference_ticks, time_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("group", "time", "cumulative_hazard", "conf_low", "conf_high")


def hazard_plot(hazards: pd.DataFrame, *, unit: str = "months") -> "Axes":
    """Draw cumulative hazards as steps, with the intervals of the survival probability turned round.

    Parameters
    ----------
    hazards : DataFrame
        Columns group, time, cumulative_hazard, and conf_low, conf_high of the survival probability.
    unit : str
        Of time.
    """
    require(hazards, _COLUMNS, "A plot of hazards")
    groups = [(str(name), rows) for name, rows in hazards.groupby("group", sort=False)]
    with np.errstate(divide="ignore"):
        curves = [
            (
                name,
                rows.assign(
                    estimate=rows["cumulative_hazard"],
                    conf_low=-np.log(rows["conf_high"]),
                    conf_high=-np.log(rows["conf_low"]),
                ),
            )
            for name, rows in groups
        ]
    end, top = (float(finite(hazards[column]).max()) for column in ("time", "cumulative_hazard"))
    with drawing_style():
        axes = new_axes()
        make_room(axes, [name for name, _ in curves] if len(curves) > 1 else [], table=False)
        axes.set_xlim(0, end)
        axes.set_ylim(
            0, 1.3 * top or 1.0
        )  # wide intervals end at the frame: the curves are what is looked at
        for number, (_, rows) in enumerate(curves):
            draw_curve(axes, rows, number, alpha=0.16 if len(curves) < 4 else 0.09)
        ticks = time_ticks(end, unit)
        axes.set_xticks(ticks, [precise(tick) for tick in ticks])
        heights = [tick for tick in difference_ticks(*axes.get_ylim()) if tick >= 0]
        axes.set_yticks(heights, [precise(tick) for tick in heights])
        axes.set_xlabel(f"Time ({unit})", labelpad=6)
        axes.text(0, 1, "Cumulative hazard", transform=above(axes, 9), ha="left", va="bottom")
        axes.grid(axis="y", color=RULE, linewidth=0.7, zorder=0)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if len(curves) > 1:
            label_curves(axes, curves)
    return axes
