"""Levels that a column multiplies, with a number: what the sums tell of the few who have one and not the other."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import Release
from fedstats.contract.design import MOST_LEVELS
from fedstats.contract.refusal import Refusal
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.descriptives import Histogram
from tests.attacks.targets import BOOK, NONE, STRICT, CrossTable, ask, cohort, column, logistic

pytestmark = pytest.mark.acceptance(20)

VICTIM, VALUE = 100, 187.25
MAN, ECOG, A = ("sex", "M"), ("ecog", "0"), ("a", "1")


def product_by_outcome(policy):
    """One column, a number times two levels: of those who have both, one patient alone had the event."""
    frame = cohort()
    both = (frame["sex"] == "M") & (frame["ecog"] == 0)
    frame["y"] = np.where(both, 0, np.arange(360) % 2)
    frame.loc[VICTIM, ["sex", "ecog", "y", "lab"]] = "M", 0, 1, VALUE
    sums = ask(frame, logistic(column("x", "lab", MAN, ECOG)), policy)
    return sums if isinstance(sums, str) else CrossTable(("1", "x"), sums).events("x")


def one_of_two_levels(policy):
    """A column, and the column times a third level: one patient has the first two and not the third."""
    frame = cohort()
    inside = (frame["sex"] == "M") & (frame["ecog"] == 0)
    frame["a"] = np.where(inside, 1.0, np.arange(360) // 2 % 2)
    frame.loc[VICTIM, ["sex", "ecog", "a", "lab"]] = "M", 0, 0.0, VALUE
    columns = [column("x", "lab", MAN), column("man", MAN), column("e", ECOG), column("ea", ECOG, A)]
    sums = ask(frame, logistic(*columns), policy)
    if isinstance(sums, str):
        return sums
    table = CrossTable(("1", *(c.name for c in columns)), sums)
    return table.of("x", "e") - table.of("x", "ea")


@pytest.mark.parametrize("attack", [product_by_outcome, one_of_two_levels])
def test_one_patient_behind_a_product_is_told_without_a_gate_and_refused_with_it(attack):
    assert attack(NONE) == pytest.approx(VALUE, rel=1e-9)
    assert attack(STRICT) in ("level by outcome", "level", "pair of levels")


def two_outcomes(policy, memory):
    """A number within a level, and another level beside it, of two outcomes of which one is not known of thirty patients."""
    frame = cohort(b=(np.arange(360) >= 30).astype(float))
    frame.loc[:29, "sex"] = ["M"] * 15 + ["F"] * 15
    frame.loc[:29, "ecog"] = [1] * 14 + [0] + [1] * 15
    frame.loc[14, "lab"] = VALUE
    frame.loc[:29, "y"] = np.arange(30) % 2
    columns = [column("x", "lab", MAN), column("man", MAN), column("e", ECOG)]
    whole = logistic(*columns)
    part = replace(whole, model=replace(whole.model, weights="b"))
    place = Site("north", frame, BOOK, policy, memory)
    found = [place.remembered(place.answer(question)).content for question in (whole, part)]
    refused = [f.rule for f in found if isinstance(f, Refusal)]
    if refused:
        return refused[0]
    tables = [CrossTable(("1", *(c.name for c in columns)), f.values()) for f in found]
    return tables[0].of("x", "e") - tables[1].of("x", "e")


def test_two_levels_one_with_a_number_are_compared_within_a_difference(tmp_path):
    assert two_outcomes(NONE, None) == pytest.approx(VALUE, rel=1e-9)
    assert two_outcomes(replace(STRICT), None) == pytest.approx(VALUE, rel=1e-9)  # each passes the gate alone
    assert two_outcomes(STRICT, Memory(tmp_path / "memory")) == "level of a difference"


@pytest.mark.parametrize("scale", [-1.0, 0.0])
def test_a_scale_that_is_not_above_zero_does_not_hide_a_large_coefficient(scale):
    steep = logistic(column("age", scale=1.0), beta=(0.0, 100.0))
    assert ask(cohort(), steep, STRICT) == "size of coefficients"
    turned = logistic(column("age", scale=scale), beta=(0.0, 100.0 * np.sign(scale or 1)))
    assert "scale" in ask(cohort(), turned, STRICT)


def test_more_levels_than_a_column_may_multiply_are_refused_in_one_sentence():
    parts = [("sex", "M"), ("ecog", "0"), ("ecog", "1"), ("ecog", "2"), ("sex", "F")]
    assert f"{MOST_LEVELS} are the most" in ask(cohort(), logistic(column("x", *parts)), STRICT)


@pytest.mark.acceptance(27)
@pytest.mark.parametrize("memory", [False, True])
def test_a_question_that_only_the_memory_cannot_make_sense_of_is_refused_and_stops_no_site(memory, tmp_path):
    place = Site("north", cohort(), BOOK, STRICT, Memory(tmp_path / "memory") if memory else None)
    answer = place.answer(Histogram("ecog", "sex", (), (1.0,)))
    assert not isinstance(answer.content, Release)
