"""A total minus a subset is whoever was left out; a refusal or its absence is an answer too."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import Condition
from fedstats.contract.disclosure import Refusal
from fedstats.contract.variable import Variable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.descriptives import LevelCounts, Moments
from tests.attacks.targets import BOOK, NONE, STRICT, TEACHING, ask, cohort, column, first_round, logistic

VICTIM, AGE = 123, 71.04


def marked(**columns):
    """The cohort with one patient of an age that nobody shares."""
    frame = cohort(**columns)
    frame.loc[VICTIM, "age"] = AGE
    return frame


def leaving_one_out(policy):
    """The row of the only patient of that age, by subtraction."""
    frame = marked()
    whole = first_round(frame, "age + lab + a", policy)
    rest = first_round(frame, "age + lab + a", policy, where=(Condition("age", "!=", (AGE,)),))
    return rest if isinstance(rest, str) else (whole.xx[0] - rest.xx[0], whole.xy[0] - rest.xy[0])


def dropping_one(policy):
    """The row of the only patient without a lab value, by a model with and one without it."""
    frame = marked()
    frame.loc[VICTIM, "lab"] = np.nan
    whole = first_round(frame, "age + a", policy)
    complete = first_round(frame, "age + a + lab", policy)
    if isinstance(complete, str):
        return complete
    return whole.xx[0] - complete.xx[0, :3], whole.xy[0] - complete.xy[0]


@pytest.mark.parametrize(
    ("attack", "rule"), [(leaving_one_out, "complement of the subset"), (dropping_one, "dropped rows")]
)
def test_one_patient_is_read_off_by_subtraction_without_a_gate_and_refused_with_it(attack, rule):
    row, event = attack(NONE)
    truth = marked().loc[VICTIM]
    expected = (
        [1, truth["age"], truth["lab"], truth["a"]] if attack is leaving_one_out else [1, AGE, truth["a"]]
    )
    assert row == pytest.approx(np.array(expected, dtype=float), abs=1e-8)
    assert event == pytest.approx(truth["y"], abs=1e-9)
    assert attack(STRICT) == rule


@pytest.mark.parametrize("attack", [leaving_one_out, dropping_one])
def test_the_teaching_profile_does_not_stop_subtraction(attack):
    assert not isinstance(attack(TEACHING), str)  # its documentation has to say so


@pytest.mark.parametrize(("left_out", "leaves"), [(1, False), (10, False), (11, True), (100, True)])
def test_a_subset_leaves_when_it_leaves_out_enough(left_out, leaves):
    frame = cohort(w=(np.arange(360) >= left_out).astype(float))
    answer = ask(frame, Moments("lab", None, (), 0.0, 1.0, where=(Condition("w", "==", (1.0,)),)), STRICT)
    assert isinstance(answer, str) is not leaves


@pytest.mark.parametrize("kept", [1, 10])
def test_a_small_subset_is_refused(kept):
    frame = cohort(w=(np.arange(360) < kept).astype(float))
    where = (Condition("w", "==", (1.0,)),)
    assert ask(frame, Moments("lab", None, (), 0.0, 1.0, where=where), STRICT) == "patients of the subset"
    assert first_round(frame, "age", STRICT, where=where) in ("patients of the subset", "patients")


def two_subsets(policy, memory=None):
    """Two subsets that each leave out enough and differ by one patient; whether they are asked in one visit or two."""
    site = Site("north", marked(), BOOK, policy, memory)
    frame = marked()
    order = np.sort(frame["age"])
    above = order[np.searchsorted(order, AGE) + 1]
    bounds = [AGE, float(above)]
    found = []
    for bound in bounds:
        question = Moments("lab", None, (), 0.0, 1.0, where=(Condition("age", ">=", (bound,)),))
        found.append(site.remembered(site.answer(question)).content)
    if isinstance(found[1], Refusal):
        return found[1].rule
    return found[0].values()["sum"] - found[1].values()["sum"]


@pytest.mark.acceptance(23)
@pytest.mark.parametrize("policy", [NONE, STRICT], ids=lambda p: p.name)
def test_two_large_subsets_that_differ_by_one_patient(policy, tmp_path):
    truth = pytest.approx(marked().loc[VICTIM, "lab"], abs=1e-8)
    assert two_subsets(policy) == truth  # a site without a memory judges every answer on its own
    with_memory = two_subsets(policy, Memory(tmp_path))
    assert with_memory == (truth if policy is NONE else "difference between cohorts")


def asked(site, *questions):
    """What left for each question in turn, or the rule that refused it."""
    found = [site.remembered(site.answer(question)).content for question in questions]
    return [f.rule if isinstance(f, Refusal) else f.values() for f in found]


def three_subsets(policy, memory=None):
    """All, the younger and the older: no two differ by a few, and one patient is in neither part."""
    parts = [(), (Condition("age", "<", (AGE,)),), (Condition("age", ">", (AGE,)),)]
    site = Site("north", marked(), BOOK, policy, memory)
    found = asked(site, *(Moments("lab", None, (), 0.0, 1.0, where=part) for part in parts))
    whole, young, old = found
    return old if isinstance(old, str) else whole["sum"] - young["sum"] - old["sum"]


def a_level_of_two_subsets(policy, memory=None):
    """All, and all but twenty of whom one has the level: counted by level, the difference is that one's value."""
    frame = marked(b=(np.arange(360) >= 20).astype(float))
    frame["ecog"] = np.where((frame.index < 20) | (frame.index % 3 == 0), "0", "1")
    frame.loc[7, "ecog"], frame.loc[7, "lab"] = "1", 187.25
    site = Site("north", frame, BOOK, policy, memory)
    question = Moments("lab", "ecog", ("0", "1"), 0.0, 1.0)
    whole, part = asked(site, question, question.among(Condition("b", "==", (1.0,))))
    return part if isinstance(part, str) else whole["sum"][1] - part["sum"][1]


