"""Missing data in a study, over an exchange: agreed beforehand, kept, the same in one process, printed beside complete cases, refused in words."""

import numpy as np
import pytest

import fedstats as fs
from fedstats.contract.missingness_results import Missingness
from fedstats.federations.keys import HOME_VARIABLE
from fedstats.federations.memory import Memory
from fedstats.study.agreed_questions import agreed_topics
from fedstats.study.toml_file import StudyError
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study
from tests.reporting.finished_study import finished_study, words

IMPUTED = (
    STUDY[: STUDY.index("[table_one]")]
    + """
[missingness]
by = "site"

[imputation]
m = 3
cycles = 2
survival = "Surv(time, status)"

[imputation.models]
weight = "age + sex + status + cumhaz"
response = "age + weight + status"

[[models]]
name = "survival"
title = "Survival by weight"
kind = "cox"
formula = "Surv(time, status) ~ weight + age"
strata = "practice"
imputed = true

[[models]]
name = "response_model"
title = "Response"
kind = "logistic"
formula = "response ~ weight + age"
imputed = true
"""
)
BOOK = CODEBOOK.replace(
    "[grid]", '[columns.weight]\nkind = "numeric"\nlabel = "Weight"\nmissing = true\n[grid]'
)


def frames():
    """The tables of the small study with a weight that every third patient lacks."""
    found = {}
    for k, (name, frame) in enumerate(tables().items()):
        random, i = np.random.default_rng(k), np.arange(len(frame))
        weight = np.round(70 + (frame["sex"] == "M") * 8 + random.normal(0, 9, len(frame)), 1)
        found[name] = frame.assign(weight=weight.mask(i % 3 == 1))
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as own:
        folder = tmp_path_factory.mktemp("imputed")
        own.setenv(HOME_VARIABLE, str(folder / "home"))
        return finished_study(folder, IMPUTED, frames(), BOOK)


def test_both_analyses_of_a_model_are_kept(finished):
    kinds = {name: type(result) for name, result in finished.found.items()}
    assert kinds == {
        "missingness": Missingness,
        "survival": fs.Fit,
        "survival_imputed": fs.PooledFit,
        "response_model": fs.Fit,
        "response_model_imputed": fs.PooledFit,
    }
    assert finished.found.survival_imputed.n == 240
    assert finished.found.survival.n == sum(f["weight"].notna().sum() for f in frames().values())


def test_one_process_gives_the_same_bytes(finished, tmp_path):
    study = finished.study
    whole = fs.InProcess(frames(), study.codebook, policy=study.policy)
    found = fs.together(whole, **study.analyses())
    assert fs.save_results(found, tmp_path / "results.json", study=study.digest) == finished.sha256


def test_every_question_of_the_network_is_on_the_list_of_each_site(finished):
    study = finished.study
    whole = fs.InProcess(frames(), study.codebook, policy=study.policy)
    fs.together(whole, **study.analyses())
    asked = {one.query.topic() for one in whole.history()}
    for name, frame in frames().items():
        site = fs.Site(name, frame, study.codebook, study.policy)
        assert asked <= agreed_topics(study.analyses(), site)


def test_the_report_shows_complete_cases_and_copies_side_by_side(finished):
    page = words(str(finished.report.models()))
    assert page.count("Completed copies: Survival by weight") == 1
    assert "3 completed copies of 240 patients" in page
    assert "the model above is of patients with complete rows" in page
    assert "missing at random, given the imputation models" in page
    assert "Missing information" in page
    assert "Weight, per unit" in page


def test_the_report_shows_empty_cells_by_site(finished):
    page = words(str(finished.report.patients()))
    assert "Empty cells: counts" in page
    assert "Overall (n = 240)" in page
    question = words(str(finished.report.question()))
    assert "Multiple imputation by chained equations, Rubin's rules" in question
    assert "every column that may be empty by site" in question


def test_the_pooled_check_leaves_copies_out(finished):
    from fedstats.reporting.pooled_check import compare

    rows = compare(finished.study, finished.found, finished.pooled)
    assert {"survival", "response_model"} <= set(rows["analysis"])
    assert not rows["analysis"].str.endswith("imputed").any()
    assert rows["kept"].all()


def test_a_site_of_the_study_with_a_memory_answers_all_of_it(finished, tmp_path):
    study = finished.study
    site = fs.Site("north", frames()["north"], study.codebook, study.policy, Memory(tmp_path))
    whole = fs.InProcess(frames(), study.codebook, policy=study.policy)
    fs.together(whole, **study.analyses())
    for one in list(whole.history())[::7]:
        assert site.remembered(site.answer(one.query)).released


WRONG = {
    "no imputation": (
        IMPUTED[: IMPUTED.index("[imputation]")] + IMPUTED[IMPUTED.index("[[models]]") :],
        "imputed takes a table [imputation]",
    ),
    "an unknown column": (IMPUTED.replace('weight = "age', 'height = "age'), "no column 'height'"),
    "an unknown term": (IMPUTED.replace('"age + weight + status"', '"agee"'), "did you mean 'age'"),
    "too many copies": (IMPUTED.replace("m = 3", "m = 30"), "m is 30; give a whole number from 2 to 20"),
    "no follow-up": (IMPUTED.replace('survival = "Surv(time, status)"\n', ""), 'survival="Surv(time'),
    "a penalty": (
        IMPUTED.replace("imputed = true", 'imputed = true\npenalty = { kind = "ridge", strength = 0.1 }', 1),
        "imputed puts standard errors together",
    ),
    "groups of a measurement": (IMPUTED.replace('by = "site"', 'by = "age"'), "give 'site' or a column"),
    "more points than the study states": (
        IMPUTED.replace('profile = "none"', 'profile = "none"')
        .replace("m = 3", "m = 12")
        .replace('profile = "none"', 'profile = "strict"'),
        "12 copies of a model take about 120 points",
    ),
    "an unknown key": (IMPUTED.replace("cycles = 2", "rounds = 2"), "rounds"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_asked_is_said_when_the_study_is_loaded(name, tmp_path):
    text, said = WRONG[name]
    with pytest.raises(StudyError) as problem:
        fs.Study.load(write_study(tmp_path, text, BOOK))
    assert said in str(problem.value)
