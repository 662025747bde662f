"""Neighbouring risk sets differ by those who left: on distinct times by one patient, whose row it is."""

from dataclasses import replace

import numpy as np
import pytest

import fedstats as fs
from fedstats.contract.aggregate import Release
from fedstats.contract.agreement import codebook_of
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.variable import TimeGrid
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxMeat, CoxModel
from fedstats.methods.cox_shared_baseline import CoxCurvature, CoxRiskSets
from fedstats.methods.risk_table import RiskTable
from tests.attacks.targets import BOOK, NONE, STRICT, TEACHING, ask, cohort, column
from tests.datasets import lung as lung_data

ROW = ("age", "sex", "ph.ecog")
DAYS = tuple(np.unique(lung_data()["time"]).astype(float).tolist())
GRIDS = {"month": 365.25 / 12, "quarter": 365.25 / 4, "half-year": 365.25 / 2, "year": 365.25}


def edges(width, horizon=1022.0):
    return tuple(width * (i + 1) for i in range(int(np.ceil(horizon / width))))


def recovered(policy, grid):
    """Share of lung's 226 patients whose row and time are read off differences of S0 and S1; or the rule."""
    frame = lung_data()[["time", "status", *ROW]]
    design = Design(tuple(Column(name, (Part(name),)) for name in ROW))
    model = CoxModel(None, "time", "status", design, (), "breslow", None, None, 0.0, None, grid)
    site = Site("one", frame, codebook_of([frame]), policy)
    content = site.answer(CoxRiskSets(model, (0.0,) * 3)).content
    if not isinstance(content, Release):
        return content.rule
    sums = content.values()
    s0, s1 = np.append(sums["s0"], 0), np.vstack([sums["s1"], np.zeros(3)])
    rows = {tuple(row) for row in frame[["time", *ROW]].to_numpy(dtype=float)}
    alone = np.flatnonzero(np.diff(-s0) == 1)
    found = {(grid[j], *(s1[j] - s1[j + 1])) for j in alone}
    return len(found & rows) / len(frame)


def test_most_of_lungs_patients_are_read_off_distinct_times_without_a_gate():
    share = recovered(NONE, DAYS)
    assert share == pytest.approx(0.62, abs=0.02)


@pytest.mark.parametrize("policy", [TEACHING, STRICT], ids=lambda p: p.name)
@pytest.mark.parametrize("grid", [DAYS, *map(edges, GRIDS.values())], ids=["day", *GRIDS])
def test_with_a_gate_no_patient_is_read_off_on_any_grid(policy, grid):
    assert recovered(policy, grid) in (0.0, "leavers of a time cell", "entry", "effective sample size")


def test_some_grid_is_let_out_so_that_zero_means_something():
    assert recovered(STRICT, (365.0, 600.0)) == 0.0
    assert recovered(TEACHING, (180.0, 365.0, 600.0)) == 0.0


# curves ---------------------------------------------------------------------------------------


def curve(frame, grid, policy, group=None, levels=()):
    return ask(frame, RiskTable(None, "time", "y", group, levels, tuple(grid)), policy)


def test_the_tail_of_a_curve_is_one_patient_without_a_gate():
    frame = cohort()
    tail = curve(frame, sorted(frame["time"]), NONE)
    assert (tail["n_risk"][0, -1], tail["n_event"][0, -1]) == (1, frame["y"].iloc[-1])


@pytest.mark.parametrize(("width", "leaves"), [(2.5, False), (25.0, False), (27.5, True), (100.0, True)])
def test_a_curve_leaves_when_every_cell_has_eleven_leavers(width, leaves):
    frame = cohort()  # one patient leaves every 2.5 days
    grid = np.arange(10 + width - 2.5, 910, width)
    left = (frame["time"] > grid[-1]).sum()
    grid = grid if left >= 11 else grid[:-1]
    assert isinstance(curve(frame, grid, STRICT), str) is not leaves


def test_ten_beyond_the_grid_are_refused_and_eleven_leave():
    frame = cohort()
    last = np.sort(frame["time"])
    assert curve(frame, [300.0, last[-11]], STRICT) == "leavers of a time cell"
    assert not isinstance(curve(frame, [300.0, last[-12]], STRICT), str)


def test_a_group_of_ten_is_refused():
    frame = cohort(sex=np.where(np.arange(360) < 10, "M", "F"))
    assert isinstance(curve(frame, [300.0, 600.0], STRICT, "sex", ("F", "M")), str)


