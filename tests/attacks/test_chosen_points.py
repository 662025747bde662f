"""Points, hazards and units that are the question's own: several answers put together, each of which looks at many patients."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import xlogy

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.few_predictors import DIGITS, in_groups, told_apart
from fedstats.contract.shapes import OtherUnit, Power
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods import glm_rows
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_shared_baseline import CoxCurvature, CoxRiskSets
from fedstats.methods.firth_correction import FirthCorrection
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from fedstats.methods.standardisation import StandardisedMeans
from tests.attacks.targets import BOOK, BOUNDED, LARGE, NONE, STRICT, TABLES, ask, cohort, column, logistic

pytestmark = pytest.mark.acceptance(20)
DAY = np.arange(360)


def weight(eta):
    return 1 / (1 + np.exp(-eta)) / (1 + np.exp(eta))


def test_refusals_here_are_not_those_of_ordinary_questions():
    frame = cohort()
    asked = logistic(column("a"), column("b"), column("age", scale=8.0), beta=(-0.5, 0.4, -0.3, 0.2))
    assert not isinstance(ask(frame, asked, STRICT), str)
    assert not isinstance(ask(frame, GlmMeat(asked.model, asked.beta), STRICT), str)
    two = GlmModel("y", Design((column("a"), column("b")), intercept=True), None, None, None)
    assert not isinstance(ask(frame, GlmDerivatives(two, (0.1, 0.4, -0.3)), STRICT), str)


# One of few linear predictors ------------------------------------------------------------------------------


def only_one_with_four_levels(policy, tilt=0.0, points=(-25.0, -22.5, -20.0), size=10.0):
    """Where three levels have the same large coefficient a weight depends on how many of them a patient has."""
    frame = cohort()
    three = (frame["a"] == 1) & (frame["b"] == 1) & (frame["ecog"] == 1)
    her = frame.index[three & (frame["sex"] == "M")][2]
    frame.loc[three, "sex"] = "F"
    frame.loc[her, "sex"] = "M"
    columns = [column("a"), column("b"), column("e", ("ecog", "1")), column("m", ("sex", "M")), column("lab")]
    rows = []
    for t in points:
        answer = ask(frame, logistic(*columns, beta=(t, size, size, size, 0.0, tilt)), policy)
        if isinstance(answer, str):
            return answer
        rows.append(full_matrix(answer["information"])[4])
    weights = np.array([[weight(t + size * k) for k in (3, 2, 1, 0)[: len(points)]] for t in points])
    found = np.linalg.solve(weights, np.array(rows))[0]
    return found[0], found[5] / found[0], frame.loc[her, "lab"]


def test_three_points_give_the_only_patient_with_four_levels_without_a_gate_and_are_refused():
    count, lab, truth = only_one_with_four_levels(NONE)
    assert (count, lab) == (pytest.approx(1, abs=1e-6), pytest.approx(truth, abs=1e-4))
    assert only_one_with_four_levels(LARGE) == "patients of one predictor"


def test_predictors_that_lie_far_apart_are_groups_though_no_two_are_the_same():
    assert only_one_with_four_levels(LARGE, tilt=1e-3) == "patients of one predictor"


def test_coefficients_of_ordinary_size_tell_groups_apart_as_well():
    four = {"tilt": 1e-9, "points": (-4.0, -2.0, -1.0, 0.5), "size": 1.5}
    count, lab, truth = only_one_with_four_levels(NONE, **four)
    assert (count, lab) == (pytest.approx(1, abs=1e-3), pytest.approx(truth, rel=1e-3))
    assert only_one_with_four_levels(STRICT, **four) == "patients of one predictor"


def levels_by_value(policy, slope=3.4, tilt=0.0):
    """Weights that fall by a factor larger than any count are digits: one sum holds how many of each value have a level."""
    value = np.where(DAY == 300, 9, DAY % 9)
    frame = cohort(w=value, a=np.where(DAY == 300, 1, (DAY // 2) % 2))
    question = logistic(column("w"), column("a"), column("age"), beta=(-9 * slope - 4.0, slope, 0.0, tilt))
    answer = ask(frame, question, policy)
    if isinstance(answer, str):
        return answer
    left, counts = full_matrix(answer["information"])[2, 2], []
    for k in range(9, -1, -1):
        one = weight(slope * (k - 9) - 4.0)
        counts.append(int(left / one + 1e-4))
        left -= counts[-1] * one
    return counts[::-1] == [int(((value == k) & (frame["a"] == 1)).sum()) for k in range(10)], counts[0]


@pytest.mark.parametrize(("slope", "tilt"), [(3.4, 0.0), (3.4, 1e-9), (0.3, 0.0), (0.3, 1e-6), (-0.05, 0.0)])
def test_one_point_tells_how_many_of_each_value_have_a_level_without_a_gate_and_is_refused(slope, tilt):
    assert levels_by_value(NONE) == (True, 1)
    steep = {"effective sample size", "size of coefficients"} if slope > 1 else set()
    assert levels_by_value(TABLES, slope, tilt) in {"patients of one predictor", *steep}
    loose = replace(
        LARGE,
        min_joint_cell=0,
        min_effective=0.0,
        min_effective_level=0.0,
        max_top_share=1.0,
        max_top_two_share=1.0,
    )
    assert levels_by_value(loose, slope, tilt) == "patients of one predictor"


def only_one_with_a_value(policy, offset=False):
    """Coefficients on a number alone, or an offset alone: six points tell the sums of everybody with each of its five values."""
    value = np.where(DAY == 111, 4, DAY % 4)
    frame = cohort(w=value)
    columns = [column("age", scale=8.0), column("lab", scale=15.0)]
    if not offset:
        columns.insert(0, column("w"))
    asked = logistic(*columns)
    model = replace(asked.model, offset="w" if offset else None)
    weights, rows = [], []
    for intercept, slope in ((-1, 0.5), (-2, 1.0), (1, -1.0), (0.0, 1.5), (-3, 2.0), (0, -0.7)):
        beta = (intercept, 0.0, 0.0) if offset else (intercept, slope, 0.0, 0.0)
        answer = ask(frame, replace(asked, model=model, beta=beta), policy)
        if isinstance(answer, str):
            return answer
        weights.append(weight(intercept + np.arange(5.0) * (1.0 if offset else slope)))
        rows.append(full_matrix(answer["information"])[0])
    found = np.linalg.lstsq(np.array(weights), np.array(rows), rcond=None)[0][4]
    return found[0], found[-2] / found[0] * 8, found[-1] / found[0] * 15, *frame.loc[111, ["age", "lab"]]


@pytest.mark.parametrize("offset", [False, True])
def test_a_number_alone_tells_the_only_patient_with_a_value_without_a_gate_and_is_refused(offset):
    count, age, lab, *truth = only_one_with_a_value(NONE, offset)
    assert count == pytest.approx(1, abs=1e-3)
    assert (age, lab) == (pytest.approx(truth[0], rel=1e-3), pytest.approx(truth[1], rel=1e-3))
    assert only_one_with_a_value(TABLES, offset) == "patients of one predictor"


def only_one_by_standardised_means(policy):
    """With the other columns' coefficients at zero, and the column that is set the same for all, one number is left to tell."""
    value = np.where(DAY == 111, 4, DAY % 4)
    frame = cohort(w=value)
    design = logistic(column("a"), column("w"), column("lab", scale=15.0)).model
    weights, rows = [], []
    for intercept, slope in ((-1, 0.5), (-2, 1.0), (1, -1.0), (0.0, 1.5), (-3, 2.0), (0, -0.7)):
        # a's own coefficient makes two groups of every value where it is not set, so that the plain point is refused for more
        beta = (intercept, 0.0, slope, 0.0)
        answer = ask(frame, StandardisedMeans(design, beta, "a", (0.0,)), policy)
        if isinstance(answer, str):
            return answer
        weights.append(weight(intercept + np.arange(5.0) * slope))
        rows.append(answer["slope"][0])
    found = np.linalg.lstsq(np.array(weights), np.array(rows), rcond=None)[0][4]
    return found[0], found[-1] / found[0] * 15, frame.loc[111, "lab"]


