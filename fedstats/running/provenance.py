"""From what a run was made: versions, commit, lock, machine."""

import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from fedstats.running.files import sha256_of

#: The checkout, or the folder of an installed package.
HOME = Path(__file__).resolve().parents[2]

_LIBRARIES = (
    "numpy", "scipy", "pandas", "statsmodels", "lifelines", "formulaic", "matplotlib", "great-tables",
    "pydantic", "papermill", "nbclient", "ipykernel", "nbconvert",
)  # fmt: skip


def provenance() -> dict[str, Any]:
    """What made this run; plain JSON values, no path and no name of a machine."""
    return {
        "fedstats": _version("fedstats"),
        "code_sha256": code_sha256(),
        "git": _git(),
        "lock_sha256": sha256_of(HOME / "requirements" / "lock.txt"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: version for name in _LIBRARIES if (version := _version(name))},
    }


def code_sha256() -> str:
    """One hash over the package's own source files, in the order of their names."""
    total = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*.py")):
        total.update(f"{path.relative_to(package).as_posix()}\0{sha256_of(path)}\n".encode())
    return total.hexdigest()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return None


def _git() -> dict[str, Any] | None:
    """Commit, and whether a file of it has changed or the package has a module more; None outside a checkout.

    Other files that git does not know (a notebook that somebody has executed) are no part of what made a run.
    """
    if not (HOME / ".git").exists():
        return None
    changed = _ask_git("status", "--porcelain", "--untracked-files=no")
    added = _ask_git("ls-files", "--others", "--", "fedstats/*.py")
    return {"commit": _ask_git("rev-parse", "--verify", "HEAD"), "dirty": changed != "" or added != ""}


def _ask_git(*arguments: str) -> str | None:
    # --no-optional-locks: looking must not touch the index of a person at work.
    command = ["git", "--no-optional-locks", *arguments]
    try:
        found = subprocess.run(  # noqa: S603 (constant arguments)
            command, cwd=HOME, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
