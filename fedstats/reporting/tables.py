"""Tables for people: every label escaped, numbers aligned, a caption, headers that say what they head."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
from bs4 import BeautifulSoup, Tag

from fedstats.contract.labels import visible
from fedstats.reporting.formats import column_format, defuse, is_number, precise

if TYPE_CHECKING:
    from great_tables import GT

# JupyterLab aligns every cell to the right, so what is text says so itself; the report's style knows the class n.
_TEXT = ' style="text-align:left"'
_NUMBER = ' class="n"'
# What the columns of our tidy frames are called in print.
_TITLES = {
    "conf_high": "Upper bound",
    "conf_low": "Lower bound",
    "df": "df",
    "n": "n",
    "n_event": "Events",
    "estimate_low": "At least, on exact times",
    "n_censor": "Censored",
    "n_risk": "At risk at the start",
    "p_value": "p",
    "smd": "SMD",
    "start": "Start of the cell",
    "std_error": "Standard error",
}


@dataclass(frozen=True)
class Table:
    """A table that shows itself in notebooks, reports and terminals.

    Attributes
    ----------
    markup : str         the HTML
    text : str           the same for a terminal
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


def table(
    frame: "pd.DataFrame | GT",
    *,
    caption: str,
    note: str | None = None,
    labels: Mapping[str, str] | None = None,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    groups: str | None = None,
) -> Table:
    """Show a frame, or a layout made with great-tables, as a table.

    Parameters
    ----------
    frame : DataFrame or great_tables.GT
        A frame has one row a line, and its first column holds the labels of the rows.  A layout (spanners, summary
        rows) is shown as it is, in the style of the report; the other options do not apply to it.
    caption : str
        What the table shows; the report puts the number before it.
    note : str, optional
        Abbreviations and remarks, beneath.
    labels : mapping, optional
        Column name to heading; a column without one gets a title made from its name.
    formats : mapping, optional
        Column name to a function from a value to a text; see :mod:`fedstats.reporting.formats`.
    groups : str, optional
        A column whose values become headings above their rows.
    """
    if not caption.strip():
        raise ValueError("A table needs a caption.")
    if isinstance(frame, pd.DataFrame):
        cells = _as_text(frame, labels or {}, formats or {})
        heading = (labels or {}).get(groups, _title(groups)) if groups else None
        body, shown = _markup(cells, heading), cells.to_string(index=False) if len(cells) else "(no rows)"
    else:
        body, shown = _from_layout(frame), "(a table; it shows in a notebook or a report)"
    small = f'<p class="table-note" style="font-size:0.9em">{escape(note)}</p>' if note else ""
    return Table(_region(body, caption) + small, "\n".join(part for part in (caption, shown, note) if part))


def numbers_behind(frame: pd.DataFrame, caption: str) -> str:
    """The plain table of a figure's numbers, with more digits and without a number of its own."""
    floats = (name for name in frame.columns if pd.api.types.is_float_dtype(frame[name]))
    return _region(_markup(_as_text(frame, {}, dict.fromkeys(floats, precise)), None, "data"), caption)


def _as_text(
    frame: pd.DataFrame, labels: Mapping[str, str], formats: Mapping[str, Callable[[Any], str]]
) -> pd.DataFrame:
    """The frame as its cells will read, under its headings."""
    if not len(frame.columns):
        raise ValueError("A table needs at least one column.")
    if not frame.columns.is_unique:
        raise ValueError(f"Two columns of a table bear the same name: {', '.join(map(str, frame.columns))}.")
    columns = []
    for name in frame.columns:
        shown = frame[name].map(formats.get(name) or column_format(frame[name])).astype(object)
        columns.append(shown.rename(labels.get(name, _title(name))))
    return pd.concat(columns, axis=1).reset_index(drop=True)


def _title(name: object) -> str:
    text = str(name).replace("_", " ")
    return _TITLES.get(str(name), text[:1].upper() + text[1:])


def _markup(cells: pd.DataFrame, groups: str | None, kind: str = "") -> str:
    """The ``<table>``: the first column heads its row, a change of group starts a line that heads the following."""
    names = list(cells.columns)
    group = names.index(groups) if groups is not None else -1
    shown = [position for position in range(len(names)) if position != group]
    numeric = {at for at in shown if len(cells) and all(map(is_number, cells.iloc[:, at]))}
    mark = {at: _NUMBER if at in numeric and at != shown[0] else _TEXT for at in shown}
    lines = ["<thead><tr>"]
    lines += [f'<th scope="col"{mark[at]}>{_safe(names[at])}</th>' for at in shown]
    lines.append("</tr></thead><tbody>")
    current = None
    for row in cells.itertuples(index=False, name=None):
        if group >= 0 and row[group] != current:
            current = row[group]
            lines.append(
                f'<tr class="group"><th scope="colgroup" colspan="{len(shown)}"{_TEXT}>{_safe(current)}</th></tr>'
            )
        rest = "".join(f"<td{mark[at]}>{_safe(row[at])}</td>" for at in shown[1:])
        lines.append(f'<tr><th scope="row"{mark[shown[0]]}>{_safe(row[shown[0]])}</th>{rest}</tr>')
    opened = f'<table class="{kind}">' if kind else "<table>"
    return opened + "\n".join(lines) + "</tbody></table>"


def _safe(label: str) -> str:
    return escape(defuse(visible(label)))


def _from_layout(layout: "GT") -> str:
    """The ``<table>`` of a great-tables layout; its style sheet, ids and classes give way to the page's."""
    from fedstats.reporting.sanitise import sanitise  # noqa: PLC0415 (great-tables layouts are rare)

    element = BeautifulSoup(layout.as_raw_html(), "html.parser").find("table")
    assert isinstance(element, Tag), "great-tables makes a table"
    for part in element.find_all(True):
        kept = {name: part[name] for name in ("scope", "colspan", "rowspan") if part.get(name, "1") != "1"}
        looks = set(part.get("class") or ())
        if part.name in ("td", "th"):
            kept |= {"class": "n"} if "gt_right" in looks else {"style": "text-align:left"}
        elif "gt_group_heading_row" in looks:
            kept["class"] = "group"
        part.attrs = kept
        if part.name in ("td", "th") and not part.find(True):
            part.string = defuse(part.get_text())
    element.attrs = {}
    return sanitise(str(element))


def _region(body: str, caption: str) -> str:
    label = escape(caption)
    opened = body.index(">") + 1
    with_caption = f'{body[:opened]}<caption style="text-align:left">{label}</caption>{body[opened:]}'
    return f'<div class="table-scroll" role="region" tabindex="0" aria-label="{label}">{with_caption}</div>'
