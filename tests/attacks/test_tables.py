"""Tables of counts: grids that end early, events by cause, and weights, which are values of patients."""

from dataclasses import replace

import numpy as np
import pytest

import fedstats as fs
from fedstats.contract.aggregate import Release
from fedstats.contract.codebook import Codebook
from fedstats.contract.variable import TimeGrid, Variable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods import follow_up
from fedstats.methods.descriptives import Moments
from fedstats.methods.risk_table import RiskTable
from tests.attacks.targets import BOOK, NONE, STRICT, N, ask, cohort

DAY = np.arange(N)
GRID = TimeGrid("days", (100.0, 200.0, 400.0), 800.0)
AGREED = replace(BOOK, grid=GRID)
ANY_EDGES = replace(STRICT, distinct_values=True)
SEXES = ("sex", ("F", "M"))


def table(width, end, **options):
    edges = tuple(edge for edge in GRID.edges(width) if edge <= end)
    return RiskTable(None, "time", "y", *options.pop("group", (None, ())), edges, **options)


def is_answered(answer):
    return not isinstance(answer, str)


# Grids that end early ------------------------------------------------------------------------------


def someone_between(n):
    """So many leave between day 300 and 400; twenty or more everywhere else."""
    time = np.where(DAY < 300, 1.0 + DAY, np.where(DAY < 320, 500.0, np.where(DAY < 340, 700.0, 900.0)))
    time[300 : 300 + n] = 350.0
    return cohort(time=time)


def between_two_grids(policy, n=1, memory=None, book=AGREED):
    """Cells of 100 days up to 300, and cells of 200 days to the end: who leaves between day 300 and 400."""
    site = Site("north", someone_between(n), book, policy, memory)
    answers = [
        site.remembered(site.answer(question)).content
        for question in (table(100.0, 300.0), table(200.0, 800.0))
    ]
    refused = [a.rule for a in answers if not isinstance(a, Release)]
    if refused:
        return refused[0]
    short, long = (a.values() for a in answers)
    return int(short["n_beyond"][0] - long["n_risk"][0, 2])


def test_two_agreed_grids_of_which_one_ends_early_tell_of_the_one_between_them_and_are_refused(tmp_path):
    assert between_two_grids(NONE) == 1
    assert between_two_grids(STRICT) == "leavers of a time cell"  # without an account of what has left
    assert between_two_grids(STRICT, memory=Memory(tmp_path)) == "leavers of a time cell"


def test_it_is_the_piece_up_to_the_next_edge_that_is_judged(monkeypatch):
    monkeypatch.setattr(follow_up, "_next_edges_evidence", lambda *_: [])
    assert between_two_grids(STRICT) == 1


def test_a_memory_would_stop_it_as_well(monkeypatch, tmp_path):
    monkeypatch.setattr(follow_up, "_next_edges_evidence", lambda *_: [])
    assert between_two_grids(STRICT, memory=Memory(tmp_path)) == "leavers of a time cell"


@pytest.mark.parametrize(("n", "answered"), [(0, True), (10, False), (11, True)])
def test_between_an_early_end_and_the_next_edge_nobody_or_eleven_leave(n, answered):
    assert is_answered(ask(someone_between(n), table(100.0, 300.0), STRICT, AGREED)) is answered


def test_the_cuts_of_effects_that_change_are_edges_as_well():
    # day 300 is a candidate's edge; the cut at 400 is the only edge behind it
    book = replace(BOOK, grid=TimeGrid("days", (100.0,), 800.0, cuts=(400.0,)))
    frame = cohort(time=np.where(DAY < 300, 1.0 + DAY, 500.0))
    frame.loc[300, "time"] = 350.0
    assert is_answered(
        ask(frame.assign(time=frame["time"].replace(350.0, 500.0)), table(100.0, 300.0), STRICT, book)
    )
    assert not is_answered(ask(frame, table(100.0, 300.0), STRICT, book))


def test_an_early_end_is_agreed_for_a_table_and_for_nothing_else():
    frame = someone_between(0)
    assert is_answered(ask(frame, table(100.0, 300.0), STRICT, AGREED))
    for edges in ((50.0, 100.0), (100.0, 300.0), (200.0, 300.0), (100.0, 200.0, 350.0)):
        question = replace(table(100.0, 300.0), grid=edges)
        assert ask(frame, question, STRICT, AGREED) == "agreed grid"
        assert is_answered(ask(frame, question, NONE, AGREED))


