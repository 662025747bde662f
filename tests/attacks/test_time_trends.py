"""Sums over events that are weighted by time: with two weightings the events in which these differ are told apart."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import Release, full_matrix
from fedstats.contract.design import Design
from fedstats.contract.site_data import SiteData
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods import follow_up, trend_evidence
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.proportional_hazards import CoxTimeTrends
from tests.attacks.targets import BOOK, NONE, STRICT, N, ask, cohort, column

NUMBERS = ("age", "lab")
MODEL = CoxModel(
    None, "time", "y", Design((column("age"), column("lab"))), (), "breslow", None, None, 0.0, None
)
OF_A = replace(MODEL, design=Design((column("a"),)))
ZERO = (0.0, 0.0)
DAY = np.arange(N)
#: Cells of 60, 298 and 2 patients of a cohort of whom one leaves every two and a half days.
CELLS = (157.5, 902.5)
#: A gate that judges events and single patients, and nothing else of who stands behind weighted sums.
NO_SIZES = {"min_effective": 0.0, "min_effective_level": 0.0}


def in_first_cell(frame, policy, model=MODEL, edge=157.5):
    """The sums of the first cell, by steps that are zero beyond it; or the rule."""
    return ask(
        frame, CoxTimeTrends(model, (0.0,) * len(model.design.names), "steps", (edge,), (1.0, 0.0)), policy
    )


def the_only_event_of_a_cell(policy):
    """Everybody is at risk at the first event: the score of its cell is the patient's distance from the mean."""
    frame = cohort(y=np.where(DAY < 60, DAY == 0, DAY % 2).astype(int))
    sums = in_first_cell(frame, policy)
    if isinstance(sums, str):
        return sums
    row = sums["score"] + frame[list(NUMBERS)].mean().to_numpy()
    return np.allclose(row, frame.loc[0, list(NUMBERS)].to_numpy(dtype=float), atol=1e-6)


def one_event(policy, odd):
    """Of twelve events in a cell one patient has another ``a``: nearly all are at risk, so the score counts them."""
    a = np.where(DAY < 24, np.where(DAY % 4 == 1, odd, 1 - odd), DAY % 2)
    a[0] = odd
    frame = cohort(y=np.where(DAY < 24, DAY % 2 == 0, DAY % 3 > 0).astype(int), a=a)
    assert ((frame["y"] == 1) & (a == odd))[:24].sum() == 1
    sums = in_first_cell(frame, policy, OF_A, 67.5)
    if isinstance(sums, str):
        return sums
    return round(float(sums["score"][0]) + 12 * a.mean()) == (1 if odd else 11)


def the_only_event_of_a_level(policy):
    """One patient who has it dies in the cell."""
    return one_event(policy, 1)


def the_only_event_without_a_level(policy):
    """One patient who has it not dies in the cell."""
    return one_event(policy, 0)


def the_only_event_that_tells(policy):
    """Eleven of twelve events of a cell are of patients alone at risk in their practice, which add nothing."""
    # a couple a practice, of whom the first is censored at once and the second dies alone
    couples = DAY < 22
    time = np.where(couples, np.where(DAY % 2, 100.0, 5.0), 200.0 + DAY)
    y = np.where(couples, DAY % 2, DAY % 2)
    time[22], y[22] = 50.0, 1
    practice = np.where(couples, [f"couple {i // 2}" for i in DAY], "all others")
    frame = cohort(time=time, y=y, practice=practice)
    sums = in_first_cell(frame, policy, replace(MODEL, strata=("practice",)))
    if isinstance(sums, str):
        return sums
    row = sums["score"] + frame.loc[~couples, list(NUMBERS)].mean().to_numpy()
    return np.allclose(row, frame.loc[22, list(NUMBERS)].to_numpy(dtype=float), atol=1e-6)


