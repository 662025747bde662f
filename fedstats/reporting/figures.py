"""Figures for people: a picture, what it shows in words, and the numbers behind it."""

import base64
import warnings
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from PIL import Image

from fedstats.reporting.tables import Table, numbers_behind, table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Picture", "Table", "figure", "table"]

DPI = 150
_SUMMARY = "The numbers behind this figure"


@dataclass(frozen=True)
class Picture:
    """A figure that shows itself in notebooks and reports, and in words on a terminal.

    Attributes
    ----------
    markup : str         the HTML, image and numbers included
    text : str           caption and description
    """

    markup: str
    text: str

    def _repr_html_(self) -> str:
        return self.markup

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002
        return {"text/html": self.markup, "text/plain": self.text}

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def figure(fig: "Figure | Axes", *, alt: str, caption: str, data: "pd.DataFrame | None" = None) -> Picture:
    """Wrap a matplotlib drawing so that everybody can read it.

    Parameters
    ----------
    fig : matplotlib Figure or Axes
        The drawing.
    alt : str
        What the drawing shows, for those who do not see it: the finding, and not "a plot of …".
    caption : str
        What is drawn; the report puts the number before it.
    data : DataFrame, optional
        The plotted numbers; they fold out beneath the figure.
    """
    if not alt.strip():
        raise ValueError(f"The figure {caption!r} needs alt: one or two sentences on what it shows.")
    if not caption.strip():
        raise ValueError("A figure needs a caption.")
    png, width = _png(fig)
    markup = (
        f'<figure><img src="data:image/png;base64,{png}" alt="{escape(alt)}" width="{width}"'
        ' style="max-width:100%;height:auto;background-color:#fff">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
    if data is not None:
        numbers = numbers_behind(data, f"Numbers behind the figure: {caption}")
        markup += f'<details class="numbers"><summary>{_SUMMARY}</summary>{numbers}</details>'
    return Picture(markup, f"[Figure] {caption}\n{alt}")


def _png(fig: "Figure | Axes") -> tuple[str, int]:
    """The drawing as base64, and its width in CSS pixels (96 an inch)."""
    drawing = fig if isinstance(fig, Figure) else fig.get_figure(root=True)
    if drawing is None:
        raise ValueError("These axes belong to no figure.")
    buffer = BytesIO()
    with warnings.catch_warnings():
        # A script that the font lacks is drawn as boxes; the same label stands readable in the table beneath.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        drawing.savefig(
            buffer,
            format="png",
            dpi=DPI,
            bbox_inches="tight",
            pad_inches=0.12,
            facecolor="white",
            metadata={"Software": None},  # the same drawing gives the same bytes
        )
    content = _smaller(buffer)
    pixels = int.from_bytes(content[16:20], "big")
    return base64.b64encode(content).decode("ascii"), round(pixels * 96 / DPI)


def _smaller(png: BytesIO) -> bytes:
    """The same picture with 256 colours, which is all that flat colours need, in a third of the bytes."""
    smaller = BytesIO()
    with Image.open(png) as image:
        reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        reduced.save(smaller, format="PNG", compress_level=9)
    return smaller.getvalue()
