"""What a site remembers: two answers differ by nobody or by enough, over restarts, and no value is written down."""

import errno
import json
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.condition import Condition
from fedstats.contract.design import Design
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.table_checks import DataError
from fedstats.contract.variable import TimeGrid
from fedstats.federations.desk import Desk
from fedstats.federations.files import FolderTrouble
from fedstats.federations.hashed_table import row_hashes
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_shared_baseline import CoxRiskSets
from fedstats.methods.descriptives import Histogram, LevelCounts, Moments
from fedstats.methods.fitting import LocalEstimate
from fedstats.methods.risk_table import RiskTable
from tests.attacks.targets import BOOK, NONE, STRICT, cohort, column, logistic


def below(days, variable="lab"):
    """A question about the patients up to a day: the cohort has one a day of 2.5."""
    where = (Condition("time", "<=", (10.0 + 2.5 * (days - 1),)),)
    return Moments(variable, None, (), 0.0, 1.0, where=where)


def counted(question):
    """Another question about the same column and patients."""
    return Histogram(question.variable, None, (), (), where=question.where)


def site(folder=None, policy=STRICT, frame=None):
    memory = None if folder is None else Memory(folder)
    return Site("north", cohort() if frame is None else frame, BOOK, policy, memory)


def told(place, *questions):
    """The rule that refused each question, or None; every answer leaves at once."""
    contents = [place.remembered(place.answer(question)).content for question in questions]
    return [getattr(content, "rule", None) for content in contents]


@pytest.mark.acceptance(23)
@pytest.mark.parametrize("first", [100, 300])
@pytest.mark.parametrize(("apart", "leaves"), [(0, True), (1, False), (10, False), (11, True), (12, True)])
def test_cohorts_differ_by_nobody_or_by_eleven(tmp_path, first, apart, leaves):
    for sign in (1, -1):
        questions = (below(first), counted(below(first + sign * apart)))
        assert told(site(), *questions) == [None, None]
        refused = told(site(tmp_path / str(sign)), *questions)
        assert refused == [None, None if leaves else "difference between cohorts"]


@pytest.mark.parametrize(("last", "leaves"), [(338, False), (339, True)])
def test_the_larger_of_both_differences_counts(tmp_path, last, leaves):
    # five are missing at one end; ten or eleven more are at the other
    def between(first, last):
        ends = (("age", ">=", first), ("age", "<=", last))
        return replace(below(1), where=tuple(Condition(c, how, (float(day),)) for c, how, day in ends))

    place = site(tmp_path, frame=cohort(age=np.arange(360.0)))
    rules = told(place, between(15, 328), between(20, last))
    assert (rules[1] is None) is leaves


@pytest.mark.acceptance(23)
@pytest.mark.parametrize(("men", "leaves"), [(0, True), (1, False), (2, False), (3, True)])
def test_of_a_level_nobody_or_three_are_in_a_difference(tmp_path, men, leaves):
    frame = cohort(b=(np.arange(360) >= 30).astype(float))
    frame["sex"] = np.where(frame.index < men, "M", np.where(frame.index < 30, "F", frame["sex"]))
    question = Moments("lab", "sex", ("F", "M"), 0.0, 1.0)
    part = question.among(Condition("b", "==", (1.0,)))
    for order in ((question, part), (part, question)):
        folder = tmp_path / order[0].digest()
        assert told(site(folder, frame=frame), *order) == [None, None if leaves else "level of a difference"]


@pytest.mark.acceptance(23)
def test_of_levels_that_a_model_multiplies_nobody_or_three_are_in_a_difference(tmp_path):
    # thirty apart: fifteen of each sex, fifteen of each ecog, but one man of ecog 1
    frame = cohort(b=(np.arange(360) >= 30).astype(float))
    frame.loc[:29, "sex"] = ["M"] * 15 + ["F"] * 15
    frame.loc[:29, "ecog"] = [0] * 14 + [1] * 15 + [0]
    frame.loc[:29, "y"] = [i % 2 for i in range(30)]
    parts = (("sex", "M"), ("ecog", "1"))
    main = [column(f"{name} {level}", (name, level)) for name, level in parts]
    where = (Condition("b", "==", (1.0,)),)
    for columns, rule in ((main, None), ([*main, column("both", *parts)], "level of a difference")):
        whole = logistic(*columns, column("lab"))
        place = site(tmp_path / str(len(columns)), frame=frame)
        assert told(place, whole, whole.among(*where)) == [None, rule]


