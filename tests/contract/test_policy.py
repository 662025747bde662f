"""The gate: every rule at its threshold, one below and one above, and no road around it."""

import ast
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fedstats
from fedstats.contract.aggregate import Aggregate, Evidence, Release, Rule, Sum
from fedstats.contract.disclosure import DisclosurePolicy, DisclosureRefused
from fedstats.contract.query import Query

PROFILES = [DisclosurePolicy(), DisclosurePolicy.teaching(), DisclosurePolicy.opensafely()]
#: rule, the field that holds its k, whether 0 passes
AT_LEAST = [
    ("entry", "min_patients", True),
    ("level", "min_patients", True),
    ("level by outcome", "min_patients", True),
    ("pair of levels", "min_pair", True),
    ("joint cell of levels", "min_joint_cell", True),
    ("leavers of a time cell", "min_leavers", True),
    ("events of a time cell", "min_leavers", True),
    ("events in their order", "min_in_order", True),
    ("patients of one predictor", "min_pair", True),
    ("dropped rows", "min_difference", True),
    ("complement of the subset", "min_difference", True),
    ("difference between cohorts", "min_difference", True),
    ("level of a difference", "min_level_difference", True),
    ("patients of the subset", "min_patients", False),
    ("patients", "min_model_patients", False),
    ("effective sample size", "min_effective", False),
    ("effective size of a level", "min_effective_level", True),
]
AT_MOST = [
    ("parameters per event", "max_parameters_per_event"),
    ("size of coefficients", "max_coefficient"),
    ("number of coefficients", "max_points"),
    ("number of refusals", "max_refusals"),
    ("points of a difference", "max_sums_per_value"),
    ("numbers of a model", "max_numbers_per_patient"),
    ("dominance", "max_top_share"),
    ("dominance of two", "max_top_two_share"),
]
ALLOWED = [
    ("distinct values", "distinct_values"),
    ("agreed grid", "distinct_values"),
    ("per-site estimate", "per_site_estimates"),
    ("analysis of the study", "beyond_study"),
    ("bounded model", "bounded_models"),
]


def lets_out(policy, rule, count):
    """Whether an aggregate passes of which one count is in question."""
    harmless = {"total": Sum(np.array([1.0]), np.array([1000]))}
    counts = np.array([1000.0, count] if rule not in dict(AT_MOST) else [0.0, count])
    try:
        policy.release(Query(), Aggregate(harmless, 1000, (Evidence(rule, counts, "Practice Alpha"),)))
    except DisclosureRefused as refused:
        return refused.refusal.rule != rule  # refused by another rule than the one in question
    return True


#: Judged before anything is computed: its boundary is tests/contract/test_profile_file.py.
BEFORE = ["kind of question"]


@pytest.mark.acceptance(21)
def test_every_rule_has_a_test_at_its_threshold():
    tested = [r for r, _, _ in AT_LEAST] + [r for r, _ in AT_MOST + ALLOWED] + BEFORE
    assert sorted(tested) == sorted(get_args(Rule))


@pytest.mark.acceptance(21)
@pytest.mark.parametrize("policy", PROFILES, ids=lambda p: p.name)
@pytest.mark.parametrize(("rule", "threshold", "zero"), AT_LEAST)
def test_a_count_passes_from_its_threshold_on(policy, rule, threshold, zero):
    k = getattr(policy, threshold)
    assert [lets_out(policy, rule, c) for c in (k, k + 1)] == [True, True]
    assert lets_out(policy, rule, 0) is zero
    if k > 1:
        assert not lets_out(policy, rule, k - 1)
        assert not lets_out(policy, rule, 1)
    assert not lets_out(policy, rule, np.nan)
    assert not lets_out(policy, rule, -1)


@pytest.mark.acceptance(21)
@pytest.mark.parametrize("policy", PROFILES, ids=lambda p: p.name)
@pytest.mark.parametrize(("rule", "threshold"), AT_MOST)
def test_a_figure_passes_up_to_its_limit(policy, rule, threshold):
    k = getattr(policy, threshold)
    assert [lets_out(policy, rule, c) for c in (0, np.nextafter(k, 0), k)] == [True] * 3
    assert [lets_out(policy, rule, c) for c in (np.nextafter(k, np.inf), k + 1, np.inf, np.nan)] == [
        False
    ] * 4


@pytest.mark.acceptance(21)
@pytest.mark.parametrize(("rule", "switch"), ALLOWED)
def test_a_permission_is_given_or_not_whatever_the_count(rule, switch):
    for given_ in (True, False):
        policy = replace(DisclosurePolicy(), **{switch: given_})
        assert [lets_out(policy, rule, c) for c in (0, 1, 1000)] == [given_] * 3


@pytest.mark.parametrize("count", [0, 10, 11])
def test_every_entry_is_judged_by_the_patients_behind_it(count):
    aggregate = Aggregate({"s": Sum(np.array([5.0, 7.0]), np.array([99, count]))}, 99)
    if count == 10:
        with pytest.raises(DisclosureRefused):
            DisclosurePolicy().release(Query(), aggregate)
    else:
        DisclosurePolicy().release(Query(), aggregate)


