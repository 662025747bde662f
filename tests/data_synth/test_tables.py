"""The study tables: what the data dictionary asks, the same bytes in any blocks, the rows' own content, bounded memory."""

import json
import re
import tomllib
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow.parquet import ParquetFile

from data_synth import table_writers
from data_synth.__main__ import main
from data_synth.assumptions import BIASES, MONTH
from data_synth.files import write_network
from data_synth.network import site_rows
from data_synth.plan import Plan, Switches
from data_synth.table_writers import WRITERS
from fedstats.cohort.dictionary import read_dictionary
from fedstats.cohort.validation import validate

DICTIONARY = Path(__file__).resolve().parents[2] / "studies" / "nsclc" / "tables.toml"
TABLES = {
    *("patient", "diagnosis", "biomarker", "line_of_therapy", "drug", "lab", "vital", "metastasis"),
    *("comorbidity", "radiotherapy", "response", "progression", "ae", "vital_status"),
}
PLAN = Plan(truth="clinical", scale=0.3, sites=("us_network",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("network")
    write_network(PLAN, out)
    return out / "us_network"


@pytest.fixture(scope="module")
def held(folder):
    return {path.stem: pd.read_csv(path) for path in folder.iterdir()}


def test_there_is_a_file_for_every_table(held):
    assert set(held) == TABLES
    for table in held.values():
        assert list(table.columns[:2]) == ["site_id", "patient_id"]
        assert set(table["patient_id"]) <= set(held["patient"]["patient_id"])


def test_tables_keep_to_the_data_dictionary(held):
    entries = tomllib.loads(DICTIONARY.read_text(encoding="utf-8"))["tables"]
    faults = []
    for name, table in held.items():
        columns = entries[name]["columns"]
        assert set(table.columns) == set(columns), name
        for column, entry in columns.items():
            values = table[column].dropna()
            allowed = set(map(str, entry.get("levels", values)))
            faults += [
                f"{name}.{column}: {v}" for v in sorted(set(map(str, values)) - set(map(str, allowed)))
            ]
            faults += (
                [f"{name}.{column} is empty"]
                if not entry.get("missing", True) and table[column].isna().any()
                else []
            )
            if entry["kind"] == "date":
                faults += [f"{name}.{column}: {v}" for v in values if not re.fullmatch(r"\d{4}-\d\d-\d\d", v)]
            if "pattern" in entry:
                texts = values.astype(int).astype(str) if values.dtype.kind == "f" else values.astype(str)
                faults += [
                    f"{name}.{column}: {v}" for v in set(texts) if not re.fullmatch(entry["pattern"], v)
                ]
        for key in [entries[name]["key"]] if "key" in entries[name] else []:
            faults += [f"{name}: two rows share {key}"] if table.duplicated(key).any() else []
    assert faults == []


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    out = tmp_path_factory.mktemp("parquet")
    write_network(PLAN, out, form="parquet")
    return out / "us_network"


@pytest.mark.parametrize("block", [1, 400])
@pytest.mark.parametrize("form", WRITERS)
def test_the_size_of_blocks_changes_no_byte(folder, parquet, tmp_path, form, block):
    write_network(PLAN, tmp_path, block=block, form=form)
    for path in (folder if form == "csv" else parquet).iterdir():
        assert (tmp_path / "us_network" / path.name).read_bytes() == path.read_bytes(), path.name


ARROW = {
    "date": pa.date32(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "flag": pa.bool_(),
    "id": pa.string(),
    "category": pa.string(),
    "code": pa.string(),
}


def test_parquet_columns_have_the_types_of_the_data_dictionary(parquet):
    dictionary = read_dictionary(DICTIONARY)[1]
    assert {path.name for path in parquet.iterdir()} == {f"{name}.parquet" for name in TABLES}
    for name, table in dictionary.tables.items():
        schema = ParquetFile(parquet / f"{name}.parquet").schema_arrow
        assert {field.name: field.type for field in schema} == {
            column: ARROW[entry.kind] for column, entry in table.columns.items()
        }, name


def test_a_site_reads_the_same_of_both_forms(folder, parquet):
    dictionary = read_dictionary(DICTIONARY)[1]
    of_csv, of_parquet = (validate(path, dictionary) for path in (folder, parquet))
    assert (of_csv.findings, of_parquet.findings) == ((), ())
    for name, table in of_csv.tables.items():
        other = of_parquet.tables[name]
        for column in table:
            pd.testing.assert_series_equal(
                table[column].reset_index(drop=True),
                other[column].reset_index(drop=True),
                check_categorical=False,
            )


def test_an_unknown_form_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="Tables are written as csv or parquet, not as 'xlsx'"):
        write_network(PLAN, tmp_path / "out", form="xlsx")
    assert not (tmp_path / "out").exists()


def test_parquet_is_written_in_row_groups_of_one_size(parquet, tmp_path, monkeypatch):
    monkeypatch.setattr(table_writers, "ROW_GROUP", 700)
    write_network(PLAN, tmp_path, block=400, form="parquet")
    file = ParquetFile(tmp_path / "us_network" / "lab.parquet")
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert set(sizes[:-1]) == {700}
    assert sum(sizes) == ParquetFile(parquet / "lab.parquet").metadata.num_rows > 20 * 700


def test_memory_does_not_grow_with_the_number_of_patients(tmp_path):
    peaks = []
    for scale in (1, 3):  # of one practice of 2,000
        tracemalloc.start()
        write_network(Plan(scale=scale, sites=("eu_hospital",)), tmp_path, block=500)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def day(dates):
    """Dates as days."""
    return pd.to_datetime(dates).to_numpy().astype("datetime64[D]").astype(float)


def test_tables_hold_what_the_rows_say(held):
    rows = site_rows(PLAN, "us_network").set_index("patient_id")
    line = held["line_of_therapy"].query("line_no == 1").set_index("patient_id").loc[rows.index]
    status = held["vital_status"].set_index("patient_id").loc[rows.index]
    start = pd.Series(pd.to_datetime(line["start"]), index=rows.index)
    end = pd.to_datetime(status["death_date"].fillna(status["last_contact"]))
    np.testing.assert_allclose((end - start).dt.days.clip(lower=1), rows["os_months"] * MONTH, atol=1e-6)
    assert (status["dead"] == rows["os_event"].astype(bool)).all()
    assert (line["regimen"] == rows["regimen"]).all()
    seen = held["progression"].set_index("patient_id")["date"]
    progression = (pd.to_datetime(seen) - start.loc[seen.index]).dt.days
    np.testing.assert_allclose(progression, rows.loc[seen.index, "pfs_months"] * MONTH, atol=1e-6)
    assert set(held["metastasis"].query("site == 'liver'")["patient_id"]) == set(rows.index[rows["liver"]])
    born = held["patient"].set_index("patient_id").loc[rows.index, "birth_year"]
    assert (start.dt.year - born == rows["age"]).all()


def test_baseline_values_are_of_the_days_around_the_start(held):
    rows = site_rows(PLAN, "us_network").set_index("patient_id")
    start = held["line_of_therapy"].query("line_no == 1").set_index("patient_id")["start"]
    lab = held["lab"][held["lab"]["loinc"] == "1751-7"]
    window = day(lab["date"]) - day(start.loc[lab["patient_id"]])
    baseline = lab[(window >= -30) & (window <= 7)].set_index("patient_id")
    assert baseline.loc[rows.index, "value"].equals(rows["albumin"].rename("value"))
    steroids = held["drug"].query("kind == 'steroid'")
    first, last = (day(steroids[c]) - day(start.loc[steroids["patient_id"]]) for c in ("start", "end"))
    counted = (first < 0) & (np.nan_to_num(last, nan=1) >= -30) & (steroids["dose"] > 5)
    assert set(steroids.loc[counted, "patient_id"]) == set(rows.index[rows["steroids"]])


def test_nobody_is_over_ninety_and_nothing_follows_a_death(held):
    status = held["vital_status"].set_index("patient_id")
    born = held["patient"].set_index("patient_id")["birth_year"].loc[status.index]
    last = pd.to_datetime(status["death_date"].fillna(status["last_contact"])).dt.year
    assert (last - born).max() <= 90
    for name, column in (
        ("drug", "start"),
        ("response", "date"),
        ("progression", "date"),
        ("ae", "onset"),
        ("lab", "date"),
    ):
        table = held[name]
        died = pd.to_datetime(status["death_date"].loc[table["patient_id"]]).to_numpy()
        assert not (pd.to_datetime(table[column]).to_numpy() > died).any(), name


def test_faults_of_units_are_in_the_tables_and_nowhere_else(held, tmp_path):
    write_network(Plan(scale=0.3, switches=Switches.only("units")), tmp_path)
    faulty = {path.stem: pd.read_csv(path) for path in (tmp_path / "us_network").iterdir()}
    same = {name for name, table in held.items() if table.equals(faulty[name])}
    assert TABLES - same == {"lab", "vital", "patient"}
    assert (faulty["patient"]["pack_years"] == 999).mean() == pytest.approx(
        BIASES["units"]["pack_years_999"], abs=0.02
    )
    albumin = faulty["lab"].query("loinc == '1751-7'")
    of_third = albumin["patient_id"].str.startswith("us-03")
    assert albumin.loc[of_third, "value"].min() > 10
    assert albumin.loc[~of_third, "value"].max() < 10
    crp = faulty["lab"].query("loinc == '1988-5'")
    assert set(crp["unit"]) == {"mg/dL"}
    european = pd.read_csv(tmp_path / "eu_hospital" / "lab.csv").query("loinc == '1751-7'")
    assert set(european["unit"]) == {"g/L"}
    assert european["value"].median() == pytest.approx(38, abs=1)
    assert faulty["lab"].duplicated().any()


def test_a_variable_that_a_site_does_not_collect_is_empty_there(tmp_path):
    write_network(Plan(scale=0.1, switches=Switches.only("systematic")), tmp_path)
    assert pd.read_csv(tmp_path / "eu_hospital" / "patient.csv")["smoking"].isna().all()
    assert pd.read_csv(tmp_path / "us_network" / "patient.csv")["smoking"].notna().all()


def test_the_command_writes_folders_and_what_was_planted(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--scale", "0.05", "--truth", "ph", "--biases", "all"]) == 0
    assert capsys.readouterr().out.split() == [
        str(tmp_path / n) for n in ("us_network", "eu_hospital", "planted.json")
    ]
    planted = json.loads((tmp_path / "planted.json").read_text())
    assert planted["plan"]["switches"]["missed_deaths"] is True
    assert planted["stated"]["os"]["albumin"] == -0.6
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--biases", "weather"])
    assert "No switch is called weather" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--scale", "0.05", "--format", "parquet"]) == 0
    assert {path.suffix for path in (tmp_path / "us_network").iterdir()} == {".parquet"}
