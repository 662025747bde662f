"""A kernel of the running interpreter, over sockets that nobody else has.

Over TCP two kernels that start at the same moment can be given the same port, and what they say
can be read by other users of the machine.  Over IPC the default path is shared by every kernel of
a folder, which garbles parallel runs.  So: IPC, in a private folder for each kernel.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import Any as AnyTrait
from traitlets.config import Config

from fedstats.running.kernel_process import ONE_THREAD


class KernelOfThisInterpreter(AsyncKernelManager):
    """Starts ``sys.executable``, whatever kernelspecs the user has, and tells who was started."""

    #: Called with the process as soon as it is there, before it has answered anything.
    on_launch = AnyTrait(None, allow_none=True).tag(config=True)

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel that ipykernel itself declares for this interpreter, started by our own program."""
        program = [
            sys.executable,
            str(Path(__file__).with_name("kernel_program.py")),
            "-f",
            "{connection_file}",
        ]
        return KernelSpec(resource_dir="", **get_kernel_dict() | {"argv": program})

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
        # A user's IPython start-up files and history have no place in a study.
        private = {"IPYTHONDIR": str(Path(self.connection_file).parent / "ipython")}
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        kw["env"] = kw["env"] | ONE_THREAD | private | quiet
        await super()._async_launch_kernel(kernel_cmd, **kw)
        if self.on_launch is not None:
            self.on_launch(getattr(self.provisioner, "process", None))


def kernel_config(sockets: Path, on_launch: Callable[[Popen[bytes]], None]) -> Config:
    """Configuration that makes nbclient start :class:`KernelOfThisInterpreter` in ``sockets``."""
    config = Config()
    config.ConnectionFileMixin.transport = "ipc"
    config.ConnectionFileMixin.ip = str(sockets / "k")
    config.ConnectionFileMixin.connection_file = str(sockets / "kernel.json")
    config.KernelManager.shutdown_wait_time = 4.0
    config.KernelOfThisInterpreter.on_launch = on_launch
    return config
