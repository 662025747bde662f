"""The codebook says at once everything that is wrong with a table, and reads its own file with care."""

import numpy as np
import pandas as pd
import pytest

from fedstats.contract.codebook import Codebook
from fedstats.contract.table_checks import DataError

COLUMNS = {
    "time": {"kind": "time"},
    "status": {"kind": "event"},
    "age": {"kind": "numeric", "range": [18, 100]},
    "weight": {"kind": "numeric", "missing": True},
    "ecog": {"kind": "factor", "levels": [0, 1, 2]},
    "practice": {"kind": "label"},
}
BOOK = Codebook.from_toml({"columns": COLUMNS})


def table(**changes):
    frame = pd.DataFrame(
        {
            "time": [1.0, 2.0, 3.0],
            "status": [0, 1, 1],
            "age": [50.0, 60.0, 70.0],
            "weight": [1.0, None, 2.0],
            "ecog": [0, 1, 2],
            "practice": ["A", "B", "A"],
        }
    )
    return frame.assign(**{k: pd.Series(v, dtype=object) for k, v in changes.items()})


def faults(frame):
    with pytest.raises(DataError) as found:
        BOOK.harmonise(frame, "The table")
    return str(found.value)


# its own file ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, r"\[columns"),
        ({"columns": {}, "colums": {}}, "colums"),
        ({"columns": {"a": {"kind": "number"}}}, "column 'a'.*numeric.*factor"),
        ({"columns": {"a": {}}}, "column 'a'.*kind"),
        ({"columns": {"a": {"kind": "numeric", "rang": [0, 1]}}}, "column 'a'.*rang"),
        ({"columns": {"a": {"kind": "factor"}}}, "at least two different levels"),
        ({"columns": {"a": {"kind": "factor", "levels": [2, 2.0, "2"]}}}, "at least two different levels"),
        ({"columns": {"a": {"kind": "numeric", "edges": [2, 1]}}}, "must increase"),
        ({"columns": {"a": {"kind": "numeric", "edges": [1, 1]}}}, "must increase"),
        ({"columns": {}, "grid": {"unit": "months"}}, "grid.*candidates"),
        ({"columns": {}, "grid": {"unit": "m", "candidates": [], "horizon": 9}}, "grid.*candidates"),
        ({"columns": {}, "grid": {"unit": "m", "candidates": [2, 1], "horizon": 9}}, "increasing order"),
        (
            {"columns": {}, "grid": {"unit": "m", "candidates": [1, 2, 3], "horizon": 9}},
            "multiple of the one before",
        ),
    ],
)
def test_a_fault_of_the_file_is_one_sentence_that_names_it(content, words):
    with pytest.raises(ValueError, match=words) as found:
        Codebook.from_toml(content)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "content",
    [
        {"columns": [1]},
        {"columns": {"age": 5}},
        {"columns": {"age": {"kind": "numeric", "range": [1]}}},
        {"columns": {"age": {"kind": "numeric", "range": ["a", "b"]}}},
        {"columns": {"age": {"kind": "numeric", "centre": "x"}}},
        {"columns": {"age": {"kind": "factor", "levels": [0, 1], "labels": ["no", "yes"]}}},
        {"columns": {}, "grid": 5},
    ],
)
def test_a_value_of_the_wrong_type_is_a_sentence_about_its_column(content):
    with pytest.raises(ValueError, match=r"age|columns|grid"):
        Codebook.from_toml(content)


@pytest.mark.parametrize(
    "content",
    [
        {"columns": {"age": {"kind": "numeric", "missing": "no"}}},
        {"columns": {"age": {"kind": "factor", "levels": "abc"}}},
        {"columns": {"age": {"kind": "numeric", "range": [100, 18]}}},
        {"columns": {"age": {"kind": "numeric", "centre": float("nan")}}},
        {"columns": {"age": {"kind": "numeric", "scale": -1}}},
        {"columns": {"age": {"kind": "factor", "levels": [0, 1], "labels": {"7": "seven"}}}},
        {"columns": {}, "grid": {"unit": "m", "candidates": [1], "horizon": 0}},
        {"columns": {}, "grid": {"unit": "m", "candidates": "123", "horizon": 9}},
    ],
)
def test_a_value_without_sense_is_refused(content):
    with pytest.raises(ValueError, match=r"\w"):
        Codebook.from_toml(content)


# a site's table ------------------------------------------------------------------------------


