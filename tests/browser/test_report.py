"""The sample report in a real browser with the network refused, hostile labels and all."""

import pytest

from fedstats.reporting import export_html
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
