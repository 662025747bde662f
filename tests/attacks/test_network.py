"""No listener and no connection (C3.37): a study on one machine, or over a folder, speaks to no network.

Python reports every socket to an audit hook; a process of its own counts them.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance(37)

PROGRAM = """
import json, socket, sys, tempfile, threading
seen = []
INTERNET = {int(socket.AF_INET), int(socket.AF_INET6)}

def hook(event, arguments):
    if event == "socket.__new__" and int(arguments[1]) in INTERNET:
        seen.append(event)
    elif event.startswith(("socket.connect", "socket.bind", "socket.sendto")) and isinstance(arguments[1], tuple):
        seen.append(event)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "http.client.connect"):
        seen.append(event)

sys.addaudithook(hook)
import numpy as np, pandas as pd
import fedstats as fs
random = np.random.default_rng(1)
n = 400
def rows():
    return pd.DataFrame({"time": random.exponential(10, n), "status": random.integers(0, 2, n), "age": random.normal(60, 8, n)})
frames = {"north": rows(), "south": rows()}
formula = "Surv(time, status) ~ age"

def in_process():
    fs.cox(fs.InProcess(frames), formula).tidy()

def over_a_folder():
    from types import SimpleNamespace
    from fedstats.contract.agreement import codebook_of
    book = codebook_of(frames.values())
    study = SimpleNamespace(id="s", digest="d", sites=tuple(frames), codebook=book, policy=fs.DisclosurePolicy(), fingerprints={}, revoked_keys=())
    folder = tempfile.mkdtemp()
    sites = fs.Folder(folder, study=study, wait_seconds=60)
    threads = [threading.Thread(target=fs.serve, args=(folder, fs.Site(k, f, book)), kwargs={"wait_seconds": 60}) for k, f in frames.items()]
    [t.start() for t in threads]
    fs.cox(sites, formula).tidy()
    sites.close()
    [t.join() for t in threads]

def a_server():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        with socket.create_connection(server.getsockname()[:1] + (9,), 0.2): pass

def report():
    from nbformat.v4 import new_notebook, new_markdown_cell
    from fedstats.reporting import export_html
    import pathlib
    remote = "# A report\\n\\n![x](https://example.org/x.png) <img src='http://example.org/y.png'>"
    export_html(new_notebook(cells=[new_markdown_cell(remote)]), pathlib.Path(tempfile.mkdtemp()) / "r.html", title="t")

try:
    {what}()
except OSError:
    pass
print(json.dumps(seen))
"""


def internet_calls(what):
    program = PROGRAM.replace("{what}", what)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_server_and_a_connection_are_counted():
    assert {"socket.__new__", "socket.bind", "socket.connect"} <= set(internet_calls("a_server"))


@pytest.mark.parametrize("what", ["in_process", "over_a_folder", "report"])
def test_a_fit_and_a_report_open_no_internet_socket(what):
    assert internet_calls(what) == []


# Kernels: whoever starts a notebook by our engine ----------------------------------------------------------

CELL = """
import os, pathlib, psutil
kernel = psutil.Process()
inet = [str(c) for p in (kernel, kernel.parent()) for c in p.net_connections("inet")]
unix = [c for c in kernel.net_connections("unix") if c.laddr]
pathlib.Path("seen.txt").write_text(repr((inet, len(unix) > 0)))
"""


def run_cell(folder, *engine):
    from tests.running.conftest import write_notebook

    write_notebook(folder / "toy.ipynb", 'x: str = ""', CELL)
    command = [
        sys.executable,
        "-m",
        "papermill",
        "toy.ipynb",
        "out.ipynb",
        "-k",
        "python3",
        "--language",
        "python",
    ]
    return folder, subprocess.Popen(
        [*command, *engine], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """What a cell sees of its kernel's sockets: under papermill alone, and under our engine."""
    started = {
        name: run_cell(tmp_path_factory.mktemp(name), *engine)
        for name, engine in {"alone": (), "ours": ("--engine", "fedstats")}.items()
    }
    return {name: read(folder, process) for name, (folder, process) in started.items()}


def read(folder: Path, process):
    assert process.wait(timeout=300) == 0
    return (folder / "seen.txt").read_text()


@pytest.mark.run
def test_a_kernel_that_papermill_starts_listens_on_the_internet_protocol(kernels):
    assert "127.0.0.1" in kernels["alone"]


@pytest.mark.run
def test_a_kernel_that_our_engine_starts_talks_over_private_sockets_alone(kernels):
    assert kernels["ours"] == "([], True)"
