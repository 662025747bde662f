"""The notebook before it is drawn: only what a reader of a page can use, in forms that a page can hold."""

import copy
from collections.abc import Iterable
from typing import Any

REMOVE_CELL = "remove-cell"
REMOVE_INPUT = "remove-input"
REMOVE_OUTPUT = "remove-output"
UNDESCRIBED = "Image without a description"

_WIDGET = "application/vnd.jupyter.widget-view+json"
_READABLE = (
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/latex",
    "text/plain",
)
_NOTICE = '<p class="notice">{} Open the notebook in JupyterLab to use it.</p>'
WIDGET_NOTICE = _NOTICE.format("Here is an interactive control.")
DIAGRAM_NOTICE = _NOTICE.format("Here is a diagram that is drawn by a script.")
SCRIPT_NOTICE = _NOTICE.format("Here is an output that needs a script.")


def for_reading(notebook: Any) -> Any:
    """A copy of an executed notebook without removed cells, and with one line in place of what needs a script.

    Parameters
    ----------
    notebook : NotebookNode
        It is not changed.
    """
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if _is_read(cell)]
    notebook.cells = list(_one_parameters_cell(notebook.cells))
    for cell in notebook.cells:
        cell.metadata["fold"] = _fold(cell)
        if cell.cell_type != "code":
            continue
        cell.outputs = [] if REMOVE_OUTPUT in tags(cell) else list(_outputs(cell.outputs))
    return notebook


def tags(cell: Any) -> list[str]:
    """The tags of a cell, none if it has none."""
    return list(cell.metadata.get("tags", ()))


def _is_read(cell: Any) -> bool:
    if REMOVE_CELL in tags(cell) or cell.cell_type not in ("code", "markdown"):
        return False
    return bool(cell.source.strip() or cell.get("outputs"))


def _one_parameters_cell(cells: Iterable[Any]) -> Iterable[Any]:
    """Parameters that were given to a run stand beneath their defaults, in one cell."""
    defaults = None
    for cell in cells:
        if defaults is not None and "injected-parameters" in tags(cell):
            defaults.source += f"\n\n{cell.source}"
            continue
        defaults = cell if "parameters" in tags(cell) else None
        yield cell


def _fold(cell: Any) -> str:
    """What the line says that unfolds a cell's code; empty if there is none to unfold."""
    if cell.cell_type != "code" or REMOVE_INPUT in tags(cell) or not cell.source.strip():
        return ""
    return "Parameters" if {"parameters", "injected-parameters"} & set(tags(cell)) else "Code"


def _outputs(outputs: Iterable[Any]) -> Iterable[Any]:
    for output in outputs:
        if output.output_type not in ("display_data", "execute_result"):
            yield output
            continue
        data = output.data
        if _WIDGET in data:
            output.data = {"text/html": WIDGET_NOTICE}
        elif "text/vnd.mermaid" in data:
            output.data = {"text/html": DIAGRAM_NOTICE}
        elif ("application/javascript" in data and "text/html" not in data) or not set(_READABLE) & set(data):
            output.data = {"text/html": SCRIPT_NOTICE}
        else:
            output.data = {kind: _joined(value) for kind, value in data.items() if kind in _READABLE}
        yield output


def _joined(value: Any) -> Any:
    """The file format allows a list of lines where a text is meant."""
    return "".join(value) if isinstance(value, list) else value