@pytest.mark.acceptance(23)
@pytest.mark.parametrize("within", [0, 2, 3])
@pytest.mark.parametrize("kind", ["histogram", "curve", "model"])
def test_of_a_cell_nobody_or_three_are_in_a_difference(tmp_path, kind, within):
    # thirty apart, so many of them in the first cell
    frame = cohort(b=(np.arange(360) >= 30).astype(float))
    frame["lab"] = np.where(np.arange(360) % 2, 110.0, 90.0)
    frame.loc[:29, "lab"] = np.where(np.arange(30) < within, 90.0, 110.0)
    frame["time"], frame["y"] = 6.0 * frame["lab"], 1
    frame.loc[30:, "y"] = np.arange(330) // 2 % 2
    edges = (600.0, 900.0)
    book = replace(
        BOOK,
        variables=tuple(replace(v, edges=(100.0,)) if v.name == "lab" else v for v in BOOK.variables),
        grid=TimeGrid("days", (300.0,), 900.0),
    )
    shared = CoxModel(
        None, "time", "y", Design((column("age"),)), (), "breslow", None, None, 0.0, None, edges
    )
    question = {
        "histogram": Histogram("lab", None, (), (100.0,)),
        "curve": RiskTable(None, "time", "y", None, (), edges),
        "model": CoxRiskSets(shared, (0.0,)),
    }[kind]
    part = question.among(Condition("b", "==", (1.0,)))
    place = Site("north", frame, book, replace(STRICT, distinct_values=True), Memory(tmp_path / "memory"))
    assert told(place, question, part) == [None, "level of a difference" if 0 < within < 3 else None]


def test_what_shares_no_column_is_not_compared(tmp_path):
    frame = cohort()
    frame.loc[:29, "lab"] = np.nan
    frame.loc[1:30, "age"] = np.nan  # one patient apart
    questions = (Moments("lab", None, (), 0.0, 1.0), Moments("age", None, (), 0.0, 1.0))
    assert told(site(tmp_path, frame=frame), *questions) == [None, None]


def test_the_columns_that_choose_a_subset_are_read_as_well(tmp_path):
    # both counts of patients together say that one has this very time
    assert told(site(tmp_path), below(100, "lab"), below(101, "age")) == [None, "difference between cohorts"]


def test_a_variable_with_empty_cells_has_two_cohorts(tmp_path):
    frame = cohort()
    frame.loc[:29, "lab"] = np.nan
    one, two = (LevelCounts("sex", None, (), ("F", "M")), Moments("lab", None, (), 0.0, 1.0))
    assert told(site(tmp_path, frame=frame), one, two) == [None, None]
    aggregate = two.aggregate(site(frame=frame).data)
    assert [len(c.rows) for c in aggregate.rows] == [360, 330]


def test_the_memory_survives_a_restart(tmp_path):
    assert told(site(tmp_path), below(100)) == [None]
    assert told(site(tmp_path), below(101)) == ["difference between cohorts"]


def test_what_has_not_left_is_not_remembered(tmp_path):
    place = site(tmp_path)
    place.answer(below(100))
    assert told(place, below(101)) == [None]
    assert told(place, below(5), below(101)) == ["patients of the subset", None]


def test_the_same_question_is_answered_again_whatever_has_left_since(tmp_path):
    place = site(tmp_path, replace(STRICT, max_points=1))
    model = logistic(column("age"))
    assert told(place, below(100), model, model, below(100)) == [None] * 4
    before = (tmp_path / "answers.jsonl").read_bytes()
    assert told(site(tmp_path), below(100), model) == [None, None]
    assert (tmp_path / "answers.jsonl").read_bytes() == before


def test_rows_in_another_order_are_the_same_rows(tmp_path):
    assert told(site(tmp_path), below(100)) == [None]
    shuffled = cohort().sample(frac=1, random_state=3)
    place = site(tmp_path, frame=shuffled)
    assert told(place, below(100), below(101)) == [None, "difference between cohorts"]


def test_of_two_answers_in_one_batch_the_second_knows_of_the_first(tmp_path):
    asked = [SimpleNamespace(query=below(days)) for days in (100, 101, 112)]
    answers = site(tmp_path).answers(asked)
    assert [a.released for a in answers] == [True, False, True]
    assert [a.released for a in site().answers(asked)] == [True, True, True]


def test_what_another_process_has_sent_since_is_seen_before_anything_leaves(tmp_path):
    one, two = site(tmp_path), site(tmp_path)
    answers = one.answer(below(100)), two.answer(below(101))
    one.remembered(answers[0])
    leaves = two.remembered(answers[1])
    assert (answers[1].released, leaves.content.rule) == (True, "difference between cohorts")
    assert not any(c.isdigit() for c in str(leaves.content))
    assert leaves.review.loc[~leaves.review["passed"].astype(bool), "count"].min() == 1


