"""What agreed cells cost is said, and is no larger than said."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.federations.keys import HOME_VARIABLE
from fedstats.reporting.analysis_text import curve_alt, median_table
from fedstats.reporting.characteristics import characteristics
from fedstats.reporting.coarsening import cell_effects, edge_effects, grid_effects, grid_words
from fedstats.reporting.formats import estimate
from fedstats.reporting.pooled_check import compare, headline
from fedstats.reporting.pooled_fits import pooled_rows
from tests import nsclc_cohort
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study

#: Ages of the small study, in years: cells below 57 and above 63 are wider.
SPREAD = 15


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A study, its results in process, and its pooled rows."""
    folder = tmp_path_factory.mktemp("study")
    book = CODEBOOK.replace("edges = [18, 50, 60, 70, 110]", "edges = [18, 57, 63, 110]")
    file = write_study(folder, STUDY.replace('profile = "none"', 'profile = "teaching"'), book)
    study = fs.Study.load(file)
    frames = tables(120)
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    found = fs.together(fs.InProcess(frames, study.codebook, study.policy), **study.analyses())
    return study, found, pooled_rows(study, {name: str(folder / f"{name}.csv") for name in frames})


def test_pooling_the_rows_writes_nothing(checked, tmp_path, monkeypatch):
    study, _, _ = checked
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    assert len(pooled_rows(study, {name: str(study.folder / f"{name}.csv") for name in study.sites}))
    assert list(tmp_path.iterdir()) == []


def test_a_curve_on_a_grid_says_how_far_the_exact_one_may_be_and_keeps_to_it(checked):
    study, found, pooled = checked
    curve = found.survival_by_sex
    assert curve.status == "exact on the grid of 6 months"
    said = grid_words(curve)
    stated = float(re.search(r"at most (\S+) below it", said)[1])
    assert curve.grid_error <= stated <= curve.grid_error + 0.001
    effects = grid_effects(study, found, pooled)
    assert list(effects["group"]) == ["F", "M"]
    assert (effects["curve too high by at most"] > 0).all()
    known = effects["at most, from the sums alone"]
    assert (known == curve.grid_error).all()
    inside = curve.medians.set_index("group").loc[effects["group"]]
    exact = effects["median on exact times"].to_numpy()
    assert ((inside["median_low"] <= exact) & (exact <= inside["median_high"])).all()


def test_the_effect_of_the_grid_is_no_part_of_the_difference_to_the_pooled_fit(checked):
    study, found, pooled = checked
    frame = compare(study, found, pooled).set_index("analysis")
    assert frame.loc["survival_by_sex", "largest difference"] < 1e-12
    assert frame.loc["table_one", "largest difference"] < 1e-12


def test_the_tolerance_is_kept_and_the_headline_says_so_for_each_kind_of_estimate(checked):
    study, found, pooled = checked
    frame = compare(study, found, pooled)
    assert frame["kept"].all()
    said = headline(frame)
    for kind in ("log hazard ratios", "log odds ratios", "survival probabilities"):
        assert f"{kind} " in said
    assert said.endswith(": kept.")
    assert frame.loc[frame["software"].str.startswith("lifelines"), "largest difference"].max() < 1e-10
    beta = found.own_baseline.beta * (1 + 1e-8)
    moved = compare(study, {"own_baseline": replace(found.own_baseline, beta=beta)}, pooled)
    assert not moved["kept"].any()
    assert headline(moved).endswith("not kept by all.")


def test_effects_of_cells_stand_in_tables_of_their_own_and_exact_results_have_none(checked):
    study, found, pooled = checked
    shown = [str(part) for part in cell_effects(study, found, pooled, str.upper)]
    assert ["Effect of the" in part for part in shown] == [False, True, True]
    assert "SURVIVAL_BY_SEX" in shown[1]
    assert not re.search(r"\d\.\d{4}|\d{3}\.\d", shown[1] + shown[2])  # no more digits than one reads
    assert cell_effects(study, {"own_baseline": found.own_baseline}, pooled, str.upper) == []


