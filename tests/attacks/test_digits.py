"""Sums leave with all their digits, and logarithms of whole numbers have no common measure: what one sum tells by itself."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.aggregate import full_matrix
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.shapes import Logarithm
from fedstats.contract.variable import Variable
from fedstats.methods.glm_model import GlmDerivatives, GlmModel, three_digits
from tests.attacks.targets import NONE, STRICT, ask, cohort, column

pytestmark = pytest.mark.acceptance(20)
LOGS = np.log([2.0, 3.0, 5.0])
MANY = 300


def ones(total, most=MANY):
    """Every way to write a number as a sum of log 2, log 3 (up to ``most`` times) and log 5 (up to ten times)."""
    found = []
    for fives, threes in product(range(11), range(most)):
        twos = (total - fives * LOGS[2] - threes * LOGS[1]) / LOGS[0]
        if -0.5 < twos < 2 * MANY and abs(twos - round(twos)) < 1e-9:
            found.append((round(twos), threes, fives))
    return found


def metastases():
    """One to four in everybody, and five in one patient."""
    number = 1 + np.arange(360) % 4
    number[123] = 5
    return number


def by_a_logarithm(policy, number):
    """At coefficients of zero the sum of a logarithm over all patients."""
    design = Design((Column("log", (Part("w", None, Logarithm()),)), column("a")), intercept=True)
    question = GlmDerivatives(GlmModel("y", design, None, None, None), (0.0, 0.0, 0.0))
    answer = ask(cohort(w=number.astype(float)), question, policy)
    return answer if isinstance(answer, str) else ones(4 * full_matrix(answer["information"])[0, 1])


def test_one_sum_of_a_logarithm_counts_every_value_without_a_gate_and_is_refused():
    number = metastases()
    truth = (int((number == 2).sum() + 2 * (number == 4).sum()), int((number == 3).sum()), 1)
    assert by_a_logarithm(NONE, number) == [truth]
    assert by_a_logarithm(STRICT, number) == "level"


def test_a_logarithm_of_common_or_of_many_values_is_let_out():
    common = 1 + np.arange(360) % 5
    assert not isinstance(by_a_logarithm(STRICT, common), str)
    assert not isinstance(by_a_logarithm(STRICT, np.round(np.exp(np.linspace(0, 4, 360)), 1)), str)


def counts_by_a_likelihood(policy):
    """Logarithms of factorials, and of counts times the counts: from a Poisson model's log-likelihood and deviance."""
    number = np.minimum(np.random.default_rng(3).poisson(1.0, 360), 4)
    number[7] = 5
    frame = cohort(w=number.astype(float))
    model = GlmModel("w", Design((column("a"),), intercept=True), None, None, None, "poisson", "log")
    answer = ask(frame, GlmDerivatives(model, (0.0, 0.0)), policy)
    if isinstance(answer, str):
        return answer, number
    n, total = answer["n"][0], answer["score"][0] + answer["n"][0]
    factorials, powers = -(answer["loglik"][0] + n), answer["deviance"][0] / 2 + total - n
    found = []
    for fives, threes in product(range(11), range(MANY)):
        twos = (powers - 5 * fives * LOGS[2] - 3 * threes * LOGS[1]) / LOGS[
            0
        ]  # twice of the twos, eight times of the fours
        if twos < -0.5 or abs(twos - round(twos)) > 1e-9:
            continue
        rest = factorials - fives * np.log(120) - threes * np.log(6)
        fours = (rest - round(twos) / 2 * LOGS[0]) / (np.log(24) - 4 * LOGS[0])
        if fours > -0.5 and abs(fours - round(fours)) < 1e-6:
            found.append((round(twos / 2 - 4 * fours), threes, round(fours), fives))
    return found, number


def test_a_poisson_likelihood_counts_every_value_without_a_gate_and_tells_none_with_it():
    found, number = counts_by_a_likelihood(NONE)
    assert found == [tuple(int((number == k).sum()) for k in range(2, 6))]
    assert counts_by_a_likelihood(STRICT)[0] == []


def weights_by_their_logarithms(policy):
    weight = 1.0 + np.arange(360) % 2
    weight[:60], weight[60:80], weight[5] = 3.0, 4.0, 5.0
    frame = cohort(w=np.random.default_rng(1).permutation(weight))
    model = GlmModel("lab", Design((column("age"),), intercept=True), "w", None, None, "gaussian", "identity")
    answer = ask(frame, GlmDerivatives(model, (0.0, 0.0)), policy)
    found = answer if isinstance(answer, str) else ones(answer["log_weight"][0])
    return found, (int((weight == 2).sum() + 40), 59, 1)


def test_the_logarithms_of_weights_count_them_without_a_gate_and_not_with_it():
    found, truth = weights_by_their_logarithms(NONE)
    assert truth in found
    assert len(found) == 1
    assert weights_by_their_logarithms(STRICT)[0] == []


@pytest.mark.parametrize("value", [0.0, 1e-9, -135.022, 256.1, 4e7])
def test_a_constant_keeps_three_digits(value):
    assert abs(three_digits(value) - value) <= abs(value) / 1400


def test_nothing_but_the_constant_of_a_likelihood_is_rounded():
    """Estimates, standard errors and differences of two models of the same patients are those without a gate."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"age": random.normal(60, 8, 400).round(1), "arm": random.integers(0, 2, 400)})
    frame["visits"] = random.poisson(np.exp(0.3 + 0.2 * frame["arm"]))
    book = Codebook(
        (
            Variable("age", "numeric", centre=60.0, scale=8.0),
            Variable("arm", "numeric"),
            Variable("visits", "numeric"),
        )
    )
    fits = []
    for policy in (NONE, STRICT):
        sites = fs.InProcess({"north": frame}, codebook=book, policy=policy)
        fits.append([fs.glm(sites, f"visits ~ {right}", family="poisson") for right in ("age", "age + arm")])
    (small, large), (its_small, its_large) = fits
    assert large.coef.to_numpy() == pytest.approx(its_large.coef.to_numpy(), rel=1e-12)
    assert large.vcov.to_numpy() == pytest.approx(its_large.vcov.to_numpy(), rel=1e-12)
    for what in ("loglik", "deviance"):
        exact, rounded = getattr(large, what), getattr(its_large, what)
        assert 0 < abs(exact - rounded) < 1e-3 * abs(exact)
        between = exact - getattr(small, what)
        assert rounded - getattr(its_small, what) == pytest.approx(between, abs=1e-9)
