"""One notebook in a process of its own: ``python -m fedstats.running.step SPEC.json``.

The specification is what :mod:`fedstats.running.child` writes: ``notebook``, ``parameters``,
``output``, ``produces``, ``events``, ``result``, ``limit_seconds``, ``cell_seconds`` and
``stop_with_parent``; its paths begin in the folder in which it is started, that of ``output``.  The executed notebook grows as ``<name>.partial.ipynb``; it gets its own name
when it has succeeded and ``<name>.failed.ipynb`` otherwise, so its existence says that it is whole.
"""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedstats.running.exit_codes import ExitCode, UsageError
from fedstats.running.files import write_json
from fedstats.running.outcome import first_line
from fedstats.running.parameters import check_parameters
from fedstats.running.stopping import Stopped, Stopper, stop_with_parent

#: A loaded machine takes long to start a kernel; papermill's 60 s are known to be too few.
START_SECONDS = 180


class Recorder:
    """Writes events as JSON lines and remembers what a failure is reported with."""

    def __init__(self, path: Path, stopper: Stopper) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._stopper = stopper
        self.cell: dict[str, Any] = {}
        self.returncode: int | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "kernel":
                self._stopper.kernel = event["pid"]
            case "cell":
                self.cell = event
            case "kernel ended":
                self._stopper.kernel = None
                self.returncode = event["returncode"]
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute the notebook of a specification; returns an exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m fedstats.running.step SPEC.json\n")
        return ExitCode.USAGE
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    stopper = Stopper()
    stopper.install(spec.get("limit_seconds"))
    recorder = Recorder(Path(spec["events"]), stopper)
    try:
        if spec.get("stop_with_parent"):
            stop_with_parent(stopper)
        check_parameters(Path(spec["notebook"]), spec["parameters"])
        result = execute(spec, recorder)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        result = _result("failed", "UsageError", str(error))
    except KeyboardInterrupt:
        result = {}  # the reason is the stopper's
    stopper.uninstall()
    if stopper.reason and result.get("status") != "ok":
        status = "timeout" if stopper.reason == "timeout" else "killed"
        limit = (
            f"it took longer than its limit of {spec.get('limit_seconds'):g} s" if status == "timeout" else ""
        )
        result = _result(status, "Timeout" if limit else "Stopped", limit or "it was told to stop")
    write_json(Path(spec["result"]), result | _where(recorder) | {"ended": time.time()})
    if result["error"] == "UsageError":
        return ExitCode.USAGE
    if result["error"] == "Stopped":
        return ExitCode.INTERRUPTED
    return ExitCode.OK if result["status"] == "ok" else ExitCode.NOTEBOOK_FAILED


def execute(spec: dict[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Run the notebook through papermill and give its file the name it deserves."""
    output = Path(spec["output"])
    partial, failed = output.with_suffix(".partial.ipynb"), output.with_suffix(".failed.ipynb")
    output.parent.mkdir(parents=True, exist_ok=True)
    for stale in (output, partial, failed):  # of an earlier attempt: it would be taken for this one's
        stale.unlink(missing_ok=True)
    try:
        result = _run(spec, partial, recorder)
        missing = [Path(path).name for path in spec.get("produces", ()) if not Path(path).exists()]
        if result["status"] == "ok" and missing:
            result = _result(
                "failed", "MissingOutput", f"it ended without having written {', '.join(missing)}"
            )
        if result["status"] == "ok":
            partial.replace(output)
    finally:
        with suppress(FileNotFoundError):
            partial.replace(failed)
    return result


def _run(spec: dict[str, Any], partial: Path, recorder: Recorder) -> dict[str, Any]:
    # jsonschema builds a grammar of web addresses if it finds this package: half of all the time it
    # takes to import papermill, for a check that no notebook needs.  It does without when it is not there.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    # Seconds of imports, which the complaint about a misspelt parameter need not wait for.
    import papermill  # noqa: PLC0415
    from nbclient.exceptions import CellTimeoutError, DeadKernelError  # noqa: PLC0415
    from papermill.engines import papermill_engines  # noqa: PLC0415

    from fedstats.running.notebook_engine import Engine  # noqa: PLC0415

    papermill_engines.register("fedstats", Engine)  # not every installation has the entry point
    try:
        notebook = papermill.execute_notebook(
            _unbraced(spec["notebook"]),
            _unbraced(partial),
            spec["parameters"],
            engine_name="fedstats",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=START_SECONDS,
            execution_timeout=spec.get("cell_seconds"),
            on_event=recorder,
        )
    except papermill.PapermillExecutionError as error:
        return _result("failed", error.ename, error.evalue)
    except CellTimeoutError:
        return _result("timeout", "Timeout", f"the cell took longer than {spec['cell_seconds']:g} s")
    except Stopped:
        raise
    except DeadKernelError:
        return _killed(recorder.returncode)
    except RuntimeError as error:
        if "died" not in str(error):
            raise
        return _killed(recorder.returncode)  # before it had answered for the first time
    # papermill takes exit(0) in a cell for success, though the cells below it never ran.
    if any(cell.metadata.papermill.get("exception") for cell in notebook.cells):
        return _result("failed", "SystemExit", "the notebook left before its end")
    return _result("ok", "", "")


def _unbraced(path: str | Path) -> str:
    """A path that papermill, which fills in ``{parameters}``, leaves as it is."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _killed(returncode: int | None) -> dict[str, Any]:
    how = f"was killed (signal {-returncode})" if returncode is not None and returncode < 0 else "died"
    memory = "; out of memory?" if returncode == -9 else ""
    return _result("killed", "KernelDied", f"the kernel {how}{memory}")


def _result(status: str, error: str, message: str) -> dict[str, Any]:
    return {"status": status, "error": error, "message": first_line(message, 2000)}


def _where(recorder: Recorder) -> dict[str, Any]:
    return {"cell": recorder.cell.get("number"), "heading": recorder.cell.get("description", "")}


if __name__ == "__main__":
    sys.exit(main())
