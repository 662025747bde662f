"""Toy notebooks, a toy study, and a way to see which processes are left."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from nbformat import v4

MakeNotebook = Callable[..., Path]

#: A child process inherits this; whoever carries it was started by these tests.
TOKEN = "FEDSTATS_TEST_TOKEN"


def write_notebook(path: Path, parameters: str, *cells: str) -> Path:
    """A notebook of code cells; text that starts with # and a space and has no newline is Markdown."""
    notebook = v4.new_notebook(metadata={"kernelspec": {"name": "not-there", "display_name": "x"}})
    notebook.cells = [
        v4.new_markdown_cell("# Toy"),
        v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
    ]
    for cell in cells:
        heading = cell.startswith("# ") and "\n" not in cell
        notebook.cells.append(v4.new_markdown_cell(cell) if heading else v4.new_code_cell(cell))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def make_notebook() -> MakeNotebook:
    return write_notebook


SITE = """
import os, pathlib, time
exchange_folder = pathlib.Path(exchange)
with open(pathlib.Path(study_file).parent / "started.txt", "a") as file:
    file.write(f"site-{site}\\n")
switch = pathlib.Path(study_file).parent / f"fail-{site}"
class DataError(ValueError): pass
if switch.exists():
    raise DataError("column 'age' is <b>text</b>\\nwith a second line")
assert pathlib.Path(data_file).read_text().startswith("x")
pathlib.Path(egress).mkdir(exist_ok=True)
(pathlib.Path(egress) / "summary.csv").write_text("one line")
(exchange_folder / f"{site}.answer").write_text("1")
"""

COORDINATOR = """
import json, pathlib, time
class SiteMissing(RuntimeError): pass
with open(pathlib.Path(study_file).parent / "started.txt", "a") as file:
    file.write("coordinator\\n")
slow = pathlib.Path(study_file).parent / "slow"
while slow.exists():
    time.sleep(0.1)
for site in ("north", "south"):
    while not (pathlib.Path(exchange) / f"{site}.answer").exists():
        if (pathlib.Path(exchange) / "absent" / f"{site}.json").exists():
            raise SiteMissing(site)
        time.sleep(0.1)
assert not (pathlib.Path(exchange) / "closed.json").exists()  # it would send the sites home
pathlib.Path(results).write_text(json.dumps({"total": 2}))
(pathlib.Path(exchange) / "closed.json").write_text("{}")
"""

REPORT = """
import pathlib
with open(pathlib.Path(study_file).parent / "started.txt", "a") as file:
    file.write("report\\n")
print(pathlib.Path(results).read_text(), len(pooled_data))
if (pathlib.Path(study_file).parent / "differs").exists():
    (pathlib.Path(run_folder) / "reports" / "pooled_check.json").write_text('{"differing": ["Survival <b>", "Response"]}')
"""

REHEARSAL = """
import argparse, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("--out", type=pathlib.Path, required=True)
out = parser.parse_args().out
if (pathlib.Path(__file__).parent / "fail-data").exists():
    sys.exit("There is no source table.")
for site in ("north", "south"):
    (out / f"{site}.csv").write_text("x\\n1\\n")
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A study of two sites whose notebooks only write small files; it fails where a switch lies."""
    root = tmp_path_factory.mktemp("a toy {study}")
    common = 'study_file: str = ""\nexchange: str = ""\nhome: str = ""\nwait_seconds: float = 10.0'
    notebooks = root / "notebooks"
    write_notebook(
        notebooks / "1_site.ipynb",
        f'site: str = ""  # who\n{common}\ndata_file: str = ""\nmode: str = "serve"\nprofile: str = "strict"\negress: str = ""',
        "# Answering",
        SITE,
    )
    write_notebook(notebooks / "2_coordinator.ipynb", f'{common}\nresults: str = ""', "# Asking", COORDINATOR)
    write_notebook(
        notebooks / "3_report.ipynb",
        'study_file: str = ""\nresults: str = ""\nexchange: str = ""\nhome: str = ""\npooled_data: list[str] = []\nrun_folder: str = ""',
        REPORT,
    )
    folder = root / "studies" / "toy"
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text('title = "Toy"\n')
    (folder / "cohort.py").write_text(REHEARSAL)
    return SimpleNamespace(
        id="toy",
        title="A <script>alert(1)</script> toy",
        file=folder / "study.toml",
        folder=folder,
        sites=("north", "south"),
        profile="teaching",
        rehearsal=folder / "cohort.py",
        cohort=None,
        files=(folder / "study.toml",),
    )


@pytest.fixture
def token() -> Iterator[str]:
    """Marks every process that a test starts; none may be left at its end."""
    value = uuid.uuid4().hex
    before = os.environ.get(TOKEN)
    os.environ[TOKEN] = value
    yield value
    if before is None:
        del os.environ[TOKEN]
    assert left(value, patience=10) == []


def left(token: str, patience: float) -> list[str]:
    """Command lines of the processes that carry the token, after waiting for them to go."""
    end = time.time() + patience
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                alive = process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
                if alive and process.environ().get(TOKEN) == token:
                    found.append(" ".join(process.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        if not found or time.time() > end:
            return found
        time.sleep(0.2)
