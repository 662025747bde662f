"""`validate` on the command line: the exit code, what is printed, and the page that stays at the site."""

from pathlib import Path

import pandas as pd
import pytest

from fedstats.cli import main
from fedstats.cli_data import _Reading
from tests.cohort.clean_site import clean_site, write_site

STUDIES = Path(__file__).resolve().parents[2] / "studies"
NSCLC = str(STUDIES / "nsclc")


@pytest.fixture
def folder(tmp_path):
    """A clean site of 60."""
    return write_site(tmp_path / "site", clean_site(60, 1))


def spoil(folder, table, column, value):
    """Put a value into the first row of a table."""
    frame = pd.read_csv(folder / f"{table}.csv", dtype=str)
    frame.loc[0, column] = value
    frame.to_csv(folder / f"{table}.csv", index=False)


def test_a_clean_folder_passes(folder, capfd):
    assert main(["validate", "--study", NSCLC, "--data", str(folder)]) == 0
    assert "Nothing was found to be wrong in the tables of 60 patients." in capfd.readouterr().out


def test_errors_give_exit_code_3_and_are_all_printed(folder, capfd):
    spoil(folder, "patient", "sex", "w")
    spoil(folder, "diagnosis", "histology", "adeno")
    assert main(["validate", "--study", NSCLC, "--data", str(folder), "--quiet"]) == 3
    out = capfd.readouterr().out
    assert "patient.sex: is none of F, M, U in 1 row (line 2: 'w')" in out
    assert "diagnosis.histology: is none of nonsq, sq, nos in 1 row (line 2: 'adeno')" in out
    assert "2 errors must be mended." in out


def test_a_warning_alone_passes(folder, capfd):
    (folder / "notes.txt").write_text("x")
    assert main(["validate", "--study", NSCLC, "--data", str(folder)]) == 0
    assert "Should be looked at:" in capfd.readouterr().out


def test_the_page_says_that_it_stays_and_shows_what_was_found_harmlessly(folder, tmp_path):
    spoil(folder, "patient", "sex", "<script>alert(1)</script>")
    page = tmp_path / "page.html"
    assert main(["validate", "--study", NSCLC, "--data", str(folder), "--report", str(page)]) == 3
    html = page.read_text()
    assert "This page stays at the site." in html
    assert "is none of F, M, U" in html
    assert (
        "Translate the site&#x27;s own values under codes in mapping.toml." in html
        or "Translate the site's own" in html
    )
    assert "<script" not in html
    assert page.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere"], "There is no folder 'nowhere'"),
        (["--data", ".", "--mapping", "nowhere.toml"], "There is no mapping file 'nowhere.toml'"),
    ],
)
def test_what_cannot_be_read_is_said(arguments, said, capfd):
    assert main(["validate", "--study", NSCLC, *arguments]) in {3, 64}
    assert said in capfd.readouterr().err


def test_a_study_without_tables_checks_the_one_file(tmp_path, capfd):
    file = tmp_path / "a.csv"
    file.write_text("age\n1\n")
    assert main(["validate", "--study", str(STUDIES / "lung"), "--data", str(file)]) == 3
    assert "does not keep to the codebook" in capfd.readouterr().err


def test_reading_is_silent_for_two_seconds_and_then_says_what_is_read(capfd, monkeypatch):
    reading = _Reading(enabled=True)
    reading("lab", 10)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(reading, "_started", reading._started - 3)
    reading("lab", 50_000)
    reading("lab", 100_000)
    reading.stop()
    assert capfd.readouterr().err == "Reading lab: 50,000 rows so far\n"
