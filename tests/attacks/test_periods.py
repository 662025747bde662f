"""Effects that change after cuts of follow-up: cuts close to each other isolate an event, and a patient has a row in every period."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import Release, full_matrix
from fedstats.contract.design import Design, Part, Period
from fedstats.contract.linear_predictor import Addend, LinearPredictor
from fedstats.contract.query import Query, spec_from_dict
from fedstats.contract.site_data import SiteData
from fedstats.contract.variable import TimeGrid
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxMeat, CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.cox_shared_baseline import CoxCurvature, CoxRiskSets
from fedstats.methods.firth_correction import CoxFirthCorrection
from fedstats.methods.folds import WithoutFolds
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.methods.penalised_fit import DesignMoments
from fedstats.methods.proportional_hazards import CoxTimeTrends
from fedstats.methods.risk_table import RiskTable
from tests.attacks.targets import BOOK, NONE, STRICT, N, ask, cohort, column

DAY = np.arange(N)
#: Strict but for one rule: cuts, as edges, may be anybody's.
OWN_CUTS = replace(STRICT, distinct_values=True)
CUTS = (310.0, 610.0)
AGREED = replace(BOOK, grid=TimeGrid("days", (5.0, 100.0), 1000.0, CUTS))
#: Patient 201 dies when nobody else leaves, and half of the others have ``a``.
WHO, BEFORE, AT = 201, 510.0, 512.5


def by_period(cuts, *columns):
    """Every column in each period between the cuts."""
    ends = (*cuts, None)
    return Design(
        tuple(
            replace(c, name=f"{c.name} {k}", period=Period(after, until))
            for c in columns
            for k, (after, until) in enumerate(zip((0.0, *cuts), ends, strict=True))
        )
    )


def model(design, **options):
    return replace(CoxModel(None, "time", "y", design, (), "breslow", None, None, 0.0, None), **options)


def derivatives(cuts, *columns, **options):
    design = by_period(cuts, *columns)
    return CoxDerivatives(model(design, **options), (0.0,) * len(design.columns))


def reads_the_one_who_died(score, information):
    """From a 0/1 column less its mean p, and p (1 - p): the value of who died, or None where it is no such pair."""
    value = int(score > 0)
    p = value - score
    return value if np.isclose(p * (1 - p), information, atol=1e-9) else None


def a_period_of_one_event(policy, who=WHO):
    """Between two cuts a day apart one patient dies: his level is what the score of that period is."""
    frame = cohort()
    sums = ask(frame, derivatives((BEFORE, AT), column("a")), policy)
    if isinstance(sums, str):
        return sums
    found = reads_the_one_who_died(sums["score"][1], full_matrix(sums["information"])[1, 1])
    return bool(found == frame.loc[who, "a"])


def two_cuts_a_day_apart(policy, book=BOOK):
    """Each period is long; the first of the one question, less the first of the other, is one event."""
    frame = cohort()
    answers = [ask(frame, derivatives((cut,), column("a")), policy, book) for cut in (AT, BEFORE)]
    refused = [answer for answer in answers if isinstance(answer, str)]
    if refused:
        return refused[0]
    score, information = (answers[0][name][0] - answers[1][name][0] for name in ("score", "information"))
    return bool(reads_the_one_who_died(score, information) == frame.loc[WHO, "a"])


def failed(frame, question, policy, book):
    """What of a site's judgements is not met."""
    found = Site("north", frame, book, policy).answer(question).review
    return found[~found["passed"].astype(bool)]


def test_ordinary_questions_are_let_out():
    asked = derivatives(CUTS, column("a"), column("age", scale=8.0))
    assert not isinstance(ask(cohort(), asked, STRICT, AGREED), str)
    assert not isinstance(ask(cohort(), CoxMeat(asked.model, asked.beta), STRICT, AGREED), str)
    grid = (310.0, 510.0, 610.0, 810.0)
    shared = replace(asked.model, grid=grid)
    book = replace(AGREED, grid=replace(AGREED.grid, candidates=(100.0,)))
    assert isinstance(
        ask(cohort(), CoxRiskSets(shared, asked.beta), STRICT, book), str
    )  # the grid is its own
    own = replace(STRICT, distinct_values=True)
    assert not isinstance(ask(cohort(), CoxRiskSets(shared, asked.beta), own, AGREED), str)
    hazards = (0.01,) * len(grid), (0.0,) * len(grid)
    assert not isinstance(ask(cohort(), CoxCurvature(shared, asked.beta, *hazards), own, AGREED), str)


