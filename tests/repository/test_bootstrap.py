"""study.py makes the environment once, says in words what is missing, and passes on what it started returns.

No test needs the network: uv is a shell script that does as it is told, or `subprocess.run` is replaced. What the
installers say in these tests is what pip 23-24 and uv 0.13 really said when it was tried.
"""

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

FAKE_UV = """#!/bin/sh
echo "$1 $2" >> calls.txt
if [ "$1" = venv ]; then
    mkdir -p .venv/bin
    printf '#!/bin/sh\\necho "started: $* in $(pwd)"\\nexit "${FAKE_STATUS:-0}"\\n' > .venv/bin/python
    chmod +x .venv/bin/python
    exit 0
fi
sleep "${FAKE_SLEEP:-0}"
if [ -n "${FAKE_UV_SAYS:-}" ]; then echo "$FAKE_UV_SAYS"; exit 1; fi
"""

HASH_PIP = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated ..."
HASH_UV = "error: Failed to download `zipp==4.1.2`\n  cause: Hash mismatch for `zipp==4.1.2`"
NOT_FOUND = "ERROR: Could not find a version that satisfies the requirement zipp==4.1.2 (from versions: none)"
RETRYING = "WARNING: Retrying (Retry(total=0)) after connection broken by "

# What an installer says, and a piece of what a person must then read.
SAID_AND_MEANT = {
    "pip, no name resolution": (
        RETRYING + "'NewConnectionError('[Errno -3] Temporary failure in name resolution')'\n" + NOT_FOUND,
        "cannot be reached",
    ),
    "pip, proxy refuses": (
        RETRYING + "'ProxyError('Cannot connect to proxy.', [Errno 111] Connection refused)'\n" + NOT_FOUND,
        "cannot be reached",
    ),
    "pip, silence": (RETRYING + "'ReadTimeoutError('Read timed out.')'\n" + NOT_FOUND, "cannot be reached"),
    "uv, no name resolution": ("  cause: dns error\n  cause: error resolving DNS", "cannot be reached"),
    "uv, proxy refuses": ("  cause: tcp connect error\n  cause: Connection refused", "cannot be reached"),
    "pip, strange certificate": (
        RETRYING
        + "'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ...'))'\n"
        + NOT_FOUND,
        "certificate is not trusted",
    ),
    "uv, strange certificate": (
        "cause: invalid peer certificate: UnknownIssuer",
        "certificate is not trusted",
    ),
    "pip, another file": (HASH_PIP, "names by its hash"),
    "uv, another file": (HASH_UV, "names by its hash"),
    "pip, nothing that fits": (
        NOT_FOUND + "\nERROR: No matching distribution found",
        "no ready-made package",
    ),
    "uv, nothing that fits": (
        "error: No solution found when resolving dependencies",
        "no ready-made package",
    ),
    "pip, disk full": ("ERROR: Could not install: [Errno 28] No space left on device", "disk is full"),
    "uv, disk full": ("cause: failed to copy file: No space left on device (os error 28)", "disk is full"),
    "no ensurepip": (
        "The virtual environment was not created successfully because ensurepip is not\navailable.",
        "apt install python3-venv",
    ),
    "no venv": ("/usr/bin/python3: No module named venv", "apt install python3-venv"),
    "something new": ("error: the moon is in the wrong phase", "does not know"),
}


class Started(Exception):  # noqa: N818
    """Stands for the moment in which study.py would become another program."""


@pytest.fixture
def project(tmp_path):
    """A project with the real study.py and nothing to install, in a folder with a space in its name."""
    root = tmp_path / "a project"
    (root / "requirements").mkdir(parents=True)
    (root / "requirements" / "lock.txt").write_text("nothing==1 --hash=sha256:00\n")
    (root / "pyproject.toml").write_text("[project]\n")
    shutil.copy(REPOSITORY / "study.py", root)
    return root


