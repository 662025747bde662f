"""The inverse information that Firth's penalty needs is a matrix of the question's own: what it could single out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fedstats.contract.design import Design
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.firth_correction import CoxFirthCorrection, FirthCorrection
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.numerics.families import LOGIT
from tests.attacks.targets import NONE, STRICT, TABLES, ask, cohort, column

pytestmark = pytest.mark.acceptance(20)
ETA = -1.0  # the predictor of everybody, where a patient's part is his leverage times a number that is known
PART = float((LOGIT.expected(np.array([ETA])) * LOGIT.tilt(np.array([ETA])) / 2)[0])


def model(*columns):
    return GlmModel("y", Design(tuple(columns), intercept=True), None, None, None)


def correction(model, i, j, size=1.0):
    """Ask with the inverse in which everybody's leverage is 1, and that of the product of columns i and j beside it."""
    p = len(model.design.names)
    inverse = np.zeros((p, p))
    inverse[0, 0] = 1.0
    inverse[i, j] += size / 2
    inverse[j, i] += size / 2
    lower = tuple(inverse[np.tril_indices(p)].tolist())
    return FirthCorrection(model, (ETA, *(0.0,) * (p - 1)), lower)


def product_of_three(frame, model, i, j, k):
    """Two answers, neither of which looks at few patients, and their difference."""
    with_it, without = (ask(frame, correction(model, i, j, size), NONE) for size in (0.01, 0.0))
    return (with_it["correction"][k] - without["correction"][k]) / PART / 0.01


def derivatives(model):
    return GlmDerivatives(model, (ETA, *(0.0,) * (len(model.design.names) - 1)))


def test_a_matrix_that_multiplies_two_levels_counts_the_one_patient_with_a_third_and_is_refused():
    frame = cohort()
    third = np.zeros(360, dtype=int)
    both = np.flatnonzero((frame["a"] == 1) & (frame["b"] == 1))
    third[both[0]] = 1  # alone among those with both, and ordinary beside them
    third[np.flatnonzero((frame["a"] == 1) & (frame["b"] == 0))[:40]] = 1
    third[np.flatnonzero((frame["a"] == 0) & (frame["b"] == 1))[:40]] = 1
    frame["w"] = third
    asked = model(column("a"), column("b"), column("w"))
    assert product_of_three(frame, asked, 1, 2, 3) == pytest.approx(1, abs=1e-9)
    assert not isinstance(ask(frame, derivatives(asked), TABLES), str)  # pairs of levels are all there
    assert ask(frame, correction(asked, 1, 2, 0.01), TABLES) == "pair of levels"


def test_cubes_count_the_patients_with_each_of_four_values_and_are_refused():
    values = np.resize([0, 1, 2], 360)
    values[:3] = 3  # three patients
    frame = cohort(w=values)
    asked = model(column("w"))
    at_zero = [len(values), values.sum(), (values**2).sum()]
    cubes = product_of_three(frame, asked, 1, 1, 1)
    counts = np.linalg.solve(np.vander(np.arange(4.0), increasing=True).T, [*at_zero, cubes])
    assert counts[3] == pytest.approx(3, abs=1e-6)
    assert not isinstance(ask(frame, derivatives(asked), TABLES), str)
    assert ask(frame, correction(asked, 1, 1, 0.01), TABLES) == "level"


def test_a_sum_of_cubes_that_is_one_patients_is_refused_where_the_squares_are_not():
    lab = np.random.default_rng(5).normal(0, 1, 360)
    lab[77] = 17.0
    frame = cohort(lab=lab)
    asked = model(column("lab"))
    cubes = product_of_three(frame, asked, 1, 1, 1)
    assert np.cbrt(cubes) == pytest.approx(17.0, rel=0.01)
    assert not isinstance(ask(frame, derivatives(asked), STRICT), str)
    assert ask(frame, correction(asked, 1, 1, 0.01), STRICT) == "dominance"


