"""Sums of a model of levels alone are weighted counts of the cells of their joint table, and counts are whole numbers."""

from itertools import product

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.methods.cox_model import CoxMeat, CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from fedstats.numerics.families import LOGIT
from tests.attacks.targets import NONE, STRICT, TABLES, ask, cohort, column

pytestmark = pytest.mark.acceptance(20)
RULE = "joint cell of levels"
LEVELS = (column("a"), column("b"), column("w"), column("M", ("sex", "M")))
CELLS = np.array(list(product((0, 1), repeat=4)))
X = np.column_stack([np.ones(16), CELLS])


def four_levels(alone=1, **columns):
    """360 patients with four 0/1 levels; each pair is held by dozens, and all four by one patient (or ``alone``)."""
    random = np.random.default_rng(11)
    a, b, w, male = (random.permutation(np.arange(360) % 5 < k).astype(int) for k in (2, 2, 2, 3))
    every = np.flatnonzero(a & b & w & male)
    w[every[alone:]] = 0
    outcome = {"y": random.permutation(np.arange(360) % 2)}
    return cohort(a=a, b=b, w=w, sex=np.where(male, "M", "F"), **outcome | columns)


def cell_of(frame):
    """The cell of each patient, as the rows of ``CELLS``."""
    levels = np.column_stack([frame["a"], frame["b"], frame["w"], frame["sex"] == "M"]).astype(int)
    return levels @ [8, 4, 2, 1]


def logistic(*columns):
    return GlmModel("y", Design(columns or LEVELS, intercept=True), None, None, None)


def points_of_a_fit(frame, policy):
    """Newton's steps from zero as any fit takes them: what was asked and what was answered, or the rule that refused."""
    beta, seen = np.zeros(5), []
    for _ in range(4):
        answer = ask(frame, GlmDerivatives(logistic(), tuple(beta)), policy)
        if isinstance(answer, str):
            return answer
        seen.append((beta, answer))
        beta = beta + np.linalg.solve(full_matrix(answer["information"]), answer["score"])
    return seen


def of_pairs(weight):
    """Rows of the linear system for the cells: what one patient of each adds to a lower triangle."""
    lower = np.tril_indices(5)
    return (weight[:, None, None] * X[:, :, None] * X[:, None, :])[:, *lower].T


def table(frame, policy):
    """How many patients are in each cell, from the information at the points of one fit."""
    seen = points_of_a_fit(frame, policy)
    if isinstance(seen, str):
        return seen
    system = np.vstack([of_pairs(LOGIT.expected(X @ beta)) for beta, _ in seen])
    sums = np.concatenate([answer["information"] for _, answer in seen])
    return np.linalg.lstsq(system, sums, rcond=None)[0]


def test_one_fit_of_factors_tells_their_whole_joint_table_and_is_refused():
    frame = four_levels()
    true = np.bincount(cell_of(frame), minlength=16)
    assert true[15] == 1
    found = table(frame, TABLES)
    assert np.abs(found - np.rint(found)).max() < 0.01  # so that whole numbers leave no doubt
    assert np.rint(found).tolist() == true.tolist()
    assert table(frame, STRICT) == RULE


def test_the_rule_has_its_threshold_at_five_patients_who_share_all_levels():
    assert table(four_levels(alone=4), STRICT) == RULE
    assert np.rint(table(four_levels(alone=5), STRICT))[15] == 5
    assert not isinstance(table(four_levels(alone=0), STRICT), str)  # nobody is in the cell


def outcomes(frame, policy):
    """How many of each cell have the event, from squared scores at two points, once the table is known."""
    true = np.bincount(cell_of(frame), minlength=16)
    rows, sums = [], []
    for beta in ((0.3, 0.7, -0.5, 0.4, -0.9), (-0.4, 0.5, 0.8, -0.7, 0.6)):
        answer = ask(frame, GlmMeat(logistic(), beta), policy)
        if isinstance(answer, str):
            return answer
        mean = LOGIT.mean(X @ np.array(beta))
        rows.append(of_pairs(1 - 2 * mean))  # (y - mean)^2 = y (1 - 2 mean) + mean^2
        sums.append(answer["meat"] - of_pairs(mean**2) @ true)
    return np.linalg.lstsq(np.vstack(rows), np.concatenate(sums), rcond=None)[0]


def with_one_event_in_a_cell():
    frame = four_levels(alone=0)
    here = np.flatnonzero(cell_of(frame) == 14)
    frame.loc[here, "y"] = 0
    frame.loc[here[0], "y"] = 1
    return frame


