"""Who leaves at which step: differences of steps and of cuts tell of nobody alone."""

import itertools
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.attrition import ELIGIBLE
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import Condition
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.refusal import Refusal
from fedstats.contract.table_checks import DataError
from fedstats.contract.variable import Variable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.attrition import AttritionCounts
from fedstats.methods.descriptives import Moments

STEPS = ("time_zero", "not_lung", "minor", "driver", "no_follow_up")
QUESTION = AttritionCounts("attrition", (*STEPS, ELIGIBLE))
STRICT, NONE = DisclosurePolicy(), DisclosurePolicy.none()
BOOK = Codebook(
    (Variable("patient_id", "label", unique=True), Variable("age", "numeric", centre=60.0, scale=10.0))
)
SCREENED = Codebook(
    (Variable("patient_id", "label", unique=True), Variable("attrition", "factor", levels=QUESTION.levels))
)


def people(**leavers):
    """Everybody screened, by the step at which they leave; their names begin with it, so that cuts share patients."""
    steps = [(step, number) for step in QUESTION.levels for number in range(leavers.get(step, 0))]
    names = [f"{step}-{number}" for step, number in steps]
    return pd.DataFrame({"patient_id": names, "attrition": [step for step, _ in steps]})


def site(screened, policy=STRICT, folder=None, *, vouch=True):
    """A site that holds them, the eligible behind its own gate, and remembers where it has a folder."""
    eligible = screened[screened["attrition"] == ELIGIBLE].drop(columns="attrition")
    eligible = eligible.assign(age=50.0 + np.arange(len(eligible)) % 20)
    memory, kept = None, None
    if folder is not None:
        one, other = folder / "memory", folder / "screened"
        memory, kept = Memory(one, other if vouch else None), Memory(other, one if vouch else None)
    everybody = Site("north", screened, SCREENED, policy, kept)
    return Site("north", eligible, BOOK, policy, memory, screened=everybody)


def told(place):
    """The numbers that leave, or the rule of a refusal."""
    answer = place.remembered(place.answer(QUESTION))
    if isinstance(answer.content, Refusal):
        return answer.content.rule
    return {name: np.rint(values).astype(int) for name, values in answer.content.values().items()}


def numbers_of_patients(values):
    """Every number of patients that follows from an answer: of steps, and from one step to another, with or without those who stay."""
    shown = list(values["left"][values["hidden"] == 0])
    parts = [*shown, int(values["together"].sum())]
    runs = [sum(part) for size in range(1, len(parts) + 1) for part in itertools.combinations(parts, size)]
    return {int(n) for n in [*runs, int(values["stay"].sum())]}


AGE = Moments("age", None, (), 60.0, 10.0)
LEAVERS = {"time_zero": 40, "minor": 2, "driver": 19, "no_follow_up": 1, ELIGIBLE: 300}


def test_without_the_rule_differences_of_steps_are_one_and_two_patients():
    values = told(site(people(**LEAVERS), NONE))
    stay = values["stay"].sum() + np.cumsum([0, *values["left"][::-1]])
    assert {1, 2} <= set(np.diff(stay).tolist())
    assert not values["hidden"].any()


def test_behind_the_gate_no_number_and_no_difference_is_of_fewer_than_eleven():
    values = told(site(people(**LEAVERS)))
    assert values["hidden"].tolist() == [0, 0, 1, 1, 1]
    assert values["left"].tolist() == [40, 0, 0, 0, 0]
    assert (int(values["together"].sum()), int(values["stay"].sum())) == (22, 300)
    assert min(n for n in numbers_of_patients(values) if n) >= 11


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_counts_nothing_below_eleven_is_told(seed):
    drawn = np.random.default_rng(seed).negative_binomial(1, 0.05, len(STEPS))
    values = told(site(people(**dict(zip(STEPS, map(int, drawn), strict=True)), **{ELIGIBLE: 200})))
    if values == "entry":
        assert 0 < drawn.sum() < 11
        return
    assert all(n == 0 or n >= 11 for n in numbers_of_patients(values))
    assert values["left"].sum() + values["together"].sum() == drawn.sum()
    unseen = drawn[values["hidden"] == 1]
    assert not len(unseen) or len(unseen[unseen > 0]) > 1  # what is added up is of more than one step


def test_those_who_stay_hide_nobody_for_every_analysis_tells_how_many_they_are():
    assert told(site(people(minor=3, eligible=300))) == "entry"
    assert told(site(people(minor=3, driver=4, eligible=300))) == "entry"
    assert not isinstance(told(site(people(minor=3, driver=8, eligible=300))), str)


