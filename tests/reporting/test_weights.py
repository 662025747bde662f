"""Weights of a study, over an exchange: kept, verified, the same in one process, printed, compared with pooled rows, refused in words."""

from dataclasses import replace

import pytest

import fedstats as fs
from fedstats.contract.effect_results import StandardisedRisks
from fedstats.contract.survival_results import CurvePoints, RestrictedMeans
from fedstats.contract.weight_results import Balance, EffectiveSizes, Overlap
from fedstats.reporting import formats
from fedstats.reporting.pooled_check import compare
from fedstats.reporting.site_page import SitePage
from tests.federations.small_study import STUDY, tables, write_study
from tests.reporting.finished_study import finished_study, words

WEIGHTED = (
    STUDY[: STUDY.index("[table_one]")]
    + """
[weights.by_sex]
formula = "sex ~ age + ecog"
title = "Propensity of being a man"
truncate = [0.05, 0.95]
balance = ["time"]
augmented = ["response ~ sex + age"]

[weights.treated]
formula = "sex ~ age"
estimand = "ATT"
overlap = false

[weights.answered]
formula = "sex ~ age"
estimand = "ATT"
complete = ["response"]
overlap = false
augmented = ["response ~ sex + age"]

[[curves]]
name = "curve"
title = "Survival by sex, weighted"
formula = "Surv(time, status) ~ sex"
weights = "answered"
milestones = [6, 12]
restricted_mean = 12

[[models]]
name = "response"
title = "Response, weighted"
kind = "logistic"
formula = "response ~ sex"
weights = "by_sex"
standardised_risks = [{ column = "sex" }]
e_values = "common"

[[models]]
name = "survival"
title = "Survival, weighted"
kind = "cox"
formula = "Surv(time, status) ~ sex"
weights = "treated"
baseline_hazard = true
e_values = "common"

[[models]]
name = "plain"
title = "Survival, robust"
kind = "cox"
formula = "Surv(time, status) ~ sex"
weights = "by_sex"
robust = true
"""
)
KINDS = {
    "weights_by_sex": fs.Fit,
    "weights_by_sex_sizes": EffectiveSizes,
    "weights_by_sex_overlap": Overlap,
    "weights_by_sex_balance": Balance,
    "weights_by_sex_augmented": StandardisedRisks,
    "weights_treated": fs.Fit,
    "weights_treated_sizes": EffectiveSizes,
    "weights_treated_balance": Balance,
    "weights_answered": fs.Fit,
    "weights_answered_augmented": StandardisedRisks,
    "curve": fs.Curve,
    "curve_milestones": CurvePoints,
    "curve_restricted_mean": RestrictedMeans,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    done = finished_study(tmp_path_factory.mktemp("study"), WEIGHTED, tables(140))
    done.models = done.report.models()._repr_html_()
    return done


def test_everything_that_was_asked_is_there(finished):
    for name, kind in KINDS.items():
        assert isinstance(finished.found[name], kind), finished.found[name]
    assert finished.found["response"].variance == "stacked"
    assert finished.found["survival"].variance == "stacked"
    assert finished.found["plain"].variance == "robust"
    assert finished.found["curve"].robust


def test_a_propensity_is_of_those_who_have_what_it_asks_for_and_its_curve_of_all(finished):
    rows = sum(len(frame) for frame in tables(140).values())
    assert finished.found["weights_answered"].n == rows - 3 * 4
    assert finished.found["weights_treated"].n == rows
    here = fs.InProcess(tables(140), finished.study.codebook, policy=finished.study.policy)
    w = fs.propensity_weights(here.where("response in (0, 1)"), "sex ~ age", estimand="ATT")
    expected = fs.kaplan_meier(here, "Surv(time, status) ~ sex", weights=w).tidy()
    assert finished.found["curve"].tidy().equals(expected)
    assert "of whom response is known" in words(finished.models)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('weights = "treated"', 'weights = "answered"\nrobust = true'),
        ('weights = "by_sex"\nstandardised', 'weights = "answered"\nstandardised'),
    ],
    ids=["of everybody, with the sandwich", "of those who answered"],
)
def test_models_with_weights_of_complete_patients_that_can_be_asked_are_estimated(tmp_path, was, becomes):
    study = fs.Study.load(write_study(tmp_path, WEIGHTED.replace(was, becomes)))
    here = fs.InProcess(tables(140), study.codebook, policy=study.policy)
    asked = {name: study.analyses()[name] for name in ("survival", "response")}
    found = fs.together(here, **asked)
    assert {name: fit.n for name, fit in found.items()} == {"survival": 450, "response": 438}


def test_one_process_gives_the_same_bytes(finished):
    here = fs.InProcess(tables(140), finished.study.codebook, policy=finished.study.policy)
    again = fs.together(here, **finished.study.analyses())
    path = finished.folder / "again.json"
    assert fs.save_results(again, path, study=finished.study.digest) == finished.sha256


def test_a_third_party_rebuilds_all_of_it_and_nothing_was_beyond_the_study(finished):
    found = fs.verify(finished.exchange, finished.study, finished.results, home=finished.home)
    assert found.ok
    assert found.rebuilt == finished.sha256
    assert found.beyond == ()


