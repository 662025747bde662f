"""Files that are whole or absent: a crash never leaves half of one."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

#: In a run's folder: which analyses its report found to differ from the pooled rows.
POOLED_CHECK = "reports/pooled_check.json"


def write_text(path: Path, text: str) -> None:
    """Write a text file at once: readers see the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two writers from sharing a temporary file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as JSON, at once."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; None when there is none or it is not JSON (a writer outside was killed)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def path_from(folder: Path, path: Path) -> str:
    """The way to a path from a folder: it stays true when both move together, and names no machine's folders."""
    return os.path.relpath(path.resolve(), folder.resolve())


def sha256_of(path: Path) -> str | None:
    """Hash of a file, or of a folder's files with their names; None when it is not there."""
    if path.is_dir():
        parts = "".join(f"{sha256_of(part)} {part.name}\n" for part in sorted(path.iterdir()))
        return hashlib.sha256(parts.encode()).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
