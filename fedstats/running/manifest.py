"""``manifest.json``: what a run was made from, what became of each step, what need not be redone."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedstats.running.exit_codes import UsageError
from fedstats.running.files import read_json, sha256_of, write_json
from fedstats.running.outcome import Outcome, Step
from fedstats.running.provenance import code_sha256, provenance

NAME = "manifest.json"
_RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


class Manifest:
    """The account of one run, on disk after every change.

    Parameters
    ----------
    folder : Path
        The run's folder.
    roots : mapping of str to Path
        Folders that are written as ``<name>`` inside parameters, so that a run can be moved with
        its folder and still be resumed, and no machine's path is recorded.
    """

    def __init__(self, folder: Path, roots: Mapping[str, Path]) -> None:
        self.path = folder / NAME
        # The longest first: a run's folder may lie inside the study's.
        by_length = sorted(roots.items(), key=lambda item: -len(str(item[1].resolve())))
        self._roots = [(f"<{name}>", str(root.resolve())) for name, root in by_length]
        self.content: dict[str, Any] = read_json(self.path) or {}

    def begin(self, run_id: str, study: Any, steps: Iterable[Step], **settings: Any) -> None:
        """Write down what is about to be run; of a resumed run, that it goes on."""
        now = timestamp()
        waiting = {step.name: {"status": "waiting", "label": step.label} for step in steps}
        old = self.content
        about = {
            "id": study.id,
            "title": study.title,
            "sites": list(study.sites),
            "files": study_files(study),
        }
        # the path as typed from here is no machine's path, and --resume finds the study again by it
        file, here = Path(study.files[0]).resolve(), Path.cwd().resolve()
        if file.is_relative_to(here):
            about["file"] = file.relative_to(here).as_posix()
        self.content = {
            "run": run_id,
            "study": about,
            "status": "running",
            "exit_code": None,
            "started": old.get("started", now),
            "resumed": [*old.get("resumed", []), now] if old else [],
            "ended": None,
            "settings": settings,
            "made_from": provenance(),
            "data": old.get("data", {}),
            "steps": waiting | old.get("steps", {}),
            "reports": old.get("reports", {}),
        }
        self.save()

    def end(self, status: str, exit_code: int, *, seen: bool = True) -> None:
        """The run is over; a step that it was about to start never ran.

        ``seen``: the end was seen, not found out later by somebody else, who cannot know when it was.
        """
        for record in self.content["steps"].values():
            if record["status"] == "running":
                record["status"] = "waiting"
        self.content.update(status=status, exit_code=int(exit_code), ended=timestamp() if seen else None)
        self.save()

    def save(self) -> None:
        """Write the manifest, at once."""
        write_json(self.path, self.content)

    def step_started(self, step: Step) -> None:
        """A step is about to run: whatever an earlier attempt said no longer holds."""
        self.content["steps"][step.name] = {"status": "running", "label": step.label} | self._fingerprint(
            step
        )
        self.save()

    def step_finished(self, step: Step, outcome: Outcome) -> None:
        """Record an outcome with the hashes of what the step wrote."""
        written = {path: sha256_of(path) for path in (step.output, *step.produces)} if outcome.ok else {}
        # The fingerprint is the one taken at the start: the notebook may have been edited since.
        record = self.content["steps"].setdefault(step.name, self._fingerprint(step))
        record.update(
            asdict(outcome),
            label=step.label,
            started=timestamp(outcome.started),
            ended=timestamp(outcome.ended),
            seconds=round(outcome.seconds, 2),
            outputs={self.portable(path): digest for path, digest in written.items()},
        )
        self.save()

    def is_done(self, step: Step) -> bool:
        """Whether a step succeeded before, from the same sources, and its outputs are still whole."""
        record = self.content.get("steps", {}).get(step.name)
        if not record or record.get("status") != "ok":
            return False
        now = self._fingerprint(step)
        same = all(record.get(key) == now[key] for key in ("notebook_sha256", "parameters", "inputs"))
        outputs = {self.portable(path): sha256_of(path) for path in (step.output, *step.produces)}
        return same and record.get("outputs") == outputs and None not in outputs.values()

    def portable(self, value: Any) -> Any:
        """``value`` with the roots' paths replaced by their names."""
        if isinstance(value, Path):
            value = str(value.resolve())
        if isinstance(value, str):
            for name, root in self._roots:
                if value == root or value.startswith(root + os.sep):
                    return name + value[len(root) :]
        if isinstance(value, list | tuple):
            return [self.portable(item) for item in value]
        if isinstance(value, Mapping):
            return {key: self.portable(item) for key, item in value.items()}
        return value

    def _fingerprint(self, step: Step) -> dict[str, Any]:
        return {
            "notebook": step.notebook.name,
            "file": self.portable(step.output).removeprefix("<run>/"),
            "notebook_sha256": sha256_of(step.notebook),
            "code_sha256": code_sha256(),
            "parameters": self.portable(dict(step.parameters)),
            "inputs": {self.portable(path): sha256_of(path) for path in step.inputs},
        }


def study_files(study: Any) -> dict[str, str | None]:
    """The files that define a study, by name, with their sha256."""
    return {path.name: sha256_of(path) for path in study.files}


def remembered_study(study: Mapping[str, Any]) -> str:
    """The study of a run: its file as the run remembers it, else its name."""
    remembered = str(study.get("file", ""))
    return remembered if remembered and Path(remembered).is_file() else str(study["id"])


def timestamp(seconds: float | None = None) -> str:
    """A moment (now) in UTC, to the second."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="seconds")


def new_run_id(study_id: str, runs: Path) -> str:
    """A free run id made of the study's id and the time (UTC)."""
    study = re.sub(r"[^a-z0-9]+", "-", study_id.lower()).strip("-")[:40] or "run"
    first = f"{study}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    number, candidate = 1, first
    while (runs / candidate).exists():
        number += 1
        candidate = f"{first}-{number}"
    return candidate


def check_run_id(run_id: str) -> str:
    """The id itself, if it may name a folder everywhere.

    Raises
    ------
    UsageError
        For anything but lower-case letters, digits and hyphens, and for ``latest``.
    """
    if not _RUN_ID.fullmatch(run_id) or run_id == "latest":
        raise UsageError(
            f"A run id is made of at most 61 lower-case letters, digits and hyphens, and is not 'latest'; "
            f"{run_id!r} will not do."
        )
    return run_id


def point_latest(runs: Path, run_id: str) -> None:
    """Let ``runs/latest`` lead to a run, where the file system knows links."""
    temporary = runs / f".latest.{os.getpid()}"
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(run_id, target_is_directory=True)
        temporary.replace(runs / "latest")
