"""Plots: what is drawn is what the frame says, at the edges as well."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_lung
from matplotlib.figure import Figure

import fedstats as fs
from fedstats.reporting import forest_plot, survival_plot
from fedstats.reporting.measure import spread
from fedstats.reporting.palette import COLOURS, DASHES, MARKERS
from fedstats.reporting.plots import (
    calibration_plot,
    deviance_plot,
    hazard_plot,
    heterogeneity_plot,
    path_plot,
)
from fedstats.reporting.survival_drawing import numbers_at_risk
from fedstats.reporting.ticks import difference_ticks, grid_ticks, ratio_ticks, time_ticks
from tests.datasets import DATASETS, split
from tests.reporting.sample_report import effects, survival_curve

SCRIPT = "<script>alert('$x_1$')</script> with a label that is much longer than one would like it to be"


def words(axes):
    found = [text.get_text() for child in (axes, *axes.child_axes) for text in child.texts]
    return " | ".join(" ".join(text.split()) for text in found)


def drawn(axes):
    """Draw it for good: problems with fonts and layout show only then."""
    axes.get_figure(root=True).savefig(io.BytesIO(), format="png", bbox_inches="tight")
    return axes


@pytest.mark.parametrize("n_groups", [1, 2, 5, 9])
def test_survival_curves_of_one_to_many_groups(n_groups):
    groups = (SCRIPT, *(f"group {i}" for i in range(1, n_groups)))
    axes = drawn(survival_plot(survival_curve(groups), title="By group"))
    assert ("script" in words(axes)) == (n_groups > 1)
    assert "Number at risk" in words(axes)
    assert axes.get_ylim() == (0, 1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0%", "25%", "50%", "75%", "100%"]


def test_steps_and_bands_are_those_of_the_frame():
    curve = survival_curve(("a", "b"))
    axes = survival_plot(curve)
    for line, (_, rows) in zip(axes.lines, curve.groupby("group"), strict=False):
        assert line.get_drawstyle() == "steps-post"
        np.testing.assert_array_equal(line.get_xydata(), rows[["time", "estimate"]])
    assert len(axes.collections) == 2
    assert axes.lines[0].get_linestyle() != axes.lines[1].get_linestyle()
    assert axes.lines[0].get_color() != axes.lines[1].get_color()


def test_numbers_at_risk_are_carried_to_the_tick():
    rows = pd.DataFrame({"time": [0.0, 2.0, 5.0], "n_risk": [10, 8, 3]})
    assert numbers_at_risk(rows, [0, 1, 2, 3, 5, 6]) == [10, 8, 8, 3, 3, 0]
    grid = rows.assign(
        time=[0.0, 3.0, 6.0], start=[0.0, 0.0, 3.0], n_event=[0, 2, 1], n_censor=[0, 3, np.nan]
    )
    assert numbers_at_risk(grid, [0, 3]) == [10, 3]  # those who left in a cell are gone at its end
    assert np.isnan(numbers_at_risk(grid, [6])[0])
    assert numbers_at_risk(grid.assign(n_censor=[0, 3, 2]), [6, 9]) == [0, 0]
    later = grid.assign(time=[6.0, 9.0, 12.0], start=[6.0, 6.0, 9.0])  # from a landmark at 6 on
    assert np.isnan(numbers_at_risk(later, [0])[0])
    assert numbers_at_risk(later, [6])[0] == numbers_at_risk(grid, [0])[0]
    axes = survival_plot(survival_curve(("a", "b"), n=1200))
    assert "1,200" in words(axes)
    assert "Number at risk" not in words(survival_plot(survival_curve(("a",)), risk_table=False))


def test_numbers_at_risk_of_a_federated_curve_are_those_still_followed_whatever_the_grid():
    lung = load_lung()
    edges = [30.4375 * i for i in range(1, 16)]
    sites = fs.InProcess({"all": lung}, policy=fs.DisclosurePolicy.none())
    for grid, still in ((edges, "__gt__"), (None, "__ge__")):
        curve = fs.kaplan_meier(sites, "Surv(time, status) ~ 1", grid=grid).tidy()
        ticks = edges[:-1] if grid else [0, 5, 11, 180, 1022, 1023]
        assert numbers_at_risk(curve, ticks) == [getattr(lung["time"], still)(tick).sum() for tick in ticks]
    assert numbers_at_risk(fs.kaplan_meier(sites, "Surv(time, status) ~ 1", grid=edges).tidy(), [0]) == [228]


def test_ticks_of_a_curve_on_a_grid_lie_on_its_edges():
    assert grid_ticks([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "months") == [
        0,
        2,
        4,
        6,
        8,
        10,
        12,
        14,
    ]
    assert grid_ticks([3.0 * i for i in range(9)], "months") == [3.0 * i for i in range(9)]
    assert grid_ticks([30.4375 * i for i in range(16)], "days") == [60.875 * i for i in range(8)]
    assert grid_ticks([0, 5, 7], "cycles") == [0, 5, 7]


def test_missing_bounds_and_protected_counts_are_not_invented():
    curve = survival_curve(("a", "b"))
    curve.loc[curve["time"] > 12, ["conf_low", "conf_high"]] = np.nan
    curve["n_risk"] = curve["n_risk"].astype(float).where(curve["n_risk"] >= 11)
    assert "–" in words(drawn(survival_plot(curve)))
    curve.loc[curve["time"] > 20, "estimate"] = np.nan
    drawn(survival_plot(curve))


def test_a_plot_can_be_drawn_into_axes_and_leaves_settings_alone():
    before, canvas = dict(mpl.rcParams), (figure := Figure()).canvas
    axes = figure.add_subplot()
    assert survival_plot(survival_curve(("a", "b")), ax=axes) is axes
    assert forest_plot(effects(("x", "y")), ax=figure.add_subplot(1, 2, 1)).get_figure() is figure
    assert figure.canvas is canvas
    assert dict(mpl.rcParams) == before


def test_curves_without_numbers_at_risk_need_none():
    curve = survival_curve(("a", "b")).drop(columns=["n_risk", "n_event"])
    axes = drawn(survival_plot(curve, risk_table=False))
    assert "Number at risk" not in words(axes)
    assert axes.get_position().x0 < survival_plot(survival_curve(("a", "b"))).get_position().x0
    with pytest.raises(ValueError, match="missing: n_risk, n_event"):
        survival_plot(curve)


@pytest.mark.parametrize("groups", [("",), (SCRIPT, "b"), tuple("abcdefghi")])
def test_cumulative_hazards_rise_in_steps_with_the_intervals_of_the_survival(groups):
    rows = {"time": [0.0, 3, 6], "cumulative_hazard": [0, 0.1, 0.5]}
    rows |= {"conf_low": [1.0, 0.8, 0.0], "conf_high": [1, 0.95, 0.7]}
    axes = drawn(hazard_plot(pd.concat([pd.DataFrame({"group": g} | rows) for g in groups])))
    assert axes.lines[0].get_ydata().tolist() == [0, 0.1, 0.5]
    assert axes.get_ylim()[1] == pytest.approx(0.65)  # an interval without an end does not squeeze the curves
    assert ("script" in words(axes)) == (SCRIPT in groups)


@pytest.mark.parametrize("chosen", [{}, {"least": 0.01}, {"least": 0.01, "within": 0.1}])
def test_a_path_runs_from_strong_to_weak_and_names_what_is_in_the_model(chosen):
    strengths = pd.Index([1.0, 0.1, 0.01], name="lambda")
    path = pd.DataFrame({SCRIPT: [0.0, 0.5, 1.0], "out": 0.0, "down": [0.0, 0.0, -0.3]}, index=strengths)
    axes = drawn(path_plot(path, outcome="Log odds ratio", chosen=chosen))
    low, high = axes.get_xlim()
    assert (low > strengths[0], high < strengths[-1]) == (True, True)
    assert "script" in words(axes)
    assert "down" in words(axes)
    assert " out" not in words(axes)
    assert all(name in words(axes) for name in chosen)
    assert len({text.get_ha() for text in axes.texts if text.get_text() in chosen}) == len(chosen)


def test_a_path_of_nothing_is_drawn_as_a_line_at_zero():
    strengths = pd.Index([1.0, 0.5], name="lambda")
    assert drawn(path_plot(pd.DataFrame({"a": [0.0, 0.0]}, index=strengths), outcome="Difference"))


def test_deviances_have_a_standard_error_on_each_side():
    found = pd.DataFrame(
        {"lambda": [1.0, 0.1], "mean_deviance": [1.4, 1.3], "conf_low": [1.3, 1.2], "conf_high": [1.5, 1.4]}
    )
    axes = drawn(deviance_plot(found, outcome="Deviance", chosen={"least": 0.1}))
    assert axes.lines[0].get_ydata().tolist() == [1.4, 1.3]
    assert [path.vertices[:, 1].tolist() for path in axes.collections[0].get_paths()] == [
        [1.3, 1.5],
        [1.2, 1.4],
    ]
    with pytest.raises(ValueError, match="needs the columns"):
        deviance_plot(found.drop(columns="conf_low"), outcome="Deviance")


@pytest.mark.parametrize(
    ("end", "unit", "ticks"),
    [
        (31, "months", [0, 6, 12, 18, 24, 30]),
        (8, "months", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (1022, "days", [0, 180, 360, 540, 720, 900]),
        (4, "years", [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]),
        (37, "cycles", [0, 5, 10, 15, 20, 25, 30, 35]),
        (0.4, "months", [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4]),
    ],
)
def test_times_are_ticked_as_people_count(end, unit, ticks):
    assert time_ticks(end, unit) == pytest.approx(ticks)


@pytest.mark.parametrize(
    "span", [(0.9, 1.1), (0.5, 2), (0.97, 1.02), (1e-3, 1e3), (0.2, 30), (0.8, 1.25), (1.2, 1.3)]
)
def test_ratios_are_ticked_at_round_numbers_with_one_among_them(span):
    ticks = ratio_ticks(*span)
    assert 2 < len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    assert (1.0 in ticks) == (span[0] <= 1 <= span[1])


@pytest.mark.parametrize("span", [(0.82, 1.3), (0.9, 1.1), (0.95, 1.45), (0.7, 1.02), (0.2, 30)])
def test_ticks_of_ratios_do_not_crowd_on_one_side_of_one(span):
    apart = np.diff(np.log(ratio_ticks(*span)))
    assert apart.max() < 2.6 * apart.min()  # 2 to 5 is 2.3 times 4 to 6, and none is closer


@pytest.mark.parametrize("span", [(-0.7, 1.2), (-3000, 12000), (-1e-6, 0.1e-6), (-40, 1)])
def test_differences_are_ticked_at_round_numbers_with_zero_among_them(span):
    ticks = difference_ticks(*span)
    assert 2 < len(ticks) <= 9
    assert 0.0 in ticks
    assert span[0] <= ticks[0] < ticks[-1] <= span[1]


@pytest.mark.parametrize("bounds", [(0.0, 0.0, 0.0), (-2.0, -np.inf, np.inf), (np.nan, np.nan, np.nan)])
def test_a_forest_of_differences_is_drawn_whatever_is_known_of_them(bounds):
    row = dict(zip(("estimate", "conf_low", "conf_high"), bounds, strict=True))
    low, high = drawn(forest_plot(pd.DataFrame([{"term": "x"} | row]), ratios=False)).get_xlim()
    assert low < min(0.0, np.nan_to_num(bounds[0])) <= 0.0 < high


@pytest.mark.parametrize("n_terms", [1, 3, 25])
def test_a_forest_of_one_to_many_terms(n_terms):
    terms = (SCRIPT, *(f"term {i}" for i in range(1, n_terms)))
    frame = effects(terms)
    axes = drawn(forest_plot(frame, labels={"term 1": "Female sex"}, title="Effects"))
    assert "<script>alert('$x_1$')</script>" in words(axes).replace(" ", "")
    assert ("Female sex" in words(axes)) == (n_terms > 1)
    assert "Hazard ratio (95% CI)" in words(axes)
    low, high = axes.get_xlim()
    assert low < frame["conf_low"].min() < frame["conf_high"].max() < high
    assert axes.get_xscale() == "log"


def test_models_stand_side_by_side_with_markers_of_their_own():
    models = {"Unadjusted": effects(("x", "y")), "Adjusted": effects(("y", "z"), seed=9)}
    axes = drawn(forest_plot(models, effect="Odds ratio", level=0.9))
    markers = {line.get_marker() for line in axes.lines} - {"None", None, ""}
    assert len(markers) == 2
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(models)
    assert "Odds ratio (90% CI)" in words(axes)
    assert "lower odds" in words(axes)


def test_what_is_not_estimated_is_said_and_what_is_endless_gets_an_arrow():
    frame = effects(("a", "b", "c", "d", "Intercept"))
    frame.loc[0, ["estimate", "conf_low", "conf_high"]] = np.nan
    frame.loc[1, ["conf_low", "conf_high"]] = np.nan
    frame.loc[2, ["conf_low", "conf_high"]] = [0, np.inf]
    frame.loc[3, ["estimate", "conf_low", "conf_high"]] = [np.inf, 0, np.inf]
    axes = drawn(forest_plot(frame))
    assert words(axes).count("not estimated") == 3
    assert "∞" in words(axes)
    assert "Intercept" not in words(axes)
    assert [line.get_marker() for line in axes.lines].count(">") == 1
    assert [line.get_marker() for line in axes.lines].count("<") == 1


def test_an_estimate_far_outside_does_not_squeeze_the_others():
    frame = effects(("a", "b", "c"))
    frame.loc[0, ["estimate", "conf_low", "conf_high"]] = [4e8, 1e-9, 1e30]
    low, high = drawn(forest_plot(frame)).get_xlim()
    assert 0.01 < low < high < 100


CURVE, FOREST = survival_curve(("a",)), effects(("x",))


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: survival_plot(CURVE.iloc[:0]), "A survival plot has nothing to draw: its frame has no rows"),
        (lambda: survival_plot(CURVE.drop(columns=["n_risk"])), "missing: n_risk"),
        (lambda: survival_plot(CURVE.iloc[:1]), "at least one time after 0"),
        (lambda: forest_plot(FOREST.iloc[:0]), "A forest plot has nothing to draw: its frame has no rows"),
        (lambda: forest_plot({}), "there is no model"),
        (lambda: forest_plot(FOREST.drop(columns=["conf_low"])), "missing: conf_low"),
        (lambda: forest_plot(FOREST.assign(term="Intercept")), "an intercept only"),
    ],
)
def test_nothing_to_draw_is_said_in_one_sentence(draw, says):
    with pytest.raises(ValueError, match=says) as refused:
        draw()
    assert str(refused.value).count(". ") == 0


def test_labels_move_apart_and_no_further():
    assert spread([0.5, 0.5], [0.1, 0.1], 0, 1) == pytest.approx([0.6, 0.5])
    assert spread([0.0, 0.9], [0.1, 0.1], 0, 1) == pytest.approx([0.05, 0.9])
    crowded = spread([0.97, 0.98, 0.99], [0.2, 0.2, 0.2], 0, 1)
    assert crowded == pytest.approx([0.5, 0.7, 0.9])


def test_no_two_groups_share_a_look():
    assert len(set(COLOURS)) == len(set(map(str, DASHES))) == len(set(MARKERS)) == 7


def test_effects_by_group_are_drawn_with_what_they_say_together():
    sites = fs.InProcess(split(DATASETS["gbsg2"](), 4), policy=fs.DisclosurePolicy.none())
    found = fs.heterogeneity(sites, "Surv(time, cens) ~ C(tgrade) + age", term="C(tgrade)")
    shown = words(drawn(heterogeneity_plot(found, "C(tgrade)[III]")))
    for said in ("site1", "site4", "All, effects that vary", "A new group (prediction)"):
        assert said in shown
    with pytest.raises(ValueError, match=r"there are C\(tgrade\)\[II\]"):
        heterogeneity_plot(found, "age")


def test_calibration_is_drawn_by_milestone_beside_the_line_of_a_perfect_prediction():
    cells = pd.DataFrame(
        {"time": [6.0, 6, 12, 12], "predicted": [0.1, 0.4, 0.2, 0.7], "observed": [0.12, 0.5, np.nan, 0.6]}
    ).assign(conf_low=[0.05, 0.3, np.nan, 0.4], conf_high=[0.2, 0.7, np.nan, 0.8])
    axes = drawn(calibration_plot(cells, unit="months"))
    perfect, six, twelve = axes.lines
    np.testing.assert_array_equal(perfect.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_array_equal(six.get_xydata(), [[0.1, 0.12], [0.4, 0.5]])
    np.testing.assert_array_equal(
        twelve.get_xydata(), [[0.7, 0.6]]
    )  # a cell without an estimate has no point
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told == ["perfect", "by 6 months", "by 12 months"]
    assert axes.get_xlim() == axes.get_ylim() == (0, 1)


def test_calibration_of_a_0_1_outcome_is_one_line():
    frame = DATASETS["rossi"]()
    sites = fs.InProcess(split(frame, 2), policy=fs.DisclosurePolicy.none())
    found = fs.calibration(sites, fs.logistic(sites, "arrest ~ age + prio"), bins=[0.2, 0.3, 0.4])
    axes = drawn(calibration_plot(found.tidy()))
    np.testing.assert_array_equal(axes.lines[1].get_xydata(), found.tidy()[["predicted", "observed"]])
    assert len(axes.collections[0].get_segments()) == 4
