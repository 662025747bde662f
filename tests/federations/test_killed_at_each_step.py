"""Killed at every step of writing: what is on the disk is whole, and the study ends with the same bytes."""

import pytest

import fedstats as fs
from tests.federations.small_study import (
    finish,
    serving,
    start_coordinator,
    start_dying_coordinator,
    start_dying_site,
    start_site,
)

#: Steps of a write: the bytes go to the disk, then get their name; before and after each.
STEPS = [("fsync", False), ("fsync", True), ("link", False), ("link", True)]
#: Of a site: keys, whom it knows, its join, then memory, outbox and exchange for each answer.
SITE_WRITES = (1, 2, 3, 5, 8)
#: Of the coordinator: keys, the opening, questions, the roster, the archive.
COORDINATOR_WRITES = (1, 2, 3, 6, 9)


def ends_with_the_same_bytes(here):
    sha256 = fs.save_results(fs.load_results(here.results), here.results, study=here.study.digest)
    ledger = fs.Ledger(here.exchange)
    digests = [question.query.digest() for question in ledger.questions()]
    assert len(set(digests)) == len(digests)
    assert list(ledger.verify()) == []
    assert sha256 == here.sha256


def killed(process):
    process.join(60)
    assert process.exitcode == -9


@pytest.fixture
def at_home(quick, tmp_path, monkeypatch):
    """Private folders of this test alone: every key and memory is made anew."""
    monkeypatch.setenv("FEDSTATS_HOME", str(tmp_path / "home"))
    return quick


@pytest.mark.acceptance(9)
@pytest.mark.parametrize("nth", SITE_WRITES)
@pytest.mark.parametrize(("call", "after"), STEPS)
def test_a_site_killed_at_a_step_of_writing(at_home, call, after, nth):
    others = {name: at_home.sites[name] for name in ("south", "west")}
    coordinator = start_coordinator(at_home)
    with serving(at_home.exchange, others, at_home.study):
        killed(start_dying_site(at_home, "north", call, nth, after))
        finish(start_site(at_home, "north"), coordinator)
    ends_with_the_same_bytes(at_home)


@pytest.mark.acceptance(10)
@pytest.mark.parametrize("nth", COORDINATOR_WRITES)
@pytest.mark.parametrize(("call", "after"), STEPS)
def test_a_coordinator_killed_at_a_step_of_writing(at_home, call, after, nth):
    with serving(at_home.exchange, at_home.sites, at_home.study):
        killed(start_dying_coordinator(at_home, call, nth, after))
        finish(start_coordinator(at_home))
    ends_with_the_same_bytes(at_home)


@pytest.mark.acceptance(14)
def test_no_clock_decides_anything():
    """A site whose clock is a day off answers as any other: nothing of an exchange reads the time of day."""
    import ast
    from pathlib import Path

    read = set()
    for path in Path(fs.__file__).parent.joinpath("federations").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"time", "datetime"}:
                read.add(node.attr)
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "datetime" not in ast.unparse(node), path.name
    assert read <= {"monotonic", "sleep"}
