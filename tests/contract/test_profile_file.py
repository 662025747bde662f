"""A site's profile file and a study's [disclosure]: what they may say, and that a study can tighten alone."""

from dataclasses import replace

import pytest

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.variable import Variable
from fedstats.federations.site import Site
from fedstats.methods.descriptives import LevelCounts
from fedstats.methods.fitting import LocalEstimate
from tests.attacks.targets import STRICT, ask, cohort, column, logistic
from tests.federations.small_study import STUDY, tables, write_study


def test_a_profile_file_changes_what_it_names_and_nothing_else():
    found = DisclosurePolicy.from_toml({"base": "strict", "min_patients": 20, "max_top_share": 0.3})
    assert found == replace(STRICT, name="strict, as the site has set it", min_patients=20, max_top_share=0.3)


@pytest.mark.parametrize("base", ["strict", "teaching", "opensafely"])
def test_a_file_with_a_base_alone_is_that_profile(base):
    assert DisclosurePolicy.from_toml({"base": base}) == DisclosurePolicy.named(base)


def test_opensafely_shows_eight_and_not_seven():
    assert DisclosurePolicy.opensafely().min_patients == 8


WRONG = {
    "no base": ({}, "base is missing."),
    "a base that is none": (
        {"base": "none"},
        "base is 'none'; write one of 'strict', 'teaching' or 'opensafely'.",
    ),
    "an unknown key": (
        {"base": "strict", "min_patient": 3},
        "min_patient: no such key; the nearest is min_patients.",
    ),
    "the switch of every rule": ({"base": "strict", "off": True}, "off: no such key; there are allow, base"),
    "a name": ({"base": "strict", "name": "lax"}, "name: no such key; there are allow, base"),
    "a text": (
        {"base": "strict", "min_patients": "11"},
        "min_patients is '11'; write a whole number.",
    ),
    "a fraction": ({"base": "strict", "min_patients": 10.5}, "min_patients is 10.5; write a whole number."),
    "yes for a number": (
        {"base": "strict", "min_patients": True},
        "min_patients is true; write a whole number.",
    ),
    "a number for yes": (
        {"base": "strict", "distinct_values": 1},
        "distinct_values is 1; write true or false, without quotes.",
    ),
    "below zero": (
        {"base": "strict", "min_patients": -1},
        "min_patients is -1; write 0 or more.",
    ),
    "not a number": (
        {"base": "strict", "min_effective": float("nan")},
        "min_effective is nan; write a finite number.",
    ),
    "infinite": (
        {"base": "strict", "max_coefficient": float("inf")},
        "max_coefficient is inf; write a finite number.",
    ),
    "a share above one": (
        {"base": "strict", "max_top_share": 1.5},
        "max_top_share is 1.5; write 1 or less.",
    ),
    "an unknown question": (
        {"base": "strict", "deny": ["CoxRiskSet"]},
        "'CoxRiskSet' is no kind of question; there are ArmSums, AttritionCounts, AugmentedMeans",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_profile_is_one_clear_sentence(case):
    content, words = WRONG[case]
    with pytest.raises(ValueError) as found:  # noqa: PT011 (the words are compared)
        DisclosurePolicy.from_toml(content)
    assert str(found.value).startswith(words)
    assert "\n" not in str(found.value)
    assert str(found.value).endswith(".")


# kinds of question ------------------------------------------------------------------------------

COUNTS = LevelCounts("sex", None, (), ("F", "M"))
MODEL = logistic(column("age"))


@pytest.mark.parametrize(
    ("lists", "counts", "model"),
    [
        ({}, True, True),
        ({"deny": ["GlmDerivatives"]}, True, False),
        ({"allow": ["GlmDerivatives"]}, False, True),
        ({"allow": []}, False, False),
        ({"allow": ["LevelCounts", "GlmDerivatives"], "deny": ["LevelCounts"]}, False, True),
    ],
)
def test_a_site_lists_the_kinds_of_question_it_answers(lists, counts, model):
    policy = DisclosurePolicy.from_toml({"base": "strict"} | lists)
    answers = [ask(cohort(), question, policy) for question in (COUNTS, MODEL)]
    assert [a != "kind of question" if isinstance(a, str) else True for a in answers] == [counts, model]


def test_a_denied_kind_is_not_answered_inside_another_question():
    policy = DisclosurePolicy.from_toml({"base": "strict", "deny": ["GlmDerivatives"]})
    assert ask(cohort(), LocalEstimate(MODEL), policy) == "kind of question"
    allowed = DisclosurePolicy.from_toml({"base": "strict", "allow": ["LocalEstimate"]})
    assert ask(cohort(), LocalEstimate(MODEL), allowed) == "kind of question"


def test_a_denied_kind_is_refused_before_anything_is_computed(monkeypatch):
    policy = DisclosurePolicy.from_toml({"base": "strict", "deny": ["LevelCounts"]})
    site = Site("north", cohort(), Codebook((Variable("sex", "factor", levels=("F", "M")),)), policy)
    monkeypatch.setattr(LevelCounts, "aggregate", lambda *_: pytest.fail("computed"))
    answer = site.answer(COUNTS)
    assert not answer.released
    assert (
        str(answer.content)
        == "LevelCounts was refused: the question as such did not meet the rule 'kind of question'."
    )


# a study ----------------------------------------------------------------------------------------


def site_of(tmp_path, profile="strict", disclosure="", study_profile="strict"):
    text = STUDY.replace('profile = "none"', f'profile = "{study_profile}"') + disclosure
    study = fs.Study.load(write_study(tmp_path, text))
    rows = tmp_path / "north.csv"
    tables()["north"].to_csv(rows, index=False)
    return study.site("north", rows, profile)


def test_a_site_of_a_study_takes_its_profile_from_its_own_file(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('base = "teaching"\nmin_patients = 4\ndeny = ["DistinctTimes"]\n', encoding="utf-8")
    policy = site_of(tmp_path, str(own), study_profile="teaching").policy
    assert (policy.min_patients, policy.min_model_patients, policy.deny) == (4, 20, ("DistinctTimes",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "There is no disclosure profile"),
        ("base = ", "own.toml: Invalid value"),
        (
            'base = "strict"\nmin_patients = -3\n',
            "own.toml: min_patients is -3; write 0 or more.",
        ),
    ],
)
def test_a_profile_that_cannot_be_read_is_one_sentence_with_its_file(tmp_path, content, said):
    own = tmp_path / "own.toml"
    if content is not None:
        own.write_text(content, encoding="utf-8")
    with pytest.raises(fs.StudyError, match="^" + said.replace("(", r"\(").replace(")", r"\)")):
        site_of(tmp_path, str(own))


@pytest.mark.acceptance(22)
@pytest.mark.parametrize(("stated", "holds"), [(20, 20), (11, 11), (3, 11), (0, 11)])
def test_a_study_tightens_a_site_and_never_loosens_it(tmp_path, stated, holds):
    policy = site_of(
        tmp_path, disclosure=f"\n[disclosure]\nmin_patients = {stated}\nmax_points = 400\n"
    ).policy
    assert policy.min_patients == holds
    assert policy.max_points == 100
    assert replace(policy, name="strict", min_patients=11) == STRICT


@pytest.mark.acceptance(22)
def test_a_study_can_deny_a_question_and_not_allow_one_again(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('base = "strict"\nallow = ["LevelCounts", "Moments"]\n', encoding="utf-8")
    disclosure = '\n[disclosure]\nallow = ["Moments", "CoxRiskSets"]\ndeny = ["GlmMeat"]\n'
    policy = site_of(tmp_path, str(own), disclosure).policy
    assert (policy.allow, policy.deny) == (("Moments",), ("GlmMeat",))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("min_patient = 3", "study.toml: [disclosure]: min_patient: no such key"),
        ("off = false", "study.toml: [disclosure]: off: no such key"),
        ('base = "teaching"', "study.toml: [disclosure]: base: no such key"),
        ("min_effective = nan", "study.toml: [disclosure]: min_effective is nan; write a finite number."),
    ],
)
def test_a_wrong_disclosure_of_a_study_is_one_sentence(tmp_path, line, said):
    with pytest.raises(fs.StudyError) as found:
        site_of(tmp_path, disclosure=f"\n[disclosure]\n{line}\n")
    assert str(found.value).startswith(said)


def test_what_a_study_asks_of_disclosure_is_part_of_its_digest(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = fs.Study.load(write_study(tmp_path / "a", STUDY))
    two = fs.Study.load(write_study(tmp_path / "b", STUDY + "\n[disclosure]\nmin_patients = 20\n"))
    assert one.digest != two.digest