def test_interpolated_quartiles_lie_in_the_cell_of_the_true_ones_and_are_not_called_exact(checked):
    study, found, pooled = checked
    effects = edge_effects(study, found, pooled)
    assert len(effects) == 9  # one number, two groups and everybody, three quartiles
    cells = effects["cell"].str.split(" to ", expand=True).astype(float)
    assert ((cells[0] <= effects["of the rows"]) & (effects["of the rows"] <= cells[1])).all()
    told = effects["interpolated"].notna()
    assert told.tolist() == (cells[1] - cells[0] <= SPREAD).tolist()
    assert 0 < told.sum() < 9
    assert ((cells[0] <= effects["interpolated"]) & (effects["interpolated"] <= cells[1]))[told].all()
    assert "exact" not in found.table_one.status
    shown = characteristics(study.codebook, found.table_one.frame)
    line = shown.loc[shown["Characteristic"] == "Median [quartiles]", "Overall"].iloc[0]
    assert re.fullmatch(r"≈ (57|6\d(\.\d)?) \[18–57, (6\d(\.\d)?|63–110)\]", line)


def test_a_quartile_beyond_the_edges_is_named_by_the_edge(checked):
    study, found, _ = checked
    row = dict.fromkeys(("median", "q1", "q3"), 60.0) | {"q3": np.nan, "q3_low": 70.0, "q3_high": np.inf}
    frame = found.table_one.frame.head(1).assign(variable="age", level="", **row)
    shown = characteristics(study.codebook, frame)
    assert "above 70" in shown.iloc[1, -1]


def test_a_median_on_a_grid_is_printed_as_the_band_it_lies_in(checked):
    study, found, _ = checked
    curve = found.survival_by_sex.medians.assign(median_low=6.0, median_high=[12.0, np.nan])
    curve = replace(found.survival_by_sex, medians=curve.assign(conf_low=0.0, conf_high=[12.0, np.nan]))
    shown = str(median_table(study.curves[0], curve))
    assert re.search(r"F +6 to 12 +0 to 12\n", shown)
    assert re.search(r"M +above 6 +above 0\n", shown)
    assert "not known to the coordinator" in shown
    assert "contains the interval on exact times" in shown
    assert "≈" not in shown
    assert curve_alt(study.curves[0], curve).endswith("F 6 to 12 months, M above 6 months.")


def test_a_curve_on_exact_times_is_printed_as_before(checked):
    study, _, _ = checked
    sites = fs.InProcess(tables(), study.codebook, fs.DisclosurePolicy.none())
    exact = fs.kaplan_meier(sites, "Surv(time, status) ~ sex")
    assert grid_words(exact) == ""
    np.testing.assert_array_equal(exact.medians["median"], exact.medians["median_low"])
    shown = str(median_table(study.curves[0], exact))
    for row in exact.medians.itertuples():
        numbers = [estimate(v) for v in (row.median, row.conf_low, row.conf_high)]
        assert re.search(rf"{row.group} +{numbers[0]} +{numbers[1]} to {numbers[2]}\n", shown)
    assert shown.endswith("Status: exact. A dash: not reached.")


@pytest.mark.parametrize("grid", [1, 2, 3, 6, 12])
def test_on_any_grid_of_the_nsclc_study_the_interval_contains_the_one_on_exact_times(nsclc, grid):
    study, sites, exact = nsclc
    for spec in study.curves:
        expected = exact[spec.name]
        medians = fs.kaplan_meier(sites, spec.formula, grid=grid).medians
        high = medians["conf_high"].fillna(np.inf)  # in the last cell nobody knows how many are censored
        assert (medians["conf_low"] <= expected["conf_low"]).all()
        assert (high >= expected["conf_high"].fillna(np.inf)).all()
        assert (medians["conf_low"] <= medians["median_low"]).all()
        assert (medians["median_high"].fillna(np.inf) <= high).all()
        if grid < 12:  # and it is of use
            within = expected["conf_high"] + grid < study.codebook.grid.horizon
            assert within.any() or spec.name == "os_by_comparison"
            assert (high <= expected["conf_high"] + 2 * grid)[within].all()
            assert (medians["conf_low"] >= expected["conf_low"] - 2 * grid).all()


@pytest.fixture(scope="module")
def nsclc():
    """The shipped study, its sites without a gate, and the pooled medians on exact times."""
    study, frames = nsclc_cohort.study(), nsclc_cohort.frames()
    sites = fs.InProcess(frames, study.codebook, fs.DisclosurePolicy.none())
    rows = pd.concat([frame.assign(site=name) for name, frame in frames.items()], ignore_index=True)
    pooled = fs.InProcess({"pooled": rows}, study.codebook, fs.DisclosurePolicy.none())
    return study, sites, {c.name: fs.kaplan_meier(pooled, c.formula).medians for c in study.curves}
