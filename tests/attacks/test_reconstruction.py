"""Sums from which a row can be solved: two who left together, a refit without one patient, a coefficient.

C3.20 of the acceptance tests: each attack returns a true row with the gate off, and none with the gate on.
"""

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.condition import Condition
from fedstats.contract.design import Design
from fedstats.contract.disclosure import Refusal
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_shared_baseline import CoxCurvature, CoxRiskSets
from tests.attacks.targets import BOOK, LARGE, NONE, STRICT, TEACHING, N, ask, cohort, column, logistic

pytestmark = pytest.mark.acceptance(20)
i = np.arange(N)


# Two who leave together: a quadratic ---------------------------------------------------------------

STOLEN = ["age", "lab", "a"]


def model(grid):
    """A Cox model of three columns on a grid of the coordinator's choosing."""
    design = Design(tuple(column(name) for name in STOLEN))
    return CoxModel(None, "time", "y", design, (), "breslow", None, None, 0.0, None, grid)


def leavers(policy, grid, cell):
    """S0, S1 and S2 of those who leave in a cell, by three questions, or the rule that refused one.

    S2 comes from published 'hazards' that are +1 in the cell and -1 in the next.
    """
    frame, beta = cohort(y=1), (0.0,) * 3
    hazards = np.zeros(len(grid))
    hazards[cell], hazards[cell + 1] = 1.0, -1.0
    sets = ask(frame, CoxRiskSets(model(grid), beta), policy)
    squares = ask(frame, CoxCurvature(model(grid), beta, tuple(hazards), (0.0,) * len(grid)), policy)
    for answer in (sets, squares):
        if isinstance(answer, str):
            return answer
    return (
        sets["s0"][cell] - sets["s0"][cell + 1],
        sets["s1"][cell] - sets["s1"][cell + 1],
        full_matrix(squares["gram"]),
    )


def both_of_two(sums):
    """The two rows behind sums over two: with their mean m, S2 / 2 - m m' is d d', and the rows are m +- d."""
    n, total, squares = sums
    mean = total / n
    outer = squares / n - np.outer(mean, mean)
    first = int(np.argmax(np.diag(outer)))
    half = outer[first] / np.sqrt(outer[first, first])
    return {tuple(np.round(mean + sign * half, 6)) for sign in (1, -1)}


PAIRS = tuple(cohort()["time"][1::2])  # two leave in each cell
THIRTIES = tuple(cohort()["time"][29::30])  # thirty leave in each


def rows_of(cell, size):
    frame = cohort()[STOLEN].iloc[cell * size : (cell + 1) * size]
    return {tuple(np.round(row, 6)) for row in frame.to_numpy(dtype=float)}


@pytest.mark.parametrize("cell", [5, 40, 120])
def test_two_who_leave_together_are_solved_for_without_a_gate(cell):
    assert both_of_two(leavers(NONE, PAIRS, cell)) == rows_of(cell, 2)


@pytest.mark.parametrize("policy", [STRICT, TEACHING], ids=lambda p: p.name)
def test_two_who_leave_together_are_refused(policy):
    rules = {"leavers of a time cell", "effective sample size", "entry"}
    found = leavers(policy, PAIRS, 40)
    # the teaching profile asks for one leaver a cell, and the last risk set stops it
    assert found in rules


@pytest.mark.parametrize("policy", [NONE, STRICT], ids=lambda p: p.name)
def test_of_thirty_who_leave_together_no_row_is_solved_for(policy):
    n, total, squares = leavers(policy, THIRTIES, 3)
    assert n == pytest.approx(30)
    assert not both_of_two((n, total, squares)) & rows_of(3, 30)


# The same model without one patient ------------------------------------------------------------------

VICTIM, AGE = 123, 71.04
BETA = (0.1, 0.004, -0.002)


def marked():
    """The cohort with one patient of an age that nobody shares."""
    frame = cohort()
    frame.loc[VICTIM, "age"] = AGE
    return frame


