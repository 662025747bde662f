"""TeX formulas as MathML, which every current browser draws without a script."""

import html
import re
import xml.etree.ElementTree as ET
from functools import cache

from latex2mathml.converter import convert_to_element


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTS = _words(
    "math maction menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace"
    " msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover"
)
_ATTRIBUTES = _words(
    "accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form height"
    " linethickness lspace mathcolor mathsize mathvariant maxsize minsize notation rowlines rowspacing rspace"
    " scriptlevel separator stretchy symmetric width"
)
# Environments that the converter knows under another name, or that only say "on a line of its own".
_SAME_AS = {"aligned": "split", "gathered": "split", "equation": "", "equation*": "", "align": "align*"}


@cache
def mathml(tex: str, *, block: bool = False) -> str:
    """Translate a TeX formula to MathML; what cannot be translated is shown as TeX in ``<code>``.

    Parameters
    ----------
    tex : str
        The formula without its dollar signs.
    block : bool
        On a line of its own?

    Returns
    -------
    str
        Safe HTML: only known MathML elements and attributes, every text escaped.
    """
    try:
        root = convert_to_element(_known_environments(tex.strip()), display="block" if block else "inline")
        _clean(root)
    except Exception:  # noqa: BLE001  the converter raises a dozen kinds; a report must not fail over one formula
        return f"<code>{html.escape(tex.strip())}</code>"
    drawn = ET.tostring(root, encoding="unicode")
    if not block:
        return drawn
    # A long formula scrolls by itself, so it has to be reachable by keyboard.
    return f'<span class="formula" role="group" tabindex="0" aria-label="Formula">{drawn}</span>'


def _known_environments(tex: str) -> str:
    def rename(match: re.Match[str]) -> str:
        name = _SAME_AS.get(match["name"], match["name"])
        return f"\\{match['edge']}{{{name}}}" if name else ""

    return re.sub(r"\\(?P<edge>begin|end)\{(?P<name>[a-z]+\*?)\}", rename, tex)


def _clean(element: ET.Element) -> None:
    """Refuse what is not plain MathML (the converter passes ``\\href`` and raw tags on) and decode its entities."""
    if element.tag not in _ELEMENTS:
        raise ValueError(f"{element.tag} is not a MathML element")
    element.attrib = {k: v for k, v in element.attrib.items() if k in _ATTRIBUTES or k == "xmlns"}
    element.text = html.unescape(element.text or "")
    element.tail = html.unescape(element.tail or "")
    if element.text.startswith("\\"):
        raise ValueError(f"unknown command {element.text}")
    for child in element:
        _clean(child)
