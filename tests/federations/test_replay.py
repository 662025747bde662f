"""A run replays its past from the ledger; what was recorded counts."""

import time
from dataclasses import replace

import pandas as pd
import pytest

import fedstats as fs
from tests.federations.small_study import (
    ask_until_answered,
    attended,
    attended_pass,
    coordinator,
    files,
    question_numbers,
)

FORMULA = "Surv(time, status) ~ age + sex"
TRANSFORMS = ("km", "rank", "identity", "log")


def elsewhere(here, folder, relative):
    """The exchange as another machine would have written it: coefficients other by ``relative``, answers to match."""
    theirs = coordinator(folder, here.study)
    theirs.open(here.study.digest, here.study.id, here.study.sites)
    for number, question in enumerate(fs.Ledger(here.exchange).questions(), start=1):
        factor = 1 + relative * (1 if number % 2 else -1)
        query = question.query
        if hasattr(query, "beta"):
            query = replace(query, beta=tuple(b * factor for b in query.beta))
        filed = theirs.ask(query)
        for site in here.sites.values():
            fs.open_questions(folder, site)
            fs.send(folder, site, [filed], [site.answer(filed.query)])
    return theirs.ledger


def test_coefficients_that_differ_in_their_last_digits_reuse_the_recorded_answers(fitted, tmp_path):
    theirs = elsewhere(fitted, tmp_path / "theirs", 1e-12)
    before = files(theirs.folder)
    fit = fitted.ask(fs.Folder(theirs.folder, study=fitted.study))
    assert files(theirs.folder) == before
    last = theirs.questions()[-1].query
    assert fit.coef["age"] == last.beta[0] / fitted.study.codebook["age"].scale  # the recorded beta counts
    assert fit.coef["age"] != fitted.fit.coef["age"]
    assert fit.coef["age"] == pytest.approx(fitted.fit.coef["age"], rel=1e-10)


def test_other_coefficients_are_a_mismatch_that_names_the_question(fitted, tmp_path):
    theirs = elsewhere(fitted, tmp_path / "theirs", 1e-6)
    with pytest.raises(
        fs.LedgerMismatch, match=r"^Question 2 \(CoxDerivatives\) was recorded at other coefficients"
    ):
        fitted.ask(fs.Folder(theirs.folder, study=fitted.study))


def test_a_second_fit_of_the_same_model_reuses_answers_recorded_elsewhere(fitted, tmp_path):
    theirs = elsewhere(fitted, tmp_path / "theirs", 1e-12)
    before = files(theirs.folder)
    sites = fs.Folder(theirs.folder, study=fitted.study)
    assert fitted.ask(sites).coef.equals(fitted.ask(sites).coef)
    assert files(theirs.folder) == before


def test_a_shared_baseline_recorded_elsewhere_is_reused(here, tmp_path):
    ask = lambda s: fs.cox(s, FORMULA, baseline="shared", grid=3.0)
    ask_until_answered(here.exchange, here.sites, here.study, ask)
    before = files(here.exchange)
    fit = ask(fs.Folder(here.exchange, study=here.study))
    assert files(here.exchange) == before
    assert fit.coef.equals(ask(here.whole).coef)


@pytest.mark.parametrize("changed", [{"ties": "breslow"}, {"strata": None}, {"weights": "age"}])
def test_a_changed_option_is_a_new_conversation(fitted, changed):
    before = files(fitted.exchange)
    options = {"strata": "practice"} | changed
    with pytest.raises(fs.Waiting):
        fs.cox(fs.Folder(fitted.exchange, study=fitted.study), FORMULA, **options)
    assert {name: files(fitted.exchange)[name] for name in before} == before
    assert len(question_numbers(fitted.exchange)) == len(fs.Ledger(fitted.exchange).questions()) > 1
    attended_pass(fitted.exchange, fitted.sites, fitted.study)
    assert fitted.ask(fs.Folder(fitted.exchange, study=fitted.study)).coef.equals(fitted.fit.coef)


def test_another_level_of_confidence_asks_nothing(fitted):
    before = files(fitted.exchange)
    sites = fs.Folder(fitted.exchange, study=fitted.study)
    fs.cox(sites, FORMULA, strata="practice", level=0.9)
    assert files(fitted.exchange) == before


def test_a_finished_exchange_is_replayed_without_any_site_in_less_than_a_second(here):
    attended(here.exchange, here.sites, here.study, **here.study.analyses())
    before = files(here.exchange)
    began = time.process_time()
    found = fs.together(fs.Folder(here.exchange, study=here.study), **here.study.analyses())
    assert time.process_time() - began < 1
    assert fs.save_results(found, here.results, study=here.study.digest) == here.sha256
    assert files(here.exchange) == before


@pytest.mark.parametrize("first", ["km", "rank", "identity", "log"])
def test_every_transform_of_time_is_a_course_of_its_own(fitted, tmp_path, first):
    """Each run asks of the saved fit what earlier runs have not, in any order, and asks nothing twice."""
    fs.save_results({"model": fitted.fit}, tmp_path / "results.json")
    expected = {t: fs.cox_zph(fitted.whole, fitted.fit, transform=t).tidy() for t in TRANSFORMS}
    for transform in (first, *TRANSFORMS, first):
        fit = fs.load_results(tmp_path / "results.json").model
        ask = lambda s, fit=fit, transform=transform: fs.cox_zph(s, fit, transform=transform)
        found = ask_until_answered(fitted.exchange, fitted.sites, fitted.study, ask)
        assert found.tidy().equals(expected[transform])
    before = files(fitted.exchange)
    sites = fs.Folder(fitted.exchange, study=fitted.study)
    for transform in reversed(TRANSFORMS):
        assert fs.cox_zph(sites, fitted.fit, transform=transform).tidy().equals(expected[transform])
    assert files(fitted.exchange) == before


def test_trends_at_coefficients_of_another_machine_reuse_the_recorded_answers(fitted, tmp_path):
    asks = [lambda s, t=t: fs.cox_zph(s, fitted.fit, transform=t) for t in ("km", "rank", "log")]
    for ask in asks:
        ask_until_answered(fitted.exchange, fitted.sites, fitted.study, ask)
    theirs = elsewhere(fitted, tmp_path / "theirs", 1e-12)
    before = files(theirs.folder)
    for ask in reversed(asks):
        there = ask(fs.Folder(theirs.folder, study=fitted.study)).tidy()
        pd.testing.assert_frame_equal(there, ask(fitted.whole).tidy(), rtol=1e-9)
    assert files(theirs.folder) == before
