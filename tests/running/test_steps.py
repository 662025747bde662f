"""Notebooks side by side: whatever one of them does, the others finish and the account is honest."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from fedstats.running.exit_codes import UsageError
from fedstats.running.steps import Step, run_together

CELLS = {
    "good": (
        "# Counting",
        "# papermill_description=Adding_up\nimport os, neighbour\nprint(os.environ['OMP_NUM_THREADS'], name)",
    ),
    "error": ("# Fitting *the* model", "raise ValueError('no such column\\nnor this')", "open('never', 'w')"),
    "leaves": ("import sys; sys.exit(0)", "open('never', 'w')"),
    "kernel": ("# Growing", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "1"),
    "step": ("import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)",),
    "endless": ("import time; time.sleep(120)",),
    "forgets": ("1 + 1",),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory, make_notebook):
    """One run of all of them, in a folder whose name has a space and braces."""
    folder = tmp_path_factory.mktemp("with space {and} braces")
    sockets = Path(tempfile.mkdtemp(prefix="t-"))  # short, and nobody else's
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(sockets)
    steps = {}
    (folder / "source").mkdir()
    (folder / "source" / "neighbour.py").touch()  # found although the notebook runs where its output goes
    for name, cells in CELLS.items():
        notebook = make_notebook(folder / "source" / f"{name}.ipynb", 'name: str = ""', *cells)
        steps[name] = Step(
            name, notebook, {"name": 'a "quoted" {name}\n\''}, folder / "out" / f"{name}.ipynb"
        )
    steps["forgets"] = Step(
        "forgets",
        steps["forgets"].notebook,
        {},
        folder / "out" / "forgets.ipynb",
        produces=(folder / "results.json",),
    )
    for stale in ("error.ipynb", "kernel.ipynb"):  # of an earlier attempt
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out" / stale).write_text("old")
    events, finished = [], []
    outcomes = run_together(
        list(steps.values()),
        folder / "logs",
        lambda name, event: events.append((name, event)),
        lambda outcome: finished.append((outcome, time.time())),
        cell_seconds=10,
        limit_seconds=90,
    )
    left = list(sockets.glob("fs-*"))
    shutil.rmtree(sockets, ignore_errors=True)
    if before is None:
        del os.environ["TMPDIR"]
    else:
        os.environ["TMPDIR"] = before
    return SimpleNamespace(
        folder=folder, outcomes=outcomes, events=events, finished=finished, sockets=left, steps=steps
    )


def executed(ran, name):
    return json.loads((ran.folder / "out" / name).read_text())


def test_every_step_is_accounted_for(ran):
    assert {name: outcome.status for name, outcome in ran.outcomes.items()} == {
        "good": "ok",
        "error": "failed",
        "leaves": "failed",
        "kernel": "killed",
        "step": "killed",
        "endless": "timeout",
        "forgets": "failed",
    }
    assert len(ran.finished) == len(CELLS)
    assert {outcome.name: outcome for outcome, _ in ran.finished} == ran.outcomes


def test_a_path_is_given_as_the_way_from_the_folder_of_the_output(tmp_path):
    parameters = {
        "one": tmp_path / "a" / "x.csv",
        "more": [tmp_path / "out", "text"],
        "text": "/etc/hosts",
        "n": 1,
    }
    step = Step("s", tmp_path / "s.ipynb", parameters, tmp_path / "out" / "s.ipynb")
    assert step.given() == {"one": "../a/x.csv", "more": [".", "text"], "text": "/etc/hosts", "n": 1}


def test_nothing_that_is_kept_of_a_step_names_the_machine_s_folders(ran):
    kept = [*ran.folder.glob("logs/*.spec.json"), *ran.folder.glob("out/good.ipynb")]
    assert len(kept) > len(CELLS)
    assert [path.name for path in kept if str(ran.folder.parent) in path.read_text()] == []


def test_success_is_a_notebook_under_its_own_name(ran):
    notebook = executed(ran, "good.ipynb")
    printed = "".join(notebook["cells"][-1]["outputs"][0]["text"])
    assert printed == '1 a "quoted" {name}\n\'\n'  # one BLAS thread; the value came through unharmed
    assert notebook["metadata"]["papermill"]["exception"] is None
    assert list(ran.folder.rglob("never")) == []


def test_events_name_the_cell_by_marker_or_heading(ran):
    good = [event for name, event in ran.events if name == "good"]
    assert good[0] == {"event": "started"}
    cells = [
        (event["number"], event["of"], event["description"]) for event in good if event["event"] == "cell"
    ]
    assert cells == [(1, 3, "Toy"), (2, 3, "Toy"), (3, 3, "Adding up")]  # the second holds the parameters


def test_an_error_is_told_with_its_cell_heading_class_and_first_line(ran):
    error = ran.outcomes["error"]
    assert (error.cell, error.heading) == (3, "Fitting the model")
    assert (error.error, error.message) == ("ValueError", "no such column")
    assert error.sentence() == "cell 3 'Fitting the model', ValueError: no such column"
    notebook = executed(ran, "error.failed.ipynb")
    assert notebook["metadata"]["papermill"]["exception"] is True


def test_leaving_early_is_no_success(ran):
    assert ran.outcomes["leaves"].error == "SystemExit"


@pytest.mark.parametrize("name", [name for name in CELLS if name != "good"])
def test_a_failed_notebook_never_bears_the_good_name(ran, name):
    names = {path.name for path in (ran.folder / "out").glob(f"{name}.*")}
    assert names == {f"{name}.failed.ipynb"}


def test_a_killed_kernel_is_seen_and_written_down(ran):
    kernel = ran.outcomes["kernel"]
    assert (kernel.cell, kernel.heading) == (3, "Growing")
    assert kernel.message == "the kernel was killed (signal 9); out of memory?"
    notebook = executed(ran, "kernel.failed.ipynb")
    assert notebook["metadata"]["papermill"]["exception"] is True
    assert notebook["metadata"]["papermill"]["failure"] == "DeadKernelError"
    assert [cell["metadata"]["papermill"]["status"] for cell in notebook["cells"]][-2:] == [
        "failed",
        "pending",
    ]


def test_a_killed_process_takes_its_kernel_along(ran):
    assert ran.outcomes["step"].message == "the process was killed by signal 9; out of memory?"
    assert ran.outcomes["step"].cell == 3
    pid = next(event["pid"] for name, event in ran.events if name == "step" and event["event"] == "kernel")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_cell_over_its_time_is_a_timeout(ran):
    assert ran.outcomes["endless"].message == "the cell took longer than 10 s"
    assert executed(ran, "endless.failed.ipynb")["metadata"]["papermill"]["failure"] == "CellTimeoutError"


def test_a_notebook_that_forgets_its_output_failed(ran):
    assert ran.outcomes["forgets"].message == "it ended without having written results.json"


def test_no_socket_is_left_and_nothing_warns_of_tcp(ran):
    assert ran.sockets == []
    logs = "".join(path.read_text() for path in (ran.folder / "logs").glob("*.log"))
    assert "TCP" not in logs
    assert "Warning" not in logs


def test_an_unknown_parameter_starts_nothing(ran, tmp_path):
    step = ran.steps["good"]
    wrong = Step("wrong", step.notebook, {"nam": "x"}, tmp_path / "out.ipynb")
    with pytest.raises(UsageError, match="has no parameter 'nam'"):
        run_together([step, wrong], tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


def test_limits_and_needs(tmp_path, make_notebook, token):
    """The wall clock ends a notebook of many short cells; who waits for a lost one is stopped."""
    short = make_notebook(tmp_path / "short.ipynb", "", *["import time; time.sleep(1)"] * 90)
    deaf = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"
    bad = make_notebook(tmp_path / "bad.ipynb", "", "1 / 0")
    waits = make_notebook(tmp_path / "waits.ipynb", "", deaf)
    long = [Step("short", short, {}, tmp_path / "out" / "short.ipynb")]
    pair = [
        Step("bad", bad, {}, tmp_path / "out" / "bad.ipynb"),
        Step("waits", waits, {}, tmp_path / "out" / "waits.ipynb", needs=("bad",)),
    ]
    with ThreadPoolExecutor() as pool:  # two runs at once, only to save time
        limited = pool.submit(run_together, long, tmp_path / "logs", limit_seconds=6)
        outcomes = run_together(pair, tmp_path / "logs", grace_seconds=0)
    assert limited.result()["short"].status == "timeout"
    assert limited.result()["short"].message == "it took longer than its limit of 6 s"
    assert outcomes["bad"].error == "ZeroDivisionError"
    assert outcomes["waits"].status == "stopped"
    assert outcomes["waits"].message == "stopped, since bad had failed"


EIGHT = """
import asyncio
from pathlib import Path
from fedstats.running.kernel import KernelOfThisInterpreter, kernel_config
from fedstats.running.kernel_process import remove_kernel, socket_folder

