"""Where propensities of two arms overlap, and how far weighting brings their covariates together."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fedstats.reporting.formats import count, precise
from fedstats.reporting.palette import COLOURS, INK, QUIET, RULE, drawing_style, fold_label, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Differences beyond which arms are said to be unbalanced (Austin & Stuart 2015).
LIMIT = 0.1
_LINE, _TWO_LINES, _MARGIN = 0.27, 0.4, 1.0


def overlap_plot(cells: pd.DataFrame, *, treatment: str = "the treated") -> "Axes":
    """Draw how many patients of each arm have a propensity in each cell, one arm above the line and one below.

    Parameters
    ----------
    cells : DataFrame
        Columns group, low, high, n of two groups, the untreated first.
    treatment : str
        Of which the propensity is.
    """
    require(cells, ("group", "low", "high", "n"), "A plot of overlap")
    groups = list(dict.fromkeys(cells["group"]))
    with drawing_style():
        axes = Figure(figsize=(7.6, 3.4)).add_axes((0.1, 0.16, 0.86, 0.72))
        cells = cells.assign(
            height=cells["n"] * 0.1 / (cells["high"] - cells["low"])
        )  # cells differ in width
        top = 1.35 * max(float(cells["height"].max()), 1.0)
        for sign, group, colour in zip((1, -1), groups, COLOURS, strict=False):
            rows = cells[cells["group"] == group]
            width = rows["high"] - rows["low"]
            axes.bar(
                rows["low"],
                sign * rows["height"],
                width,
                align="edge",
                color=colour,
                edgecolor="white",
                linewidth=0.8,
            )
            axes.text(0.01, 0.96 if sign > 0 else 0.04, f"{group} (n = {count(int(rows['n'].sum()))})",
                      transform=axes.transAxes, va="top" if sign > 0 else "bottom", color=colour)  # fmt: skip
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xlim(0, 1)
        axes.set_ylim(-top, top)
        ticks = [tick for tick in axes.get_yticks() if abs(tick) <= top and tick == round(tick)]
        axes.set_yticks(ticks, [precise(abs(tick)) for tick in ticks])
        axes.set_xlabel(f"Propensity of {treatment}")
        axes.text(
            0,
            1.03,
            "Patients per tenth of the propensity",
            transform=axes.transAxes,
            ha="left",
            va="bottom",
            color=INK,
        )
        _plain(axes)
    return axes


def love_plot(differences: pd.DataFrame, *, whole: str = "all") -> "Axes":
    """Draw absolute standardised differences before weighting and after, one line a covariate, of all sites and of each.

    Parameters
    ----------
    differences : DataFrame
        Columns site, label, smd, and weighted_smd where there are weights.
    whole : str
        The site that stands for all together; the others are small marks.
    """
    require(differences, ("site", "label", "smd"), "A love plot")
    labels = list(dict.fromkeys(differences["label"]))
    place = {label: len(labels) - 1 - k for k, label in enumerate(labels)}
    after = "weighted_smd" if "weighted_smd" in differences else None
    with drawing_style():
        folded = [fold_label(label, 34) for label in place]
        line = _TWO_LINES if any("\n" in label for label in folded) else _LINE
        height = _MARGIN + line * len(labels)
        axes = Figure(figsize=(7.6, height)).add_axes((0.34, 0.6 / height, 0.63, 1 - _MARGIN / height))
        for site, rows in differences.groupby("site", sort=False):
            y = rows["label"].map(place).to_numpy(dtype=float)
            is_whole = site == whole
            for column, colour in (("smd", COLOURS[1]), (after, COLOURS[0])):
                if column is not None:
                    look = {"s": 34, "zorder": 4} if is_whole else {"s": 9, "alpha": 0.55, "zorder": 3}
                    face = "white" if column == "smd" and is_whole else colour
                    axes.scatter(
                        rows[column].abs(), y, facecolors=face, edgecolors=colour, linewidths=1.2, **look
                    )
        numbers = differences[[c for c in ("smd", after) if c]].abs().to_numpy(dtype=float)
        most = float(np.nanmax(numbers, initial=2 * LIMIT))
        axes.axvline(LIMIT, color=QUIET, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_xlim(0, 1.08 * most)
        axes.set_ylim(-0.6, len(labels) - 0.4)
        axes.set_yticks(list(place.values()), folded)
        axes.set_xlabel("Absolute standardised mean difference")
        axes.grid(axis="y", color=RULE, linewidth=0.7, zorder=0)
        axes.scatter([], [], s=34, facecolors="white", edgecolors=COLOURS[1], linewidths=1.2, label="before")
        if after is not None:
            axes.scatter([], [], s=34, facecolors=COLOURS[0], edgecolors=COLOURS[0], label="weighted")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, handletextpad=0.2)
        _plain(axes)
    return axes


def _plain(axes: "Axes") -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
