"""``fs.cox_zph`` is R's ``cox.zph`` (survival 3.0 and later) on the pooled rows, split anyhow into sites of whole strata.

1e-8 relative: a chi-squared is a square of a score over its standard error, both sums to 1e-12, at coefficients that agree to
1e-9 of theirs.
"""

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS
from tests.reference.comparison import cases, federation, layouts, numbers, options

CASES = cases("zph")
TOLERANCE = 1e-8


@pytest.fixture(scope="module", params=layouts("zph"))
def fitted(request):
    sites, case = request.param.sites, request.param.case
    return sites, fs.cox(sites, case["formula"], **options(case, "strata", "ties", "weights")), case


@pytest.mark.reference("proportional hazards")
def test_statistics_are_those_of_r(fitted):
    sites, fit, case = fitted
    for test in case["tests"]:
        found = fs.cox_zph(sites, fit, transform=test["transform"], terms=test["terms"]).tidy()
        assert found["df"].tolist() == test["df"]
        assert found["term"].iloc[-1] == "GLOBAL"
        np.testing.assert_allclose(found["statistic"], numbers(test["statistic"]), rtol=TOLERANCE)
        np.testing.assert_allclose(found["p_value"], numbers(test["p_value"]), rtol=1e-6)


def test_a_fit_counts_the_patients_with_a_weight(fitted):
    _, fit, case = fitted
    assert (fit.n, fit.n_event) == (case["n"], case["n_event"])
    assert fit.glance()["n"].item() == case["n"]
    assert f"{case['n']} patients, {case['n_event']} events" in str(fit)


def test_terms_are_named_as_they_were_written():
    case = CASES["lung, factor"]
    sites = federation(case, 2)
    fit = fs.cox(sites, case["formula"], strata="inst")
    assert fs.cox_zph(sites, fit).tidy()["term"].tolist() == ["age", "sex", "C(ecog3)", "GLOBAL"]
    by_coefficient = fs.cox_zph(sites, fit, terms=False).tidy()["term"].tolist()
    assert by_coefficient == ["age", "sex", "C(ecog3)[1]", "C(ecog3)[2+]", "GLOBAL"]


@pytest.mark.parametrize("options", [{"baseline": "shared"}, {"penalty": fs.Ridge(0.1)}], ids=str)
def test_models_without_the_test_are_named(options):
    sites = federation(CASES["lung, Efron"], 2)
    fit = fs.cox(sites, "Surv(time, status) ~ age + sex", **options)
    with pytest.raises(fs.FormulaError, match="baseline='site'"):
        fs.cox_zph(sites, fit)


def test_a_transform_that_is_not_there_is_one_sentence():
    sites = federation(CASES["lung, Efron"], 2)
    fit = fs.cox(sites, "Surv(time, status) ~ age + sex")
    with pytest.raises(fs.FormulaError, match="transform is 'sqrt'"):
        fs.cox_zph(sites, fit, transform="sqrt")
    logistic = fs.logistic(sites, "status ~ age")
    with pytest.raises(fs.FormulaError, match="Cox model"):
        fs.cox_zph(sites, logistic)


def test_a_trend_of_events_at_one_time_is_one_sentence():
    frame = DATASETS["lung"]().assign(time=100.0)
    sites = fs.InProcess({"a": frame}, policy=fs.DisclosurePolicy.none())
    fit = fs.cox(sites, "Surv(time, status) ~ age + sex")
    for transform in ("km", "rank", "identity", "log"):
        with pytest.raises(ArithmeticError, match="cannot be told from its coefficient"):
            fs.cox_zph(sites, fit, transform=transform)


def test_on_an_agreed_grid_the_curve_is_followed_in_steps():
    case = CASES["lung, Efron"]
    book = fs.Codebook.from_toml({"columns": {n: {"kind": k} for n, k in KINDS.items()}, "grid": GRID})
    frame = DATASETS["lung"]().assign(site4=lambda d: d["site4"].astype(str))[list(KINDS)]
    policy = fs.DisclosurePolicy(name="some", distinct_values=False, **OPEN)
    sites = fs.InProcess({"a": frame[::2], "b": frame[1::2]}, book, policy=policy)
    fit = fs.cox(sites, case["formula"], strata="site4")
    found = fs.cox_zph(sites, fit)
    assert found.status == "exact on the grid of 90 days"
    exact = fs.InProcess({"a": frame[::2], "b": frame[1::2]}, book, policy=fs.DisclosurePolicy.none())
    distance = found.tidy()["statistic"] / fs.cox_zph(exact, fit).tidy()["statistic"]
    assert distance.iloc[-1] == pytest.approx(1, abs=0.25)  # steps of 90 days are another trend, not far off


KINDS = {
    "time": "time",
    "status": "event",
    "age": "numeric",
    "sex": "numeric",
    "ph.ecog": "numeric",
    "site4": "label",
}
GRID = {"unit": "days", "candidates": [90], "horizon": 720}
OPEN = {
    "min_patients": 1,
    "min_pair": 1,
    "min_joint_cell": 1,
    "min_leavers": 1,
    "min_difference": 1,
    "min_model_patients": 1,
    "max_parameters_per_event": 1.0,
    "min_effective": 1.0,
    "min_effective_level": 1.0,
    "max_top_share": 1.0,
    "max_top_two_share": 1.0,
}