def test_a_policy_without_rules_compares_nothing_and_still_keeps_account(tmp_path):
    assert told(site(tmp_path, NONE), below(100), below(101)) == [None, None]
    assert told(site(tmp_path), below(102)) == ["difference between cohorts"]


# points -----------------------------------------------------------------------------------------


def at(*values, where=(), right="age"):
    return [logistic(column(right), beta=(0.0, float(v)), where=where) for v in values]


@pytest.mark.acceptance(21)
def test_a_model_is_answered_at_as_many_points_as_the_site_allows(tmp_path):
    points = at(*np.arange(4) / 1000)
    place = site(tmp_path, replace(STRICT, max_points=3))
    assert told(place, *points) == [None, None, None, "number of coefficients"]
    assert told(site(), *points) == [None] * 4
    assert told(place, *points[:3], *at(0, 1e-3, right="lab")) == [None] * 5  # other columns, another account


def test_what_costs_more_points_than_the_study_states_is_not_asked_at_all(tmp_path):
    study = SimpleNamespace(
        id="s",
        digest="d",
        sites=("north",),
        codebook=BOOK,
        policy=STRICT.with_points(21),
        fingerprints={},
        revoked_keys=(),
    )
    sites = fs.Folder(tmp_path / "exchange", study=study, home=tmp_path / "coordinator")
    for federation in (sites, sites.where("sex == 'F'")):
        with pytest.raises(
            fs.FormulaError, match=r"take about 22 points of one model, and the study states 21"
        ):
            fs.logistic(federation, "y ~ age + lab", profile="age")
        with pytest.raises(fs.FormulaError, match="state more"):
            fs.cox(federation, "Surv(time, y) ~ age + lab", profile=["age", "lab"])
    assert not (tmp_path / "exchange" / "questions").exists()
    with pytest.raises(fs.Waiting):
        fs.logistic(sites, "y ~ age + lab")


def test_points_count_by_cohort_and_none_is_allowed_by_none(tmp_path):
    men = (Condition("sex", "==", ("M",)),)
    place = site(tmp_path, replace(STRICT, max_points=1))
    assert told(place, *at(0), *at(0, where=men), *at(1e-3, where=men)) == [
        None,
        None,
        "number of coefficients",
    ]
    assert told(site(tmp_path / "zero", replace(STRICT, max_points=0)), *at(0)) == ["number of coefficients"]


def test_a_question_around_a_model_is_a_point_as_well(tmp_path):
    place = site(tmp_path, replace(STRICT, max_points=1))
    assert told(place, *at(0), LocalEstimate(at(0)[0])) == [None, "number of coefficients"]


def test_a_curve_or_a_table_is_no_point(tmp_path):
    place = site(tmp_path, replace(STRICT, max_points=0))
    assert told(place, below(100), below(100, "age"), LevelCounts("sex", None, (), ("F", "M"))) == [None] * 3


# rows that change ---------------------------------------------------------------------------------


def later(patients):
    """The table of a later cut: the values of so many patients have changed."""
    frame = cohort()
    frame.loc[: patients - 1, "lab"] += 1.5
    return frame


@pytest.mark.acceptance(23)
@pytest.mark.parametrize(
    ("changed", "rule"), [(1, "difference between cohorts"), (10, "difference between cohorts"), (11, None)]
)
def test_the_same_question_about_later_rows_is_a_difference_of_those_that_changed(tmp_path, changed, rule):
    everyone = Moments("lab", None, (), 0.0, 1.0)
    assert told(site(tmp_path), everyone, everyone) == [None, None]
    assert told(site(tmp_path, frame=later(changed)), everyone) == [rule]
    assert told(site(tmp_path), everyone) == [None]  # what has left about the earlier rows tells nothing new


# the folder ---------------------------------------------------------------------------------------


def test_no_value_stands_in_the_folder_and_others_cannot_read_it(tmp_path):
    folder = tmp_path / "memory"
    told(site(folder), below(100), *at(0.0123456789))
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in sorted(tmp_path.rglob("*"))}
    assert modes == {True: 0o700, False: 0o600}
    whole = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    frame = cohort()
    values = {repr(v).encode() for c in ("age", "lab") for v in frame[c].tolist()}
    values |= {np.float64(v).tobytes() for c in ("age", "lab", "time") for v in frame[c] if v > 1}
    assert not [v for v in values if v in whole]
    assert b"Practice" not in whole
    assert b"0.0123" not in whole