def test_squared_scores_tell_the_outcomes_of_every_cell_and_are_refused_where_few_have_one():
    frame = with_one_event_in_a_cell()
    true = np.bincount(cell_of(frame), frame["y"], minlength=16)
    assert true[14] == 1
    assert np.rint(outcomes(frame, NONE)).tolist() == true.tolist()
    assert not isinstance(table(frame, STRICT), str)  # of the cells themselves nothing is small
    asked = GlmMeat(
        logistic(), (0.0,) * 5
    )  # elsewhere those of one predictor are few: of seven levels they are not told apart
    assert not isinstance(ask(frame, asked, TABLES), str)
    assert ask(frame, asked, STRICT) == RULE


def cox(strata=()):
    return CoxModel(None, "time", "y", Design(LEVELS), strata, "breslow", None, None, 0.0, None)


@pytest.mark.parametrize("strata", [(), ("practice",)])
def test_a_cox_model_of_levels_is_judged_as_well(strata):
    few, nobody = four_levels(), four_levels(alone=0)
    asked = CoxDerivatives(cox(strata), (0.0,) * 4)
    assert ask(few, asked, STRICT) == RULE
    assert not isinstance(ask(few, asked, TABLES), str)
    assert not isinstance(ask(nobody, asked, STRICT), str)


def test_squared_residuals_of_a_cox_model_are_judged_by_who_died():
    frame = with_one_event_in_a_cell()
    asked = CoxMeat(cox(), (0.0,) * 4)
    assert not isinstance(ask(frame, asked, TABLES), str)
    assert ask(frame, asked, STRICT) == RULE


def test_intercepts_of_practices_hide_nothing():
    model = GlmModel("y", Design(LEVELS), None, None, None, intercepts="practice")
    asked = GlmDerivatives(model, (0.0,) * 4)
    assert not isinstance(ask(four_levels(), asked, TABLES), str)
    assert ask(four_levels(), asked, STRICT) == RULE


def test_levels_behind_a_propensity_weight_are_levels_of_the_model():
    treated = Column("treated", (Part("sex", "M"),))
    behind = Design(LEVELS[:3], intercept=True)
    weight = PropensityWeight("ipw", "sex", "M", behind, (0.3, 0.0, 0.0, 0.0))
    model = GlmModel("y", Design((treated,), intercept=True), "ipw", None, None)
    asked = GlmDerivatives(model, (0.0, 0.0), made=(weight,))
    assert not isinstance(ask(four_levels(), asked, TABLES), str)
    assert ask(four_levels(), asked, STRICT) == RULE


@pytest.mark.parametrize("beta", [(0.0,) * 6, (0.1, 0.2, -0.3, 0.1, 0.2, 0.05), (0.0,) * 5 + (30.0,)])
def test_coefficients_make_no_difference(beta):
    asked = GlmDerivatives(logistic(*LEVELS, column("ecog", ("ecog", "2"))), beta)
    assert ask(four_levels(), asked, STRICT) == RULE


# Which numbers hide the table -----------------------------------------------------------------


def with_a_number(number, frame=None):
    """Strict's answer about the four levels and a number."""
    frame = (four_levels() if frame is None else frame).assign(age=number)
    asked = GlmDerivatives(logistic(*LEVELS, column("age", scale=10.0)), (0.0,) * 6)
    answer = ask(frame, asked, STRICT)
    assert not isinstance(ask(frame, asked, TABLES), str)
    return answer if isinstance(answer, str) else None


AGE = np.rint(np.clip(np.random.default_rng(5).normal(63, 9, 360), 40, 86))


def test_a_measurement_hides_the_table():
    assert with_a_number(AGE) is None


def test_a_number_of_few_values_is_a_level():
    assert with_a_number(50.0 + np.arange(360) % 4) == RULE


def test_a_number_that_most_patients_share_hides_nothing():
    assert with_a_number(np.where(np.arange(360) % 3 == 0, AGE, 60.0)) == RULE


def test_a_number_that_all_with_one_level_share_does_not_hide_these():
    frame = four_levels()
    assert with_a_number(np.where(frame["a"] == 1, 60.0, AGE), frame) == RULE
    assert with_a_number(np.where(frame["a"] == 0, 60.0, AGE), four_levels(alone=0)) is None


def test_a_number_that_follows_from_the_levels_hides_nothing():
    frame = four_levels()
    more = cell_of(frame) + 16 * frame["ecog"].astype(int)
    frame = frame.assign(age=40.0 + more)
    asked = GlmDerivatives(
        logistic(*LEVELS, column("1", ("ecog", "1")), column("2", ("ecog", "2")), column("age", scale=10.0)),
        (0.0,) * 8,
    )
    assert len(np.unique(frame["age"])) > 20
    assert not isinstance(ask(frame, asked, TABLES), str)
    assert ask(frame, asked, STRICT) == RULE