def test_all_are_listed_with_their_method(finished):
    listed = words(finished.report.question()._repr_html_())
    for said in (
        "Propensity of being a man Logistic regression of the treatment, for ATE weights, propensities cut at 0.05 and 0.95",
        "Overlap of propensities: Propensity of being a man Counts between agreed edges",
        "Balance of covariates: Propensity of sex Standardised mean differences, unweighted standard deviations",
        "Doubly robust effect on response: Propensity of being a man Augmented inverse probability weighting",
        "Response, weighted Logistic regression, weighted by a propensity (ATE)",
        "Survival by sex, weighted Kaplan–Meier, weighted by a propensity (ATT)",
    ):
        assert said in listed


def test_the_page_shows_propensity_overlap_balance_sizes_both_errors_and_e_values(finished):
    shown, page = words(finished.models), finished.models
    assert "numbers at risk, weighted by a propensity (ATT)" in words(finished.report.curves()._repr_html_())
    assert "as if it had been given by a coin among all patients" in shown
    assert page.count("Love plot of") == 3
    assert page.count("Mirrored histogram of propensities") == 1
    fit = finished.found["response"]
    for column in ("stacked", "robust"):
        assert formats.estimate(fit.std_errors().set_index("term").loc["sex[M]", column]) in shown
    value = fit.e_values()["e_value"].iloc[0]
    assert f"{value:.2f}" in shown
    sizes = finished.found["weights_by_sex_sizes"].tidy().query("site == 'all'")
    for n in sizes["n"]:
        assert str(n) in shown
    assert "Wald test" in shown
    assert "Likelihood ratio test" not in shown.split("Response, weighted")[-1]


def test_a_site_sees_them_of_its_own_rows(finished):
    alone = words(SitePage(finished.study, "north").alone(dict(finished.found))._repr_html_())
    assert "Effective sample sizes: Propensity of being a man" in alone


def test_all_are_compared_with_the_pooled_rows(finished):
    table = compare(finished.study, dict(finished.found), finished.pooled)
    assert table["kept"].all()
    assert {
        "weights_by_sex",
        "weights_answered",
        "response",
        "survival",
        "plain",
        "response_standardised_sex",
    } <= set(table["analysis"])
    assert {"curve", "curve_milestones", "curve_restricted_mean"} <= set(table["analysis"])
    compared = table.set_index("analysis")["compared"]
    assert compared["weights_by_sex_overlap"] == "propensities by arm"
    assert compared["weights_by_sex_balance"] == "means and differences of arms"
    assert compared["weights_by_sex_sizes"] == "effective sample sizes"
    assert {"weights_by_sex_augmented", "weights_answered_augmented"} <= set(
        compared.index[compared == "doubly robust risks"]
    )


@pytest.mark.parametrize("key", ["sizes", "overlap", "balance", "augmented"])
def test_a_wrong_number_of_weights_is_found_out_by_the_pooled_rows(finished, key):
    """One patient more in a cell, a mean moved by a millionth, a risk by as much."""
    found, name = dict(finished.found), f"weights_by_sex_{key}"
    if key == "augmented":
        moved = replace(found[name], estimates=found[name].estimates + 1e-6)
    else:
        column = {"sizes": "effective", "overlap": "n", "balance": "weighted_treated"}[key]
        frame = found[name].frame.copy()
        frame[column] = frame[column] + (1 if key == "overlap" else 1e-6 * frame[column].abs().max())
        moved = replace(found[name], frame=frame)
    kept = compare(finished.study, found | {name: moved}, finished.pooled).set_index("analysis")["kept"]
    assert not kept[name]
    assert kept.drop(name).all()


@pytest.mark.parametrize(
    ("was", "becomes", "match"),
    [
        ('estimand = "ATT"', 'estimand = "ATO"', "ATE"),
        ("truncate = [0.05, 0.95]", "truncate = [0.95, 0.05]", "smaller end first"),
        ("truncate = [0.05, 0.95]", "stabilised = true", "not stabilised"),
        ('"sex ~ age + ecog"', '"ecog ~ age"', "ecog"),
        ('"sex ~ age + ecog"', '"sex ~ nope"', "nope"),
        ('["response ~ sex + age"]', '["response ~ age"]', "augmented"),
        ('balance = ["time"]', 'balance = ["practice"]', "practice"),
        ('weights = "treated"', 'weights = "nobody"', "nobody"),
        (
            'weights = "treated"',
            'weights = "treated"\npenalty = { kind = "ridge", strength = 0.1 }',
            "likelihood",
        ),
        ("robust = true", 'robust = "stack"', "robust"),
        ('weights = "answered"', 'weights = "nobody"', r"no table \[weights.nobody\]"),
        ('complete = ["response"]', 'complete = ["practice"]', "complete has 'practice'"),
        (
            'weights = "treated"',
            'weights = "answered"',
            r"survival: weights: the propensity of \[weights.answered\] is of patients whose response is known .* Say robust = true",
        ),
        ('weights = "treated"', 'weights = "sex"', "weights is 'sex', which has the levels F, M"),
        ('weights = "answered"', 'weights = "sex"', "curve: weights is 'sex', which has the levels F, M"),
        ('weights = "treated"', 'weights = "time"\nrobust = "stacked"', "weights.<name>.: say true"),
        (
            'weights = "treated"',
            'weights = "treated"\nheterogeneity = [{ term = "sex", by = "practice" }]',
            "heterogeneity: .* leave the weights out and give the columns of the propensity as terms",
        ),
    ],
)
def test_what_cannot_be_asked_is_said_when_the_study_is_loaded(tmp_path, was, becomes, match):
    assert was in WEIGHTED
    with pytest.raises(fs.StudyError, match=match):
        fs.Study.load(write_study(tmp_path, WEIGHTED.replace(was, becomes)))
