"""The software bill of materials: what an environment is made of, as a security office's tools read it (CycloneDX 1.6)."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from fedstats.running.exit_codes import UsageError


def bill_of_materials(lock: Path) -> str:
    """Every package of a hashed lock with its version and the sha256 of its files, as CycloneDX JSON.

    Parameters
    ----------
    lock : path
        ``requirements/lock.txt``.  The same lock gives the same bytes: no time and no random number is in it.

    Raises
    ------
    UsageError
        There is no lock, or a line of it is no exact version with hashes.
    """
    if not lock.is_file():
        raise UsageError(
            f"There is no {lock.name} in {lock.parent}: the bill of materials is made in a checkout."
        )
    own = {"type": "application", "name": "fedstats", "version": version("fedstats")}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own | {"bom-ref": "fedstats"}},
        "components": [_component(line) for line in _lines(lock)],
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _lines(lock: Path) -> list[str]:
    joined = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def _component(line: str) -> dict[str, Any]:
    requirement, *hashes = (part.strip() for part in line.split("--hash=sha256:"))
    pin = Requirement(requirement)
    exact = re.fullmatch(r"==([^*,]+)", str(pin.specifier))
    if exact is None or not hashes:
        raise UsageError(f"{pin.name} is not pinned in the lock by an exact version and its hashes.")
    component: dict[str, Any] = {
        "type": "library",
        "name": pin.name,
        "version": exact[1],
        "purl": f"pkg:pypi/{pin.name.lower()}@{exact[1]}",
        "hashes": [{"alg": "SHA-256", "content": value} for value in hashes],
    }
    if pin.marker is not None:  # where it is installed at all
        component["properties"] = [{"name": "fedstats:environment", "value": str(pin.marker)}]
    component["bom-ref"] = f"{component['purl']} {pin.marker or ''}".strip()
    return component