def refit(policy, everyone, without, memory=None):
    """Row and outcome of the one by whom two subsets differ, from information and score away from zero."""
    site = Site("north", marked(), BOOK, policy, memory)
    question = logistic(column("age"), column("lab"), beta=BETA)
    answers = [site.remembered(site.answer(question.among(*where))).content for where in (everyone, without)]
    for answer in answers:
        if isinstance(answer, Refusal):
            return answer.rule
    whole, rest = (answer.values() for answer in answers)
    information = full_matrix(whole["information"] - rest["information"])
    score = whole["score"] - rest["score"]
    row = information[0] / information[0, 0]
    probability = 1 / (1 + np.exp(-(row @ np.array(BETA))))
    return (*row[1:], score[0] + probability)


def older_than(age):
    return (Condition("age", ">=", (age,)),)


ORDER = np.sort(marked()["age"])
NEXT = float(ORDER[np.searchsorted(ORDER, AGE) + 1])
REFITS = {
    "everyone, and everyone but one": ((), (Condition("age", "!=", (AGE,)),)),
    "two subsets that each leave out enough": (older_than(AGE), older_than(NEXT)),
}


@pytest.mark.parametrize("which", REFITS)
def test_a_refit_without_one_patient_returns_his_row_and_outcome_without_a_gate(which):
    truth = marked().loc[VICTIM, ["age", "lab", "y"]].to_numpy(dtype=float)
    assert refit(NONE, *REFITS[which]) == pytest.approx(truth, abs=1e-6)


@pytest.mark.parametrize("which", REFITS)
def test_a_refit_without_one_patient_is_refused_by_a_site_that_remembers(which, tmp_path):
    assert isinstance(refit(STRICT, *REFITS[which], Memory(tmp_path)), str)


def test_two_subsets_that_each_leave_out_enough_return_him_where_a_site_forgets():
    truth = marked().loc[VICTIM, ["age", "lab", "y"]].to_numpy(dtype=float)
    assert refit(STRICT, *REFITS["two subsets that each leave out enough"]) == pytest.approx(truth, abs=1e-6)


# An isolating coefficient inside a level ---------------------------------------------------------------


def oldest_of_a_level(policy):
    """A coefficient of age within a = 1 alone: those with a = 0 keep the effective size up."""
    frame = cohort()
    frame.loc[150, "age"] = 104.0
    frame["age"] -= frame["age"].max()
    terms = (column("aage", "a", "age"), column("alab", "a", "lab"), column("a"))
    answer = ask(frame, logistic(*terms, beta=(0.0, 1.0, 0.0, 0.0)), policy)
    if isinstance(answer, str):
        return answer
    information = full_matrix(answer["information"])
    return information[2, 3] / information[3, 3]


def test_inside_a_level_a_coefficient_isolates_one_patient_without_a_gate():
    assert oldest_of_a_level(NONE) == pytest.approx(cohort()["lab"][150], rel=1e-6)


def test_inside_a_level_an_isolating_coefficient_is_refused():
    assert oldest_of_a_level(LARGE) == "effective size of a level"
    assert oldest_of_a_level(STRICT) == "size of coefficients"


@pytest.mark.parametrize("beta", [(9.0, 9.0), (9.0, -9.0), (6.0, 6.0)])
def test_coefficients_that_isolate_together_are_refused_though_each_is_small_enough(beta):
    frame = cohort(a=(cohort()["age"] - 60) / 20, b=(cohort()["lab"] - 100) / 15)
    weight = np.exp(-np.abs(frame[["a", "b"]] @ beta - 30))
    assert weight.sum() ** 2 / (weight**2).sum() < 11
    question = logistic(column("a"), column("b"), beta=(-30.0, *beta))
    assert not isinstance(ask(frame, question, NONE), str)
    assert ask(frame, question, LARGE) == "effective sample size"


@pytest.mark.parametrize("seed", range(4))
def test_an_ordinary_fit_is_never_refused(seed):
    random = np.random.default_rng(seed)
    frame = cohort(age=random.normal(60, 8, N), y=random.integers(0, 2, N), ecog=random.integers(0, 3, N))
    for step in np.linspace(0, 1, 10):
        beta = step * np.array([0.2, 0.03, 0.4, 0.7])
        terms = (column("age", scale=8.0), column("e1", ("ecog", "1")), column("e2", ("ecog", "2")))
        assert not isinstance(ask(frame, logistic(*terms, beta=tuple(beta)), STRICT), str)
