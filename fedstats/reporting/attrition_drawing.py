"""A CONSORT diagram: who stays, one box beneath the other, and beside them who leaves."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from textwrap import fill
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from fedstats.reporting.formats import count
from fedstats.reporting.palette import BAND, COLOURS, INK, drawing_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LETTERS, _LINE, _GAP = 44, 0.2, 0.34


@dataclass(frozen=True)
class Exclusion:
    """A box of the diagram.

    Attributes
    ----------
    titles : tuple of str    of the step, or of several that are not shown by themselves
    left : float             patients who leave there
    stay : float             patients after it; not a number where nobody knows
    """

    titles: tuple[str, ...]
    left: float
    stay: float


def exclusions(frame: pd.DataFrame, together: float) -> Iterator[Exclusion]:
    """Steps at which somebody leaves, those that are not shown as one, where the last of them stands.

    Parameters
    ----------
    frame : DataFrame     of an :class:`~fedstats.contract.attrition.Attrition`
    together : float      those who leave at the steps that are not shown
    """
    steps = frame.iloc[1:]
    unseen = steps[steps["left"].isna()]
    for place, step in steps.iterrows():
        if isnan(step["left"]):
            if place == unseen.index[-1]:
                yield Exclusion(tuple(unseen["title"]), together, step["stay"])
        elif step["left"] > 0:
            yield Exclusion((step["title"],), step["left"], step["stay"])


def attrition_plot(frame: pd.DataFrame, together: float) -> "Axes":
    """Draw the steps at which somebody leaves.

    Parameters
    ----------
    frame : DataFrame     step, title, left, stay; the first line is everybody screened
    together : float      those who leave at the steps that are not shown
    """
    boxes = list(exclusions(frame, together))
    said = [_said(box) for box in boxes]
    heights = [(text.count("\n") + 1) * _LINE + _GAP for text in said]
    total = sum(heights) + (len(boxes) + 1) * 0.62
    with drawing_style():
        axes = Figure(figsize=(7.6, total)).add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, 7.6)
        axes.set_ylim(total, 0)
        kept = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": COLOURS[0], "linewidth": 1.3}
        gone = {"boxstyle": "round,pad=0.45", "facecolor": BAND, "edgecolor": "none"}
        arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
        y = 0.31
        axes.text(1.6, y, _staying("Screened", frame["stay"].iloc[0]), ha="center", va="center", bbox=kept)
        for number, (box, text, height) in enumerate(zip(boxes, said, heights, strict=True), start=1):
            below = y + height + 0.62
            axes.annotate("", (1.6, below - 0.2), (1.6, y + 0.2), arrowprops=arrow)
            middle = (y + below) / 2
            axes.annotate("", (3.05, middle), (1.6, middle), arrowprops=arrow)
            axes.text(3.2, middle, text, ha="left", va="center", bbox=gone)
            name = "Eligible" if number == len(boxes) else "Stay"
            axes.text(1.6, below, _staying(name, box.stay), ha="center", va="center", bbox=kept)
            y = below
    return axes


def _staying(name: str, number: float) -> str:
    return f"{name}: not shown" if isnan(number) else f"{name}: {count(int(number))}"


def _said(box: Exclusion) -> str:
    titles = box.titles if len(box.titles) == 1 else tuple(f"– {title}" for title in box.titles)
    listed = "\n".join(
        fill(title, _LETTERS, subsequent_indent="" if len(titles) == 1 else "  ") for title in titles
    )
    head = (
        f"{count(int(box.left))} leave"
        if len(titles) == 1
        else f"{count(int(box.left))} leave at these steps together"
    )
    return f"{head}\n{listed}"