def test_a_period_of_one_event_tells_of_the_patient_and_is_refused():
    assert a_period_of_one_event(NONE) is True
    assert a_period_of_one_event(STRICT) == "agreed grid"
    assert isinstance(a_period_of_one_event(OWN_CUTS), str)


def test_two_cuts_a_day_apart_tell_of_the_patient_where_cuts_are_anybodys_and_are_refused_else():
    assert two_cuts_a_day_apart(NONE) is True
    assert two_cuts_a_day_apart(OWN_CUTS) is True  # no count of either question is small
    assert two_cuts_a_day_apart(STRICT) == "agreed grid"


def test_cuts_that_a_codebook_agrees_on_a_day_apart_are_refused_one_by_one():
    """Whichever is asked for, the patients between any two of them are judged: a site without a memory is safe as well."""
    book = replace(AGREED, grid=replace(AGREED.grid, cuts=(BEFORE, AT)))
    assert two_cuts_a_day_apart(STRICT, book) == "leavers of a time cell"


def test_a_site_remembers_the_cuts_that_it_has_answered(tmp_path):
    site = Site("north", cohort(), BOOK, OWN_CUTS, Memory(tmp_path))
    first, second, third = (
        site.remembered(site.answer(derivatives(cuts, column("a")))).content
        for cuts in ((AT,), (BEFORE,), (310.0,))
    )
    assert isinstance(first, Release)
    assert second.rule == "difference between cohorts"
    assert isinstance(third, Release)


def test_a_site_lays_cuts_over_the_grid_of_a_curve(tmp_path):
    """A curve counts the events up to one day, and the model sums those up to another."""
    site = Site("north", cohort(), BOOK, OWN_CUTS, Memory(tmp_path))
    curve, near, same = (
        site.remembered(site.answer(question)).content
        for question in (
            RiskTable(None, "time", "y", None, (), (AT,)),
            derivatives((BEFORE,), column("a")),
            derivatives((AT,), column("a")),
        )
    )
    assert isinstance(curve, Release)
    assert near.rule == "leavers of a time cell"
    assert isinstance(same, Release)


# A row in every period ---------------------------------------------------------------------------


def test_four_patients_are_no_dozen_for_being_at_risk_in_three_periods():
    """Four patients have a level and leave last: twelve rows of three periods, and no more than four patients."""
    frame = cohort(a=(DAY >= N - 4).astype(int))
    changing = column("age", scale=8.0)
    design = by_period(CUTS, changing)
    asked = CoxDerivatives(model(Design((column("a"), *design.columns))), (0.0,) * 4)
    assert ask(frame, asked, STRICT, AGREED) == "level"
    found = asked.aggregate(SiteData(AGREED.harmonise(frame, "the test"), AGREED))
    assert found.sums["score"].patients[0] == 4
    assert found.sums["n"].values[0] == N
    assert max(found.sums["score"].patients) <= N


def test_patients_behind_a_sum_are_those_at_risk_in_its_period():
    asked = derivatives(CUTS, column("a"), column("b"))
    frame = cohort()
    found = asked.aggregate(SiteData(AGREED.harmonise(frame, "the test"), AGREED))
    at_risk = [frame[frame["time"] > cut] for cut in (0.0, *CUTS)]
    told = [rows[rows["time"] >= rows.loc[rows["y"] == 1, "time"].min()] for rows in at_risk]
    expected = [int(rows[name].sum()) for name in ("a", "b") for rows in told]
    assert found.sums["score"].patients.tolist() == expected
    pairs = full_matrix(found.sums["information"].patients.astype(float))
    assert pairs[0, 3] == (told[0]["a"] * told[0]["b"]).sum()
    assert pairs[0, 4] == pairs[1, 0] == 0  # of two periods nothing is multiplied
    meat = CoxMeat(asked.model, asked.beta).aggregate(SiteData(AGREED.harmonise(frame, "the test"), AGREED))
    squares = full_matrix(meat.sums["meat"].patients.astype(float))
    assert squares[0, 1] == (told[1]["a"]).sum()  # of two periods a patient's residuals are


