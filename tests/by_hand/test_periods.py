"""An effect that changes after a cut, on six patients: both hazard ratios are square roots.

Until the cut, which is the time of the second death, x = 1 dies among 3 with and 3 without, then x = 0 among 2 and 3:
the score 1 - 3r/(3r + 3) - 2r/(2r + 3) is zero at r = sqrt(3/2).  After it x = 0 dies among 2 and 2, then x = 1 among 2 and
1: 1 - 2r/(2r + 2) - 2r/(2r + 1) is zero at r = sqrt(1/2).
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.contract.variable import TimeGrid, Variable
from tests.datasets import split

FRAME = pd.DataFrame({"time": [1, 2, 3, 4, 5, 6], "status": [1, 1, 1, 1, 0, 0], "x": [1, 0, 0, 1, 1, 0]})
EARLY, LATE = np.sqrt(3 / 2), np.sqrt(1 / 2)
FORMULA = "Surv(time, status) ~ x"
#: Of each death how many are at risk with x and without.
AT_RISK = {EARLY: ((3, 3), (2, 3)), LATE: ((2, 2), (2, 1))}


def fitted(k: int, **options) -> Fit:
    sites = fs.InProcess(split(FRAME, k), policy=fs.DisclosurePolicy.none())
    return fs.cox(sites, FORMULA, time_varying={"x": [2]}, **options)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize(("baseline", "k"), [("site", 1), ("shared", 1), ("shared", 3)])
def test_both_hazard_ratios_are_those_worked_out(baseline, k, ties):
    fit = fitted(k, baseline=baseline, ties=ties)
    assert fit.names == ("x: 0-2", "x: 2+")
    np.testing.assert_allclose(np.exp(fit.beta), [EARLY, LATE], rtol=1e-12)
    shares = {r: [a * r / (a * r + b) for a, b in sets] for r, sets in AT_RISK.items()}
    information = [sum(q * (1 - q) for q in found) for found in shares.values()]
    np.testing.assert_allclose(fit.covariance, np.diag(1 / np.array(information)), rtol=1e-12, atol=1e-15)
    loglik = sum(np.log(r) - sum(np.log(a * r + b) for a, b in sets) for r, sets in AT_RISK.items())
    assert fit.loglik == pytest.approx(loglik, rel=1e-13)
    assert fit.loglik_null == pytest.approx(-np.log(6 * 5 * 4 * 3), rel=1e-13)
    assert (fit.n, fit.n_event) == (6, 4)
    difference = (np.log(EARLY) - np.log(LATE)) ** 2 / sum(1 / i for i in information)
    test = fit.constancy_tests().iloc[0]
    assert test["statistic"] == pytest.approx(difference, rel=1e-12)
    assert (test["df"], test["p_value"]) == (1, pytest.approx(chi2.sf(difference, 1), rel=1e-12))


def test_periods_are_named_in_the_unit_of_time():
    book = Codebook(
        (Variable("time", "time", unit="days"), Variable("status", "event"), Variable("x", "numeric")),
        TimeGrid("months", (1.0,), 12.0, (2.0,)),
    )
    sites = fs.InProcess({"all": FRAME}, book, fs.DisclosurePolicy.none())
    assert fs.cox(sites, FORMULA, time_varying="x").names == ("x: 0-2 months", "x: 2+ months")
    own = fs.InProcess({"all": FRAME}, Codebook(book.variables), fs.DisclosurePolicy.none())
    assert fs.cox(own, FORMULA, time_varying={"x": [2]}).names == ("x: 0-2 days", "x: 2+ days")


def test_a_likelihood_ratio_is_of_models_of_the_same_patients():
    fit = fitted(1)
    sites = fs.InProcess({"all": FRAME}, policy=fs.DisclosurePolicy.none())
    constant = fs.cox(sites, FORMULA)
    found = fit.likelihood_ratio_test(constant).iloc[0]
    assert found["statistic"] == pytest.approx(2 * (fit.loglik - constant.loglik), rel=1e-12)
    assert found["p_value"] == pytest.approx(chi2.sf(found["statistic"], 1), rel=1e-12)
    with pytest.raises(ValueError, match="not contained"):
        constant.likelihood_ratio_test(fit)
    fewer = fs.cox(fs.InProcess({"all": FRAME.iloc[1:]}, policy=fs.DisclosurePolicy.none()), FORMULA)
    with pytest.raises(ValueError, match="other patients"):
        fit.likelihood_ratio_test(fewer)
    with pytest.raises(ValueError, match="robust"):
        fit.likelihood_ratio_test(fs.cox(sites, FORMULA, robust=True))


def test_a_fit_whose_effects_are_constant_has_nothing_to_test():
    sites = fs.InProcess({"all": FRAME}, policy=fs.DisclosurePolicy.none())
    fit = fs.cox(sites, FORMULA)
    with pytest.raises(ValueError, match="Every effect of this fit is constant"):
        fit.constancy_tests()


@pytest.mark.parametrize(
    ("varying", "said"),
    [
        ({"x": []}, "gives x no times after which its effect is another"),
        ("xx", "names 'xx'; the terms of the model are x"),
        (["x", "y"], "names 'y'; the terms of the model are x"),
        ({"y": [3]}, "names 'y'; the terms of the model are x"),
    ],
    ids=str,
)
def test_an_effect_that_cannot_change_is_named(varying, said):
    sites = fs.InProcess({"all": FRAME}, policy=fs.DisclosurePolicy.none())
    with pytest.raises(fs.FormulaError, match=said):
        fs.cox(sites, FORMULA, time_varying=varying)


@pytest.mark.parametrize(
    ("varying", "match"),
    [
        ("x", "agrees on no times"),
        ({"y": [2]}, "names 'y'; the terms of the model are x"),
        ({"x": [0, 2]}, "times above zero"),
        ({"x": [3, 2]}, "increasing"),
        ({"x": ["2"]}, "times above zero"),
        ({"x": [float("nan")]}, "times above zero"),
        (2, "time_varying is 2"),
    ],
)
def test_what_cannot_vary_is_one_sentence(varying, match):
    sites = fs.InProcess({"all": FRAME}, policy=fs.DisclosurePolicy.none())
    with pytest.raises(fs.FormulaError, match=match):
        fs.cox(sites, FORMULA, time_varying=varying)


def test_what_is_about_constant_effects_says_so():
    sites = fs.InProcess({"all": FRAME}, policy=fs.DisclosurePolicy.none())
    for options in ({"penalty": fs.Ridge(0.1)}, {"penalty": fs.Firth()}):
        with pytest.raises(fs.FormulaError, match="not penalised"):
            fs.cox(sites, FORMULA, time_varying={"x": [2]}, **options)
    own, shared = fitted(1), fitted(1, baseline="shared")
    with pytest.raises(fs.FormulaError, match="without time_varying"):
        fs.cox_zph(sites, own)
    with pytest.raises(fs.FormulaError, match="without time_varying"):
        fs.baseline_hazard(sites, shared)
    with pytest.raises(ValueError, match="without time_varying"):
        sites.with_linear_predictor("score", own)
    with pytest.raises(fs.FormulaError, match="edges of the time cells"):
        fs.cox(sites, FORMULA, time_varying={"x": [2.5]}, baseline="shared", grid=[1, 2, 3, 4, 5, 6])
