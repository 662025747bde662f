"""Whatever a cell printed: no script, no address that is fetched, no path of a machine reaches a page."""

from pathlib import Path

import bs4
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_markdown_cell

from fedstats.reporting.mathml import mathml
from fedstats.reporting.sanitise import sanitise
from fedstats.reporting.scrub import scrub_paths
from tests.reporting.pages import exported, harmful, shows
from tests.reporting.sample_report import HOSTILE_HTML

HTML = st.lists(
    st.sampled_from(
        ["<script>", "</script>", "<img src=x onerror=a()>", "<svg onload=a()>", "</svg>", "<math>", "</math>", "<style>",
         "</style>", "<a href='java\tscript:a()'>", "<p style='background:url(//x)' onclick=a()>", "</p>", "<!--", "-->",
         "<table><td>", "<noscript>", "</noscript>", "<mtext>", "<title>", "'\"", "<iframe srcdoc='<script>'>", "<template>",
         "<![CDATA[", "]]>", "$x$", "<form action=javascript:a()>", "<input autofocus onfocus=a()>", "text", "\n\n", "# "]
    )
).map("".join)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(HTML)
def test_no_mixture_of_tags_gets_through(source):
    clean = sanitise(source)
    assert harmful(bs4.BeautifulSoup(clean, "html.parser")) == []
    assert sanitise(clean).split() == clean.split()


@settings(max_examples=20, deadline=None)
@given(markdown=HTML, output=HTML)
def test_no_notebook_makes_a_page_that_runs(tmp_path_factory, markdown, output):
    where = tmp_path_factory.mktemp("any")
    assert harmful(exported(where, new_markdown_cell(markdown), shows(text__html=output))) == []


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\text{<script>alert(1)</script>}",
        r"\style{x:url(y)}{x}",
        r"\text{&#x3c;script>}",
    ],
)
def test_a_formula_cannot_smuggle(tex):
    assert harmful(bs4.BeautifulSoup(mathml(tex), "html.parser")) == []


def test_formulas_that_are_not_understood_stay_readable():
    assert mathml(r"\frac{") == "<code>\\frac{</code>"
    assert mathml(r"\unknowncommand x") == "<code>\\unknowncommand x</code>"
    assert "<mtable" in mathml(r"\begin{aligned}a&=b\\c&=d\end{aligned}", block=True)


def test_planted_html_is_harmless_and_its_words_stay():
    soup = bs4.BeautifulSoup(sanitise(HOSTILE_HTML), "html.parser")
    assert harmful(soup) == []
    assert "alert" not in soup.get_text()
    assert "harmless words" in soup.get_text()


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ('File "/home/anna/x/y.py", line 3', 'File "…/y.py", line 3'),
        ("/home/anna", "~"),
        ("C:\\Users\\Anna", "~"),
        ("C:\\Users\\Anna\\data\\x.csv", "…/x.csv"),
        ("~/secret/b.py", "…/b.py"),
        ("/opt/lib/python3.11/site-packages/lifelines/fit.py:3", "…/lifelines/fit.py:3"),
        ("file:///home/anna/b.csv", "…/b.csv"),
        ("PATH=/usr/bin:/home/anna/bin", "PATH=…/bin:…/bin"),
        ("https://example.org/a/b/c", "https://example.org/a/b/c"),
        ("mg/dL and/or 1/2/3, runs/today/x.html", "mg/dL and/or 1/2/3, runs/today/x.html"),
    ],
)
def test_paths_of_a_machine_are_shortened(text, short):
    assert scrub_paths(text) == short


def test_paths_below_this_folder_and_home_are_shortened(tmp_path, monkeypatch):
    (tmp_path / "network").mkdir()
    monkeypatch.chdir(tmp_path / "network")
    monkeypatch.setattr(Path, "home", lambda: Path("/people/maria rossi"))
    assert scrub_paths(f"{tmp_path}/network/runs/x.json") == "./runs/x.json"
    assert scrub_paths("/people/maria rossi") == "~"
