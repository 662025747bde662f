"""Questions of our own vocabulary, crafted: edges that slide, strata of one, scales that overflow, hazards to count by."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.condition import Condition
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.disclosure import Refusal
from fedstats.contract.variable import TimeGrid
from fedstats.federations.site import Site
from fedstats.methods import cox_model
from fedstats.methods.cox_model import CoxMeat, CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.descriptives import Histogram, Moments
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from tests.attacks.targets import BOOK, BOUNDED, NONE, STRICT, ask, cohort, column

pytestmark = pytest.mark.acceptance(20)


def alone():
    """A patient with a time that nobody comes near."""
    frame = cohort()
    order = np.sort(frame["time"])
    gap = int(np.argmax(np.diff(order[50:300]))) + 50
    return frame, float(order[gap]), float(order[gap + 1])


# Edges that slide ------------------------------------------------------------------------------------


def by_two_edges(policy):
    """Of the only patient between two edges: the level, by subtracting two tables."""
    frame, below, at = alone()
    questions = [Histogram("time", "sex", ("F", "M"), (edge,)) for edge in ((below + at) / 2, at)]
    before, after = (ask(frame, question, policy) for question in questions)
    return before if isinstance(before, str) else (after["counts"] - before["counts"])[:, 0].tolist()


def test_a_sliding_edge_tells_a_patients_level_without_a_gate():
    frame, _, at = alone()
    sex = frame.loc[frame["time"] == at, "sex"].iloc[0]
    assert by_two_edges(NONE) == [float(sex == "F"), float(sex == "M")]


def test_edges_of_a_questions_own_are_refused():
    assert by_two_edges(STRICT) == "agreed grid"


# Strata of one ---------------------------------------------------------------------------------------


def pair_of_a_stratum(policy):
    """Two patients, one of whom dies, share a stratum; all others have one each: the score is of those two."""
    frame = cohort(practice=[f"p{i}" for i in range(360)])
    frame.loc[[10, 11], "practice"] = "shared"
    frame.loc[10, ["time", "y"]] = [5.0, 1]
    design = Design((Column("age", (Part("age"),)), Column("older", (Part("age"), Part("age")))))
    model = CoxModel(None, "time", "y", design, ("practice",), "efron", None, None, 0.0, None)
    found = ask(frame, CoxDerivatives(model, (0.0, 0.0)), policy)
    if isinstance(found, str):
        return found
    difference, of_squares = 2 * found["score"]
    total = of_squares / difference
    return [(total + difference) / 2, (total - difference) / 2]


def test_strata_of_one_patient_give_the_ages_of_a_pair_without_a_gate():
    assert pair_of_a_stratum(NONE) == pytest.approx(cohort()["age"][[10, 11]].tolist(), rel=1e-9)


def test_strata_of_one_patient_are_refused():
    assert isinstance(pair_of_a_stratum(STRICT), str)


# Oracles ---------------------------------------------------------------------------------------------


def refusals_of_scales(where=()):
    """What a site says of scales from ordinary to absurd."""
    scales = (1.0, 1e-150, 1e-152, 1e-154, 1e-160, 1e-300)
    site = Site("north", cohort(), BOOK, STRICT)
    answers = (site.answer(Moments("lab", None, (), -5000.0, s, where=where)).content for s in scales)
    return {content.rule if isinstance(content, Refusal) else "released" for content in answers}


def test_an_overflow_tells_nothing_of_the_largest_value():
    """Whether a sum overflows at a scale of the question's own was said before the gate: twenty such bits are a value."""
    assert refusals_of_scales() == {"agreed grid"}


def test_an_overflow_tells_nothing_of_a_small_subset():
    oldest = float(cohort()["age"].max())
    assert refusals_of_scales((Condition("age", "==", (oldest,)),)) == {"patients of the subset"}