@pytest.mark.parametrize(
    ("diagonal", "pair", "rule"), [(11, 5, None), (10, 5, "entry"), (11, 4, "pair of levels"), (11, 0, None)]
)
def test_a_matrix_is_judged_on_its_diagonal_and_off_it(diagonal, pair, rule):
    patients = np.array([[50, pair], [pair, diagonal]])
    aggregate = Aggregate({"information": Sum.triangle(np.eye(2), patients)}, 99)
    if rule is None:
        DisclosurePolicy().release(Query(), aggregate)
    else:
        with pytest.raises(DisclosureRefused) as found:
            DisclosurePolicy().release(Query(), aggregate)
        assert found.value.refusal.rule == rule


def test_none_lets_everything_out():
    none = DisclosurePolicy.none()
    assert all(lets_out(none, rule, c) for rule, _, _ in AT_LEAST for c in (0, 1, np.nan))
    assert all(lets_out(none, rule, np.inf) for rule, _ in AT_MOST)
    assert all(lets_out(none, rule, 1) for rule, _ in ALLOWED)
    aggregate = Aggregate({"s": Sum(np.array([5.0]), np.array([1]))}, 1)
    assert none.release(Query(), aggregate).values()["s"] == 5.0


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_no_sum_can_hold_is_refused_by_every_policy(value):
    aggregate = Aggregate({"s": Sum(np.array([value]), np.array([99]))}, 99)
    for policy in (*PROFILES, DisclosurePolicy.none()):
        with pytest.raises(DisclosureRefused):
            policy.release(Query(), aggregate)


def test_profiles_are_found_by_name_and_strict_is_the_default():
    assert DisclosurePolicy.named("strict") == DisclosurePolicy()
    assert DisclosurePolicy.named("teaching") == DisclosurePolicy.teaching()
    assert DisclosurePolicy.named("none") == DisclosurePolicy.none()
    with pytest.raises(ValueError, match="strict"):
        DisclosurePolicy.named("lax")


def test_the_strict_default_is_as_the_protocol_says():
    strict = DisclosurePolicy()
    assert (strict.min_patients, strict.min_pair, strict.min_leavers, strict.min_effective) == (11, 5, 11, 30)
    assert (strict.distinct_values, strict.off) == (False, False)


# tightening -----------------------------------------------------------------------------------

STRICTER_IF_LARGER = {
    "min_patients",
    "min_pair",
    "min_joint_cell",
    "min_level_difference",
    "min_leavers",
    "min_in_order",
    "min_difference",
    "min_model_patients",
    "min_effective",
    "min_effective_level",
}
STRICTER_IF_SMALLER = {
    "max_parameters_per_event",
    "max_coefficient",
    "max_top_share",
    "max_top_two_share",
    "max_points",
    "max_refusals",
    "max_numbers_per_patient",
    "max_sums_per_value",
    "distinct_values",
    "per_site_estimates",
    "beyond_study",
    "bounded_models",
    "off",
}
SWITCHES = {"distinct_values", "per_site_estimates", "beyond_study", "bounded_models", "off"}
KINDS = st.lists(st.sampled_from(["CoxRiskSets", "Moments", "RiskTable"]), unique=True).map(
    lambda kinds: tuple(sorted(kinds))
)
COUNTS = st.integers(0, 100)
FIGURES = st.floats(0, 100)
POLICIES = st.builds(
    DisclosurePolicy,
    name=st.sampled_from(["site", "study"]),
    **dict.fromkeys(sorted(STRICTER_IF_LARGER - {"min_effective", "min_effective_level"}), COUNTS),
    **dict.fromkeys(
        sorted(
            {"min_effective", "min_effective_level", *STRICTER_IF_SMALLER}
            - SWITCHES
            - {"max_points", "max_refusals"}
        ),
        FIGURES,
    ),
    **dict.fromkeys(sorted(SWITCHES), st.booleans()),
    max_points=COUNTS,
    max_refusals=COUNTS,
    allow=st.none() | KINDS,
    deny=KINDS,
)


def test_every_threshold_has_a_direction():
    assert STRICTER_IF_LARGER | STRICTER_IF_SMALLER | {"name", "allow", "deny"} == {
        f.name for f in fields(DisclosurePolicy)
    }


@pytest.mark.acceptance(22)
@settings(deadline=None, max_examples=100, derandomize=True)
@given(POLICIES, POLICIES)
def test_a_tightened_policy_is_looser_than_neither_in_any_field(site, study):
    both = site.tightened_by(study)
    for name in STRICTER_IF_LARGER:
        assert getattr(both, name) >= max(getattr(site, name), getattr(study, name))
    for name in STRICTER_IF_SMALLER:
        assert getattr(both, name) <= min(getattr(site, name), getattr(study, name))
    for question in ("CoxRiskSets", "Moments", "RiskTable"):
        assert answers(both, question) == (answers(site, question) and answers(study, question))
    assert both.tightened_by(study) == both


def answers(policy, kind):
    """Whether a policy answers a kind of question."""
    return kind not in policy.deny and (policy.allow is None or kind in policy.allow)


