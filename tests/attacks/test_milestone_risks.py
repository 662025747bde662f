"""Risks until a milestone: cells of a few by risk and time, and chances of not being censored that weigh a few alone."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.design import Design
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.milestone_risks import MilestoneCells, MilestoneErrors
from tests.attacks.targets import LARGE, NONE, STRICT, N, ask, cohort, column

GRID = (300.0, 600.0, 1000.0)
MODEL = CoxModel(None, "time", "y", Design((column("age"),)), (), "breslow", None, None, 0.0, None, GRID)
SLOPE = 0.05
#: The hazard by which the mean patient, of 60, has a risk of a half.
HAZARD = float(np.log(2.0) / np.exp(SLOPE * 60.0))


def cells(*inner, hazard=HAZARD, until=600.0, slope=SLOPE):
    return MilestoneCells(MODEL, (slope,), (hazard,), until, (0.0, *inner, 1.0))


def errors(*uncensored, until=600.0, slope=SLOPE):
    return MilestoneErrors(MODEL, (slope,), (HAZARD,), until, uncensored)


def test_ordinary_questions_are_answered():
    assert ask(cohort(), cells(0.5), STRICT)["n_risk"].sum() > N
    assert ask(cohort(), errors(1.0, 0.9, 0.8), STRICT)["rounded"][0] == N


def test_a_patient_who_moves_over_an_edge_tells_when_he_left():
    risk = np.sort(-np.expm1(-HAZARD * np.exp(SLOPE * cohort()["age"])))
    edges = [float(risk[k - 1 : k + 1].mean()) for k in (180, 181)]
    one, two = (ask(cohort(), cells(edge), NONE) for edge in edges)
    moved = two["n_risk"][0] - one["n_risk"][0]
    assert moved[0] == 1
    who = np.argsort(cohort()["age"].to_numpy())[180]
    assert moved.sum() == np.searchsorted((300.0,), cohort()["time"][who]) + 1
    assert ask(cohort(), cells(edges[0]), STRICT).startswith(
        "Predicted risks are counted between agreed edges"
    )


def test_cells_of_risk_and_time_hold_nobody_or_eleven():
    frame = cohort(
        time=lambda rows: np.where((rows["age"] > 60) & (rows.index % 30 > 0), 700.0, rows["time"])
    )
    told = ask(frame, cells(0.5), NONE)
    leaving = -np.diff(np.column_stack([told["n_risk"], told["n_beyond"]]), axis=1)
    assert 0 < leaving[1].min() < 11
    assert ask(frame, cells(0.5), STRICT) == "leavers of a time cell"


def test_the_risks_of_a_cell_are_not_those_of_one_patient():
    frame = cohort(age=np.where(np.arange(N) == 3, 66.0, np.where(np.arange(N) < 200, 0.0, 75.0)))
    question = cells(0.5, slope=0.3, hazard=float(np.log(2.0) / np.exp(0.3 * 68.0)))
    alone = -np.expm1(-np.log(2.0) * np.exp(-0.3 * 2.0))
    assert ask(frame, question, NONE)["expected"][0] == pytest.approx(alone, rel=1e-4)
    lax = replace(NONE, name="dominance alone", off=False, max_top_share=0.5)
    assert ask(frame, question, lax) == "dominance"
    assert isinstance(ask(frame, question, LARGE), str)


def few_in_the_last_cell():
    """Five patients leave in the second cell, of whom two have the event; the others are in the first or beyond."""
    time = np.where(np.arange(N) % 2, 200.0, 900.0)
    time[:5] = 500.0
    y = (np.arange(N) // 2) % 2
    return cohort(time=time, y=np.where(np.arange(N) < 5, np.arange(N) < 2, y))


def test_a_chance_near_nothing_weighs_the_events_of_one_cell_alone():
    frame = few_in_the_last_cell()
    only = replace(MODEL, grid=(300.0, 600.0))
    question = MilestoneErrors(only, (SLOPE,), (HAZARD,), 600.0, (1.0, 1e-7, 1e-7))
    lone = frame.assign(time=np.where(frame["time"] > 600, 250.0, frame["time"]))
    squares = ask(lone, question, NONE)["squares"][0] * 1e-7
    risks = -np.expm1(-HAZARD * np.exp(SLOPE * lone["age"][:2]))
    assert squares == pytest.approx(((1 - risks) ** 2).sum(), rel=1e-4)
    off = replace(STRICT, min_leavers=0)
    assert ask(lone, question, off) in ("effective sample size", "effective size of a level", "dominance")


def test_chances_that_rise_are_none():
    assert "fall, and lie above 0" in ask(cohort(), errors(0.5, 0.9, 0.8), NONE)
    assert "one a time cell" in ask(cohort(), errors(0.5, 0.4), NONE)


def test_a_milestone_is_an_edge_of_the_grid():
    assert "an edge of the grid" in ask(cohort(), cells(0.5, until=450.0), NONE)


def test_sums_leave_with_a_few_digits():
    question = errors(1.0, 0.9, 0.8)
    whole, told = (ask(cohort(), question, policy)["squares"] for policy in (NONE, STRICT))
    np.testing.assert_allclose(told, whole, rtol=1 / 4096)
    assert (told != whole).all()