def test_standardised_means_tell_the_only_patient_with_a_value_without_a_gate_and_are_refused():
    count, lab, truth = only_one_by_standardised_means(NONE)
    assert (count, lab) == (pytest.approx(1, abs=1e-3), pytest.approx(truth, rel=1e-3))
    assert only_one_by_standardised_means(TABLES) == "patients of one predictor"


def test_who_is_alike_once_a_column_is_set_is_judged_where_nobody_is_alike_before():
    """The coefficient of the column that is set makes every predictor another one, and is gone when it is."""
    frame = cohort(w=np.where(DAY == 111, 4, DAY % 4))
    asked = logistic(
        column("age", scale=8.0), column("w"), column("lab", scale=15.0), beta=(-1.0, 0.7, 0.5, 0.0)
    )
    assert not isinstance(ask(frame, asked, STRICT), str)
    question = StandardisedMeans(asked.model, asked.beta, "age", (50.0, 70.0))
    assert ask(frame, question, STRICT) == "patients of one predictor"


def triple_at_three_points(policy):
    """Coefficients on one level, and the sums of two others in either half: everybody with all three."""
    frame = cohort()
    third = np.zeros(360, dtype=int)
    a, b = frame["a"], frame["b"]
    third[np.flatnonzero((a == 1) & (b == 1))[0]] = 1
    third[np.flatnonzero((a == 1) & (b == 0))[:40]] = 1
    third[np.flatnonzero((a == 0) & (b == 1))[:40]] = 1
    frame = frame.assign(w=third)
    weights, counts = [], []
    for intercept, slope in ((-1.0, 1.0), (0.5, -1.5), (1.0, 2.0)):
        asked = logistic(column("a"), column("b"), column("w"), column("age", scale=8.0))
        answer = ask(frame, replace(asked, beta=(intercept, 0.0, 0.0, slope, 0.0)), policy)
        if isinstance(answer, str):
            return answer
        weights.append(weight(intercept + np.arange(2.0) * slope))
        counts.append(full_matrix(answer["information"])[1, 2])
    return np.linalg.lstsq(np.array(weights), np.array(counts), rcond=None)[0][1]