def the_only_value_of_a_cell(policy):
    """Of twelve patients of a cell one is far out: the others' deviations of ten or so leave his of a hundred."""
    random = np.random.default_rng(3)
    lab = 99.5 + np.where(DAY // 2 % 2, 10, -10) + random.random(N)
    lab[0] = 200.0
    frame = cohort(y=np.where(DAY < 24, DAY % 2 == 0, DAY % 3 > 0).astype(int), lab=lab)
    sums = in_first_cell(frame, policy, edge=67.5)
    if isinstance(sums, str):
        return sums
    return bool(abs(sums["score"][1] + frame["lab"].mean() - 200.0) < 30.0)


CELL_ATTACKS = {
    the_only_event_of_a_cell: "events of a time cell",
    the_only_event_of_a_level: "events of a time cell",
    the_only_event_without_a_level: "events of a time cell",
    the_only_event_that_tells: "events of a time cell",
    the_only_value_of_a_cell: "dominance",
}


@pytest.mark.parametrize("attack", CELL_ATTACKS, ids=lambda f: f.__name__)
def test_steps_around_a_cell_tell_of_one_patient_without_a_gate_and_are_refused(attack):
    assert attack(NONE) is True
    assert attack(STRICT) == CELL_ATTACKS[attack]


@pytest.mark.parametrize("left", [29, 31])
def test_the_events_of_a_cell_leave_when_thirty_are_at_risk_at_them(left):
    """The last cell's events: at risk are the ``left`` patients of the last cell alone, weighted alike at zero."""
    last = N - left <= DAY
    y = np.where(last, 0, DAY % 2)
    y[N - left : N - left + 11] = 1
    time = np.where(last, 800.0, 10.0 + DAY)
    time[N - left : N - left + 11] = 700.0
    frame = cohort(time=time, y=y)
    steps = CoxTimeTrends(MODEL, ZERO, "steps", (600.0,), (0.0, 1.0))
    found = ask(frame, steps, STRICT)
    assert (found == "effective sample size") is (left < 30)
    assert isinstance(found, str) is (left < 30)


# Functions of time -----------------------------------------------------------------------------------


def late_event(policy):
    """Ten million days after the others, when one patient besides is still at risk, one dies: both, and the sums."""
    random = np.random.default_rng(5)
    time, y = 300.0 + random.permutation(N), DAY % 2
    time[[0, 1]], y[[0, 1]] = (1e7, 2e7), (1, 0)
    frame = cohort(time=time, y=y)
    pair = frame.loc[[0, 1], list(NUMBERS)].to_numpy(dtype=float)
    return pair, ask(frame, CoxTimeTrends(MODEL, ZERO, "identity"), policy)


def a_late_event(policy):
    """Half the difference of the two is what is left of the score."""
    (one, other), trend = late_event(policy)
    return (
        trend if isinstance(trend, str) else np.allclose(trend["score"] / 1e7, (one - other) / 2, atol=0.05)
    )


def a_late_risk_set(policy):
    """What is left of the curvature is their squared difference, whoever of them died."""
    (one, other), trend = late_event(policy)
    if isinstance(trend, str):
        return trend
    return np.allclose(np.diag(full_matrix(trend["of_trends"])) / 1e14, (one - other) ** 2 / 4, rtol=1e-3)


def a_first_event(policy):
    """One patient dies at once, when all are at risk: on the log scale he is far from all others."""
    random = np.random.default_rng(5)
    time = 300.0 + random.permutation(N) / 1e4
    time[0] = 0.0
    frame = cohort(time=time, y=np.where(DAY == 0, 1, DAY % 2))
    trend = ask(frame, CoxTimeTrends(MODEL, ZERO, "log"), policy)
    plain = ask(frame, CoxDerivatives(MODEL, ZERO), policy)
    if isinstance(trend, str):
        return trend
    usual, first = np.log(300.0), np.log(1e-300)
    row = (trend["score"] - usual * plain["score"]) / (first - usual)
    row += frame[list(NUMBERS)].mean().to_numpy()
    return np.allclose(row, frame.loc[0, list(NUMBERS)].to_numpy(dtype=float), atol=1e-3)


def an_event_beside_a_constant(policy):
    """All others at nearly the same late time: time itself hides the early one, its distance from theirs does not."""
    random = np.random.default_rng(5)
    time = 1e6 + random.permutation(N) / 20 - 9
    time[0] = 1e6 - 1e5
    frame = cohort(time=time, y=np.where(DAY == 0, 1, DAY % 2))
    trend = ask(frame, CoxTimeTrends(MODEL, ZERO, "identity"), policy)
    plain = ask(frame, CoxDerivatives(MODEL, ZERO), policy)
    if isinstance(trend, str):
        return trend
    row = frame[list(NUMBERS)].mean().to_numpy() - (trend["score"] - 1e6 * plain["score"]) / 1e5
    return np.allclose(row, frame.loc[0, list(NUMBERS)].to_numpy(dtype=float), atol=0.1)


def the_only_event_of_a_year(policy):
    """Follow-up in whole years, of which there are three: with time, its logarithm and one the score of each is solved for."""
    year = np.where(DAY < 120, 1.0, np.where(DAY < 240, 2.0, 3.0))
    frame = cohort(time=year, y=np.where(DAY < 120, DAY == 7, DAY % 2).astype(int))
    asked = [CoxDerivatives(MODEL, ZERO), *(CoxTimeTrends(MODEL, ZERO, g) for g in ("identity", "log"))]
    found = [ask(frame, question, policy) for question in asked]
    refused = [answer for answer in found if isinstance(answer, str)]
    if refused:
        return refused[0]
    times = np.array([1.0, 2.0, 3.0])
    of_each = np.linalg.solve([np.ones(3), times, np.log(times)], np.stack([sums["score"] for sums in found]))
    row = of_each[0] + frame[list(NUMBERS)].mean().to_numpy()
    return np.allclose(row, frame.loc[7, list(NUMBERS)].to_numpy(dtype=float), atol=1e-6)


def test_where_there_are_few_times_each_is_a_cell():
    assert the_only_event_of_a_year(NONE) is True
    assert the_only_event_of_a_year(STRICT) == "events of a time cell"


@pytest.mark.parametrize(("years", "leaves"), [(5, False), (6, True)])
def test_six_times_are_more_than_the_sums_of_two_functions_tell_apart(years, leaves):
    """One event at the first time; of each time one matrix is unknown, and there are five: of 1, t, t^2, log t, log^2 t."""
    year = 1.0 + DAY % years
    frame = cohort(time=year, y=np.where(year == 1, DAY == 0, DAY // years % 2).astype(int))
    assert isinstance(ask(frame, CoxTimeTrends(MODEL, ZERO, "identity"), STRICT), str) is not leaves


FAR = [a_late_event, a_late_risk_set, a_first_event, an_event_beside_a_constant]


@pytest.mark.parametrize("attack", FAR, ids=lambda f: f.__name__)
def test_one_event_far_from_the_others_is_read_off_without_a_gate_and_is_refused(attack):
    assert attack(NONE) is True
    assert isinstance(attack(STRICT), str)
    assert attack(replace(STRICT, **NO_SIZES)) == "dominance"


def test_a_risk_set_is_judged_where_its_event_is_of_a_patient_in_the_middle():
    """Who dies has the mean of the three at risk: his residual is nothing, and the spread of the others is read off."""
    random = np.random.default_rng(5)
    time, y = 300.0 + random.permutation(N), DAY % 2
    time[:3], y[:3] = (1e7, 3e7, 3e7), (1, 0, 0)
    frame = cohort(time=time, y=y)
    frame.loc[:2, "lab"], frame.loc[:2, "age"] = (100.0, 90.0, 110.0), (60.0, 50.0, 70.0)
    question = CoxTimeTrends(MODEL, ZERO, "identity")
    found = ask(frame, question, NONE)
    assert np.diag(full_matrix(found["of_trends"])) / 1e14 == pytest.approx([200 / 3, 200 / 3], rel=1e-3)
    assert ask(frame, question, replace(STRICT, **NO_SIZES)) == "dominance"


def test_a_few_late_events_are_refused_for_the_few_at_risk_at_them():
    """Three of six patients who are left die: the sums are of the six alone."""
    time, y = 300.0 + np.random.default_rng(5).permutation(N), DAY % 2
    time[:6], y[:6] = (1e6, 1e6, 1e6, 2e6, 2e6, 2e6), (1, 1, 1, 0, 0, 0)
    frame = cohort(time=time, y=y)
    question = CoxTimeTrends(MODEL, ZERO, "identity")
    spread = 3 * frame.loc[:5, list(NUMBERS)].var(ddof=0).to_numpy()
    found = np.diag(full_matrix(ask(frame, question, NONE)["of_trends"])) / 1e12
    assert found == pytest.approx(spread, rel=0.01)
    assert isinstance(ask(frame, question, STRICT), str)
    no_shares = replace(STRICT, max_top_share=1.0, max_top_two_share=1.0)
    assert ask(frame, question, no_shares) == "effective sample size"


@pytest.mark.parametrize("function", ["identity", "log"])
def test_ordinary_times_leave(function):
    assert not isinstance(ask(cohort(), CoxTimeTrends(MODEL, ZERO, function), STRICT), str)


def test_steps_of_ordinary_times_leave():
    frame = cohort(y=(DAY % 3 > 0).astype(int))
    question = CoxTimeTrends(MODEL, ZERO, "steps", (300.0, 600.0), (0.0, 0.5, 1.0))
    assert not isinstance(ask(frame, question, STRICT), str)


@pytest.mark.parametrize(("edge", "leaves"), [(300.0, True), (312.5, False)])
def test_a_site_remembers_the_steps_by_which_it_has_told_events_apart(edge, leaves, tmp_path):
    """Two grids with edges five patients apart would tell of the five."""
    frame = cohort(y=(DAY % 3 > 0).astype(int))
    site = Site("north", frame, BOOK, replace(STRICT, distinct_values=True), Memory(tmp_path))
    first, second = (
        site.remembered(site.answer(CoxTimeTrends(MODEL, ZERO, "steps", (cut,), steps))).content
        for cut, steps in ((300.0, (0.0, 1.0)), (edge, (0.0, 2.0)))
    )
    assert isinstance(first, Release)
    assert isinstance(second, Release) is leaves
    if not leaves:
        assert second.rule == "leavers of a time cell"


#: Sixty cells, so that they are weighed in several lots.
MANY = tuple(float(edge) for edge in range(15, 905, 15))


def evidence_of_steps(*, judged=True):
    frame = BOOK.harmonise(cohort(y=(DAY % 3 > 0).astype(int)), "north")
    question = CoxTimeTrends(MODEL, (0.02, -0.01), "steps", MANY, tuple(range(len(MANY) + 1)))
    return question.aggregate(SiteData(frame, BOOK, judged=judged)).evidence


def test_many_cells_are_judged_as_each_is_alone(monkeypatch):
    found = evidence_of_steps()
    monkeypatch.setattr(trend_evidence, "_NUMBERS", 1)
    one_by_one = evidence_of_steps()
    assert sum("at the events" in str(e.labels) for e in found) == 2 * (len(MANY) + 1)
    assert [(e.rule, e.labels) for e in found] == [(e.rule, e.labels) for e in one_by_one]
    for some, own in zip(found, one_by_one, strict=True):
        np.testing.assert_allclose(some.counts, own.counts, rtol=1e-12)


def test_where_no_rule_asks_no_event_is_counted(monkeypatch):
    assert any(e.rule == "events of a time cell" for e in evidence_of_steps())
    monkeypatch.setattr(trend_evidence, "events", None)  # not so much as called
    assert not any(e.rule == "events of a time cell" for e in evidence_of_steps(judged=False))


def test_a_grid_of_rows_that_nobody_judges_passes_no_gate(monkeypatch):
    frame = BOOK.harmonise(cohort(), "north")
    times = follow_up.follow_up(frame, MODEL.outcome)
    monkeypatch.setattr(follow_up, "moves_evidence", None)  # not so much as called
    data, whole = SiteData(frame, BOOK, judged=False), np.zeros(N, dtype=np.int64)
    found = follow_up.grid_evidence(data, times, whole, 1, np.array(CELLS))
    assert [(e.rule, e.counts.tolist()) for e in found] == [("patients", [0.0])]
