"""Around a run: one process at a time, and one way to be interrupted."""

import fcntl
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from fedstats.running.exit_codes import UsageError


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the run's folder: two processes at work in it would undo each other."""
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"The run {folder.name} is at work already, in another process.") from None
        yield


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let a closed terminal or a polite kill end a run as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield
        return
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            with suppress(TypeError):  # a handler that was not set from Python
                signal.signal(number, handler)