def test_points_on_one_level_count_who_has_two_others_beside_it_without_a_gate_and_are_refused():
    assert triple_at_three_points(NONE) == pytest.approx(1, abs=1e-6)
    assert triple_at_three_points(STRICT) == "patients of one predictor"


@pytest.mark.parametrize("n", [300, 800])
@pytest.mark.parametrize("per_year", [0.005, 0.02, 0.04])
@pytest.mark.parametrize("years", [3, 7.01, 12])
def test_a_level_that_is_worth_some_years_of_age_makes_no_groups(n, per_year, years):
    """Patients a few years apart, with the level and without, share a predictor: too close to the others to be told apart."""
    random = np.random.default_rng(int(years))
    age, sex = np.round(random.normal(62, 10, n)), random.integers(0, 2, n)
    eta = per_year * (age - years * sex)
    assert in_groups(eta, sex[:, None].astype(float), np.ones(n, dtype=bool)) == ()


@pytest.mark.parametrize("groups", range(2, 13))
@pytest.mark.parametrize("step", [0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
def test_groups_are_told_apart_where_the_weights_at_many_points_have_digits_enough(groups, step):
    points, steps = np.linspace(-30, 30, 601), step * np.arange(groups)
    size = np.linalg.svd(weight(points[:, None] + steps), compute_uv=False)
    digits = np.log10(size[0] / size[-1])
    if abs(digits - DIGITS) > 1.5:
        assert told_apart(groups, steps[-1]) == (digits < DIGITS)


@pytest.mark.parametrize("seed", range(20))
def test_predictors_of_ordinary_columns_are_in_no_groups(seed):
    random = np.random.default_rng(seed)
    eta = (
        0.4 * random.normal(size=300) + 0.8 * (random.random(300) < 0.3) + 0.1 * random.exponential(size=300)
    )
    assert in_groups(eta, np.ones((300, 1)), np.ones(300, dtype=bool)) == ()


# Of a log link ---------------------------------------------------------------------------------------------


def pair_without_the_outcome(policy):
    """The curvature of a log-binomial model is a sum over those without the outcome."""
    frame = cohort()
    both = frame.index[(frame["a"] == 1) & (frame["b"] == 1)]
    frame.loc[both, "y"] = 1
    frame.loc[both[:3], "y"] = 0
    design = Design((column("a"), column("b")), intercept=True)
    model = GlmModel("y", design, None, None, None, "binomial", "log")
    answer = ask(frame, GlmDerivatives(model, (-1.0, 0.0, 0.0)), policy)
    odds = 1 / np.expm1(1.0)
    return answer if isinstance(answer, str) else full_matrix(answer["information"])[1, 2] / odds / (1 + odds)


def test_a_log_link_counts_a_pair_of_levels_without_the_outcome_without_a_gate_and_is_refused():
    assert pair_without_the_outcome(NONE) == pytest.approx(3, abs=1e-9)
    assert pair_without_the_outcome(BOUNDED) == "pair of levels"


# Squared scores --------------------------------------------------------------------------------------------


def pair_by_outcome(policy):
    """At an intercept of -20 a squared residual is the outcome."""
    frame = cohort()
    both = frame.index[(frame["a"] == 1) & (frame["b"] == 1)]
    frame.loc[both, "y"] = 0
    frame.loc[both[:3], "y"] = 1
    model = GlmModel("y", Design((column("a"), column("b")), intercept=True), None, None, None)
    answer = ask(frame, GlmMeat(model, (-20.0, 0.0, 0.0)), policy)
    return answer if isinstance(answer, str) else full_matrix(answer["meat"])[1, 2]


def test_squared_scores_count_a_pair_of_levels_by_the_outcome_without_a_gate_and_are_refused():
    assert pair_by_outcome(NONE) == pytest.approx(3, abs=1e-5)
    assert pair_by_outcome(STRICT) == "pair of levels"


def third_level():
    """A level that one of those with two others has, and that is common beside them."""
    frame = cohort()
    has = np.zeros(360, dtype=int)
    a, b = frame["a"], frame["b"]
    has[np.flatnonzero((a == 1) & (b == 1))[0]] = 1
    has[np.flatnonzero((a == 1) & (b == 0))[:40]] = 1
    has[np.flatnonzero((a == 0) & (b == 1))[:40]] = 1
    return frame.assign(w=has)


def triple_by_squares(policy, frame):
    """Of a linear model a squared residual is a square of the coefficients: its second difference multiplies a third column twice."""
    design = Design((column("a"), column("b"), column("w")), intercept=True)
    model, meats = GlmModel("lab", design, None, None, None, "gaussian", "identity"), []
    for point in (-1.0, 0.0, 1.0):
        answer = ask(frame, GlmMeat(model, (100.0, 0.0, 0.0, point)), policy)
        if isinstance(answer, str):
            return answer
        meats.append(full_matrix(answer["meat"])[1, 2])
    return (meats[0] - 2 * meats[1] + meats[2]) / 2


def test_squared_scores_of_a_measurement_count_three_levels_without_a_gate_and_are_refused():
    assert triple_by_squares(NONE, third_level()) == pytest.approx(1, abs=1e-6)
    assert triple_by_squares(STRICT, third_level()) == "pair of levels"


def test_squared_scores_are_answered_at_two_points_where_a_site_keeps_count(tmp_path):
    site = Site("north", cohort(), BOOK, STRICT, Memory(tmp_path))
    model = GlmModel("y", Design((column("a"), column("b")), intercept=True), None, None, None)
    rules = []
    for intercept in (0.0, 0.1, 0.2, 0.1):
        answer = site.remembered(site.answer(GlmMeat(model, (intercept, 0.0, 0.0))))
        rules.append(None if answer.released else answer.content.rule)
    assert rules == [None, None, "number of coefficients", None]
    assert site.answer(GlmDerivatives(model, (0.2, 0.0, 0.0))).released


# Units of the outcome, and other links ---------------------------------------------------------------------


def youngest_by_a_hinge(policy):
    """A Poisson deviance holds y log y of those above zero, and the question says where zero is."""
    frame = cohort(age=np.round(50 + DAY / 12))
    frame.loc[7, "age"] = 41.0
    model = GlmModel(
        "age", Design((column("a"),), intercept=True), None, None, None, "poisson", "log", 45.0, -1.0
    )
    answer = ask(frame, GlmDerivatives(model, (0.0, 0.0)), policy)
    if isinstance(answer, str):
        return answer
    n, total = answer["n"][0], answer["score"][0] + answer["n"][0]
    return answer["deviance"][0] / 2 + total - n


def test_a_count_with_a_zero_of_the_questions_own_gives_the_youngest_patient_and_is_refused(monkeypatch):
    assert "none of the codebook" in youngest_by_a_hinge(STRICT)
    monkeypatch.setattr(glm_rows, "_require_agreed_units", lambda *_: None)
    assert youngest_by_a_hinge(NONE) == pytest.approx(xlogy(4.0, 4.0), abs=1e-9)


def test_the_curvature_of_a_log_link_is_judged_beside_its_expectation():
    """1 - mu is squared in it: who is near a risk of one weighs much more there than in what is expected."""
    age = np.where(DAY % 2, -1.0, -0.5) - (DAY % 7) / 100
    age[4] = -0.02
    frame = cohort(age=age, y=np.where(DAY == 4, 0, DAY % 2))
    model = GlmModel(
        "y", Design((column("age"), column("lab")), intercept=True), None, None, None, "binomial", "log"
    )
    question = GlmDerivatives(model, (0.0, 1.0, 0.0))
    answer = ask(frame, question, NONE)
    mu = np.exp(-0.02)
    assert mu / (1 - mu) ** 2 > 0.75 * answer["information"][0]  # most of it is his
    weights = np.exp(age) / (1 - np.exp(age))
    assert weights.sum() ** 2 / (weights**2).sum() > 30  # and of what is expected it is not
    assert ask(frame, question, replace(BOUNDED, min_joint_cell=0)) == "effective sample size"


# Hazards, inverses and polynomials of the question's own ----------------------------------------------------

CELLS = (55.0, 500.0, 910.0)


def leaver_by_hazards(policy):
    """A little more hazard in one cell adds the squares of those who are at risk there: two such answers leave its leavers."""
    frame = cohort(age=np.where(DAY >= 200, 1.0, -1 - DAY / 1000))
    frame.loc[5, "age"] = 0.9
    design = Design((Column("1", ()), column("age"), column("lab")))
    model = CoxModel(None, "time", "y", design, (), "breslow", None, None, 0.0, None, CELLS)
    grams = []
    for hazards in ((1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.0, 2.0, 1.0)):
        answer = ask(frame, CoxCurvature(model, (0.0, 5.0, 0.0), hazards, (0.0,) * 3), policy)
        if isinstance(answer, str):
            return answer
        grams.append(full_matrix(answer["gram"]))
    left = grams[1] - grams[2]  # at risk in the first cell, and not in the second
    return left[0, 2] / left[0, 0], frame.loc[5, "lab"]


def test_hazards_that_differ_in_a_cell_give_its_heaviest_leaver_without_a_gate_and_are_refused():
    found, truth = leaver_by_hazards(NONE)
    assert found == pytest.approx(truth, rel=1e-3)
    assert leaver_by_hazards(LARGE) == "effective size of a level"


def age_of_a_leaver(policy):
    """Hazards in one cell and in the next: of those who leave in between, the only one with two levels, and her age."""
    pair = (DAY // 2) % 2 & (DAY // 4) % 2
    hers = np.flatnonzero((DAY >= 100) & (DAY < 180) & (pair == 1))
    frame = cohort(b=np.where(np.isin(DAY, hers[1:]), 0, (DAY // 4) % 2), age=40.0 + (7 * DAY) % 41)
    design = Design((column("a"), column("b"), column("ab", "a", "b"), column("aged", "a", "b", "age")))
    grid = (260.0, 460.0, 910.0)  # of 360 patients one leaves every 2.5 days: after 100, 180, all
    model = CoxModel(None, "time", "y", design, (), "breslow", None, None, 0.0, None, grid)
    grams = []
    for hazards in ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        answer = ask(frame, CoxCurvature(model, (0.0,) * 4, hazards, (0.0,) * 3), policy)
        if isinstance(answer, str):
            return answer
        grams.append(full_matrix(answer["gram"]))
    left = grams[0] - grams[1]
    return left[0, 1], left[2, 3] / left[0, 1], frame.loc[hers[0], "age"]


def test_of_the_leavers_of_a_cell_the_only_one_with_two_levels_is_told_without_a_gate_and_refused():
    count, age, truth = age_of_a_leaver(NONE)
    assert (count, age) == (pytest.approx(1, abs=1e-9), pytest.approx(truth, abs=1e-6))
    assert age_of_a_leaver(TABLES) == "pair of levels"


def only_leaver_with_a_value(policy):
    """Coefficients on a number of few values: in every time cell the sums of those who leave, by its value."""
    value = DAY % 4
    inside = np.flatnonzero((DAY >= 100) & (DAY < 180) & (value == 3))
    frame = cohort(w=np.where(np.isin(DAY, inside[1:]), 0, value))
    design = Design((column("w"), column("age", scale=8.0), column("lab", scale=15.0)))
    model = CoxModel(None, "time", "y", design, (), "breslow", None, None, 0.0, None, (260.0, 460.0, 910.0))
    risks, sums = [], []
    for slope in (-0.2, -0.1, 0.0, 0.1, 0.2):
        answer = ask(frame, CoxRiskSets(model, (slope, 0.0, 0.0)), policy)
        if isinstance(answer, str):
            return answer
        s0, s1 = answer["s0"], answer["s1"]
        risks.append(np.exp(slope * np.arange(4.0)))
        sums.append([s0[1] - s0[2], *(s1[1] - s1[2])[1:]])
    found = np.linalg.lstsq(np.array(risks), np.array(sums), rcond=None)[0][3]
    return found[0], found[1] * 8, found[2] * 15, *frame.loc[inside[0], ["age", "lab"]]


def test_of_the_leavers_of_a_cell_the_only_one_with_a_value_is_told_without_a_gate_and_refused():
    count, age, lab, *truth = only_leaver_with_a_value(NONE)
    assert count == pytest.approx(1, abs=1e-4)
    assert (age, lab) == (pytest.approx(truth[0], rel=1e-3), pytest.approx(truth[1], rel=1e-3))
    assert only_leaver_with_a_value(STRICT) == "patients of one predictor"


def only_death_without_a_level(policy):
    """Efron's ties send how many of a cell's deaths have a level; the others are the rest."""
    frame = cohort(
        y=np.where(DAY < 30, (DAY < 14).astype(int), DAY % 2),
        a=np.where(DAY < 18, DAY != 3, (DAY // 2) % 2).astype(int),
    )
    model = CoxModel(None, "time", "y", Design((column("a"),)), (), "efron", None, None, 0.0, None, CELLS[1:])
    model = replace(model, grid=(80.0, 910.0))
    answer = ask(frame, CoxRiskSets(model, (0.0,)), policy)
    return answer if isinstance(answer, str) else answer["t0"][0] - answer["t1"][0, 0]


def test_the_only_death_of_a_cell_without_a_level_is_counted_without_a_gate_and_refused():
    assert only_death_without_a_level(NONE) == pytest.approx(1, abs=1e-9)
    assert only_death_without_a_level(TABLES) == "pair of levels"


def test_who_weighs_is_judged_whatever_the_inverse_of_firths_penalty():
    """Leverages are linear in it: with an inverse that hides him the one who outweighs the others is judged all the same."""
    frame = cohort(age=np.where(DAY == 9, 0.0, -1 - (DAY % 50) / 50))
    model = GlmModel("y", Design((column("age"),), intercept=True), None, None, None)
    hiding = (0.0, 0.0, 1.0)  # the leverage is the square of age, which is zero for him
    assert ask(frame, FirthCorrection(model, (-8.0, 8.0), hiding), LARGE) == "effective sample size"


def lab_of_the_youngest(policy, product):
    """What two products that are large for one age alone, and hidden by a zero near it, tell of his laboratory value; and that value."""
    frame = cohort(age=np.where(DAY == 7, 38.0, 45.0 + (DAY % 35)))
    found = []
    for zero in (38.01, 38.02):
        design = Design((product(Part("age", None, OtherUnit(zero, 1.0))), column("lab")), intercept=True)
        answer = ask(frame, GlmDerivatives(GlmModel("y", design, None, None, None), (0.0, 0.0, 0.0)), policy)
        if isinstance(answer, str):
            return answer
        found.append(full_matrix(answer["information"])[1])
    row = found[0] - found[1]
    return row[2] / row[0], frame.loc[7, "lab"]


def youngest_by_polynomials(policy):
    """A polynomial that is large for one age alone is refused; times two numbers that differ a little, its tenth parts are not."""
    roots = 62 + 17 * np.cos((np.arange(16) + 0.5) * np.pi / 16)
    shape = [Part("age", None, OtherUnit(float(z), 17 / 2 ** (15 / 16))) for z in roots]
    return lab_of_the_youngest(policy, lambda near: Column("P", (*shape, near)))


def youngest_by_powers(policy, centres):
    """The same of two eighth powers: their product is large for one age alone, and hidden by a zero near it."""
    powers = [Part("age", None, Power(8, centre)) for centre in centres]
    return lab_of_the_youngest(policy, lambda near: Column("P", (*powers, near), scale=2.0**56))


def test_powers_from_chosen_centres_give_the_youngest_patient_without_a_gate_and_are_refused():
    """Of the agreed centre and of zero alone no such product can be made: every further centre is a piece of the question's own."""
    found, truth = youngest_by_powers(NONE, (51.0, 73.0))
    assert found == pytest.approx(truth, rel=0.02)
    off = replace(STRICT, max_top_share=1.0, max_top_two_share=1.0)
    assert youngest_by_powers(off, (51.0, 73.0)) == "agreed grid"
    centred = tuple(replace(v, centre=62.0) if v.name == "age" else v for v in BOOK.variables)
    frame = cohort(age=np.where(DAY == 7, 38.0, 45.0 + (DAY % 35)))

    def asked(*parts):
        question = logistic(Column("w", parts))
        return ask(frame, question, TABLES, replace(BOOK, variables=centred))

    square = Part("age", None, Power(2, 62.0))
    assert not isinstance(asked(square), str)
    assert asked(Part("age", None, Power(2, 61.0))) == "agreed grid"
    assert asked(square, Part("age", None, OtherUnit(38.01, 1.0))) == "agreed grid"


def test_two_polynomials_give_the_youngest_patient_without_a_gate_and_are_refused():
    found, truth = youngest_by_polynomials(NONE)
    assert found == pytest.approx(truth, rel=0.02)
    assert youngest_by_polynomials(replace(STRICT, max_top_share=1.0, max_top_two_share=1.0)) == "agreed grid"
    assert isinstance(youngest_by_polynomials(STRICT), str)
