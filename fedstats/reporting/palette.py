"""Colours, dashes and markers that can be told apart by everybody, and on a grey print."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

# Okabe and Ito, the darker ones first: a line needs a contrast of 3 with white.
COLOURS = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES: tuple[Any, ...] = (
    "solid",
    (0, (6, 2)),
    (0, (1.3, 1.3)),
    (0, (5, 1.6, 1.2, 1.6)),
    (0, (2.8, 1.4)),
    (0, (4, 1.2, 1, 1.2, 1, 1.2)),
    (0, (1.2, 2.6)),
)
MARKERS = ("s", "o", "D", "^", "v", "P", "X")

INK = "#1d2328"
QUIET = "#586069"
RULE = "#d9dee3"
BAND = "#f4f6f7"

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # it comes with matplotlib, so a figure looks the same everywhere
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
    "text.usetex": False,
    "axes.edgecolor": "#8a949e",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "xtick.color": "#8a949e",
    "ytick.color": "#8a949e",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "svg.hashsalt": "fedstats",
}


@contextmanager
def drawing_style() -> Iterator[None]:
    """The style of all figures, for the time of drawing one; a user's own settings stay as they are."""
    with mpl.rc_context(_STYLE):
        yield


def fold_label(label: object, width: int) -> str:
    """A label on as many lines as it needs, none longer than ``width`` characters."""
    return "\n".join(wrap(" ".join(str(label).split()), width, break_on_hyphens=False)) or " "


def require(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame that cannot be drawn, in one sentence."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"{what} needs the columns {', '.join(columns)}; missing: {', '.join(missing)}.")
    if frame.empty:
        raise ValueError(f"{what} has nothing to draw: its frame has no rows.")


def finite(values: object) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The values that are numbers."""
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]
