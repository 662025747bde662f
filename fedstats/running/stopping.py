"""Ending a notebook in time: on Ctrl-C, when the runner is gone, at the wall-clock limit."""

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType

#: Seconds that a cell is given to end by itself once its kernel has been interrupted.
GRACE = 3.0


class Stopped(KeyboardInterrupt):
    """The notebook was told to stop.  A KeyboardInterrupt, since asyncio lets only that through."""


class Stopper:
    """Turns signals into an orderly end.

    The first one interrupts the kernel, so that the running cell can close its files and the
    notebook is saved with what it has; if that takes longer than a moment, :class:`Stopped` is
    raised, and the engine shuts the kernel down.

    Attributes
    ----------
    reason : str
        Empty, ``stopped`` or ``timeout``.
    kernel : int or None
        Process id of the kernel, which leads its process group.
    alone : bool
        Whether the runner is gone: nobody waits for an orderly end, and the run may be resumed any moment.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.kernel: int | None = None
        self.alone = False

    def install(self, limit_seconds: float | None = None) -> None:
        """Listen to SIGTERM, SIGINT, SIGHUP and, from now on, to the clock."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, self._on_signal)
        if limit_seconds:
            signal.setitimer(signal.ITIMER_REAL, limit_seconds)

    def uninstall(self) -> None:
        """The work is done: from here on nothing may interrupt its being written down."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        again = bool(self.reason)
        self.reason = self.reason or ("timeout" if number == signal.SIGALRM else "stopped")
        if self.kernel is None or self.alone or (again and number == signal.SIGALRM):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise Stopped(self.reason)
        self._tell_kernel(signal.SIGINT)
        if not again:  # further signals must not push the end into the future
            signal.setitimer(signal.ITIMER_REAL, GRACE)

    def end_alone(self) -> None:
        """End now: the kernel at once, this process as soon as it has put its files in order."""
        self.alone = True
        self._tell_kernel(signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os.kill(os.getpid(), signal.SIGKILL)

    def _tell_kernel(self, number: signal.Signals) -> None:
        if self.kernel is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
                os.killpg(self.kernel, number)


def stop_with_parent(stopper: Stopper) -> None:
    """End this process when its standard input ends: whoever held the other end is gone."""

    def watch() -> None:
        while os.read(0, 1):  # not sys.stdin: its lock, held here, would abort the interpreter's exit
            pass
        stopper.end_alone()

    threading.Thread(target=watch, daemon=True).start()
