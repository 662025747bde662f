"""Intercepts of practices leave the sums to those practices where a column differs: what a few patients would give away there."""

from dataclasses import replace

import numpy as np
import pytest

import fedstats as fs
from fedstats.contract.design import Design
from fedstats.contract.site_data import SiteData
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from tests.attacks.targets import BOOK, NONE, STRICT, N, ask, cohort, column

pytestmark = pytest.mark.acceptance(20)
NUMBER = np.random.default_rng(3).permutation(np.arange(N) % 10)  # ten practices of 36
HERE = int(np.flatnonzero(NUMBER == 9)[0])
LATE = int(np.flatnonzero(NUMBER == 9)[-1])
#: How many of his practice come before a patient: 0 ... 35.
RANK = np.array([np.count_nonzero(NUMBER[:i] == NUMBER[i]) for i in range(N)])


def within(*columns, outcome="y", family="binomial", link="logit", beta=None):
    model = GlmModel(outcome, Design(tuple(columns)), None, None, None, family, link, intercepts="practice")
    return GlmDerivatives(model, (0.0,) * len(columns) if beta is None else beta)


def without(question):
    model = replace(question.model, design=replace(question.model.design, intercept=True), intercepts=None)
    return GlmDerivatives(model, (0.0, *question.beta))


def ten(**columns):
    """Ten practices of 36 in which nothing is rare."""
    return cohort(practice=[f"practice {k}" for k in NUMBER], **columns)


def rural(**columns):
    """A level that half of the practices have, and in one of the others one patient."""
    return ten(a=((NUMBER < 5) | (np.arange(N) == HERE)).astype(int), **columns)


def test_ordinary_questions_are_let_out():
    asked = within(column("age", scale=8.0), column("a"), column("e", ("ecog", "1")), beta=(0.1, 0.2, -0.1))
    assert not isinstance(ask(ten(), asked, STRICT), str)
    assert not isinstance(ask(ten(), GlmMeat(asked.model, asked.beta), STRICT), str)
    counts = within(column("age", scale=8.0), column("b"), outcome="a", family="poisson", link="log")
    assert not isinstance(ask(ten(), counts, STRICT), str)
    measured = within(column("age", scale=8.0), outcome="lab", family="gaussian", link="identity")
    assert not isinstance(ask(ten(), measured, STRICT), str)


def test_no_number_is_of_a_practice():
    frame = ten()
    found = ask(frame, within(column("a")), NONE)
    assert {name: values.size for name, values in found.items()} == {
        "loglik": 1, "score": 1, "information": 1, "n": 1, "weight": 1, "n_event": 1, "dropped": 1, "intercepts": 1,
        "uninformative": 1,
    }  # fmt: skip


def test_the_only_patient_who_differs_in_his_practice_is_told_without_a_gate():
    for event in (0, 1):
        frame = rural()
        frame.loc[HERE, "y"] = event
        prevalence = frame.loc[NUMBER == 9, "y"].mean()
        score = ask(frame, within(column("a")), NONE)["score"][0]
        assert score == pytest.approx(event - prevalence, abs=1e-9)  # of all 360 patients


def test_the_only_patient_who_differs_in_his_practice_is_refused_though_his_level_is_common():
    frame = rural()
    assert not isinstance(ask(frame, without(within(column("a"))), STRICT), str)
    assert ask(frame, within(column("a")), STRICT) in ("level", "entry")
    sums = within(column("a")).aggregate(SiteData(BOOK.harmonise(frame, "north"), BOOK)).sums
    assert (sums["score"].patients.tolist(), sums["information"].patients.tolist()) == ([1], [1])
    with pytest.raises(fs.SiteRefused):
        fs.logistic(fs.InProcess({"north": frame}, BOOK), "y ~ a + age", intercepts="practice")


def test_a_level_with_the_event_in_few_patients_of_the_practices_where_it_differs_is_refused():
    frame = ten(a=np.where(NUMBER < 5, NUMBER < 2, RANK < 18).astype(int))
    inside = np.flatnonzero((NUMBER >= 5) & (frame["a"] == 1))
    frame.loc[inside, "y"] = 0
    frame.loc[inside[:3], "y"] = 1  # three of them, beside those of the first practices
    assert not isinstance(ask(frame, without(within(column("a"))), STRICT), str)
    assert ask(frame, within(column("a")), STRICT) == "level by outcome"