def test_steps_of_the_questions_own_and_parts_of_the_screened_are_refused():
    place = site(people(**LEAVERS))
    own = AttritionCounts("attrition", (*STEPS[:3], ELIGIBLE))
    assert place.answer(own).content.rule == "agreed grid"
    for levels in itertools.permutations(QUESTION.levels, 6):
        if levels != QUESTION.levels:
            assert place.answer(AttritionCounts("attrition", levels)).content.rule == "agreed grid"
            break
    part = QUESTION.among(Condition("attrition", "==", ("minor",)))
    assert not place.answer(part).released


LATER = {
    "three who were screened since": {"driver": 22},
    "one who left elsewhere": {"driver": 18, "time_zero": 41},
}


@pytest.mark.parametrize("change", LATER.values(), ids=LATER)
def test_a_later_cut_tells_of_a_few_and_a_site_that_remembers_refuses_it(tmp_path, change):
    before, after = people(**LEAVERS), people(**(LEAVERS | change))
    one, other = told(site(before, NONE)), told(site(after, NONE))
    assert 0 < abs(int(other["left"][3] - one["left"][3])) < 4  # the attack
    assert not isinstance(told(site(before, folder=tmp_path)), str)
    assert told(site(after, folder=tmp_path)) in {"difference between cohorts", "level of a difference"}


def test_a_later_cut_of_many_is_answered_and_the_same_one_as_before(tmp_path):
    before = people(**LEAVERS)
    first = told(site(before, folder=tmp_path))
    again = told(site(before, folder=tmp_path))
    assert {name: values.tolist() for name, values in first.items()} == {
        name: values.tolist() for name, values in again.items()
    }
    later = told(site(people(**(LEAVERS | {"driver": 60, ELIGIBLE: 400})), folder=tmp_path))
    assert int(later["stay"].sum()) == 400


def test_memories_of_the_screened_and_of_the_eligible_are_apart(tmp_path):
    place = site(people(**LEAVERS), folder=tmp_path)
    assert place.answer(QUESTION).trace.of_screened
    told(place)
    assert (tmp_path / "screened").is_dir()
    assert place.memory.state[1] == 0
    assert place.screened.memory.state[1] == 1
    both = place.answers([type("Asked", (), {"query": QUESTION})(), type("Asked", (), {"query": QUESTION})()])
    assert [answer.released for answer in both] == [True, True]


def set_back(folder, name, how):
    """One of the site's memories as it was before it answered, with the note beside it; the other one as it is."""
    shutil.rmtree(folder / name)
    if how == "from a copy":
        shutil.copytree(folder.with_name("copy") / name, folder / name)
    (folder / f"{name}.json").unlink()


@pytest.mark.parametrize("how", ["from a copy", "gone"])
@pytest.mark.parametrize("name", ["screened", "memory"])
def test_a_memory_that_is_set_back_alone_is_noticed_by_the_other(tmp_path, name, how):
    """Else a later cut in which one patient leaves elsewhere is answered."""
    found = []
    for vouch in (False, True):
        home, later = tmp_path / str(vouch) / "home", people(**(LEAVERS | LATER["one who left elsewhere"]))
        place = site(people(**LEAVERS), folder=home, vouch=vouch)
        shutil.copytree(home, home.with_name("copy"))
        assert not isinstance(told(place), str)
        assert place.remembered(place.answer(AGE)).released
        assert told(site(later, folder=home, vouch=vouch)) == "difference between cohorts"
        set_back(home, name, how)
        try:
            found.append(told(site(later, folder=home, vouch=vouch)))
        except DataError as problem:
            found.append(str(problem))
    if name == "screened":
        assert int(found[0]["left"][0]) == 41
    assert re.search(rf"{name} is gone or older.*remove {name}\.json beside it and .*{name}\.json", found[1])


def test_memories_that_vouch_for_each_other_go_on_after_a_restart(tmp_path):
    for _ in range(2):
        place = site(people(**LEAVERS), folder=tmp_path)
        assert not isinstance(told(place), str)
        assert place.remembered(place.answer(AGE)).released
    assert (tmp_path / "memory" / "screened.json").read_bytes() == (tmp_path / "screened.json").read_bytes()


def test_a_site_with_rows_of_a_file_has_screened_nobody():
    frame = people(eligible=60).drop(columns="attrition").assign(age=60.0)
    with pytest.raises(fs.SiteRefused, match="The column 'attrition' is not in the codebook"):
        fs.attrition(fs.InProcess({"north": frame}, BOOK, NONE), dict.fromkeys(STEPS, ""))
