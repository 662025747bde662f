"""The process of one step, seen from the runner: started, listened to, ended, accounted for."""

import json
import os
import signal
import site
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedstats.running.files import path_from, read_json, write_json
from fedstats.running.kernel_process import ONE_THREAD, remove_kernel
from fedstats.running.outcome import Outcome, Status, Step

#: Seconds that a child is given to stop politely before it is killed.
PATIENCE = 12.0


def child_environment(beside: Path | None = None) -> dict[str, str]:
    """The environment of a step: the same ``fedstats`` as here, what lies beside the notebook, one BLAS thread."""
    home = str(Path(__file__).resolve().parents[2])
    # of a checkout, python -m in another folder would find nothing
    folders = [home] if home not in site.getsitepackages() else []
    folders += [str(beside.resolve())] if beside is not None else []
    path = os.pathsep.join(filter(None, [*folders, os.environ.get("PYTHONPATH")]))
    return os.environ | ONE_THREAD | ({"PYTHONPATH": path} if path else {})


class Child:
    """A running step.

    Parameters
    ----------
    step : Step
        What to execute.
    folder : Path
        Where its ``.spec.json``, ``.events.jsonl``, ``.result.json`` and ``.log`` go.
    limit_seconds, cell_seconds : float or None
        Wall-clock limit of the whole notebook and of each cell.
    """

    def __init__(
        self, step: Step, folder: Path, limit_seconds: float | None = None, cell_seconds: float | None = None
    ) -> None:
        self.step = step
        self.started = time.time()
        self.outcome: Outcome | None = None
        self._result = folder / f"{step.name}.result.json"
        self._events = folder / f"{step.name}.events.jsonl"
        self._read = 0
        self._kernel: dict[str, Any] | None = None
        self._last_cell: dict[str, Any] = {}
        self._verdict: Status | None = None
        self._asked: float | None = None
        self._limit = limit_seconds
        for needed in (folder, step.folder):
            needed.mkdir(parents=True, exist_ok=True)
        for stale in (self._result, self._events):
            stale.unlink(missing_ok=True)
        spec = folder / f"{step.name}.spec.json"
        write_json(spec, self._specification(cell_seconds))
        with (folder / f"{step.name}.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own module, in our own interpreter)
                [sys.executable, "-m", "fedstats.running.step", str(spec.resolve())],
                stdin=subprocess.PIPE,  # held open: its end tells the child that this process is gone
                stdout=log,
                stderr=log,
                cwd=step.folder,
                env=child_environment(step.notebook.parent),
                start_new_session=True,  # a Ctrl-C in the terminal comes here first, and here only
            )

    def _specification(self, cell_seconds: float | None) -> dict[str, Any]:
        here = self.step.folder
        return {
            "notebook": path_from(here, self.step.notebook),
            "parameters": self.step.given(),
            "output": path_from(here, self.step.output),
            "produces": [path_from(here, path) for path in self.step.produces],
            "events": path_from(here, self._events),
            "result": path_from(here, self._result),
            "limit_seconds": self._limit,
            "cell_seconds": cell_seconds,
            "stop_with_parent": True,
        }

    def events(self) -> Iterator[dict[str, Any]]:
        """The events since the last call."""
        if not self._events.exists():
            return
        with self._events.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):  # still being written
                    break
                self._read += len(line)
                event = json.loads(line)
                if event["event"] == "kernel":
                    self._kernel = event
                elif event["event"] == "kernel ended":
                    self._kernel = None
                elif event["event"] == "cell":
                    self._last_cell = event
                yield event

    def ended(self) -> bool:
        """Whether the process is gone; one that does not end when it should is killed here."""
        if self._process.poll() is None:
            if self._limit is not None and time.time() > self.started + self._limit + PATIENCE:
                self._verdict = self._verdict or "timeout"
                self.kill()
            elif self._asked is not None and time.time() > self._asked + PATIENCE:
                self.kill()
        return self._process.poll() is not None

    def ask_to_stop(self, verdict: Status | None = None) -> None:
        """Politely: the cell is interrupted, the notebook saved, the kernel shut down."""
        if self._asked is None and self._process.poll() is None:
            self._asked = time.time()
            self._verdict = verdict
            self._process.terminate()

    def kill(self) -> None:
        """Firmly: the process, its group and its kernel."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def finish(self) -> Outcome:
        """Clean up after the process and say how it ended; call it once the process is gone."""
        list(self.events())
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._kernel is not None:  # the process died without having ended its kernel
            remove_kernel(self._kernel["pid"], Path(self._kernel["sockets"]))
        partial = self.step.output.with_suffix(".partial.ipynb")
        if partial.exists():
            partial.replace(self.step.output.with_suffix(".failed.ipynb"))
        result = read_json(self._result) or self._without_result()
        status = result["status"] if result["status"] == "ok" else self._verdict or result["status"]
        if status == "stopped":
            result |= {"error": "", "message": f"stopped, since {' and '.join(self.step.needs)} had failed"}
        return Outcome(
            name=self.step.name,
            status=status,
            started=self.started,
            ended=result.get("ended", time.time()),
            cell=result.get("cell"),
            heading=result.get("heading", ""),
            error=result["error"],
            message=result["message"],
        )

    def _without_result(self) -> dict[str, Any]:
        code = self._process.returncode
        if self._verdict == "timeout":
            error, message = "Timeout", f"it took longer than its limit of {self._limit:g} s"
        elif code < 0:
            memory = "; out of memory?" if code == -signal.SIGKILL else ""
            error, message = "ProcessDied", f"the process was killed by signal {-code}{memory}"
        else:
            error, message = "ProcessDied", f"the process ended with code {code}; its log says why"
        return {
            "status": "killed" if code < 0 else "failed",
            "error": error,
            "message": message,
            "cell": self._last_cell.get("number"),
            "heading": self._last_cell.get("description", ""),
        }
