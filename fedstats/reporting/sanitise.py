"""What a notebook shows, made harmless: no script, no frame, no style sheet, no address that a browser would fetch.

An executed notebook holds whatever its cells printed, labels from sites' data included.  Everything that comes out
of a cell passes through here; a content-security policy in the page stands behind it.
"""

import base64
import html
import re
import xml.etree.ElementTree as ET

from bleach.css_sanitizer import CSSSanitizer
from bleach.sanitizer import Cleaner
from bs4 import BeautifulSoup
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

# Private-use characters: they mark where a formula goes once the rest is clean, and may come from nowhere else.
FORMULA_MARKS = "\ue000\ue001"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _words(
    "a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 h3"
    " h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp section small span strong sub summary sup table tbody td"
    " tfoot th thead time tr u ul var wbr"
)
_EVERYWHERE = _words("aria-describedby aria-hidden aria-label aria-labelledby class dir id lang role style")
_PER_TAG = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "col": {"span"},
    "details": {"open"},
    "div": {"tabindex"},
    "img": {"src", "alt", "width", "height", "title"},
    "ol": {"start", "type"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_STYLES = _words(
    "background-color border border-bottom border-collapse border-color border-left border-right border-top color"
    " font-size font-style font-variant-numeric font-weight height letter-spacing line-height margin margin-bottom"
    " margin-left margin-right margin-top max-width min-width padding padding-bottom padding-left padding-right"
    " padding-top text-align text-decoration text-indent vertical-align white-space width"
)
# Elements whose content is no text for readers either.
_WITH_CONTENT = _words(
    "script style iframe object embed applet template noscript noembed noframes head title link meta base"
)
_DRAWING = re.compile(r"<svg\b.*?</svg\s*>", re.IGNORECASE | re.DOTALL)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]+")
_ADDRESS = re.compile(r"(?:https?://|mailto:|#)|(?![/\\])[^:]*(?:[?#].*)?$", re.IGNORECASE)
_SVG = "http://www.w3.org/2000/svg"


def sanitise(source: str) -> str:
    """Keep the harmless part of a piece of HTML.

    Parameters
    ----------
    source : str
        HTML from a cell's output or from markdown.

    Returns
    -------
    str
        Well-formed HTML of known elements.  Inline drawings have become images, in which nothing can run.
    """
    soup = BeautifulSoup(drawings_to_images(source), "html.parser")
    for element in soup(sorted(_WITH_CONTENT)):
        element.decompose()
    return str(_CLEANER.clean(str(soup)))


def svg_image(source: str, alt: str = "") -> str:
    """An SVG drawing as ``<img>``: browsers run no script and fetch nothing inside an image."""
    try:
        root = fromstring(source if "xmlns" in source else source.replace("<svg", f'<svg xmlns="{_SVG}"', 1))
    except (ET.ParseError, DefusedXmlException):
        return "<p>(A drawing that is not valid SVG was left out.)</p>"
    alt = (
        alt
        or root.get("aria-label")
        or root.findtext(f"{{{_SVG}}}title")
        or root.findtext(f"{{{_SVG}}}desc")
        or ""
    )
    data = base64.b64encode(ET.tostring(root)).decode("ascii")
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{html.escape(alt)}">'


def drawings_to_images(source: str) -> str:
    """Replace each ``<svg>`` in a piece of HTML; to be done before a parser folds the case of its attributes."""
    return _DRAWING.sub(lambda match: svg_image(match[0]), source)


def _allowed(tag: str, name: str, value: str) -> bool:
    plain = html.unescape(value)
    if any(mark in plain for mark in FORMULA_MARKS):
        return False
    if name == "src":
        return _IMAGE.fullmatch(plain) is not None
    if name == "href":
        return _ADDRESS.match(re.sub(r"[\x00-\x20\x7f-\xa0\ufffd]", "", plain)) is not None
    return name in _EVERYWHERE or name in _PER_TAG.get(tag, ())


_CLEANER = Cleaner(
    tags=_TAGS,
    attributes=_allowed,
    protocols={"http", "https", "mailto", "data"},  # data: passes in the src of an image only, see _allowed
    strip=True,
    css_sanitizer=CSSSanitizer(allowed_css_properties=_STYLES),
)
