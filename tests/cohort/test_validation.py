"""Reading a folder of tables: everything that is wrong is said at once, with its place, its lines and what to do."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedstats.cohort import table_files
from fedstats.cohort.dictionary import read_dictionary
from fedstats.cohort.mapping import read_mapping
from fedstats.cohort.validation import validate
from fedstats.contract.table_checks import DataError
from fedstats.study.toml_file import StudyError
from tests.cohort.clean_site import clean_site, write_site

DICTIONARY = """
version = "1"
patients = "patient"
[deidentification]
birth_year = "patient.born"
[tables.patient]
title = "Patients"
required = true
key = ["patient_id"]
order = [["first", "last"]]
[tables.patient.columns]
site_id = { kind = "id", missing = false }
patient_id = { kind = "id", missing = false }
born = { kind = "integer", range = [1900, 2010] }
sex = { kind = "category", levels = ["F", "M"], missing = false }
weight = { kind = "number", unit = "kg", accepts = { lb = 0.45359237 }, range = [25, 300] }
dead = { kind = "flag" }
died = { kind = "date", filled_when = { dead = "true" }, empty_when = { dead = "false" } }
tumour = { kind = "code", pattern = "C[0-9]{2}(\\\\.[0-9])?" }
first = { kind = "date" }
last = { kind = "date" }
[tables.lab]
title = "Values"
measured = { by = "loinc", value = "value", unit = "unit", upper_limit = "uln" }
[tables.lab.columns]
site_id = { kind = "id", missing = false }
patient_id = { kind = "id", missing = false }
loinc = { kind = "code", pattern = "[0-9]+-[0-9]", missing = false }
value = { kind = "number" }
unit = { kind = "category", levels = ["g/dL", "g/L"] }
uln = { kind = "number" }
[tables.lab.measures]
albumin = { codes = ["1751-7"], unit = "g/dL", accepts = { "g/L" = 0.1 }, range = [1, 7] }
[[orders]]
earlier = ["patient.last"]
later = "patient.died"
"""

PATIENT = {
    "site_id": ["a"] * 3, "patient_id": ["p1", "p2", "p3"], "born": [1950, 1961, 1945], "sex": ["F", "M", "F"],
    "weight": [70.5, 81.0, np.nan], "dead": ["true", "false", "false"], "died": ["2020-05-01", "", ""],
    "tumour": ["C34.1", "C34.1", "C34"], "first": ["2019-01-01"] * 3, "last": ["2020-04-01", "2021-01-01", "2020-06-30"],
}  # fmt: skip
LAB = {
    "site_id": ["a"],
    "patient_id": ["p1"],
    "loinc": ["1751-7"],
    "value": [38],
    "unit": ["g/L"],
    "uln": [50],
}


@pytest.fixture
def dictionary(tmp_path):
    """A dictionary of two tables."""
    file = tmp_path / "tables.toml"
    file.write_text(DICTIONARY, encoding="utf-8")
    return read_dictionary(file)[1]


@pytest.fixture
def site(tmp_path):
    """Write the two tables, columns replaced; gives the folder."""

    def write(lab=None, without=(), more=None, **columns):
        folder = tmp_path / "site"
        folder.mkdir()
        frame = pd.DataFrame({**PATIENT, **columns, **(more or {})}).drop(columns=list(without))
        frame.to_csv(folder / "patient.csv", index=False)
        pd.DataFrame({**LAB, **(lab or {})}).to_csv(folder / "lab.csv", index=False)
        return folder

    return write


def mapped(tmp_path, dictionary, text):
    """The mapping that a text makes."""
    file = tmp_path / "mapping.toml"
    file.write_text(text, encoding="utf-8")
    return read_mapping(file, dictionary)


def told(folder, dictionary, mapping=None):
    """What is wrong, as place and words."""
    return [
        f"{f.table}.{f.column} {f.what} {'; '.join(f.examples)}".strip()
        for f in validate(folder, dictionary, mapping).findings
    ]


def test_a_table_without_faults_is_read_in_agreed_kinds_and_units(site, dictionary):
    read = validate(site(), dictionary)
    patient, lab = read.tables["patient"], read.tables["lab"]
    assert read.findings == ()
    assert read.patients == 3
    assert list(patient.index) == [2, 3, 4]  # lines of the file
    assert patient["died"].tolist()[0] == pd.Timestamp("2020-05-01")
    assert patient["dead"].tolist() == [True, False, False]
    assert list(patient["sex"].cat.categories) == ["F", "M"]
    assert lab[["value", "unit", "uln"]].iloc[0].tolist() == [pytest.approx(3.8), "g/dL", pytest.approx(5.0)]


def test_a_level_of_nobody_knows_is_a_filled_cell_that_the_study_has_not(site, dictionary):
    patient = dictionary.tables["patient"]
    sex = patient.columns["sex"].model_copy(update={"levels": ("F", "M", "U"), "unknown": ("U",)})
    table = patient.model_copy(update={"columns": {**patient.columns, "sex": sex}})
    knowing = dictionary.model_copy(update={"tables": {**dictionary.tables, "patient": table}})
    read = validate(site(sex=["F", "U", "M"]), knowing)
    assert read.tables["patient"]["sex"].isna().tolist() == [False, True, False]
    assert read.errors == ()
    assert [(f.column, f.what, f.rows) for f in read.warnings] == [
        ("sex", "is U, which counts as missing", 1)
    ]


@pytest.mark.parametrize("written", ["999", "999.0", " 999 "])
def test_a_number_that_stands_for_missing_is_told_by_its_value(site, dictionary, tmp_path, written):
    mapping = mapped(tmp_path, dictionary, "[tables.patient.columns]\nweight = { missing = [999] }")
    read = validate(site(weight=["70.5", written, "60"]), dictionary, mapping)
    assert read.findings == ()
    assert read.tables["patient"]["weight"].isna().tolist() == [False, True, False]


FAULTS = {
    "a level": ({"sex": ["F", "m", "F"]}, "patient.sex is none of F, M line 3: 'm'"),
    "no number": ({"weight": ["70", "81 kg", ""]}, "patient.weight is not a number line 3: '81 kg'"),
    "out of range": ({"weight": [70, 810, 60]}, "patient.weight is not from 25 to 300 kg line 3: '810'"),
    "no date": ({"first": ["2019-01-01", "1.2.2019", ""]}, "patient.first is not a date written YYYY-MM-DD line 3: '1.2.2019'"),
    "a time of day": ({"first": ["2019-01-01", "2019-01-01 13:05", ""]}, "patient.first is not a date written YYYY-MM-DD line 3: '2019-01-01 13:05'"),
    "empty": ({"sex": ["F", "", "F"]}, "patient.sex is empty, and every row must have it line 3"),
    "no flag": ({"dead": ["true", "maybe", "false"]}, "patient.dead is not true or false line 3: 'maybe'"),
    "half a year": ({"born": [1950, 1961.5, 1945]}, "patient.born is not a whole number line 3: '1961.5'"),
    "a name": ({"patient_id": ["p1", "Anna Meier", "p3"]}, "patient.patient_id is no identifier (one word) with 40 signs or fewer line 3: 'Anna Meier'"),
    "free text": ({"tumour": ["C34.1", "upper lobe, see letter", ""]}, "patient.tumour is no code with 40 signs or fewer line 3: 'upper lobe, see letter'"),
    "twice": ({"patient_id": ["p1", "p2", "p1"]}, "patient.patient_id is there in more than one row line 4: 'p1'"),
    "dead without a date": ({"dead": ["true", "true", "false"]}, "patient.died is empty although dead is true line 3"),
    "alive with a date": ({"dead": ["false"] * 3}, "patient.died is filled although dead is false line 2"),
    "last before first": ({"last": ["2018-01-01", "2021-01-01", "2020-06-30"]}, "patient.last last is before first line 2: '2018-01-01'"),
    "seen after death": ({"last": ["2020-06-01", "2021-01-01", "2020-06-30"]}, "patient.last last is after patient.died line 2: '2020-06-01'"),
    "too old": ({"born": [1925, 1961, 1945]}, "patient.born makes a patient older than 90 at the last of his dates line 2: '95 years'"),
    "another site": ({"site_id": ["a", "b", "a"]}, "all tables.site_id is not the same everywhere: 'a' in patient, 'b' in patient"),
    "nobody's value": ({"lab": {"patient_id": ["p9"]}}, "lab.patient_id is of nobody in the table patient line 2: 'p9'"),
    "no unit of it": ({"lab": {"unit": [""]}}, "lab.unit is empty although there is a value of albumin line 2"),
    "values in the wrong unit": ({"lab": {"unit": ["g/dL"]}}, "lab.value of albumin is not from 1 to 7 g/dL line 2: '38'"),
    "a code nobody uses": ({"lab": {"loinc": ["99-9"]}}, "lab.loinc is a code of no measure of the study, so the row is not used line 2: '99-9'"),
    "an unexpected column": ({"more": {"ward": [1, 2, 3]}}, "patient.ward nobody has agreed on the column 'ward'"),
    "a column of names": ({"more": {"last_name": ["x"] * 3}}, "patient.last_name the column 'last_name' looks like one of names, addresses or numbers of persons"),
    "a missing column": ({"without": ["weight"]}, "patient.weight the column 'weight' is missing"),
    "a column in capitals": ({"without": ["weight"], "more": {"Weight": [70, 80, 90]}}, "patient.weight the column 'weight' is missing (found 'Weight')"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_place_and_line(site, dictionary, name):
    change, said = FAULTS[name]
    assert said in told(site(**change), dictionary)


def test_faults_are_told_all_at_once_and_stop_what_needs_data_without_any(site, dictionary):
    read = validate(site(sex=["F", "m", "x"], weight=[1, 2, 3], lab={"unit": ["mg"]}), dictionary)
    assert {(f.table, f.column) for f in read.errors} >= {
        ("patient", "sex"),
        ("patient", "weight"),
        ("lab", "unit"),
    }
    with pytest.raises(DataError, match=r"patient\.sex: is none of F, M in 2 rows"):
        read.require()


def test_a_required_table_that_is_missing_and_a_file_of_another_name_are_told(site, dictionary):
    folder = site()
    (folder / "patient.csv").rename(folder / "patients.csv")
    assert told(folder, dictionary)[0] == "patient. the table (patients) is missing"
    assert any(
        "patients.csv" in line and "nobody has agreed on a table of this name" in line
        for line in told(folder, dictionary)
    )


def test_small_chunks_find_the_same(site, dictionary, monkeypatch):
    folder = site(sex=["F", "m", "x"], patient_id=["p1", "p2", "p1"])
    whole = told(folder, dictionary)
    monkeypatch.setattr(table_files, "CHUNK", 1)
    assert told(folder, dictionary) == whole


def test_a_broken_line_is_named(site, dictionary):
    folder = site()
    with (folder / "lab.csv").open("a") as file:
        file.write("a,p1,1751-7\n")
    assert told(folder, dictionary) == ["lab. Line 3 of lab.csv has 3 of 6 fields"]


LOCAL = """
[tables.patient]
file = "PAT.csv"
separator = ";"
decimal = ","
ignore = ["WARD"]
[tables.patient.columns]
site_id = { constant = "a" }
patient_id = { from = "PID" }
born = { from = "YEAR", missing = [9999] }
sex = { from = "GENDER", codes = { "1" = "M", "2" = "F" } }
weight = { from = "LBS", unit = "lb" }
dead = { from = "STATUS", codes = { alive = false, dead = true } }
died = { from = "EXITUS", format = "%d.%m.%Y" }
tumour = { absent = true }
first = { from = "BEGIN", format = "%d.%m.%Y" }
last = { from = "END", format = "%d.%m.%Y" }
[tables.lab.columns]
unit = { absent = true }
loinc = { codes = { ALB = "1751-7" } }
[tables.lab.measures]
albumin = { unit = "g/L" }
"""


def test_a_mapping_brings_a_sites_own_export_to_what_was_agreed(site, dictionary, tmp_path):
    folder = site(lab={"loinc": ["ALB"]}, without=())
    lab = pd.read_csv(folder / "lab.csv").drop(columns="unit")
    lab.to_csv(folder / "lab.csv", index=False)
    (folder / "patient.csv").unlink()
    (folder / "PAT.csv").write_text(
        "PID;YEAR;GENDER;LBS;STATUS;EXITUS;BEGIN;END;WARD\n"
        "p1;9999;2;154,3;dead;01.05.2020;31.01.2019;01.04.2020;7\np2;1961;1;180;alive;;31.01.2019;01.04.2020;8\n"
    )
    read = validate(folder, dictionary, mapped(tmp_path, dictionary, LOCAL))
    assert [str(f) for f in read.findings] == []
    first = read.tables["patient"].iloc[0]
    assert (first["sex"], bool(first["dead"]), first["died"]) == ("F", True, pd.Timestamp("2020-05-01"))
    assert first["weight"] == pytest.approx(69.99, abs=0.01)
    assert np.isnan(first["born"])
    assert read.tables["lab"]["value"].tolist() == [pytest.approx(3.8)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tables.patients]", r"\[tables.patients\] is no table of the study, which has patient, lab"),
        ("[tables.patient]\nabsent = true", "says absent, but a site cannot take part without this table"),
        ("[tables.patient.columns]\nage = { absent = true }", "is no column of patient"),
        ("[tables.patient.columns]\nsex = { absent = true }", "says absent, but the study needs this column filled"),
        ('[tables.patient.columns]\nsex = { codes = { m = "male" } }', "codes lead to 'male', which the study does not have; it has F, M"),
        ('[tables.patient.columns]\nweight = { unit = "stone" }', "has the unit 'stone'; the study accepts kg, lb"),
        ('[tables.patient.columns]\nweight = { from = "a", absent = true }', "a column comes from one place: from, constant or absent"),
        ('[tables.lab.measures]\nldh = { unit = "U/L" }', "is no measure of lab, which has albumin"),
        ('[tables.patient]\nfile = "../x.csv"', "file must be a name within the folder of the data"),
        ('[tables.patient.columns]\nsex = { format = "%Y" }', "has a format, but the column is no date"),
    ],
)  # fmt: skip
def test_a_mapping_that_does_not_fit_the_study_is_refused(dictionary, tmp_path, text, said):
    with pytest.raises(StudyError, match=said):
        mapped(tmp_path, dictionary, text)


def test_a_number_stands_for_nothing_in_one_measure_alone(site, dictionary, tmp_path):
    lab = {"patient_id": ["p1", "p2"], "value": [99, 41], "unit": ["g/L"] * 2, "site_id": ["a"] * 2}
    folder = site(lab=lab | {"loinc": ["1751-7"] * 2, "uln": [50] * 2})
    mapping = mapped(tmp_path, dictionary, "[tables.lab.measures]\nalbumin = { missing = [99] }")
    read = validate(folder, dictionary, mapping)
    assert read.findings == ()
    assert read.tables["lab"]["value"].fillna(-1).tolist() == [-1, pytest.approx(4.1)]


def test_codes_that_nobody_mapped_are_named(site, dictionary, tmp_path):
    folder = site(sex=["1", "2", "3"])
    mapping = mapped(
        tmp_path, dictionary, '[tables.patient.columns]\nsex = { codes = { "1" = "M", "2" = "F" } }'
    )
    assert told(folder, dictionary, mapping) == ["patient.sex is none of F, M line 4: '3'"]


def test_an_ignored_column_of_names_is_not_read_and_still_warned_of(site, dictionary, tmp_path):
    folder = site(more={"last_name": ["x"] * 3})
    read = validate(
        folder, dictionary, mapped(tmp_path, dictionary, '[tables.patient]\nignore = ["last_name"]')
    )
    assert read.errors == ()
    assert [f.column for f in read.warnings] == ["last_name"]
    assert "last_name" not in read.tables["patient"]


def test_a_number_of_the_patient_in_a_column_of_codes_is_doubted(tmp_path):
    nsclc = read_dictionary(Path(__file__).resolve().parents[2] / "studies" / "nsclc" / "tables.toml")[1]
    tables = clean_site(200, 5)
    tables["biomarker"]["variant"] = [f"A{i}" for i in range(len(tables["biomarker"]))]
    found = validate(write_site(tmp_path, tables), nsclc).errors
    assert [(f.table, f.column) for f in found] == [("biomarker", "variant")]
    assert "as no code has" in found[0].what


def test_parquet_is_read_as_csv_is(site, dictionary):
    folder = site()
    csv = validate(folder, dictionary).tables
    for name in ("patient", "lab"):
        frame = pd.read_csv(folder / f"{name}.csv")
        for column in set(frame) & {"first", "last", "died"}:
            frame[column] = pd.to_datetime(frame[column])
        frame.to_parquet(folder / f"{name}.parquet")
        (folder / f"{name}.csv").unlink()
    parquet = validate(folder, dictionary)
    assert parquet.findings == ()
    for name, frame in csv.items():
        pd.testing.assert_frame_equal(
            parquet.tables[name].reset_index(drop=True), frame.reset_index(drop=True), check_categorical=False
        )


def test_a_file_that_is_no_parquet_is_said_to_be_none(site, dictionary):
    folder = site()
    (folder / "lab.csv").rename(folder / "lab.parquet")
    found = validate(folder, dictionary).errors
    assert "lab.parquet is not a Parquet table" in found[0].what
