"""Units and scale: each of twelve planted faults is found where it was planted, and clean sites raise no alarm."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedstats.cohort.dictionary import read_dictionary
from fedstats.cohort.distributions import explanation, mixture, stand_ins
from fedstats.cohort.mapping import Mapping
from fedstats.cohort.validation import validate
from tests.cohort.clean_site import clean_site, write_site

STUDIES = Path(__file__).resolve().parents[2] / "studies"
NSCLC = read_dictionary(STUDIES / "nsclc" / "tables.toml")[1]
SIZES = (60, 80, 120, 250, 600)


def scaled(table, by, code, factor, column="value", rows=slice(None)):
    """A fault: one measure of a table multiplied."""

    def plant(tables):
        frame = tables[table]
        at = frame.index[(frame[by] == code).to_numpy()][rows]
        frame.loc[at, column] = np.round(frame.loc[at, column] * factor, 3)

    return plant


def some_are(table, column, value, share=0.06, **where):
    """A fault: a number that stands for a missing value in some rows."""

    def plant(tables):
        frame = tables[table]
        for name, wanted in where.items():
            frame = frame[frame[name] == wanted]
        at = frame.index[frame[column].notna()][: max(4, int(share * len(frame)))]
        tables[table].loc[at, column] = value

    return plant


def coded_the_other_way(tables):
    """A fault: 1 means censored."""
    frame = tables["vital_status"]
    frame["dead"] = np.where(frame["dead"] == "true", "false", "true")


def constant(tables):
    """A fault: the export fills in a default."""
    tables["patient"]["pack_years"] = 30.0


def two_pseudonyms(tables):
    """A fault: three patients are there under two pseudonyms."""
    again = {old: f"z{old}" for old in tables["patient"]["patient_id"][:3]}
    for name, frame in tables.items():
        more = frame[frame["patient_id"].isin(again)]
        tables[name] = pd.concat(
            [frame, more.assign(patient_id=more["patient_id"].map(again))], ignore_index=True
        )


def swapped(tables):
    """A fault: neutrophils under the code of lymphocytes and the other way."""
    codes = {"751-8": "731-0", "731-0": "751-8"}
    tables["lab"]["loinc"] = tables["lab"]["loinc"].replace(codes)


def in_months(tables):
    """A fault in a study with a duration: days for months."""
    tables["patient"]["follow_up"] = np.round(
        np.random.default_rng(3).weibull(1.1, len(tables["patient"])) * 600
    )


FAULTS = {
    "albumin in g/L": (scaled("lab", "loinc", "1751-7", 10), "lab", "value of albumin", "as if in g/L"),
    "CRP in mg/dL": (scaled("lab", "loinc", "1988-5", 0.1), "lab", "value of crp", "as if in mg/dL"),
    "two units of weight": (scaled("vital", "kind", "weight", 2.2046, rows=slice(None, None, 2)), "vital", "value of weight", "seems to be in lb"),
    "PD-L1 as a fraction": (scaled("biomarker", "gene_or_marker", "PDL1", 0.01), "biomarker", "value of PDL1", "as if in fraction"),
    "dead coded the other way": (coded_the_other_way, "vital_status", "death_date", "although dead is true"),
    "0 for missing": (some_are("lab", "value", 0, loinc="751-8"), "lab", "value of neutrophils", "is 0, which seems to stand for a missing value"),
    "999 for missing": (some_are("patient", "pack_years", 999), "patient", "pack_years", "is 999, which seems to stand for a missing value"),
    "-1 for missing": (some_are("biomarker", "value", -1, gene_or_marker="PDL1"), "biomarker", "value of PDL1", "is -1, which seems to stand"),
    "a constant": (constant, "patient", "pack_years", "is 30.0 in all"),
    "patients twice": (two_pseudonyms, "patient", "patient_id", "has the same values as an earlier patient"),
    "swapped columns": (swapped, "lab", "value of neutrophils", "value of lymphocytes seem to be swapped"),
    "limits of normal in another unit": (scaled("lab", "loinc", "2532-0", 1 / 60, column="uln"), "lab", "uln of ldh", "is not from 150 to 700 U/L"),
}  # fmt: skip


@pytest.mark.acceptance(6)
@pytest.mark.parametrize("n", [120, 400])
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_an_error_in_its_place(tmp_path, name, n):
    plant, table, column, said = FAULTS[name]
    tables = {t: frame.reset_index(drop=True) for t, frame in clean_site(n, 11).items()}
    plant(tables)
    found = validate(write_site(tmp_path, tables), NSCLC).errors
    assert [f for f in found if (f.table, f.column) == (table, column) and said in f.what]


def test_days_for_months_are_told_in_a_study_with_durations(tmp_path):
    content = NSCLC.model_dump(exclude_defaults=True)
    follow_up = {
        "kind": "number",
        "unit": "months",
        "range": [0, 6000],
        "median": [6, 40],
        "accepts": {"days": 1 / 30.4375},
    }
    content["tables"]["patient"]["columns"]["follow_up"] = follow_up
    tables = clean_site(80, 11)
    in_months(tables)
    found = validate(write_site(tmp_path, tables), type(NSCLC).model_validate(content)).errors
    assert [f.column for f in found] == ["follow_up"]
    assert "as if in days" in found[0].what


@pytest.mark.acceptance(6)
@pytest.mark.parametrize("n", SIZES)
def test_clean_sites_raise_no_alarm(tmp_path, n):
    """Ten seeds of each of five sizes: 50 sites."""
    alarms = []
    for seed in range(10):
        found = validate(write_site(tmp_path / str(seed), clean_site(n, 100 * n + seed)), NSCLC).findings
        alarms += [str(f) for f in found]
    assert alarms == []


def test_a_site_may_confirm_its_own_data(tmp_path):
    tables = clean_site(80, 11)
    constant(tables)
    folder = write_site(tmp_path, tables)
    key = validate(folder, NSCLC).errors[0].key
    confirmed = validate(folder, NSCLC, Mapping(confirmed=(key,)))
    assert (confirmed.errors, [f.key for f in confirmed.warnings]) == ((), [key])


def test_other_units_explain_a_median():
    assert explanation(38.0, (3.0, 4.7), {"g/L": 0.1}) == "as if in g/L"
    assert explanation(550.0, (6.0, 40.0), {}) == "as if days for months"
    assert explanation(4.0e9, (6.0, 40.0), {}) == ""


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_the_share_in_another_unit_is_found(share):
    rng = np.random.default_rng(1)
    kg = rng.lognormal(np.log(75), 0.19, 400)
    other = rng.random(400) < share
    assert mixture(np.where(other, kg * 2.2046, kg), 0.45359237) == pytest.approx(other.mean(), abs=0.05)


def test_one_unit_with_a_long_tail_is_no_mixture():
    rng = np.random.default_rng(2)
    for spread in (0.1, 0.3, 0.6, 0.9):
        for factor in (0.1, 10.0, 60.0, 0.45359237, 2.54, 0.001):
            assert mixture(rng.lognormal(1, spread, 200), factor) == 0


def test_zero_is_a_value_where_the_dictionary_says_so():
    tps = np.r_[np.zeros(30), np.arange(1, 71)]
    assert stand_ins(tps, zero=True) == {}
    assert stand_ins(np.r_[np.zeros(5), np.linspace(3, 9, 95)], zero=False) == {0.0: 5}


def test_99_among_its_neighbours_is_found_and_a_normal_99_is_not():
    rng = np.random.default_rng(4)
    values = np.round(rng.lognormal(np.log(60), 0.5, 400))
    assert stand_ins(values, zero=False) == {}
    assert stand_ins(np.where(np.arange(400) % 8 == 0, 99.0, values), zero=False) == {
        99.0: (np.arange(400) % 8 == 0).sum() + (values[np.arange(400) % 8 != 0] == 99).sum()
    }
