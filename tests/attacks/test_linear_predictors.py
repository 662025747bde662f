"""A linear predictor is a column that whoever asks makes: each attack gives one patient's value without a gate, and none with it."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.condition import Condition
from fedstats.contract.design import Part
from fedstats.contract.linear_predictor import Addend, LinearPredictor
from fedstats.contract.query import QueryError
from fedstats.contract.shapes import Power
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.descriptives import Histogram, LevelCounts, Moments
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.methods.risk_table import RiskTable
from tests.attacks.targets import BOOK, NONE, STRICT, N, ask, cohort, column, logistic

i = np.arange(N)
ONE = 33
LAB = cohort()["lab"][ONE]


def made(*addends, intercept=0.0, name="lp"):
    """A predictor of (coefficient, parts...), each part a column or (column, level)."""
    parts = [tuple(Part(p) if isinstance(p, str) else Part(*p) for p in rest) for _, *rest in addends]
    return LinearPredictor(
        name, intercept, tuple(Addend(p, float(a[0])) for a, p in zip(addends, parts, strict=True))
    )


def moments(predictor, by=None, groups=()):
    """The question for the sum of a predictor around its agreed centre, as table_one asks it."""
    variable = predictor.variable(BOOK)
    return Moments("lp", by, groups, variable.centre, variable.scale).with_columns(predictor)


def total(predictor, answer, group=0):
    """The sum of the predictor over the patients of a group."""
    variable = predictor.variable(BOOK)
    return variable.scale * answer["sum"][group] + variable.centre * answer["n"][group]


def weighted_to_one(policy):
    """A coefficient of 1e9: the weights of all but the patient with the largest lab value vanish."""
    frame = cohort()
    lab = frame["lab"].to_numpy()
    steep = made((1e9, "lab"), intercept=-1e9 * lab.max())
    question = logistic(column("lp"), column("age"), beta=(0.0, 1.0, 0.0)).with_columns(steep)
    answer = ask(frame, question, policy)
    if isinstance(answer, str):
        return answer
    information = full_matrix(answer["information"])
    return information[2, 0] / information[0, 0] - frame["age"][lab.argmax()] + LAB


AGE = (0.05, "age")
ADDED = (1.0, "a", "b", ("sex", "M"))


def alone():
    """Patients with a, with b, and men, of whom one is all three."""
    held = [np.isin(i, [ONE, *range(first, first + 100)]) for first in (60, 160, 260)]
    a, b, men = (h.astype(float) for h in held)
    return cohort(a=a, b=b, sex=np.where(men, "M", "F"))


def moved(policy, frame, *addends, by=None, groups=(), group=0):
    """What addends move in the sum of a predictor that looks like any other."""
    predictors = made(AGE), made(AGE, *addends)
    answers = [ask(frame, moments(predictor, by, groups), policy) for predictor in predictors]
    if isinstance(answers[1], str):
        return answers[1]
    sums = [total(p, answer, group) for p, answer in zip(predictors, answers, strict=True)]
    return sums[1] - sums[0]


def alone_in_a_cell(policy):
    """The product of three columns within a predictor, described by its mean, times the lab value."""
    return moved(policy, alone(), (1.0, "a", "b", ("sex", "M"), "lab"))


def alone_in_a_group(policy):
    """The predictor within a group: men's lab values, of whom one is in the third."""
    return moved(policy, third_man(), (1.0, "lab", ("sex", "M")), by="ecog", groups=("0", "1", "2"), group=2)


def third_man():
    """Of the third group one is a man."""
    frame = cohort()
    frame.loc[(frame["ecog"] == 2) & (i != ONE), "sex"] = "F"
    frame.loc[ONE, ["ecog", "sex"]] = [2, "M"]
    return frame


def alone_with_a_term(policy):
    """The predictor times a level: the same man, through an interaction with the third group."""

    def question(predictor):
        return logistic(column("x", "lp", ("ecog", "2"))).with_columns(predictor)

    answers = [
        ask(third_man(), question(made(*parts)), policy)
        for parts in ((AGE,), (AGE, (1.0, "lab", ("sex", "M"))))
    ]
    if isinstance(answers[1], str):
        return answers[1]
    return 4 * (answers[1]["information"] - answers[0]["information"])[1]


def alone_with_an_offset(policy):
    """The predictor as an offset: what one addend moves in two slopes is the one patient's value."""
    model = GlmModel("y", logistic(column("lab")).model.design, None, "lp", None)
    answers = [
        ask(alone(), GlmDerivatives(model, (0.0, 0.0)).with_columns(made(*parts, intercept=-3.0)), policy)
        for parts in ((AGE,), (AGE, ADDED))
    ]
    if isinstance(answers[1], str):
        return answers[1]
    slopes = answers[1]["score"] - answers[0]["score"]
    return slopes[1] / slopes[0]


ATTACKS = {
    weighted_to_one: {"size of coefficients"},
    alone_in_a_cell: {"level", "dominance"},
    alone_in_a_group: {"level", "pair of levels"},
    alone_with_a_term: {"level", "level by outcome"},
    alone_with_an_offset: {"level", "level by outcome"},
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_predictor_gives_one_patients_value_without_a_gate(attack):
    assert attack(NONE) == pytest.approx(LAB, abs=1e-5)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)
def test_a_predictor_that_tells_of_one_patient_is_refused(attack):
    assert attack(STRICT) in ATTACKS[attack]


