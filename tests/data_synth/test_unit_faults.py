"""The switch `units`: validation finds and names every planted fault, a mapping mends it, and the cohort is the clean one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_synth.files import write_network
from data_synth.plan import Plan, Switches
from fedstats.cohort.mapping import read_mapping
from fedstats.cohort.validation import validate
from fedstats.study.definition import Study

NSCLC = Study.load(Path(__file__).resolve().parents[2] / "studies" / "nsclc")
SCALE = 0.2
SITES = ("us_network", "eu_hospital")
#: What a site's data manager writes, line by line what the findings say.
MENDED = """
[tables.patient.columns]
pack_years = { missing = [999] }
[tables.vital.measures]
ecog = { missing = [99] }
bmi = { missing = [0] }
"""
OF_THE_NETWORK = """
[tables.lab.measures]
albumin = { practices = { "us-03" = "g/L" } }
ldh = { practices = { "us-03" = "ukat/L" } }
"""
EVERYWHERE = {
    ("patient", "pack_years", "is 999, which seems to stand for a missing value,"): "List 999 under missing of this column",
    ("vital", "value of ecog", "is not from 0 to 4"): "[tables.vital.measures.ecog] names another unit, and lists under missing",
    ("vital", "value of bmi", "is 0, which seems to stand for a missing value,"): "List 0 under missing of this measure",
}  # fmt: skip
FOUND = {
    "us_network": {
        **EVERYWHERE,
        ("lab", "value of albumin", "seems to be in g/L in 13% of the rows (those of us-03)"): '[tables.lab.measures.albumin] practices = { "us-03" = "g/L" }',
        ("lab", "value of ldh", "seems to be in ukat/L in 13% of the rows (those of us-03)"): '[tables.lab.measures.ldh] practices = { "us-03" = "ukat/L" }',
        ("lab", "uln of ldh", "is not from 150 to 700 U/L, the unit of its value,"): "Give the laboratory's own limit in the unit of the value.",
    },
    "eu_hospital": EVERYWHERE,
}  # fmt: skip
#: Columns in which a planted stand-in took the place of a value, with what is made of them: the values are gone.
LOST = {"packyears": [], "bmi": [], "ecog_grade": ["ecog", "ecog_group", "comparison"]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The sites' tables without and with the faults."""
    out = tmp_path_factory.mktemp("units")
    write_network(Plan(scale=SCALE), out / "clean")
    write_network(Plan(scale=SCALE, switches=Switches.only("units")), out / "faulty")
    return out


def mapping(folder, site):
    """The file that mends a site."""
    file = folder / f"{site}.toml"
    file.write_text(MENDED + (OF_THE_NETWORK if site == "us_network" else ""), encoding="utf-8")
    return file


@pytest.mark.parametrize("site", SITES)
def test_every_fault_is_found_and_its_remedy_named(folders, site):
    found = validate(folders / "faulty" / site, NSCLC.dictionary).errors
    for (table, column, what), remedy in FOUND[site].items():
        here = [f for f in found if (f.table, f.column) == (table, column) and what in f.what]
        assert len(here) == 1, (table, column, [str(f) for f in found])
        assert remedy in here[0].remedy
    assert {(f.table, f.column) for f in found} == {(table, column) for table, column, _ in FOUND[site]}


@pytest.mark.parametrize("site", SITES)
def test_the_mapping_mends_all_and_the_cohort_is_the_clean_one(folders, site):
    clean = NSCLC.rows(folders / "clean" / site).cohort.frame
    mended = NSCLC.rows(folders / "faulty" / site, mapping(folders, site)).cohort.frame
    lost = {name: mended[name].isna() & clean[name].notna() for name in LOST}
    touched = {made: name for name, others in LOST.items() for made in (name, *others)}
    for name in clean:
        whole = ~lost[touched[name]] if name in touched else slice(None)
        one, other = clean.loc[whole, name], mended.loc[whole, name]
        if name == "ldh_uln":  # of two numbers with two decimals each
            np.testing.assert_allclose(other, one, rtol=4e-3)
        else:
            pd.testing.assert_series_equal(other, one, rtol=1e-12)
    assert 0 < lost["bmi"].mean() < 0.06
    assert clean["ldh_uln"].notna().all()


def test_values_of_other_units_that_are_declared_need_no_mapping(folders):
    units = pd.read_csv(folders / "faulty" / "eu_hospital" / "lab.csv", usecols=["loinc", "unit"])
    assert set(units.loc[units["loinc"] == "1751-7", "unit"]) == {"g/L"}
    assert not [
        f for f in validate(folders / "faulty" / "eu_hospital", NSCLC.dictionary).errors if f.table == "lab"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('albumin = { practices = { "us-03" = "mg/L" } }', r"albumin\] has the unit 'mg/L'; the study accepts g/dL, g/L"),
        ('albumin = { unit = "stone" }', r"albumin\] has the unit 'stone'"),
    ],
)  # fmt: skip
def test_a_unit_that_is_not_accepted_is_told_when_the_mapping_is_read(tmp_path, text, said):
    file = tmp_path / "mapping.toml"
    file.write_text(f"[tables.lab.measures]\n{text}\n")
    with pytest.raises(ValueError, match=said):
        read_mapping(file, NSCLC.dictionary)


def test_a_practice_that_nobody_is_treated_at_is_told(folders, tmp_path):
    file = tmp_path / "mapping.toml"
    file.write_text('[tables.lab.measures]\nalbumin = { practices = { "us-3" = "g/L" } }\n')
    found = validate(folders / "clean" / "us_network", NSCLC.dictionary, read_mapping(file, NSCLC.dictionary))
    assert [f.what for f in found.errors] == [
        "has a unit for 'us-3' in mapping.toml, where nobody is treated"
    ]
    assert "'us-03'" in found.errors[0].remedy
