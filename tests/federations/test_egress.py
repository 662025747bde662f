"""The egress sheet: every number that leaves, by name, with the patients behind it, before it leaves."""

import csv
import errno
import os
import re
import stat
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.aggregate import Aggregate, Release, Sum
from fedstats.contract.condition import Condition
from fedstats.contract.labels import harmless
from fedstats.contract.query import Query
from fedstats.federations.desk import Desk
from fedstats.federations.egress import BANDS, COLUMNS, account_line, band, sheet
from fedstats.federations.egress_folder import keep, summary
from fedstats.federations.ledger import Question
from fedstats.federations.site import Answer, Site
from fedstats.reporting.wording import question_words
from tests.docs.disclosure_page import EXAMPLE_IDS, EXAMPLES, PAGE
from tests.federations.small_study import attended_pass, question_numbers, serving

NONE, STRICT = fs.DisclosurePolicy.none(), fs.DisclosurePolicy()


def site(policy=NONE, n=600):
    return Site("north", PAGE.cohort(n), PAGE.CODEBOOK, policy)


def sheet_of(query, here, number=1):
    answer = here.answer(query)
    return sheet(here, Question(number, query, "study", "0" * 64), answer, 1), answer


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Acceptance 26 --------------------------------------------------------------------------------


@pytest.mark.acceptance(26)
@pytest.mark.parametrize(("kind", "i", "query"), EXAMPLES, ids=EXAMPLE_IDS)
def test_the_sheet_lists_every_number_that_leaves_with_its_value(kind, i, query, tmp_path):
    made, answer = sheet_of(query, site())
    travels = Release.from_dict(answer.content.to_dict())
    values = np.concatenate([v.ravel() for v in travels.values().values()])
    assert len(made.numbers) == travels.n_numbers == len(values)
    assert made.numbers["value"].tolist() == values.tolist()
    assert made.numbers["name"].is_unique
    kept = [row for row in rows(keep(tmp_path, made, {})) if row["part"] == "number"]
    assert [float(row["value"]) for row in kept] == values.tolist()


@pytest.mark.acceptance(26)
@pytest.mark.parametrize(("kind", "i", "query"), EXAMPLES, ids=EXAMPLE_IDS)
def test_the_band_of_every_number_holds_the_patients_behind_it(kind, i, query):
    made, answer = sheet_of(query, site())
    patients = np.concatenate([s.patients.ravel() for s in answer.aggregate.sums.values()])
    assert len(patients) == len(made.numbers)
    for said, count in zip(made.numbers["patients"], patients, strict=True):
        low, high = {"over 500": (501, 10**9)}.get(said) or [int(n) for n in (said.split(" to ") * 2)[:2]]
        assert low <= count <= high


@pytest.mark.acceptance(26)
def test_there_is_a_sheet_of_every_kind_of_question():
    assert {kind for kind, _, _ in EXAMPLES} == {kind.__name__ for kind in PAGE.kinds()}


def test_bands_change_where_they_say():
    said = ["0", "1 to 4", "5 to 10", "11 to 20", "21 to 50", "51 to 100", "101 to 500", "over 500"]
    assert [band(n) for n in BANDS] == said[:-1]
    assert [band(n + 1) for n in BANDS] == said[1:]


# What a checker reads -------------------------------------------------------------------------


def test_a_number_stands_with_the_rule_that_let_it_pass_and_what_that_needs():
    made, _ = sheet_of(PAGE.EXAMPLES["CoxDerivatives"][0], site(STRICT))
    lines = made.numbers.set_index("name")
    assert made.released
    assert lines.loc["score[age]", ["rule", "needs"]].tolist() == ["entry", "0 or at least 11"]
    pair = lines.loc["information[sex[M], age]"]
    assert pair[["patients", "rule", "needs"]].tolist() == ["101 to 500", "pair of levels", "0 or at least 5"]
    said = made.frame[made.frame["part"] == "sum"].set_index("name")["value"]
    assert said["score"] == "slope of the log-likelihood in a coefficient"
    asked = made.frame.set_index("name").loc["asked", "value"]
    assert asked.startswith("Cox regression of entry to time/event on age, sex, strata practice")
    assert asked.endswith("score and information at the 1st point")


def test_a_sheet_of_a_release_holds_no_count_but_bands_beside_what_leaves():
    for query in (PAGE.EXAMPLES["GlmDerivatives"][0], PAGE.EXAMPLES["LevelCounts"][0]):
        made, answer = sheet_of(query, site(STRICT))
        bands = {*map(band, (*BANDS, 501)), ""}
        assert set(made.frame["patients"]) <= bands
        judged = made.frame[made.frame["part"] == "judgement"]
        assert set(answer.review["rule"]) - {"entry", "pair of levels"} <= {*judged["rule"], "pair of levels"}


