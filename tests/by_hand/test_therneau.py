"""Cox regression, Kaplan-Meier and logistic regression on data small enough to be worked by hand.

Therneau's three tied data sets (Therneau & Grambsch 2000, Modeling Survival Data, appendix E; vignette "validate" of
R's survival). With one covariate of small whole values every risk set adds up to a polynomial in r = exp(beta), so

    log-likelihood = a beta - sum of m log P(r)

with one polynomial P and multiplicity m for each denominator of the partial likelihood. P's terms are the risks of
the patients in a risk set; r P'(r) / P(r) is their mean covariate, and the variance of the covariate under the same
risks is P's share of the information. Nothing else is needed for the score and the information.

Tolerance: closed forms and the package differ by rounding alone, 1e-12; the root of a score by its square, 1e-10.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial import Polynomial
from scipy.optimize import brentq

import fedstats as fs
from tests.datasets import split

FRAMES = {
    "test 1": pd.DataFrame(
        {
            "time": [1, 1, 6, 6, 8, 9],
            "status": [1, 0, 1, 1, 0, 1],
            "x": [1, 1, 1, 0, 0, 0],
        }
    ),
    "test 2": pd.DataFrame(
        {
            "entry": [1, 2, 5, 2, 1, 7, 3, 4, 8, 8],
            "time": [2, 3, 6, 7, 8, 9, 9, 9, 14, 17],
            "status": [1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
            "x": [1, 0, 0, 1, 0, 1, 1, 1, 0, 0],
        }
    ),
    "test 3": pd.DataFrame(
        {
            "time": [1, 1, 2, 2, 2, 2, 3, 4, 5],
            "status": [1, 0, 1, 1, 1, 0, 0, 1, 0],
            "x": [2, 0, 1, 1, 0, 1, 0, 1, 0],
            "weight": [1, 2, 3, 4, 3, 2, 1, 2, 1],
        }
    ),
}
FORMULAS = {
    "test 1": "Surv(time, status) ~ x",
    "test 2": "Surv(entry, time, status) ~ x",
    "test 3": "Surv(time, status) ~ x",
}
WEIGHTS = {"test 1": None, "test 2": None, "test 3": "weight"}
LAYOUTS = [("site", 1), ("shared", 1), ("shared", 2), ("shared", 3)]


class Likelihood(NamedTuple):
    """A partial likelihood by hand: weighted sum of x over deaths, and (multiplicity, P) for each denominator."""

    deaths: int
    denominators: list[tuple[float, Polynomial]]

    def loglik(self, beta):
        return self.deaths * beta - sum(m * np.log(p(np.exp(beta))) for m, p in self.denominators)

    def score(self, beta):
        return self.deaths - sum(m * mean(p, np.exp(beta)) for m, p in self.denominators)

    def information(self, beta):
        return sum(m * variance(p, np.exp(beta)) for m, p in self.denominators)

    def maximum(self):
        return brentq(self.score, -3, 3, xtol=1e-15, rtol=1e-14)


def mean(p, r):
    """Mean covariate of a risk set: r P'(r) / P(r)."""
    return r * p.deriv()(r) / p(r)


def variance(p, r):
    """Variance of the covariate in a risk set, r times the derivative of the mean."""
    return (r * p.deriv()(r) + r**2 * p.deriv(2)(r)) / p(r) - mean(p, r) ** 2


r = Polynomial([0, 1])
LIKELIHOODS = {
    # Times 1, 6 and 9; at 6 two of the three still at risk die, one with x = 1 and one with x = 0.
    ("test 1", "breslow"): Likelihood(2, [(1, 3 * r + 3), (2, r + 3), (1, r**0)]),
    ("test 1", "efron"): Likelihood(2, [(1, 3 * r + 3), (1, r + 3), (1, (r + 5) / 2), (1, r**0)]),
    # Times 2, 3, 6, 7, 8 and 9; at 9 two die, both with x = 1.
    ("test 2", "breslow"): Likelihood(4, [(1, r + 1), (1, r + 2), (2, 3 * r + 1), (3, 3 * r + 2)]),
    ("test 2", "efron"): Likelihood(
        4, [(1, r + 1), (1, r + 2), (2, 3 * r + 1), (2, 3 * r + 2), (1, 2 * r + 2)]
    ),
    # Times 1, 2 and 4; at 2 deaths of weights 3 and 4 (x = 1) and 3 (x = 0): Efron takes their mean weight, 10/3.
    ("test 3", "breslow"): Likelihood(11, [(1, r**2 + 11 * r + 7), (10, 11 * r + 5), (2, 2 * r + 1)]),
    ("test 3", "efron"): Likelihood(
        11,
        [
            (1, r**2 + 11 * r + 7),
            (10 / 3, 11 * r + 5),
            (10 / 3, 11 * r + 5 - (7 * r + 3) / 3),
            (10 / 3, 11 * r + 5 - 2 * (7 * r + 3) / 3),
            (2, 2 * r + 1),
        ],
    ),
}