def a_number_of_two_subsets(policy, memory=None):
    """The same by a number of nine values that a question uses as a group."""
    frame = marked(b=(np.arange(360) >= 20).astype(float), a=np.arange(360) % 9)
    frame.loc[:19, "a"] = [i % 8 for i in range(19)] + [8]
    frame.loc[19, "lab"] = 187.25
    site = Site("north", frame, BOOK, policy, memory)
    question = Moments("lab", "a", tuple(map(str, range(9))), 0.0, 1.0)
    whole, part = asked(site, question, question.among(Condition("b", "==", (1.0,))))
    return part if isinstance(part, str) else whole["sum"][8] - part["sum"][8]


@pytest.mark.acceptance(23)
@pytest.mark.parametrize(
    ("attack", "value", "rule"),
    [
        (a_number_of_two_subsets, 187.25, "level of a difference"),
        (three_subsets, marked().loc[VICTIM, "lab"], "difference between cohorts"),
        (a_level_of_two_subsets, 187.25, "level of a difference"),
    ],
)
@pytest.mark.parametrize("policy", [NONE, STRICT], ids=lambda p: p.name)
def test_answers_that_single_nobody_out_two_by_two(attack, value, rule, policy, tmp_path):
    assert attack(policy) == pytest.approx(value, abs=1e-8)
    with_memory = attack(policy, Memory(tmp_path / "memory"))
    assert with_memory == (pytest.approx(value, abs=1e-8) if policy is NONE else rule)


PATIENTS = Codebook((Variable("patient", "label", unique=True), *BOOK.variables))


@pytest.mark.acceptance(23)
@pytest.mark.parametrize(("new", "leaves"), [(1, False), (10, False), (11, True)])
def test_a_new_patient_does_not_hide_behind_follow_up_that_has_moved(new, leaves, tmp_path):
    first = cohort().assign(patient=np.arange(360).astype(str))
    later = first.assign(time=first["time"] + 90.0 * (first.index < 200))  # 200 patients have been seen again
    more = later.iloc[:new].assign(patient=[f"new {i}" for i in range(new)], lab=181.5)
    later = pd.concat([later, more], ignore_index=True)
    question = Moments("lab", None, (), 0.0, 1.0)
    for memory in (None, Memory(tmp_path / "memory")):
        before, after = (
            asked(Site("north", frame, PATIENTS, STRICT, memory), question)[0] for frame in (first, later)
        )
        if memory is None or leaves:
            assert after["sum"] - before["sum"] == pytest.approx(new * 181.5)
        else:
            assert after == "difference between cohorts"


def survival_time_by_bisection(frame, policy, known):
    """Ask for an empty or refused count until one patient's time is pinned; 0 may leave, 1 may not."""
    low, high = 0.0, 4096.0
    while high - low > 0.01:
        middle = (low + high) / 2
        question = LevelCounts("sex", None, (), ("F", "M"), where=(*known, Condition("time", ">", (middle,))))
        answer = ask(frame, question, policy)
        empty = not isinstance(answer, str) and answer["counts"].sum() == 0
        low, high = (low, middle) if empty else (middle, high)
    return high


@pytest.mark.parametrize("policy", [NONE, STRICT], ids=lambda p: p.name)
def test_a_known_patients_survival_time_by_twenty_yes_or_no_questions(policy):
    frame = marked()
    truth = frame.loc[VICTIM, "time"]
    found = survival_time_by_bisection(frame, policy, (Condition("age", "==", (AGE,)),))
    if policy is NONE:
        assert found == pytest.approx(truth, abs=0.01)
    else:
        assert abs(found - truth) > 1


def test_whether_an_outcome_is_coded_0_and_1_tells_nothing_of_one_patient():
    # 'must hold 0 and 1 alone' or not: tells whether the only patient of that age has ecog 2
    rules = set()
    for value in (1.0, 2.0):
        frame = marked(w=1.0)
        frame.loc[VICTIM, "w"] = value
        question = logistic(column("lab"), where=(Condition("age", "==", (AGE,)),))
        question = replace(question, model=replace(question.model, outcome="w"))
        rules.add(ask(frame, question, STRICT))
    assert rules == {"patients of the subset"}


def test_whether_an_outcome_is_coded_0_and_1_is_said_where_sums_would_have_left():
    question = logistic(column("lab"))
    question = replace(question, model=replace(question.model, outcome="w"))
    mixed = cohort(w=np.arange(360) % 3)
    said = ask(mixed, question, STRICT)
    assert said.startswith("The column 'w' must hold 0 and 1 alone to be an event; recode it")
    assert ask(mixed, question, NONE) == said
    assert ask(mixed.assign(lab=np.where(mixed.index == 3, 9e6, 1.0)), question, STRICT) != ask(
        mixed, question, NONE
    )
