"""A folder with the files of a small study, and its table of one site."""

import pytest

import fedstats as fs
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study


@pytest.fixture
def write(tmp_path):
    """Write the study with a text replaced in one of its files, and load it."""

    def changed(old="", new="", *, codebook=False):
        study, book = STUDY, CODEBOOK
        assert old in (book if codebook else study)
        if codebook:
            book = book.replace(old, new, 1) if old else new + book
        else:
            study = study.replace(old, new, 1) if old else new + study
        return write_study(tmp_path / "study", study, book)

    return changed


@pytest.fixture
def study(tmp_path):
    return fs.Study.load(write_study(tmp_path / "study"))


@pytest.fixture
def table(tmp_path):
    """Write the table of north with changes; returns the CSV file."""

    def written(change=lambda frame: frame):
        path = tmp_path / "north.csv"
        change(tables()["north"]).to_csv(path, index=False)
        return path

    return written