def test_without_a_gate_a_sheet_says_that_every_rule_is_off():
    made, _ = sheet_of(PAGE.EXAMPLES["Moments"][0], site())
    assert set(made.numbers["needs"]) == {"off"}


def test_a_refusal_gets_a_sheet_with_the_numbers_for_the_sites_own_eyes():
    made, answer = sheet_of(PAGE.EXAMPLES["LevelCounts"][0], site(STRICT, 30))
    assert (made.released, len(made.numbers)) == (False, 0)
    counts = answer.aggregate.sums["together"].patients
    failed = made.frame[made.frame["part"] == "judgement"]
    assert failed["patients"].tolist() == counts[(counts > 0) & (counts < 11)].tolist()
    assert failed["name"].iloc[0].startswith("together[arm=")
    (refused,) = made.frame[made.frame["part"] == "refusal"].to_dict("records")
    assert (refused["rule"], refused["value"][:9]) == ("entry", "Too few p")


@pytest.mark.parametrize(("kind", "i", "query"), EXAMPLES, ids=EXAMPLE_IDS)
def test_whatever_a_line_is_named_by_is_said_in_words(kind, i, query):
    """Of a refusal too: a person reads ``n_risk[arm=A, up to 6]`` beside what n_risk is."""
    for here in (site(), site(STRICT, 40)):
        made, _ = sheet_of(query, here)
        said = made.frame[made.frame["part"] == "sum"].set_index("name")["value"]
        own = made.frame["part"].isin(["number", "judgement"])
        named = made.frame.loc[own, "name"].str.partition("[")[0]
        of_sums = named[named.isin(list(query.entries()))]
        assert set(of_sums) <= set(said.index)
        assert (said == [query.entries()[name].means for name in said.index]).all()


#: Markup and names of Python, in what a person at a site reads.
OF_PYTHON = re.compile(r"`|:[a-z]+:|\^-1|[a-z]_[a-z]|[a-z][A-Z]|\bNone\b|\(\)")


@pytest.mark.parametrize(("kind", "i", "query"), EXAMPLES, ids=EXAMPLE_IDS)
def test_a_question_and_its_sums_are_said_without_names_of_python(kind, i, query):
    said = [query.in_words(2), question_words(type(query)), *(e.means for e in query.entries().values())]
    assert [text for text in said if OF_PYTHON.search(text)] == []


def test_a_refusal_by_the_answer_as_a_whole_names_what_was_too_small():
    made, answer = sheet_of(PAGE.EXAMPLES["GlmDerivatives"][0], site(STRICT, 40))
    assert answer.content.rule == "patients"
    failed = made.frame[made.frame["part"] == "judgement"]
    assert {"patients in the model"} <= set(failed["name"])
    assert 40 in failed["patients"].tolist()


def test_what_went_wrong_at_a_site_is_on_its_own_sheet():
    here = site()
    unknown = replace(PAGE.EXAMPLES["Moments"][0], where=(Condition("ward", "==", (1.0,)),))
    made, _ = sheet_of(unknown, here)
    assert "ward" in made.frame.set_index("part").loc["refusal", "rule"]
    broken = Answer(unknown, fs.Site("north", PAGE.cohort(), PAGE.CODEBOOK).answer(unknown).content)
    broken = replace(broken, problem=ValueError("patient 4711"))
    made = sheet(here, Question(1, unknown, "study", "0" * 64), broken)
    assert made.frame.set_index("part").loc["refusal", "value"] == "patient 4711"


def test_which_rows_do_not_fit_is_on_the_sites_own_sheet_alone():
    (query, *_) = PAGE.EXAMPLES["CoxDerivatives"]
    frame = PAGE.cohort()
    frame[query.model.event] = 2 * frame[query.model.event]
    book = replace(
        PAGE.CODEBOOK,
        variables=tuple(
            replace(v, kind="numeric") if v.name == query.model.event else v for v in PAGE.CODEBOOK.variables
        ),
    )
    made, answer = sheet_of(query, fs.Site("north", frame, book, NONE))
    shown = made.frame.set_index("part").loc["refusal", "value"]
    assert shown.endswith(f"rows, with {query.model.event} 2")
    assert shown not in str(answer.content.to_dict())