def test_a_good_table_keeps_its_rows_and_loses_columns_that_were_not_agreed():
    frame = BOOK.harmonise(table().assign(name=["Ann", "Bob", "Cy"], id=[1, 2, 3]), "The table")
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == 3


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_all_faults_are_told_at_once():
    text = faults(
        table(time=[-1.0, np.inf, "soon"], status=[0, 2, None], age=[17, 60, "old"], ecog=[0, 3, None]).drop(
            columns="practice"
        )
    )
    for part in (
        "'practice' is missing",
        "found the text ['soon']",
        "found the text ['old']",
        "ecog has the levels ['3']",
        "time is -1 in row 1",
        "time is inf in row 2",
        "status is 2 in row 2; an event is coded 0 or 1",
        "status is empty in 1 row (row 3)",
        "age is 17 in row 1; the codebook agrees on 18 to 100",
        "ecog is empty in",
    ):
        assert part in text


def test_telling_faults_warns_of_nothing_else():
    faults(table(time=[-1.0, 1.0, None], ecog=[0, 1, None]))


@pytest.mark.parametrize("missing", list(COLUMNS))
def test_a_missing_column_is_named(missing):
    assert f"the column {missing!r} is missing" in faults(table().drop(columns=missing))


def test_an_empty_table_is_refused():
    assert "the table has no rows" in faults(table()[:0])


@pytest.mark.parametrize("value", [np.inf, -np.inf, "Infinity"])
@pytest.mark.parametrize("column", ["time", "age", "weight"])
def test_an_infinite_number_is_refused(column, value):
    faults(table(**{column: [value, 50.0, 60.0]}))


@pytest.mark.parametrize("value", [-1e-9, -5])
def test_a_negative_time_is_refused(value):
    assert "a time is zero or more" in faults(table(time=[value, 1, 2]))


@pytest.mark.parametrize("value", [2, -1, 0.5, "yes"])
def test_an_event_is_0_or_1(value):
    assert "status" in faults(table(status=[value, 0, 1]))


@pytest.mark.parametrize("value", [18, 100])
def test_the_ends_of_a_range_belong_to_it(value):
    BOOK.harmonise(table(age=[value, 50, 60]), "The table")


@pytest.mark.parametrize("codes", [[0, 1, 2], [0.0, 1.0, 2.0], ["0", "1", "2"], [0, 1.0, "2"]])
def test_a_level_may_be_written_as_integer_float_or_text(codes):
    assert BOOK.harmonise(table(ecog=codes), "The table")["ecog"].tolist() == ["0", "1", "2"]


@pytest.mark.parametrize("level", ["2.0", " 2", "02"])
def test_a_text_that_is_not_the_level_letter_by_letter_is_outside(level):
    assert f"ecog has the levels ['{level}']" in faults(table(ecog=[level, "0", "1"]))


@pytest.mark.parametrize("level", ["NA", "None", "nan", "null", ""])
def test_the_texts_na_and_none_are_levels_like_any_other_and_not_empty_cells(level):
    assert "ecog has the levels" in faults(table(ecog=[level, "0", "1"]))
    book = Codebook.from_toml({"columns": {"x": {"kind": "factor", "levels": [level, "0"]}}})
    assert book.harmonise(pd.DataFrame({"x": [level, "0"]}), "The table")["x"].tolist() == [level, "0"]


@pytest.mark.parametrize("empty", [None, np.nan, pd.NA, pd.NaT])
def test_none_and_nan_are_empty_cells_whatever_their_type(empty):
    frame = BOOK.harmonise(table(weight=[empty, 1.0, 2.0]), "The table")
    assert frame["weight"].isna().tolist() == [True, False, False]
    assert "ecog is empty in 1 row (row 1)" in faults(table(ecog=[empty, 0, 1]))


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "string", "category", "object", "int8"])
def test_the_pandas_type_of_a_column_does_not_matter(dtype):
    values = ["50", "60", "70"] if dtype == "string" else [50, 60, 70]
    frame = BOOK.harmonise(table().assign(age=pd.Series(values).astype(dtype)), "The table")
    assert frame["age"].tolist() == [50.0, 60.0, 70.0]


def test_a_date_is_not_a_time():
    dates = pd.to_datetime(["2020-01-01", "2020-02-01", "2020-03-01"])
    with pytest.raises(DataError):
        BOOK.harmonise(table().assign(time=dates), "The table")


def test_a_column_that_is_there_twice_is_a_fault_of_the_table():
    frame = table()
    faults(pd.concat([frame, frame[["age"]]], axis=1))


def test_an_empty_practice_is_a_fault_where_none_may_be_empty():
    faults(table(practice=["A", None, "B"]))


def test_one_wrong_cell_is_one_fault():
    assert "is empty" not in faults(table(age=["old", 50, 60]))


def test_rows_are_found_by_position_whatever_the_index():
    frame = table(age=[50, 60, 7])
    assert "row 3" in faults(frame.set_index(pd.Index([10, 20, 30])))
