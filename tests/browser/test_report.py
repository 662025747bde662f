"""The sample report in a real browser with the network refused, hostile labels and all."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from fedstats.reporting import export_html, figure, forest_plot, table
from tests.browser import page_checks
from tests.reporting.sample_report import sample_notebook

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    with page_checks.chromium() as program:
        yield program


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return export_html(
        sample_notebook(), tmp_path_factory.mktemp("report") / "report.html", title="Resistance"
    )


@pytest.fixture(params=page_checks.WIDTHS, scope="module")
def width(request):
    return request.param


@pytest.fixture(params=page_checks.SCHEMES, scope="module")
def visit(browser, report, width, request):
    with page_checks.opened(browser, report, width=width, scheme=request.param) as opened:
        yield opened


def test_it_is_locked_and_quiet(visit):
    page_checks.check_locked(visit)
    page_checks.check_quiet(visit)


def test_it_is_accessible(visit):
    page_checks.check_accessible(visit)


def test_it_fits(visit):
    page_checks.check_fits(visit)


def test_its_images_are_described_and_its_outline_holds(visit):
    page_checks.check_images(visit)
    page_checks.check_outline(visit)


def test_it_is_small_and_prints(browser, report):
    page_checks.check_size(report)
    with page_checks.opened(browser, report) as opened:
        page_checks.check_prints(opened)
        page_checks.check_quiet(opened)


def test_it_can_be_read_with_the_keyboard_alone(browser, report):
    with page_checks.opened(browser, report, width=390) as opened:
        press = opened.page.keyboard.press
        press("Tab")
        assert opened.page.evaluate("() => document.activeElement.className") == "skip"
        press("Enter")
        assert opened.page.evaluate("() => location.hash") == "#main"
        opened.page.focus("nav.top summary")
        press("Enter")
        assert opened.page.is_visible("nav.top a >> nth=0")
        opened.page.focus("details.code summary")
        press("Space")
        assert opened.page.evaluate("() => document.querySelector('details.code').open")


def test_contents_stay_beside_the_text_where_there_is_room(browser, report):
    with page_checks.opened(browser, report, width=1280) as wide:
        wide.page.mouse.wheel(0, 2500)
        wide.page.wait_for_function("() => window.scrollY > 1000")
        assert wide.page.locator("nav.side").bounding_box()["y"] >= 0
        assert not wide.page.is_visible("nav.top")
    with page_checks.opened(browser, report, width=390) as narrow:
        assert not narrow.page.is_visible("nav.side")
        assert narrow.page.is_visible("nav.top summary")


WIDE_TABLE = """() => {
    const box = [...document.querySelectorAll('.table-scroll:has(caption)')].find(e => e.clientWidth && e.scrollWidth > e.clientWidth + 40);
    box.scrollIntoView({block: 'center'});
    return box.getBoundingClientRect();
}"""
FIRST_TABLE = "() => document.querySelector('.table-scroll').getBoundingClientRect()"
SCROLL_TO_END = "() => document.querySelectorAll('.table-scroll').forEach(e => e.scrollTo(1e6, 0))"
CUE = "() => getComputedStyle(document.querySelector('figure'), '::before').content"


def edges(page, box):
    """How much the left and the right edge of a box differ from the page's ground, 0 to 255, where nothing is written."""
    clip = {"x": box["x"], "y": box["y"] + 1, "width": box["width"], "height": 3}
    picture = Image.open(BytesIO(page.screenshot(clip=clip))).convert("L")
    rows = np.asarray(picture, float)
    ground = np.median(rows)
    return tuple(float(abs(rows[:, at] - ground).mean(axis=0).max()) for at in (slice(0, 3), slice(-3, None)))


@pytest.mark.parametrize("scheme", page_checks.SCHEMES)
def test_a_table_that_goes_on_beyond_an_edge_has_a_shadow_there(browser, report, scheme):
    with page_checks.opened(browser, report, width=390, scheme=scheme) as opened:
        box = opened.page.evaluate(WIDE_TABLE)
        left, right = edges(opened.page, box)
        assert left < 1
        assert right > 15
        opened.page.evaluate(SCROLL_TO_END)
        left, right = edges(opened.page, box)
        assert left > 15
        assert right < 1


