"""A study's report, as the coordinator and as somebody without the coordinator's folder make it."""

import re
from dataclasses import replace
from html import unescape

import pytest

import fedstats as fs
from fedstats.reporting.exchange_account import NO_ARCHIVE
from fedstats.reporting.study_report import StudyReport
from fedstats.reporting.wording import question_title
from fedstats.running.files import POOLED_CHECK, read_json
from tests.federations.small_study import CODEBOOK, STUDY, serving, site_objects, tables, write_study

PARTS = ("title", "question", "sites", "patients", "curves", "models", "egress", "pooled_check", "provenance")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study with refusals, its results and its exchange: monthly cells are too small for the gate."""
    folder = tmp_path_factory.mktemp("study")
    book = CODEBOOK.replace("candidates = [6, 12]", "candidates = [1, 6, 12]")
    file = write_study(folder, STUDY.replace('profile = "none"', 'profile = "teaching"'), book)
    study = fs.Study.load(file)
    with serving(folder / "exchange", site_objects(study, tables(120), homes=folder), study):
        sites = fs.Folder(folder / "exchange", study=study, home=folder / "home", wait_seconds=60)
        fs.save_results(fs.together(sites, **study.analyses()), folder / "results.json", study=study.digest)
        sites.close()
    return folder


def report_of(folder, home):
    return StudyReport(
        folder / "study.toml", folder / "results.json", folder / "exchange", home=folder / home
    )


@pytest.fixture(scope="module")
def report(finished):
    """As the coordinator makes it."""
    return report_of(finished, "home")


@pytest.fixture(scope="module")
def without_archive(finished):
    """As anyone with the results makes it."""
    return report_of(finished, "another-home")


def words(part):
    return unescape(re.sub(r"<[^>]+>", " ", part._repr_html_()))


def test_every_analysis_that_the_title_counts_is_listed(report):
    counted = int(re.search(r"of (\d+) analyses", words(report.title()))[1])
    listed = report.question()._repr_html_().count('<th scope="row"')
    assert counted == listed == len(report.study.analyses())
    assert re.search(r"Patient characteristics\s+Description\s+age \+ ecog by sex", words(report.question()))


def test_the_coordinator_sees_answers_refusals_and_numbers(report, finished):
    asked = len(list((finished / "exchange" / "questions").glob("*.json")))
    for site in ("north", "south", "west"):
        assert re.search(rf"{site}\s+{asked}\s+[1-9]\d*\s", words(report.sites()))
    assert "Numbers that left" in words(report.egress())
    assert "Survival by sex: patients at risk and events in each time cell, on 24 time cells" in words(
        report.egress()
    )
    assert "time/status" not in words(report.egress())
    assert "answered with a coarser time grid" in words(report.egress())
    assert NO_ARCHIVE not in words(report.sites()) + words(report.egress())


def test_without_the_archive_answers_are_counted_and_nothing_is_said_of_numbers(without_archive, finished):
    asked = len(list((finished / "exchange" / "questions").glob("*.json")))
    who, left = words(without_archive.sites()), words(without_archive.egress())
    for site in ("north", "south", "west"):
        assert re.search(rf"{site}\s+{asked}\s", who)
    assert NO_ARCHIVE in who
    assert NO_ARCHIVE in left
    assert not re.search(r"\b0\b", who + left)
    for unknown in ("of which refusals", "Numbers that left", "Bytes", "every site answered"):
        assert unknown not in (who + left).replace(NO_ARCHIVE, "")


def test_the_whole_report_is_made_without_the_archive(without_archive):
    assert all(getattr(without_archive, part)()._repr_html_() for part in PARTS)


def test_an_archive_with_a_question_missing_is_not_counted_on(finished):
    whole = report_of(finished, "home")
    assert whole.account.archived
    whole.account.opened.popitem()
    del whole.account.archived
    assert NO_ARCHIVE in words(whole.egress())


def test_every_question_of_a_study_bears_the_title_of_its_analysis(report):
    titles = {question_title(q.query, report.study).partition(": ")[0] for q in report.ledger.questions()}
    assert titles == {
        "Survival by sex", "A baseline hazard at each practice", "One baseline hazard", "Response",
        "Patient characteristics, age", "Patient characteristics, ecog",
    }  # fmt: skip


def test_a_question_beyond_the_study_keeps_its_own_words(report):
    asked = next(q.query for q in report.ledger.questions() if q.kind == "CoxDerivatives")
    other = replace(asked, model=replace(asked.model, strata=("ecog",)))
    assert question_title(other, report.study) == other.in_words()
    assert asked.in_words() != question_title(asked, report.study)


def beside_the_rows(finished, folder, **moved):
    """A report of the results, some of them moved, with the rows at hand and a run to write to."""
    study = fs.Study.load(finished / "study.toml")
    fs.save_results(
        dict(fs.load_results(finished / "results.json")) | moved, folder / "results.json", study=study.digest
    )
    rows = []
    for name, frame in tables(120).items():
        rows.append(str(folder / f"{name}.csv"))
        frame.to_csv(rows[-1], index=False)
    exchange, home = finished / "exchange", finished / "home"
    return StudyReport(
        study.file, folder / "results.json", exchange, home=home, pooled_data=rows, run_folder=folder
    )


def test_the_top_of_the_report_says_that_the_pooled_rows_say_the_same(finished, tmp_path):
    report = beside_the_rows(finished, tmp_path)
    top = report.title()._repr_html_()
    assert re.search(r"Compared with the pooled rows: \d+ analyses, all within the tolerance\.", top)
    assert "failure" not in top
    assert read_json(tmp_path / POOLED_CHECK) == {"differing": []}


def test_the_top_of_the_report_names_what_differs_from_the_pooled_rows(finished, tmp_path):
    """It is what a reader sees first, and what the exit code of the run goes by."""
    found = fs.load_results(finished / "results.json")
    fit, curve = found["own_baseline"], found["survival_by_sex"]
    estimate = curve.frame["estimate"].where(curve.frame["time"] == 0, curve.frame["estimate"] - 1e-9)
    report = beside_the_rows(
        finished,
        tmp_path,
        own_baseline=replace(fit, beta=fit.beta * (1 + 1e-8)),
        survival_by_sex=replace(curve, frame=curve.frame.assign(estimate=estimate)),
    )
    top = report.title()._repr_html_()
    names = ["Survival by sex", "A baseline hazard at each practice"]
    assert sorted(read_json(tmp_path / POOLED_CHECK)["differing"]) == sorted(names)
    assert '<div class="failure">' in top
    assert "(2 of " in top
    assert all(name in top for name in names)
    assert report.pooled_check()._repr_html_().count(">not kept<") == 3  # the fit beside two others


def test_where_no_rows_are_at_hand_nothing_is_said_of_them(report):
    assert "tolerance" not in report.title()._repr_html_()
    assert report.compared is None
