"""Robust variances: squared residuals multiply two columns with the outcome, and with what the coefficients choose."""

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.design import Design
from fedstats.methods.cox_model import CoxMeat, CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from tests.attacks.targets import NONE, STRICT, ask, cohort, column

pytestmark = pytest.mark.acceptance(20)
FAMILIES = {"poisson": "log", "gaussian": "identity", "binomial": "logit"}


def model(family, *columns, outcome="y"):
    return GlmModel(
        outcome, Design(tuple(columns), intercept=True), None, None, None, family, FAMILIES[family]
    )


def pair_with_the_event(policy, family):
    """Two columns times the outcome: at coefficients of zero a squared residual is it, or what is left of one."""
    frame = cohort()
    both = frame.index[(frame["a"] == 1) & (frame["b"] == 1)]
    frame.loc[both, "y"] = 0
    frame.loc[both[0], "y"] = 1
    asked, beta = model(family, column("a"), column("b")), (0.0, 0.0, 0.0)
    assert not isinstance(ask(frame, GlmDerivatives(asked, beta), STRICT), str)
    answer = ask(frame, GlmMeat(asked, beta), policy)
    if isinstance(answer, str):
        return answer
    here = full_matrix(answer["meat"])[1, 2]
    return here if family == "gaussian" else len(both) - here


@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_whatever_the_family_a_pair_of_levels_by_a_0_1_outcome_is_counted_without_a_gate_and_refused(family):
    assert pair_with_the_event(NONE, family) == pytest.approx(1, abs=1e-9)
    assert pair_with_the_event(STRICT, family) == "pair of levels"


def level_with_the_event(policy, family):
    """The score's sum of the outcome over those with a level."""
    frame = cohort()
    hers = frame.index[frame["a"] == 1]
    frame.loc[hers, "y"] = 0
    frame.loc[hers[:6], "y"] = 1
    answer = ask(frame, GlmDerivatives(model(family, column("a")), (0.0, 0.0)), policy)
    if isinstance(answer, str):
        return answer
    expected = {"poisson": 1.0, "gaussian": 0.0, "binomial": 0.5}[family]
    return answer["score"][1] + expected * len(hers)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_level_by_a_0_1_outcome_is_judged_the_same_in_every_family(family):
    assert level_with_the_event(NONE, family) == pytest.approx(6, abs=1e-9)
    assert level_with_the_event(STRICT, family) == "level by outcome"


def test_an_outcome_of_two_other_values_is_judged_as_one_of_0_and_1():
    frame = cohort()
    hers = frame.index[frame["a"] == 1]
    frame = frame.assign(w=np.where(frame["y"] == 1, 2.0, 1.0))
    frame.loc[hers, "w"] = np.where(np.arange(len(hers)) < 6, 2.0, 1.0)
    asked = GlmDerivatives(model("gaussian", column("a"), outcome="w"), (0.0, 0.0))
    assert ask(frame, asked, STRICT) == "level by outcome"


def measurements_of_a_pair(policy, lab):
    """Of a measured outcome the sum of squares over those with two levels; the sum is that of a second answer."""
    frame = cohort()
    both = np.flatnonzero((frame["a"] == 1) & (frame["b"] == 1))
    frame.loc[both[len(lab) :], "b"] = 0
    frame.loc[both[: len(lab)], "lab"] = lab
    asked = model("gaussian", column("a"), column("b"), outcome="lab")
    assert not isinstance(ask(frame, GlmDerivatives(asked, (0.0, 0.0, 0.0)), STRICT), str)
    found = []
    for intercept in (0.0, 100.0):
        answer = ask(frame, GlmMeat(asked, (intercept, 0.0, 0.0)), policy)
        if isinstance(answer, str):
            return answer
        found.append(full_matrix(answer["meat"])[1, 2])
    squares = found[0]
    return (squares - found[1] + 1e4 * len(lab)) / 200, squares


def test_six_patients_with_two_levels_are_summed_without_a_gate_and_refused():
    six = np.array([90.0, 101.5, 97.0, 120.25, 88.0, 104.5])
    found = measurements_of_a_pair(NONE, six)
    assert found == (pytest.approx(six.sum(), abs=1e-6), pytest.approx((six**2).sum(), rel=1e-9))
    assert measurements_of_a_pair(STRICT, six) == "level"


def test_a_sum_of_squares_over_two_levels_that_is_one_patients_is_refused():
    forty = np.linspace(90, 110, 40)
    assert not isinstance(measurements_of_a_pair(STRICT, forty), str)
    forty[11] = 265.0
    sums, squares = measurements_of_a_pair(NONE, forty)
    assert 100 + np.sqrt(squares - 200 * sums + 4e5) == pytest.approx(265, abs=5)
    assert measurements_of_a_pair(STRICT, forty) == "dominance"