def test_one_event_in_a_cell_of_eleven_leavers_does_leave():
    # the protocol counts leavers: an event count of 1 is let out, and the report says so
    late = np.argsort(cohort()["time"].to_numpy())[-30:-14]
    frame = cohort(y=np.isin(np.arange(360), [3, *late]).astype(int))
    events = curve(frame, [300.0, 600.0, 910.0], STRICT)["n_event"][0]
    assert events[0] == 1
    assert events.sum() >= 11


@pytest.mark.parametrize("events", [1, 10, 350])
def test_a_curve_of_few_events_or_few_without_is_not_answered(events):
    """Their number is that of the outcome's level in a table, which would hide it; under ``none`` it leaves."""
    frame = cohort(y=(np.arange(360) < events).astype(int))
    whole = (300.0, 600.0, float(frame["time"].max()) + 1)
    assert curve(frame, whole, NONE)["n_event"].sum() == events
    assert curve(frame, whole, STRICT) == "level by outcome"


# what a crafted question gets past the gate -----------------------------------------------------

MODEL = CoxModel(
    None, "time", "y", Design((column("age"), column("lab"))), (), "breslow", None, None, 0.0, None
)
ZERO = (0.0, 0.0)
YEARS = (300.0, 600.0, 910.0)


def is_product_of(triangle, row):
    """Whether a released triangle is the outer product of a patient's row."""
    return np.allclose(triangle, np.outer(row, row)[np.tril_indices(2)], rtol=1e-9, atol=1e-6)


#: A grid on which every time is a cell of its own.
EVERY_TIME = tuple(cohort()["time"])


def leavers_of_one_time(policy, grid):
    """Published 'hazards' +1, -1 at neighbouring times: one question, one patient."""
    frame = cohort(y=1)
    hazards = np.zeros(360)
    hazards[40], hazards[41] = 1.0, -1.0
    question = CoxCurvature(replace(MODEL, grid=grid), ZERO, tuple(hazards), (0.0,) * 360)
    answer = ask(frame, question, policy)
    row = frame.loc[40, ["age", "lab"]].to_numpy(dtype=float)
    return answer if isinstance(answer, str) else is_product_of(answer["gram"], row)


def only_death_of_a_cell(policy):
    """A negative 'Efron piece' at the cell in which one patient died, on a grid that the gate accepts."""
    frame = cohort(y=((np.arange(360) > 130) | (np.arange(360) == 44)).astype(int))
    model = replace(MODEL, grid=YEARS)
    answer = ask(frame, CoxCurvature(model, ZERO, (0.0,) * 3, (-1.0, 0.0, 0.0)), policy)
    row = frame.loc[44, ["age", "lab"]].to_numpy(dtype=float)
    return answer if isinstance(answer, str) else is_product_of(answer["gram"], row)


def only_residual_of_a_cell(policy):
    """Published 'means' that blow the score residuals of one cell up: the death in it is all that is left."""
    frame = cohort(y=((np.arange(360) > 130) | (np.arange(360) == 44)).astype(int))
    model = replace(MODEL, grid=YEARS)
    sums = []
    for far in (0.0, 1.0):
        xbar = np.zeros((3, 2))
        xbar[0] = far
        hazards = np.concatenate([np.zeros(6), xbar.ravel(), np.zeros(12)])
        answer = ask(frame, CoxMeat(model, ZERO, tuple(hazards)), policy)
        if isinstance(answer, str):
            return answer
        sums.append(answer["meat"])
    change = sums[1] - sums[0]  # of (x - 1)(x - 1)' - x x' = 1 - 2 x on the diagonal
    row = frame.loc[44, ["age", "lab"]].to_numpy(dtype=float)
    return np.allclose((1 - change[[0, 2]]) / 2, row, atol=1e-6)


def risk_sets_of_one_time(policy, grid):
    """Risk sets at neighbouring event times, where enough are at risk at the last event."""
    frame = cohort(y=(np.arange(360) < 340).astype(int))
    answer = ask(frame, CoxRiskSets(replace(MODEL, grid=grid), ZERO), policy)
    row = frame.loc[40, ["age", "lab"]].to_numpy(dtype=float)
    return answer if isinstance(answer, str) else np.allclose(answer["s1"][40] - answer["s1"][41], row)


@pytest.mark.parametrize("attack", [leavers_of_one_time, risk_sets_of_one_time], ids=lambda f: f.__name__)
def test_a_row_is_read_off_a_cell_of_its_own_and_never_off_a_sites_own_event_times(attack):
    assert attack(NONE, EVERY_TIME) is True
    assert attack(STRICT, EVERY_TIME) in ("leavers of a time cell", "effective sample size")
    assert isinstance(attack(STRICT, ()), str)
    assert isinstance(attack(NONE, ()), str)  # no policy answers sums by cell where no cells are agreed


