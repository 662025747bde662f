"""Generalised linear models of one factor are known in closed form."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

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


@pytest.mark.parametrize(
    ("columns", "options", "word"),
    [
        ({"y": COUNTS - 1}, {"family": "poisson"}, "whole numbers"),
        ({"y": COUNTS + 0.5}, {"family": "poisson"}, "whole numbers"),
        ({"y": COUNTS}, {}, "0 and 1"),
        ({"y": COUNTS * 0}, {"family": "poisson"}, "the same for every patient"),
        ({"y": DIED}, {"family": "gamma"}, "no family"),
        ({"y": LENGTH}, {"family": "gaussian", "profile": "g"}, "Gaussian"),
        ({"y": DIED}, {"link": "log", "start": "pooled"}, "intercept"),
    ],
)
def test_what_does_not_fit_a_family_is_one_sentence(columns, options, word):
    with pytest.raises((fs.FormulaError, fs.SiteRefused, fs.NotConverged), match=word):
        fs.glm(sites(g=GROUP, **columns), "y ~ g", **options)


def test_a_fit_says_how_many_patients_events_and_sites_there_are():
    one = fs.InProcess({"one": pd.DataFrame({"y": DIED, "g": GROUP})}, policy=NONE)
    fit = fs.logistic(one, "y ~ g")
    assert f"100 patients, {DIED.sum()} events, 1 site," in str(fit)
    assert f"(100 patients, {DIED.sum()} events, 1 site)" in fit._repr_html_()
    assert "100 patients, 2 sites," in str(fs.glm(sites(y=LENGTH, g=GROUP), "y ~ g", family="gaussian"))