@pytest.fixture(scope="module", params=LIKELIHOODS, ids=" ".join)
def question(request):
    """A data set, a method for ties and the likelihood by hand: (name, ties, likelihood)."""
    return *request.param, LIKELIHOODS[request.param]


@pytest.fixture(scope="module", params=LAYOUTS, ids="{0[0]} baseline, {0[1]} sites".format)
def answer(request, question):
    """The package's fit beside the likelihood by hand: (fit, likelihood)."""
    (baseline, k), (name, ties, likelihood) = request.param, question
    sites = without_rules(split(FRAMES[name], k))
    return fs.cox(sites, FORMULAS[name], baseline=baseline, ties=ties, weights=WEIGHTS[name]), likelihood


def without_rules(frames):
    """A few patients would never pass a disclosure rule; here is nobody to protect."""
    return fs.InProcess(frames, policy=fs.DisclosurePolicy.none())


def test_the_estimate_is_the_root_of_the_score_by_hand(answer):
    fit, likelihood = answer
    assert fit.coef["x"] == pytest.approx(likelihood.maximum(), abs=1e-10)
    assert likelihood.score(fit.coef["x"]) == pytest.approx(0, abs=1e-12)


def test_log_likelihoods_at_zero_and_at_the_maximum_are_those_by_hand(answer):
    fit, likelihood = answer
    assert fit.glance()["loglik_null"].item() == pytest.approx(likelihood.loglik(0), rel=1e-12)
    assert fit.loglik == pytest.approx(likelihood.loglik(likelihood.maximum()), rel=1e-12)


def test_the_variance_is_the_inverse_information_by_hand_at_the_reported_estimate(answer):
    fit, likelihood = answer
    assert fit.vcov.loc["x", "x"] == pytest.approx(1 / likelihood.information(fit.coef["x"]), rel=1e-12)


def test_the_score_test_is_the_squared_score_over_the_information_at_zero(answer):
    fit, likelihood = answer
    by_hand = likelihood.score(0) ** 2 / likelihood.information(0)
    assert fit.glance()["score_statistic"].item() == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(("baseline", "k"), LAYOUTS)
def test_breslows_estimate_on_test_1_solves_a_quadratic(baseline, k):
    # score (6 + 3 r - r^2) / ((r + 1)(r + 3)) = 0
    sites = without_rules(split(FRAMES["test 1"], k))
    fit = fs.cox(sites, FORMULAS["test 1"], baseline=baseline, ties="breslow")
    hazard_ratio = (3 + np.sqrt(33)) / 2
    assert fit.coef["x"] == pytest.approx(np.log(hazard_ratio), rel=1e-12)
    assert fit.tidy(exponentiate=True)["estimate"].item() == pytest.approx(hazard_ratio, rel=1e-12)


@pytest.mark.parametrize(("baseline", "k"), LAYOUTS)
def test_efrons_estimate_on_test_1_solves_a_cubic(baseline, k):
    # score (30 + 23 r - r^3) / ((r + 1)(r + 3)(r + 5)) = 0, by the trigonometric formula of a cubic with three roots
    sites = without_rules(split(FRAMES["test 1"], k))
    fit = fs.cox(sites, FORMULAS["test 1"], baseline=baseline, ties="efron")
    hazard_ratio = 2 * np.sqrt(23 / 3) * np.cos(np.arccos(45 / 23 * np.sqrt(3 / 23)) / 3)
    assert fit.coef["x"] == pytest.approx(np.log(hazard_ratio), rel=1e-12)


def test_the_likelihoods_by_hand_have_the_published_scores_and_information_at_zero():
    published = {
        ("test 1", "breslow"): (Fraction(1), Fraction(5, 8)),
        ("test 1", "efron"): (Fraction(52, 48), Fraction(83, 144)),
        ("test 2", "breslow"): (Fraction(-2, 15), Fraction(2821, 1800)),
    }
    by_hand = {key: (LIKELIHOODS[key].score(0), LIKELIHOODS[key].information(0)) for key in published}
    np.testing.assert_allclose(
        [by_hand[key] for key in published],
        [[float(v) for v in published[key]] for key in published],
        rtol=1e-14,
    )


