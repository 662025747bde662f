"""tables.toml: what it agrees on is there, and what cannot be meant is refused in one sentence."""

import re
from pathlib import Path

import pytest

from fedstats.cohort.dictionary import read_dictionary
from fedstats.study.toml_file import StudyError

NSCLC = Path(__file__).resolve().parents[2] / "studies" / "nsclc" / "tables.toml"

SMALL = """
version = "1"
patients = "patient"
[tables.patient]
title = "Patients"
key = ["patient_id"]
[tables.patient.columns]
site_id = { kind = "id" }
patient_id = { kind = "id" }
born = { kind = "date" }
"""


def read(tmp_path, text):
    """The dictionary that a text makes."""
    file = tmp_path / "tables.toml"
    file.write_text(text, encoding="utf-8")
    return read_dictionary(file)[1]


def test_the_nsclc_study_has_its_fourteen_tables():
    _, dictionary = read_dictionary(NSCLC)
    assert list(dictionary.tables) == [
        *("patient", "diagnosis", "biomarker", "line_of_therapy", "drug", "lab", "vital", "metastasis"),
        *("comorbidity", "radiotherapy", "response", "progression", "ae", "vital_status"),
    ]


def test_both_codes_of_a_measure_lead_to_it():
    _, dictionary = read_dictionary(NSCLC)
    codes = dictionary.tables["lab"].code_of()
    assert codes["2532-0"] == codes["14804-9"] == "ldh"


def test_a_small_dictionary_is_read(tmp_path):
    assert read(tmp_path, SMALL).tables["patient"].one_row_a_patient


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('x = { kind = "text" }', "tables.patient.columns.x.kind is 'text'; write one of 'id', 'date'"),
        ('x = { kind = "category" }', "a category has levels, and no other kind has."),
        ('x = { kind = "category", levels = ["a"], unknown = ["U"] }', "unknown names ['U'], which are no levels."),
        ('x = { kind = "code" }', "a code has a pattern, and no other kind has: without one it would take free text."),
        ('x = { kind = "code", pattern = "(" }', "the pattern cannot be read"),
        ('x = { kind = "number", range = [2, 1] }', "range is [smallest, largest]."),
        ('x = { kind = "number", unit = "g", accepts = { g = 1 } }', "accepts names 'g', which is the agreed unit itself."),
        ('x = { kind = "flag", filled_when = { dead = "true" } }', "there is no column dead."),
        ('x = { kind = "id", levels = ["a"] }', "a category has levels, and no other kind has."),
        ('x = { kind = "date", share = [0, 1] }', "a share is of a flag that is true."),
    ],
)  # fmt: skip
def test_what_a_column_cannot_say_is_refused(tmp_path, line, said):
    with pytest.raises(StudyError, match=re.escape(said)):
        read(tmp_path, SMALL + line)


def test_a_table_of_patients_has_one_row_each(tmp_path):
    with pytest.raises(StudyError, match=re.escape('must be a table with key = ["patient_id"].')):
        read(tmp_path, SMALL.replace('key = ["patient_id"]', ""))


def test_an_order_names_dates_that_are_there(tmp_path):
    order = '\n[[orders]]\nearlier = ["patient.born"]\nlater = "patient.died"\n'
    with pytest.raises(
        StudyError, match=re.escape("there is no column 'patient.died'; name it as table.column.")
    ):
        read(tmp_path, SMALL + order)