def test_a_pair_of_levels_of_few_patients_where_both_differ_is_refused():
    # of the one practice where both differ three patients have both; in the others one of them is the same for all
    a = np.select([NUMBER == 9, NUMBER < 5], [RANK < 18, RANK % 2 == 0], NUMBER % 2 == 0)
    b = np.select([NUMBER == 9, NUMBER >= 5], [(RANK >= 15) & (RANK < 33), RANK % 2 == 0], NUMBER % 2 == 0)
    frame = ten(a=a.astype(int), b=b.astype(int))
    asked = within(column("a"), column("b"))
    assert not isinstance(ask(frame, without(asked), STRICT), str)
    assert ask(frame, asked, STRICT) == "pair of levels"


def test_a_number_that_differs_in_one_patient_of_his_practice_is_refused():
    lab = 100.0 + 7 * NUMBER + np.random.default_rng(1).normal(0, 1e-3, N)
    lab[HERE] = 131.0  # the others of his practice have 163
    frame, asked = ten(lab=lab), within(column("lab"))
    p = frame.loc[NUMBER == 9, "y"].mean()
    of_one = ask(frame, asked, NONE)["information"][0]
    assert np.sqrt(of_one / (p * (1 - p)) * 36 / 35) == pytest.approx(163 - 131, abs=0.1)
    assert not isinstance(ask(frame, without(asked), STRICT), str)
    assert ask(frame, asked, STRICT) == "dominance"


def test_an_outcome_that_differs_in_one_patient_of_his_practice_is_refused():
    lab = 100.0 + 7 * NUMBER + np.random.default_rng(1).normal(0, 1e-3, N)
    lab[HERE] = 131.0
    asked = within(column("age", scale=8.0), outcome="lab", family="gaussian", link="identity")
    assert np.sqrt(ask(ten(lab=lab), asked, NONE)["deviance"][0] * 36 / 35) == pytest.approx(32, abs=0.1)
    assert not isinstance(ask(ten(lab=lab), without(asked), STRICT), str)
    assert ask(ten(lab=lab), asked, STRICT) == "dominance"


@pytest.mark.parametrize(("silent", "rule"), [(3, "entry"), (36, None)])
def test_practices_that_say_nothing_are_nobody_or_eleven_patients(silent, rule):
    frame = ten()
    frame.loc[: silent - 1, "practice"] = "without events"
    frame.loc[: silent - 1, "y"] = 0
    found = ask(frame, within(column("age", scale=8.0)), STRICT)
    assert found == rule if rule else found["uninformative"][0] == silent


def test_a_model_of_few_patients_is_refused_whoever_stands_beside_them():
    frame = ten()
    frame.loc[NUMBER != 0, "y"] = 0
    assert ask(frame, within(column("age", scale=8.0)), STRICT) == "patients"


def test_pairs_of_patients_are_let_out_and_practices_of_one_are_not():
    random = np.random.default_rng(0)
    frame = cohort(
        practice=[f"pair {i // 2}" for i in range(N)], age=random.permutation(np.linspace(40, 80, N))
    )
    assert not isinstance(ask(frame, within(column("age", scale=8.0)), STRICT), str)
    alone = frame.assign(practice=np.where(np.arange(N) < 4, np.arange(N).astype(str), frame["practice"]))
    assert ask(alone, within(column("age", scale=8.0)), STRICT) == "entry"


def small(events):
    """Twelve patients apart, with so many events."""
    apart = np.isin(np.arange(N), np.flatnonzero(NUMBER == 9)[:12])
    frame = cohort(practice=np.where(apart, "small", "large"))
    frame.loc[apart, "y"] = (np.arange(12) < events).astype(int)
    return frame


def test_of_two_practices_the_log_likelihood_tells_the_events_of_the_small_one_and_is_refused():
    frame = small(2)
    found = ask(frame, within(), NONE)

    def loglik(k):
        cells = ((12, k), (N - 12, found["n_event"][0] - k))
        return sum(e * np.log(e / n) + (n - e) * np.log(1 - e / n) for n, e in cells)

    away = [abs(loglik(k) - found["loglik"][0]) for k in range(1, 12)]
    assert int(np.argmin(away)) + 1 == 2
    assert min(away) < 1e-9
    asked = within(column("age", scale=8.0))
    assert not isinstance(ask(frame, without(asked), STRICT), str)
    assert ask(frame, asked, STRICT) == "level by outcome"
    frame.loc[frame.index[frame["practice"] == "small"][-5:], "practice"] = "large"
    assert ask(frame, asked, STRICT) == "level"


