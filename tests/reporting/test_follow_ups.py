"""What is asked of models besides their fits, over an exchange: kept, verified, the same in one process, printed, compared with pooled rows."""

import re

import numpy as np
import pytest

import fedstats as fs
from fedstats.reporting.follow_up_view import title_of
from fedstats.reporting.pooled_check import compare
from fedstats.reporting.site_page import SitePage
from fedstats.reporting.study_report import StudyReport
from fedstats.reporting.wording import question_title
from fedstats.study.follow_ups import follow_ups
from tests.federations.follow_up_study import FOLLOW_UPS, NAMES
from tests.federations.small_study import CODEBOOK, tables, write_study
from tests.reporting.finished_study import finished_study, words

#: With labels, units and steps, as a codebook has them.
BOOK = (
    CODEBOOK.replace("centre = 60", 'centre = 60\nlabel = "Age"\nunit = "years"')
    .replace(
        'levels = ["F", "M"]', 'levels = ["F", "M"]\nlabel = "Sex"\nlabels = { F = "Female", M = "Male" }'
    )
    .replace(
        'levels = ["0", "1", "2+"]',
        'levels = ["0", "1", "2+"]\nlabel = "ECOG"\nlabels = { "2+" = "2 or more" }',
    )
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    done = finished_study(tmp_path_factory.mktemp("study"), FOLLOW_UPS, tables(140), BOOK)
    done.models = done.report.models()._repr_html_()
    return done


@pytest.fixture(scope="module")
def pooled(finished):
    return finished.pooled


def test_one_process_gives_the_same_bytes(finished):
    """Without a memory a site has no secret to draw folds with, so that they are the same everywhere."""
    here = fs.InProcess(tables(140), finished.study.codebook, policy=finished.study.policy)
    again = fs.together(here, **finished.study.analyses())
    path = finished.folder / "again.json"
    assert fs.save_results(again, path, study=finished.study.digest) == finished.sha256


def test_a_third_party_rebuilds_all_of_it(finished):
    found = fs.verify(finished.exchange, finished.study, finished.results, home=finished.home)
    assert found.ok
    assert found.rebuilt == finished.sha256
    assert found.beyond == ()


def test_no_question_is_asked_twice(finished):
    asked = [q.query.digest() for q in fs.Ledger(finished.exchange).questions()]
    assert len(set(asked)) == len(asked)


def test_every_question_bears_the_title_of_its_model(finished):
    titles = {m.title for m in finished.study.models}
    named = [question_title(q.query, finished.study) for q in fs.Ledger(finished.exchange).questions()]
    named = [said for said in named if not said.startswith("Follow-up")]  # distinct times, of no model
    of_models = [said.partition(": ")[0].split("; ") for said in named]  # one question may be of two models
    assert [both for both in of_models if not titles.issuperset(both)] == []


def test_all_are_counted_and_listed_with_their_method(finished):
    analyses = len(finished.study.models) + len(NAMES)
    assert f"{analyses} of {analyses} analyses" in words(finished.report.title()._repr_html_())
    listed = words(finished.report.question()._repr_html_())
    for said in (
        "Standardised risks by ECOG: Response Standardisation (g-formula), delta method",
        "Average marginal effects: Response Average marginal effects, delta method",
        "Lasso path: Response Lasso from strong to weak, cross-validated in 2 folds",
        "Elastic net (mixing 0.5) path: Survival, one baseline Elastic net (mixing 0.5) from strong to weak",
        "Predicted survival: Survival Survival that the Cox model predicts, for named patients",
        "Baseline hazard: Survival Cumulative baseline hazard of the Cox model (Efron)",
        "Sex, by group: Survival Each group's own fit, fixed and random effects; score test of one stage",
        "Standardised survival by ECOG: Survival, one baseline Standardised survival (g-computation), delta method",
        "Response within practices Logistic regression, an intercept by site and practice",
    ):
        assert said in listed


def test_each_has_a_heading_a_figure_and_a_table_of_its_own(finished):
    study, page = finished.study, finished.models
    for model in study.models:
        for asked in follow_ups(model):
            title = title_of(model, asked, study)
            assert f"<h4>{title.partition(':')[0]}</h4>" in page
            assert re.search(rf"<caption[^>]*>{re.escape(title)}</caption>", page), title
            assert re.search(rf"<figcaption>{re.escape(title)}", page), title
    for raw in (*NAMES, "cumulative_hazard", "n_nonzero", "std_error", "nan"):
        plain = re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
        assert raw not in re.sub(r'src="[^"]*"', "", plain)  # of a picture it may be any letters


def test_standardised_risks_are_printed_in_percent_with_differences_in_points(finished):
    shown, found = words(finished.models), finished.found["response_standardised_ecog"]
    risks = found.tidy()
    first = risks.iloc[0]
    percents = tuple(f"{100 * first[name]:.1f}%" for name in ("estimate", "conf_low", "conf_high"))
    assert "{} ({} to {}) – – –".format(*percents) in shown
    difference = found.differences().iloc[1]
    assert f"2 or more {100 * risks['estimate'][2]:.1f}%" in shown
    assert f"{100 * difference['estimate']:.2f}".replace("-", "−") in shown
    assert "50 years" in shown
    assert "70 years (vs 50 years)" in shown  # in the figure's numbers
    assert "as far as the model holds all" in shown


def test_a_slope_is_printed_per_the_step_that_its_label_states(finished):
    shown = words(finished.models)
    slope = finished.found["response_marginal_effects"].tidy().set_index("term").loc["age", "estimate"]
    assert f"Age, per 5 years {500 * slope:.2f}".replace("-", "−") in shown
    assert "ECOG: 2 or more (vs 0)" in shown


def test_predicted_survival_is_printed_for_every_patient_and_baseline(finished):
    shown, frame = words(finished.models), finished.found["survival_predicted_survival"].frame
    at = frame[(frame["site"] == "north") & (frame["row"] == "Man of 70") & (frame["time"] <= 12)].iloc[-1]
    printed = [f"{100 * at[name]:.0f}%" for name in ("estimate", "conf_low", "conf_high")]
    assert "{} ({} to {})".format(*printed) in shown
    assert "Man of 70: Age 70 years, Sex Male" in shown
    assert "Predicted survival: Survival, north, with 95% intervals (exact)." in shown
    assert "Predicted survival: Survival, one baseline, Female" in shown  # a stratum by its label
    assert "it describes nobody where zero is no value that patients have" in shown


def test_a_path_says_what_cross_validation_suggests(finished):
    shown, found = words(finished.models), finished.found["response_penalty_path"]
    assert "Every site draws 2 folds of its own patients in secret" in shown
    kept = found.path.n_nonzero[list(found.path.strengths).index(found.lambda_min)]
    assert f"({kept} of 4 coefficients in the model)" in shown
    assert "they have no intervals and no p-values" in shown


def test_intercepts_of_practices_and_profiles_are_named(finished):
    shown = words(finished.models)
    assert "9 intercepts, which were estimated at the sites and stay there." in shown
    assert "Intervals from the profile likelihood: Age, per 5 years. p: Wald test." in shown
    limits = finished.found["by_practice"].profile_limits["age"]
    low, high = (f"{np.exp(5 * end):.2f}" for end in limits)
    assert f"({low} to {high})" in shown


def test_a_site_sees_them_of_its_own_rows(finished):
    alone = words(SitePage(finished.study, "north").alone(dict(finished.found))._repr_html_())
    for title in (
        "Standardised risks by ECOG",
        "Average marginal effects",
        "Lasso path",
        "Predicted survival",
    ):
        assert f"{title}: " in alone


def test_all_are_compared_with_the_pooled_rows(finished, pooled):
    table = compare(finished.study, dict(finished.found), pooled)
    assert table["kept"].all()
    assert set(NAMES) <= set(table["analysis"])
    software = table.set_index("analysis")["software"]
    assert software["response_standardised_ecog"].startswith("statsmodels")
    assert software["response_marginal_effects"].startswith("statsmodels")


@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_is_off_is_seen_in_the_comparison(finished, pooled, name):
    """By a millionth of its size: more than rounding, less than anybody would see."""
    result = finished.found[name]
    off = 1 + 1e-6
    frames = dict.fromkeys(
        ("frame", "groups"),
        lambda f: f.assign(**{c: f[c] * off for c in ("estimate", "cumulative_hazard") if c in f}),
    )
    changes = frames | {"estimates": lambda v: v * off, "beta": lambda v: v * off}
    target = getattr(result, "path", result)
    changed = {
        field: change(getattr(target, field)) for field, change in changes.items() if hasattr(target, field)
    }
    wrong = type(target)(**{**vars(target), **changed})
    wrong = type(result)(**{**vars(result), "path": wrong}) if target is not result else wrong
    table = compare(finished.study, dict(finished.found) | {name: wrong}, pooled)
    assert table[~table["kept"]]["analysis"].tolist() == [name]


def test_what_a_site_does_not_let_out_stands_under_its_title(finished):
    refusal = fs.NotAvailable("not released", "The site north refused it.")
    report = StudyReport(finished.folder, finished.results, finished.exchange, home=finished.home)
    report.found = dict(finished.found) | {"survival_predicted_survival": refusal}
    shown = words(report.models()._repr_html_())
    assert "Predicted survival: Survival. not released : The site north refused it." in shown
    assert "Baseline hazard: Survival" in shown


def test_differences_of_means_are_printed_in_the_unit_of_the_outcome(tmp_path):
    head = FOLLOW_UPS[: FOLLOW_UPS.index("[[models]]")]
    model = """[[models]]
name = "older"
title = "Age by performance"
kind = "glm"
family = "gaussian"
formula = "age ~ sex + ecog"
standardised_risks = [{ column = "sex" }]
marginal_effects = ["ecog"]
penalty_path = { n_strengths = 3, folds = "ecog" }
"""
    file = write_study(tmp_path, head + model, BOOK)
    study = fs.Study.load(file)
    here = fs.InProcess(tables(140), study.codebook, policy=study.policy)
    shown = words(SitePage(study, "north").alone(fs.together(here, **study.analyses()))._repr_html_())
    assert "Standardised means by Sex: Age by performance" in shown
    assert "Mean, years (95% interval) Difference, years (95% interval)" in shown
    assert "Mean difference, years (95% interval)" in shown
    assert "percentage points" not in shown
    assert re.search(r"Difference at λ = [\d.]+ \(least deviance", shown)
