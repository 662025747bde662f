"""The data dictionary of a study: ``tables.toml``, read and checked."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fedstats.cohort.dictionary_entries import Dictionary
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
        return model.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        if isinstance(first["input"], str | int | float):
            said += f" (found {first['input']!r})"
        raise StudyError(f"{name}: {where + ': ' if where else ''}{said}.") from None
