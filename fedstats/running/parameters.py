"""What a notebook declares as parameters, and whether given values fit.

papermill only warns of an unknown parameter, drops ``int | None`` from its help and pastes the
*name* of a parameter into the notebook as code; so the declaration is read here, from the syntax
tree of the one cell tagged ``parameters``, and nothing else is let through: by the runner and by
papermill's engine ``fedstats`` before anything runs, by the notebook itself under plain papermill.
"""

import ast
import io
import json
import math
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedstats.running.exit_codes import UsageError

#: The first line of the cell in which papermill gives values to parameters.
INJECTED = "# Parameters"


@dataclass(frozen=True)
class Parameter:
    """A declared parameter: ``name: annotation = default  # help``, each as written."""

    name: str
    annotation: str
    default: str
    help: str


def declared_parameters(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook, in their order.

    Parameters
    ----------
    notebook : Path
        An ``.ipynb`` file.

    Returns
    -------
    dict of str to Parameter
        Empty when no cell is tagged ``parameters``.

    Raises
    ------
    UsageError
        When the file is missing or no notebook, or the cell is not plain Python.
    """
    try:
        return declared_in(_parameters_cell(notebook))
    except SyntaxError as error:
        raise UsageError(
            f"The parameters cell of {notebook.name} is not plain Python: {error.msg}."
        ) from None


def declared_in(source: str) -> dict[str, Parameter]:
    """The parameters that the source of a cell declares, in their order."""
    comments = _comments(source)
    found = {}
    for line in ast.parse(source).body:
        target, annotation = _declaration(line)
        if target and isinstance(line, ast.Assign | ast.AnnAssign) and line.value is not None:
            comment = comments.get(line.end_lineno or 0, "")
            found[target] = Parameter(target, annotation, ast.unparse(line.value), comment)
    return found


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse an unknown parameter, or a value that does not fit its annotation.

    Raises
    ------
    UsageError
        One sentence that names the notebook, the parameter and what would be right.
    """
    check_values(declared_parameters(notebook), parameters, f"notebook {notebook.name}")


def check_injected(cells: Sequence[str]) -> None:
    """Refuse what papermill has written below a notebook's own parameters, unless they declare it.

    Plain papermill goes on with a mistyped name, and the value meant for ``approve`` is lost; so a
    notebook asks this first.

    Parameters
    ----------
    cells : sequence of str
        The cells run so far: IPython's ``In``.

    Raises
    ------
    UsageError
        One sentence that names the parameter and what would be right.
    """
    written = [i for i, cell in enumerate(cells) if i > 1 and cell.startswith(f"{INJECTED}\n")]
    if written:
        if not all(_declaration(line)[0] for line in ast.parse(cells[written[-1]]).body):
            raise UsageError(
                "The name of a parameter was code, and papermill has run it; find out what it did. "
                "With --engine fedstats nothing would have been run."
            )
        given = declared_in(cells[written[-1]])
        values = {name: _value(parameter.default) for name, parameter in given.items()}
        check_values(declared_in(cells[written[-1] - 1]), values, "this notebook")


def check_values(declared: Mapping[str, Parameter], parameters: Mapping[str, Any], where: str) -> None:
    """Refuse an unknown parameter, or a value that does not fit its annotation; ``where`` is for the message."""
    for name, value in parameters.items():
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise UsageError(
                f"{where[0].upper()}{where[1:]} has no parameter {name!r}; its parameters are: {known}."
            )
        annotation = declared[name].annotation
        if not _is_plain(value):
            raise UsageError(
                f"Parameter {name!r} of {where} is a {type(value).__name__}; "
                "give text, a number, true or false, nothing, or a list or table of these."
            )
        if _has_nan(value):
            raise UsageError(f"Parameter {name!r} of {where} is not a number (NaN).")
        if annotation and not _fits(value, ast.parse(annotation, mode="eval").body):
            raise UsageError(
                f"Parameter {name!r} of {where} must be {annotation}, not {value!r} ({type(value).__name__})."
            )


def _value(written: str) -> Any:
    """A value as papermill writes it: a literal, or ``float('inf')``; anything else is NaN, which no parameter is."""
    try:
        return ast.literal_eval(written)
    except ValueError:
        return {"float('inf')": math.inf, "float('-inf')": -math.inf}.get(written, math.nan)


def _parameters_cell(notebook: Path) -> str:
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        raise UsageError(f"There is no notebook {notebook.name} in {notebook.parent}.") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{notebook.name} is not a notebook.") from None
    for cell in cells:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            source = cell.get("source", "")
            return source if isinstance(source, str) else "".join(source)
    return ""


def _declaration(line: ast.stmt) -> tuple[str, str]:
    """Name and annotation of an assignment to one plain name; empty for anything else."""
    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
        return line.target.id, ast.unparse(line.annotation)
    if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
        return line.targets[0].id, ""
    return "", ""


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _has_nan(value: object) -> bool:
    """Whether there is a NaN in it: no comparison with one is true, so a limit that is NaN is none."""
    if isinstance(value, list | tuple):
        return any(map(_has_nan, value))
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    return isinstance(value, float) and math.isnan(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | float | str)


def _fits(value: object, annotation: ast.expr) -> bool:
    """Whether a JSON value fits an annotation; an annotation that is not understood fits all."""
    match annotation:
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str(quoted)):
            return _fits(value, ast.parse(quoted, mode="eval").body)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _fits(value, left) or _fits(value, right)
        case ast.Name(id=name):
            return _fits_name(value, name)
        case ast.Subscript(value=ast.Name(id=name), slice=inner):
            return _fits_generic(value, name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
    return True


def _fits_name(value: object, name: str) -> bool:
    match name:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":  # a whole number is a fine float; true is not
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "str":
            return isinstance(value, str)
        case "list" | "tuple" | "List" | "Tuple" | "Sequence":
            return isinstance(value, list | tuple)
        case "dict" | "Dict" | "Mapping":
            return isinstance(value, dict)
    return True


def _fits_generic(value: object, name: str, inner: list[ast.expr]) -> bool:
    match name:
        case "Optional":
            return value is None or _fits(value, inner[0])
        case "Union":
            return any(_fits(value, one) for one in inner)
        case "Literal":
            return any(isinstance(one, ast.Constant) and one.value == value for one in inner)
        case "list" | "tuple" | "List" | "Tuple" | "Sequence":
            items = value if isinstance(value, list | tuple) else None
            return items is not None and all(_fits(item, inner[0]) for item in items)
        case "dict" | "Dict" | "Mapping":
            return isinstance(value, dict) and all(_fits(item, inner[-1]) for item in value.values())
    return True
