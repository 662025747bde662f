"""A recipe of completed columns is whoever asks's own: each attack reads a patient whose cell was empty (or was not) without a defence, and none with it."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.condition import Condition
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.imputed_columns import ImputationStep, ImputedColumns
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from tests.attacks.targets import BOOK, NONE, STRICT, N, ask, cohort, column, logistic

i = np.arange(N)
ONE = 33
WHO = cohort()
AGE, LAB = WHO["age"][ONE], WHO["lab"][ONE]
OF_AGE = Design((Column("age", (Part("age"),), 60.0, 10.0),), intercept=True)


def recipe(slope, design=OF_AGE, intercept=100.0, spread=0.0, draws=1, copy=1):
    """Lab values as a straight line in age around 60, in tens of years."""
    step = ImputationStep("lab", design, ((intercept, slope),), spread)
    return ImputedColumns(("lab",), (step,), ("lab",), design.variables, draws, copy)


def without_lab(empty, **columns):
    """The cohort with some empty cells."""
    return cohort(lab=WHO["lab"].mask(empty), **columns)


def moved(frame, policy, question, entry, slopes=(0.0, 10.0)):
    """What another slope moves in one entry of the information: a sum of ages of those without a value, or a rule."""
    answers = [ask(frame, question.completed(recipe(slope)), policy) for slope in slopes]
    for answer in answers:
        if isinstance(answer, str):
            return answer
    told = [4 * full_matrix(answer["information"])[entry] for answer in answers]
    return told[1] - told[0]


def alone_in_a_level(policy):
    """Of seventy without a lab value one is a man: the product of lab and sex moves by his age alone."""
    empty = np.isin(i, [ONE, *range(60, 130)])
    men = np.where((i // 24) % 2 & ~empty | (i == ONE), "M", "F")
    frame = without_lab(empty, sex=men)
    question = logistic(column("lab"), column("M", ("sex", "M")), column("age"))
    found = moved(frame, policy, question, (1, 2))
    return found if isinstance(found, str) else 60 + found


def alone_without_a_value(policy):
    """One cell alone is empty: what is drawn for it follows from the recipe."""
    question = logistic(column("lab"), column("age"))
    found = moved(without_lab(i == ONE), policy, question, (0, 1))
    return found if isinstance(found, str) else 60 + found


def alone_in_a_subset(policy):
    """Of eighty without a value one is in the subset."""
    frame = without_lab(np.isin(i, [ONE, *range(200, 280)]))
    question = logistic(column("lab"), column("age"), where=(Condition("time", "<=", (10 + 2.5 * 150,)),))
    found = moved(frame, policy, question, (0, 1))
    return found if isinstance(found, str) else 60 + found


def alone_with_a_value(policy):
    """All men but one have an empty cell, which is filled in with zero: the men's sum is his value."""
    men = (i // 24) % 2 == 1
    frame = without_lab(men & (i != ONE))
    assert men[ONE]
    question = logistic(column("lab"), column("M", ("sex", "M")), column("age"))
    answer = ask(frame, question.completed(recipe(0.0, intercept=0.0)), policy)
    return answer if isinstance(answer, str) else 4 * full_matrix(answer["information"])[1, 2]


def the_oldest(policy):
    """A step so steep that the oldest of those without a value has the only weight: what moves are sums over him alone."""
    empty = np.isin(i, [ONE, *range(60, 130)])
    age = WHO["age"].mask(i == ONE, 90.0)
    steep = replace(OF_AGE, columns=(Column("p", (Part("age"),) * 60, 0.0, 90.0**60),))
    frame, question = without_lab(empty, age=age), logistic(column("lab"), column("age"))
    answers = [ask(frame, question.completed(recipe(slope, steep)), policy) for slope in (0.0, 1e3)]
    if isinstance(answers[1], str):
        return answers[1]
    told = [full_matrix(answer["information"])[1] for answer in answers]
    return (told[1] - told[0])[2] / (told[1] - told[0])[0]


ATTACKS = {
    alone_in_a_level: (AGE, 1e-6, {"level of a difference"}),
    alone_in_a_subset: (AGE, 1e-6, {"difference between cohorts"}),
    alone_with_a_value: (LAB, 1e-6, {"level", "level by outcome"}),
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_recipe_gives_one_patients_value_without_a_gate(attack):
    value, within, _ = ATTACKS[attack]
    assert attack(NONE) == pytest.approx(value, abs=within)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_recipe_that_tells_of_one_patient_is_refused(attack):
    assert attack(STRICT) in ATTACKS[attack][2]


def test_a_few_empty_cells_follow_no_recipe():
    """Their draw is the site's own, whatever is asked: nothing moves, and nobody is told that there are any."""
    assert alone_without_a_value(NONE) == pytest.approx(AGE, abs=1e-6)
    assert alone_without_a_value(STRICT) == 60.0


def test_a_steep_recipe_is_refused():
    assert the_oldest(NONE) == pytest.approx(90.0, abs=0.5)
    assert the_oldest(STRICT) == "agreed grid"  # a power that is nobody's term
    frame, question = without_lab(i % 4 == 1), logistic(column("lab"))
    assert ask(frame, question.completed(recipe(1e3)), STRICT) == "size of coefficients"
    assert ask(frame, question.completed(recipe(0.0, spread=1e3)), STRICT) == "size of coefficients"


def test_an_ordinary_recipe_is_let_out():
    frame = without_lab(i % 4 == 1)
    question = logistic(column("lab"), column("M", ("sex", "M")), column("age"))
    assert not isinstance(ask(frame, question.completed(recipe(3.0, spread=12.0)), STRICT), str)


# Many draws of the same patients ----------------------------------------------------------------

#: Every rule off but the count of sums by what is unknown.
COUNTED = replace(NONE, name="counted", off=False, max_sums_per_value=1.0)
PARTS = [(), ("age",), ("a",), ("b",), (("ecog", "1"),), (("ecog", "2"),), (("sex", "M"),)]
PARTS += [("age", other) for other in ("a", "b", ("sex", "M"), ("ecog", "1"), ("ecog", "2"))]
TWELVE = np.isin(i, np.arange(12) * 29 + 5)


def whole_rows(policy):
    """Twelve values drawn three times: the sums of two differences between copies have the patients' rows as eigenvectors.

    Copies differ by the sum over those without a value of (their draws' difference) x x', so D1 D2^-1 = X' diag X'^-1.
    """
    frame = without_lab(TWELVE)
    columns = [column(f"c{k}", *parts) for k, parts in enumerate(PARTS) if parts]
    products = [column(f"l{k}", "lab", *parts) for k, parts in enumerate(PARTS)]
    answers = [
        ask(frame, logistic(*columns, *products).completed(recipe(0.0, spread=5.0, draws=3, copy=k)), policy)
        for k in (1, 2, 3)
    ]
    for answer in answers:
        if isinstance(answer, str):
            return answer
    blocks = [full_matrix(answer["information"])[:12, 12:] for answer in answers]
    first, second = blocks[1] - blocks[0], blocks[2] - blocks[0]
    vectors = np.linalg.eig(first @ np.linalg.inv(second))[1].real
    return np.sort(vectors[1] / vectors[0])  # age over one


def test_three_draws_of_twelve_patients_give_their_rows_where_nobody_counts():
    np.testing.assert_allclose(whole_rows(NONE), np.sort(WHO["age"][TWELVE]), atol=0.05)


def test_draws_are_counted_by_the_patients_that_they_are_of():
    assert whole_rows(COUNTED) == "points of a difference"


def test_a_site_with_a_memory_counts_draws_that_are_announced_as_one(tmp_path):
    """Nineteen sums, sixteen patients: a few draws leave as many values unknown as they tell, and more do not."""
    sixteen = np.isin(i, np.arange(16) * 21 + 5)
    site = Site("north", without_lab(sixteen), BOOK, COUNTED, Memory(tmp_path))
    question = logistic(column("lab"), column("age"), column("a"), column("b"))
    told = []
    for k in range(24):
        answer = site.remembered(site.answer(question.completed(recipe(0.1 * k, spread=5.0))))
        told.append(getattr(answer.content, "rule", None))
    assert told[0] is None
    assert told[-1] == "points of a difference"
    assert told.index("points of a difference") > 3
    again = site.answer(question.completed(recipe(0.0, spread=5.0)))
    assert again.released  # what has left tells nothing new


def test_a_site_with_a_memory_lays_subsets_over_those_without_a_value(tmp_path):
    """Two subsets differ by thirty patients, of whom one has an empty cell: their difference would move by his age."""
    frame = without_lab(np.isin(i, [ONE, *range(100, 200)]))
    question = logistic(column("lab"), column("age"))

    def asked(policy, folder, first):
        site = Site("north", frame, BOOK, policy, Memory(folder))
        found = []
        for slope in (0.0, 10.0):
            for days in first:
                where = (Condition("time", ">=", (10 + 2.5 * days,)),)
                answer = site.remembered(site.answer(replace(question, where=where).completed(recipe(slope))))
                found.append(answer.content)
        return found

    told = [4 * full_matrix(c.values()["information"])[0, 1] for c in asked(NONE, tmp_path / "a", (20, 50))]
    assert 60 + (told[2] - told[0]) - (told[3] - told[1]) == pytest.approx(AGE, abs=1e-6)
    rules = [getattr(c, "rule", None) for c in asked(STRICT, tmp_path / "b", (20, 50))]
    assert rules[0] is None
    assert rules[1] == "level of a difference"
    rules = [getattr(c, "rule", None) for c in asked(STRICT, tmp_path / "c", (40, 70))]
    assert rules[:2] == [None, None]  # thirty others, none without a value