def test_a_crafted_question_stops_no_site():
    site = Site("north", ten(), BOOK, STRICT)
    one = within(column("age"))
    questions = [
        replace(one, beta=(1e300,)),
        replace(
            one, model=replace(one.model, design=replace(one.model.design, intercept=True)), beta=(0.0, 0.0)
        ),
        replace(one, model=replace(one.model, link="log")),
        replace(one, model=replace(one.model, intercepts="nothing")),
        replace(one, model=replace(one.model, intercepts="lab")),
        replace(one, model=replace(one.model, outcome="lab", family="poisson", link="log")),
    ]
    for question in questions:
        assert not hasattr(site.answer(question).content, "values"), question
    weighted = replace(one, model=replace(one.model, weights="w"))
    for frame in (ten(y=0), ten(y=1), ten(w=0.0)):
        for question in (weighted, GlmMeat(weighted.model, (0.0,))):
            assert not hasattr(Site("north", frame, BOOK, STRICT).answer(question).content, "values")
            Site("north", frame, BOOK, NONE).answer(question)


# Strata of a Cox model: the same, for each has a baseline hazard of its own -----------------------------------


def stratified(*columns, strata=("practice",)):
    model = CoxModel(None, "time", "y", Design(tuple(columns)), strata, "breslow", None, None, 0.0, None)
    return CoxDerivatives(model, (0.0,) * len(columns))


def test_the_only_patient_who_differs_in_his_stratum_is_told_without_a_gate_and_refused():
    frame = ten(a=((NUMBER < 5) | (np.arange(N) == LATE)).astype(int))
    asked = stratified(column("a"))
    mine = frame[NUMBER == 9]
    deaths = mine[(mine["y"] == 1) & (mine["time"] <= frame.loc[LATE, "time"])]["time"]
    expected = sum(1 / (mine["time"] >= t).sum() for t in deaths)
    score = ask(frame, asked, NONE)["score"][0]
    others = frame["practice"].isin([f"practice {k}" for k in range(9)])
    assert ask(frame[others], asked, NONE)["score"][0] == pytest.approx(0, abs=1e-9)
    assert score == pytest.approx(frame.loc[LATE, "y"] - expected, abs=1e-9)  # of all 360 patients
    assert not isinstance(ask(frame, stratified(column("a"), strata=()), STRICT), str)
    assert ask(frame, asked, STRICT) == "effective size of a level"


def test_a_number_that_differs_in_one_patient_of_his_stratum_is_refused():
    lab = 100.0 + 7 * NUMBER + np.random.default_rng(1).normal(0, 1e-3, N)
    lab[LATE] = 131.0
    frame = ten(lab=lab)
    assert not isinstance(ask(frame, stratified(column("lab"), strata=()), STRICT), str)
    assert ask(frame, stratified(column("lab")), STRICT) == "dominance"
    assert not isinstance(ask(ten(), stratified(column("lab"), column("a")), STRICT), str)


@pytest.mark.parametrize("event", [0, 1])
def test_who_is_at_risk_alone_at_every_death_of_his_stratum_stands_behind_nothing(event):
    """Forty couples differ in a level, and one of each enters when the other has died; elsewhere one patient has the level."""
    i = np.arange(N)
    couple = i < 80
    frame = cohort(
        practice=np.where(couple, [f"couple {k // 2}" for k in i], "all others"),
        entry=np.where(couple & (i % 2 == 1), 6.0, 0.0),
        time=np.where(couple, np.where(i % 2, 300.0, 5.0), 10.0 + i),
        y=np.where(couple, i // 4 % 2, np.where(i == 200, event, i % 3 > 0)).astype(int),
        a=np.where(couple, i // 2 % 2 == i % 2, i == 200).astype(int),
    )
    question = stratified(column("a"))
    asked = replace(question, model=replace(question.model, entry="entry"))
    told = ask(frame, asked, NONE)
    others = frame[~couple]
    hazard = others["y"] / np.arange(len(others), 0, -1)
    expected = hazard[others["time"] <= frame.loc[200, "time"]].sum()
    assert told["score"][0] + expected == pytest.approx(event, abs=1e-9)
    assert ask(frame, asked, STRICT) == "effective size of a level"
