"""Data of a rehearsal: files, or folders of tables, in the sites' private folders and nobody else's."""

from types import SimpleNamespace

import pytest

from fedstats.running.exit_codes import DataNotMade
from fedstats.running.files import sha256_of
from fedstats.running.manifest import Manifest
from fedstats.running.rehearsal import make_data, site_data

SCRIPT = """
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--out", type=pathlib.Path, required=True)
out = parser.parse_args().out
for site in ("north", "south"):
    (out / site).mkdir()
    (out / site / "patient.csv").write_text(site)
    (out / site / "drug.csv").write_text("x")
"""


@pytest.fixture
def study(tmp_path):
    """A study whose script writes folders of tables."""
    (tmp_path / "make.py").write_text(SCRIPT)
    return SimpleNamespace(sites=("north", "south"), rehearsal=tmp_path / "make.py", cohort=object())


def test_every_site_gets_its_folder_of_tables_closed_to_others(study, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    manifest = Manifest(run, {})
    manifest.content["data"] = {}
    assert make_data(study, run, manifest)
    for site in study.sites:
        folder = site_data(study, run, site)
        assert folder == run / "sites" / site / "private" / "tables"
        assert (folder / "patient.csv").read_text() == site
        assert folder.stat().st_mode & 0o077 == 0
        assert all(table.stat().st_mode & 0o177 == 0 for table in folder.iterdir())
        assert manifest.content["data"]["sites"][site] == sha256_of(folder)
    assert not (run / "sites-data-tmp").exists()

    assert not make_data(study, run, manifest)  # they are there
    (folder / "drug.csv").write_text("y")
    assert make_data(study, run, manifest)  # not as they were
    assert (folder / "drug.csv").read_text() == "x"


def test_a_folder_is_hashed_by_names_and_contents(tmp_path):
    seen = {sha256_of(tmp_path)}
    for name, text in (("a", "1"), ("b", "1"), ("b", "2")):
        (tmp_path / name).write_text(text)
        seen.add(sha256_of(tmp_path))
    (tmp_path / "b").rename(tmp_path / "c")
    seen.add(sha256_of(tmp_path))
    assert len(seen) == 5


def test_files_where_folders_are_agreed_are_no_data(study, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    manifest = Manifest(run, {})
    manifest.content["data"] = {}
    study.cohort = None
    with pytest.raises(DataNotMade, match=r"The script make.py wrote no data for north, south"):
        make_data(study, run, manifest)
