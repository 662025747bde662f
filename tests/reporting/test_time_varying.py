"""Effects that change with time in a report: rows of the same table and figure, a test of change, a check from outside."""

import re
from html import unescape
from types import SimpleNamespace

import pandas as pd
import pytest

import fedstats as fs
from fedstats.reporting.effects import effect_labels, effects
from fedstats.reporting.pooled_check import compare
from fedstats.reporting.pooled_fits import pooled_rows
from fedstats.reporting.study_report import StudyReport
from fedstats.reporting.wording import question_title
from tests.federations.small_study import CODEBOOK, TWO_MODELS, serving, site_objects, tables, write_study

VARYING = 'time_varying = {sex = [6, 12], age = [12]}\nweights = "weight"'
LABELS = {
    "age: 0-12 months": "age, per 5 years, 0-12 months",
    "age: 12+ months": "age, per 5 years, 12+ months",
    "sex[M]: 0-6 months": "sex: M (vs F), 0-6 months",
    "sex[M]: 6-12 months": "sex: M (vs F), 6-12 months",
    "sex[M]: 12+ months": "sex: M (vs F), 12+ months",
    "ecog[1]": "ecog: 1 (vs 0)",
    "ecog[2+]": "ecog: 2+ (vs 0)",
}


def words(part):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", part._repr_html_())))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study over a folder, and its report."""
    folder = tmp_path_factory.mktemp("study")
    text = TWO_MODELS.replace('strata = "practice"', f'strata = "practice"\n{VARYING}')
    book = CODEBOOK.replace('kind = "numeric"\nrange', 'kind = "numeric"\nunit = "years"\nrange', 1)
    book = book.replace("[grid]", '[columns.weight]\nkind = "numeric"\n[grid]') + "cuts = [6, 12]\n"
    file = write_study(folder, text, book)
    study = fs.Study.load(file)
    frames = {name: f.assign(weight=1.0 + (f.index % 3)) for name, f in tables().items()}
    files = {}
    for name, frame in frames.items():
        files[name] = str(folder / f"{name}.csv")
        frame.to_csv(files[name], index=False)
    exchange, results, home = folder / "exchange", folder / "results.json", folder / "coordinator"
    with serving(exchange, site_objects(study, frames, homes=folder / "homes"), study):
        sites = fs.Folder(exchange, study=study, wait_seconds=60, home=home)
        found = fs.together(sites, **study.analyses())
        fs.save_results(found, results, study=study.digest)
        sites.close()
    report = StudyReport(file, results, exchange, home=home)
    return SimpleNamespace(
        study=study, exchange=exchange, results=results, home=home, files=files, report=report
    )


def test_results_that_were_kept_are_those_of_the_function(finished):
    kept = fs.load_results(finished.results).own_baseline
    assert kept.varying == {
        "age": ("age: 0-12 months", "age: 12+ months"),
        "sex[M]": ("sex[M]: 0-6 months", "sex[M]: 6-12 months", "sex[M]: 12+ months"),
    }
    frames = {name: pd.read_csv(file) for name, file in finished.files.items()}
    sites = fs.InProcess(frames, finished.study.codebook, finished.study.policy)
    direct = finished.study.analyses()["own_baseline"](sites)
    pd.testing.assert_frame_equal(kept.tidy(), direct.tidy(), check_exact=True)
    # correlations are saved rounded: a statistic of p coefficients is off by at most p / 2 thousandths
    pd.testing.assert_frame_equal(
        kept.constancy_tests(), direct.constancy_tests(), rtol=len(kept.beta) / 2000
    )
    assert kept.constancy_tests()["term"].tolist() == ["age", "sex", "GLOBAL"]


def test_labels_say_the_period_and_numbers_their_step(finished):
    fit, book = fs.load_results(finished.results).own_baseline, finished.study.codebook
    labels = effect_labels(fit, book)
    assert {name: labels[name] for name in fit.names} == LABELS
    assert effects(fit, book)["term"].tolist() == list(LABELS)


def test_the_report_shows_table_figure_and_test(finished):
    said = words(finished.report.models())
    for label in LABELS.values():
        assert label in said
    assert "effects that change with time" in said
    assert "Change with time: A baseline hazard at each practice" in said
    assert "All terms together" in said
    assert "the hazard ratio of a term is not the same in all periods" in said


def test_other_software_finds_the_same(finished):
    kept = fs.load_results(finished.results)
    found = compare(finished.study, kept, pooled_rows(finished.study, finished.files))
    mine = found[found["analysis"] == "own_baseline"]
    assert mine["software"].str.contains("lifelines").sum() == 1
    assert mine["kept"].all()
    assert (mine["patients"] == sum(len(frame) for frame in tables().values())).all()


def test_a_third_party_rebuilds_it(finished):
    found = fs.verify(finished.exchange, finished.study, finished.results, home=finished.home)
    assert found.ok
    assert found.rebuilt == found.results


def test_a_person_at_a_site_reads_what_changes(finished):
    asked = [q.query for q in fs.Ledger(finished.exchange).questions()]
    said = next(q for q in asked if type(q).__name__ == "CoxDerivatives")
    assert "effects that change after 6, 12" in said.in_words()
    assert "score[sex[M] (6 to 12)]" in said.entries()["score"].names("score", (7,))
    assert question_title(said, finished.study)
