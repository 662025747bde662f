"""Cells of a predicted risk, whose coefficients and edges whoever asks may choose: each would give one patient's outcome, or his risk."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

import fedstats as fs
from fedstats.contract.refusal import Refusal
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.predicted_risks import RiskCells, SquaredErrors
from tests.attacks.targets import BOOK, LARGE, NONE, STRICT, N, ask, cohort, column, logistic

AGES = cohort()["age"].to_numpy()
ORDER = np.argsort(AGES)
#: From the youngest to the oldest risks go from 0.1 to 0.9.
SLOPE = (logit(0.9) - logit(0.1)) / (AGES.max() - AGES.min())
START = logit(0.1) - SLOPE * AGES.min()
RISKS = expit(START + SLOPE * AGES)
MODEL = logistic(column("age")).model


def cells(*inner, shift=0.0):
    return RiskCells(MODEL, (START + shift, SLOPE), (0.0, *inner, 1.0))


def between_two_edges(policy, memory=None):
    """The outcome of the patient in the middle, from edges on both sides of him."""
    risk = np.sort(RISKS)[N // 2 - 1 : N // 2 + 2]
    return difference(
        policy, *(cells(float(edge)) for edge in (risk[:2].mean(), risk[1:].mean())), memory=memory
    )


def moved_over_an_edge(policy, memory=None):
    """The same from one agreed edge and two intercepts."""
    eta = logit(np.sort(RISKS)[N // 2 - 1 : N // 2 + 2])
    shifts = [-float(gap.mean()) for gap in (eta[:2], eta[1:])]
    return difference(policy, *(cells(0.5, shift=shift) for shift in shifts), memory=memory)


def difference(policy, *questions, memory):
    site = Site("here", cohort(), BOOK, policy, memory)
    found = []
    for question in questions:
        content = (
            site.answer(question).content
            if memory is None
            else site.remembered(site.answer(question)).content
        )
        if isinstance(content, Refusal):
            return content.rule
        found.append(content.values())
    n, events = (found[1][name][0] - found[0][name][0] for name in ("n", "n_event"))
    assert n == 1
    return int(events)


def outcome():
    return int(cohort()["y"].iloc[ORDER[N // 2]])


@pytest.mark.parametrize("attack", [between_two_edges, moved_over_an_edge])
def test_cells_that_differ_by_one_patient_tell_his_outcome_without_a_gate(attack):
    assert attack(NONE) == outcome()


def test_a_gate_answers_agreed_edges_alone():
    assert between_two_edges(STRICT).startswith("Predicted risks are counted between agreed edges")
    assert isinstance(ask(cohort(), cells(0.3, 0.5), STRICT), dict)


def test_a_memory_lays_cells_beside_each_other(tmp_path):
    off = replace(STRICT, min_pair=0)
    assert moved_over_an_edge(off, Memory(tmp_path / "off")) == outcome()
    assert moved_over_an_edge(STRICT, Memory(tmp_path / "on")) == "pair of levels"


def test_a_cell_of_a_few_is_not_shown():
    few = float(np.sort(RISKS)[5])
    assert ask(cohort(), cells(few), NONE)["n"][0] == 6
    assert ask(cohort(), RiskCells(MODEL, (START - 1.0, SLOPE), (0.0, 0.05, 1.0)), STRICT) == "entry"


def test_nor_one_with_few_without_the_event():
    frame = cohort(
        y=lambda rows: np.where(rows["age"] > np.sort(AGES)[-60], np.arange(N) % 12 != 0, np.arange(N) % 2)
    )
    question = cells(0.8)
    answer = ask(frame, question, NONE)
    assert 0 < answer["n"][1] - answer["n_event"][1] < 11
    assert ask(frame, question, STRICT) == "level by outcome"


def test_the_risks_of_a_cell_are_not_those_of_one_patient():
    """Coefficients that leave all but one of a cell near zero: what the cell adds up to is his risk."""
    frame = cohort(lab=np.where(np.arange(N) < 200, 0.0, 9.0) + np.where(np.arange(N) == 3, 5.0, 0.0))
    question = RiskCells(logistic(column("lab")).model, (-20.0, 3.3), (0.0, 0.5, 1.0))
    alone = expit(-20.0 + 3.3 * 5.0)
    assert ask(frame, question, NONE)["expected"][0] == pytest.approx(alone, rel=1e-4)
    assert ask(frame, question, LARGE) in (
        "dominance",
        "level",
        "effective sample size",
        "patients of one predictor",
    )
    lax = replace(fs.DisclosurePolicy.none(), name="dominance alone", off=False, max_top_share=0.5)
    assert ask(frame, question, lax) == "dominance"


def test_sums_of_risks_and_of_errors_leave_with_a_few_digits():
    whole, told = (ask(cohort(), cells(0.5), policy)["expected"] for policy in (NONE, STRICT))
    assert (told % 2.0**-4 == 0).all()
    assert not (whole % 2.0**-4 == 0).any()
    np.testing.assert_allclose(told, whole, atol=N / 1000)
    errors = SquaredErrors(MODEL, (START, SLOPE))
    whole, told = (ask(cohort(), errors, policy) for policy in (NONE, STRICT))
    np.testing.assert_allclose(told["squares"], whole["squares"], rtol=1 / 4096)
    assert (told["squares"] != whole["squares"]).all()