def late(**columns):
    """Most leave in the first period; sixty patients are at risk after 610 days."""
    time = np.where(DAY < 300, 10.0 + DAY, 620.0 + DAY)
    return cohort(time=time, **columns)


REFUSED = {
    "a level of few patients in a period": (
        late(a=np.where(DAY < 300, DAY % 4 > 1, DAY >= N - 4).astype(int)),
        (column("a"),),
        "level",
    ),
    "an event of few patients of a level in a period": (
        late(
            a=DAY // 2 % 2, y=np.where(DAY < 300, DAY % 2, (DAY // 2 % 2 == 0) | (DAY == N - 1)).astype(int)
        ),
        (column("a"),),
        "level by outcome",
    ),
    "few patients with two levels in a period": (
        late(
            a=DAY // 2 % 2,
            b=np.where(DAY < 300, DAY // 4 % 2, np.where(DAY >= N - 3, 1 - DAY // 2 % 2, DAY // 2 % 2)),
        ),
        (column("a"), column("b")),
        "pair of levels",
    ),
    "a number far out in a period": (
        late(lab=np.where(DAY == N - 10, 220.0, 85.0 + DAY * 7 % 30)),
        (column("lab", scale=16.0),),
        "dominance",
    ),
    "more coefficients than a period has events for": (
        late(y=np.where(DAY < 300, DAY % 2, DAY % 5 == 0).astype(int)),
        tuple(column(name) for name in ("a", "b", "age")),
        "parameters per event",
    ),
    "few patients in a period": (
        late(y=(DAY % 3 > 0).astype(int)).iloc[:345],
        (column("age", scale=8.0),),
        "patients",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_few_in_a_period_is_refused_though_it_is_many_in_all(case):
    frame, columns, rule = REFUSED[case]
    book = replace(AGREED, grid=replace(AGREED.grid, cuts=(610.0,)))
    plain = CoxDerivatives(model(Design(columns)), (0.0,) * len(columns))
    asked = derivatives((610.0,), *columns)
    assert not isinstance(ask(frame, plain, STRICT, book), str)
    assert not isinstance(ask(frame, asked, NONE, book), str)
    assert rule in failed(frame, asked, STRICT, book)["rule"].tolist()


def test_another_cause_of_one_patient_in_a_period_is_refused_whichever_is_asked():
    """All patients less the events of every other code are those of the rare one, in a period as in all."""
    book = replace(AGREED, grid=replace(AGREED.grid, cuts=(310.0,)))
    usual = np.array(["0", "1", "1", "2"])[DAY % 4]
    rare = np.where((DAY > 120) & (usual == "2") & (DAY != 203), "0", usual)
    asked = derivatives((310.0,), column("a"), column("age", scale=8.0), event="ecog", event_level="1")
    assert not isinstance(ask(cohort(ecog=usual), asked, STRICT, book), str)
    found = failed(cohort(ecog=rare), asked, STRICT, book)
    assert found.loc[found["rule"] == "level by outcome", "about"].str.startswith("after 310: ").all()
    assert "level by outcome" in found["rule"].tolist()


def test_who_leaves_in_a_period_is_nobody_or_many_with_a_level_and_without():
    """Two periods differ by those who leave in the first: three of them, or three of a level."""
    book = replace(AGREED, grid=replace(AGREED.grid, cuts=(100.0,)))
    columns = column("age", scale=8.0), column("a")
    few = cohort(time=np.where(DAY < 3, 50.0, 110.0 + DAY), y=(DAY % 2).astype(int))
    assert ask(few, derivatives((100.0,), *columns), STRICT, book) == "leavers of a time cell"
    of_level = cohort(
        time=np.where(DAY < 90, 50.0 + DAY / 4, 110.0 + DAY),
        a=np.where(DAY < 90, DAY < 3, DAY // 2 % 2).astype(int),
    )
    found = failed(of_level, derivatives((100.0,), *columns), STRICT, book)
    assert found["about"].str.contains("who leave in a cell, with a level or two").any()


def test_cells_beside_a_cut_are_judged_as_any_others():
    """Of a shared baseline the last risk set of one period and the first of the next differ by who leaves between them."""
    grid = (310.0, 595.0, 610.0, 810.0)
    shared = model(by_period((610.0,), column("a")), grid=grid)
    asked = CoxRiskSets(shared, (0.0, 0.0))
    assert ask(cohort(), asked, OWN_CUTS, AGREED) == "leavers of a time cell"


@pytest.mark.parametrize("moved", ["entry", "time"])
def test_who_enters_or_leaves_in_another_period_is_none_of_a_periods_few(moved):
    """Of thirty who enter in a cell three are there in the last period; of thirty who leave in a cell three in the first."""
    grid = (310.0, 510.0, 610.0, 810.0)
    group = (DAY >= 130) & (DAY < 160)
    if moved == "entry":
        time = np.where(group, np.where(DAY < 157, 420.0 + DAY, 700.0 + DAY), 10.0 + 2.5 * DAY)
        frame = cohort(time=time, entry=np.where(group, 250.0, 0.0))
    else:
        time = np.where(group, 520.0 + DAY / 4, np.where((DAY > 200) & (DAY < 240), 710.0, 10.0 + 2.5 * DAY))
        frame = cohort(time=time, entry=np.where(group & (DAY < 157), 350.0, 0.0))
    constant = model(Design((column("a"),)), entry="entry", grid=grid)
    assert not isinstance(ask(frame, CoxRiskSets(constant, (0.0,)), OWN_CUTS, AGREED), str)
    changing = model(
        by_period((310.0,) if moved == "time" else (610.0,), column("a")), entry="entry", grid=grid
    )
    book = replace(AGREED, grid=replace(AGREED.grid, cuts=()))
    assert not isinstance(ask(frame, CoxRiskSets(changing, (0.0, 0.0)), OWN_CUTS, book), str)


# Crafted questions ---------------------------------------------------------------------------------

A, AGE = column("a"), column("age", scale=8.0)
CRAFTED = {
    "the same column twice at a time": (
        replace(A, period=Period(0.0, 610.0)),
        replace(A, period=Period(310.0, None)),
        replace(AGE, period=Period(0.0, None)),
    ),
    "a column beside itself": (A, replace(A, period=Period(310.0, None))),
    "nothing in a period": (replace(A, period=Period(310.0, None)),),
    "a period that ends before it begins": (replace(A, period=Period(610.0, 310.0)), AGE),
    "a period before zero": (replace(A, period=Period(-1.0, 310.0)), AGE),
    "many periods": by_period(tuple(10.0 * k for k in range(1, 40)), A).columns,
    "the time itself": (column("time"), replace(A, period=Period(310.0, None))),
}


@pytest.mark.parametrize("case", CRAFTED)
def test_periods_that_make_no_model_are_refused_without_a_look_at_who_they_hold(case):
    asked = CoxDerivatives(model(Design(CRAFTED[case])), (0.0,) * len(CRAFTED[case]))
    assert spec_from_dict(asked.to_dict(), Query) == asked
    assert isinstance(ask(cohort(), asked, NONE, AGREED), str)


def test_no_other_question_takes_columns_of_a_period():
    changing = model(by_period(CUTS, A, AGE))
    zero = (0.0,) * 6
    own = CoxDerivatives(changing, zero)
    asked = (
        CoxTimeTrends(changing, zero, "identity"),
        CoxFirthCorrection(changing, zero, (0.0,) * 21),
        DesignMoments(own),
        WithoutFolds(own, 2, points=(zero,) * 3),
        GlmDerivatives(
            GlmModel("y", replace(changing.design, intercept=True), None, None, None), (0.0, *zero)
        ),
        replace(own, model=replace(changing, weights="score")).with_columns(
            LinearPredictor("score", 0.0, (Addend((Part("age"),), 1.0),))
        ),
        CoxRiskSets(changing, zero),
        CoxRiskSets(replace(changing, grid=(300.0, 600.0)), zero),
        CoxCurvature(replace(changing, grid=(310.0, 610.0)), zero, (0.1,), (0.0,)),
        CoxMeat(changing, zero, (0.1,) * 40),
    )
    site = Site("north", cohort(), AGREED, NONE)
    assert isinstance(site.answer(own).content, Release)  # what a site has prepared for it serves no other
    for question in asked:
        assert not isinstance(site.answer(question).content, Release), type(question).__name__
    assert isinstance(site.answer(own).content, Release)
