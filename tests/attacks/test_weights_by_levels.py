"""Weights by a propensity of levels alone have one value a cell of their joint table, and are added up with no number beside them."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Design, Part
from fedstats.contract.linear_predictor import Addend, LinearPredictor
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.cox_shared_baseline import CoxRiskSets
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.methods.risk_table import RiskTable
from fedstats.methods.weighted_arms import ArmSums
from tests.attacks.targets import STRICT, TABLES, ask, column

RULE = "joint cell of levels"
BEHIND = (column("a"), column("b"), column("w"), column("e1", ("ecog", "1")), column("e2", ("ecog", "2")))
#: Of each combination of a, b, w and ECOG status what it adds to a logit.
CELLS = np.array(
    [(1, a, b, w, e == 1, e == 2) for a, b, w, e in product((0, 1), (0, 1), range(3), (0, 1, 2))], dtype=float
)
MAN, AGE, LAB = column("M", ("sex", "M")), column("age", scale=10.0), Design((column("lab"),))
GRID = (300.0, 600.0, 920.0)


def patients(alone=20):
    """1,440 patients, of each of 72 combinations of four factors and sex twenty (of men with the last one ``alone``), half of them with the event."""
    i, random = np.arange(1440), np.random.default_rng(3)
    combination = i % 72
    levels = {
        "a": combination // 36,
        "b": combination // 18 % 2,
        "w": (combination // 6 % 3).astype(float),
        "ecog": combination // 2 % 3,
    }
    frame = pd.DataFrame(levels | {"sex": np.where(i % 2, "M", "F"), "y": i // 72 % 2})
    frame.loc[np.flatnonzero(combination == 71)[alone:], "w"] = 1.0
    age, lab, time = (random.permutation(i) / 1440 for _ in range(3))
    return frame.assign(
        time=10.0 + 900.0 * time, entry=0.0, age=40 + 40 * age, lab=80 + 40 * lab, practice="one"
    )


def cell_of(frame):
    """The combination of each patient, as the rows of ``CELLS``."""
    return (frame["a"] * 18 + frame["b"] * 9 + frame["w"] * 3 + frame["ecog"]).astype(int)


def recipe(gamma, columns=BEHIND, **options):
    return PropensityWeight(
        "ipw", "sex", "M", Design(columns, intercept=True), tuple(map(float, gamma)), **options
    )


ONE = recipe((0.3, 0.5, -0.4, 0.21, 0.13, -0.37))


def by_cell(asked, of_men, frame, policy):
    """How many men are in each combination, from sums of weights and of their squares for many recipes; or the rule that refused.

    A site with a memory answers eight recipes, whose equations a lattice would have to solve.
    """
    rows, sums = [], []
    for gamma in np.random.default_rng(2).normal(0.0, 0.5, (26, 6)).round(3):
        answer = ask(frame, asked.with_columns(recipe(gamma)), policy)
        if answer == RULE:
            return answer
        if isinstance(answer, str):
            continue  # where groups lie too far apart another rule sees them
        w = 1 + np.exp(-CELLS @ gamma)  # the ATE weight of a treated patient
        rows += [w, w**2]
        sums += of_men(answer)
    by = 1 / np.abs(rows).max(axis=1)  # equations of one size
    return np.linalg.lstsq(np.array(rows) * by[:, None], np.array(sums) * by, rcond=None)[0]


def in_all(frame, policy):
    asked = ArmSums("sex", "M", "ipw", LAB)
    return by_cell(asked, lambda a: [a["weight"][1], a["weight_squares"][1]], frame, policy)


def events_until_the_first_edge(frame, policy):
    asked = RiskTable(None, "time", "y", "sex", ("F", "M"), GRID, weights="ipw")
    return by_cell(asked, lambda a: [a["n_event"][1, 0], a["event_squares"][1, 0]], frame, policy)


def nothing(*_):
    return Evidence(RULE, np.zeros(1))


def test_sums_of_weights_tell_the_joint_table_of_their_factors_whatever_else_is_summed(monkeypatch):
    frame = patients(alone=1)
    true = np.bincount(cell_of(frame)[frame["sex"] == "M"], minlength=36)
    assert true[-1] == 1
    assert in_all(frame, TABLES) == pytest.approx(true, abs=0.1)
    assert in_all(frame, STRICT) == RULE
    monkeypatch.setattr("fedstats.contract.row_evidence.shared_behind", nothing)
    assert in_all(frame, STRICT) == pytest.approx(true, abs=0.1)  # the number beside them hides nothing


@pytest.mark.parametrize(("alone", "rule"), [(4, RULE), (5, None), (0, None)])
def test_nobody_or_five_patients_who_share_all_of_them_are_enough(alone, rule):
    answer = ask(patients(alone), ArmSums("sex", "M", "ipw", LAB).with_columns(ONE), STRICT)
    assert (answer if isinstance(answer, str) else None) == rule


def test_a_weighted_curve_tells_who_dies_in_each_cell_of_time_by_all_factors(monkeypatch):
    frame = patients()
    early = (frame["sex"] == "M") & (frame["y"] == 1) & (frame["time"] <= GRID[0])
    true = np.bincount(cell_of(frame)[early], minlength=36)
    assert (true == 1).sum() >= 3
    assert events_until_the_first_edge(frame, TABLES) == pytest.approx(true, abs=0.1)
    assert events_until_the_first_edge(frame, STRICT) == RULE
    monkeypatch.setattr("fedstats.methods.risk_table.joint_evidence", lambda *_: [])
    assert events_until_the_first_edge(frame, STRICT) == pytest.approx(true, abs=0.1)


def test_a_shared_baseline_with_such_weights_is_judged_by_who_leaves_in_a_cell_of_time():
    model = CoxModel(None, "time", "y", Design((MAN, AGE)), (), "breslow", "ipw", None, 0.0, None, GRID)
    asked = CoxRiskSets(model, (0.1, 0.2)).with_columns(ONE)
    assert not isinstance(ask(patients(), asked, TABLES), str)
    assert ask(patients(), asked, STRICT) == RULE


# Models ------------------------------------------------------------------------------------------------------

_BOTH = Design((MAN, AGE), intercept=True)
MODELS = {
    "logistic": GlmModel("y", _BOTH, "ipw", None, None),
    "linear": GlmModel("lab", _BOTH, "ipw", None, None, "gaussian", "identity"),
}


@pytest.mark.parametrize("beta", [(0.0, 0.0, 0.0), (0.1, 0.2, 0.3)], ids=["at zero", "beyond"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_number_in_the_weighted_model_hides_nothing_of_its_weights(model, beta):
    asked = GlmDerivatives(model, beta).with_columns(ONE)
    assert not isinstance(ask(patients(alone=1), asked, TABLES), str)
    assert ask(patients(alone=1), asked, STRICT) == RULE
    assert not isinstance(ask(patients(), asked, STRICT), str)


def test_weights_of_those_with_the_event_leave_added_up_and_are_judged():
    model = CoxModel(None, "time", "y", Design((MAN, AGE)), (), "breslow", "ipw", None, 0.0, None)
    asked = CoxDerivatives(model, (0.1, 0.3)).with_columns(ONE)
    frame = patients()
    assert not isinstance(ask(frame, asked, STRICT), str)
    here = np.flatnonzero((cell_of(frame) == 35) & (frame["sex"] == "M"))
    frame.loc[here, "y"] = (np.arange(20) == 0).astype(int)  # one of twenty
    assert not isinstance(ask(frame, asked, TABLES), str)
    assert ask(frame, asked, STRICT) == RULE


@pytest.mark.parametrize(("slope", "rule"), [(0.0, RULE), (1e-6, RULE), (0.4, None)])
def test_a_number_behind_the_weights_hides_them_where_it_weighs(slope, rule):
    weight = recipe((*ONE.gamma, slope), (*BEHIND, AGE))
    answer = ask(patients(alone=1), ArmSums("sex", "M", "ipw", LAB).with_columns(weight), STRICT)
    assert (answer if isinstance(answer, str) else None) == rule


# Linear predictors -------------------------------------------------------------------------------------------

SLOPES = {("a", None): 0.31, ("b", None): 0.17, ("w", None): 0.077, ("ecog", "1"): 0.023, ("ecog", "2"): 0.049, ("sex", "M"): 0.41}  # fmt: skip
SCORE = LinearPredictor("score", 0.0, tuple(Addend((Part(*part),), slope) for part, slope in SLOPES.items()))


@pytest.mark.parametrize("use", ["term", "offset"])
def test_a_predictor_of_levels_is_levels_although_it_has_many_values(use):
    """With no slope on age the sums are those of a model of levels alone."""
    term = use == "term"
    columns, slopes = ((column("score"), AGE), (1.0,)) if term else ((AGE,), ())
    model = GlmModel("y", Design(columns, intercept=True), None, None if term else "score", None)
    flat, steep = (GlmDerivatives(model, (0.2, *slopes, age)).with_columns(SCORE) for age in (0.0, 0.4))
    frame = patients(alone=1)
    assert not isinstance(ask(frame, flat, TABLES), str)
    assert ask(frame, flat, STRICT) == RULE
    assert not isinstance(ask(frame, steep, STRICT), str)
