"""Table 1 for a paper: wide texts, a layout of great-tables, and what is hidden says so."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.reporting.analysis_text import patient_tables
from fedstats.study.saved_results import load_results, save_results


@pytest.fixture(scope="module")
def sites():
    """Two sites, at one of which five patients have grade 3."""
    frames = {}
    for site, (seed, rare) in {"north": (1, 5), "south": (2, 30)}.items():
        rng = np.random.default_rng(seed)
        frames[site] = pd.DataFrame(
            {
                "arm": rng.choice(["A", "B"], 300),
                "grade": rng.permutation(np.repeat(["1", "2", "3"], [200, 100 - rare, rare])).astype(object),
                "age": rng.normal(60, 9, 300),
            }
        )
    frames["south"]["grade"] = "grade " + frames["south"]["grade"]
    frames["north"]["grade"] = "grade " + frames["north"]["grade"]
    return fs.InProcess(frames)


@pytest.fixture(scope="module")
def table(sites):
    return fs.table_one(sites, by="arm", variables=["age", "grade"], p_values=True)


def test_hidden_levels_are_counted_together_and_add_up(table):
    rows = table.tidy()[lambda t: t["variable"] == "grade"].set_index(["level", "group"])
    assert rows.loc["grade 3", "n"].isna().all()
    assert rows.loc["grade 2", "n"].isna().all()
    for group in ("A", "B", "Overall"):
        shown = rows.loc[("grade 1", group), "n"] + rows.loc[("(not shown)", group), "n"]
        assert (
            shown
            == table.tidy()[lambda t, g=group: (t["variable"] == "age") & (t["group"] == g)]["n"].iloc[0]
        )
    assert rows.loc[("(not shown)", "Overall"), "percent"] == pytest.approx(100 * 200 / 600)
    assert table.refused == (("age (median and quartiles)", "entry"),) or not table.refused


def test_where_a_group_is_too_small_everybody_is_described(sites):
    """Five patients have grade 3 at one site: no table by grade, and all the more one of all patients."""
    table = fs.table_one(sites, by="grade", variables=["age", "arm"])
    said = dict(table.refused)
    assert "age (by group)" in said
    whole = fs.table_one(sites, variables=["age"]).tidy()
    found = table.tidy()[lambda t: t["variable"] == "age"]
    assert found["group"].tolist() == ["Overall"]
    assert found["n"].tolist() == [600]
    assert found["mean"].tolist() == whole["mean"].tolist()
    parts = patient_tables("Table 1", table, sites.codebook)
    assert "age (by group)" in str(parts[-1])


def test_by_site_each_hides_its_own(sites):
    rows = fs.table_one(sites, by="site", variables=["grade"]).tidy().set_index(["level", "group"])["n"]
    assert rows[("grade 3", "south")] == 30
    assert rows[("grade 2", "south")] == 70
    assert np.isnan(rows[("grade 3", "north")])
    assert np.isnan(rows[("grade 3", "Overall")])
    assert rows[("grade 1", "Overall")] == 400
    both = fs.table_one(sites, by=["site", "arm"], variables=["age"]).tidy()["group"]
    assert both.tolist() == ["north, A", "north, B", "south, A", "south, B", "Overall"]


def test_a_paper_gets_it_wide_and_as_a_layout(table):
    wide = table.wide()
    assert list(wide) == ["Variable", "Characteristic", "A", "B", "Overall", "SMD", "p"]
    assert wide.loc[wide["Characteristic"] == "grade 3", "A"].tolist() == ["–"]
    assert wide.loc[wide["Characteristic"] == "(not shown)", "Overall"].tolist() == ["200 (33.3)"]
    markup = table.gt("Patients").as_raw_html()
    assert "Patients" in markup
    assert "(not shown)" in markup
    assert "Status: " in markup


def test_a_report_says_what_is_not_shown(table, sites):
    shown = patient_tables("Patients", table, sites.codebook)[0]
    assert "not shown" in shown.markup
    assert "follows from no total" in shown.markup
    assert ", p " in shown.markup


def test_it_is_saved_with_its_differences_and_tests(table, tmp_path):
    save_results({"table_one": table}, tmp_path / "results.json")
    again = load_results(tmp_path / "results.json")["table_one"]
    pd.testing.assert_frame_equal(again.differences(), table.differences())
    pd.testing.assert_frame_equal(again.wide(), table.wide())


def test_rank_tests_are_no_functions_of_sums(sites):
    with pytest.raises(TypeError, match="nonnormal"):
        fs.table_one(sites, by="arm", variables=["age"], nonnormal=["age"])
    assert "Kruskal" in fs.table_one.__doc__
