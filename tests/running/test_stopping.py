"""The end of a notebook whose runner is gone."""

import os
import signal
import subprocess
import sys

from fedstats.running import stopping


def test_without_a_runner_the_kernel_is_killed_and_the_step_has_a_moment_to_end(monkeypatch):
    told = []
    monkeypatch.setattr(stopping, "GRACE", 0)
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    stopper = stopping.Stopper()
    deaf = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    kernel = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, start_new_session=True)
    with kernel:
        kernel.stdout.readline()
        stopper.kernel = kernel.pid
        stopper.end_alone()
        assert kernel.wait(timeout=20) == -signal.SIGKILL
    assert told == [(os.getpid(), signal.SIGTERM), (os.getpid(), signal.SIGKILL)]
    assert stopper.alone
