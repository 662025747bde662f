"""A whole toy study: data, side by side, report, page; failing, and going on."""

import json
import os
import signal
import subprocess
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from fedstats.cli import main
from fedstats.running.manifest import Manifest
from fedstats.running.study_run import run_study


@pytest.fixture(autouse=True)
def exporter(monkeypatch):
    """The HTML export is another module's business."""

    def export_html(notebook, page, *, title):
        page.write_text(f"{title} from {notebook.name}")

    module = ModuleType("fedstats.reporting.html")
    module.export_html = export_html
    monkeypatch.setitem(sys.modules, "fedstats.reporting", ModuleType("fedstats.reporting"))
    monkeypatch.setitem(sys.modules, "fedstats.reporting.html", module)


def started(study):
    path = study.folder / "started.txt"
    lines = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def manifest(study, run):
    return json.loads((study.folder / "runs" / run / "manifest.json").read_text())


EVERYTHING = ["coordinator", "report", "site-north", "site-south"]


def test_failing_going_on_and_redoing_only_what_is_missing(study, capsys):
    """One story, since every chapter costs kernels: a site fails, is mended, the report is lost."""
    runs = study.folder / "runs"
    page = runs / "one" / "index.html"
    switch = study.folder / "fail-north"
    switch.touch()
    assert run_study(study, runs=runs, run_id="one", limit_seconds=120) == 3
    assert started(study) == ["coordinator", "site-north", "site-south"]
    steps = manifest(study, "one")["steps"]
    assert [steps[name]["status"] for name in EVERYTHING] == ["failed", "waiting", "failed", "ok"]
    assert steps["site-north"]["error"] == "DataError"
    assert steps["coordinator"]["error"] == "SiteMissing"  # but the site's failure came first: 3, not 5
    (runs / "one" / "exchange" / "closed.json").touch()  # as a coordinator of an earlier time might leave it
    absent = runs / "one" / "exchange" / "absent" / "north.json"
    assert json.loads(absent.read_text()) == {"site": "north", "reason": "notebook failed"}
    said = capsys.readouterr().err
    assert "Site north failed: cell 3 'Answering', DataError: column 'age' is <b>text</b>." in said
    assert "The rows of this run are written by cohort.py: correct that. See " in said
    assert "--resume one" in said
    text = page.read_text()
    assert "Cell 3 “Answering”. DataError: column &#x27;age&#x27; is &lt;b&gt;text&lt;/b&gt;" in text
    assert "--resume one" in text
    assert "1_site.failed.ipynb" in text

    switch.unlink()
    data = runs / "one" / "sites" / "north" / "private" / "data.csv"
    refused = data.stat().st_mtime_ns
    assert run_study(study, runs=runs, resume=True, limit_seconds=120, progress=False) == 0
    assert started(study) == EVERYTHING  # the coordinator had to run again, so every site answers
    assert data.stat().st_mtime_ns > refused  # rows that failed validation are made again
    assert not absent.exists()
    content = manifest(study, "one")
    assert content["status"] == "ok"
    assert len(content["resumed"]) == 1
    assert all(step["status"] == "ok" for step in content["steps"].values())
    out = capsys.readouterr()
    assert out.err == ""
    assert out.out.startswith("Finished in ")
    assert out.out.rstrip().endswith("report.html")
    assert (runs / "one" / "reports" / "report.html").read_text().startswith(study.title)
    assert (runs / "one" / "sites" / "south" / "private" / "site.html").exists()
    assert (runs / "one" / "sites" / "south" / "private" / "egress" / "summary.csv").exists()
    assert (runs / "latest").resolve() == (runs / "one").resolve()

    before = (runs / "one" / "sites" / "north" / "private" / "data.csv").stat().st_mtime_ns
    (runs / "one" / "reports" / "3_report.ipynb").write_text("{}")
    assert run_study(study, runs=runs, run_id="one", resume=True, limit_seconds=120, progress=False) == 0
    assert started(study) == ["report"]
    assert (runs / "one" / "sites" / "north" / "private" / "data.csv").stat().st_mtime_ns == before

    assert run_study(study, runs=runs, run_id="one", resume=True, limit_seconds=120, progress=False) == 0
    assert started(study) == []

    differs = study.folder / "differs"
    differs.touch()
    (runs / "one" / "reports" / "3_report.ipynb").write_text("{}")
    capsys.readouterr()
    for again in (["report"], []):  # a report that is there already says so too
        assert run_study(study, runs=runs, run_id="one", resume=True, limit_seconds=120, progress=False) == 6
        assert started(study) == again
        said = capsys.readouterr().err
        assert "differ from the pooled rows by more than the tolerance: Survival <b>; Response." in said
        assert "report.html" in said
        assert "--resume" not in said
    content = manifest(study, "one")
    assert (content["status"], content["exit_code"]) == ("differs", 6)
    assert all(step["status"] == "ok" for step in content["steps"].values())
    assert "<li>Survival &lt;b&gt;</li><li>Response</li>" in page.read_text()
    assert "--resume" not in page.read_text()
    differs.unlink()
    (runs / "one" / "reports" / "3_report.ipynb").write_text("{}")
    assert run_study(study, runs=runs, run_id="one", resume=True, limit_seconds=120, progress=False) == 0
    assert started(study) == ["report"]

    recorded = json.dumps(manifest(study, "one"))
    assert str(study.folder) not in recorded  # no path of a machine
    assert "<run>/exchange" in recorded


