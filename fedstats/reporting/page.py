"""The page as a whole: headings, contents, numbers of figures and tables, regions that scroll by themselves.

nbconvert draws one cell after the other; this pass sees all of them together.
"""

import re
from urllib.parse import quote, unquote

from bs4 import BeautifulSoup, Tag

from fedstats.contract.labels import visible
from fedstats.reporting.formats import defuse
from fedstats.reporting.notebook import UNDESCRIBED
from fedstats.reporting.scrub import scrub_paths

_FILLER = "No description has been provided for this image"  # nbconvert's, which says nothing
_SAID = ("alt", "title", "aria-label")
_WHOLE_CAPTION = 120


def finish(html: str, title: str) -> str:
    """Turn a drawn notebook into a page that reads as one document.

    Parameters
    ----------
    html : str
        What the template made.
    title : str
        The first heading, if the notebook has none.
    """
    soup = BeautifulSoup(html, "html.parser")
    main = soup.find("main")
    assert isinstance(main, Tag), "the template has a <main>"
    headings = _outline(soup, main, title)
    _number(soup, main)
    _wrap_tables(soup, main)
    _describe_images(main)
    _unique_ids(main)
    _list_contents(soup, headings)
    _mend_links(soup)
    _scrub(soup)
    return str(soup)


def _outline(soup: BeautifulSoup, main: Tag, title: str) -> list[Tag]:
    """One h1, then levels without jumps, each with the id that JupyterLab gives it too."""
    headings = list(main.find_all(re.compile("^h[1-6]$")))
    if not headings or headings[0].name != "h1":
        first = soup.new_tag("h1", string=title)
        main.insert(0, first)
        headings.insert(0, first)
    previous = 1
    for heading in headings[1:]:
        level = min(max(2, int(heading.name[1])), previous + 1)
        heading.name = f"h{level}"
        previous = level
    for heading in headings:
        heading["id"] = re.sub(r"\s+", "-", heading.get_text().strip()) or "section"
    return headings


def _number(soup: BeautifulSoup, main: Tag) -> None:
    """Figure 1, Table 1, in the order of the page; the numbers are text, so that they can be read out and copied."""
    for word, selector, label in (
        ("Figure", "figure", "figcaption"),
        ("Table", "table:not(.data)", "caption"),
    ):
        captions = [caption for thing in main.select(selector) if (caption := thing.find(label)) is not None]
        for number, caption in enumerate(captions, start=1):
            thing = caption.find_parent(word.lower())
            assert thing is not None, "a caption is inside what it names"
            thing["id"] = f"{word.lower()}-{number}"
            mark = soup.new_tag("span", string=f"{word} {number}.", attrs={"class": "number"})
            caption.insert(0, mark, " ")
    for figure in main.find_all("figure"):
        for image in figure.find_all("img"):
            name = str(figure.get("id", "figure")).replace("-", " ").capitalize()
            image.wrap(soup.new_tag("div", attrs=_region("figure-scroll", name)))


def _wrap_tables(soup: BeautifulSoup, main: Tag) -> None:
    """Each table scrolls in a region of its own: named, and reachable by keyboard."""
    names: set[str] = set()
    for number, table in enumerate(main.find_all("table"), start=1):
        parent = table.parent
        if parent is None or "table-scroll" not in (parent.get("class") or []):
            parent = table.wrap(soup.new_tag("div"))
        caption = table.find("caption")
        name = (
            _clipped(caption.get_text(" ", strip=True)) if caption else f"Table without a caption, {number}"
        )
        while name in names:
            name = f"{name} ({number})"
        names.add(name)
        parent.attrs = {**_region("table-scroll", name)}
        for cell in table.find_all(["td", "th"]):
            first = cell.find(string=True)
            if first is not None and defuse(cell.get_text()) != cell.get_text():
                first.replace_with(f"'{first}")
        for header in table.select("thead th:not([scope])"):
            header["scope"] = "col"
        for header in table.select("tbody th:not([scope])"):
            header["scope"] = "row"
        for corner in table.select("thead th"):
            if not corner.get_text(strip=True):  # the empty corner of a frame heads nothing
                corner.name = "td"
                del corner["scope"]


def _region(kind: str, name: str) -> dict[str, str]:
    """What makes an element scroll by keyboard, under a name that is read out."""
    return {"class": kind, "role": "region", "tabindex": "0", "aria-label": name}


def _clipped(text: str) -> str:
    return text if len(text) <= _WHOLE_CAPTION else f"{text[: _WHOLE_CAPTION - 1].rsplit(' ', 1)[0]} …"


def _describe_images(main: Tag) -> None:
    """Say so where an image has no description, and drop images that are not inside the page."""
    for image in main.find_all("img"):
        alt = str(image.get("alt") or "").strip()
        alt = "" if alt in (_FILLER, UNDESCRIBED) else alt
        if not image.get("src"):
            image.replace_with(f"({alt or 'An image'}: not embedded in this page.)")
            continue
        image["alt"] = alt or UNDESCRIBED
        if not alt:
            image["data-undescribed"] = ""


def _unique_ids(main: Tag) -> None:
    taken: set[str] = {"main"}
    for element in main.select("[id]"):
        wanted = name = str(element["id"])
        number = 1
        while name in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(name)
        element["id"] = name


def _list_contents(soup: BeautifulSoup, headings: list[Tag]) -> None:
    """The sections, beside the text on a wide screen and folded above it on a narrow one; none for a short page."""
    sections = [heading for heading in headings if heading.name in ("h2", "h3")]
    places = [soup.select_one("nav.side"), soup.select_one("nav.top")]
    title = soup.select_one("main > h1") or soup.select_one("main h1")
    for nav in (place for place in places if place is not None):
        if len(sections) < 2:
            nav.decompose()
            continue
        (nav.find("details") or nav).append(_list(soup, sections))
        if title is not None and "top" in (nav.get("class") or []):
            title.insert_after(nav.extract())


def _list(soup: BeautifulSoup, sections: list[Tag]) -> Tag:
    outer = soup.new_tag("ol")
    inner: Tag | None = None
    for heading in sections:
        link = soup.new_tag("a", string=heading.get_text().strip(), href="#" + quote(str(heading["id"])))
        item = soup.new_tag("li")
        item.append(link)
        if heading.name == "h2":
            outer.append(item)
            inner = None
            continue
        if inner is None:
            inner = soup.new_tag("ol")
            (outer.find_all("li", recursive=False) or [outer])[-1].append(inner)
        inner.append(item)
    return outer


def _mend_links(soup: BeautifulSoup) -> None:
    """No link leads nowhere: one to a missing place becomes text; one that leaves the page tells nobody about it."""
    places = {str(element["id"]) for element in soup.select("[id]")}
    for link in soup.find_all("a"):
        address = str(link.get("href") or "")
        if not address:
            link.unwrap()
        elif address.startswith("#"):
            place = unquote(address[1:])
            if place not in places:
                link.unwrap()
        elif ":" in address:
            link["rel"] = "noreferrer"


def _scrub(soup: BeautifulSoup) -> None:
    body = soup.body
    assert body is not None, "the template has a <body>"
    for text in body.find_all(string=True):
        short = visible(scrub_paths(str(text)))
        if short != text:
            text.replace_with(short)
    for element in body.select(", ".join(f"[{name}]" for name in _SAID)):
        for name in _SAID:
            if element.get(name):
                element[name] = visible(scrub_paths(str(element[name])))
