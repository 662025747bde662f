"""Generalised linear models of one factor are known in closed form."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.federation import Meter
from fedstats.methods.glm_evaluation import Evaluation, null_model
from fedstats.methods.glm_regression import glm_model

NONE = fs.DisclosurePolicy.none()


def sites(**columns):
    frame = pd.DataFrame(columns)
    return fs.InProcess({"one": frame[::2], "two": frame[1::2]}, policy=NONE)


GROUP = np.repeat([0, 1], [40, 60])
COUNTS = np.where(GROUP, np.arange(100) % 5, np.arange(100) % 3)
DIED = np.where(GROUP, np.arange(100) % 3 == 0, np.arange(100) % 4 == 0).astype(int)
LENGTH = np.where(GROUP, 1.0, 2.0) + np.arange(100) % 7 / 10


def test_a_poisson_coefficient_is_the_logarithm_of_a_ratio_of_means():
    fit = fs.glm(sites(y=COUNTS, g=GROUP), "y ~ g", family="poisson")
    low, high = COUNTS[GROUP == 0], COUNTS[GROUP == 1]
    assert fit.coef["Intercept"] == pytest.approx(np.log(low.mean()), abs=1e-12)
    assert fit.coef["g"] == pytest.approx(np.log(high.mean() / low.mean()), abs=1e-12)
    assert fit.vcov.loc["g", "g"] == pytest.approx(1 / low.sum() + 1 / high.sum(), rel=1e-12)
    assert fit.effect == "Rate ratio"


def test_a_log_binomial_coefficient_is_the_logarithm_of_a_ratio_of_risks():
    fit = fs.glm(sites(y=DIED, g=GROUP), "y ~ g", link="log")
    low, high = DIED[GROUP == 0], DIED[GROUP == 1]
    assert fit.coef["g"] == pytest.approx(np.log(high.mean() / low.mean()), abs=1e-10)
    variance = sum((1 - d.mean()) / d.sum() for d in (low, high))
    assert fit.vcov.loc["g", "g"] == pytest.approx(variance, rel=1e-9)
    assert fit.effect == "Risk ratio"


def test_a_gaussian_coefficient_is_a_difference_of_means_with_student_s_t():
    fit = fs.glm(sites(y=LENGTH, g=GROUP), "y ~ g", family="gaussian")
    low, high = LENGTH[GROUP == 0], LENGTH[GROUP == 1]
    assert fit.coef["g"] == pytest.approx(high.mean() - low.mean(), abs=1e-12)
    rss = sum(((v - v.mean()) ** 2).sum() for v in (low, high))
    assert fit.dispersion == pytest.approx(rss / 98, rel=1e-12)
    assert fit.vcov.loc["g", "g"] == pytest.approx(rss / 98 * (1 / 40 + 1 / 60), rel=1e-12)
    assert fit.effect == "Mean difference"
    with pytest.raises(ValueError, match="no logarithms"):
        fit.tidy(exponentiate=True)


def test_a_rate_counts_by_time_of_follow_up():
    years = np.linspace(0.5, 3, 100)
    fit = fs.glm(
        sites(y=COUNTS, g=GROUP, log_years=np.log(years)), "y ~ g", family="poisson", offset="log_years"
    )
    rates = [COUNTS[g == GROUP].sum() / years[g == GROUP].sum() for g in (0, 1)]
    assert fit.coef["g"] == pytest.approx(np.log(rates[1] / rates[0]), abs=1e-10)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_unit_of_an_outcome_changes_no_digit(factor):
    # in fixed point of 2**-64 the squares of 1e-9 would keep three digits, and those of 1e9 overflow
    plain, other = (
        fs.glm(
            sites(y=LENGTH * unit, g=GROUP, o=LENGTH[::-1] * unit / 9), "y ~ g", family="gaussian", offset="o"
        )
        for unit in (1.0, factor)
    )
    np.testing.assert_allclose(other.beta, factor * plain.beta, rtol=1e-12)
    np.testing.assert_allclose(other.vcov, factor**2 * plain.vcov, rtol=1e-12)
    assert other.loglik == pytest.approx(plain.loglik - 100 * np.log(factor), rel=1e-12)


def test_a_far_origin_of_an_outcome_moves_its_intercept_alone():
    plain, far = (fs.glm(sites(y=LENGTH + c, g=GROUP), "y ~ g", family="gaussian") for c in (0.0, 2.0**30))
    assert far.coef["g"] == pytest.approx(
        plain.coef["g"], rel=1e-6
    )  # the rows themselves have lost their last digits
    assert far.coef["Intercept"] - plain.coef["Intercept"] == pytest.approx(2.0**30, rel=1e-12)
    assert far.dispersion == pytest.approx(plain.dispersion, rel=1e-6)


@pytest.mark.parametrize(
    ("y", "options"),
    [(LENGTH, {"family": "gaussian"}), (COUNTS, {"family": "poisson"}), (DIED, {})],
    ids=["gaussian", "poisson", "logistic"],
)
def test_who_has_no_weight_is_not_in_the_model(y, options):
    weight = np.where(np.arange(100) % 5, 1.5, 0.0)
    some = weight > 0
    fit = fs.glm(sites(y=y, g=GROUP, w=weight), "y ~ g", weights="w", **options)
    without = fs.glm(sites(y=y[some], g=GROUP[some], w=weight[some]), "y ~ g", weights="w", **options)
    compared = [
        "n",
        "n_event",
        "loglik",
        "loglik_null",
        "aic",
        "bic",
        "deviance",
        "null_deviance",
        "dispersion",
        "df_residual",
    ]
    pd.testing.assert_frame_equal(fit.glance()[compared], without.glance()[compared], rtol=1e-12)
    np.testing.assert_allclose(fit.vcov, without.vcov, rtol=1e-12)


def test_joint_tests_of_one_coefficient_are_the_test_of_that_coefficient():
    fit = fs.glm(sites(y=LENGTH, g=GROUP), "y ~ g", family="gaussian")
    alone = fit.tidy().set_index("term").loc["g"]
    assert fit.joint_tests()["p_value"].item() == pytest.approx(alone["p_value"], rel=1e-9)
    again = fit.linear_hypothesis({"g": 1})
    assert again.p_value == pytest.approx(alone["p_value"], rel=1e-9)
    assert again.tidy()["conf_low"].item() == pytest.approx(alone["conf_low"], rel=1e-12)
    assert fit.glance()["wald_p_value"].item() == pytest.approx(alone["p_value"], rel=1e-9)


@pytest.mark.parametrize("weights", [None, "w"])
def test_a_robust_gaussian_variance_is_in_the_units_of_the_outcome(weights):
    w = np.ones(100) if weights is None else 1 + np.arange(100) % 3
    fit = fs.glm(sites(y=64 * LENGTH, g=GROUP, w=w), "y ~ g", family="gaussian", weights=weights, robust=True)
    x = np.column_stack([np.ones(100), GROUP])
    bread = np.linalg.inv(x.T @ (w[:, None] * x))
    u = x * (w * (64 * LENGTH - x @ fit.beta))[:, None]
    np.testing.assert_allclose(fit.vcov, bread @ (u.T @ u) @ bread, rtol=1e-10)


def test_a_measurement_in_small_units_is_not_refused_for_the_size_of_its_coefficient():
    # 250000 platelets: a coefficient of thousands is a part of a standard deviation
    random = np.random.default_rng(3)
    age = random.normal(60, 10, 400)
    frame = pd.DataFrame({"age": age, "y": 250_000 - 2_000 * (age - 60) + random.normal(0, 40_000, 400)})
    strict = fs.InProcess({"one": frame[::2], "two": frame[1::2]})
    fit = fs.glm(strict, "y ~ age", family="gaussian")
    assert fit.coef["age"] == pytest.approx(-2_000, rel=0.5)


@pytest.mark.parametrize(
    ("columns", "options", "word"),
    [
        ({"y": COUNTS - 1}, {"family": "poisson"}, "whole numbers"),
        ({"y": COUNTS + 0.5}, {"family": "poisson"}, "whole numbers"),
        ({"y": COUNTS}, {}, "0 and 1"),
        ({"y": COUNTS * 0}, {"family": "poisson"}, "the same for every patient"),
        ({"y": DIED}, {"family": "gamma"}, "no family"),
        ({"y": 2.0 + 3 * GROUP}, {"family": "gaussian"}, "without any residual"),
        ({"y": LENGTH * 0 + 3}, {"family": "gaussian"}, "without any residual"),
        ({"y": np.where(GROUP, 1, DIED)}, {"link": "log"}, "reaches one"),
        ({"y": DIED}, {"link": "log", "start": "pooled"}, "intercept"),
    ],
)
def test_what_does_not_fit_a_family_is_one_sentence(columns, options, word):
    with pytest.raises((fs.FormulaError, fs.SiteRefused, fs.NotConverged), match=word):
        fs.glm(sites(g=GROUP, **columns), "y ~ g", **options)


def test_a_fit_says_how_many_patients_events_and_sites_there_are():
    one = fs.InProcess({"one": pd.DataFrame({"y": DIED, "g": GROUP})}, policy=NONE)
    fit = fs.logistic(one, "y ~ g")
    assert f"100 patients, {DIED.sum()} events, 1 site\n" in str(fit)
    assert f": 100 patients, {DIED.sum()} events, 1 site; standard errors model-based" in fit._repr_html_()
    assert "100 patients, 2 sites\n" in str(fs.glm(sites(y=LENGTH, g=GROUP), "y ~ g", family="gaussian"))


# The null model, which follows from one answer ------------------------------------------------------


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
@pytest.mark.parametrize("weights", [None, "weight"])
def test_the_null_model_is_what_the_sites_would_answer_there(family, weights):
    """Sums at one predictor for all give those at another: to rounding they are the sites' own."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame({"x": random.normal(60, 9, 300), "weight": random.uniform(0.2, 3, 300)})
    frame["y"] = {
        "binomial": (random.random(300) < 0.08).astype(int),
        "poisson": random.poisson(2.5, 300),
        "gaussian": 100 + random.normal(size=300),
    }[family]
    sites = fs.InProcess({"a": frame[:100], "b": frame[100:]}, policy=fs.DisclosurePolicy.none())
    model = glm_model(sites, "y ~ x", family, None, weights)
    evaluate = Evaluation(Meter(sites), model, "y ~ x", "")
    found = null_model(evaluate)
    asked = Evaluation(Meter(sites), model, "y ~ x", "")
    expected = asked(found.beta)
    assert len(list(sites.history())) == 2  # at zero, and here
    n = len(frame)
    assert found.loglik == pytest.approx(expected.loglik, rel=1e-13)
    np.testing.assert_allclose(found.score, expected.score, atol=1e-14 * n * (1 + abs(frame["y"]).max()))
    np.testing.assert_allclose(found.information, expected.information, rtol=1e-12, atol=1e-12)
    assert evaluate._deviance(found) == pytest.approx(asked._deviance(expected), rel=1e-12)
    fit = fs.glm(sites, "y ~ x", family=family, weights=weights)
    assert fit.rounds <= {"binomial": 8, "poisson": 8, "gaussian": 3}[family]


@pytest.mark.parametrize("what", ["weights", "offset"])
@pytest.mark.parametrize(
    ("fit", "formula"),
    [(fs.logistic, "y ~ x"), (fs.cox, "Surv(t, y) ~ x"), (fs.kaplan_meier, "Surv(t, y) ~ 1")],
    ids=["logistic", "cox", "curve"],
)
def test_weights_and_offsets_are_numbers(what, fit, formula):
    """Said before anything is asked: a site would refuse what it cannot multiply, and not say why."""
    federation = sites(y=DIED, x=LENGTH, t=LENGTH, g=np.where(GROUP, "b", "a"))
    if (fit, what) == (fs.kaplan_meier, "offset"):
        return
    with pytest.raises(
        fs.FormulaError, match=f"{what} is 'g', which has the levels a, b; give a column of numbers"
    ):
        fit(federation, formula, **{what: "g"})
    assert not list(federation.history())
