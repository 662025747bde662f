"""What every page that fedstats makes must keep: the checks take a page opened by :func:`opened`.

The sample report is judged by them here, the reports of real runs elsewhere.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
MOST_BYTES = 2_000_000
_LOCAL = ("file:", "data:", "blob:", "about:")


@dataclass
class Visit:
    """A page and everything it tried or complained about."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser of this machine; without one a laptop skips these tests and continuous integration fails."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        advice = "Browser tests need chromium: apt-get install chromium, or brew install --cask chromium."
        if os.environ.get("CI"):
            pytest.fail(advice)
        pytest.skip(advice)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, path: Path, *, width: int = 1280, scheme: str = "light") -> Iterator[Visit]:
    """Open a file with the network refused."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    visit = Visit(context.new_page())

    def only_local(route: Any) -> None:
        if route.request.url.startswith(_LOCAL):
            route.continue_()
        else:
            visit.requests.append(route.request.url)
            route.abort()

    context.route("**/*", only_local)
    visit.page.on(
        "console", lambda message: visit.complaints.append(f"console {message.type}: {message.text}")
    )
    visit.page.on("pageerror", lambda error: visit.complaints.append(f"page error: {error}"))
    visit.page.on(
        "dialog", lambda dialog: (visit.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss())
    )
    try:
        visit.page.goto(path.resolve().as_uri())
        yield visit
    finally:
        context.close()


def check_quiet(visit: Visit) -> None:
    """Nothing asked for outside, nothing on the console, no error, no dialog."""
    assert visit.requests == []
    assert visit.complaints == []


def check_accessible(visit: Visit) -> None:
    """No violation that axe knows, with everything unfolded too."""
    from axe_playwright_python.sync_playwright import Axe

    for unfold in (False, True):
        if unfold:
            visit.page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
        violations = Axe().run(visit.page).response["violations"]
        told = [
            f"{v['id']}: {v['help']}: {[node['html'][:200] for node in v['nodes'][:3]]}" for v in violations
        ]
        assert told == []


def check_fits(visit: Visit) -> None:
    """The page does not scroll sideways, folded or not, and no element sticks out of it."""
    for unfold in (False, True):
        visit.page.evaluate(
            "(open) => document.querySelectorAll('details').forEach(d => d.open = open)", unfold
        )
        width, inside = visit.page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
        assert width <= inside, f"the page is {width} pixels wide in a window of {inside}"
        outside = visit.page.evaluate(
            """() => [...document.querySelectorAll('main *')].filter(e => {
                const scrolls = '.table-scroll, .figure-scroll, .formula';
                if (e.closest(scrolls) && !e.matches(scrolls)) return false;
                const box = e.getBoundingClientRect();
                return box.width > 0 && (box.right > window.innerWidth + 1 || box.left < -1);
            }).map(e => e.outerHTML.slice(0, 120))"""
        )
        assert outside == []


def check_images(visit: Visit) -> None:
    """Every image is drawn and described in words of its own."""
    images = visit.page.evaluate(
        "() => [...document.images].map(i => [i.alt, i.naturalWidth, i.hasAttribute('data-undescribed')])"
    )
    for alt, width, undescribed in images:
        assert width > 0, f"not drawn: {alt}"
        assert not undescribed, f"not described: {alt}"
        assert alt.strip()
        assert "No description has been provided" not in alt


def check_outline(visit: Visit) -> None:
    """One h1, no jump in the levels, links that lead somewhere, no id used twice."""
    levels = visit.page.evaluate(
        "() => [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => Number(h.tagName[1]))"
    )
    assert levels[:1] == [1]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    dead = visit.page.evaluate(
        """() => [...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href'))
            .filter(h => !document.getElementById(decodeURIComponent(h.slice(1))))"""
    )
    assert dead == []
    twice = visit.page.evaluate(
        "() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
        " return ids.filter((id, at) => ids.indexOf(id) !== at); }"
    )
    assert twice == []


def check_locked(visit: Visit) -> None:
    """A strict policy, no script, nothing that could run, no frame, no form, nothing loaded from elsewhere."""
    policy = visit.page.get_attribute("meta[http-equiv='Content-Security-Policy']", "content") or ""
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    found = visit.page.evaluate(
        """() => [...document.querySelectorAll('*')].filter(e =>
            e.matches('script, iframe, object, embed, form, base, link:not([rel=icon])') ||
            [...e.attributes].some(a => /^on/i.test(a.name) || /^\\s*javascript:/i.test(a.value)) ||
            (e.hasAttribute('src') && !e.getAttribute('src').startsWith('data:image/')))
        .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert found == []


def check_size(path: Path) -> None:
    """Small enough to send by mail."""
    assert path.stat().st_size <= MOST_BYTES


def check_prints(visit: Visit) -> None:
    """The browser makes a PDF of it."""
    assert visit.page.pdf(format="A4").startswith(b"%PDF-")


def check_page(browser: Any, path: Path) -> None:
    """All of it, at both widths and in both colour schemes."""
    check_size(path)
    for width in WIDTHS:
        for scheme in SCHEMES:
            with opened(browser, path, width=width, scheme=scheme) as visit:
                check_locked(visit)
                check_outline(visit)
                check_images(visit)
                check_fits(visit)
                check_accessible(visit)
                check_quiet(visit)
    with opened(browser, path) as visit:
        check_prints(visit)
        check_quiet(visit)
