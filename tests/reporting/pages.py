"""Making small pages, and finding in them what could run or fetch."""

import re

import bs4
from nbformat.v4 import new_code_cell, new_notebook, new_output

from fedstats.reporting import export_html

RUNS = "script, iframe, object, embed, form, base, button, input, meta[http-equiv=refresh]"


def parsed(path):
    return bs4.BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def exported(tmp_path, *cells, **options):
    return parsed(export_html(new_notebook(cells=list(cells)), tmp_path / "page.html", title="T", **options))


def shows(source="", **data):
    kinds = {kind.replace("__", "/").replace("_", "+"): value for kind, value in data.items()}
    return new_code_cell(source, outputs=[new_output("display_data", data=kinds)])


def harmful(soup):
    """Everything in a page that could run or fetch."""
    found = soup.select(RUNS) + soup.select("style:not(head style), link:not([rel=icon])")
    for element in soup.find_all(True):
        for name, value in element.attrs.items():
            text = re.sub(r"\s", "", "".join(value)).lower()
            fetches = name in {"src", "srcset", "action", "data", "poster", "background"}
            runs = name.startswith("on") or text.startswith(("javascript:", "data:text")) or "url(" in text
            if runs or (fetches and not text.startswith("data:image/")):
                found.append(element)
    return found
