"""Table 1 for a paper: wide texts, a layout of great-tables, and what is hidden says so."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.variable import Variable
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


@pytest.mark.parametrize("by", ["arm", ["site", "arm"]])
def test_who_has_no_group_is_counted_wherever_the_table_is_read(tmp_path, by):
    rng = np.random.default_rng(5)
    frames = {
        name: pd.DataFrame({"arm": rng.choice(["A", "B"], 300), "grade": rng.choice(["1", "2"], 300)}).assign(
            age=rng.normal(60, 9, 300)
        )
        for name in ("north", "south")
    }
    frames["north"].loc[:29, "arm"] = None
    sites = fs.InProcess(frames)
    table = fs.table_one(sites, by=by, variables=["age", "grade"])
    said = "30 patients without a group, for an empty cell in its column, are in none of the columns, nor in Overall."
    assert table.refused == () or {what for what, _ in table.refused} == {"age (median and quartiles)"}
    assert table.sizes()["Overall"] == 570
    assert (table.ungrouped, table.tidy().attrs["ungrouped"]) == (30, 30)
    save_results({"table_one": table}, tmp_path / "results.json")
    again = load_results(tmp_path / "results.json")["table_one"]
    for shown in (
        str(table),
        table._repr_html_(),
        str(again),
        str(patient_tables("T", again, sites.codebook)[0]),
    ):
        assert said in shown
    everybody = fs.table_one(sites, variables=["age"])
    assert everybody.ungrouped == 0
    assert "without a group" not in str(everybody)


def test_a_few_without_a_group_are_why_everybody_is_described_together(sites):
    """Beside the table of all patients the groups would tell of the three."""
    frame = pd.DataFrame({"arm": ["A", "B"] * 150, "age": np.random.default_rng(6).normal(60, 9, 300)})
    frame.loc[:2, "arm"] = None
    table = fs.table_one(fs.InProcess({"s": frame}), by="arm", variables=["age"])
    assert ("age (by group)", "dropped rows") in table.refused
    assert "age is described of all patients together, for a few of them have no group" in str(table)
    assert table.tidy()["n"].tolist() == [300]
    assert table.ungrouped == 0


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
    rows = table.tidy().set_index(["variable", "group"])["n"]
    n = {group: rows[("age", group)].iloc[0] for group in ("A", "B")}
    groups = [f"A (N = {n['A']:.0f})", f"B (N = {n['B']:.0f})", "Overall (N = 600)"]
    assert n["A"] + n["B"] == 600
    assert list(wide) == ["Variable", "Characteristic", *groups, "SMD", "p"]
    assert wide.loc[wide["Characteristic"] == "grade 3", groups[0]].tolist() == ["–"]
    assert wide.loc[wide["Characteristic"] == "(not shown)", groups[-1]].tolist() == ["200 (33.3)"]
    markup = table.gt("Patients").as_raw_html()
    assert "Patients" in markup
    assert "(not shown)" in markup
    assert "Status: " in markup
    assert all(group in markup for group in groups)


def test_a_variable_whose_groups_are_hidden_says_why(sites):
    table = fs.table_one(sites, by="grade", variables=["arm", "age"])
    wide, notes = table.wide(), " ".join(table.notes())
    assert list(wide) == ["Variable", "Characteristic", "Overall (N = 600)", "SMD"]
    assert "age is described of all patients together, for a group of it is too small to be shown" in notes
    assert "did not meet the rule" in notes
    assert notes in table.gt().as_raw_html().replace("&#x27;", "'")
    assert notes.replace(" Status", "\nStatus").rsplit("\n", 1)[-1] in str(table)


def test_labels_and_units_are_printed():
    """By a codebook; of a variable that one group hides the others show theirs."""
    rng = np.random.default_rng(4)
    book = fs.Codebook(
        (
            Variable("arm", "factor", levels=("a", "b"), level_labels=("Drug A", "Drug B")),
            Variable("age", "numeric", label="Age", unit="years", centre=60.0, scale=10.0),
            Variable("sex", "factor", label="Sex", levels=("f", "m"), level_labels=("Female", "Male")),
        )
    )
    frame = pd.DataFrame(
        {"arm": ["a", "b"] * 50, "age": rng.normal(60, 9, 100), "sex": ["f", "f", "m", "m"] * 25}
    )
    wide = fs.table_one(fs.InProcess({"s": frame}, book), by="arm", variables=["age", "sex"]).wide()
    assert list(wide)[2:5] == ["Drug A (N = 50)", "Drug B (N = 50)", "Overall (N = 100)"]
    assert wide["Variable"].drop_duplicates().tolist() == ["Age (years)", "Sex"]
    assert wide["Characteristic"].tolist()[-2:] == ["Female", "Male"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ([], "variables is empty; give the columns"),
        (["age", "arm", "age"], "names 'age' twice"),
        (["C(age)"], r"C\(age\) needs levels: age is numeric in the codebook; make it a factor there"),
        (["age", "C(age)"], "names 'age' twice"),
        (["age", "practice"], "'practice', which is a label: it groups patients inside a site"),
    ],
)
def test_what_no_table_can_describe_is_said(variables, said):
    book = fs.Codebook(
        (Variable("age", "numeric"), Variable("arm", "numeric"), Variable("practice", "label"))
    )
    rows = pd.DataFrame({"age": [1.0, 2.0] * 20, "arm": [0.0, 1.0] * 20, "practice": ["p", "q"] * 20})
    with pytest.raises(fs.FormulaError, match=said):
        fs.table_one(fs.InProcess({"s": rows}, book), variables=variables)


def test_of_two_groups_the_test_is_students_t(sites):
    """First group less second, whose square is the F of the analysis of variance."""
    tested = fs.table_one(sites, by="arm", variables=["age"], p_values=True)
    (row,) = tested.p_values().to_dict("records")
    means = tested.tidy().set_index("group")["mean"]
    assert row["name"] == "Student's t"
    assert np.sign(row["statistic"]) == np.sign(means["A"] - means["B"])


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


def ages(edges, policy=None):
    """Of 600 ages around 60 with a standard deviation of 9, under a codebook with some edges."""
    rng = np.random.default_rng(7)
    book = fs.Codebook((Variable("age", "numeric", centre=60.0, scale=8.0, edges=edges),))
    sites = fs.InProcess({"s": pd.DataFrame({"age": rng.normal(60, 9, 600)})}, book, policy=policy)
    return sites, fs.table_one(sites, variables=["age"])


def test_a_quartile_in_a_cell_wider_than_a_standard_deviation_is_the_cell():
    """In a narrower one it is interpolated, and the printed table says which is which."""
    sites, table = ages((10.0, 55.0, 58.0, 62.0, 110.0))
    row = table.tidy().iloc[0]
    assert row["sd"] == pytest.approx(9, abs=1)
    assert np.isnan(row["q1"])
    assert (row["q1_low"], row["q1_high"]) == (10, 55)
    assert row["median"] == pytest.approx(60, abs=1)
    line = table.wide().iloc[1, -2]
    assert line == f"≈ {row['median']:.1f} [10–55, 62–110]"
    assert "approximate: interpolated" in table.status
    assert "a range of two numbers" in " ".join(table.notes()).lower()
    report = str(patient_tables("T", table, sites.codebook)[0])
    assert "[10–55, 62–110]" in report
    assert "A range of two numbers" in report
    assert "≈: median and quartiles interpolated" in report


def test_the_width_that_is_told_apart_is_the_spread_of_the_group():
    edges = (44.0, 52.0, 60.0, 68.0, 76.0)
    _, told = ages(edges)
    assert told.tidy()[["q1", "median", "q3"]].notna().all(axis=None)
    assert "A range" not in " ".join(told.notes())
    _, wide = ages(edges[::2])  # cells of sixteen years
    assert wide.tidy()[["q1", "median", "q3"]].isna().all(axis=None)
    assert "≈" not in wide.wide().iloc[1, -2]


def test_exact_quartiles_are_told_whatever_the_edges():
    _, exact = ages((10.0, 110.0), policy=fs.DisclosurePolicy.none())
    assert exact.status == "exact"
    assert exact.tidy()[["q1", "median", "q3"]].notna().all(axis=None)


def test_of_an_open_cell_the_edge_is_printed():
    _, table = ages((58.0, 60.0, 62.0))
    line = table.wide().iloc[1, -2]
    assert line.endswith("[up to 58, above 62]")