def random_frame(seed):
    random = np.random.default_rng(seed)
    return cohort(time=np.ceil(random.exponential(random.uniform(100, 500), N)))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_grids_and_ends_are_let_out_together_no_piece_holds_a_few(seed):
    """All that a site without an account answers, laid over each other: every piece by group is nobody or eleven."""
    frame = random_frame(seed)
    site = Site("north", frame, AGREED, STRICT)
    let_out = []
    for width in GRID.candidates:
        for end in GRID.edges(width):
            question = table(width, end, group=SEXES)
            if isinstance(site.answer(question).content, Release):
                let_out.append(question.grid)
    edges = sorted({edge for grid in let_out for edge in grid})
    for sex in ("F", "M"):
        times = frame.loc[frame["sex"] == sex, "time"]
        counts = np.bincount(np.searchsorted(edges, times), minlength=len(edges) + 1)
        assert ((counts == 0) | (counts >= STRICT.min_leavers)).all()
    assert let_out  # or nothing was compared


def test_with_an_account_all_of_them_may_leave_one_after_the_other(tmp_path):
    site = Site("north", random_frame(0), AGREED, STRICT, Memory(tmp_path))
    alone = Site("north", random_frame(0), AGREED, STRICT)
    questions = [table(w, end, group=SEXES) for w in GRID.candidates for end in GRID.edges(w)]
    for question in questions:
        first = isinstance(alone.answer(question).content, Release)
        assert isinstance(site.remembered(site.answer(question)).content, Release) is first


def test_who_enters_between_an_early_end_and_the_next_edge_counts_too():
    late = someone_between(0)
    late["entry"] = np.where(DAY < 320, 0.0, np.where(DAY < 322, 350.0, 450.0))
    question = replace(table(100.0, 300.0), entry="entry")
    assert not is_answered(ask(late, question, STRICT, AGREED))
    assert is_answered(ask(late.assign(entry=np.where(DAY < 320, 0.0, 450.0)), question, STRICT, AGREED))


def test_the_longest_grid_is_found_and_its_end_is_said():
    """Few are still followed at the horizon: no agreed grid is let out to it, and the curve ends where one is."""
    few = cohort(time=np.where(DAY < 345, 1.0 + 2 * DAY, np.where(DAY < 355, 790.0, 900.0)))
    sites = fs.InProcess({"north": few}, AGREED)
    for width in GRID.candidates:
        assert not is_answered(ask(few, table(width, 800.0), STRICT, AGREED))
    curve = fs.kaplan_meier(sites, "Surv(time, y) ~ 1")
    assert curve.status == "exact on the grid of 100 days up to 600"
    assert curve.tidy()["time"].max() == 600.0
    asked = [one for one in sites.history() if type(one.query).__name__ == "RiskTable"]
    assert sum(not one.answered for one in asked) <= len(GRID.candidates) + 3


# Causes --------------------------------------------------------------------------------------------

CAUSES = Codebook((*AGREED.variables, Variable("cause", "factor", levels=("0", "1", "2"))), GRID)
CELLS = (400.0, 800.0)


def of_causes(held):
    few = np.isin(DAY, 33 + 2 * np.arange(held))
    return cohort(cause=np.where(few, "2", np.where(DAY % 2, "1", "0")))


def rare_cause(policy, held=1):
    """When the only patient with a rare cause had it."""
    asked = RiskTable(None, "time", "cause", None, (), CELLS, causes=("1", "2"))
    answer = ask(of_causes(held), asked, policy, CAUSES)
    return answer if isinstance(answer, str) else int(answer["n_event"][1].sum())


def test_a_table_of_causes_tells_of_the_one_with_a_rare_one_and_is_refused():
    assert rare_cause(NONE) == 1
    assert rare_cause(STRICT) == "level by outcome"
    assert rare_cause(STRICT, 0) == 0
    assert rare_cause(STRICT, 11) == 11


