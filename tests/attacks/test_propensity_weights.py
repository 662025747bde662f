"""Weights are functions of covariates, at coefficients of whoever asks: each attack gives one patient's value without a gate, none with it."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from fedstats.contract.condition import Condition
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.linear_predictor import Addend, LinearPredictor
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.refusal import Refusal
from fedstats.contract.site_data import SiteData
from fedstats.federations.hashed_table import HashedTable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.descriptives import Moments
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.methods.risk_table import RiskTable
from fedstats.methods.stacked_equations import GlmPropensityTerms
from fedstats.methods.weighted_arms import ArmSums, PropensityHistogram
from tests.attacks.targets import BOOK, NONE, STRICT, TABLES, N, ask, cohort, column, logistic

i = np.arange(N)
ONE = 33
LAB = Design((column("lab"),))
#: Strict whatever the size of coefficients: what the other rules say of steep weights.
STEEP = replace(STRICT, max_coefficient=1e6)


def patients(**columns):
    """Of half of whom ``w`` is one: the treatment of the attacks."""
    return cohort(w=((i // 3) % 2).astype(float), **columns)


def weight(*columns, gamma, estimand="ATE", **options):
    """A recipe of crafted columns, the intercept's coefficient first."""
    return PropensityWeight(
        "ipw", "w", None, Design(columns, intercept=True), tuple(gamma), estimand, **options
    )


def sums(recipe, design=LAB, where=()):
    """The question for sums of columns by arm, plain and weighted."""
    return ArmSums("w", None, "ipw", design, where=where).with_columns(recipe)


MILD = weight(column("age"), gamma=(-0.6, 0.01))


def alone():
    """Patients with a, with b, and men, of whom one is all three."""
    held = [np.isin(i, [ONE, *range(first, first + 100)]) for first in (60, 160, 260)]
    a, b, men = (h.astype(float) for h in held)
    return patients(a=a, b=b, sex=np.where(men, "M", "F"))


def one_addend_more(policy):
    """Two propensities that differ in the one patient who has three things at once."""
    frame = alone()
    cell = column("cell", "a", "b", ("sex", "M"))
    more = weight(column("age"), cell, gamma=(-0.6, 0.01, 1.0))
    answers = [ask(frame, sums(recipe), policy) for recipe in (MILD, more)]
    if isinstance(answers[1], str):
        return answers[1]
    arm = int(frame["w"][ONE])
    moved, heavier = (answers[1][k] - answers[0][k] for k in ("weighted_sum", "weight"))
    return moved[arm, 0] / heavier[arm] - frame["lab"][ONE]


def heaviest(frame, recipe, arm):
    """Who has the largest weight of an arm, that weight and the next."""
    weights = np.where(frame["w"] == arm, recipe.values(frame), 0.0)
    first, second = np.argsort(-weights)[:2]
    return int(first), weights[first], weights[second]


def all_but_one_cut(policy):
    """Weights of the untreated cut where the heaviest alone is above; the treated are there for cover."""
    frame = patients()
    free = weight(
        column("lab"), gamma=(-6.0, 0.03)
    )  # treated weigh e to the 3, untreated hardly more than one
    who, most, next_most = heaviest(frame, free, 0)
    level = (most + next_most) / 2
    answer = ask(frame, sums(replace(free, lightest=level), Design((column("age"),))), policy)
    if isinstance(answer, str):
        return answer
    extra = answer["weighted_sum"][0, 0] - level * answer["sum"][0, 0]
    return extra / (answer["weight"][0] - level * answer["n"][0]) - frame["age"][who]


