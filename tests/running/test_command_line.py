"""The command line: one sentence and the right code for a user's mistake."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from fedstats.cli import main
from fedstats.running.guards import only_one
from fedstats.running.manifest import Manifest
from fedstats.study.toml_file import StudyError


@pytest.fixture
def checkout(tmp_path, monkeypatch, make_notebook):
    """A checkout with two studies and one notebook; the studies' loader is another module's business."""
    for name in ("lung", "nsclc"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        (tmp_path / "studies" / name / "study.toml").write_text("")
    make_notebook(tmp_path / "notebooks" / "1_site.ipynb", 'site: str = ""  # which [site]')
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")

    def load(path):
        if path.read_text() == "broken":
            raise StudyError("The study has no title.")
        name = path.parent.name
        return SimpleNamespace(
            id=name,
            title=f"[b]{name}",
            file=path,
            folder=path.parent,
            sites=("a",),
            files=(path,),
            remarks=(),
        )

    module = ModuleType("fedstats.study.definition")
    module.Study = SimpleNamespace(load=load)
    monkeypatch.setitem(sys.modules, "fedstats.study.definition", module)
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """What the commands ask to be run, instead of running it."""
    found = []

    def run_study(study, **options):
        found.append((study.id, options["run_id"], options["resume"]))
        return 5

    monkeypatch.setattr("fedstats.running.study_run.run_study", run_study)
    return found


def begin(checkout, study, run):
    folder = checkout / "inside" / "runs" / run
    folder.mkdir(parents=True)
    path = checkout / "studies" / study / "study.toml"
    about = SimpleNamespace(id=study, title=study, sites=(), files=(path,))
    manifest = Manifest(folder, {})
    manifest.begin(run, about, [])
    manifest.content["steps"]["coordinator"] = {"label": "coordinator", "status": "failed", "error": "[E]"}
    manifest.save()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--study", "nope"], "There is no study 'nope'; the studies here are: lung, nsclc."),
        (["run", "--stud", "lung"], "--stud"),
        (["run", "--limit-minutes", "soon"], "soon"),
        (["runn"], "runn"),
        (["run", "--resume", "x", "--run-id", "y"], "not both"),
        (["run", "--resume", "never"], "There is no run never in runs; there are: none."),
        (["run", "--resume"], "There is no unfinished run in runs; name the run"),
        (["status"], "There is no run latest in runs; there are: none."),
    ],
)
def test_a_mistake_is_one_sentence_and_64(checkout, capsys, arguments, words):
    assert main(arguments) == 64
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_broken_study_is_one_sentence(checkout, capsys):
    (checkout / "studies" / "lung" / "study.toml").write_text("broken")
    assert main(["run", "--study", "lung"]) == 64
    assert capsys.readouterr().err == "The study has no title.\n"


def test_run_passes_the_exit_code_on(checkout, calls):
    assert main(["run"]) == 5
    assert main(["run", "--study", "lung", "--run-id", "mine"]) == 5
    assert main(["run", "--study", str(checkout / "studies" / "lung")]) == 5
    assert calls == [("nsclc", None, False), ("lung", "mine", False), ("lung", None, False)]


def test_resume_means_the_latest_unfinished_run_of_any_study_or_the_one_named(checkout, calls, capsys):
    begin(checkout, "lung", "lung-1")
    begin(checkout, "nsclc", "nsclc-1")
    Manifest(checkout / "inside" / "runs" / "nsclc-1", {}).end("ok", 0)
    for arguments in (
        ["--resume"],
        ["--resume", "--quiet"],
        ["--study", "lung", "--resume"],
        ["--resume", "lung-1"],
    ):
        main(["run", *arguments])
    assert calls == [
        ("lung", "lung-1", True),
        ("lung", "lung-1", True),
        ("lung", None, True),
        ("lung", "lung-1", True),
    ]
    assert capsys.readouterr().err == "Going on with the run lung-1.\n" * 2


def test_a_run_that_is_finished_or_at_work_is_not_gone_on_with_unless_it_is_named(checkout, calls, capsys):
    begin(checkout, "lung", "lung-1")
    with only_one(checkout / "inside" / "runs" / "lung-1"):
        assert main(["run", "--resume"]) == 64
    for status, code in (("ok", 0), ("differs", 6)):
        Manifest(checkout / "inside" / "runs" / "lung-1", {}).end(status, code)
        assert main(["run", "--resume"]) == 64
    assert calls == []
    assert capsys.readouterr().err.count("There is no unfinished run in runs;") == 3


def test_resume_finds_a_study_elsewhere_by_the_path_that_the_run_remembers(checkout, calls):
    own = checkout / "inside" / "mine" / "study.toml"
    own.parent.mkdir()
    own.write_text("# another study of that name\n")
    folder = checkout / "inside" / "runs" / "lung-1"
    folder.mkdir(parents=True)
    Manifest(folder, {}).begin("lung-1", SimpleNamespace(id="lung", title="t", sites=(), files=(own,)), [])
    assert main(["run", "--resume", "lung-1"]) == 5
    assert calls == [("mine", "lung-1", True)]  # the loader here names a study for its folder


def test_list_and_status_show_data_as_it_is(checkout, capsys):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "[b]lung" in listed
    assert "which [site]" in listed
    begin(checkout, "lung", "lung-1")
    with only_one(checkout / "inside" / "runs" / "lung-1"):
        assert main(["status"]) == 0
        assert "[E]" in capsys.readouterr().out
        assert main(["status", "lung-1"]) == 0
        assert "--resume" not in capsys.readouterr().out


def test_status_has_the_exit_code_of_the_run_and_says_how_to_go_on(checkout, capsys):
    begin(checkout, "lung", "lung-1")
    manifest = Manifest(checkout / "inside" / "runs" / "lung-1", {})
    for status, code in (("failed", 3), ("ok", 0)):
        manifest.end(status, code)
        assert main(["status"]) == code
        assert ("Go on with: python3 study.py run --resume lung-1\n" in capsys.readouterr().out) == bool(code)
    manifest.content["differing"] = ["Survival", "Response"]
    manifest.end("differs", 6)
    assert main(["status"]) == 6
    said = capsys.readouterr().out
    assert "Differs from the pooled rows by more than the tolerance: Survival; Response\n" in said
    assert "--resume" not in said


class LabThatLeaves:
    """Stands in for JupyterLab's process: notes how it was started, and is left at once."""

    def __init__(self, command, env):
        type(self).command, type(self).env = command, env
        self.runtime = Path(env["JUPYTER_RUNTIME_DIR"])
        assert self.runtime.stat().st_mode & 0o077 == 0

    def wait(self):
        type(self).ctrl_c = signal.getsignal(signal.SIGINT)
        return 3


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", LabThatLeaves)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return LabThatLeaves