def test_a_number_within_one_level_alone_does_not_hide_the_others():
    asked = GlmDerivatives(logistic(*LEVELS, column("age in a", "age", "a", scale=10.0)), (0.0,) * 6)
    frame = four_levels(age=AGE)
    few = np.flatnonzero(cell_of(frame) == 7)  # with all but ``a``
    frame.loc[few[1:], "w"] = 0
    assert not isinstance(ask(frame, asked, TABLES), str)
    assert ask(frame, asked, STRICT) == RULE


# At slopes of zero ----------------------------------------------------------------------------


def sixteen_cells_at_slopes_of(slope, policy):
    """The table of four factors from a model of them and age, asked at one slope of age; or the rule that refuses it."""
    frame = four_levels(age=AGE)
    model = logistic(*LEVELS, column("age", scale=10.0))
    points = [beta for beta, _ in points_of_a_fit(frame, TABLES)]
    answers = [ask(frame, GlmDerivatives(model, (*beta, slope)), policy) for beta in points]
    if RULE in answers:
        return RULE
    system = np.vstack([of_pairs(LOGIT.expected(X @ beta)) for beta in points])
    sums = np.concatenate([answer["information"][:15] for answer in answers])  # age is the last column
    return np.rint(np.linalg.lstsq(system, sums, rcond=None)[0]).tolist()


def test_at_slopes_of_zero_a_number_hides_nothing_and_the_levels_are_judged():
    truth = np.bincount(cell_of(four_levels()), minlength=16).tolist()
    assert sixteen_cells_at_slopes_of(0.0, TABLES) == truth
    assert sixteen_cells_at_slopes_of(0.0, STRICT) == RULE
    assert sixteen_cells_at_slopes_of(1e-7, TABLES) == truth
    assert sixteen_cells_at_slopes_of(1e-7, STRICT) == RULE
    assert (
        sixteen_cells_at_slopes_of(0.3, TABLES) != truth
    )  # where age counts, these equations are not those of its sums


def test_two_numbers_that_cancel_hide_nothing_either():
    frame = four_levels(age=AGE, lab=AGE)
    model = logistic(*LEVELS, column("age", scale=10.0), column("lab", scale=10.0))
    beta = points_of_a_fit(frame, TABLES)[-1][0]
    assert not isinstance(ask(frame, GlmDerivatives(model, (*beta, 0.3, -0.3)), TABLES), str)
    assert ask(frame, GlmDerivatives(model, (*beta, 0.3, -0.3)), STRICT) == RULE


@pytest.mark.parametrize("what", ["weights", "offset"])
def test_a_weight_or_an_offset_of_two_values_hides_nothing_either(what):
    """It is a level of its own."""
    frame = four_levels(age=AGE, ecog=1 + np.arange(360) % 2)
    design = Design((*LEVELS, column("age", scale=10.0)), intercept=True)
    model = GlmModel("y", design, *(("ecog", None) if what == "weights" else (None, "ecog")), None)
    beta = points_of_a_fit(four_levels(), TABLES)[-1][0]
    assert not isinstance(ask(frame, GlmDerivatives(model, (*beta, 0.0)), TABLES), str)
    assert ask(frame, GlmDerivatives(model, (*beta, 0.0)), STRICT) == RULE


def test_a_number_that_counts_in_one_level_alone_hides_the_others_nowhere():
    """With slopes of zero on age and not on age in men, the table of the women is one of levels alone."""
    frame = four_levels(age=AGE)
    in_men = Column("age in men", (Part("age"), Part("sex", "M")), scale=10.0)
    model = logistic(*LEVELS, column("age", scale=10.0), in_men)
    frame.loc[np.flatnonzero(cell_of(frame) == 14)[1:], "a"] = 0  # of a, b and w together one woman is left
    beta = points_of_a_fit(four_levels(), TABLES)[-1][0]
    assert not isinstance(ask(frame, GlmDerivatives(model, (*beta, 0.0, 0.01)), TABLES), str)
    assert ask(frame, GlmDerivatives(model, (*beta, 0.0, 0.01)), STRICT) == RULE


def test_a_penalised_fit_passes_where_the_levels_that_weigh_have_enough_patients():
    """A strong lasso has one factor alone; every fit starts where nothing weighs."""
    frame = four_levels(age=AGE)
    model = logistic(*LEVELS, column("age", scale=10.0))
    for beta in ((0.0,) * 6, (-0.4, 0.0, 0.7, 0.0, 0.0, 0.0)):
        assert not isinstance(ask(frame, GlmDerivatives(model, beta), STRICT), str)