def test_the_points_of_a_model_are_counted(here, tmp_path):
    folder = fs.Folder(here.exchange, study=here.study)
    for _ in range(3):
        with pytest.raises(fs.Waiting):
            fs.logistic(folder, "response ~ age + sex")
        questions = fs.open_questions(here.exchange, here.sites["north"])
        egress = tmp_path / "north"
        fs.send(
            here.exchange,
            here.sites["north"],
            questions,
            here.sites["north"].answers(questions),
            egress=egress,
        )
        attended_pass(here.exchange, here.sites, here.study)
    asked = summary(egress)["asked"].tolist()
    assert [said.rsplit("at the ")[1] for said in asked] == ["1st point", "2nd point", "3rd point"]


# Kept before it leaves ------------------------------------------------------------------------


def asked_once(here):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age + sex")
    north = here.sites["north"]
    questions = fs.open_questions(here.exchange, north)
    return north, questions, north.answers(questions)


def answers_filed(here):
    return list(here.exchange.glob("answers/*/*"))


def test_a_sheet_is_there_before_its_answer_leaves(here, tmp_path, monkeypatch):
    north, questions, answers = asked_once(here)
    seen = []
    send = Desk.send

    def watched(*arguments):
        seen.append(sorted(path.name for path in (tmp_path / "egress").iterdir()))
        return send(*arguments)

    monkeypatch.setattr(Desk, "send", watched)
    fs.send(here.exchange, north, questions, answers, egress=tmp_path / "egress")
    assert seen == [["000001.csv", "summary.csv"]]
    assert len(answers_filed(here)) == 1


@pytest.mark.parametrize("step", ["fsync", "link", "open"])
def test_an_answer_without_its_sheet_does_not_leave_and_nothing_is_half_written(
    here, tmp_path, monkeypatch, step
):
    north, questions, answers = asked_once(here)
    original = getattr(os, step)

    def full(*arguments, **options):
        if step == "open" and not arguments[1] & os.O_CREAT:
            return original(*arguments, **options)  # a full disk can be read
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, full)
        with pytest.raises(OSError, match="No space"):
            fs.send(here.exchange, north, questions, answers, egress=tmp_path / "egress")
    assert answers_filed(here) == []
    assert list((tmp_path / "egress").iterdir()) == []