def entrant_of_a_cell(policy):
    """Nobody leaves in a cell and one enters: the risk sets around it differ by the entrant."""
    i = np.arange(360)
    frame = cohort(
        entry=np.where(i == 200, 305.0, 0.0), time=np.where(i < 60, 200.0, np.where(i < 180, 500.0, 700.0))
    )
    model = replace(MODEL, entry="entry", grid=(300.0, 400.0, 600.0, 910.0))
    answer = ask(frame, CoxRiskSets(model, ZERO), policy)
    if isinstance(answer, str):
        return answer
    leavers_before = frame.loc[i < 60, ["age", "lab"]].sum().to_numpy()
    everyone = frame[["age", "lab"]].sum().to_numpy()
    assert np.allclose(answer["s1"][0], everyone - frame.loc[200, ["age", "lab"]].to_numpy(dtype=float))
    entrant = answer["s1"][2] - answer["s1"][0] + leavers_before
    return np.allclose(entrant, frame.loc[200, ["age", "lab"]].to_numpy(dtype=float), atol=1e-6)


AGREED = replace(BOOK, grid=TimeGrid("days", (305.0, 610.0), 915.0))


def two_grids(policy, book=BOOK, memory=None):
    """The same edge half a week later: the two answers differ by whoever left in between."""
    frame = cohort()
    site = Site("north", frame, book, policy, memory)
    first, second = (
        site.answer(CoxRiskSets(replace(MODEL, grid=(edge, 880.0)), ZERO)).content for edge in (300.0, 302.5)
    )
    if not isinstance(first, Release):
        return first.rule
    first, second = first.values(), second.values()
    row = frame.loc[frame["time"] == 302.5, ["age", "lab"]].to_numpy()[0]
    return np.allclose(first["s1"][1] - second["s1"][1], row, atol=1e-6)


def test_only_the_codebooks_own_grids_are_answered():
    assert two_grids(NONE, AGREED) is True
    assert two_grids(STRICT, AGREED) == "agreed grid"
    for width in AGREED.grid.candidates:
        question = CoxRiskSets(replace(MODEL, grid=AGREED.grid.edges(width)), ZERO)
        assert not isinstance(ask(cohort(), question, STRICT, AGREED), str)


@pytest.mark.acceptance(28)
@pytest.mark.parametrize("by", ["1", "sex"])
def test_a_curve_has_no_step_finer_than_its_grid_and_none_of_a_few(by):
    frame = cohort()
    sites = fs.InProcess({"north": frame[::2], "south": frame[1::2]}, AGREED)
    curve = fs.kaplan_meier(sites, f"Surv(time, y) ~ {by}").tidy()
    agreed = {0.0, *AGREED.grid.edges(305.0)}
    assert set(curve["time"]) <= agreed
    at_risk = curve.loc[curve["time"] > 0, "n_risk"]
    assert ((at_risk == 0) | (at_risk >= 2 * STRICT.min_patients)).all()


@pytest.mark.acceptance(28)
def test_a_curve_whose_last_cells_hold_a_few_ends_before_them():
    late = cohort(time=np.where(np.arange(360) < 5, 800.0, 10.0 + np.arange(360) % 600))
    sites = fs.InProcess({"north": late}, AGREED)
    curve = fs.kaplan_meier(sites, "Surv(time, y) ~ 1")
    assert curve.tidy()["time"].max() < 800
    assert " up to " in curve.status
    open_gate = fs.InProcess({"north": late}, AGREED, policy=NONE)
    assert fs.kaplan_meier(open_gate, "Surv(time, y) ~ 1", grid=305.0).tidy()["n_risk"].min() == 5


@pytest.mark.parametrize("policy", [NONE, STRICT], ids=lambda p: p.name)
def test_where_the_codebook_has_no_grid_any_edges_are_answered_in_process_alone(policy, tmp_path):
    # a notebook that holds all the rows may choose its edges; a site of a study, which has a memory, needs a [grid]
    assert two_grids(policy) is True
    assert two_grids(STRICT, memory=Memory(tmp_path)) == "agreed grid"


ATTACKS = [entrant_of_a_cell, only_death_of_a_cell, only_residual_of_a_cell]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_crafted_question_about_risk_sets_reads_a_row_off_without_a_gate(attack):
    assert attack(NONE) is True


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_crafted_question_about_risk_sets_is_refused(attack):
    assert isinstance(attack(STRICT), str)
