"""Penalties of a study's analyses: read from study.toml, asked over an exchange, compared with the pooled rows, and printed."""

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.reporting.model_text import effect_table, method, sizes
from fedstats.reporting.pooled_check import compare
from fedstats.reporting.pooled_fits import SITE
from fedstats.reporting.study_report import StudyReport
from tests.federations.small_study import STUDY, serving, site_objects, tables, write_study

MODELS = """
[[models]]
name = "shrunk"
title = "Response, shrunk"
kind = "logistic"
formula = "response ~ age + sex + ecog"
penalty = { kind = "lasso", strength = 0.03 }

[[models]]
name = "ridged"
title = "Survival, ridge"
kind = "cox"
formula = "Surv(time, status) ~ age + sex"
strata = "practice"
[models.penalty]
kind = "ridge"
strength = 0.125

[[models]]
name = "netted"
title = "Age by performance"
kind = "glm"
family = "gaussian"
formula = "age ~ sex + ecog"
penalty = { kind = "elastic net", strength = 0.5, mixing = 0.25 }

[[models]]
name = "corrected"
title = "Response, corrected"
kind = "logistic"
formula = "response ~ sex"
penalty = { kind = "firth" }
"""
PENALTIES = {
    "shrunk": (fs.ElasticNet(0.03), "Logistic regression, lasso with lambda 0.03"),
    "ridged": (fs.Ridge(0.125), "baseline hazard by site and practice), ridge with lambda 0.125"),
    "netted": (fs.ElasticNet(0.5, 0.25), "Linear regression, elastic net of mixing 0.25 with lambda 0.5"),
    "corrected": (fs.Firth(), "Logistic regression, Firth's penalty"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    study = fs.Study.load(write_study(folder, STUDY + MODELS))
    with serving(folder / "exchange", site_objects(study, tables(140), homes=folder), study):
        sites = fs.Folder(folder / "exchange", study=study, home=folder / "home", wait_seconds=60)
        found = fs.together(sites, **study.analyses())
        fs.save_results(found, folder / "results.json", study=study.digest)
        sites.close()
    return study, found, folder


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_of_a_study_is_asked_for(finished, name):
    study, found, _ = finished
    model = next(m for m in study.models if m.name == name)
    assert model.asked_penalty == PENALTIES[name][0]
    sites = fs.InProcess(tables(140), study.codebook, policy=study.policy)
    kind = fs.cox if model.kind == "cox" else fs.glm
    assert found[name].coef.equals(kind(sites, model.formula, **model.options).coef)
    assert found[name].options["penalty"] == PENALTIES[name][0].in_words()


@pytest.mark.parametrize("name", PENALTIES)
def test_a_report_names_the_penalty_and_its_lambda(finished, name):
    study, found, _ = finished
    model = next(m for m in study.models if m.name == name)
    assert method(model, study.codebook).endswith(PENALTIES[name][1])
    said = unescape(sizes(model, found[name], study.codebook))
    assert PENALTIES[name][1] in said
    assert "nan" not in said
    assert "Likelihood ratio" not in said


def test_what_is_shrunk_to_nothing_has_no_interval_and_no_figure(finished):
    study, found, _ = finished
    model, fit = next(m for m in study.models if m.name == "shrunk"), found["shrunk"]
    kept = int((fit.coef.drop("Intercept") != 0).sum())
    assert 0 < kept < len(fit.coef) - 1
    assert f"{kept} of {len(fit.coef) - 1} coefficients are other than zero." in sizes(
        model, fit, study.codebook
    )
    printed = effect_table(model, fit, study.codebook)._repr_html_()
    assert "Odds ratio" in printed
    assert "interval)" not in printed
    assert "not estimated" not in printed
    assert "they have no intervals" in printed


def test_a_ridge_says_that_its_intervals_are_around_shrunken_estimates(finished):
    study, found, _ = finished
    model = next(m for m in study.models if m.name == "ridged")
    printed = effect_table(model, found["ridged"], study.codebook)._repr_html_()
    assert "Hazard ratio (95% interval)" in printed
    assert "Estimates are shrunk towards no effect, and intervals are around them." in printed
    assert re.search(
        r"Degrees of freedom of the penalised fit: 1\.\d", sizes(model, found["ridged"], study.codebook)
    )


def test_a_corrected_fit_has_its_penalised_test(finished):
    study, found, _ = finished
    model = next(m for m in study.models if m.name == "corrected")
    said = sizes(model, found["corrected"], study.codebook)
    assert re.search(r"Penalised likelihood ratio test \d+\.\d on \d+ df, p", said)
    assert "Degrees of freedom of the penalised fit" not in said


def test_the_page_of_models_is_made(finished):
    study, _, folder = finished
    report = StudyReport(folder, folder / "results.json", folder / "exchange", home=folder / "home")
    page = report.models()._repr_html_()
    assert page.count("<figure") == len(study.models) - 2  # none of the lasso, none of the elastic net
    assert "lasso with lambda 0.03" in report.question()._repr_html_()


def test_penalised_fits_are_compared_with_all_rows_at_one_site(finished):
    study, found, _ = finished
    pooled = pd.concat([f.assign(**{SITE: name}) for name, f in tables(140).items()], ignore_index=True)
    frame = pd.concat([study.codebook.harmonise(pooled.drop(columns=SITE), "pooled"), pooled[[SITE]]], axis=1)
    table = compare(study, {name: found[name] for name in PENALTIES}, frame)
    assert table["analysis"].tolist() == list(PENALTIES)
    assert table["kept"].all()
    assert np.isfinite(table["largest difference"]).all()


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ('kind = "logistic"\npenalty = { kind = "lasso" }', "a lasso has a strength"),
        ('kind = "logistic"\npenalty = { kind = "lasso", strength = 0 }', "above zero"),
        ('kind = "logistic"\npenalty = { kind = "lasso", strength = nan }', "above zero"),
        ('kind = "logistic"\npenalty = { kind = "lasso", strength = 1, mixing = 1 }', "no other kind has"),
        ('kind = "logistic"\npenalty = { kind = "elastic net", strength = 1 }', "has a mixing"),
        ('kind = "logistic"\npenalty = { kind = "elastic net", strength = 1, mixing = 2 }', "mixing is 2"),
        ('kind = "logistic"\npenalty = { kind = "firth", strength = 1 }', "has no strength"),
        ('kind = "logistic"\npenalty = { kind = "bridge", strength = 1 }', "'ridge'"),
        ('kind = "logistic"\npenalty = { kind = "ridge", lambda = 1 }', "lambda"),
        ('kind = "logistic"\nrobust = true\npenalty = { kind = "ridge", strength = 1 }', "robust"),
        ('kind = "logistic"\ncluster = "practice"\npenalty = { kind = "ridge", strength = 1 }', "robust"),
        ('kind = "glm"\nfamily = "gaussian"\npenalty = { kind = "firth" }', "Firth's penalty is for"),
        ('kind = "glm"\nlink = "log"\npenalty = { kind = "firth" }', "Firth's penalty is for"),
    ],
)
def test_a_penalty_that_does_not_fit_is_told_before_anything_starts(tmp_path, entry, word):
    model = f'[[models]]\nname = "m"\ntitle = "M"\n{entry}\nformula = "response ~ sex"\n'
    with pytest.raises(fs.StudyError, match=word):
        fs.Study.load(write_study(tmp_path, STUDY + model))