def test_another_study_of_the_same_name_does_not_go_on_with_a_run(study, tmp_path, capsys):
    runs = tmp_path / "runs"
    folder = runs / "begun"
    folder.mkdir(parents=True)
    begun = Manifest(folder, {})
    begun.begin("begun", study, [])
    begun.end("failed", 2)
    (folder / "sites").mkdir()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    file = tmp_path / "study.toml"
    file.write_text("# not the same\n")
    other = SimpleNamespace(**(vars(study) | {"file": file, "files": (file,)}))
    for run_id in ("begun", None):
        assert run_study(other, runs=runs, run_id=run_id, resume=True) == 64
        said = capsys.readouterr().err
        assert said.startswith(
            "The run begun was begun with another study.toml than that of the study toy here"
        )
        assert "--study" in said
        assert said.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("runs", ["/proc/runs", "a file/runs", "a file"])
def test_runs_that_cannot_be_written_are_one_sentence_and_64(study, tmp_path, capsys, runs):
    (tmp_path / "a file").touch()
    assert run_study(study, runs=tmp_path / runs, progress=False) == 64
    said = capsys.readouterr().err
    assert said.startswith("The run cannot be written: ")
    assert said.count("\n") == 1


def test_data_that_cannot_be_made(study, capsys):
    runs = study.folder / "runs"
    (study.folder / "fail-data").touch()
    try:
        assert run_study(study, runs=runs, run_id="no-data", limit_seconds=60, progress=False) == 3
    finally:
        (study.folder / "fail-data").unlink()
    said = capsys.readouterr().err
    assert said.startswith("The script cohort.py could not make the data: There is no source table. See ")
    assert said.count("\n") == 1
    assert not list((runs / "no-data").rglob("*.csv"))
    assert not (runs / "no-data" / "sites-data-tmp").exists()
    assert started(study) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"run_id": "Bad_Id"}, "A run id is made of"),
        ({"run_id": "latest"}, "A run id is made of"),
        ({"run_id": "../up"}, "A run id is made of"),
        ({"run_id": "never-was", "resume": True}, "There is no run never-was"),
        ({"run_id": "x", "limit_seconds": 0}, "The time limit must be positive"),
    ],
)
def test_wrong_usage_is_one_sentence_and_64(study, capsys, options, sentence):
    runs = study.folder / "other"
    assert run_study(study, runs=runs, **({"limit_seconds": 60} | options)) == 64
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert said.count("\n") == 1
    assert not runs.exists()


def test_a_bug_leaves_a_closed_account(study, capsys, monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("fedstats.running.study_run.make_data", broken)
    runs = study.folder / "runs"
    assert run_study(study, runs=runs, run_id="bug", progress=False) == 1
    assert capsys.readouterr().err.startswith(
        "Unexpected ZeroDivisionError; the details are in logs/error.txt."
    )
    assert "ours" in (runs / "bug" / "logs" / "error.txt").read_text()
    assert manifest(study, "bug")["exit_code"] == 1


SCRIPT = """
import sys
from pathlib import Path
from types import SimpleNamespace
from fedstats.running.study_run import run_study
folder = Path(sys.argv[1])
study = SimpleNamespace(id="toy", title="Toy", file=folder / "study.toml", folder=folder, sites=("north", "south"), profile="strict",
                        rehearsal=folder / "cohort.py", cohort=None, files=(folder / "study.toml",))
sys.exit(run_study(study, runs=folder / "runs", run_id=sys.argv[2], limit_seconds=120))
"""


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_ctrl_c_or_a_killed_runner_leave_no_process_and_no_run_under_way(study, token, capsys, how, code):
    """Ctrl-C reaches the whole group; of a killed runner the children hear by themselves, and the next who asks."""
    run = f"signal-{int(how)}"
    (study.folder / "slow").touch()
    runner = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(study.folder), run],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.time() + 60
        while not _coordinator_runs(study) and time.time() < end:
            time.sleep(0.1)
        assert status(study, run) == 0
        assert manifest(study, run)["status"] == "running"
        if how == signal.SIGINT:
            os.killpg(runner.pid, how)
        else:
            runner.send_signal(how)
        _, said = runner.communicate(timeout=40)
        if how == signal.SIGKILL:
            assert status(study, run) == 130
    finally:
        (study.folder / "slow").unlink()
        runner.kill()
    started(study)
    assert runner.returncode == code
    if how == signal.SIGINT:
        assert said.splitlines()[-1].startswith("It was interrupted. See ")
        content = manifest(study, run)
        assert content["status"] == "interrupted"
        assert content["steps"]["coordinator"]["status"] == "killed"
        assert content["steps"]["coordinator"]["heading"] == "Asking"
        assert (study.folder / "runs" / run / "coordinator" / "2_coordinator.failed.ipynb").exists()
    else:
        content, shown = manifest(study, run), capsys.readouterr().out
        assert (content["status"], content["exit_code"], content["ended"]) == ("interrupted", 130, None)
        # A toy site may have done its part before the runner dies; that stays done, and nothing is left under way.
        assert content["steps"]["coordinator"]["status"] == "waiting"
        assert {step["status"] for step in content["steps"].values()} <= {"waiting", "ok"}
        assert f"{run}: interrupted" in shown
        page = (study.folder / "runs" / run / "index.html").read_text()
        assert '<span class="bad">interrupted</span>' in page
        for text in (" ".join(shown.split()), page):
            assert f"python3 study.py run --resume {run} --" in text
    # The fixture ``token`` now waits until no process of ours is left, or fails.


def status(study, run):
    return main(["status", run, "--runs", str(study.folder / "runs")])


def _coordinator_runs(study):
    path = study.folder / "started.txt"
    return path.exists() and "coordinator" in path.read_text()
