"""An exchange as its coordinator reads it: what is sealed is opened, so that payloads can be searched."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedstats.federations.envelope import read_envelope
from fedstats.federations.keys import COORDINATOR, Identity, home_of


def opened_files(exchange: Path, study_id: str) -> Iterator[tuple[Path, bytes, dict[str, Any]]]:
    """Every file of an exchange with its bytes and its content, the bodies of answers opened.

    The coordinator's keys are those in the session's own folder.
    """
    reader = Identity.of(home_of(study_id, COORDINATOR), COORDINATOR)
    for path in sorted(p for p in exchange.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        content = json.loads(raw)
        if content["header"]["kind"] == "answer":
            content["body"] = read_envelope(path, "answer").opened(reader)
        yield path, raw, content


def opened_answers(exchange: Path, study_id: str, site: str) -> list[dict[str, Any]]:
    """The bodies of a site's answers in the order of their numbers."""
    return [c["body"] for path, _, c in opened_files(exchange, study_id) if path.parent.name == site]
