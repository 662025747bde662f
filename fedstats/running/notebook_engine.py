"""papermill's engine ``fedstats``: reports each cell, and never calls a dead notebook complete."""

from collections.abc import Callable
from typing import Any

from click import ClickException
from nbformat import NotebookNode
from papermill.engines import NBClientEngine, NotebookExecutionManager

from fedstats.running.exit_codes import ExitCode, UsageError
from fedstats.running.kernel import KernelOfThisInterpreter, kernel_config
from fedstats.running.kernel_process import remove_kernel, socket_folder
from fedstats.running.parameters import check_values, declared_in

#: Receives ``{"event": "kernel" | "cell" | "kernel ended", …}``.
Listener = Callable[[dict[str, Any]], None]

_MARKER = "papermill_description="


class NotStarted(ClickException, UsageError):  # noqa: N818 (names what happened)
    """A mistake in what papermill's command line was told: it shows the sentence alone."""

    exit_code = int(ExitCode.USAGE)


class Engine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Executes a notebook in a kernel of this interpreter, over private IPC sockets.

    ``papermill --engine fedstats`` uses it too.  One more argument than papermill's own engine:
    ``on_event``, which is told of the kernel's process and of every cell that starts.
    """

    @classmethod
    def execute_notebook(cls, nb: NotebookNode, *args: Any, **kwargs: Any) -> Any:
        """Refuse parameters that the notebook does not declare, before a file is written or a kernel started."""
        _require_known_parameters(nb)
        return super().execute_notebook(nb, *args, **kwargs)

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        on_event: Listener | None = None,
        **kwargs: Any,
    ) -> Any:
        """Execute the notebook; raises what nbclient raises, after having written it down."""
        tell = on_event or _nobody
        sockets = socket_folder()
        kernels = []

        def launched(process: Any) -> None:
            kernels.append(process)
            tell({"event": "kernel", "pid": process.pid, "sockets": str(sockets)})

        running = _report_cells(nb_man, tell)
        try:
            return super().execute_managed_notebook(
                nb_man,
                kernel_name,
                kernel_manager_class=KernelOfThisInterpreter,
                config=kernel_config(sockets, launched),
                **kwargs,
            )
        # Whatever it was (a dead kernel, a timeout, Ctrl-C): papermill would save the notebook as
        # complete on its way out, so it is marked before it goes on.
        except BaseException as error:
            _mark_failed(nb_man.nb, running, error)
            raise
        finally:
            for process in kernels:
                tell({"event": "kernel ended", "returncode": process.poll()})
            remove_kernel(kernels[-1].pid if kernels else None, sockets)


def _require_known_parameters(notebook: NotebookNode) -> None:
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    cells = [c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    try:
        check_values(declared_in("\n".join(cells)), given, "this notebook")
    except UsageError as error:
        raise NotStarted(str(error)) from None


def _nobody(_event: dict[str, Any]) -> None:
    """Nobody listens."""


def _report_cells(nb_man: NotebookExecutionManager, tell: Listener) -> list[int]:
    """Tell of every cell that starts; the list returned holds the index of the last one."""
    cells = nb_man.nb.cells
    code = [index for index, cell in enumerate(cells) if cell.cell_type == "code" and cell.source.strip()]
    running: list[int] = []
    start = nb_man.cell_start

    def cell_start(cell: NotebookNode, cell_index: int, **kwargs: Any) -> None:
        if cell_index in code:
            running[:] = [cell_index]
            number = code.index(cell_index) + 1
            tell(
                {
                    "event": "cell",
                    "number": number,
                    "of": len(code),
                    "description": describe(cells, cell_index),
                }
            )
        start(cell, cell_index, **kwargs)

    nb_man.cell_start = cell_start
    return running


def describe(cells: list[NotebookNode], index: int) -> str:
    """What a cell does: its ``# papermill_description=`` or the nearest heading above it."""
    source = str(cells[index].source)
    if _MARKER in source:
        words = source.split(_MARKER, 1)[1].split()
        return words[0].replace("_", " ") if words else ""
    for cell in reversed(cells[:index]):
        if cell.cell_type == "markdown":
            headings = [line for line in str(cell.source).splitlines() if line.startswith("#")]
            if headings:
                return headings[-1].lstrip("#").strip().replace("`", "").replace("*", "")
    return ""


def _mark_failed(notebook: NotebookNode, running: list[int], error: BaseException) -> None:
    name = type(error).__name__
    notebook.metadata.papermill.update(exception=True, failure=name)
    for index in running:
        cell = notebook.cells[index]
        cell.metadata.papermill.update(exception=True, status="failed")
        # So that whoever opens the notebook sees where it ended, and why.
        first = next(iter(str(error).splitlines()), "")
        shown = {"output_type": "error", "ename": name, "evalue": first, "traceback": [f"{name}: {first}"]}
        cell.outputs.append(NotebookNode(shown))  # type: ignore[no-untyped-call]