@pytest.fixture
def fake_uv(tmp_path, monkeypatch):
    """A PATH with a uv that makes an environment without content, and the few tools a shell script needs."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(FAKE_UV)
    (tools / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tools), "/usr/bin", "/bin"]))
    monkeypatch.setenv("UV_INDEX", "chosen")  # so that pip's settings on this machine do not matter
    return tools


def begin(project, *arguments, python=sys.executable, **environment):
    """Start study.py as a person would, from another folder."""
    return subprocess.Popen(
        [python, str(project / "study.py"), *arguments],
        cwd=project.parent,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(project, *arguments, **more):
    """Start study.py and wait for its end: exit status, standard output, standard error."""
    with begin(project, *arguments, **more) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def ran(project):
    """What the fake Python prints for `study.py run`."""
    return f"started: -m fedstats run in {project.parent}\n"


def calls(project):
    """What the fake uv was asked to do."""
    path = project / "calls.txt"
    return path.read_text().splitlines() if path.exists() else []


def instead(module, **replaced):
    """A module with some names replaced, for one importer only."""
    return SimpleNamespace(**{**vars(module), **replaced})


@pytest.fixture
def study(project, monkeypatch):
    """study.py as a module, with installers that succeed at once unless `study.says` has words for a step."""
    spec = importlib.util.spec_from_file_location("study_under_test", project / "study.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.says, module.asked, module.commands, module.pip_settings = {}, [], {}, b""

    def installer(command, stdout=None, env=None, **_):
        if "config" in command:
            return subprocess.CompletedProcess(command, 0, module.pip_settings)
        tool = "uv" if command[0].endswith("uv") else "pip"
        step = f"{tool} {'venv' if 'venv' in command else 'project' if '-e' in command else 'lock'}"
        module.asked.append(step)
        module.commands[step] = (command, env)
        if step.endswith("venv"):
            module.PYTHON.parent.mkdir(parents=True, exist_ok=True)
            module.PYTHON.touch()
        stdout.write(module.says.get(step, ""))
        return subprocess.CompletedProcess(command, 1 if step in module.says else 0)

    def become(path, command):
        raise Started([path, *command[1:]])

    module.subprocess = instead(subprocess, run=installer)
    module.os = instead(os, execv=become)
    module.shutil = instead(shutil, which=lambda _: None)
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "no settings"))
    return module


def has_uv(study, where="/somewhere/uv"):
    """From here on there is a uv on PATH, or none."""
    study.shutil = instead(shutil, which=lambda _: where)


# --- which Python, which system ---------------------------------------------------------------------


def test_old_pythons_can_read_the_file():
    source = (REPOSITORY / "study.py").read_text()
    tree = ast.parse(source, feature_version=(3, 7))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names
    assert not {"tomllib", "zoneinfo", "graphlib"} & imported


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 13), (3, 15, 0)])
def test_an_unsuitable_python_is_told_which_one_is_needed(study, monkeypatch, capsys, version):
    study.sys = instead(sys, version_info=version)
    monkeypatch.setenv("PATH", "")
    assert study.main(["run"]) == 64
    words = capsys.readouterr().err
    assert words.startswith("fedstats needs Python 3.11 to 3.14; this is {}.{}.{}".format(*version))
    assert "python3.13 study.py run" in words


def test_another_suitable_python_on_the_path_is_used_and_named(study, monkeypatch, tmp_path, capsys):
    shim, real = tmp_path / "python3.13", tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'no version is chosen' >&2\nexit 127\n")
    real.write_text("#!/bin/sh\necho 3 12 /opt/py thon/python3.12\n")
    for script in (shim, real):
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    study.sys = instead(sys, version_info=(3, 9, 1))
    with pytest.raises(Started) as started:
        study.main(["run", "--study", "lung"])
    assert started.value.args[0] == [
        "/opt/py thon/python3.12",
        str(study.ROOT / "study.py"),
        "run",
        "--study",
        "lung",
    ]
    assert "/opt/py thon/python3.12 is used instead" in capsys.readouterr().err


def test_a_really_old_python_gets_a_sentence_and_no_traceback(project):
    homes = [Path.home() / ".pyenv" / "versions", Path("/usr"), Path("/usr/local")]
    names = [f"python3.{minor}" for minor in (6, 7, 8, 9, 10)]
    old = [
        path
        for home in homes
        for name in names
        for path in [*home.glob(f"*/bin/{name}"), home / "bin" / name]
    ]
    old = [path for path in old if path.exists()]
    if not old:
        pytest.skip("no Python older than 3.11 on this machine")
    for python in old:
        status, out, err = run(project, "run", python=str(python), PATH="/nowhere")
        assert (status, out) == (64, ""), python
        assert err.startswith("fedstats needs Python 3.11 to 3.14; this is 3."), python


def test_windows_is_sent_to_wsl(study, capsys):
    study.os = instead(os, name="nt")
    assert study.main(["run"]) == 64
    assert "use WSL" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_makes_nothing(project, fake_uv, arguments):
    status, out, _ = run(project, *arguments)
    assert status == 0
    assert "study.py run" in out
    assert "study.py test" in out
    assert sorted(path.name for path in project.iterdir()) == ["pyproject.toml", "requirements", "study.py"]


# --- making it and starting something ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "started"),
    [
        (["run", "--study", "lung cancer"], "started: -m fedstats run --study lung cancer in {here}\n"),
        (
            ["test", "-k", "cox"],
            "started: -m pytest -n logical --maxprocesses 8 --dist loadfile -k cox in {project}\n",
        ),
        (["explore"], "started: -m fedstats explore in {here}\n"),
        (["list", "--help"], "started: -m fedstats list --help in {here}\n"),
        (["env"], ""),
    ],
)
def test_each_command_starts_what_it_says(project, fake_uv, arguments, started):
    status, out, err = run(project, *arguments)
    assert (status, out) == (0, started.format(here=project.parent, project=project)), err
    assert "Making the environment" in err


def test_the_second_start_installs_nothing_and_is_quick(project, fake_uv):
    run(project, "env")
    asked = calls(project)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        status, out, err = run(project, "run")
        times.append(time.perf_counter() - began)
        assert (status, out, err) == (0, ran(project), "")
    assert calls(project) == asked == ["venv --allow-existing", "pip install", "pip install"]
    assert min(times) < 0.5


@pytest.mark.parametrize("status", [1, 2, 130])
def test_the_exit_status_is_passed_on(project, fake_uv, status):
    assert run(project, "run", FAKE_STATUS=str(status))[0] == status


def test_pip_is_used_where_there_is_no_uv(study, capsys):
    with pytest.raises(Started):
        study.main(["run"])
    assert study.asked == ["pip venv", "pip lock", "pip project"]
    assert "with pip" in capsys.readouterr().err


def test_uv_is_used_where_it_is(study):
    has_uv(study)
    with pytest.raises(Started):
        study.main(["run"])
    assert study.asked == ["uv venv", "uv lock", "uv project"]


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_only_what_the_lock_names_is_installed(study, tool):
    has_uv(study, where="/somewhere/uv" if tool == "uv" else None)
    study.main(["env"])
    lock, _ = study.commands[f"{tool} lock"]
    assert lock[-4:] == ["--require-hashes", "--no-deps", "-r", str(study.LOCK)]
    project, _ = study.commands[f"{tool} project"]
    assert project[-4:] == ["--no-deps", "--no-build-isolation", "-e", "."]


def test_the_environment_is_made_by_the_python_beneath_it(study):
    """Started by .venv/bin/python itself, it would otherwise remove the Python it is made with."""
    study.sys = instead(sys, executable=str(study.PYTHON), _base_executable="/base/python")
    study.main(["env"])
    assert study.commands["pip venv"][0][0] == "/base/python"


def test_a_person_s_pip_settings_stay_but_for_those_that_miss_the_environment(study, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "the mirror")
    monkeypatch.setenv("PIP_USER", "1")
    study.main(["env"])
    _, environment = study.commands["pip lock"]
    assert environment["PIP_INDEX_URL"] == "the mirror"
    assert environment["PIP_USER"] == "0"


def test_uv_is_left_alone_where_only_pip_knows_the_mirror(study):
    has_uv(study)
    study.pip_settings = b"global.index-url='somewhere'\n"
    assert study.main(["env"]) == 0
    assert study.asked == ["pip venv", "pip lock", "pip project"]


def test_pip_is_tried_where_uv_fails(study, capsys):
    has_uv(study)
    study.says = {"uv lock": "cause: dns error"}
    assert study.main(["env"]) == 0
    assert study.asked == ["uv venv", "uv lock", "pip venv", "pip lock", "pip project"]
    assert "trying again with pip" in capsys.readouterr().err


def test_a_wrong_hash_is_not_tried_again_with_pip(study):
    has_uv(study)
    study.says = {"uv lock": HASH_UV}
    assert study.main(["env"]) == 69
    assert study.asked == ["uv venv", "uv lock"]


def test_no_address_is_written_anywhere(study):
    study.main(["env"])
    assert "://" not in (REPOSITORY / "study.py").read_text() + study.LOG.read_text()


# --- when it cannot be made -------------------------------------------------------------------------


@pytest.mark.parametrize("case", SAID_AND_MEANT)
def test_a_failed_installation_is_explained_and_leaves_no_stamp(study, capsys, case):
    said, meant = SAID_AND_MEANT[case]
    study.says = {"pip venv" if "venv" in case or "ensurepip" in case else "pip lock": said}
    assert study.main(["run"]) == 69
    words = capsys.readouterr().err
    assert meant in " ".join(words.split())
    assert said.splitlines()[0].strip()[:60] in words
    assert ".venv/install.log" in words
    assert said in study.LOG.read_text()
    assert not study.STAMP.exists()


def test_a_repeated_warning_is_quoted_once(study):
    lines = study.telling_lines("\n".join([RETRYING + str(again) for again in range(5)] + [NOT_FOUND]))
    assert lines == [RETRYING + "4", NOT_FOUND]


def test_a_nearly_full_disk_is_noticed_before_anything_is_made(study, capsys):
    study.shutil = instead(shutil, disk_usage=lambda _: SimpleNamespace(free=10**9))
    assert study.main(["run"]) == 69
    assert "needs 2 GB" in capsys.readouterr().err
    assert study.asked == []


def test_a_disk_that_fills_while_venv_works_is_named_though_venv_does_not_say_so(study):
    words = "Error: Command '[...]' returned non-zero exit status 1."
    assert study.explain(words) == study.UNKNOWN
    study.shutil = instead(shutil, disk_usage=lambda _: SimpleNamespace(free=10**6))
    assert study.explain(words) == study.FULL


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (OSError(30, "Read-only file system"), "cannot be written to"),
        (PermissionError(13, "Permission denied"), "cannot be written to"),
        (OSError(28, "No space left on device"), "disk is full"),
    ],
)
def test_what_the_system_refuses_is_explained(study, monkeypatch, capsys, error, meant):
    def refuse(folder):
        raise error

    monkeypatch.setattr(study, "empty", refuse)
    assert study.main(["run"]) == 69
    assert meant in capsys.readouterr().err
    assert not study.STAMP.exists()


def test_a_real_wrong_hash_ends_with_words_and_69(project, fake_uv):
    status, out, err = run(project, "run", FAKE_UV_SAYS=HASH_UV)
    assert (status, out) == (69, "")
    assert "names by its hash" in err
    assert "Traceback" not in err


# --- repair, change, interruption, two at once --------------------------------------------------------


def test_a_half_made_environment_is_made_anew(project, fake_uv):
    run(project, "env", FAKE_UV_SAYS=HASH_UV)
    (project / ".venv" / "half").write_text("left by an interrupted start")
    status, out, _ = run(project, "run")
    assert (status, out) == (0, ran(project))
    assert not (project / ".venv" / "half").exists()


@pytest.mark.parametrize("change", ["lock", "python gone", "stamp unreadable", "moved"])
def test_a_change_that_matters_makes_the_environment_anew(project, fake_uv, change):
    run(project, "env")
    if change == "lock":
        (project / "requirements" / "lock.txt").write_text("nothing==2 --hash=sha256:00\n")
    elif change == "python gone":
        (project / ".venv" / "bin" / "python").unlink()
    elif change == "stamp unreadable":
        (project / ".venv" / "fedstats-stamp.json").write_text("5")
    else:
        project = project.rename(project.with_name("elsewhere"))
    before = len(calls(project))
    assert run(project, "run")[0] == 0
    assert calls(project)[before:] == ["venv --allow-existing", "pip install", "pip install"]


def test_another_python_makes_the_environment_anew(study):
    study.main(["env"])
    study.asked.clear()
    study.sys = instead(sys, version_info=(3, 14, 0) if sys.version_info[:2] != (3, 14) else (3, 13, 0))
    study.main(["env"])
    assert study.asked == ["pip venv", "pip lock", "pip project"]


def test_a_changed_pyproject_installs_only_the_project(study):
    study.main(["env"])
    study.PROJECT.write_text("[project]\nname = 'other'\n")
    study.asked.clear()
    assert study.main(["env"]) == 0
    assert study.asked == ["pip project"]
    assert study.found() == study.wanted()


def test_where_the_short_way_fails_the_long_one_is_taken(study, monkeypatch):
    has_uv(study)
    study.main(["env"])
    has_uv(study, where=None)
    study.PROJECT.write_text("[project]\nname = 'other'\n")
    study.asked.clear()
    tried = iter(["No module named pip"])
    study.says = {"pip project": ""}
    real = study.install_project
    monkeypatch.setattr(study, "install_project", lambda uv: real(uv) if next(tried, None) else None)
    assert study.main(["env"]) == 0
    assert study.asked == ["pip project", "pip venv", "pip lock"]


def test_the_stamp_goes_before_anything_is_touched(study, monkeypatch):
    def interrupt(uv):
        raise KeyboardInterrupt

    study.main(["env"])
    study.LOCK.write_text("nothing==2 --hash=sha256:00\n")
    monkeypatch.setattr(study, "install_everything", interrupt)
    assert study.main(["env"]) == 130
    assert not study.STAMP.exists()


def wait_for(condition):
    """Wait until something is so, for ten seconds at the most."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def test_ctrl_c_while_installing_ends_with_130_and_the_next_start_repairs(project, fake_uv):
    with begin(project, "run", FAKE_SLEEP="30") as process:
        wait_for(lambda: "pip install" in calls(project))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Stopped" in err
    assert "Traceback" not in err
    assert not (project / ".venv" / "fedstats-stamp.json").exists()


def test_two_starts_at_once_make_one_environment(project, fake_uv):
    with begin(project, "run", FAKE_SLEEP="0.5") as first:
        wait_for(lambda: "pip install" in calls(project))
        with begin(project, "run") as second:
            out_2, err_2 = second.communicate(timeout=30)
        out_1, _ = first.communicate(timeout=30)
    assert out_1 == out_2 == ran(project)
    assert "waiting for it" in err_2
    assert calls(project) == ["venv --allow-existing", "pip install", "pip install"]


def test_a_killed_start_is_waited_for_until_its_installer_has_ended(project, fake_uv):
    """An installer that was left behind would otherwise write into the environment that is being made anew."""
    with begin(project, "run", FAKE_SLEEP="1") as first:
        wait_for(lambda: "pip install" in calls(project))
        first.kill()
        status, out, err = run(project, "run")
    assert (status, out) == (0, ran(project))
    assert "waiting for it" in err
    assert calls(project).count("venv --allow-existing") == 2