def three_levels_by_the_outcome(policy):
    """Of a linear model a squared residual of a 0/1 outcome holds the outcome times a third column."""
    frame = cohort()
    three = np.flatnonzero((frame["a"] == 1) & (frame["b"] == 1) & (frame["ecog"] == 1))
    frame.loc[three, "y"] = 0
    frame.loc[three[0], "y"] = 1
    asked = model("gaussian", column("a"), column("b"), column("e", ("ecog", "1")), column("age", scale=8.0))
    meats = []
    for size in (-1.0, 1.0):
        answer = ask(frame, GlmMeat(asked, (0.0, 0.0, 0.0, size, 0.5 * size)), policy)
        if isinstance(answer, str):
            return answer
        meats.append(full_matrix(answer["meat"])[1, 2])
    both = (frame["a"] == 1) & (frame["b"] == 1)
    ages = (frame["age"] / 8 * frame["y"])[
        both
    ].sum()  # of two levels by the outcome: for this a third answer
    return (meats[0] - meats[1]) / 4 - ages / 2


def test_three_levels_by_a_0_1_outcome_are_counted_by_a_linear_model_without_a_gate_and_refused():
    assert three_levels_by_the_outcome(NONE) == pytest.approx(1, abs=1e-9)
    assert three_levels_by_the_outcome(STRICT) == "pair of levels"


# A coefficient on a third level ----------------------------------------------------------------------------


def one_with_three_levels_and_the_event():
    """One of those with two levels by the outcome, of whom there are enough, has the third."""
    frame = cohort()
    pair = (frame["a"] == 1) & (frame["b"] == 1)
    three = np.flatnonzero(pair & (np.arange(len(frame)) % 3 > 0))
    third = np.where(pair, 0, np.arange(len(frame)) % 3 > 0).astype(int)
    third[three] = 1
    frame = frame.assign(w=third)
    frame.loc[three, "y"] = 0
    frame.loc[three[0], "y"] = 1
    return frame, int(pair.sum()), len(three)


def by_a_third_level(policy, family):
    frame, pair, three = one_with_three_levels_and_the_event()
    asked = model(family, column("a"), column("b"), column("w"), column("age", scale=8.0))
    slope = 2.0 if family == "binomial" else 1.0
    answer = ask(frame, GlmMeat(asked, (0.0, 0.0, 0.0, slope, 0.0)), policy)
    if isinstance(answer, str):
        return answer
    here, inverse = (
        full_matrix(answer["meat"])[1, 2],
        {"binomial": lambda e: 1 / (1 + np.exp(-e)), "poisson": np.exp},
    )
    mu = inverse[family](slope)
    if family == "binomial":  # without the third level a square is a quarter, whatever the outcome
        others = (pair - three) / 4
    else:  # of one without the event the square is that of the mean, 1; of one with it 0
        others = int(((frame["a"] == 1) & (frame["b"] == 1) & (frame["w"] == 0) & (frame["y"] == 0)).sum())
    return (here - others - three * mu**2) / ((1 - mu) ** 2 - mu**2)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_a_coefficient_on_a_third_level_counts_it_by_the_outcome_without_a_gate_and_is_refused(family):
    assert by_a_third_level(NONE, family) == pytest.approx(1, abs=1e-6)
    assert by_a_third_level(STRICT, family) == "patients of one predictor"


def test_the_same_coefficients_are_answered_of_derivatives():
    frame = one_with_three_levels_and_the_event()[0]
    asked = model("binomial", column("a"), column("b"), column("w"), column("age", scale=8.0))
    assert not isinstance(ask(frame, GlmDerivatives(asked, (0.0, 0.0, 0.0, 2.0, 0.0)), STRICT), str)
    assert not isinstance(ask(frame, GlmMeat(asked, (0.0, 0.1, 0.1, 0.2, 0.1)), STRICT), str)


def test_squared_residuals_of_a_cox_model_are_judged_by_a_third_level_and_the_event():
    frame = one_with_three_levels_and_the_event()[0]
    design = Design((column("a"), column("b"), column("w"), column("age", scale=8.0)))
    asked = CoxModel(None, "time", "y", design, (), "breslow", None, None, 0.0, None)
    assert not isinstance(ask(frame, CoxMeat(asked, (0.1, 0.1, 0.2, 0.1)), STRICT), str)
    assert not isinstance(ask(frame, CoxDerivatives(asked, (0.0, 0.0, 1.0, 0.0)), STRICT), str)
    assert ask(frame, CoxMeat(asked, (0.0, 0.0, 1.0, 0.0)), STRICT) == "patients of one predictor"


@pytest.mark.parametrize(("family", "outcome"), [("poisson", "y"), ("gaussian", "y"), ("gaussian", "lab")])
def test_ordinary_robust_variances_are_let_out(family, outcome):
    asked = model(family, column("a"), column("e", ("ecog", "1")), column("age", scale=8.0), outcome=outcome)
    beta = (0.0, 0.1, 0.1, 0.1)
    assert not isinstance(ask(cohort(), GlmMeat(asked, beta), STRICT), str)