@pytest.mark.parametrize("cells", [1, 7, 200])
def test_hazards_on_no_grid_are_refused_whatever_their_number(cells):
    """A site's own number of event times was told by the one length that was not refused."""
    model = CoxModel(
        None, "time", "y", Design((Column("age", (Part("age"),)),)), (), "breslow", None, None, 0.0, None
    )
    assert "belong to an agreed grid" in ask(
        cohort(), CoxMeat(model, (0.0,), hazards=(0.0,) * (5 * cells)), NONE
    )


AGE, LAB = 71.5, 45.0


def late_patient_by_hazards(policy):
    """Hazards that count the last eleven at risk alone, and a coefficient that makes one of them outweigh the others.

    Returns the quotient of his two values, or the rule that refused.
    """
    grid = (300.0, 880.0, 910.0)
    model = CoxModel(
        None,
        "time",
        "y",
        Design((column("age"), column("lab"))),
        (),
        "breslow",
        None,
        None,
        0.0,
        None,
        grid,
    )
    frame = cohort()
    frame["lab"] -= 100.0
    frame.loc[349:, "y"] = 1
    frame.loc[355, ["age", "lab"]] = AGE, LAB
    book = replace(BOOK, grid=TimeGrid("days", (30.0,), 910.0))
    hazards = (0.0, 0.0, 1.0) + (0.0,) * (3 + 3 * 3 * 2)  # a in the last cell; no b, no means of two columns
    question = CoxMeat(model, (0.0, 0.1), hazards)
    answer = ask(frame, question, replace(policy, distinct_values=True), book)
    if isinstance(answer, str):
        return answer
    meat = full_matrix(answer["meat"])
    return meat[0, 1] / meat[1, 1]


def test_a_residual_that_outweighs_the_others_is_one_patients_row(monkeypatch):
    truth = pytest.approx(AGE / LAB, rel=0.02)
    assert late_patient_by_hazards(NONE) == truth
    assert late_patient_by_hazards(STRICT) == "dominance"
    monkeypatch.setattr(cox_model, "dominance_of_residuals", lambda *_: ())
    assert late_patient_by_hazards(STRICT) == "effective sample size"
    monkeypatch.setattr(cox_model, "of_neighbours", lambda *_, **__: ())
    assert (
        late_patient_by_hazards(STRICT) == truth
    )  # no other rule looks at what published hazards leave of a sum


# Responses that are measured -------------------------------------------------------------------------


def glm(family, link, beta, outcome="lab"):
    design = Design((column("age"),), intercept=True)
    return GlmDerivatives(GlmModel(outcome, design, None, None, None, family, link), beta)


@pytest.mark.parametrize(("family", "link"), [("gaussian", "identity"), ("poisson", "log")])
def test_a_response_far_off_gives_one_patients_row_without_a_gate_and_is_refused(family, link):
    frame = cohort()
    frame["lab"] = np.where(frame.index == 77, 10**7, np.arange(360) % 40 + 60)
    question = glm(family, link, (0.0, 0.0))
    score = ask(frame, question, NONE)["score"]
    assert score[1] / score[0] == pytest.approx(frame.loc[77, "age"], rel=5e-3)
    assert ask(frame, question, STRICT) == "dominance"


# Offsets and weights --------------------------------------------------------------------------------


def with_offset_of_one(value, chosen):
    """Offsets that differ from patient to patient, and one that is far off."""
    offset = np.random.default_rng(1).normal(size=360)
    offset[chosen] = value
    return cohort(w=offset)


def test_an_offset_far_off_stands_alone_in_a_logistic_log_likelihood_and_is_refused():
    frame = with_offset_of_one(5000.0, 78)  # without the event, so that he costs 5000
    design = Design((column("a"),), intercept=True)
    question = GlmDerivatives(GlmModel("y", design, None, "w", None), (0.0, 0.0))
    assert -ask(frame, question, NONE)["loglik"][0] == pytest.approx(5000.0, rel=0.1)
    assert ask(frame, question, STRICT) == "dominance"


