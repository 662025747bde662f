"""What the runner must know of a kernel's process; nothing of Jupyter is imported here."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

#: One thread for every BLAS there is: same bits whatever the load, and no fight over two cores.
ONE_THREAD = dict.fromkeys(
    (
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    ),
    "1",
)

#: A socket's path has at most 104 bytes on macOS, the last of them zero.
LONGEST_PATH = 103


def socket_folder(longest_name: str = "k-5") -> Path:
    """Make a private folder for sockets, with a path short enough for the longest of their names."""
    folder = Path(tempfile.mkdtemp(prefix="fs-"))
    if len(os.fsencode(folder / longest_name)) > LONGEST_PATH:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="fs-", dir="/tmp"))
    return folder


def remove_kernel(pid: int | None, sockets: Path | None) -> None:
    """Kill what is left of a kernel's process group, then remove its sockets.

    In this order: a kernel that loses its sockets while it runs fills the log with tracebacks.
    """
    if pid is not None:
        with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
            os.killpg(pid, SIGKILL)  # a kernel leads its own group: its workers go with it
    if sockets is not None and sockets.name.startswith("fs-"):
        shutil.rmtree(sockets, ignore_errors=True)
