"""The folder of all runs: what each has come to, and how to go on with it."""

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedstats.running.exit_codes import ExitCode, UsageError
from fedstats.running.files import read_json
from fedstats.running.guards import only_one
from fedstats.running.index_page import write_index
from fedstats.running.manifest import NAME, Manifest, remembered_study
from fedstats.running.provenance import HOME


def all_runs(runs: Path) -> list[dict[str, Any]]:
    """The manifests of a folder of runs, the newest first; a run whose runner was killed is closed as interrupted."""
    paths = [path for path in runs.glob(f"*/{NAME}") if not path.parent.is_symlink()]
    found = [(path.parent, read_json(path)) for path in paths]
    # A folder may come from elsewhere: what it calls itself must not lead anywhere else.
    known = [(folder, c) for folder, c in found if isinstance(c, dict) and c.get("run") == folder.name]
    settled = [_settled(folder, c) if c.get("status") == "running" else c for folder, c in known]
    return sorted(settled, key=lambda content: (content["resumed"] or [content["started"]])[-1], reverse=True)


def _settled(folder: Path, content: dict[str, Any]) -> dict[str, Any]:
    """What a run that calls itself running has come to.

    A runner holds the lock of its run's folder, and the system takes it back from a dead one: unlike a process
    id, it is never somebody else's.
    """
    with (
        suppress(UsageError, OSError),
        only_one(folder),
    ):  # held: it runs; not to be written: it stays as it is
        manifest = Manifest(folder, {})  # read once more: it may have ended a moment ago
        content = manifest.content
        if content["status"] == "running":
            manifest.end("interrupted", ExitCode.INTERRUPTED, seen=False)
            write_index(folder, content, resume_command(content, folder.parent))
    return content


def resume_command(content: dict[str, Any], runs: Path, study_file: Path | None = None) -> str:
    """The command that goes on with a run.

    Parameters
    ----------
    content : dict
        The run's manifest.
    runs : Path
        The folder of all runs.
    study_file : Path, optional
        The study's; else as the run remembers it.
    """
    file = study_file or Path(remembered_study(content["study"]))
    command = f"python3 study.py run --resume {content['run']}"
    if file.is_file() and file.resolve() not in _studies_by_name(content["study"]["id"]):
        command += f" --study {shlex.quote(str(file))}"
    if str(runs) != "runs":
        command += f" --runs {shlex.quote(str(runs))}"
    return command


def _studies_by_name(name: str) -> list[Path]:
    """Where the command line looks for a study of that name: here, and in the package's checkout."""
    return [(home / "studies" / name / "study.toml").resolve() for home in (Path.cwd(), HOME)]
