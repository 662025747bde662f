"""Paths of penalties: coefficients from a strong penalty to a weak one, and the deviance of patients who were left out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import NullFormatter, NullLocator

from fedstats.reporting.curve_drawing import make_room, name_ends, new_axes
from fedstats.reporting.formats import precise
from fedstats.reporting.measure import above
from fedstats.reporting.palette import COLOURS, DASHES, QUIET, RULE, drawing_style, require
from fedstats.reporting.ticks import difference_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def path_plot(
    coefficients: pd.DataFrame, *, outcome: str, chosen: Mapping[str, float] | None = None
) -> "Axes":
    """Draw coefficients along the strength of the penalty, from strong to weak; those that are zero to the end are not named.

    Parameters
    ----------
    coefficients : DataFrame
        A row a strength (the index), a column a coefficient under the name that is printed.
    outcome : str
        What the vertical axis measures.
    chosen : mapping, optional
        Strengths to mark, by name.
    """
    with drawing_style():
        axes = new_axes()
        in_model = [name for name in coefficients if (coefficients[name] != 0).any()]
        make_room(axes, [str(name) for name in in_model], table=False)
        for number, name in enumerate(in_model):
            colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
            axes.plot(
                coefficients.index, coefficients[name], color=colour, linestyle=dash, linewidth=1.6, zorder=3
            )
        values = coefficients.to_numpy(float)
        low, high = min(values.min(), 0.0), max(values.max(), 0.0)
        margin = 0.06 * (high - low) or 0.5
        _frame(axes, coefficients.index.to_numpy(float), (low - margin, high + margin), outcome, chosen or {})
        axes.axhline(0, color=QUIET, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
        if in_model:
            end = float(coefficients.index[-1])
            name_ends(axes, [(str(name), (end, float(coefficients[name].iloc[-1]))) for name in in_model])
    return axes


def deviance_plot(found: pd.DataFrame, *, outcome: str, chosen: Mapping[str, float] | None = None) -> "Axes":
    """Draw the mean deviance of patients who were left out, with one standard error on each side.

    Parameters
    ----------
    found : DataFrame
        Columns lambda, mean_deviance, conf_low, conf_high.
    outcome : str
        What the vertical axis measures.
    chosen : mapping, optional
        Strengths to mark, by name.
    """
    require(found, ("lambda", "mean_deviance", "conf_low", "conf_high"), "A plot of deviances")
    with drawing_style():
        axes = new_axes()
        make_room(axes, [], table=False)
        strengths = found["lambda"].to_numpy(float)
        axes.vlines(strengths, found["conf_low"], found["conf_high"], color=QUIET, linewidth=1.1, zorder=2)
        axes.plot(
            strengths,
            found["mean_deviance"],
            color=COLOURS[0],
            marker="o",
            markersize=4,
            linewidth=1.2,
            zorder=3,
        )
        low, high = float(found["conf_low"].min()), float(found["conf_high"].max())
        margin = 0.06 * (high - low) or 0.5
        _frame(axes, strengths, (low - margin, high + margin), outcome, chosen or {})
    return axes


def _frame(
    axes: "Axes",
    strengths: np.ndarray,
    limits: tuple[float, float],
    outcome: str,
    chosen: Mapping[str, float],
) -> None:
    """A logarithmic axis from the strongest penalty to the weakest, with the chosen strengths marked."""
    axes.set_xscale("log")
    margin = (strengths.max() / strengths.min()) ** 0.02  # for what is drawn at the ends
    axes.set_xlim(float(strengths.max() * margin), float(strengths.min() / margin))
    axes.set_ylim(*limits)
    every = max(1, -(-len(strengths) // 5))
    ticks = strengths[::every].tolist()
    axes.set_xticks(ticks, [precise(tick, 2) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    heights = difference_ticks(*limits)
    axes.set_yticks(heights, [precise(tick) for tick in heights])
    axes.set_xlabel("Strength of the penalty, λ (strong to weak)", labelpad=6)
    axes.text(0, 1, outcome, transform=above(axes, 21 if chosen else 9), ha="left", va="bottom")
    axes.grid(axis="y", color=RULE, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    strongest = max(chosen.values(), default=0.0)
    for name, strength in chosen.items():
        # the names of two strengths stand on both sides of them, for these may lie close together
        side, shift = ("right", -3) if strength == strongest and len(chosen) > 1 else ("left", 3)
        axes.axvline(strength, color=QUIET, linewidth=0.9, linestyle=(0, (1.3, 1.3)), zorder=1)
        axes.annotate(
            name, (strength, 1), (shift, 4), xycoords=axes.get_xaxis_transform(), textcoords="offset points", color=QUIET,
            ha=side, va="bottom", fontsize=8.5, annotation_clip=False,
        )  # fmt: skip