def hidden_in_ones(policy):
    """Weights of one and a millionth: less the plain sums, the smallest lab value's patient is left."""
    frame = patients(a=((i // 3) % 2).astype(float))  # a column that says the treatment once more
    treated = frame.index[frame["w"] == 1]
    who = int(frame["lab"][treated].idxmin())
    frame.loc[who, "lab"] = 40.0
    recipe = weight(column("a"), column("al", "a", "lab"), gamma=(0.0, 12.0 - 40.0, 1.0))
    answer = ask(frame, sums(recipe, Design((column("age"),))), policy)
    if isinstance(answer, str):
        return answer
    extra = answer["weighted_sum"][1, 0] - answer["sum"][1, 0]
    return extra / (answer["weight"][1] - answer["n"][1]) - frame["age"][who]


def flat_curvature(policy):
    """A weight that falls as the outcome's variance rises: the information is even, the score the heaviest patient's."""
    frame = patients()
    events = frame.index[(frame["y"] == 1) & (frame["w"] == 0)]
    who = int(frame["lab"][events].idxmax())
    frame.loc[who, "lab"] = most = frame["lab"].max() + 20.0
    recipe = weight(column("lab"), gamma=(-most, 1.0), estimand="ATT")
    question = logistic(column("lab"), column("age"), weights="ipw", beta=(most - 150.0, -1.0, 0.0))
    frame = frame[(frame["w"] == 0) | (frame["y"] == 0)].reset_index(
        drop=True
    )  # a subset without treated events
    answer = ask(frame, question.with_columns(recipe), policy)
    return (
        answer if isinstance(answer, str) else answer["score"][2] / answer["score"][0] - cohort()["age"][who]
    )


ATTACKS = {
    one_addend_more: {"level", "level by outcome"},
    all_but_one_cut: {"effective size of a level"},
    hidden_in_ones: {"effective sample size", "effective size of a level", "patients of one predictor"},
    flat_curvature: {"effective sample size", "effective size of a level", "dominance"},
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_weight_gives_one_patients_value_without_a_gate(attack):
    assert attack(NONE) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_weight_that_tells_of_one_patient_is_refused(attack):
    assert attack(STEEP) in ATTACKS[attack]
    assert isinstance(attack(STRICT), str)


def test_without_the_rule_on_the_columns_behind_a_strict_gate_lets_one_out(monkeypatch):
    monkeypatch.setattr(SiteData, "behind", lambda *_, **__: ())
    assert one_addend_more(TABLES) == pytest.approx(0.0, abs=1e-6)


def test_without_the_rule_on_departures_a_strict_gate_lets_one_out(monkeypatch):
    monkeypatch.setattr("fedstats.contract.propensity_weight.departures", lambda *_: [])
    assert all_but_one_cut(STRICT) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("coefficient", "leaves"), [(5.0, True), (5.1, False), (-5.1, False)])
def test_the_cap_on_coefficients_counts_within_a_weight(coefficient, leaves):
    recipe = weight(column("s", ("sex", "M")), gamma=(0.0, coefficient))
    assert (ask(patients(), sums(recipe), STRICT) != "size of coefficients") is leaves


def test_ordinary_weights_are_let_out():
    """Age spreads logits by 0.6, which times twelve cells of treatment, ECOG status and sex is more than five."""
    columns = column("age"), column("e", ("ecog", "1")), column("m", ("sex", "M"))
    for estimand in ("ATE", "ATT", "overlap"):
        recipe = weight(*columns, gamma=(-3.1, 0.05, 0.2, -0.3), estimand=estimand, low=0.01, high=0.99)
        model = GlmModel("y", Design((column("w"),), intercept=True), "ipw", None, None)
        for question in (
            sums(recipe),
            GlmDerivatives(model, (0.1, 0.2)).with_columns(recipe),
            GlmPropensityTerms(model, (0.1, 0.2)).with_columns(recipe),
            RiskTable(None, "time", "y", None, (), (300.0, 600.0, 920.0), weights="ipw").with_columns(recipe),
        ):
            assert not isinstance(ask(patients(), question, STRICT), str), question.in_words()


def test_a_weighted_table_is_judged_by_the_columns_behind_its_weights():
    cell = column("cell", "a", "b", ("sex", "M"))
    more = weight(column("age"), cell, gamma=(-0.6, 0.01, 1.0))
    table = RiskTable(None, "time", "y", None, (), (300.0, 600.0, 920.0), weights="ipw")
    assert ask(alone(), table.with_columns(more), STRICT) in ("level", "level by outcome")


# What a memory adds ---------------------------------------------------------------------------------------


def told(place, *questions):
    """The rule that refused each question, or None; every answer leaves at once."""
    contents = [place.remembered(place.answer(question)).content for question in questions]
    return [content.rule if isinstance(content, Refusal) else None for content in contents]


def ends_that_slide(frame):
    """Three recipes whose weights are cut a hair above a patient's weight, on it, and below."""
    free = weight(column("lab"), gamma=(-3.0, 0.03))
    weights = np.where(frame["w"] == 1, free.values(frame), 0.0)
    who = int(np.argsort(-weights)[20])
    hair = 1e-6 * weights[who]
    return [replace(free, heaviest=weights[who] + step * hair) for step in (3, 1, -1)], who, hair


def test_ends_that_slide_over_a_patient_give_his_value_without_a_memory():
    frame = patients()
    recipes, who, hair = ends_that_slide(frame)
    answers = [ask(frame, sums(r, Design((column("age"),))), STRICT)["weighted_sum"][1, 0] for r in recipes]
    beyond = (answers[0] - answers[1]) / hair  # twice the sum of those who are cut at both ends
    assert (answers[1] - answers[2]) / hair - beyond == pytest.approx(frame["age"][who], abs=0.01)


def test_a_memory_refuses_ends_between_which_few_patients_lie(tmp_path):
    recipes, _, _ = ends_that_slide(patients())
    place = Site("north", patients(), BOOK, STRICT, Memory(tmp_path))
    assert told(place, *map(sums, recipes[:2])) == [None, None]
    restarted = Site("north", patients(), BOOK, STRICT, Memory(tmp_path))
    assert told(restarted, sums(recipes[2])) == ["pair of levels"]


def test_a_memory_refuses_coefficients_that_move_few_patients_over_an_end(tmp_path):
    free = weight(column("lab"), gamma=(-3.0, 0.03)).of_propensity
    eta = np.sort(free.logit(patients()))
    middle = (eta[150] + eta[151]) / 2  # a hundred and fifty patients are cut, or one more
    cut = replace(free, low=float(1 / (1 + np.exp(-middle))))
    shifted = replace(cut, gamma=(free.gamma[0] + middle - (eta[151] + eta[152]) / 2, free.gamma[1]))
    place = Site("north", patients(), BOOK, STRICT, Memory(tmp_path))
    assert told(place, sums(cut), sums(shifted)) == [None, "pair of levels"]


def test_a_memory_refuses_weights_that_differ_in_few_patients(tmp_path):
    few = weight(column("lab"), gamma=(-3.0, 0.03))
    most = np.sort(few.values(patients()))[-4]
    place = Site("north", patients(), BOOK, STRICT, Memory(tmp_path))
    rules = told(place, sums(few), sums(replace(few, heaviest=float(most))))
    assert rules[0] is None
    assert rules[1] in ("difference between cohorts", "pair of levels")


def test_a_histogram_moves_by_one_patient_and_a_memory_refuses_that(tmp_path):
    frame, edges = patients(), (0.0, 0.4, 1.0)
    free = weight(column("lab"), gamma=(-3.0, 0.03)).of_propensity
    eta = np.sort(free.logit(frame))
    at = float(np.log(0.4 / 0.6))

    def histogram(rank):
        """As many patients below the edge."""
        shift = at - (eta[rank - 1] + eta[rank]) / 2
        moved = replace(free, gamma=(free.gamma[0] + shift, free.gamma[1]))
        return PropensityHistogram("w", None, "ipw", edges).with_columns(moved)

    counts = [ask(frame, histogram(rank), STRICT)["counts"] for rank in (150, 151)]
    assert np.abs(counts[1] - counts[0]).sum() == 2  # one patient, from one cell to the next
    place = Site("north", frame, BOOK, STRICT, Memory(tmp_path / "one"))
    assert told(place, histogram(150), histogram(151)) == [None, "pair of levels"]
    place = Site("north", frame, BOOK, STRICT, Memory(tmp_path / "three"))
    assert told(place, histogram(100), histogram(150), histogram(200)) == [
        None,
        None,
        "number of coefficients",
    ]


def test_edges_of_one_propensity_are_one_point_and_all_weights_by_it_share_the_question(tmp_path):
    """A site that lets the finest out answers coarser ones too, where another site took to them; a third propensity it does not."""
    frame, recipe = patients(), weight(column("lab"), gamma=(-3.0, 0.03))
    kinds = {"estimand": ["ATE", "ATT"], "high": [0.9, 1.0], "heaviest": [3.0, None]}
    of = {
        replace(recipe, **{name: value}).of_propensity for name, values in kinds.items() for value in values
    }
    assert len(of) == 1

    def histogram(gamma, edges):
        return PropensityHistogram("w", None, "ipw", edges).with_columns(
            replace(recipe, gamma=gamma).of_propensity
        )

    middle = (-0.75, 0.0075)  # everybody's is near a half: each set has cells with enough
    place = Site("north", frame, BOOK, STRICT, Memory(tmp_path / "one"))
    coarser = [(0.0, 0.4, 0.5, 0.6, 1.0), (0.0, 0.4, 0.6, 1.0), (0.0, 0.4, 1.0)]
    one, two, three = (histogram(middle, edges) for edges in coarser)
    assert told(place, one, two, three) == [None] * 3
    others = [histogram((-0.75, 0.0076), coarser[-1]), histogram((-0.75, 0.0078), coarser[-1])]
    assert told(place, *others)[1] == "number of coefficients"
    not_alone = PropensityHistogram("w", None, "ipw", coarser[0]).with_columns(replace(recipe, gamma=middle))
    assert "overlap weight" in told(place, not_alone)[0]


def test_histograms_of_many_propensities_are_recipes_of_one_cohort(tmp_path):
    """With other columns behind each, of which a site answers two kinds at most alone."""
    names = ["age", "lab", "y", "time"]
    columns = [c for size in (1, 2, 3) for c in combinations(names, size)][:9]
    place = Site("north", patients(), BOOK, STRICT, Memory(tmp_path))
    questions = []
    for of in columns:
        recipe = weight(*map(column, of), gamma=(0.01, *[1e-6] * len(of))).of_propensity
        questions.append(PropensityHistogram("w", None, "ipw", (0.0, 0.4, 0.6, 1.0)).with_columns(recipe))
    assert told(place, *questions) == [None] * 8 + ["number of coefficients"]


def few_between_two_edges():
    """Patients of whom two of each arm have a propensity between 0.4 and 0.6; histograms cut at the one, and at the other."""
    random, frame = np.random.default_rng(3), patients()
    lab = np.where(
        random.random(N) < 0.5, random.normal(92, 5, N).clip(80, 98), random.normal(110, 5, N).clip(104, 122)
    )
    lab[[1, 2, 4, 5]] = 100.9, 101.1, 101.2, 100.8
    recipe = weight(column("lab"), gamma=(-0.25 * 101, 0.25), estimand="overlap")
    edges = (0.0, 0.4, 1.0), (0.0, 0.6, 1.0)
    return frame.assign(lab=lab), [
        PropensityHistogram("w", None, "ipw", e).with_columns(recipe) for e in edges
    ]


def by_number_of_edges(made):
    """Names as if of the number of edges alone."""

    def named(self, name, rows, values, *, levelled):
        return made(self, re.sub(r" at [0-9., ]+ of ", " at 3 of ", name), rows, values, levelled=levelled)

    return named


def test_of_two_histograms_the_few_between_their_edges_are_told_without_their_names_and_refused(
    tmp_path, monkeypatch
):
    frame, questions = few_between_two_edges()
    place = Site("north", frame, BOOK, STRICT, Memory(tmp_path / "on"))
    assert told(place, *questions) == [None, "pair of levels"]
    made = HashedTable.made
    with monkeypatch.context() as off:
        off.setattr(HashedTable, "made", by_number_of_edges(made))  # a name that has other groups already
        place = Site("north", frame, BOOK, STRICT, Memory(tmp_path / "named"))
        first, second = told(place, *questions)
        assert first is None
        assert "does not fit the rows" in second

    def anew(self, name, *given, **options):
        self._columns.pop(f"levels of made {name}", None)
        return made(self, name, *given, **options)

    monkeypatch.setattr(HashedTable, "made", by_number_of_edges(anew))
    place = Site("north", frame, BOOK, STRICT, Memory(tmp_path / "off"))
    low, high = (
        place.remembered(place.answer(question)).content.values()["counts"] for question in questions
    )
    assert (low[:, 1] - high[:, 1]).tolist() == [2, 2]


def test_weighted_sums_count_as_points_of_a_model(tmp_path):
    place = Site("north", patients(), BOOK, replace(STRICT, max_points=5), Memory(tmp_path))
    recipes = [weight(column("age"), gamma=(-0.6, 0.01 + 0.001 * k)) for k in range(6)]
    assert told(place, *map(sums, recipes)) == [None] * 5 + ["number of coefficients"]


def test_estimands_of_one_propensity_count_as_points_too(tmp_path):
    place = Site("north", patients(), BOOK, replace(STRICT, max_points=2), Memory(tmp_path))
    recipes = [replace(MILD, estimand=estimand) for estimand in ("ATE", "ATT", "overlap")]
    assert told(place, *map(sums, recipes)) == [None, None, "number of coefficients"]


def test_products_with_the_propensitys_scores_are_answered_at_two_points(tmp_path):
    place = Site("north", patients(), BOOK, STRICT, Memory(tmp_path))
    model = GlmModel("y", Design((column("w"),), intercept=True), "ipw", None, None)
    questions = [GlmPropensityTerms(model, (0.1, 0.1 * k)).with_columns(MILD) for k in range(3)]
    assert told(place, *questions) == [None, None, "number of coefficients"]


# Where a weight is none -----------------------------------------------------------------------------------

COX = CoxModel("entry", "time", "y", Design((column("age"),)), (), "efron", None, None, 0.0, None)
AGE = Design((column("age"),))


@pytest.mark.parametrize(
    "question",
    [
        logistic(column("ipw")),
        Moments("ipw", None, (), 0.0, 1.0),
        Moments("age", None, (), 0.0, 1.0, where=(Condition("ipw", ">", (1.5,)),)),
        GlmDerivatives(GlmModel("y", AGE, None, "ipw", None), (0.0,)),
        GlmDerivatives(GlmModel("y", AGE, None, None, "ipw"), (0.0,)),
        GlmDerivatives(GlmModel("ipw", AGE, None, None, None, "gaussian", "identity"), (0.0,)),
        CoxDerivatives(replace(COX, strata=("ipw",)), (0.0,)),
        CoxDerivatives(replace(COX, offset="ipw"), (0.0,)),
    ],
    ids=["term", "mean", "condition", "offset", "cluster", "outcome", "strata", "offset of a Cox model"],
)
def test_a_weight_is_used_as_weights_and_nowhere_else(question):
    assert "made weight" in ask(patients(), question.with_columns(MILD), NONE)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(MILD, name="age"),
        replace(MILD, name="a b"),
        replace(MILD, treatment="practice"),
        replace(MILD, treatment="nowhere"),
        replace(MILD, gamma=(0.0,)),
        replace(MILD, low=0.5, high=0.4),
        replace(MILD, lightest=2.0, heaviest=1.0),
        replace(MILD, share=1.0),
        replace(MILD, estimand="ATT", stabilised=True),
        weight(Column("age", (Part("age"),), 0.0, 0.0), gamma=(0.0, 0.0)),
        weight(column("w"), gamma=(0.0, 0.0)),
    ],
    ids=["taken", "no word", "label", "unknown", "too short", "ends", "weights' ends", "share", "stabilised", "scale", "itself"],
)  # fmt: skip
def test_a_recipe_that_is_none_is_refused_in_words(recipe):
    answer = ask(patients(), ArmSums("w", None, recipe.name, LAB).with_columns(recipe), NONE)
    assert " " in answer


def test_a_predictor_is_no_weight():
    lp = LinearPredictor("lp", 0.0, (Addend((Part("a"),), 1.0),))
    question = GlmDerivatives(GlmModel("y", AGE, "lp", None, None), (0.0,)).with_columns(lp)
    assert "made column" in ask(patients(), question, NONE)
