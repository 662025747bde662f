"""A checkout of its own for the tests that run the notebooks: copies of the notebooks and of the lung study, its data made."""

import hashlib
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

import fedstats as fs
from fedstats.study.table_file import read_table

ROOT = Path(__file__).resolve().parents[2]
#: Seconds after which whatever was started is taken for hung.
PATIENCE = 500.0
#: Seconds that a notebook waits for another; well below what the test waits for the notebook.
WAIT = 400.0


def make_checkout(folder: Path) -> Path:
    """Copy what a user has: the notebooks and the lung study; and make the lung data in ``path/to``, as the README calls it."""
    for name in ("notebooks", "studies/lung"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    main = runpy.run_path(str(folder / "studies" / "lung" / "make_data.py"))["main"]
    assert main(["--out", str(folder / "path" / "to")]) == 0
    return folder


def copy_study(checkout: Path, name: str, *changes: tuple[str, str], file: str = "study.toml") -> Path:
    """A copy of the lung study with texts in one of its files replaced; returns its ``study.toml``."""
    folder = checkout / "studies" / name
    shutil.copytree(checkout / "studies" / "lung", folder)
    text = (folder / file).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{old!r} is no longer in {file}"
        text = text.replace(old, new)
    (folder / file).write_text(text, encoding="utf-8")
    return folder / "study.toml"


def in_process_sha256(study_file: Path, data: Mapping[str, Path], scratch: Path) -> str:
    """Hash of ``results.json`` when the same files are analysed in one process, without an exchange."""
    study = fs.Study.load(study_file)
    frames = {site: read_table(data[site]) for site in study.sites}
    found = fs.together(fs.InProcess(frames, study.codebook, study.policy), **study.analyses())
    return fs.save_results(found, scratch / "in_process.json", study=study.digest)


def environment(home: Path) -> dict[str, str]:
    """This environment with Jupyter's and IPython's folders in ``home``: a user's own settings play no part."""
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    return os.environ | {n: str(home / n.lower()) for n in names} | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def start(*command: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a command as a person would; what it says is kept for :func:`ended`."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, env=environment(cwd), text=True, **(pipes | options))


def papermill(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start papermill's command line."""
    return start(str(Path(sys.executable).with_name("papermill")), *arguments, cwd=cwd)


def fedstats(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start our command line."""
    return start(sys.executable, "-m", "fedstats", *arguments, cwd=cwd)


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for the end of a command; what hangs is killed with everything that it has started."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except BaseException:
        kill_tree(process.pid)
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill_tree(pid: int) -> None:
    """End a process that a test has started, and its descendants."""
    try:
        top = psutil.Process(pid)
        family = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by its path within."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def half_written(folder: Path) -> list[str]:
    """Files that a writer has not finished."""
    marks = (".part", ".tmp", ".partial.ipynb")
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.name.endswith(marks))
