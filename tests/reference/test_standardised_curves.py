"""Standardised survival is the mean of R's ``survfit`` over everybody with the column set; its standard error the delta method by hand.

1e-8 of the survival: a smooth function of coefficients that agree to 1e-9 of their standard errors.  The script's slopes in the
coefficients are differences of fourth order, good to some 1e-9: 1e-7 relative of the standard errors.
"""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from tests.datasets import DATASETS, split
from tests.reference.comparison import layouts, numbers


@pytest.fixture(scope="module", params=layouts("standardised_curves"))
def found(request):
    case, sites = request.param.case, request.param.sites
    fit = fs.cox(sites, case["formula"], baseline="shared", **case["options"])
    return fs.standardised_survival(sites, fit, case["column"], values=case["values"]), case


def at(frame, times):
    return frame.iloc[[int(np.abs(frame["time"].to_numpy() - t).argmin()) for t in times]]


@pytest.mark.reference("standardised survival")
def test_curves_and_differences_are_those_of_r(found):
    result, case = found
    names = list(dict.fromkeys(result.tidy()["value"]))
    for name, survival, error in zip(names, case["survival"], case["std_error"], strict=True):
        rows = at(result.tidy()[lambda t, name=name: t["value"] == name], case["time"])
        np.testing.assert_allclose(rows["estimate"], numbers(survival), rtol=1e-8)
        np.testing.assert_allclose(rows["std_error"], numbers(error), rtol=1e-7)
    contrasts = list(dict.fromkeys(result.differences()["contrast"]))
    first = numbers(case["survival"][0])
    for name, survival, error in zip(contrasts, case["survival"][1:], case["difference_error"], strict=True):
        rows = at(result.differences()[lambda t, name=name: t["contrast"] == name], case["time"])
        np.testing.assert_allclose(rows["estimate"], numbers(survival) - first, atol=1e-8)
        np.testing.assert_allclose(rows["std_error"], numbers(error), rtol=1e-7)


def test_a_site_as_a_covariate_is_a_column_of_the_pooled_rows():
    """The site's own name, which no table holds, gives what a column of the pooled rows gives."""
    frames = split(DATASETS["gbsg2"](), 3)
    none = fs.DisclosurePolicy.none()
    sites = fs.InProcess(frames, policy=none, site_column="site")
    pooled = fs.InProcess(
        {"all": pd.concat([frame.assign(site=name) for name, frame in frames.items()], ignore_index=True)},
        policy=none,
    )
    found = []
    for federation in (sites, pooled):
        fit = fs.cox(federation, "Surv(time, cens) ~ site + age + pnodes", baseline="shared")
        found.append((fit, fs.standardised_survival(federation, fit, "site")))
    np.testing.assert_allclose(found[0][0].beta, found[1][0].beta, rtol=1e-9, atol=1e-11)
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    np.testing.assert_allclose(found[0][1].tidy()[columns], found[1][1].tidy()[columns], rtol=1e-8)
    assert found[0][1].tidy()["value"].unique().tolist() == ["site1", "site2", "site3"]


def test_under_a_baseline_of_its_own_a_site_has_no_effect():
    sites = fs.InProcess(split(DATASETS["gbsg2"](), 2), policy=fs.DisclosurePolicy.none(), site_column="site")
    with pytest.raises(ArithmeticError, match="site"):
        fs.cox(sites, "Surv(time, cens) ~ site + age")
    fit = fs.cox(sites, "Surv(time, cens) ~ age")
    with pytest.raises(fs.FormulaError, match="not comparable"):
        fs.standardised_survival(sites, fit, "age", values=[50, 60])


@pytest.mark.parametrize(
    ("column", "values", "match"),
    [
        ("sexe", None, "no column"),
        ("horTh", ["no"], "two values"),
        ("horTh", ["no", "maybe"], "no level"),
        ("tsize", None, "no column of the model"),
    ],
)
def test_what_has_no_answer_is_one_sentence(column, values, match):
    sites = fs.InProcess(split(DATASETS["gbsg2"](), 2), policy=fs.DisclosurePolicy.none())
    fit = fs.cox(sites, "Surv(time, cens) ~ horTh + age", baseline="shared", grid=[365, 730, 2700])
    with pytest.raises(fs.FormulaError, match=match):
        fs.standardised_survival(sites, fit, column, values=values)
