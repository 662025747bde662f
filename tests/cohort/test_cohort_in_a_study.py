"""A study on folders of tables: what a site sees, what analyses see, what is hashed, and what is refused."""

import pandas as pd
import pytest

import fedstats as fs
from fedstats.cli import main
from fedstats.contract.table_checks import DataError
from fedstats.federations.in_process import InProcess
from fedstats.reporting.site_page import SitePage
from fedstats.study.toml_file import StudyError
from tests.cohort.clean_site import clean_site, write_site
from tests.cohort.cohort_study import NSCLC, write_cohort_study


@pytest.fixture
def study(tmp_path):
    """A study with tables and a cohort."""
    return fs.Study.load(write_cohort_study(tmp_path / "study"))


@pytest.fixture
def folder(tmp_path):
    """A clean site of 120, of whom 7 have chemotherapy alone and 4 no first line."""
    tables = clean_site(120, 8)
    drug, line = tables["drug"], tables["line_of_therapy"]
    some = drug["patient_id"].isin(line["patient_id"][:7]) & (drug["drug"] == "pembrolizumab")
    tables["drug"] = drug.assign(drug=drug["drug"].where(~some, "docetaxel"))
    tables["line_of_therapy"] = line.iloc[:-4]
    return write_site(tmp_path / "site", tables)


def test_analyses_see_the_eligible_alone(study, folder):
    rows = study.rows(folder)
    site = study.site("north", rows, "none", remember=False)
    assert (len(rows.cohort.frame), len(rows.frame), len(site.data.frame)) == (120, 109, 109)
    found = fs.together(InProcess.alone(site), **study.analyses())
    assert found.os.n == 109


def test_the_page_of_the_site_shows_attrition_and_what_is_missing(study, folder):
    html = SitePage(study, "north").rows(study.rows(folder))._repr_html_()
    assert "120 patients screened, 109 eligible" in html
    assert "No time zero" in html
    assert "First line without immunotherapy" in html
    assert "The counts here stay at the site." in html
    assert "io_mono: " in html


def test_patients_of_unknown_sex_stay_and_the_site_is_told(folder):
    nsclc = fs.Study.load(NSCLC)
    patient = pd.read_csv(folder / "patient.csv", dtype=str)
    patient.loc[20:31, "sex"] = "U"
    patient.to_csv(folder / "patient.csv", index=False)
    rows = nsclc.rows(folder)
    assert len(rows.frame) == 109
    data = nsclc.site("us_network", rows, "none", remember=False).data
    assert data.frame["sex"].isna().sum() == 12
    said = "patient.sex: is U, which counts as missing in 12 rows"
    assert said in SitePage(nsclc, "us_network").rows(rows)._repr_html_()


def test_a_file_with_one_row_a_patient_still_does(study, folder, tmp_path):
    file = tmp_path / "rows.csv"
    study.rows(folder).frame.to_csv(file, index=False)
    site = study.site("north", file, "none", remember=False)
    assert len(site.data.frame) == 109
    assert "A file with 109 rows" in SitePage(study, "north").rows(study.rows(file))._repr_html_()


def test_faulty_tables_stop_a_site_before_anything_is_built(study, folder):
    patient = pd.read_csv(folder / "patient.csv", dtype=str)
    patient.assign(sex="x").to_csv(folder / "patient.csv", index=False)
    with pytest.raises(DataError, match=r"patient\.sex: is none of F, M, U in 120 rows"):
        study.rows(folder)


def test_tables_and_cohort_are_hashed_into_the_study(study):
    for name in ("tables.toml", "cohort.toml"):
        with (study.folder / name).open("a") as file:
            file.write("# later\n")
        again = fs.Study.load(study.file)
        assert again.digest != study.digest
        study = again
    assert [f.name for f in study.files] == ["study.toml", "codebook.toml", "tables.toml", "cohort.toml"]


def test_a_cohort_makes_every_column_of_the_codebook(study):
    with (study.folder / "codebook.toml").open("a") as file:
        file.write('[columns.shoe_size]\nkind = "numeric"\n')
    with pytest.raises(StudyError, match=r"cohort.toml makes no column shoe_size, which codebook.toml has"):
        fs.Study.load(study.file)


def test_a_cohort_needs_tables(study):
    (study.folder / "tables.toml").unlink()
    with pytest.raises(StudyError, match=r"There is cohort.toml and no tables.toml"):
        fs.Study.load(study.file)


def test_a_mapping_is_for_a_folder(study, tmp_path):
    with pytest.raises(StudyError, match="A mapping is for a folder of tables"):
        study.rows(tmp_path / "rows.csv", "mapping.toml")


def test_the_command_writes_the_cohort_for_its_owner_alone(study, folder, tmp_path, capfd):
    out = tmp_path / "cohort.csv"
    out.write_text("an older one, for all to read")
    out.chmod(0o644)
    assert main(["cohort", "--study", str(study.folder), "--data", str(folder), "--out", str(out)]) == 0
    written = pd.read_csv(out)
    assert written["attrition"].value_counts().to_dict() == {
        "eligible": 109,
        "other_regimen": 7,
        "time_zero": 4,
    }
    assert out.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob(".*"))
    assert "it stays at the site" in capfd.readouterr().out


def test_the_gate_can_be_rehearsed_on_a_folder(study, folder, capfd):
    arguments = [
        "check-model",
        "--study",
        str(study.folder),
        "--site",
        "north",
        "--data",
        str(folder),
        "--profile",
        "none",
    ]
    assert main(arguments) == 0
    assert "Every analysis passes." in capfd.readouterr().out