def test_leverages_that_look_at_twenty_patients_are_refused_where_the_derivatives_are_not():
    random = np.random.default_rng(5)
    frame = cohort(lab=np.where(np.arange(360) < 20, 5.0, 0.0) + random.normal(0, 0.1, 360))
    asked = model(column("lab"))
    assert not isinstance(ask(frame, derivatives(asked), STRICT), str)
    squares = FirthCorrection(asked, (ETA, 0.0), (0.0, 0.0, 1.0))
    assert ask(frame, squares, STRICT) == "effective sample size"


def test_an_ordinary_correction_is_let_out():
    frame = cohort()
    asked = model(column("age", scale=8.0), column("a"), column("lab", scale=16.0))
    inverse = np.diag([0.1, 0.01, 0.05, 0.01])[np.tril_indices(4)]
    question = FirthCorrection(asked, (-1.0, 0.1, 0.2, -0.1), tuple(inverse.tolist()))
    assert not isinstance(ask(frame, question, STRICT), str)


def only_one_with_a_fourth_level():
    """In threes every cell of the levels is large; of those with three of them one has the fourth."""
    levels = (np.arange(1600)[:, None] // 2 ** np.arange(4)) % 2
    three = np.flatnonzero(levels[:, :3].all(axis=1))
    levels[three, 3] = 0
    levels[three[1], 3] = 1
    base = pd.concat([cohort()] * 5, ignore_index=True).iloc[:1600]
    base["age"] = np.random.default_rng(3).permutation(40 + np.arange(1600) / 40)
    return base.assign(**{name: levels[:, j] for j, name in enumerate(("a", "b", "w", "lab"))}), len(three)


def by_a_fourth_level(policy, frame, three):
    """Corrections whose inverses differ by a product of two levels, at a coefficient on the fourth."""
    asked = model(column("a"), column("b"), column("w"), column("lab"), column("age", scale=8.0))
    parts = []
    for size in (0.0, 0.01):
        plain = correction(asked, 1, 2, size)
        answer = ask(frame, replace(plain, beta=(ETA, 0.0, 0.0, 0.0, 2.5, 0.0)), policy)
        if isinstance(answer, str):
            return answer
        parts.append(answer["correction"][3] / 0.01)
    eta = np.array([ETA + 2.5])
    other = float((LOGIT.expected(eta) * LOGIT.tilt(eta) / 2)[0])
    return (parts[1] - parts[0] - three * PART) / (other - PART)


def test_a_coefficient_on_a_fourth_level_counts_who_has_three_others_and_is_refused():
    frame, three = only_one_with_a_fourth_level()
    assert by_a_fourth_level(NONE, frame, three) == pytest.approx(1, abs=1e-6)
    assert by_a_fourth_level(STRICT, frame, three) == "patients of one predictor"


def test_a_fourth_level_is_judged_in_corrections_of_a_cox_model_too():
    frame, _ = only_one_with_a_fourth_level()
    frame["time"] = 1.0 + np.arange(1600)
    asked = cox(column("a"), column("b"), column("w"), column("lab"), column("age", scale=8.0))
    inverse = tuple(np.diag([0.01] * 5)[np.tril_indices(5)].tolist())
    assert not isinstance(ask(frame, CoxDerivatives(asked, (0.0, 0.0, 0.0, 1.5, 0.0)), STRICT), str)
    assert not isinstance(
        ask(frame, CoxFirthCorrection(asked, (0.0, 0.1, 0.1, 0.3, 0.1), inverse), STRICT), str
    )
    alike = CoxFirthCorrection(asked, (0.0, 0.0, 0.0, 1.5, 0.0), inverse)
    assert ask(frame, alike, STRICT) == "patients of one predictor"


# Cox models: third moments of risk sets ----------------------------------------------------------


def cox(*columns):
    return CoxModel(None, "time", "y", Design(tuple(columns)), (), "breslow", None, None, 0.0, None)


def cox_correction(model, i, j):
    """The slope of one entry of the information: of the sums of squares within risk sets, if i is j."""
    p = len(model.design.names)
    inverse = np.zeros((p, p))
    inverse[i, j] = inverse[j, i] = 1.0
    return CoxFirthCorrection(model, (0.0,) * p, tuple(inverse[np.tril_indices(p)].tolist()))


def one_death():
    """Everybody is at risk at the only death: the sums are central moments of the site's columns."""
    return cohort(y=(np.arange(360) == 0).astype(int), time=np.where(np.arange(360) == 0, 1.0, 2.0))


def third_moment(columns, i, j, k):
    """What a correction with one death holds: a central moment of three columns, over both orders of i and j."""
    a, b, c = (columns[:, m] - columns[:, m].mean() for m in (i, j, k))
    return (a * b * c).mean() / (2 if i == j else 1)


def test_third_moments_of_a_risk_set_are_what_leaves():
    frame = one_death()
    asked = cox(column("a"), column("b"), column("lab"))
    x = frame[["a", "b", "lab"]].to_numpy(dtype=float)
    for i, j, k in ((0, 1, 2), (0, 0, 2), (2, 2, 2), (1, 2, 1)):
        leaves = ask(frame, cox_correction(asked, i, j), NONE)["correction"][k]
        assert leaves == pytest.approx(third_moment(x, i, j, k), rel=1e-9, abs=1e-9)


def test_risk_sets_count_the_one_patient_who_has_three_levels_and_are_refused():
    frame = cohort()
    third = np.zeros(360, dtype=int)
    both = np.flatnonzero((frame["a"] == 1) & (frame["b"] == 1))
    third[both[0]] = 1
    third[np.flatnonzero((frame["a"] == 1) & (frame["b"] == 0))[:40]] = 1
    third[np.flatnonzero((frame["a"] == 0) & (frame["b"] == 1))[:40]] = 1
    frame["w"] = third
    asked = cox(column("a"), column("b"), column("w"))
    # with the events of one death everything is counts: means and pairs are known, so the third moment says who has all three
    alone = one_death().assign(w=third)
    abc = ask(alone, cox_correction(asked, 0, 1), NONE)["correction"][2]
    a, b, c = (alone[m].to_numpy(dtype=float) for m in "abw")
    known = sum((u * v).mean() * w.mean() for u, v, w in ((a, b, c), (a, c, b), (b, c, a)))
    assert 360 * (abc + known - 2 * a.mean() * b.mean() * c.mean()) == pytest.approx(1, abs=1e-6)
    assert not isinstance(ask(frame, CoxDerivatives(asked, (0.0,) * 3), TABLES), str)
    assert ask(frame, cox_correction(asked, 0, 1), TABLES) == "pair of levels"


def test_a_third_moment_that_is_one_patients_is_refused_where_the_derivatives_are_not():
    lab = np.random.default_rng(5).normal(0, 1, 360)
    lab[300] = 17.0
    asked = cox(column("lab"))
    cubes = 2 * 360 * ask(one_death().assign(lab=lab), cox_correction(asked, 0, 0), NONE)["correction"][0]
    assert np.cbrt(cubes) == pytest.approx(17.0, rel=0.02)
    frame, beside = cohort(lab=lab), cox(column("age", scale=8.0), column("lab"))
    assert not isinstance(ask(frame, CoxDerivatives(beside, (0.0, 0.0)), STRICT), str)
    hidden = CoxFirthCorrection(beside, (0.0, 0.0), (1.0, 0.0, 0.001))  # leverages are mostly those of age
    assert ask(frame, hidden, STRICT) == "dominance"


def test_leverages_in_risk_sets_that_look_at_twenty_patients_are_refused_where_the_derivatives_are_not():
    random = np.random.default_rng(5)
    far = np.isin(np.arange(360), np.arange(200, 220))
    frame = cohort(lab=np.where(far, 5.0, 0.0) + random.normal(0, 0.1, 360))
    asked = cox(column("lab"))
    assert not isinstance(ask(frame, CoxDerivatives(asked, (0.0,)), STRICT), str)
    assert ask(frame, cox_correction(asked, 0, 0), STRICT) == "effective sample size"


def test_an_ordinary_correction_of_a_cox_model_is_let_out():
    asked = cox(column("age", scale=8.0), column("a"), column("lab", scale=16.0))
    inverse = np.diag([0.01, 0.05, 0.01])[np.tril_indices(3)]
    question = CoxFirthCorrection(asked, (0.1, 0.2, -0.1), tuple(inverse.tolist()))
    assert not isinstance(ask(cohort(), question, STRICT), str)
