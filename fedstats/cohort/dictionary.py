"""The data dictionary of a study: ``tables.toml``, read and checked."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from fedstats.cohort.dictionary_entries import Dictionary
from fedstats.contract.codebook_entries import read_entry
from fedstats.study.toml_file import StudyError, read_toml

#: The file's name, beside ``study.toml``.
DICTIONARY = "tables.toml"

Model = TypeVar("Model", bound=BaseModel)


def read_dictionary(file: Path) -> tuple[bytes, Dictionary]:
    """The file's bytes, which a study is hashed by, and what they say.

    Parameters
    ----------
    file : Path      ``tables.toml``

    Raises
    ------
    StudyError
        What is wrong first, with its place in the file.
    """
    raw, content = read_toml(file)
    return raw, understood(Dictionary, content, file.name)


def understood(model: type[Model], content: dict[str, Any], name: str) -> Model:
    """The content of a file as its model, or one sentence about the first thing that is wrong.

    Raises
    ------
    StudyError
    """
    try:
        read: Model = read_entry(model, content, name)
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    return read
