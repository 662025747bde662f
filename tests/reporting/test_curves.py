"""What is worked out of the counts of a curve, over an exchange: agreed, asked once, kept, verified, printed, compared with pooled rows."""

import re
from html import unescape

import numpy as np
import pytest

import fedstats as fs
from fedstats.methods.risk_table import RiskTable
from fedstats.reporting.coarsening import grid_effects
from fedstats.reporting.pooled_check import compare
from fedstats.reporting.site_page import SitePage
from fedstats.reporting.wording import question_title
from fedstats.study.curve_follow_ups import curve_follow_ups, incidence_follow_ups
from tests.federations.curve_study import BOOK, CURVES, NAMES, patients
from tests.federations.small_study import site_objects
from tests.reporting.finished_study import finished_study, words


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    done = finished_study(tmp_path_factory.mktemp("study"), CURVES, patients(), BOOK)
    done.curves = done.report.curves()._repr_html_()
    return done


@pytest.fixture(scope="module")
def pooled(finished):
    return finished.pooled


def test_each_is_an_analysis_of_its_own_named_after_its_curve(finished):
    study = finished.study
    asked = {a.name: a.key for c in study.curves for a in curve_follow_ups(c)}
    asked |= {a.name: a.key for i in study.incidences for a in incidence_follow_ups(i)}
    assert asked == NAMES
    assert set(study.analyses()) == {"survival", "later", "within", "weighted", "causes"} | set(NAMES)
    assert not [r for r in finished.found.values() if isinstance(r, fs.NotAvailable)]


def test_all_of_one_table_is_one_question(finished):
    """Curve, landmark, tests, means and follow-up of the same groups: one; strata, weights and causes one each."""
    everything = [q.query for q in fs.Ledger(finished.exchange).questions()]
    asked = [query for query in everything if isinstance(query, RiskTable)]
    assert len(everything) - len(asked) == 2  # of the sites' own strata: one test, and two together
    tables = {(q.group, q.strata, q.weights, q.causes) for q in asked}
    assert len(tables) == 4
    assert len({q.digest() for q in asked}) == len(asked)
    assert len(asked) <= 4 * 2  # a table for each grid


def test_one_process_gives_the_same_bytes(finished):
    here = fs.InProcess(patients(), finished.study.codebook, policy=finished.study.policy)
    again = fs.together(here, **finished.study.analyses())
    path = finished.folder / "again.json"
    assert fs.save_results(again, path, study=finished.study.digest) == finished.sha256


def test_a_third_party_rebuilds_all_of_it(finished):
    found = fs.verify(finished.exchange, finished.study, finished.results, home=finished.home)
    assert found.ok
    assert found.rebuilt == finished.sha256
    assert found.beyond == ()


def test_results_come_back_as_they_were(finished):
    here = fs.InProcess(patients(), finished.study.codebook, policy=finished.study.policy)
    formula = "Surv(time, status) ~ sex"
    assert finished.found["survival_log_rank"].p_value == fs.logrank(here, formula).p_value
    later = fs.logrank(here, formula, strata="arm", rho=1, landmark=6)
    assert finished.found["later_log_rank"].tidy().equals(later.tidy())
    within = fs.logrank(here, formula, strata="practice")
    assert finished.found["within_log_rank"].tidy().equals(within.tidy())
    assert within.status == "rounded to a thousandth of a standard deviation"
    combined = fs.max_combo(here, formula, weights=[(0, 0), (0, 1)], alternative="greater", landmark=6)
    assert finished.found["later_max_combo"].p_value == combined.p_value
    ratios = fs.period_hazard_ratios(here, formula)  # the codebook's cuts
    assert finished.found["survival_period_hazard_ratios"].tidy(True).equals(ratios.tidy(True))
    means = fs.rmst(here, "Surv(time, status) ~ ecog", tau=12, weights="weight", robust=True)
    assert finished.found["weighted_restricted_mean"].tidy().equals(means.tidy())
    curve = fs.kaplan_meier(here, formula)
    assert finished.found["survival_milestones"].tidy().equals(curve.at([6, 9, 12]))
    assert finished.found["survival_quantiles"].tidy().equals(curve.quantiles([0.25, 0.5]))
    assert finished.found["survival_follow_up"].reverse


def test_a_reader_finds_every_table_with_its_status(finished):
    said = words(finished.curves)
    for words_wanted in (
        "Milestones: Survival by sex",
        "Quantiles: Survival by sex",
        "Median follow-up: Survival by sex",
        "Restricted mean: Survival by sex",
        "Mean time without the event up to 18 months",
        "Log-rank test: Survival by sex",
        "Within strata of arm",
        "Within strata of practice",
        "Events are weighted by S^1 (1 − S)^0",
        "MaxCombo test: Survival by sex",
        "One-sided: more events of the second group",
        "Hazard ratios by period: Survival by sex",
        "0-12 months",
        "12+ months",
        "of those at risk at 6 months",
        "weighted by weight",
        "Incidence of causes by sex",
        "one minus a Kaplan–Meier curve of each would be too high",
        "On exact times",
        "Male (vs Female)",
        "approximate between the edges of the grid of 6 months",
        "exact on the grid of 6 months",
    ):
        assert words_wanted in said, words_wanted
    assert "nan" not in said.lower().split()


def test_every_figure_says_what_it_shows(finished):
    alts = re.findall(r'alt="([^"]*)"', finished.curves) or re.findall(
        r'aria-label="([^"]*)"', finished.curves
    )
    said = unescape(" ".join(alts))
    for kind in (
        "step curves falling",
        "step curves rising",
        "differences of restricted means",
        "hazard ratios by period",
    ):
        assert kind in said


def test_analyses_and_questions_have_titles(finished):
    said = words(finished.report.question()._repr_html_())
    assert "MaxCombo test: Survival by sex" in said
    assert "Reverse Kaplan–Meier" in said
    assert "Aalen–Johansen" in said
    titles = {question_title(q.query, finished.study) for q in fs.Ledger(finished.exchange).questions()}
    assert any("Incidence of causes by sex" in title for title in titles)
    assert not any("Incidence" in t and "Survival by sex" in t for t in titles)


def test_all_of_it_is_compared_with_pooled_rows(finished, pooled):
    frame = compare(finished.study, finished.found, pooled)
    assert frame["kept"].all()
    assert set(frame["analysis"]) == set(finished.found)
    assert "log-rank statistic" in set(frame["compared"])
    shown = grid_effects(finished.study, finished.found, pooled)
    assert set(shown["analysis"]) == {"survival", "within"}


def test_a_wrong_number_would_be_seen(finished, pooled):
    found = dict(finished.found)
    wrong = found["later_log_rank"].frame.assign(expected=lambda f: f["expected"] + 1e-6)
    object.__setattr__(found["later_log_rank"], "frame", wrong)
    frame = compare(finished.study, {"later_log_rank": found["later_log_rank"]}, pooled)
    assert not frame["kept"].any()


def test_a_site_sees_them_of_its_own_rows(finished):
    site = site_objects(finished.study, patients(), homes=finished.folder)["north"]
    here = fs.InProcess.alone(site)
    found = fs.together(here, **finished.study.analyses())
    page = words(SitePage(finished.study, site.name).alone(found)._repr_html_())
    for wanted in (
        "Restricted mean: Survival by sex",
        "MaxCombo test",
        "Milestones: Incidence of causes by sex",
    ):
        assert wanted in page
    assert np.isfinite(found["survival_log_rank"].statistic)
