"""A pickle is a program (C3.32): put in place of every file that is read, under every name, it is never opened as one."""

import ast
import gzip
import io
import pickle
import shutil
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import fedstats as fs
from fedstats.cli import main
from fedstats.running import plan
from fedstats.running.exit_codes import UsageError
from fedstats.running.parameters import declared_parameters
from fedstats.study.table_file import read_table

pytestmark = pytest.mark.acceptance(32)

MARK = "a pickle ran"


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, folder):
        self.mark = str(folder / MARK)

    def __reduce__(self):
        return open, (self.mark, "w")


def as_array(raw):
    """A numpy file that holds the bomb as an object."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    return buffer.getvalue() + raw


def as_zip(raw):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.csv", raw)
    return buffer.getvalue()


def forms(folder):
    """The bomb as it is, within other files, and its like in other languages."""
    raw = pickle.dumps(Bomb(folder))
    return {
        "pickle": raw,
        "old pickle": b"cos\nsystem\n(S'true'\ntR.",
        "numpy": as_array(raw),
        "gzip": gzip.compress(raw),
        "zip": as_zip(raw),
        "yaml": b"!!python/object/apply:os.system ['true']",
    }


@pytest.fixture
def unpickled():
    """Every class that unpickling looked up while a test ran; Python itself tells of it."""
    looked_up, listening = [], [True]

    def hook(event, arguments):
        if listening and event in ("pickle.find_class", "os.system"):
            looked_up.append((event, arguments))

    sys.addaudithook(hook)
    yield looked_up
    listening.clear()


def test_opened_as_a_pickle_it_runs(tmp_path, unpickled):
    pickle.loads(pickle.dumps(Bomb(tmp_path))).close()
    assert (tmp_path / MARK).exists()
    assert unpickled


def read_study(file):
    for name in {"study.toml", "codebook.toml"} - {file.name}:
        shutil.copy(Path("studies/lung") / name, file.parent)
    fs.Study.load(file.parent)


#: What reads a file, and what it says of one that is damaged.
READERS = {
    "study.toml": (read_study, fs.StudyError),
    "codebook.toml": (read_study, fs.StudyError),
    "rows.csv": (read_table, fs.DataError),
    "rows.csv.gz": (read_table, fs.DataError),
    "rows.zip": (read_table, fs.DataError),
    "rows.pkl": (read_table, fs.DataError),
    "results.json": (fs.load_results, ValueError),
    "results.pkl": (fs.load_results, ValueError),
    "1_site.ipynb": (declared_parameters, UsageError),
}


@pytest.mark.parametrize("form", ["pickle", "numpy", "gzip", "zip"])
@pytest.mark.parametrize("name", READERS)
def test_in_place_of_a_file_it_is_damage_and_nothing_else(tmp_path, unpickled, name, form):
    (tmp_path / name).write_bytes(forms(tmp_path)[form])
    read, error = READERS[name]
    with pytest.raises(error):
        read(tmp_path / name)
    assert not (tmp_path / MARK).exists()
    assert unpickled == []


@pytest.mark.parametrize("form", ["old pickle", "yaml"])
@pytest.mark.parametrize("name", READERS)
def test_what_is_text_is_read_as_text(tmp_path, unpickled, name, form):
    (tmp_path / name).write_bytes(forms(tmp_path)[form])
    with suppress(READERS[name][1]):  # a table of one column, if need be
        READERS[name][0](tmp_path / name)
    assert unpickled == []


@pytest.mark.parametrize(
    "name", ["study.json.pkl", "000001.pkl", "north.npy", "answers.pickle", "state.joblib", "cache.shelve"]
)
def test_beside_an_exchange_and_a_run_it_is_not_looked_at(tmp_path, unpickled, name):
    runs, exchange = tmp_path / "runs", tmp_path / "exchange"
    for folder in (runs / "x", exchange, exchange / "questions", exchange / "answers" / "site-a"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(pickle.dumps(Bomb(tmp_path)))
    study = fs.Study.load("studies/lung")
    sites = fs.Folder(exchange, study=study)
    with pytest.raises(fs.Waiting):
        fs.kaplan_meier(sites, "Surv(time, status) ~ sex")
    with pytest.raises(UsageError):
        plan.run_to_resume(study, runs, None)
    assert main(["run", "--study", "lung", "--runs", str(runs), "--resume", "x", "--quiet"]) == 64
    assert unpickled == []
    assert not (tmp_path / MARK).exists()


@pytest.mark.acceptance(36)
def test_nothing_in_the_package_unpacks_a_bundle():
    # every message is a file of its own, its size looked at before it is read: there is nothing to swell or to lead elsewhere
    unpack = {
        "zipfile",
        "tarfile",
        "gzip",
        "bz2",
        "lzma",
        "zlib",
        "zipimport",
        "unpack_archive",
        "decompress",
    }
    package = Path(fs.__file__).parent
    found = {}
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        if names & unpack:
            found[path.name] = names & unpack
    assert found == {}
