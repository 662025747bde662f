"""The inverse information that Firth's penalty needs is a matrix of the question's own: what it could single out."""

import numpy as np
import pytest

from fedstats.contract.design import Design
from fedstats.methods.firth_correction import FirthCorrection
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.numerics.families import LOGIT
from tests.attacks.targets import NONE, STRICT, ask, cohort, column

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
    assert not isinstance(ask(frame, derivatives(asked), STRICT), str)  # pairs of levels are all there
    assert ask(frame, correction(asked, 1, 2, 0.01), STRICT) == "pair of levels"


def test_cubes_count_the_patients_with_each_of_four_values_and_are_refused():
    values = np.resize([0, 1, 2], 360)
    values[:3] = 3  # three patients
    frame = cohort(w=values)
    asked = model(column("w"))
    at_zero = [len(values), values.sum(), (values**2).sum()]
    cubes = product_of_three(frame, asked, 1, 1, 1)
    counts = np.linalg.solve(np.vander(np.arange(4.0), increasing=True).T, [*at_zero, cubes])
    assert counts[3] == pytest.approx(3, abs=1e-6)
    assert not isinstance(ask(frame, derivatives(asked), STRICT), str)
    assert ask(frame, correction(asked, 1, 1, 0.01), STRICT) == "level"


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