@pytest.mark.parametrize(("baseline", "k"), LAYOUTS)
def test_the_robust_variance_on_test_1_adds_up_squared_score_residuals(baseline, k):
    sites = without_rules(split(FRAMES["test 1"], k))
    fit = fs.cox(sites, FORMULAS["test 1"], baseline=baseline, ties="breslow", robust=True)
    ratio = np.exp(fit.coef["x"])
    # by event time 1, 6 and 9: mean covariate of the risk set, and increment of Breslow's baseline hazard
    mean_x = np.array([ratio / (ratio + 1), ratio / (ratio + 3), 0])
    hazard = np.array([1 / (3 * ratio + 3), 2 / (ratio + 3), 1])
    frame = FRAMES["test 1"]
    times = np.array([1, 6, 9])
    at_risk = frame["time"].to_numpy()[:, None] >= times
    events = (frame["time"].to_numpy()[:, None] == times) & (frame["status"].to_numpy()[:, None] == 1)
    expected = at_risk * hazard * np.where(frame["x"] == 1, ratio, 1)[:, None]
    residuals = ((frame["x"].to_numpy()[:, None] - mean_x) * (events - expected)).sum(axis=1)
    information = LIKELIHOODS["test 1", "breslow"].information(fit.coef["x"])
    assert fit.vcov.loc["x", "x"] == pytest.approx(residuals @ residuals / information**2, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_kaplan_meier_with_delayed_entry_counts_those_who_have_entered(k):
    curve = fs.kaplan_meier(without_rules(split(FRAMES["test 2"], k)), "Surv(entry, time, status) ~ 1").tidy()
    rows = curve.set_index("time").loc[[2, 3, 6, 7, 8, 9]]
    n_risk, n_event = np.array([2, 3, 5, 4, 4, 5]), np.array([1, 1, 1, 1, 1, 2])
    survival = np.array([1 / 2, 1 / 3, 4 / 15, 1 / 5, 3 / 20, 9 / 100])
    greenwood = survival * np.sqrt(np.cumsum(n_event / (n_risk * (n_risk - n_event))))
    assert rows["n_risk"].tolist() == n_risk.tolist()
    assert rows["n_event"].tolist() == n_event.tolist()
    np.testing.assert_allclose(rows["estimate"], survival, rtol=1e-12)
    np.testing.assert_allclose(rows["std_error"], greenwood, rtol=1e-12)


# A 2 x 2 table: (exposed, ill) by number of patients.
CELLS = {(1, 1): 7, (1, 0): 5, (0, 1): 3, (0, 0): 11}
PEOPLE = pd.DataFrame(
    [cell for cell, count in CELLS.items() for _ in range(count)], columns=["exposed", "ill"]
)
TABLE_LAYOUTS = {
    "one site": split(PEOPLE, 1),
    "dealt to 2 sites": split(PEOPLE, 2),
    "dealt to 3 sites": split(PEOPLE, 3),
    "the exposed at one site, the others at another": split(PEOPLE, 2, by="exposed"),
    "the ill at one site, the healthy at another": split(PEOPLE, 2, by="ill"),
}


@pytest.fixture(scope="module", params=TABLE_LAYOUTS)
def table_fit(request):
    """Logistic regression of a 2 x 2 table."""
    return fs.logistic(without_rules(TABLE_LAYOUTS[request.param]), "ill ~ exposed")


def test_logistic_coefficients_of_a_2_by_2_table_are_the_log_odds_and_the_log_odds_ratio(table_fit):
    odds_exposed, odds_others = CELLS[1, 1] / CELLS[1, 0], CELLS[0, 1] / CELLS[0, 0]
    assert table_fit.coef["Intercept"] == pytest.approx(np.log(odds_others), rel=1e-12)
    assert table_fit.coef["exposed"] == pytest.approx(np.log(odds_exposed / odds_others), rel=1e-12)


def test_logistic_standard_errors_of_a_2_by_2_table_are_woolfs(table_fit):
    std_error = table_fit.tidy().set_index("term")["std_error"]
    assert std_error["Intercept"] == pytest.approx(np.sqrt(1 / CELLS[0, 1] + 1 / CELLS[0, 0]), rel=1e-12)
    assert std_error["exposed"] == pytest.approx(np.sqrt(sum(1 / n for n in CELLS.values())), rel=1e-12)


def test_logistic_likelihoods_of_a_2_by_2_table_are_those_of_observed_proportions(table_fit):
    sizes = {exposed: CELLS[exposed, 1] + CELLS[exposed, 0] for exposed in (0, 1)}
    by_exposure = sum(n * np.log(n / sizes[exposed]) for (exposed, _), n in CELLS.items())
    ill, everybody = CELLS[1, 1] + CELLS[0, 1], len(PEOPLE)
    pooled = ill * np.log(ill / everybody) + (everybody - ill) * np.log(1 - ill / everybody)
    assert table_fit.loglik == pytest.approx(by_exposure, rel=1e-12)
    assert table_fit.glance()["loglik_null"].item() == pytest.approx(pooled, rel=1e-12)


def test_the_score_test_of_a_2_by_2_table_is_pearsons_chi_squared(table_fit):
    a, b, c, d = (CELLS[cell] for cell in ((1, 1), (1, 0), (0, 1), (0, 0)))
    chi_squared = (a + b + c + d) * (a * d - b * c) ** 2 / ((a + b) * (c + d) * (a + c) * (b + d))
    assert table_fit.glance()["score_statistic"].item() == pytest.approx(chi_squared, rel=1e-12)