def test_explore_as_root_says_what_to_add(checkout, lab, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["explore"]) == 64
    said = capsys.readouterr().err
    assert "--allow-root" in said
    assert said.count("\n") == 1
    assert main(["explore", "--allow-root"]) == 3


def test_explore_starts_jupyterlab_on_this_machine_only(checkout, lab):
    assert main(["explore", "--no-browser", "--port=1234"]) == 3
    assert lab.command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ip=127.0.0.1" in lab.command
    assert f"--ServerApp.root_dir={checkout / 'notebooks'}" in lab.command
    assert lab.command[-2:] == ["--no-browser", "--port=1234"]


def test_explore_gives_kernels_private_sockets_with_short_paths_and_cleans_up(checkout, lab):
    main(["explore"])
    assert "--KernelManager.transport=ipc" in lab.command
    runtime = lab.env["JUPYTER_RUNTIME_DIR"]
    longest = f"{runtime}/kernel-{'0' * 36}-ipc-5"
    assert len(os.fsencode(longest)) < 104  # bytes of a socket's path on macOS, with the closing zero
    assert not Path(runtime).exists()


def test_explore_leaves_ctrl_c_to_jupyterlab(checkout, lab):
    before = signal.getsignal(signal.SIGINT)
    main(["explore"])
    assert lab.ctrl_c == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == before


def test_help_names_the_exit_codes_and_is_quick_to_import(capsys):
    assert main(["--help"]) == 0
    assert "130 interrupted" in " ".join(capsys.readouterr().out.split())
    # The package's own __init__ is not at stake here: a stand-in keeps the measure to these modules.
    code = (
        "import sys, types; package = types.ModuleType('fedstats'); package.__path__ = ['fedstats'];"
        "sys.modules['fedstats'] = package; import fedstats.cli;"
        "print([m for m in ('numpy', 'pandas', 'papermill', 'nbclient', 'ipykernel', 'nbformat') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
