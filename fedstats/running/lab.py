"""JupyterLab as a study wants it: on this machine only, asking nobody anything, kernels on private sockets."""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from fedstats.running.exit_codes import UsageError
from fedstats.running.kernel_process import socket_folder

#: Default settings of JupyterLab; a user's own stand above them.
SETTINGS = Path(__file__).with_name("lab_settings")


def open_lab(folder: Path, arguments: Sequence[str] = ()) -> int:
    """Open JupyterLab on a folder, until it is left; returns its exit code.

    Parameters
    ----------
    folder : Path
    arguments : sequence of str
        Passed on to JupyterLab.

    Raises
    ------
    UsageError
        Root has not said ``--allow-root``: JupyterLab would refuse with a code of its own.

    Notes
    -----
    Kernels talk over IPC sockets: over TCP other users of the machine could read along.  The sockets
    lie beside the kernel's connection file, in Jupyter's runtime folder, whose path is often longer
    than a socket's may be; so the runtime folder is a private one with a short path.
    """
    if os.geteuid() == 0 and not any("allow-root" in a or "allow_root" in a for a in arguments):
        raise UsageError(
            "JupyterLab does not run as root unless told so: add --allow-root, or be another user."
        )
    runtime = socket_folder(f"kernel-{uuid.UUID(int=0)}-ipc-5")
    paths = os.pathsep.join(filter(None, [str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH")]))
    command = [
        *(sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1"),
        f"--ServerApp.root_dir={folder}",
        "--KernelManager.transport=ipc",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *arguments,
    ]
    environment = os.environ | {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_PATH": paths}
    lab = subprocess.Popen(command, env=environment)  # noqa: S603 (our own interpreter)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is JupyterLab's: it asks before it goes
    try:
        return lab.wait()
    finally:
        signal.signal(signal.SIGINT, before)
        shutil.rmtree(runtime, ignore_errors=True)
