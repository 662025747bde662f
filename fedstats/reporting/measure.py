"""Where things are on a drawing, in inches; labels are laid out by these."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation

LINE = 0.165  # that a line of text takes


def figure_of(axes: Axes) -> Figure:
    """The whole drawing that axes belong to."""
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes are drawn in a figure"
    return figure


def size(axes: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    box = axes.get_window_extent()
    dpi = figure_of(axes).dpi
    return box.width / dpi, box.height / dpi


def text_width(axes: Axes, text: Text) -> float:
    """The width that a text takes."""
    return float(text.get_window_extent().width / figure_of(axes).dpi)


def above(axes: Axes, points: float) -> Any:
    """The coordinates of the axes, moved up by some points."""
    return axes.transAxes + ScaledTranslation(0, points / 72, figure_of(axes).dpi_scale_trans)


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Move labels apart, each as little as it takes.

    Parameters
    ----------
    wanted : sequence of float
        Where each label would like its centre.
    sizes : sequence of float
        How much room each takes.
    low, high : float
        The room there is; it is exceeded upwards only if the labels do not fit.
    """
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], -i))
    centres = list(wanted)
    floor = low
    for i in order:
        centres[i] = max(centres[i], floor + sizes[i] / 2)
        floor = centres[i] + sizes[i] / 2
    ceiling = max(high, low + sum(sizes))
    for i in reversed(order):
        centres[i] = min(centres[i], ceiling - sizes[i] / 2)
        ceiling = centres[i] - sizes[i] / 2
    return centres
