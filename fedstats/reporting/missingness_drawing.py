"""Empty cells as bars by variable, one panel of bars a group."""

from typing import TYPE_CHECKING

import numpy as np

from fedstats.contract.missingness_results import Missingness
from fedstats.reporting.curve_drawing import new_axes
from fedstats.reporting.palette import COLOURS, INK, RULE, drawing_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Groups that bars are drawn for.
MOST_GROUPS = 6


def missingness_plot(found: Missingness) -> "Axes":
    """Draw the share of patients with an empty cell, a line of bars a variable, one bar a group; a count that is not shown says so.

    Parameters
    ----------
    found : Missingness    of :func:`fedstats.missingness`

    Raises
    ------
    ValueError
        More groups than bars can be told apart.
    """
    table = found.tidy()
    groups, variables = list(dict.fromkeys(table["group"])), list(dict.fromkeys(table["variable"]))
    if len(groups) > MOST_GROUPS:
        raise ValueError(f"Bars of {len(groups)} groups are no picture; draw at most {MOST_GROUPS} of them.")
    percent = table.pivot_table("percent", "variable", "group", dropna=False, sort=False)
    percent = percent.reindex(index=variables, columns=groups)
    height = 0.8 / len(groups)
    with drawing_style():
        axes = new_axes()
        for k, group in enumerate(groups):
            at = np.arange(len(variables)) + (k - (len(groups) - 1) / 2) * height
            values = percent[group].to_numpy(dtype=float)
            axes.barh(at, np.nan_to_num(values), 0.9 * height, color=COLOURS[k], label=group, zorder=2)
            for y, value in zip(at, values, strict=True):
                said = "not shown" if np.isnan(value) else f"{value:.1f} %"
                axes.annotate(
                    said, (0 if np.isnan(value) else value, y), xytext=(4, 0), textcoords="offset points",
                    va="center", color=INK, fontsize=8,
                )  # fmt: skip
        axes.set_yticks(np.arange(len(variables)), variables)
        axes.invert_yaxis()
        axes.set_xlim(0, max(1.0, 1.2 * float(np.nanmax(percent.to_numpy(), initial=0.0))))
        axes.set_xlabel("Patients with an empty cell (%)", labelpad=6)
        axes.grid(axis="x", color=RULE, linewidth=0.7, zorder=0)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if len(groups) > 1:
            axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.12), ncols=3)
    return axes