def test_sending_again_changes_no_sheet(here, tmp_path):
    north, questions, answers = asked_once(here)
    folder = tmp_path / "egress"
    fs.send(here.exchange, north, questions, answers, egress=folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    fs.send(here.exchange, north, questions, answers, egress=folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_answer_computed_anew_on_other_rows_gets_a_sheet_of_its_own(tmp_path):
    query = PAGE.EXAMPLES["Moments"][0]
    first, second = (sheet_of(query, site(n=n))[0] for n in (600, 300))
    assert keep(tmp_path, first, {"numbers": 1}).name == "000001.csv"
    assert keep(tmp_path, second, {"numbers": 2}).name == "000001.2.csv"
    assert keep(tmp_path, second, {"numbers": 2}).name == "000001.2.csv"
    assert summary(tmp_path)[["question", "numbers", "sheet"]].to_numpy().tolist() == [[1, 2, "000001.2.csv"]]


def test_a_folder_of_another_exchange_lets_nothing_leave(here, tmp_path):
    keep(tmp_path, sheet_of(PAGE.EXAMPLES["Moments"][0], site())[0], {})
    north, questions, answers = asked_once(here)
    with pytest.raises(ValueError, match="another exchange"):
        fs.send(here.exchange, north, questions, answers, egress=tmp_path)
    assert answers_filed(here) == []


def test_the_folder_is_for_the_eyes_of_the_site(tmp_path):
    folder = tmp_path / "egress"
    keep(folder, sheet_of(PAGE.EXAMPLES["Moments"][0], site())[0], {})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert keep("", sheet_of(PAGE.EXAMPLES["Moments"][0], site())[0], {}) is None


def test_serving_keeps_a_sheet_for_every_answer_and_the_account_agrees(quick, tmp_path):
    with serving(quick.exchange, quick.sites, quick.study, patience=20, egress=tmp_path) as account:
        sites = fs.Folder(quick.exchange, study=quick.study, wait_seconds=20)
        fs.together(sites, **quick.study.analyses())
        sites.close()
    numbers = question_numbers(quick.exchange)
    for name, north in quick.sites.items():
        folder = tmp_path / name
        assert sorted(p.name for p in folder.glob("0*")) == [f"{n:06d}.csv" for n in numbers]
        lines = fs.egress_sheet(quick.exchange, north, folder)
        assert lines["question"].tolist() == numbers == summary(folder)["question"].tolist()
        assert lines["numbers"].tolist() == account[name]["numbers"].tolist()
        for number, line in zip(numbers, lines.to_dict("records"), strict=True):
            leaves = [row for row in rows(folder / f"{number:06d}.csv") if row["part"] == "number"]
            assert len(leaves) == line["numbers"]


def test_the_account_of_answers_sent_without_a_folder_is_made_afterwards(here, tmp_path):
    north, questions, answers = asked_once(here)
    fs.send(here.exchange, north, questions, answers)
    assert fs.egress_sheet(here.exchange, north)["question"].tolist() == [1]
    assert fs.egress_sheet(here.exchange, north, tmp_path)["numbers"].tolist() == [14]
    assert summary(tmp_path)["question"].tolist() == [1]


def test_of_a_table_with_empty_cells_the_account_shows_the_smallest_group_that_is_none():
    edges = (10.0, 50.0, 60.0)
    histogram = replace(PAGE.EXAMPLES["Histogram"][0], edges=edges)
    agreed = (replace(v, edges=edges) if v.name == histogram.variable else v for v in PAGE.CODEBOOK.variables)
    here = site(STRICT)
    answer = fs.Site(
        here.name, here.data.frame, replace(PAGE.CODEBOOK, variables=tuple(agreed)), STRICT
    ).answer(histogram)
    counts = answer.aggregate.sums["counts"].patients
    assert counts.min() == 0
    assert account_line(answer)["patients"] == counts[counts > 0].min()


def test_the_account_reads_as_a_table_with_refusals_named(here, tmp_path):
    north = fs.Site("north", here.frames["north"].head(40), here.study.codebook)
    _, questions, _ = asked_once(here)
    assert "refused" not in fs.account_table(fs.egress_sheet(here.exchange, north))._repr_html_()
    fs.send(here.exchange, north, questions, north.answers(questions), egress=tmp_path)
    for egress in (tmp_path, ""):
        page = fs.account_table(fs.egress_sheet(here.exchange, north, egress))._repr_html_()
        assert ">refused</td>" in page
        assert "Logistic regression of response on age, sex: " in page


# Spreadsheets and pages -----------------------------------------------------------------------

HOSTILE = ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", " =1", "\uff1d1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_spreadsheet_runs_no_cell_of_a_sheet(text, tmp_path):
    frame = pd.DataFrame([["number", text, -1.5, text, text, text]], columns=COLUMNS)
    made = replace(sheet_of(PAGE.EXAMPLES["Moments"][0], site())[0], frame=frame, asked=text)
    path = keep(tmp_path, made, {"about": text})
    (row,) = rows(path)
    assert row["value"] == "-1.5"  # a number stays one
    (line,) = rows(tmp_path / "summary.csv")
    cells = {*(row[c] for c in ("name", "patients", "rule", "needs")), *(line[c] for c in ("about", "asked"))}
    assert cells == {"'" + text.replace("\t", " ").replace("\r", " ")}
    assert harmless("sex[M]") == "sex[M]"


class Planted(Query):
    """A question without words."""

    def aggregate(self, data):  # noqa: ARG002
        return Aggregate({"s": Sum(np.ones((2, 1)), np.array(12))}, 12)


def test_a_question_without_names_has_its_numbers_numbered():
    made, _ = sheet_of(Planted(), site(STRICT))
    assert made.asked == "A question without words"
    assert made.numbers["name"].tolist() == ["s[1, 1]", "s[2, 1]"]


def test_looking_shows_every_sheet_folded_and_lets_nothing_leave(here):
    north, questions, answers = asked_once(here)
    shown = fs.sheets(here.exchange, north, questions, answers)
    page = shown._repr_html_()
    assert page.count("<details>") == page.count("</details>") == 1
    assert "Question 1. Logistic regression of response on age, sex: " in page
    assert "14 numbers would leave" in page
    assert "14 numbers would leave" in repr(shown)
    for name in shown.sheets[0].numbers["name"]:
        assert f">{name}</th>" in page
    assert answers_filed(here) == []
    assert "no question is open" in fs.sheets("nowhere", north, [], [])._repr_html_()


def test_a_page_of_sheets_escapes_what_the_asker_has_written(here):
    hostile = replace(PAGE.EXAMPLES["Moments"][0], variable="<script>alert(1)</script>")
    north = site()
    question = Question(1, hostile, "study", "0" * 64)
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    page = fs.sheets(here.exchange, north, [question], [north.answer(hostile)])._repr_html_()
    assert "<script>" not in page
    assert "<details open>" in page  # a refusal is unfolded
