"""The page: harmless whatever a notebook holds, complete, the same each time."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fedstats.reporting import export_html
from fedstats.reporting.notebook import for_reading
from tests.reporting.pages import exported, harmful, parsed, shows
from tests.reporting.sample_report import sample_notebook

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return export_html(
        sample_notebook(), tmp_path_factory.mktemp("report") / "report.html", title="A <report>"
    )


@pytest.fixture(scope="module")
def soup(page):
    return parsed(page)


def test_the_title_and_the_policy(soup):
    assert soup.title.get_text() == "A <report>"
    assert soup.html["lang"] == "en"
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_nothing_harmful_survives_and_words_do(soup):
    assert harmful(soup) == []
    assert "harmless words" in soup.get_text()
    assert "a pixel: not embedded in this page" in soup.get_text()
    assert soup.select_one('img[alt="A square"]')["src"].startswith("data:image/svg+xml;base64,")


def test_our_own_figures_and_tables_survive(soup):
    assert [caption.get_text()[:9] for caption in soup.find_all("figcaption")] == ["Figure 1.", "Figure 2."]
    assert (
        soup.select_one("#table-1 caption").get_text().startswith("Table 1. Patients by first-line therapy")
    )
    assert len(soup.select("details.numbers table.data")) == 2
    assert all(image.get("alt") for image in soup.find_all("img"))
    assert not soup.select("[data-undescribed]")


def test_every_table_scrolls_in_a_named_region(soup):
    regions = [table.parent for table in soup.find_all("table")]
    assert all(region["role"] == "region" and region["tabindex"] == "0" for region in regions)
    assert len({region["aria-label"] for region in regions}) == len(regions) == 4


def test_headings_descend_and_the_contents_lead_to_them(soup):
    levels = [int(heading.name[1]) for heading in soup.find_all(re.compile("^h[1-6]$"))]
    assert levels == [1, 2, 3, 2, 2, 2, 3, 2, 2]
    side = soup.select_one("nav.side")
    assert [link["href"] for link in side.find_all("a")][:2] == ["#What-was-asked", "#Who-took-part"]
    assert side.ol.li.ol.get_text() == "Who took part"
    assert soup.select_one("nav.top details summary").get_text() == "Contents"
    for link in soup.select('a[href^="#"]'):
        assert soup.find(id=link["href"][1:].replace("%28", "(").replace("%29", ")")), link


def test_code_is_folded_and_cells_are_left_out_as_tagged(soup):
    folded = [details.summary.get_text() for details in soup.select("details.code")]
    assert folded[0] == "Parameters"
    assert set(folded[1:]) == {"Code"}
    assert "secret()" not in soup.get_text()
    assert "ties=" not in soup.get_text()


def test_parameters_that_were_given_stand_beneath_their_defaults():
    cells = [
        new_code_cell("site = ''", metadata={"tags": ["parameters"]}),
        new_code_cell("site = 'north'", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("site"),
    ]
    notebook = new_notebook(cells=cells)
    found = for_reading(notebook).cells
    assert [cell.metadata["fold"] for cell in found] == ["Parameters", "Code"]
    assert found[0].source == "site = ''\n\nsite = 'north'"
    assert len(notebook.cells) == 3
    notebook.cells[0].metadata["tags"].append("remove-cell")
    assert for_reading(notebook).cells[0].source == "site = 'north'"


def test_a_failure_shows_and_says_nothing_about_the_machine(soup):
    failure = soup.select_one(".failure").get_text()
    assert "SiteRefused: the level <script>alert(1)</script> has fewer than 11 patients" in failure
    assert "…/fedstats/cox.py:41" in failure
    assert "…/run.py" in failure
    assert "anna" not in failure
    assert "\x1b" not in failure


def test_what_needs_a_script_is_one_line(soup):
    notices = [notice.get_text() for notice in soup.select(".notice")]
    assert len(notices) == 3
    assert all(notice.endswith("Open the notebook in JupyterLab to use it.") for notice in notices)


def test_formulas_are_mathml_and_code_keeps_its_dollars(soup):
    assert len(soup.find_all("math")) == 4
    assert "$x$" in [code.get_text() for code in soup.find_all("code")]
    assert soup.select_one(".formula")["tabindex"] == "0"
    assert "\\lambda" not in soup.get_text()


def test_the_same_notebook_gives_the_same_bytes_and_is_not_changed(page, tmp_path):
    notebook = nbformat.from_dict(sample_notebook())
    before = nbformat.writes(notebook)
    again = export_html(notebook, tmp_path / "again.html", title="A <report>")
    assert again.read_bytes() == page.read_bytes()
    assert nbformat.writes(notebook) == before
    assert page.stat().st_size < 150_000


def test_a_page_appears_complete_or_not_at_all(tmp_path):
    source = tmp_path / "deep" / "report.ipynb"
    source.parent.mkdir()
    (source.parent / "pixel.png").write_bytes(base64.b64decode(PIXEL))
    nbformat.write(
        new_notebook(cells=[new_markdown_cell("![a pixel](pixel.png) ![gone](../outside.png)")]), source
    )
    out = export_html(source, tmp_path / "out" / "report.html", title="T")
    assert out == tmp_path / "out" / "report.html"
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]
    assert parsed(out).img["src"].startswith("data:image/png;base64,iVBOR")
    assert "(gone: not embedded in this page.)" in parsed(out).get_text()
    with pytest.raises(FileNotFoundError):
        export_html(tmp_path / "missing.ipynb", tmp_path / "none.html", title="T")
    assert not (tmp_path / "none.html").exists()


def test_a_bare_image_takes_its_description_from_the_notebook_or_says_it_has_none(tmp_path):
    described = new_output(
        "display_data", data={"image/png": PIXEL}, metadata={"image/png": {"alt": "A dot"}}
    )
    soup = exported(tmp_path, new_code_cell("", outputs=[described]), shows(image__png=PIXEL))
    assert [image["alt"] for image in soup.find_all("img")] == ["A dot", "Image without a description"]
    assert len(soup.select("[data-undescribed]")) == 1


def test_frames_markdown_latex_and_streams_are_shown(tmp_path):
    frame = '<style scoped>.x{color:red}</style><table class="dataframe"><thead><tr><th></th><th>n</th></tr></thead></table>'
    soup = exported(
        tmp_path,
        shows(text__html=frame),
        shows(text__markdown="*yes*"),
        shows(text__latex="$x^2$"),
        shows(text__plain="a < b"),
        new_code_cell(
            "", outputs=[new_output("stream", name="stderr", text="/home/anna/x.py:3: UserWarning")]
        ),
    )
    assert "color:red" not in soup.main.get_text()
    assert [cell.name for cell in soup.select("thead tr *")] == ["td", "th"]
    assert soup.em.get_text() == "yes"
    assert soup.math
    assert "a < b" in soup.get_text()
    assert soup.select_one("pre.remark").get_text() == "…/x.py:3: UserWarning"


def test_no_cell_of_any_table_is_a_formula_for_a_spreadsheet(soup, tmp_path):
    assert not [cell for cell in soup.find_all(["td", "th"]) if cell.get_text().startswith("=")]
    frame = "<table><tr><th>=1+1</th><td>-0.5</td><td>@SUM(<b>A1</b>)</td></tr></table>"
    cells = exported(tmp_path, shows(text__html=frame)).find_all(["td", "th"])
    assert [cell.get_text() for cell in cells] == ["'=1+1", "-0.5", "'@SUM(A1)"]


def test_a_short_page_has_a_title_and_no_contents(tmp_path):
    soup = exported(tmp_path, new_markdown_cell("Only a line."), language="pt-BR")
    assert soup.h1.get_text() == "T"
    assert not soup.find("nav")
    assert soup.html["lang"] == "pt-BR"
    with pytest.raises(ValueError, match="language"):
        exported(tmp_path, language='"><script>')


def test_ids_are_unique_and_equal_headings_keep_apart(tmp_path):
    soup = exported(tmp_path, new_markdown_cell("## Again\n\n## Again\n\n<p id='main'>x</p>"))
    ids = [element["id"] for element in soup.select("[id]")]
    assert len(ids) == len(set(ids))
    assert [link["href"] for link in soup.select("nav.side a")] == ["#Again", "#Again-2"]


def test_importing_the_package_loads_nothing_heavy():
    heavy = "{'nbconvert', 'matplotlib', 'great_tables', 'bs4', 'bleach'}"
    code = f"import sys, fedstats.reporting, fedstats.reporting.html; print({heavy} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert result.stdout.strip() == "set()"