def test_hashes_are_keyed_and_identical_rows_are_told_apart(tmp_path):
    frame = cohort()[["sex", "a"]]
    one, two = (row_hashes(frame, key * 32) for key in (b"a", b"b"))
    assert len(set(one.tolist())) == len(frame)
    assert not set(one.tolist()) & set(two.tolist())
    joined = frame.assign(sex=["x1:y" for _ in frame.index], a=["z"] * len(frame))
    moved = frame.assign(sex=["x"] * len(frame), a=["y1:z"] * len(frame))
    assert not set(row_hashes(joined, b"k" * 32)) & set(row_hashes(moved, b"k" * 32))


def test_a_line_that_was_cut_off_in_writing_is_of_an_answer_that_has_not_left(tmp_path):
    told(site(tmp_path), below(100))
    log = tmp_path / "answers.jsonl"
    whole = log.read_bytes()
    for length in range(1, 40):
        log.write_bytes(whole + b'{"cohorts":[["0123456789abcdef",["lab"]]]'[:length])
        place = site(tmp_path)
        assert told(place, below(101), below(111)) == ["difference between cohorts", None]
        assert [json.loads(line)["question"] for line in log.read_text().splitlines()[1:]]
        log.write_bytes(whole)
        (tmp_path.parent / f"{tmp_path.name}.json").unlink()


def without(memory, lost):
    """A memory that answered about a hundred patients, of which something is gone."""
    told(site(memory), below(100), below(120))
    if lost == "everything":
        shutil.rmtree(memory)
    elif lost == "the last answer":
        log = memory / "answers.jsonl"
        log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    else:
        (memory / lost).unlink()


@pytest.mark.parametrize("lost", ["everything", "the last answer", "secret", "answers.jsonl"])
def test_a_memory_that_is_lost_or_set_back_does_not_begin_anew_unseen(tmp_path, lost):
    without(tmp_path / "memory", lost)
    with pytest.raises(DataError, match=r"gone or older.*remove memory\.json"):
        site(tmp_path / "memory")


@pytest.mark.parametrize("change", ["a line taken away", "a line changed", "two lines the other way round"])
def test_a_memory_of_which_lines_were_changed_answers_nothing(tmp_path, change):
    told(site(tmp_path / "memory"), below(100), below(120), below(140))
    log = tmp_path / "memory" / "answers.jsonl"
    one, two, three = log.read_bytes().splitlines(keepends=True)
    lines = {
        "a line taken away": [one, three, three],
        "a line changed": [one, two.replace(b"Moments", b"Moment2"), three],
        "two lines the other way round": [two, one, three],
    }[change]
    log.write_bytes(b"".join(lines))
    with pytest.raises(DataError, match="is damaged"):
        site(tmp_path / "memory")


@pytest.fixture
def one_answer(tmp_path):
    """An exchange in which north has answered one question; (exchange, its study, north with a memory)."""
    study = SimpleNamespace(
        id="s", digest="d", sites=("north",), codebook=BOOK, policy=STRICT, fingerprints={}, revoked_keys=()
    )
    exchange = tmp_path / "exchange"

    def ask(question):
        with pytest.raises(fs.Waiting):
            fs.Folder(exchange, study=study, home=tmp_path / "coordinator").sum(question)

    def north(memory=True):
        kept = Memory(tmp_path / "home" / "memory") if memory else None
        return Site("north", cohort(), BOOK, STRICT, kept, home=tmp_path / "home")

    ask(below(100))
    place = north()
    questions = fs.open_questions(exchange, place)
    fs.send(exchange, place, questions, place.answers(questions))
    return SimpleNamespace(exchange=exchange, ask=ask, north=north, home=tmp_path / "home")


@pytest.mark.parametrize("how", ["with its note", "by leaving it out"])
def test_a_site_that_has_answered_and_has_lost_its_memory_answers_nothing_more(one_answer, how):
    one_answer.ask(below(101))
    if how == "with its note":
        shutil.rmtree(one_answer.home / "memory")
        (one_answer.home / "memory.json").unlink()
    place = one_answer.north(memory=how == "with its note")
    with pytest.raises(fs.LedgerMismatch, match="its memory of what has left is gone"):
        fs.open_questions(one_answer.exchange, place)
    next(one_answer.home.glob("exchanges/*/memory.json")).unlink()  # on purpose, as the message says
    assert len(fs.open_questions(one_answer.exchange, place)) == 1


