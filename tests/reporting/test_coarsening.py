"""What agreed cells cost is said, and is no larger than said."""

import re
from dataclasses import replace

import numpy as np
import pytest

import fedstats as fs
from fedstats.federations.keys import HOME_VARIABLE
from fedstats.reporting.analysis_text import median_table
from fedstats.reporting.characteristics import characteristics
from fedstats.reporting.coarsening import cell_effects, edge_effects, grid_effects, grid_words
from fedstats.reporting.pooled_check import compare, headline, pooled_rows
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study


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
    assert cell_effects(study, {"own_baseline": found.own_baseline}, pooled, str.upper) == []


def test_interpolated_quartiles_lie_in_the_cell_of_the_true_ones_and_are_not_called_exact(checked):
    study, found, pooled = checked
    effects = edge_effects(study, found, pooled)
    assert len(effects) == 9  # one number, two groups and everybody, three quartiles
    cells = effects["cell"].str.split(" to ", expand=True).astype(float)
    for column in ("interpolated", "of the rows"):
        assert ((cells[0] <= effects[column]) & (effects[column] <= cells[1])).all()
    assert "exact" not in found.table_one.status
    shown = characteristics(study.codebook, found.table_one.frame)
    assert shown.loc[shown["Characteristic"] == "Median [quartiles]", "Overall"].str.startswith("≈ ").all()


def test_a_quartile_beyond_the_edges_is_named_by_the_edge(checked):
    study, found, _ = checked
    row = dict.fromkeys(("median", "q1", "q3"), 60.0) | {"q3": np.nan, "q3_low": 70.0, "q3_high": np.inf}
    frame = found.table_one.frame.head(1).assign(variable="age", level="", **row)
    shown = characteristics(study.codebook, frame)
    assert "above 70" in shown.iloc[1, -1]


def test_medians_on_a_grid_are_marked_and_exact_ones_are_not(checked):
    study, found, _ = checked
    shown = str(median_table(study.curves[0], found.survival_by_sex))
    assert "≈ " in shown
    assert "On exact times within (months)" in shown
    sites = fs.InProcess(tables(), study.codebook, fs.DisclosurePolicy.none())
    exact = fs.kaplan_meier(sites, "Surv(time, status) ~ sex")
    assert grid_words(exact) == ""
    assert "≈" not in str(median_table(study.curves[0], exact))
    np.testing.assert_array_equal(exact.medians["median"], exact.medians["median_low"])
