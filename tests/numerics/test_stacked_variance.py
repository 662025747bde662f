"""The cross-derivative behind the stacked variance: a score's slope in a patient's weight is his score residual over it."""

import numpy as np
import pytest

from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs
from fedstats.numerics.stacked_variance import stacked_meat

N = 40


def cohort():
    random = np.random.default_rng(4)
    entry = np.where(np.arange(N) % 3 == 0, random.integers(0, 3, N), 0).astype(float)
    time = entry + random.integers(1, 7, N)  # heavy ties
    return {
        "stratum": np.arange(N) % 2,
        "entry": entry,
        "time": time,
        "event": random.random(N) < 0.7,
        "x": random.normal(size=(N, 2)),
        "w": random.uniform(0.5, 2.0, N),
    }


def score_and_residuals(c, w, beta, ties):
    sets = rs.risk_sets(c["stratum"], c["entry"], c["time"], c["event"], w, None, None)
    r = w * np.exp(c["x"] @ beta)
    sums = rs.cell_sums(sets, c["x"], r, w)
    terms = pl.cell_terms(sums, ties)
    v = pl.expected(sets, c["stratum"], terms.a, terms.b)
    u = pl.score_residuals(sets, c["stratum"], c["x"], r, w, v, pl.cell_means(sums, terms))
    deaths = np.zeros(N)
    deaths[sets.death] = w[sets.death]
    return c["x"].T @ (deaths - r * v), u


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_slope_of_a_cox_score_in_a_weight_is_the_residual_over_it(ties):
    c, beta, h = cohort(), np.array([0.4, -0.7]), 1e-5
    score, u = score_and_residuals(c, c["w"], beta, ties)
    np.testing.assert_allclose(u.sum(axis=0), score, atol=1e-12)
    for i in range(N):
        ends = [
            score_and_residuals(c, c["w"] + sign * h * (np.arange(N) == i), beta, ties)[0] for sign in (1, -1)
        ]
        np.testing.assert_allclose((ends[0] - ends[1]) / (2 * h), u[i] / c["w"][i], atol=1e-8)


def test_the_meat_is_that_of_the_sums_of_both_influences():
    random = np.random.default_rng(1)
    u, psi, slope = random.normal(size=(50, 2)), random.normal(size=(50, 3)), random.normal(size=(2, 3))
    bread = np.linalg.inv(psi.T @ psi + np.eye(3))
    both = u + psi @ (slope @ bread).T
    found = stacked_meat(u.T @ u, slope, u.T @ psi, bread, psi.T @ psi)
    np.testing.assert_allclose(found, both.T @ both, rtol=1e-12)
