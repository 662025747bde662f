"""A site's own page: whose it is, ratios that say what they are, and nothing empty where nothing was looked at."""

import re
from html import unescape

import pandas as pd
import pytest

import fedstats as fs
from fedstats.reporting.site_page import SitePage
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study

BOOK = CODEBOOK.replace('kind = "numeric"', 'kind = "numeric"\nlabel = "Age"\nunit = "years"')


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    titles = '\n[site_titles]\nnorth = "Hospital <of the> North"\n'
    own = STUDY.replace('id = "small"', 'id = "page-of-a-site"')  # keys of its own
    return fs.Study.load(write_study(tmp_path_factory.mktemp("study"), own + titles, BOOK))


@pytest.fixture(scope="module")
def here(study, tmp_path_factory):
    return fs.Site(
        "north", tables()["north"], study.codebook, study.policy, home=tmp_path_factory.mktemp("home")
    )


@pytest.fixture(scope="module")
def alone(study, here):
    return SitePage(study, "north").alone(fs.together(fs.InProcess.alone(here), **study.analyses()))


def words(part):
    return unescape(re.sub(r"<[^>]+>", " ", part._repr_html_()))


def test_the_page_says_first_whose_it_is(study):
    title = SitePage(study, "north").title()
    first = title._repr_html_().split("</p>")[0]
    assert "Hospital &lt;of the&gt; North</strong> (north)" in first
    assert study.title in first


def test_ratios_are_named_with_their_standard_errors_and_terms_by_their_labels(alone):
    shown = words(alone)
    for ratio in ("Hazard ratio", "Odds ratio"):
        assert f"{ratio} (95% interval)" in shown
    assert shown.count("Standard error (log scale)") == 3
    assert "Age, per 5 years" in shown
    assert "sex: M (vs F)" in shown
    for raw in ("sex[M]", "std_error", "conf_low", "NaN", "1 sites", "own_baseline", "survival_by_sex"):
        assert raw not in shown


def test_a_median_that_is_not_reached_is_a_dash(study, here):
    curve = fs.kaplan_meier(fs.InProcess.alone(here), study.curves[0].formula)
    medians = curve.medians.assign(conf_high=float("nan"))
    object.__setattr__(curve, "medians", medians)
    assert re.search(r"to –\s", words(SitePage(study, "north").alone({"survival_by_sex": curve})))


def test_what_a_policy_kept_back_is_named_by_its_label(study):
    kept = fs.Table(None, pd.DataFrame(), (("age", "level"), ("old", "entry")), "exact", 1, 8, ("north",))
    assert "Not released by a site's policy: Age (level); old (entry)." in words(
        SitePage(study, "north").alone({"table_one": kept})
    )


def test_what_a_site_cannot_estimate_stands_under_its_title(study):
    found = SitePage(study, "north").alone({"response": fs.NotAvailable("not estimated", "too few <rows>")})
    assert "Response" in words(found)
    assert "too few <rows>" in words(found)


def test_where_questions_are_answered_as_they_come_nothing_empty_is_shown(study, here):
    page = SitePage(study, "north")
    parts = [page.review([], [], serving=True), page.sheets("nowhere", here, [], [])]
    parts += [page.sent([], [], serving=True), page.served([1, 2], serving=True)]
    shown = " ".join(part._repr_html_() for part in parts)
    assert "<table" not in shown
    assert "0 of 0" not in shown
    assert "2 questions answered as they came." in shown
    assert "No question is open" in words(page.review([], [], serving=False))


def test_an_attended_site_sees_a_line_a_question_with_its_number(study, here, tmp_path):
    page, exchange = SitePage(study, "north"), tmp_path / "exchange"
    with pytest.raises(fs.Waiting):
        fs.together(fs.Folder(exchange, study=study), **study.analyses())
    questions = fs.open_questions(exchange, here)
    answers = here.answers(questions)
    shown = words(page.review(questions, answers, serving=False))
    assert all(q.query.in_words() in shown for q in questions)
    assert "Question 1." in page.sheets(exchange, here, questions, answers)._repr_html_()
    said = words(page.sent([], questions, serving=False))
    assert said.strip() == f"0 of {len(questions)} open questions answered and sent."
