"""Edges that a question slides over the rows: where an answer jumps, and where a refusal takes its place."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from fedstats.contract import margins
from fedstats.contract.aggregate import Aggregate, Evidence, Sum, full_matrix
from fedstats.contract.design import Design
from fedstats.contract.query import POINT, Query
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.numerics import families
from fedstats.numerics.families import LOG_BINOMIAL
from tests.attacks.targets import BOOK, BOUNDED, LARGE, NONE, STRICT, ask, cohort, column, logistic

pytestmark = pytest.mark.acceptance(20)


def risk_ratios(*columns):
    design = Design(columns, intercept=True)
    return GlmModel("y", design, None, None, None, "binomial", "log")


def continued(edge=1e-6):
    """A log-binomial family that goes on beyond a risk of one as if the predictor stood at the edge, so that a step is halved."""

    def stopped(part):
        return lambda y, eta: part(y, np.minimum(eta, -edge))

    return replace(
        LOG_BINOMIAL,
        loglik=stopped(LOG_BINOMIAL.loglik),
        residual=stopped(LOG_BINOMIAL.residual),
        curvature=stopped(LOG_BINOMIAL.curvature),
        expected=lambda eta: LOG_BINOMIAL.expected(np.minimum(eta, -edge)),
    )


def who_crosses_the_edge(policy):
    """Two answers with many beyond the edge, and one more patient beyond it in the second: a weight of 1e12 is his alone."""
    frame = cohort(y=np.arange(360) % 2)
    scales = np.array([80.0, 150.0])
    model = risk_ratios(column("age", scale=80.0), column("lab", scale=150.0))
    eta = 0.01 * frame["age"] + 0.001 * frame["lab"]
    order = np.argsort(-eta.to_numpy())
    without = [i for i in order if frame.loc[i, "y"] == 0]
    victim = without[60]
    grams = []
    for other in (without[59], victim):
        next_one = eta[order[list(order).index(other) + 1]]
        intercept = -(eta[other] + next_one) / 2
        answer = ask(frame, GlmDerivatives(model, (float(intercept), 0.8, 0.15)), policy)
        if isinstance(answer, str):
            return answer
        grams.append(full_matrix(answer["information"]))
    row = (grams[1] - grams[0])[0]
    return row[1:] / row[0] * scales, frame.loc[victim, ["age", "lab"]].to_numpy(dtype=float)


def test_a_step_of_the_weights_gives_a_row_where_there_is_one_and_no_policy_answers_beyond_the_edge(
    monkeypatch,
):
    assert who_crosses_the_edge(STRICT) == "bounded model"
    assert who_crosses_the_edge(BOUNDED) == "size of coefficients"
    assert who_crosses_the_edge(NONE) == "the sums are finite at these coefficients"
    monkeypatch.setattr(families.Family, "reaches", lambda *_: True)
    monkeypatch.setitem(families.FAMILIES, ("binomial", "log"), continued())
    for policy in (NONE, BOUNDED):  # so many beyond the edge weigh alike: no rule on who weighs sees it
        found, truth = who_crosses_the_edge(policy)
        np.testing.assert_allclose(found, truth, rtol=1e-3)


def oldest_by_refusals(memory, policy):
    """Whether a risk is beyond one, by halves, and no sum is looked at: the largest age."""
    frame = cohort(age=np.arange(360) % 40 + 0.123456789)
    frame.loc[17, "age"] = 40.987654321
    site = Site("north", frame, BOOK, policy, memory)
    model, refused = risk_ratios(column("age")), 0
    low, high = 0.0, 100.0
    for _ in range(45):
        middle = (low + high) / 2
        question = GlmDerivatives(model, (-0.2 * middle, 0.2))
        answer = site.remembered(site.answer(question))
        assert not answer.released
        refused += answer.content.rule == "number of refusals"
        if answer.content.rule == "size of coefficients":
            low = middle
        else:
            high = middle
    return (low + high) / 2, refused


def test_refusals_tell_an_age_where_they_are_not_counted_and_end_after_sixteen(tmp_path):
    for memory, policy in ((None, BOUNDED), (Memory(tmp_path / "a"), replace(BOUNDED, max_refusals=10**9))):
        assert oldest_by_refusals(memory, policy) == (pytest.approx(40.987654321, abs=1e-5), 0)
    found, refused = oldest_by_refusals(Memory(tmp_path / "b"), BOUNDED)
    assert refused == 45 - 16
    assert abs(found - 40.987654321) > 1e-4


def test_of_refusals_that_are_sent_together_the_seventeenth_says_nothing(tmp_path):
    site = Site("north", cohort(), BOOK, BOUNDED, Memory(tmp_path))
    model = risk_ratios(column("age"))
    answers = [site.answer(GlmDerivatives(model, (1.0 + i, 0.0))) for i in range(20)]  # none has left yet
    assert {answer.content.rule for answer in answers} == {"size of coefficients"}
    rules = [site.remembered(answer).content.rule for answer in answers]
    assert rules == ["size of coefficients"] * 16 + ["number of refusals"] * 4
    # what was told before is told again, and another model has an account of its own
    assert [site.answer(answers[i].query).content.rule for i in (0, 19)] == [rules[0], rules[19]]
    assert site.answer(GlmDerivatives(risk_ratios(column("lab")), (-0.7, 0.0))).released
    again = Site("north", cohort(), BOOK, BOUNDED, Memory(tmp_path))
    assert again.answer(GlmDerivatives(model, (-0.7, 0.0))).content.rule == "number of refusals"


#: A number without gaps of which the largest weigh most, and one of which the largest stands alone; with an intercept.
EVEN = np.random.default_rng(3).permutation(-np.log((np.arange(360) + 0.5) / 360)), -8.0
ALONE = np.where(np.arange(360) == 17, 9.87654321, np.random.default_rng(4).normal(size=360)), 0.0


def where_refusing_begins(folder, policy, number, low, high):
    """The slope on a number at which a site begins to refuse, by halves, and the rules that refused."""
    values, intercept = number
    frame = cohort(lab=values)
    site, rules = Site("north", frame, BOOK, policy, Memory(folder)), set()
    model = logistic(column("lab"), column("a")).model
    for _ in range(40):
        middle = (low + high) / 2
        answer = site.remembered(site.answer(GlmDerivatives(model, (intercept, middle, 0.0))))
        low, high = (middle, high) if answer.released else (low, middle)
        rules |= set() if answer.released else {answer.content.rule}
    return (low + high) / 2, rules


WHO_WEIGHS = {"dominance", "dominance of two", "effective sample size", "effective size of a level"}


@pytest.mark.parametrize(("number", "by"), [(EVEN, WHO_WEIGHS), (ALONE, {"patients of one predictor"})])
def test_where_a_rule_begins_to_refuse_is_a_patients_value_without_a_margin(
    tmp_path, monkeypatch, number, by
):
    patient = replace(LARGE, max_refusals=10**9, max_points=10**9)
    brackets = [(0.05, 2.0), (0.06, 2.01), (0.07, 2.02)]
    with monkeypatch.context() as off:
        off.setattr(margins, "WIDEST", 0.0)
        found = [
            where_refusing_begins(tmp_path / f"off{i}", patient, number, *b) for i, b in enumerate(brackets)
        ]
    (edge, rules), *others = found
    assert rules
    assert rules <= by
    assert [other for other, _ in others] == pytest.approx([edge, edge], rel=1e-9)
    blurred = [
        where_refusing_begins(tmp_path / f"on{i}", patient, number, *b)[0] for i, b in enumerate(brackets)
    ]
    assert max(blurred) <= edge
    assert np.ptp(blurred) > 1e-3 * edge


def test_a_margin_is_the_same_whenever_the_same_is_asked_and_another_at_another_site():
    one = margins.margin(b"north", b"a question")
    assert one == margins.margin(b"north", b"a question")
    drawn = [margins.margin(secret, b"%d" % i) for i in range(500) for secret in (b"north", b"south")]
    assert 1 <= min(drawn) < 1.01
    assert 1.24 < max(drawn) < 1.25
    assert len(set(drawn)) == 1000


def test_refusals_are_counted_over_models_and_tables(tmp_path):
    rules = []
    for rows in (360, 340):
        site = Site("north", cohort().iloc[:rows], BOOK, BOUNDED, Memory(tmp_path))
        for name in ("age", "lab", "w", "a", "b"):
            model = risk_ratios(column(name))
            answers = [site.answer(GlmDerivatives(model, (1.0 + i, 0.0))) for i in range(4)]
            rules += [site.remembered(answer).content.rule for answer in answers]
    assert rules == ["size of coefficients"] * 32 + ["number of refusals"] * 8


@dataclass(frozen=True)
class _TwoRules(Query):
    """A question whose rows one rule judges beforehand, and whose sums another judges afterwards, which fails by its margin alone."""

    share: float
    beta: tuple[float, ...] = field(default=(0.0,), metadata=POINT)

    def beforehand(self, data):  # noqa: ARG002
        return (Evidence("dominance", np.array([self.share]), "of one patient"),)

    def aggregate(self, data):
        size = Evidence("effective sample size", np.array([31.0]), "patients")
        n = np.array([len(data.frame)])
        return Aggregate({"n": Sum(n, n)}, len(data.frame), (size, *self.beforehand(data)))


def test_which_rule_refuses_shows_no_edge_either(tmp_path, monkeypatch):
    """A share of 0.49 and one of 0.51 are refused by the same rule, or its name would tell on which side of 0.5 a patient is."""

    def rules(site):
        return [site.answer(_TwoRules(share)).content.rule for share in (0.49, 0.51)]

    monkeypatch.setattr(margins, "margin", lambda *_: 1.25)
    assert rules(Site("north", cohort(), BOOK, STRICT, Memory(tmp_path))) == ["dominance", "dominance"]
    blurred = Site._blurred

    def afterwards(site, query, aggregate):
        return blurred(site, query, aggregate) if aggregate.sums else aggregate

    monkeypatch.setattr(Site, "_blurred", afterwards)
    told = rules(Site("north", cohort(), BOOK, STRICT, Memory(tmp_path / "off")))
    assert told == ["effective sample size", "dominance"]
