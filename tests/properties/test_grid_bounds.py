"""What is stated about a grid: the estimates on exact times lie within the bounds that its counts give."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from tests import nsclc_cohort

EDGES = (2.0, 4.0, 6.0, 8.0, 10.0)
SLACK = 1e-9


@pytest.fixture(scope="module", params=range(30))
def pair(request):
    """The same patients on a grid and on their own times; of every second data set, some enter late."""
    random = np.random.default_rng(request.param)
    n = int(random.integers(12, 80))
    time = np.round(random.exponential(random.uniform(3, 12), n) + 0.01, int(random.integers(1, 4)))
    frame = pd.DataFrame(
        {
            "time": np.maximum(time, 0.05),
            "cause": random.choice(["0", "1", "2"], n, p=[0.3, 0.4, 0.3]),
            "arm": random.choice(["a", "b"], n),
            "w": random.uniform(0.2, 3.0, n),
        }
    )
    frame["event"] = (frame["cause"] != "0").astype(int)
    left = "time"
    if request.param % 2:
        frame["entry"] = np.where(random.random(n) < 0.5, 0.0, random.uniform(0, 0.99, n) * frame["time"])
        left = "entry, time"
    frames = {"north": frame.iloc[: n // 2], "south": frame.iloc[n // 2 :]}
    return fs.InProcess(frames, policy=fs.DisclosurePolicy.none()), left, n


def on_both(pair, function, outcome="event", **options):
    sites, left, _ = pair
    formula = f"Surv({left}, {outcome}) ~ 1"
    return (function(sites, formula, grid=grid, **options) for grid in (EDGES, None))


def within(value, low, high):
    return (np.asarray(low) - SLACK <= value).all() and (value <= np.asarray(high) + SLACK).all()


def known_until(exact):
    """Times up to which the curve on exact times is defined."""
    last = exact.frame.iloc[-1]
    return np.inf if last["estimate"] == 0 else last["time"]


@pytest.mark.parametrize("weights", [None, "w"])
def test_survival_at_any_time(pair, weights):
    on_grid, exact = on_both(pair, fs.kaplan_meier, weights=weights)
    end = min(known_until(exact), on_grid.frame["time"].max())
    times = [t for t in (0.0, 1.3, 2.0, 3.7, 4.0, 5.1, 8.0, 9.9, 10.0) if t <= end]
    bounds, truth = on_grid.at(times), exact.at(times)["estimate"].to_numpy()
    if (exact.frame["n_risk"].iloc[1:] > 0).all():  # with late entries the first risk set may be empty
        assert within(truth, bounds["low"], bounds["high"])
        assert within(bounds["estimate"].to_numpy(), bounds["low"], bounds["high"])


def test_quantiles_lie_between_edges(pair):
    on_grid, exact = on_both(pair, fs.kaplan_meier)
    found, truth = on_grid.quantiles([0.1, 0.25, 0.5]), exact.quantiles([0.1, 0.25, 0.5])["estimate"]
    for low, high, value in zip(found["low"], found["high"], truth, strict=True):
        if np.isfinite(value) and np.isfinite(high):
            assert low - SLACK <= value <= high + SLACK


def test_cumulative_hazards_at_the_edges(pair):
    on_grid, exact = (curve.cumulative_hazard() for curve in on_both(pair, fs.kaplan_meier))
    for edge in EDGES:
        if edge <= exact["time"].max() and edge in set(on_grid["time"]):
            row = on_grid[on_grid["time"] == edge].iloc[0]
            assert within(exact[exact["time"] <= edge]["estimate"].iloc[-1], row["estimate"], row["highest"])


@pytest.mark.parametrize("tau", [3.0, 6.0])
def test_restricted_means(pair, tau):
    sites, left, _ = pair
    try:
        on_grid, exact = (
            fs.rmst(sites, f"Surv({left}, event) ~ arm", tau=tau, grid=grid).tidy() for grid in (EDGES, None)
        )
    except ValueError as problem:
        assert "ends at" in str(problem)  # noqa: PT017 (a group is not followed so far)
        return
    assert within(exact["estimate"].to_numpy(), on_grid["low"], on_grid["high"])
    assert within(on_grid["estimate"].to_numpy(), on_grid["low"], on_grid["high"])
    assert (exact["low"] == exact["high"]).all()


def test_incidences_at_the_edges(pair):
    on_grid, exact = (found.tidy() for found in on_both(pair, fs.cumulative_incidence, "cause"))
    for cause in ("1", "2"):
        curve, truth = (frame[frame["cause"] == cause] for frame in (on_grid, exact))
        for _, row in curve.iloc[1:].iterrows():
            if row["time"] <= truth["time"].max():
                value = truth[truth["time"] <= row["time"]]["estimate"].iloc[-1]
                assert within(value, row["low"], row["high"])
        assert within(curve["estimate"].to_numpy(), curve["low"], curve["high"])


def test_a_test_on_a_grid_is_that_of_the_times_moved_to_its_edges(pair):
    sites, left, _ = pair
    frames = {name: site.data.frame for name, site in sites._sites.items()}
    ends = np.array((*EDGES, 99.0))
    moved = {}
    for name, frame in frames.items():
        cell = np.searchsorted(EDGES, frame["time"])
        moved[name] = frame.assign(time=ends[cell], event=np.where(cell < len(EDGES), frame["event"], 0))
        if "entry" in frame:
            floors = np.array((0.0, *EDGES))
            moved[name]["entry"] = floors[np.searchsorted(EDGES, frame["entry"], side="right")]
    formula = f"Surv({left}, event) ~ arm"
    theirs = fs.InProcess(moved, policy=fs.DisclosurePolicy.none())
    for options in ({}, {"gamma": 1}):
        found = fs.logrank(sites, formula, grid=EDGES, **options)
        assert found.statistic == pytest.approx(fs.logrank(theirs, formula, **options).statistic, rel=1e-10)
        assert found.status == "exact on the grid of 5 given cells"


def test_of_one_cause_alone_the_incidence_is_one_minus_kaplan_meier(pair):
    sites, left, _ = pair
    frames = {name: site.data.frame for name, site in sites._sites.items()}
    alone = {name: f.assign(cause=f["cause"].astype(str).replace("2", "0")) for name, f in frames.items()}
    alone = {name: f.assign(event=(f["cause"] == "1").astype(int)) for name, f in alone.items()}
    here = fs.InProcess(alone, policy=fs.DisclosurePolicy.none())
    found = fs.cumulative_incidence(here, f"Surv({left}, cause) ~ arm").tidy()
    curve = fs.kaplan_meier(here, f"Surv({left}, event) ~ arm").tidy()
    np.testing.assert_allclose(found["estimate"], 1 - curve["estimate"], rtol=1e-12, atol=1e-12)
    known = curve["std_error"].notna()  # of a curve that has come down to zero R gives none
    np.testing.assert_allclose(found["std_error"][known], curve["std_error"][known], rtol=1e-8, atol=1e-9)


def test_the_studies_are_as_far_from_their_days_as_the_benchmark_says():
    """Every line of the committed page about the lung study, and the first curve's of the other, made anew."""
    script = importlib.util.spec_from_file_location("grid_against_daily", "benchmarks/grid_against_daily.py")
    benchmark = importlib.util.module_from_spec(script)
    script.loader.exec_module(benchmark)
    study = fs.Study.load(Path("studies/lung"))
    page = Path("benchmarks/grid_against_daily.md").read_text(encoding="utf-8")
    found = list(benchmark.lines(study, study.curves[0], benchmark.rows_of(study)))
    assert len(found) == 8
    assert all(line.endswith("| yes |") and line in page for line in found), found
    assert "NO |" not in page
    cohort = nsclc_cohort.frames()
    assert f"## nsclc ({sum(map(len, cohort.values()))} patients" in page
    others = list(benchmark.lines(nsclc_cohort.study(), nsclc_cohort.study().curves[0], cohort))
    assert all(line in page for line in others), others
    assert not benchmark.within(2.0, 0.0, 1.0)
    assert benchmark.within(float("nan"), 3.0, float("nan"))
