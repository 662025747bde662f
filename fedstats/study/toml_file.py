"""A study's files as they lie on the disk: read once, as bytes and as what they say."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedstats.contract.labels import unseen, visible
from fedstats.federations.files import explained


class StudyError(ValueError):
    """A study file that cannot be used; the message is one sentence with file, key and remedy."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"StudyError: {self}"]


def read_toml(file: Path) -> tuple[bytes, dict[str, Any]]:
    """The file's bytes and what they say.

    Raises
    ------
    StudyError
    """
    with explained("folder of the study", file, "read"):
        if not file.is_file():
            raise StudyError(
                f"There is no {file.name} in {file.parent.name or file.parent}. A study is a folder with study.toml and codebook.toml."
            )
        raw = file.read_bytes()
    try:
        content = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise StudyError(f"{file.name} is not valid TOML: {problem}.") from None
    for text in _texts(content):
        if sign := unseen(text):
            raise StudyError(
                f"{file.name}: {visible(text)!r} holds the character {sign}, which cannot be seen."
            )
    return raw, content


def _texts(value: Any) -> Iterator[str]:
    """Every text of a file, its keys too: all of them come out somewhere."""
    if isinstance(value, str):
        yield value
    for part in (
        value.items() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    ):
        yield from _texts(part)