async def one():
    started, sockets = [], socket_folder()
    manager = KernelOfThisInterpreter(config=kernel_config(sockets, started.append))
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=120)
    assert len(str(sockets)) < 90 and manager.transport == "ipc"
    client.stop_channels()
    await manager.shutdown_kernel()
    remove_kernel(started[0].pid, sockets)
    return "started"

async def eight():
    return await asyncio.gather(*[one() for _ in range(8)])

print(asyncio.run(eight()))
"""


def test_eight_kernels_start_at_once(token):
    done = subprocess.run(
        [sys.executable, "-c", EIGHT], capture_output=True, text=True, check=False, timeout=150
    )
    assert done.stdout.strip() == str(["started"] * 8)
    assert done.stderr == ""


@pytest.mark.parametrize("first", ["import papermill.engines", "from fedstats.running.engine import Engine"])
def test_papermill_finds_the_engine_whoever_is_imported_first(tmp_path, first):
    """papermill loads its engines while it is half imported itself."""
    info = tmp_path / "toy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[papermill.engine]\nfedstats = fedstats.running.engine:Engine\n")
    root = str(Path(__file__).resolve().parents[2])
    code = (
        f"{first}; import papermill.engines as e; print(e.papermill_engines.get_engine('fedstats').__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), root])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "Engine\n"
