"""A step of a run, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fedstats.running.files import path_from

#: ``stopped``: it went well but what it waited for had ended (a site without its coordinator).
Status = Literal["ok", "failed", "killed", "timeout", "stopped"]


@dataclass(frozen=True)
class Step:
    """One notebook with its parameters, to be executed in a process of its own.

    Attributes
    ----------
    name : str
        Unique within a run; names the log files.
    notebook : Path
        The source; it is never written to.
    parameters : mapping
        Plain JSON values by name, and paths.
    output : Path
        Where the executed notebook goes, once and only if it succeeded; it runs in that folder.
    inputs, produces : tuple of Path
        Files it reads, and files that it must have written when it succeeds.
    needs : tuple of str
        Steps without which this one cannot end: when one of them fails, this one is stopped.
    label : str
        For people: ``site north``.
    """

    name: str
    notebook: Path
    parameters: Mapping[str, Any]
    output: Path
    inputs: tuple[Path, ...] = ()
    produces: tuple[Path, ...] = ()
    needs: tuple[str, ...] = ()
    label: str = ""

    @property
    def folder(self) -> Path:
        """Where the notebook runs: beside its output, as JupyterLab would run that one again."""
        return self.output.parent

    def given(self) -> dict[str, Any]:
        """The parameters as the notebook gets them: a path is the way there from its folder."""
        return {name: self._plain(value) for name, value in self.parameters.items()}

    def _plain(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        return path_from(self.folder, value) if isinstance(value, Path) else value


@dataclass(frozen=True)
class Outcome:
    """How a step ended.

    Attributes
    ----------
    name : str
        The step's.
    status : str
        ``ok``, ``failed`` (an error in a cell), ``killed`` (the process or its kernel),
        ``timeout`` or ``stopped``.
    started, ended : float
        Seconds since the epoch.
    cell : int or None
        The code cell that was running, counted as in the executed notebook.
    heading, error, message : str
        The nearest heading above that cell, the class of the error and its first line.
    """

    name: str
    status: Status
    started: float
    ended: float
    cell: int | None = None
    heading: str = ""
    error: str = ""
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == "ok"

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(self.ended - self.started, 0.0)

    def sentence(self) -> str:
        """What went wrong, in one line: ``cell 5 'Answering', ValueError: no such column``."""
        where = f"cell {self.cell}" if self.cell else "before its first cell"
        if self.cell and self.heading:
            where += f" '{self.heading}'"
        what = f"{self.error}: {self.message}" if self.error and self.message else self.error or self.message
        return f"{where}, {what}" if what else where


def first_line(text: str, width: int = 300) -> str:
    """The first line with something on it, cut to ``width``."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= width else line[: width - 1] + "…"