@pytest.mark.parametrize("code", ["0", "1", "2"])
def test_a_curve_of_one_cause_is_judged_by_all_of_them(code):
    asked = RiskTable(None, "time", "cause", None, (), CELLS, event_level=code)
    assert ask(of_causes(5), asked, STRICT, CAUSES) == "level by outcome"
    assert is_answered(ask(of_causes(20), asked, STRICT, CAUSES))


def test_causes_are_counted_in_every_group():
    frame = of_causes(30)
    rare = np.flatnonzero(frame["cause"] == "2")
    frame.loc[rare, "sex"] = ["M"] + ["F"] * 29
    asked = RiskTable(None, "time", "cause", *SEXES, CELLS, causes=("1", "2"))
    assert ask(frame, asked, STRICT, CAUSES) == "level by outcome"


# Strata --------------------------------------------------------------------------------------------


def test_every_group_of_every_stratum_holds_nobody_or_eleven_in_a_cell():
    frame = cohort(time=np.where(DAY % 4 < 2, 300.0, 700.0))
    asked = RiskTable(None, "time", "y", *SEXES, CELLS, strata=("ecog",), strata_levels=(("0", "1", "2"),))
    assert is_answered(ask(frame, asked, STRICT, AGREED))
    chosen = np.flatnonzero((frame["sex"] == "M") & (frame["ecog"] == 2) & (frame["time"] == 300.0))
    frame.loc[chosen[:-4], "time"] = 700.0  # four are left there, among more of each sex and of each ECOG
    assert ask(frame, asked, STRICT, AGREED) == "leavers of a time cell"
    assert is_answered(ask(frame, replace(asked, strata=(), strata_levels=()), STRICT, AGREED))


# Patients with a weight ----------------------------------------------------------------------------


def event_without_a_weight(policy, n=1):
    """The table of everybody less that of those with a weight: when the others leave, and whether with the event."""
    w = np.ones(N)
    w[:n] = 0.0
    frame = cohort(w=w, time=np.where(DAY % 4 < 2, 300.0, 700.0), y=np.where(n > DAY, 1, DAY % 2))
    asked = RiskTable(None, "time", "y", None, (), CELLS)
    answers = [ask(frame, question, policy, AGREED) for question in (asked, replace(asked, weighted_by="w"))]
    if not all(map(is_answered, answers)):
        return next(a for a in answers if not is_answered(a))
    everybody, weighted = (a["n_event"].ravel() for a in answers)
    return (everybody - weighted).tolist()


def test_the_patient_without_a_weight_is_left_between_two_tables_and_is_refused():
    assert sum(event_without_a_weight(NONE)) == 1
    assert event_without_a_weight(STRICT) == "dropped rows"


@pytest.mark.parametrize(("n", "leaves"), [(0, True), (10, False), (11, True)])
def test_nobody_or_eleven_may_have_no_weight(n, leaves):
    assert is_answered(event_without_a_weight(STRICT, n)) is leaves


def test_a_table_is_weighted_or_of_those_with_a_weight():
    asked = RiskTable(None, "time", "y", None, (), CELLS, weights="w", weighted_by="w")
    assert "not both" in ask(cohort(), asked, NONE, AGREED)


# Weights -------------------------------------------------------------------------------------------


def weighed(**columns):
    random = np.random.default_rng(5)
    return cohort(**({"w": random.uniform(0.5, 2.0, N)} | columns))


def weight_of_the_only_event(policy):
    """One patient has the event in a cell: the sum of weights of those who have is his."""
    frame = weighed(y=((DAY > 200) | (DAY == 7)).astype(int))
    answer = ask(frame, table(400.0, 800.0, weights="w"), policy, AGREED)
    return answer if isinstance(answer, str) else bool(np.isclose(answer["n_event"][0, 0], frame.loc[7, "w"]))


def test_the_weight_of_the_only_patient_with_the_event_in_a_cell():
    assert weight_of_the_only_event(NONE) is True
    assert weight_of_the_only_event(STRICT) == "events of a time cell"
    assert weight_of_the_only_event(replace(STRICT, min_leavers=1)) in (
        "effective size of a level",
        "dominance",
    )


def test_ordinary_weights_are_let_out():
    assert is_answered(ask(weighed(), table(400.0, 800.0, weights="w"), STRICT, AGREED))


