"""Penalised fits are glmnet's and survival's, and otherwise a slow maximiser's in R, on the pooled rows split anyhow.

1e-6 of the larger of 0.1 standardised units and the coefficient: both sides stop where a step moves nothing any more, and the
R script lets no solution pass that is off the conditions of a maximum by more than 1e-9.
"""

from functools import cache

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS
from tests.reference.comparison import cases, federation, layouts, numbers, options, std_errors

CASES = cases("penalised")
TOLERANCE = 1e-6


#: Families by what the R script calls a model.
FAMILIES = {
    "logistic": {"family": "binomial"},
    "log-binomial": {"family": "binomial", "link": "log"},
    "poisson": {"family": "poisson"},
    "gaussian": {"family": "gaussian"},
}


def fit_of(sites, case):
    asked = options(case, "weights", "offset") | {"penalty": fs.ElasticNet(case["strength"], case["mixing"])}
    if case["kind"] != "cox":
        return fs.glm(sites, case["formula"], **FAMILIES[case["kind"]], **asked)
    where = {"strata": case["strata"]} if case["strata"] else {"baseline": "shared"}
    return fs.cox(sites, case["formula"], ties=case["ties"], **where, **asked)


@cache
def fit_at(layout):
    return fit_of(layout.sites, layout.case)


@pytest.mark.reference("coefficients")
@pytest.mark.parametrize("layout", layouts("penalised"))
def test_coefficients_are_those_of_r(layout):
    case = layout.case
    fit = fit_at(layout)
    expected = numbers(case["coef"])
    frame = DATASETS[case["data"]]()
    unit = [0.1 / frame[t].std() if t in frame else 0.1 for t in case["terms"]]
    apart = np.abs(fit.coef[case["terms"]].to_numpy() - expected) / np.maximum(unit, np.abs(expected))
    assert apart.max() <= TOLERANCE
    assert ((fit.coef[case["terms"]] == 0).to_numpy() == (expected == 0)).all()


@pytest.mark.reference("standard errors of a ridge")
@pytest.mark.parametrize("layout", layouts("penalised", chosen=lambda case: "se" in case))
def test_standard_errors_and_degrees_of_freedom_of_a_ridge_are_those_of_survival(layout):
    case = layout.case
    fit = fit_at(layout)
    np.testing.assert_allclose(std_errors(fit, case), numbers(case["se"]), rtol=TOLERANCE)
    assert fit.glance()["df"].item() == pytest.approx(case["df"], rel=TOLERANCE)


def test_a_lasso_has_no_standard_errors_and_says_what_it_is():
    fit = fit_of(federation(CASES["gbsg2, logistic, lasso"], 2), CASES["gbsg2, logistic, lasso"])
    assert fit.tidy()["std_error"].isna().all()
    glance = fit.glance().iloc[0]
    assert np.isnan([glance["lr_statistic"], glance["wald_statistic"], glance["score_statistic"]]).all()
    assert glance["df"] == (fit.coef.drop("Intercept") != 0).sum()  # as without a penalty
    assert fit.options["penalty"] == "lasso 0.02"
    assert "lasso 0.02" in str(fit)


def test_a_ridge_gives_an_estimate_where_the_likelihood_has_no_maximum():
    frame = DATASETS["lung"]().assign(apart=lambda d: (d["status"] == 1).astype(float))
    sites = fs.InProcess({"one": frame[:100], "two": frame[100:]}, policy=fs.DisclosurePolicy.none())
    with pytest.raises(fs.NotConverged, match="penalised"):
        fs.logistic(sites, "status ~ apart + age")
    fit = fs.logistic(sites, "status ~ apart + age", penalty=fs.Ridge(0.01))
    assert 0 < fit.coef["apart"] < 20


@pytest.mark.parametrize(
    "options", [{"robust": True}, {"cluster": "inst"}, {"profile": "age"}, {"penalty": 0.1}], ids=str
)
def test_what_a_penalised_fit_does_not_have_is_said(options):
    sites = federation(CASES["lung, logistic, ridge"], 2)
    with pytest.raises(fs.FormulaError, match="penal"):
        fs.logistic(sites, "status ~ age", **({"penalty": fs.Ridge(1.0)} | options))
    with pytest.raises(fs.FormulaError, match="penal"):
        fs.cox(sites, "Surv(time, status) ~ age", **({"penalty": fs.Ridge(1.0)} | options))


def test_a_gaussian_ridge_is_a_linear_system_with_its_variance_on_n_less_its_degrees_of_freedom():
    frame = DATASETS["lung"]()
    x, y, n = frame[["age", "ph.ecog"]].to_numpy(), frame["time"].to_numpy(dtype=float), len(frame)
    fit = fs.glm(
        fs.InProcess({"one": frame[:100], "two": frame[100:]}, policy=fs.DisclosurePolicy.none()),
        "time ~ age + ph.ecog",
        family="gaussian",
        penalty=fs.Ridge(50.0),
    )
    x = np.column_stack([np.ones(n), x])
    shrunk = np.linalg.inv(x.T @ x + np.diag(n * 50.0 * np.append(0.0, x[:, 1:].var(axis=0)) / y.std()))
    beta, df = shrunk @ x.T @ y, np.trace(shrunk @ x.T @ x)
    variance = ((y - x @ beta) ** 2).sum() / (n - df)
    assert fit.beta == pytest.approx(beta, rel=1e-9)
    assert fit.glance()[["df", "dispersion", "df_residual"]].iloc[0].tolist() == pytest.approx(
        [df - 1, variance, n - df], rel=1e-9
    )
    assert fit.covariance == pytest.approx(variance * shrunk, rel=1e-9)


@pytest.mark.parametrize("mixing", [0.0, 0.4, 1.0])
def test_a_gaussian_strength_is_in_the_units_of_the_outcome(mixing):
    frame = DATASETS["lung"]().assign(hours=lambda d: 24.0 * d["time"] - 1000.0)
    sites = fs.InProcess({"one": frame[:100], "two": frame[100:]}, policy=fs.DisclosurePolicy.none())
    days, hours = (
        fs.glm(sites, f"{y} ~ age + sex", family="gaussian", penalty=fs.ElasticNet(strength, mixing))
        for y, strength in (("time", 20.0), ("hours", 480.0))
    )
    assert hours.coef[["age", "sex"]].to_numpy() == pytest.approx(24 * days.coef[["age", "sex"]], rel=1e-9)