def test_a_study_without_a_gate_does_not_open_a_sites():
    assert DisclosurePolicy().tightened_by(DisclosurePolicy.none()) == DisclosurePolicy()
    assert DisclosurePolicy.none().tightened_by(DisclosurePolicy()) == replace(
        DisclosurePolicy(), name="none, tightened by strict"
    )


# what a refusal says --------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [r for r, _, _ in AT_LEAST] + [r for r, _ in AT_MOST + ALLOWED])
def test_a_refusal_tells_the_rule_and_no_number_or_label_of_the_data(rule):
    counts = np.array([4321.5 if rule in dict(AT_MOST) else 2.25])
    evidence = Evidence(rule, counts, "practice = Practice Alpha")
    sums = {"score": Sum(np.array([123.75]), np.array([99]))}
    policy = DisclosurePolicy(per_site_estimates=False)
    with pytest.raises(DisclosureRefused) as found:
        policy.release(Query(), Aggregate(sums, 99, (evidence,)))
    refused = found.value
    leaves = f"{refused} {refused!r} {refused.refusal} {refused.refusal.to_dict()}"
    assert not re.search(r"\d|Alpha", leaves)
    assert refused.refusal.rule == rule
    stays = refused.findings.to_dict("records")
    assert any(row["count"] == counts[0] and "Alpha" in row["about"] for row in stays)


def test_an_overflow_tells_no_number_either():
    aggregate = Aggregate({"s": Sum(np.array([98765.0e40]), np.array([99]))}, 99)
    with pytest.raises(DisclosureRefused) as found:
        DisclosurePolicy.none().release(Query(), aggregate)
    assert not re.search(r"\d", str(found.value))


def test_a_review_shows_every_failure_and_the_closest_pass():
    evidence = Evidence("level", np.array([3, 500, 4, 20]), ("a", "b", "c", "d"))
    review = DisclosurePolicy().review(Aggregate({}, 99, (evidence,)))
    assert review["about"].tolist() == ["a", "c"]
    passing = Evidence("level", np.array([500, 20]), ("b", "d"))
    review = DisclosurePolicy().review(Aggregate({}, 99, (passing,)))
    assert review["about"].tolist() == ["d"]


# one road -------------------------------------------------------------------------------------

SOURCES = sorted(Path(fedstats.__file__).parent.rglob("*.py"))


def makes_a_release(tree):
    """Calls of Release(...) and of Release.from_dict(...), with the class they stand in."""
    for node in ast.walk(tree):
        inside = node.name if isinstance(node, ast.ClassDef) else None
        for call in ast.walk(node) if inside else ():
            if isinstance(call, ast.Call):
                yield inside, ast.unparse(call.func).split(".")[-2:]
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            yield None, ast.unparse(call.func).split(".")[-2:]


def test_a_release_is_made_by_the_policy_and_by_adding_and_reading_releases():
    makers = {
        (path.parent.name, path.name, inside)
        for path in SOURCES
        for inside, called in makes_a_release(ast.parse(path.read_text(encoding="utf-8")))
        if called[-1] == "Release" and inside
    }
    assert makers == {
        ("contract", "disclosure.py", "DisclosurePolicy"),
        ("contract", "aggregate.py", "Release"),
    }


def test_no_function_outside_a_class_makes_a_release():
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        total = sum(c[-1] == "Release" for inside, c in makes_a_release(tree) if inside is None)
        within = sum(c[-1] == "Release" for inside, c in makes_a_release(tree) if inside)
        assert total == within, path.name


def test_a_release_is_read_back_by_the_coordinator_alone():
    readers = {
        path.name
        for path in SOURCES
        for _, called in makes_a_release(ast.parse(path.read_text(encoding="utf-8")))
        if called == ["Release", "from_dict"]
    }
    assert readers == {"archive.py"}  # reads for the coordinator, and what the coordinator has archived


def test_a_site_asks_its_policy_before_anything_leaves():
    site = next(p for p in SOURCES if p.name == "site.py").read_text(encoding="utf-8")
    assert site.count("self.policy.release(") == 1
    assert "exact_sum" not in site


@pytest.mark.parametrize("word", ["pickle", "joblib", "eval", "exec", "allow_pickle", "marshal", "shelve"])
def test_no_code_travels_and_none_is_evaluated(word):
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.Name) and node.id == word
            imported = isinstance(node, ast.Import) and word in {a.name for a in node.names}
            taken = isinstance(node, ast.ImportFrom) and node.module == word
            given_ = isinstance(node, ast.keyword) and node.arg == word
            used = named or imported or taken or given_
            assert not used, f"{path.name} uses {word}"


def test_releases_add_up_and_come_back_from_their_json():
    policy = DisclosurePolicy.none()
    one, two = (
        policy.release(Query(), Aggregate({"s": Sum(np.array([v]), np.array([9]))}, 9)) for v in (0.1, 0.2)
    )
    total = Release.from_dict((one + two).to_dict())
    assert total.values()["s"] == pytest.approx(0.3, abs=1e-16)