def test_answers_that_were_judged_apart_and_are_sent_together_leave_as_one_and_a_refusal(one_answer):
    for days in (200, 201):
        one_answer.ask(below(days))
    place = one_answer.north()
    questions = fs.open_questions(one_answer.exchange, place)
    answers = [place.answer(question.query) for question in questions]  # each looked at by itself
    assert all(answer.released for answer in answers)
    with pytest.warns(UserWarning, match="is answered with a refusal, though sums were to leave"):
        sent = fs.send(one_answer.exchange, place, questions, answers, egress=one_answer.home / "egress")
    assert len(sent) == len(questions) == 2
    sheets = pd.read_csv(one_answer.home / "egress" / "summary.csv")
    assert sheets["leaves"].tolist() == [True, False]


def test_a_memory_begins_anew_on_purpose(tmp_path):
    without(tmp_path / "memory", "everything")
    (tmp_path / "memory.json").unlink()
    assert told(site(tmp_path / "memory"), below(101)) == [None]


def test_a_site_that_has_refused_everything_has_nothing_to_lose(tmp_path):
    assert told(site(tmp_path / "memory"), below(5)) == ["patients of the subset"]
    shutil.rmtree(tmp_path / "memory")
    assert told(site(tmp_path / "memory"), below(100)) == [None]


def test_what_another_process_adds_is_no_loss(tmp_path):
    one, two = site(tmp_path / "memory"), site(tmp_path / "memory")
    for days in (100, 120, 140):
        assert told(one, below(days)) == [None]
        assert told(two, below(days + 200 - days % 100)) == [None]
    assert told(site(tmp_path / "memory"), below(101)) == ["difference between cohorts"]


def test_a_key_that_others_can_read_is_refused(tmp_path):
    told(site(tmp_path / "memory"), below(100))
    (tmp_path / "memory" / "secret").chmod(0o644)
    with pytest.raises(DataError, match=r"can be read by others.*chmod 600"):
        site(tmp_path / "memory")


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    place = site(tmp_path / "memory")
    answer = place.answer(below(100))

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderTrouble, match=r"cannot be written \(No space left.*make room on its disk"):
        place.remembered(answer)
    with pytest.raises(FolderTrouble, match="secret in the private folder"):
        site(tmp_path / "other")
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.part"))
    assert told(site(tmp_path / "other"), below(100)) == [None]
    assert told(place, below(100), below(101)) == [None, "difference between cohorts"]


def test_a_file_in_the_place_of_the_memory_is_said(tmp_path):
    (tmp_path / "memory").write_text("")
    with pytest.raises(FolderTrouble, match="it is a file or lies below one"):
        site(tmp_path / "memory")


@pytest.mark.parametrize("name", ["answers.jsonl", "secret", "cohort"])
def test_a_damaged_memory_answers_nothing(tmp_path, name):
    told(site(tmp_path), below(100))
    path = next((tmp_path / "cohorts").iterdir()) if name == "cohort" else tmp_path / name
    path.write_bytes(b"x" + path.read_bytes()[:-2] + b"\n")
    with pytest.raises(DataError, match=r"is damaged|is gone or older"):
        site(tmp_path).remembered(site(tmp_path).answer(below(101)))


def test_an_answer_is_remembered_before_its_file_is_written(tmp_path, monkeypatch):
    study = SimpleNamespace(
        id="s", digest="d", sites=("north",), codebook=BOOK, policy=STRICT, fingerprints={}, revoked_keys=()
    )
    sites = fs.Folder(tmp_path / "exchange", study=study, wait_seconds=0)
    with pytest.raises(fs.Waiting):
        sites.sum(below(100))
    place = site(tmp_path / "memory")
    questions = fs.open_questions(tmp_path / "exchange", place)
    answers = place.answers(questions)

    def fails(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(Desk, "send", fails)
    with pytest.raises(OSError, match="no space"):
        fs.send(tmp_path / "exchange", place, questions, answers)
    again = site(tmp_path / "memory")
    assert told(again, below(101), below(100)) == ["difference between cohorts", None]


def test_a_fit_and_its_replay_go_through_a_memory(tmp_path):
    place = site(tmp_path)

    class Remembering(fs.InProcess):
        def ask(self, query, *, each=False):
            place.remembered(place.answer(query))
            return super().ask(query, each=each)

    for _ in range(2):
        fit = fs.logistic(Remembering({"north": cohort()}, BOOK), "y ~ age + sex")
        assert fit.converged
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) <= fit.rounds


@pytest.mark.acceptance(21)
@pytest.mark.parametrize("k", [2, 5])
def test_a_sites_own_number_is_what_counts(tmp_path, k):
    policy = DisclosurePolicy.from_toml({"base": "strict", "min_difference": k})
    for apart, leaves in ((0, True), (k - 1, False), (k, True), (k + 1, True)):
        rules = told(site(tmp_path / str(apart), policy), below(100), counted(below(100 + apart)))
        assert (rules[1] is None) is leaves