def weights_of_two_values(policy, n=1):
    """Weights are those of two known levels of a covariate, and a sum of them tells how many have each."""
    rare = DAY[(DAY < 150) & (DAY % 2 == 1)][:n]
    late = DAY > 200
    frame = weighed(w=np.where(np.isin(DAY, rare) | (late & (DAY % 4 < 2)), 1.25, 0.8))
    answer = ask(frame, table(400.0, 800.0, weights="w"), policy, AGREED)
    if isinstance(answer, str):
        return answer
    total, squares = answer["n_event"][0, 0], answer["event_squares"][0, 0]
    return round(float(np.linalg.solve([[1.25, 0.8], [1.25**2, 0.64]], [total, squares])[0]))


def test_weights_of_few_values_tell_how_many_have_each():
    assert weights_of_two_values(NONE) == 1
    assert weights_of_two_values(STRICT) == "patients of one predictor"
    assert weights_of_two_values(STRICT, 5) == 5


@pytest.mark.parametrize(
    ("w", "rules"),
    [
        (np.where(DAY == 20, 60.0, np.linspace(0.5, 2, N)), {"dominance", "effective size of a level"}),
        (np.where(DAY == 20, 0.0, np.linspace(0.5, 2, N)), {"dropped rows"}),
        (np.where(DAY == 20, 2.0, 1.0), {"dominance", "level"}),
    ],
    ids=["one weighs most", "one weighs nothing", "one differs"],
)
def test_weights_that_single_one_patient_out_are_refused(w, rules):
    assert ask(weighed(w=w), table(400.0, 800.0, weights="w"), STRICT, AGREED) in rules
    assert is_answered(ask(weighed(w=w), table(400.0, 800.0, weights="w"), NONE, AGREED))


# One question --------------------------------------------------------------------------------------


def test_all_that_is_worked_out_of_one_table_is_one_question():
    sites = fs.InProcess({"north": cohort()[::2], "south": cohort()[1::2]}, AGREED)
    formula = "Surv(time, y) ~ sex"
    end = fs.kaplan_meier(sites, formula).tidy()["time"].max()
    asked = {one.query for one in sites.history()}
    fs.kaplan_meier(sites, formula, reverse=True, conf_type="plain")
    fs.kaplan_meier(sites, formula, landmark=200)
    fs.logrank(sites, formula, rho=1)
    fs.logrank(sites, formula, landmark=200)
    fs.max_combo(sites, formula)
    fs.rmst(sites, formula, tau=end)
    fs.period_hazard_ratios(sites, formula, cuts=200)
    assert {one.query for one in sites.history()} == asked


def test_what_is_answered_on_the_way_to_the_longest_grid_is_a_part_of_it():
    for seed in range(6):
        sites = fs.InProcess({"north": random_frame(seed)}, AGREED)
        curve = fs.kaplan_meier(sites, "Surv(time, y) ~ sex").tidy()
        answered = [set(one.query.grid) for one in sites.history() if one.answered]
        assert answered
        assert all(edges <= set(curve["time"]) for edges in answered)


# Patients without a group -------------------------------------------------------------------------


def without_group(policy, few, levels=("F", "M")):
    """How many have no group, as the answer has it: with levels of the question's own, all who have another."""
    frame = cohort()
    frame["sex"] = frame["sex"].astype(object)
    frame.loc[frame.index[:few], "sex"] = None
    book = Codebook(tuple(replace(v, missing=True) if v.name == "sex" else v for v in BOOK.variables))
    lab = book["lab"]
    found = ask(frame, Moments("lab", "sex", levels, lab.centre, lab.scale), policy, book)
    return found if isinstance(found, str) else int(found["ungrouped"][0])


def test_a_few_without_a_group_are_told_without_a_gate_and_not_with_one():
    assert [without_group(NONE, few) for few in (0, 3, 11)] == [0, 3, 11]
    assert [without_group(STRICT, few) for few in (0, 3, 11)] == [0, "dropped rows", 11]


def test_the_number_that_leaves_is_the_one_that_was_judged():
    """A level that the question does not name has no group either: the three are never told apart from its patients."""
    assert without_group(STRICT, 3, levels=("F",)) == 3 + (cohort()["sex"] == "M").sum()
