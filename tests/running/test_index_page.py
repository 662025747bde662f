"""The page of a run: offline, without script, everything escaped."""

import html.parser
import re
from types import SimpleNamespace

import pytest

from fedstats.running.index_page import write_index
from fedstats.running.manifest import Manifest
from fedstats.running.outcome import Outcome, Step

NASTY = "<script>alert('x')</script>\"&"


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in {"href", "src"}]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path):
    """A run with one good step, one failed one and one that waits, all with nasty labels."""
    study_file = tmp_path / "study.toml"
    study_file.write_text("")
    (tmp_path / "source.ipynb").write_text("{}")
    study = SimpleNamespace(id="toy", title=NASTY, sites=(NASTY,), files=(study_file,))
    steps = [
        Step(
            name,
            tmp_path / "source.ipynb",
            {},
            tmp_path / "sites" / f"{name} #1.ipynb",
            label=f"{name} {NASTY}",
        )
        for name in ("good", "bad", "later")
    ]
    (tmp_path / "sites").mkdir()
    steps[0].output.write_text("{}")
    steps[1].output.with_suffix(".failed.ipynb").write_text("{}")
    manifest = Manifest(tmp_path, {"run": tmp_path})
    manifest.begin("toy-1", study, steps)
    for step in steps[:2]:
        manifest.step_started(step)
    manifest.step_finished(steps[0], Outcome("good", "ok", 0, 65))
    manifest.step_finished(steps[1], Outcome("bad", "failed", 0, 5, 4, NASTY, "ValueError", NASTY))
    manifest.content["reports"]["sites/good #1.ipynb"] = {}
    manifest.end("failed", 2)
    return write_index(tmp_path, manifest.content, f"run {NASTY}").read_text()


def test_nothing_from_outside_becomes_markup(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert "script" not in reader.tags
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#x27;x&#x27;)") >= 6


def test_no_request_is_possible(page):
    assert re.search(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'", page)
    assert "://" not in page
    assert " style=" not in page
    assert "@import" not in page


def test_links_lead_to_files_that_exist_and_are_quoted(page):
    reader = Reader()
    reader.feed(page)
    assert "sites/good%20%231.ipynb" in reader.links
    assert "sites/bad%20%231.failed.ipynb" in reader.links
    assert not any("later" in link or "sites/bad%20%231.ipynb" in link for link in reader.links)


def test_status_time_failing_cell_and_how_to_go_on(page):
    assert "1 of 3 notebooks finished" in page
    assert "1 min 5 s" in page
    assert "Cell 4 “&lt;script&gt;" in page
    assert "not run yet" in page
    assert "<code>run &lt;script" in page


@pytest.mark.parametrize(("first", "words"), [("DataError", "stopped, since"), ("SiteMissing", "failed")])
def test_who_only_missed_a_notebook_that_failed_has_stopped_and_is_no_cause(tmp_path, first, words):
    manifest = {
        "run": "toy-1",
        "study": {"id": "toy", "title": "Toy", "sites": [], "files": {}},
        "steps": {
            "site-a": {"status": "failed", "error": first},
            "coordinator": {"status": "failed", "error": "SiteMissing"},
        },
        "made_from": dict.fromkeys(
            ("git", "fedstats", "code_sha256", "lock_sha256", "python", "platform"), ""
        )
        | {"packages": {}},
        "status": "failed",
        "reports": {},
        "started": "",
        "resumed": [],
        "ended": "",
    }
    row = write_index(tmp_path, manifest, "").read_text().split('<th scope="row">coordinator')[1]
    assert words in row
    assert ('class="bad"' in row) == (words == "failed")
