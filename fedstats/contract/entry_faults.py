"""What is wrong with an entry of a file, as one sentence: where it stands, what was found, what to write."""

import types
import typing
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

#: By the kind of fault what to write instead; {…} is filled from what the entry agrees on.
_WRITE = {
    "literal_error": "write one of {expected}",
    "enum": "write one of {expected}",
    "union_tag_invalid": "write one of {expected_tags}",
    "string_type": "write a text, in quotes",
    "string_too_short": "write at least one sign",
    "tuple_type": "write a list, in square brackets",
    "list_type": "write a list, in square brackets",
    "dict_type": "write a table of keys and values",
    "model_type": "write a table of keys and values",
    "model_attributes_type": "write a table of keys and values",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "finite_number": "write a finite number",
    "bool_type": "write true or false, without quotes",
    "bool_parsing": "write true or false, without quotes",
    "greater_than": "write a number above {gt}",
    "greater_than_equal": "write {ge} or more",
    "less_than": "write a number below {lt}",
    "less_than_equal": "write {le} or less",
    "too_short": "write at least {min_length}",
    "too_long": "write at most {max_length}",
}
#: Patterns of names, in words.
_FORMS = {
    r"^[a-z][a-z0-9_]{0,60}$": "lower-case letters, digits and _, a letter first",
    r"^[a-z][a-z0-9_]{0,40}$": "lower-case letters, digits and _, a letter first, at most 41",
    r"^[a-z0-9][a-z0-9-]{0,30}$": "lower-case letters, digits and -, at most 31",
}


def fault_in_words(problem: ValidationError, content: object, model: type[BaseModel]) -> str:
    """The first fault, without a full stop: ``models 'os': ties is 'exact'; write one of 'efron' or 'breslow'``.

    Parameters
    ----------
    problem : ValidationError
    content : object               what was read
    model : subclass of BaseModel  what it was to be
    """
    errors: list[dict[str, Any]] = [{**error, "path": _path(error, content)} for error in problem.errors()]
    # a key that is missing and one too many of the same table are one slip, and that is the one to see
    slips = [e for e in errors if e["type"] == "extra_forbidden" and e["path"][:-1] == errors[0]["path"][:-1]]
    if errors[0]["type"] == "missing" and slips:
        errors = slips
    first = errors[0]["path"]
    # of a key that may be of several kinds each says what is wrong: whichever got furthest meant what was written
    about = (
        [e for e in errors if e["path"][: len(first)] == first]
        if errors[0]["type"] != "missing"
        else errors[:1]
    )
    deepest = max(about, key=lambda e: len(e["path"]))["path"]
    same = [e for e in about if e["path"] == deepest]
    where = _where(deepest, content)
    error = same[0]
    key = _key(where)
    if error["type"].startswith("union_tag"):  # which of several tables it is, says one of its keys
        tag = error["ctx"]["discriminator"].strip("'")
        key = f"{where}{'' if not where or where.endswith(': ') else '.'}{tag}"
        if error["type"] == "union_tag_not_found":
            return f"{key} is missing"
        return f"{key} is {_found(error['ctx']['tag'])}; {_remedy(error)}"
    if error["type"] == "missing":
        return f"{key} is missing"
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, deepest[:-1], content)
        near = get_close_matches(str(deepest[-1]), known, n=1)
        hint = f"the nearest is {near[0]}" if near else f"there are {', '.join(known)}"
        return f"{key}: no such key; {hint}"
    if error["type"] == "value_error":
        said = error["msg"].removeprefix("Value error, ").rstrip(".")
        return f"{where}{'' if not where or where.endswith(': ') else ': '}{said}"
    remedies = dict.fromkeys(filter(None, map(_remedy, same)))
    found = _found(error["input"])
    wanted = ", or ".join(remedy.removeprefix("write ") for remedy in remedies)
    said = f"write {wanted}" if wanted else "this is none of what may stand here"
    if error["loc"][-1:] == ("[key]",):
        return f"{_key(_where(deepest[:-1], content))}: {found} is no name; {said}"
    return f"{key} is {found}; {said}"


def _path(error: Any, content: object) -> tuple[int | str, ...]:
    """Keys and places, without the names of kinds that may stand at one place."""
    path: list[int | str] = []
    here, parts = content, error["loc"]
    for i, part in enumerate(parts):
        in_list = isinstance(here, Sequence) and isinstance(part, int) and part < len(here)
        if in_list or (isinstance(here, Mapping) and part in here):
            here = here[part]  # type: ignore[index]
        elif not (error["type"] == "missing" and i == len(parts) - 1):
            continue
        path.append(part)
    return tuple(path)


def _where(path: Sequence[int | str], content: object) -> str:
    """``models 'os': ties``: an entry of a list by its name, or by its place counted from one."""
    said, here = "", content
    for part in path:
        try:
            here = here[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            here = None
        if isinstance(part, int):
            name = here.get("name") if isinstance(here, Mapping) else None
            of_entries = isinstance(here, Mapping)
            said += (
                f" {name!r}: "
                if isinstance(name, str)
                else f", entry {part + 1}" + (": " if of_entries else "")
            )
        else:
            said += part if not said or said.endswith(": ") else f".{part}"
    return said


def _key(where: str) -> str:
    return where.removesuffix(": ") or "it"


def _found(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def _remedy(error: Any) -> str:
    if error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return f"write {_FORMS.get(pattern, f'a text of the form {pattern}')}"
    given = {k: f"{v:g}" if isinstance(v, float) else v for k, v in error.get("ctx", {}).items()}
    return _WRITE.get(error["type"], "").format(**given)


def _keys_at(model: type[BaseModel], path: Sequence[int | str], content: object) -> list[str]:
    """Keys of the table that stands at a place, of all that may stand there."""
    models: list[type[BaseModel]] = [model]
    for part in path:
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        models = [found for annotation in fields for found in _models_in(annotation)] or models
    here: Any = content
    for part in path:
        here = here[part]
    fit = [m for m in models if set(here) & set(m.model_fields)] if isinstance(here, Mapping) else models
    return sorted({name for m in fit or models for name in m.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, types.UnionType) or typing.get_args(annotation):
        return [found for part in typing.get_args(annotation) for found in _models_in(part)]
    return []
