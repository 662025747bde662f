"""The display: plain lines where nobody looks, a table where somebody does."""

import io

import pytest
from rich.console import Console

from fedstats.running.outcome import Outcome
from fedstats.running.progress import Progress, duration

CELL = {"event": "cell", "number": 5, "of": 12, "description": "Answering [bold]all[/bold]"}


def show(console):
    with Progress(console=console) as display:
        display.done_before("site-south", "site south")
        display.add("site-north", "site north")
        display.event("site-north", {"event": "started"})
        display.event("site-north", CELL)
        display.event("site-north", CELL | {"number": 6})
        display.finished(Outcome("site-north", "failed", 0, 61, 6, "Answering", "ValueError", "no"))


def test_plain_lines_where_it_is_no_terminal():
    out = io.StringIO()
    show(Console(file=out, width=40))
    assert out.getvalue().splitlines() == [
        "site south: done before",
        "site north: started",
        "site north: cell 5 of 12 - Answering [bold]all[/bold]",
        "site north: failed after 1 min 1 s, cell 6 'Answering', ValueError: no",
    ]


def test_plain_lines_when_colours_are_unwanted(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    show(Console(file=out, force_terminal=True, width=80))
    assert out.getvalue().startswith("site south: done before\n")
    assert "\x1b[" not in out.getvalue()


def test_a_table_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    show(Console(file=out, force_terminal=True, width=100))
    last = out.getvalue().rsplit("site south", 1)[1]
    assert "done before" in last
    assert "cell 6 'Answering', ValueError: no" in last
    assert "1 min 1 s" in last


def test_silence():
    out = io.StringIO()
    with Progress(enabled=False, console=Console(file=out)) as display:
        display.add("a", "a")
        display.event("a", {"event": "started"})
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3725, "1 h 2 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
