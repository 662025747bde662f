"""The maximiser of Firth's penalised likelihood, on rows at hand."""

import numpy as np
import pytest

from fedstats.numerics.families import LOGIT
from fedstats.numerics.firth import Firth, Penalised, firth
from fedstats.numerics.newton import Derivatives, NotConverged


class Rows:
    """Derivatives and corrections of a logistic model, and how often each was asked."""

    def __init__(self, x, y):
        self.x, self.y, self.asked, self.corrected = x, y, 0, 0

    def derivatives(self, beta):
        self.asked += 1
        eta = self.x @ beta
        information = self.x.T @ (self.x * LOGIT.expected(eta)[:, None])
        return Derivatives(
            LOGIT.loglik(self.y, eta).sum(), self.x.T @ LOGIT.residual(self.y, eta), information, beta
        )

    def correction(self, at, inverse):
        self.corrected += 1
        eta = self.x @ at.beta
        leverage = LOGIT.expected(eta) * np.einsum("ij,jk,ik->i", self.x, inverse, self.x)
        return self.x.T @ (leverage * LOGIT.tilt(eta) / 2)

    def objective(self):
        return Penalised(self.derivatives, self.correction)

    def value(self, beta):
        at = self.derivatives(beta)
        return at.loglik + 0.5 * np.linalg.slogdet(at.information)[1]


def rows(n=120, p=5, seed=0):
    random = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), random.normal(size=(n, p - 1))])
    return Rows(x, (random.random(n) < 1 / (1 + np.exp(2 - x[:, 1]))).astype(float))


@pytest.mark.parametrize("seed", range(5))
def test_the_correction_is_the_slope_of_the_penalty_and_the_fit_its_zero(seed):
    r, h = rows(seed=seed), 1e-5
    beta = firth(r.objective(), np.zeros(5), list("abcde")).beta
    for at in (np.full(5, 0.3), beta):
        slope = [(r.value(at + h * e) - r.value(at - h * e)) / (2 * h) for e in np.eye(5)]
        point = r.derivatives(at)
        score = point.score + r.correction(point, np.linalg.inv(point.information))
        # central differences: rounding of 60 * 1e-16 / h and third derivatives of some tens times h^2 / 6
        np.testing.assert_allclose(score, slope, atol=1e-7)
    std_error = np.sqrt(np.diag(np.linalg.inv(point.information)))
    assert np.abs(np.linalg.solve(point.information, score) / std_error).max() < 1e-10


@pytest.mark.parametrize("seed", range(5))
def test_what_is_learned_of_the_curvature_saves_rounds(seed):
    r = rows(seed=seed)
    firth(r.objective(), np.zeros(5), list("abcde"))
    assert r.corrected <= 14  # with the information alone the last digits take 20 and more
    assert r.asked <= r.corrected + 4  # hardly a step is halved


def test_a_separated_outcome_has_a_finite_fit():
    x = np.column_stack([np.ones(60), np.linspace(-1, 1, 60)])
    r = Rows(x, (x[:, 1] > 0).astype(float))
    beta = firth(r.objective(), np.zeros(2), ["Intercept", "x"]).beta
    assert 3 < beta[1] < 100
    assert abs(beta[0]) < 1e-6


def test_a_column_that_says_nothing_is_named():
    r = rows()
    r.x = np.column_stack([r.x, r.x[:, 1] + r.x[:, 2]])
    with pytest.raises(NotConverged, match="f is a linear combination of b, c"):
        firth(r.objective(), np.zeros(6), list("abcdef"))


def test_the_penalty_says_its_name():
    assert Firth().in_words() == "Firth's penalty"