def test_an_offset_far_off_stands_alone_in_a_cox_log_likelihood_and_is_refused():
    frame = with_offset_of_one(-5000.0, 77)  # with the event: his own relative risk is nothing
    model = CoxModel(None, "time", "y", Design((column("a"),)), (), "efron", None, "w", 0.0, None)
    question = CoxDerivatives(model, (0.0,))
    assert -ask(frame, question, NONE)["loglik"][0] == pytest.approx(5000.0, rel=0.2)
    assert ask(frame, question, STRICT) == "dominance"


def test_a_deviance_that_is_one_patients_is_refused_though_no_score_holds_him():
    frame = cohort(lab=np.arange(360) % 40 + 60.0)
    chosen = 77  # a = 0: without an intercept he is in no column
    frame["w"] = frame["lab"] + np.random.default_rng(1).normal(size=360)
    frame.loc[chosen, "w"] += 5000.0
    design = Design((column("a"),))
    assert frame.loc[chosen, "a"] == 0
    question = GlmDerivatives(GlmModel("lab", design, None, "w", None, "gaussian", "identity"), (0.0,))
    residual = frame.loc[chosen, "w"] - frame.loc[chosen, "lab"]
    assert ask(frame, question, NONE)["deviance"][0] == pytest.approx(residual**2, rel=1e-3)
    assert ask(frame, question, STRICT) == "dominance"


def test_a_weight_near_nothing_stands_alone_in_the_sum_of_logarithms_and_is_refused():
    weights = np.random.default_rng(1).uniform(0.9, 1.1, 360)
    weights[7] = 1e-250
    frame = cohort(w=weights, lab=np.arange(360) % 40 + 60.0)
    design = Design((column("age"),), intercept=True)
    question = GlmDerivatives(GlmModel("lab", design, "w", None, None, "gaussian", "identity"), (0.0, 0.0))
    assert ask(frame, question, NONE)["log_weight"][0] == pytest.approx(np.log(1e-250), rel=0.01)
    assert ask(frame, question, STRICT) == "dominance"


def test_ordinary_offsets_and_weights_are_let_out():
    years = np.random.default_rng(2).exponential(2.0, 360) + 0.02  # follow-up: many short, a few long
    frame = cohort(w=np.log(years), b=np.arange(360) % 4)
    design = Design((column("age"), column("a")), intercept=True)
    for weights, offset in ((None, "w"), ("time", None)):
        model = GlmModel("b", design, weights, offset, None, "poisson", "log")
        assert not isinstance(ask(frame, GlmDerivatives(model, (0.0,) * 3), STRICT), str)


def test_a_risk_of_one_is_refused_by_every_policy_and_in_the_words_of_a_large_coefficient():
    # of all ages one alone makes the predictor zero or more
    frame = cohort()
    oldest, next_one = np.sort(frame["age"])[[-1, -2]]
    slope = 0.9
    above, between = (
        glm("binomial", "log", (-slope * edge, slope), outcome="y")
        for edge in (oldest + 0.01, (oldest + next_one) / 2)
    )
    assert np.isfinite(ask(frame, above, NONE)["loglik"][0])
    assert ask(frame, between, NONE) == "the sums are finite at these coefficients"
    assert ask(frame, between, BOUNDED) == "size of coefficients"
    assert ask(frame, above, STRICT) == ask(frame, between, STRICT) == "bounded model"


def test_an_ordinary_model_of_every_family_is_let_out():
    frame = cohort()
    frame["lab"] = np.arange(360) % 40 + 60
    for family, link, outcome, beta in (
        ("gaussian", "identity", "lab", (80.0, 0.0)),
        ("poisson", "log", "lab", (4.4, 0.0)),
        ("binomial", "log", "y", (-0.7, 0.0)),
    ):
        assert not isinstance(ask(frame, glm(family, link, beta, outcome), BOUNDED), str)
