"""What a person at the terminal sees: a row a notebook, or plain lines where nobody looks."""

import os
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fedstats.running.outcome import Outcome

_STYLE = {"ok": "green", "done before": "green", "running": "cyan", "waiting": "dim"}


class Progress:
    """One calm display of all steps.

    Parameters
    ----------
    enabled : bool
        False shows nothing at all.
    console : rich.console.Console, optional
        Where to; standard error unless given, so that standard output stays free.
    """

    def __init__(self, *, enabled: bool = True, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._enabled = enabled
        self._rows: dict[str, dict[str, Any]] = {}
        fancy = enabled and self._console.is_terminal and not os.environ.get("NO_COLOR")
        self._live = (
            Live(console=self._console, get_renderable=self._table, refresh_per_second=4) if fancy else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def add(self, name: str, label: str) -> None:
        """Announce a step that will run."""
        self._rows[name] = {"label": label, "what": "", "status": "waiting", "started": None, "seconds": None}

    def event(self, name: str, event: dict[str, Any]) -> None:
        """Something happened in a step."""
        row = self._rows[name]
        if event["event"] == "started":
            row.update(status="running", started=time.time(), what="starting")
            self._line(f"{row['label']}: started")
        elif event["event"] == "cell":
            before = row["what"].partition(" - ")[2]
            row["what"] = f"cell {event['number']} of {event['of']}"
            if event["description"]:
                row["what"] += f" - {event['description']}"
            if event["description"] != before:  # one line a section is enough for a log
                self._line(f"{row['label']}: {row['what']}")

    def finished(self, outcome: Outcome) -> None:
        """A step has ended."""
        row = self._rows[outcome.name]
        row.update(status=outcome.status, seconds=outcome.seconds)
        if not outcome.ok:
            row["what"] = outcome.sentence()
        end = "" if outcome.ok else f", {outcome.sentence()}"
        self._line(f"{row['label']}: {outcome.status} after {duration(outcome.seconds)}{end}")

    def done_before(self, name: str, label: str) -> None:
        """A step that need not run again."""
        self.add(name, label)
        self._rows[name].update(status="done before")
        self._line(f"{label}: done before")

    def say(self, text: str) -> None:
        """A line above the table."""
        if self._enabled:
            self._console.print(Text(text), soft_wrap=True)

    def _line(self, text: str) -> None:
        if self._live is None:
            self.say(text)

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        for row in self._rows.values():
            seconds = row["seconds"]
            if seconds is None and row["started"] is not None:
                seconds = time.time() - row["started"]
            status = Text(row["status"], style=_STYLE.get(row["status"], "bold red"))
            # Text, not strings: a heading like "[b]" is data, not markup.
            table.add_row(
                Text(row["label"]), Text(row["what"]), "" if seconds is None else duration(seconds), status
            )
        return table


def duration(seconds: float) -> str:
    """Seconds for people: ``8 s``, ``2 min 5 s``, ``1 h 3 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