def test_an_ordinary_predictor_is_let_out():
    predictor = made((0.5, ("sex", "M")), (0.2, ("ecog", "1")), (0.3, "a"))
    for question in (
        moments(predictor),
        moments(predictor, "sex", ("F", "M")),
        logistic(column("lp"), column("age")).with_columns(predictor),
        logistic(column("age"), where=(Condition("lp", ">", (0.4,)),)).with_columns(predictor),
    ):
        assert not isinstance(ask(cohort(), question, STRICT), str)


@pytest.mark.parametrize(("coefficient", "leaves"), [(5.0, True), (5.1, False), (-5.1, False)])
def test_the_cap_on_coefficients_counts_within_a_predictor(coefficient, leaves):
    answer = ask(cohort(), moments(made((coefficient, ("sex", "M")))), STRICT)
    assert (answer != "size of coefficients") is leaves


def test_a_coefficient_of_the_predictor_counts_times_those_within():
    predictor = made((9.0, ("sex", "M")))
    question = logistic(column("lp"), beta=(0.0, 2.0)).with_columns(predictor)
    assert ask(cohort(), question, STRICT) == "size of coefficients"


def told(place, *questions):
    """The rule that refused each question, or None; every answer leaves at once."""
    contents = [place.remembered(place.answer(question)).content for question in questions]
    return [getattr(content, "rule", None) for content in contents]


@pytest.mark.parametrize(("apart", "rule"), [(1, "difference between cohorts"), (11, None)])
def test_a_memory_knows_what_a_predictor_is_made_of(tmp_path, apart, rule):
    def below(days):
        return (Condition("time", "<=", (10.0 + 2.5 * (days - 1),)),)

    lab = Moments("lab", None, (), 0.0, 1.0, where=below(100))
    for number, order in enumerate((1, -1)):
        place = Site("north", cohort(), BOOK, STRICT, Memory(tmp_path / str(number)))
        mine = moments(made((1.0, "lab"))).among(*below(100 + apart))
        assert told(place, *(lab, mine)[::order]) == [None, rule]


def test_a_memory_knows_by_what_a_predictor_chooses(tmp_path):
    place = Site("north", cohort(lab=i.astype(float)), BOOK, STRICT, Memory(tmp_path))
    ages = Moments("age", None, (), 0.0, 1.0, where=(Condition("lp", "<=", (199.0,)),))
    labs = [
        Moments("lab", None, (), 0.0, 1.0, where=(Condition("time", "<=", (10 + 2.5 * last,)),))
        for last in (200, 210)
    ]
    rules = told(place, ages.with_columns(made((1.0, "lab"))), *labs)
    assert rules == [None, "difference between cohorts", None]


def test_points_of_a_model_count_whatever_the_predictor(tmp_path):
    policy = replace(STRICT, max_numbers_per_patient=np.inf)
    place = Site("north", cohort(), BOOK, policy, Memory(tmp_path))
    questions = [
        logistic(column("lp")).with_columns(made((0.01 * k, "age"), (1.0, ("sex", "M")))) for k in range(101)
    ]
    assert told(place, *questions) == [None] * 100 + ["number of coefficients"]


COX = CoxModel("entry", "time", "y", logistic(column("age")).model.design, (), "efron", None, None, 0.0, None)


@pytest.mark.parametrize(
    "question",
    [
        Histogram("lp", None, (), ()),
        LevelCounts("lp", None, (), ("0", "1")),
        Moments("age", "lp", ("0", "1"), 0.0, 1.0),
        RiskTable(None, "time", "lp", None, (), (300.0,)),
        GlmDerivatives(GlmModel("lp", COX.design, None, None, None, "gaussian", "identity"), (0.0,)),
        GlmDerivatives(GlmModel("y", COX.design, "lp", None, None), (0.0,)),
        GlmDerivatives(GlmModel("y", COX.design, None, None, "lp"), (0.0,)),
        CoxDerivatives(CoxModel("entry", "time", "y", COX.design, ("lp",), "efron", None, None, 0.0, None), (0.0,)),
        logistic(column("lp", ("lp", "1"))),
        logistic(column("lp", ("lp", None, Power(2)))),
        logistic(column("lp", "lp", "lp")),
    ],
    ids=["edges", "levels", "groups", "event", "outcome", "weights", "cluster", "strata", "level", "square", "twice"],
)  # fmt: skip
def test_a_predictor_is_used_where_what_it_tells_is_judged_and_nowhere_else(question):
    assert "lp" in ask(cohort(), question.with_columns(made((1.0, "a"))), NONE)


@pytest.mark.parametrize(
    "predictor",
    [made((1.0, "a"), name="age"), made((1.0, "practice")), made((1.0, "nowhere")), made((1.0, "lp2"))],
    ids=["taken", "label", "unknown", "made of another"],
)
def test_a_predictor_is_made_of_the_codebooks_own_columns(predictor):
    other = made((1.0, "a"), name="lp2")
    question = Moments("age", None, (), 0.0, 1.0).with_columns(other, predictor)
    assert isinstance(ask(cohort(), question, NONE), str)


@pytest.mark.parametrize("name", ["", "a b", "lp]", "9", "x" * 41])
def test_a_predictors_name_is_a_word(name):
    with pytest.raises(QueryError, match="one word"):
        LinearPredictor.of(name, COX.design, np.ones(2), None).variable(BOOK)
    assert "one word" in ask(
        cohort(), moments(made((1.0, "a"))).with_columns(made((1.0, "b"), name=name)), NONE
    )
