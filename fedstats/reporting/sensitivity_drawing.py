"""An estimate with its interval along what was assumed of missing values."""

from typing import TYPE_CHECKING

from fedstats.contract.sensitivity_results import TippingPoint
from fedstats.reporting.curve_drawing import new_axes
from fedstats.reporting.palette import COLOURS, INK, QUIET, RULE, drawing_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def tipping_plot(found: TippingPoint) -> "Axes":
    """Draw the estimate under each shift with its interval, ratios on a logarithmic axis; a line marks where the conclusion changes.

    Parameters
    ----------
    found : TippingPoint    of :func:`fedstats.tipping_point`
    """
    table = found.tidy(exponentiate=found.is_ratio)
    x, y = table["delta"].to_numpy(), table["estimate"].to_numpy()
    none = 1.0 if found.is_ratio else 0.0
    with drawing_style():
        axes = new_axes()
        axes.axhline(none, color=QUIET, linewidth=0.8, zorder=1)
        axes.fill_between(x, table["conf_low"], table["conf_high"], color=COLOURS[0], alpha=0.16, linewidth=0)
        axes.plot(x, y, color=COLOURS[0], marker="o", markersize=4, zorder=3)
        for value in found.tipping:
            axes.axvline(value, color=COLOURS[1], linestyle=(0, (4, 2)), linewidth=1, zorder=2)
            axes.annotate(
                f"{value:.3g}",
                (value, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, -10),
                textcoords="offset points",
                color=INK,
                fontsize=8,
            )
        if found.is_ratio:
            axes.set_yscale("log")
        axes.set_xlabel(f"Shift of missing values of {found.variable}", labelpad=6)
        axes.set_ylabel(f"{found.effect} of {found.term}, {100 * found.level:g} % interval")
        axes.grid(axis="y", color=RULE, linewidth=0.7, zorder=0)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return axes
