"""Tables and figures: every label escaped, every header heading something, the numbers behind every picture."""

import base64

import bs4
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from great_tables import GT
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from fedstats.contract.labels import visible
from fedstats.reporting import figure, table
from fedstats.reporting.formats import count_percent, defuse

FRAME = pd.DataFrame(
    {
        "term": ["age", "C(sex)[female]"],
        "estimate": [1.234, 0.8],
        "p_value": [0.00001, 0.2],
        "n": [1200, np.nan],
        "part": ["Patients", "Patients"],
    }
)


def parsed(thing):
    return bs4.BeautifulSoup(thing._repr_html_(), "html.parser")


def rows(soup):
    return [[cell.get_text() for cell in row.find_all(["td", "th"])] for row in soup.find_all("tr")]


def drawing(label="x"):
    with mpl.rc_context({"text.parse_math": False}):
        drawn = Figure(figsize=(2, 1))
        drawn.add_subplot().set_title(label)
    return drawn


def test_a_table_shows_formatted_numbers_under_headings_with_a_scope():
    soup = parsed(
        table(FRAME, caption="Effects", note="CI: interval", groups="part", labels={"estimate": "HR"})
    )
    assert rows(soup) == [
        ["Term", "HR", "p", "n"],
        ["Patients"],
        ["age", "1.23", "<0.001", "1,200"],
        ["C(sex)[female]", "0.80", "0.20", "–"],
    ]
    assert [th["scope"] for th in soup.find_all("th")] == ["col"] * 4 + ["colgroup", "row", "row"]
    assert soup.table.caption.get_text() == "Effects"
    assert all("n" in td["class"] for td in soup.find_all("td"))
    region = soup.find(class_="table-scroll")
    assert (region["role"], region["tabindex"], region["aria-label"]) == ("region", "0", "Effects")
    assert soup.find(class_="table-note").get_text() == "CI: interval"


def test_formats_can_be_given():
    shown = table(FRAME, caption="c", formats={"n": lambda n: count_percent(n, 2400)})
    assert "1,200 (50.0%)" in shown.markup


@settings(deadline=None)
@example(label="\t", caption="c")
@given(label=st.text(), caption=st.text().filter(str.strip))
def test_any_label_is_only_text(label, caption):
    frame = pd.DataFrame({"label": [label], label + "!": [label], "part": [label]})
    made = table(frame, caption=caption, note=label or None, groups="part")
    soup = parsed(made)
    allowed = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    assert {element.name for element in soup.find_all(True)} <= allowed
    texts, expected = [cell.get_text() for cell in soup.find_all(["th", "td"])], defuse(visible(label))
    if expected.strip():
        assert texts[2:] == [expected] * 3
    else:  # the parser makes one blank of any blanks alone: that they are all there is looked up in the page itself
        assert [text.strip() for text in texts[2:]] == [""] * 3
        assert made.markup.count(f">{expected}<") >= 3


def test_a_spreadsheet_formula_is_defused_and_a_script_is_words():
    soup = parsed(
        table(pd.DataFrame({"site": ["=HYPERLINK(1)", "<script>alert(1)</script>"]}), caption="Sites")
    )
    assert rows(soup)[1:] == [["'=HYPERLINK(1)"], ["<script>alert(1)</script>"]]
    assert not soup.find("script")


def test_a_great_tables_layout_keeps_its_structure_and_loses_its_style():
    layout = GT(FRAME.drop(columns="part"), rowname_col="term").tab_spanner("Numbers <b>", ["p_value", "n"])
    soup = parsed(table(layout, caption="Laid out"))
    assert not soup.find("style")
    assert not soup.select("[id]")
    assert soup.find("th", colspan="2").get_text(strip=True) == "Numbers <b>"
    assert [th.get_text() for th in soup.select("th[scope=row]")] == ["age", "C(sex)[female]"]
    assert soup.table.caption.get_text() == "Laid out"


@pytest.mark.parametrize(
    ("frame", "caption", "says"),
    [
        (pd.DataFrame(), "Empty", "at least one column"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Twice", "same name"),
        (FRAME, " ", "needs a caption"),
    ],
)
def test_what_cannot_be_a_table_is_refused_in_one_sentence(frame, caption, says):
    with pytest.raises(ValueError, match=says):
        table(frame, caption=caption)


def test_a_table_without_rows_and_one_on_a_terminal():
    assert rows(parsed(table(FRAME.iloc[:0], caption="None"))) == [["Term", "Estimate", "p", "n", "Part"]]
    text = table(FRAME, caption="Effects", note="Remark")._repr_mimebundle_()["text/plain"]
    assert text.splitlines()[0] == "Effects"
    assert text.splitlines()[-1] == "Remark"
    assert "<0.001" in text


def test_a_figure_is_an_image_with_words_and_numbers():
    shown = figure(drawing(), alt='Falls "fast" & <far>', caption="Survival <by> arm", data=FRAME)
    soup = parsed(shown)
    assert soup.img["alt"] == 'Falls "fast" & <far>'
    assert soup.figcaption.get_text() == "Survival <by> arm"
    kind, data = soup.img["src"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data).startswith(b"\x89PNG")
    assert soup.details.summary.get_text() == "The numbers behind this figure"
    assert rows(soup.details)[1][:2] == ["age", "1.234"]
    assert str(shown) == '[Figure] Survival <by> arm\nFalls "fast" & <far>'


def test_the_same_drawing_gives_the_same_bytes_and_axes_do_as_well():
    first = figure(drawing(), alt="a", caption="c").markup
    assert figure(drawing(), alt="a", caption="c").markup == first
    assert figure(drawing().axes[0], alt="a", caption="c").markup == first


def test_letters_that_the_font_lacks_do_not_stop_a_report():
    assert figure(drawing("肝転移"), alt="a", caption="c").markup


@pytest.mark.parametrize(("alt", "caption"), [("", "c"), (" ", "c"), ("a", "")])
def test_a_figure_without_words_is_refused(alt, caption):
    with pytest.raises(ValueError, match="needs"):
        figure(drawing(), alt=alt, caption=caption)