def test_a_table_that_fits_has_no_shadow_at_any_width(browser, tmp_path):
    data = {"text/html": table(pd.DataFrame({"a": [1]}), caption="One number").markup}
    cell = new_code_cell("x", outputs=[new_output("display_data", data=data)])
    page = export_html(new_notebook(cells=[cell]), tmp_path / "small.html", title="Small")
    for width in (1280, 1133, 1041, 390):  # a box of a broken number of pixels leaves no hairline
        with page_checks.opened(browser, page, width=width) as opened:
            assert max(edges(opened.page, opened.page.evaluate(FIRST_TABLE))) < 1


def test_a_figure_that_scrolls_says_so_and_one_that_fits_does_not(browser, report):
    for width, says in ((390, True), (700, False), (1280, False)):
        with page_checks.opened(browser, report, width=width) as opened:
            box = opened.page.locator(".figure-scroll").first
            assert box.evaluate("e => e.scrollWidth > e.clientWidth + 1") == says
            assert ("sideways" in opened.page.evaluate(CUE)) == says


def test_a_forest_plot_scrolls_in_its_box_under_a_cue_on_a_narrow_screen(browser, tmp_path):
    """The cue stands above the drawing, the end of the drawing can be reached, and the page stays as wide as the screen."""
    rows = pd.DataFrame(
        {
            "term": [f"US network: practices {k} and {k + 1}, merged" for k in range(18)],
            "estimate": 1.1,
            "conf_low": 0.8,
            "conf_high": 1.4,
        }
    )
    drawn = figure(
        forest_plot(rows, effect="Hazard ratio"),
        alt="Forest plot of 18 groups.",
        caption="Groups.",
        data=rows,
    )
    cell = new_code_cell("x", outputs=[new_output("display_data", data={"text/html": drawn._repr_html_()})])
    page = export_html(new_notebook(cells=[cell]), tmp_path / "forest.html", title="Forest")
    with page_checks.opened(browser, page, width=390) as opened:
        page_checks.check_fits(opened)
        box = opened.page.locator(".figure-scroll").first
        cue, top = opened.page.evaluate(
            "() => [document.querySelector('figure').getBoundingClientRect().top, "
            "document.querySelector('.figure-scroll').getBoundingClientRect().top]"
        )
        assert top - cue > 15  # a line of text
        assert "sideways" in opened.page.evaluate(CUE)
        left = box.evaluate(
            "e => { e.scrollTo(1e6, 0); return e.scrollWidth - e.clientWidth - e.scrollLeft }"
        )
        assert abs(left) < 2
        legible = box.evaluate("e => e.querySelector('img').getBoundingClientRect().width")
        assert legible > 600


def test_paper_shows_no_folded_code(browser, report):
    with page_checks.opened(browser, report, width=794, scheme="dark") as opened:
        opened.page.emulate_media(media="print", color_scheme="dark")
        assert not opened.page.is_visible("details.code summary >> nth=0")
        assert not opened.page.is_visible("nav.top")
        assert opened.page.is_visible("figure img >> nth=0")
        ground = opened.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(255, 255, 255)"


BAD_PAGES = {
    "check_quiet": "<img src='https://example.org/x.png' alt='x'>",
    "check_locked": "<p onclick='x()'>x</p>",
    "check_outline": "<h1>a</h1><h3>b</h3>",
    "check_images": "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw=' alt=''>",
    "check_fits": "<p style='width: 3000px'>x</p>",
    "check_accessible": "<p style='color: #ccc; background: #fff'>faint</p>",
}


@pytest.mark.parametrize("check", BAD_PAGES)
def test_each_check_finds_what_it_is_for(browser, tmp_path, check):
    bad = tmp_path / "bad.html"
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; img-src *; style-src 'unsafe-inline'\">"
    bad.write_text(
        f"<html lang='en'><head><title>t</title>{policy}</head><main>{BAD_PAGES[check]}</main></html>"
    )
    with page_checks.opened(browser, bad) as opened, pytest.raises(AssertionError):
        getattr(page_checks, check)(opened)
