"""Risk ratios, rate ratios and differences of means as analyses of a study: asked, compared with statsmodels, and printed under their own names."""

import pandas as pd
import pytest

import fedstats as fs
from fedstats.reporting import forest_plot
from fedstats.reporting.effects import effect_labels, effects
from fedstats.reporting.model_text import effect_table, method, model_alt, sizes
from fedstats.reporting.pooled_check import compare
from fedstats.reporting.pooled_fits import SITE
from fedstats.reporting.wording import question_title
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study

MODELS = """
[[models]]
name = "risk"
title = "Risk of a response"
kind = "glm"
link = "log"
formula = "response ~ sex"

[[models]]
name = "visits"
title = "Events by time of follow-up"
kind = "glm"
family = "poisson"
formula = "status ~ age + sex"

[[models]]
name = "older"
title = "Age by performance"
kind = "glm"
family = "gaussian"
formula = "age ~ sex + ecog"
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    codebook = CODEBOOK.replace("centre = 60", 'centre = 60\nunit = "years"')
    study = fs.Study.load(write_study(tmp_path_factory.mktemp("study"), STUDY + MODELS, codebook))
    sites = fs.InProcess(tables(140), study.codebook, policy=study.policy)
    return study, fs.together(sites, **study.analyses())


def spec(study, name):
    return next(model for model in study.models if model.name == name)


@pytest.mark.parametrize(
    ("name", "effect", "words"),
    [("risk", "Risk ratio", "Log-binomial regression"), ("visits", "Rate ratio", "Poisson regression")],
)
def test_a_ratio_is_printed_under_its_own_name(found, name, effect, words):
    study, results = found
    fit, model = results[name], spec(study, name)
    assert fit.effect == effect
    assert method(model, study.codebook) == words
    printed = effect_table(model, fit, study.codebook)._repr_html_()
    assert f"{effect} (95% interval)" in printed
    assert f"Intercept ({effect.removesuffix(' ratio').lower()})" in printed
    assert ("events" in sizes(model, fit, study.codebook)) is (name == "risk")
    shown = model_alt(fit, effects(fit, study.codebook), effect_labels(fit, study.codebook))
    assert f"{effect.lower()}s" in shown


def test_a_difference_of_means_is_printed_with_the_unit_of_its_outcome_and_drawn_around_zero(found):
    study, results = found
    fit, model = results["older"], spec(study, "older")
    assert method(model, study.codebook) == "Linear regression"
    printed = effect_table(model, fit, study.codebook, std_error=True)._repr_html_()
    assert "Mean difference, years (95% interval)" in printed
    assert "Intercept (mean)" in printed
    assert "log scale" not in printed
    assert "p: t test." in printed
    shown = effects(fit, study.codebook)
    assert shown["estimate"].to_numpy() == pytest.approx(fit.beta)  # of levels: no step, and no exponential
    assert "Intervals that exclude 0" in model_alt(fit, shown, effect_labels(fit, study.codebook))
    assert "events" not in sizes(model, fit, study.codebook)
    axes = forest_plot(shown, effect="Mean difference, years", ratios=fit.is_ratio)
    assert axes.get_xscale() == "linear"
    assert 0.0 in axes.get_xticks()
    low, high = axes.get_xlim()
    assert low < min(0, shown["conf_low"][1:].min())
    assert high > max(0, shown["conf_high"][1:].max())


def pooled_table(study, frames):
    pooled = pd.concat([frame.assign(**{SITE: name}) for name, frame in frames.items()], ignore_index=True)
    return pd.concat([study.codebook.harmonise(pooled.drop(columns=SITE), "pooled"), pooled[[SITE]]], axis=1)


def test_practices_of_one_name_at_two_sites_stay_two_when_rows_are_pooled(found):
    study, _ = found
    frames = {
        name: frame.assign(practice=frame["practice"].str.replace(name, "practice"))
        for name, frame in tables(140).items()
    }
    sites = fs.InProcess(frames, study.codebook, policy=fs.DisclosurePolicy.none())
    results = {
        "clusters": fs.logistic(sites, "response ~ age", cluster="practice"),
        "intercepts": fs.logistic(sites, "response ~ age", intercepts="practice"),
        "penalised": fs.logistic(sites, "response ~ age", penalty=fs.Firth()),
    }
    table = compare(study, results, pooled_table(study, frames))
    own = table[table["software"].str.startswith("fedstats")]
    assert own["analysis"].tolist() == ["clusters", "intercepts"]
    assert own["kept"].all()
    assert (
        "one name at two sites"
        in effect_table(spec(study, "risk"), results["clusters"], study.codebook)._repr_html_()
    )


def test_the_pooled_fits_are_those_of_statsmodels(found):
    study, results = found
    table = compare(
        study, {name: results[name] for name in ("risk", "visits", "older")}, pooled_table(study, tables(140))
    )
    assert table["kept"].all()
    assert set(table["compared"]) == {"log risk ratios", "log rate ratios", "mean differences"}


def test_a_question_is_named_by_the_model_it_belongs_to(found):
    study, _ = found
    asked = []

    class Watching(fs.InProcess):
        def ask(self, query, *, each=False):
            asked.append(query)
            return super().ask(query, each=each)

    sites = Watching(tables(140), study.codebook, policy=study.policy)
    study.analyses()["risk"](sites)
    assert "Risk of a response" in question_title(asked[0], study)
    assert "Events by time" not in question_title(asked[0], study)


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ('kind = "logistic"\nlink = "log"', 'kind = "glm"'),
        ('kind = "glm"\nfamily = "poisson"\nlink = "logit"', "poisson with link logit"),
        ('kind = "glm"\nfamily = "gaussian"\nlink = "log"', "gaussian with link log"),
        ('kind = "glm"\nfamily = "gamma"', "family"),
    ],
)
def test_a_family_that_does_not_fit_is_told_before_anything_starts(tmp_path, entry, word):
    model = f'[[models]]\nname = "m"\ntitle = "M"\n{entry}\nformula = "response ~ sex"\n'
    with pytest.raises(fs.StudyError, match=word):
        fs.Study.load(write_study(tmp_path, STUDY + model))
