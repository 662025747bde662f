"""Columns that a question sets for all patients: what is left of a sum where all others count for nothing is one patient's."""

import numpy as np
import pytest

from fedstats.federations.site import Site
from fedstats.methods.standardisation import MarginalSlopes, StandardisedMeans
from tests.attacks.targets import BOOK, LARGE, NONE, STRICT, ask, cohort, column, logistic

FRAME = cohort()
LAB = FRAME["lab"].to_numpy()
LOWEST = FRAME["age"][LAB.argmin()]


def set_to(policy, values, *columns, beta):
    """The mean age, weighted by the slopes of fitted values at the last value of b."""
    model = logistic(column("age"), *columns).model
    answer = ask(FRAME, StandardisedMeans(model, beta, "b", values), policy)
    return answer if isinstance(answer, str) else answer["slope"][-1, 1] / answer["slope"][-1, 0]


def far_out(policy):
    """A value so far out that all fitted values are one but for the lowest lab value's."""
    return set_to(
        policy, (9.0 * (100.0 - LAB.min()),), column("lab"), column("b"), beta=(-900.0, 0.0, 9.0, 1.0)
    )


def multiplied(policy):
    """A value that makes a coefficient of 0.02 one of 20, in a product of two numbers."""
    middle = 20.0 * LAB.min()
    return set_to(policy, (1000.0,), column("lb", "lab", "b"), beta=(-middle, 0.0, 0.02))


def steep(policy):
    """The slope of a fitted value itself, at a coefficient of 20."""
    model = logistic(column("age"), column("lab")).model
    answer = ask(FRAME, MarginalSlopes(model, (-20.0 * LAB.min(), 0.0, 20.0), "age"), policy)
    return answer if isinstance(answer, str) else LOWEST * answer["slope"][1] / (0.25 * 1.0)


ATTACKS = {
    far_out: {"effective sample size"},
    multiplied: {"effective sample size", "size of coefficients"},
    steep: {"effective sample size", "size of coefficients"},
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_one_patients_age_is_left_without_a_gate(attack):
    assert attack(NONE) == pytest.approx(LOWEST, abs=0.05)  # nobody else is nearer than 0.11 years


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_sum_of_one_patient_is_refused(attack):
    assert attack(LARGE) in ATTACKS[attack]


@pytest.mark.parametrize(("value", "leaves"), [(5.0, True), (5.1, False), (-5.1, False)])
def test_the_cap_on_coefficients_counts_what_a_value_makes_of_them(value, leaves):
    found = set_to(STRICT, (0.0, value), column("ab", "a", "b"), beta=(0.0, 0.0, 1.0))
    assert isinstance(found, str) is not leaves
    assert leaves or found == "size of coefficients"


def test_every_value_of_a_question_is_judged():
    columns, beta = (column("lab"), column("b")), (-20.0, 0.0, 0.2, 1.0)
    assert not isinstance(set_to(STRICT, (0.0, 1.0), *columns, beta=beta), str)
    for values in ((0.0, 40.0), (40.0, 0.0)):
        assert set_to(STRICT, values, *columns, beta=beta) == "effective sample size"


@pytest.mark.parametrize("values", [(), tuple(float(v) for v in range(41))], ids=len)
def test_values_are_some_and_not_too_many(values):
    assert "at most 40" in ask(
        FRAME, StandardisedMeans(logistic(column("b")).model, (0.0, 0.0), "b", values), NONE
    )


@pytest.mark.parametrize("kind", [MarginalSlopes, StandardisedMeans])
@pytest.mark.parametrize("name", ["lab", "practice", "y", "nowhere"])
def test_a_column_that_is_not_the_models_is_not_set(kind, name):
    model = logistic(column("b")).model
    question = kind(model, (0.0, 0.0), name, *([(0.0,)] if kind is StandardisedMeans else []))
    assert "no column of the model" in ask(FRAME, question, NONE)


def test_rows_are_not_changed():
    site = Site("north", FRAME, BOOK, NONE)
    setting = StandardisedMeans(logistic(column("b")).model, (0.0, 0.1), "b", (7.0,))
    slope = MarginalSlopes(setting.model, setting.beta, "b")
    answers = [site.answer(question).content.values() for question in (setting, slope, setting, slope)]
    np.testing.assert_equal(answers[2:], answers[:2])
    assert answers[1]["slope"][1] == ask(FRAME, slope, NONE)["slope"][1]
