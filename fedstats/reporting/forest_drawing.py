"""Forest plots: effects with intervals, ratios on a log axis, and the same numbers in words beside them."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from fedstats.reporting.formats import interval, precise, ratio
from fedstats.reporting.measure import LINE, size, text_width
from fedstats.reporting.palette import (
    BAND,
    COLOURS,
    INK,
    MARKERS,
    QUIET,
    drawing_style,
    finite,
    fold_label,
    require,
)
from fedstats.reporting.ticks import difference_ticks, ratio_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

_COLUMNS = ("term", "estimate", "conf_low", "conf_high")
_GAP = 0.16
_WIDTH = 7.6
_FAR = 12.0  # an interval is cut this many times beyond the outermost estimate, with an arrow

_Models = Mapping[str, pd.DataFrame]


def forest_plot(
    models: "_Models | pd.DataFrame",
    *,
    effect: str = "Hazard ratio",
    ratios: bool = True,
    ax: "Axes | None" = None,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
    title: str | None = None,
) -> "Axes":
    """Draw ratios or differences with their intervals, one line a term, several models side by side.

    Parameters
    ----------
    models : DataFrame or mapping of name to DataFrame
        Columns term, estimate, conf_low, conf_high (others are ignored), ratios exponentiated.  The intercept is left out.
        An interval that leaves the axis ends in an arrow; what has no finite estimate is said to be not estimated.
    effect : str
        What the ratio or difference is.
    ratios : bool
        Whether no effect is one, and not zero.
    ax : Axes, optional
        Where to draw; labels and numbers then need room on both sides.
    labels : mapping, optional
        Term to what people call it.
    level : float
        Level of the intervals, for the heading.
    title : str, optional

    Returns
    -------
    Axes
    """
    named = {"": models} if isinstance(models, pd.DataFrame) else dict(models)
    if not named:
        raise ValueError("A forest plot has nothing to draw: there is no model.")
    for frame in named.values():
        require(frame, _COLUMNS, "A forest plot")
    terms = dict.fromkeys(term for frame in named.values() for term in frame["term"] if term != "Intercept")
    if not terms:
        raise ValueError("A forest plot has nothing to draw: the models hold an intercept only.")
    shown = {term: fold_label((labels or {}).get(term, term), 34) for term in terms}
    heights = [max(label.count("\n") + 1, len(named)) * LINE + 0.13 for label in shown.values()]
    low, high = _limits(named) if ratios else _linear_limits(named)
    with drawing_style():
        axes = _new_axes(sum(heights)) if ax is None else ax
        axes.set_xscale("log" if ratios else "linear")
        axes.set_xlim(low, high)
        axes.set_ylim(sum(heights), 0)
        texts = _draw_rows(axes, named, shown, heights, (low, high), ratio if ratios else interval)
        _arrange(axes, *texts, heights, own=ax is None)
        _frame(axes, effect, ratios, level, title, list(named))
    return axes


def _limits(models: _Models) -> tuple[float, float]:
    """Wide enough for estimates and intervals, but not for intervals that know no bounds."""
    centres, bounds = _shown(models)
    centres = np.append(centres[(centres > 1e-3) & (centres < 1e3)], 1.0)
    bounds = np.append(bounds[bounds > 0], 1.0)
    low = max(bounds.min(), centres.min() / _FAR)
    high = min(bounds.max(), centres.max() * _FAR)
    margin = (high / low) ** 0.06
    return float(min(low / margin, 0.8)), float(max(high * margin, 1.25))


def _linear_limits(models: _Models) -> tuple[float, float]:
    """The same of differences, with zero among them."""
    centres, bounds = (np.append(found, 0.0) for found in _shown(models))
    far = _FAR * np.abs(centres).max() or np.abs(bounds).max() or 1.0
    low, high = max(bounds.min(), -far), min(bounds.max(), far)
    margin = 0.06 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _shown(models: _Models) -> tuple[np.ndarray, np.ndarray]:
    """Finite estimates, and these with the ends of their intervals; without the intercept."""
    pooled = pd.concat([frame.loc[frame["term"] != "Intercept", list(_COLUMNS)] for frame in models.values()])
    return finite(pooled[["estimate"]]), finite(pooled[["estimate", "conf_low", "conf_high"]])


def _new_axes(height: float) -> "Axes":
    return Figure(figsize=(_WIDTH, height + 1.2)).add_axes(
        (0.35, 0.7 / (height + 1.2), 0.35, height / (height + 1.2))
    )


def _draw_rows(
    axes: "Axes",
    models: _Models,
    shown: Mapping[str, str],
    heights: list[float],
    limits: tuple[float, float],
    in_words: Callable[..., str],
) -> "tuple[list[Text], list[Text]]":
    beside = blended_transform_factory(axes.transAxes, axes.transData)
    found = {name: frame.drop_duplicates("term").set_index("term") for name, frame in models.items()}
    names, numbers = [], []
    top = 0.0
    for (term, label), height in zip(shown.items(), heights, strict=True):
        middle = top + height / 2
        names.append(axes.text(0, middle, label, transform=beside, ha="left", va="center", linespacing=1.15))
        for number, frame in enumerate(found.values()):
            if term not in frame.index:
                continue
            y = middle + (number - (len(found) - 1) / 2) * LINE
            values = tuple(float(frame.loc[term, name]) for name in _COLUMNS[1:])
            _draw_effect(axes, values, y, number, limits)
            numbers.append(axes.text(1, y, in_words(*values), transform=beside, ha="left", va="center"))
        top += height
    return names, numbers


def _draw_effect(
    axes: "Axes", values: tuple[float, ...], y: float, number: int, limits: tuple[float, float]
) -> None:
    """A marker and a whisker; an arrow on each side where the interval goes on."""
    centre, low, high = values
    if not math.isfinite(centre):
        return
    colour = COLOURS[number % len(COLOURS)]
    bounded = not (math.isnan(low) or math.isnan(high))
    if bounded:
        ends = min(max(low, limits[0]), limits[1]), max(min(high, limits[1]), limits[0])
        axes.plot(ends, (y, y), color=colour, linewidth=1.5, solid_capstyle="butt", zorder=3)
        for beyond, x, arrow in ((low < limits[0], limits[0], "<"), (high > limits[1], limits[1], ">")):
            if beyond:
                axes.plot([x], [y], marker=arrow, color=colour, markersize=5.5, clip_on=False, zorder=4)
    if limits[0] <= centre <= limits[1]:
        fill = colour if bounded else "white"
        axes.plot([centre], [y], marker=MARKERS[number % len(MARKERS)], color=colour, markerfacecolor=fill,
                  markersize=5.5, zorder=4)  # fmt: skip


def _arrange(
    axes: "Axes", names: "list[Text]", numbers: "list[Text]", heights: list[float], *, own: bool
) -> None:
    """Give the text columns the room they need, the axis the rest, and every other line a ground."""
    left, right = (max((text_width(axes, text) for text in column), default=0) for column in (names, numbers))
    right = max(right, 1.55)
    if own:
        width = max(2.6, _WIDTH - left - right - 2 * _GAP)
        box = axes.get_position()
        axes.set_position((0.05 + left / _WIDTH, box.y0, width / _WIDTH, box.height))
    width = size(axes)[0]
    for text in names:
        text.set_x(-(left + _GAP) / width)
    for text in numbers:
        text.set_x(1 + _GAP / width)
    start, total = -(left + _GAP + 0.08) / width, (left + right + 2 * _GAP + 0.16) / width + 1
    top = 0.0
    for number, height in enumerate(heights):
        if number % 2 == 0:
            stripe = Rectangle(
                (start, top), total, height, transform=axes.get_yaxis_transform(), clip_on=False
            )
            stripe.set(facecolor=BAND, edgecolor="none", zorder=0)
            axes.add_patch(stripe)
        top += height


def _frame(
    axes: "Axes", effect: str, ratios: bool, level: float, title: str | None, models: list[str]
) -> None:
    null = int(ratios)
    ticks = (ratio_ticks if ratios else difference_ticks)(*axes.get_xlim())
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xticklabels=[precise(tick) for tick in ticks], yticks=[])
    axes.patch.set_visible(False)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.axvline(null, color=QUIET, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    what = effect.partition(",")[0].lower().removesuffix(" ratio").removesuffix(" difference")
    for side, sign in ((f"←  lower {what}", -1), (f"higher {what}  →", 1)):
        axes.annotate(
            side, (null, 0), (sign * 9, -22), xycoords=axes.get_xaxis_transform(), textcoords="offset points", color=QUIET,
            ha="right" if sign < 0 else "left", va="top", annotation_clip=False,
        )  # fmt: skip
    heading: dict[str, Any] = {
        "xycoords": "axes fraction",
        "textcoords": "offset points",
        "va": "bottom",
        "annotation_clip": False,
    }
    axes.annotate(
        fold_label(f"{effect} ({100 * level:g}% CI)", 28),
        (1, 1),
        (_GAP * 72, 7),
        ha="left",
        fontweight="bold",
        **heading,
    )
    if len(models) > 1:
        _name_models(axes, models)
    if title:
        axes.set_title(title, pad=26)


def _name_models(axes: "Axes", models: list[str]) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=COLOURS[n % len(COLOURS)],
            marker=MARKERS[n % len(MARKERS)],
            markersize=5.5,
            linewidth=1.5,
        )
        for n in range(len(models))
    ]
    axes.legend(
        handles, [fold_label(name, 24) for name in models], loc="lower center", bbox_to_anchor=(0.5, 1.0),
        ncols=1 if max(map(len, models)) > 14 else len(models), frameon=False, borderaxespad=0.3, labelcolor=INK,
    )  # fmt: skip
