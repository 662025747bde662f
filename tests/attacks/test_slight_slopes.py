"""A number of small effect hides no table: its part of a sum is a power series, and so each cell a few unknown moments.

Of a cell of n patients a logistic weight adds up to n w(eta) + s w'(eta) sum z + s^2 w''(eta) sum z^2 / 2 ..., all linear in what is unknown.
Moments of a standardised number are known to the square root of n beforehand, and least squares with that tells n.
"""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.design import Design
from fedstats.contract.model_rows import model_rows
from fedstats.methods import glm_rows
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from tests.attacks.targets import STRICT, TABLES, ask, cohort, column

RULE = "joint cell of levels"
LEVELS = (column("a"), column("b"), column("w"), column("M", ("sex", "M")))
MODEL = GlmModel("y", Design((*LEVELS, column("age")), intercept=True), None, None, None)
CELLS = np.array(list(product((0, 1), repeat=4)))
X = np.column_stack([np.ones(16), CELLS])
LOWER = np.tril_indices(5)
CHOSEN = np.random.default_rng(1).normal(0.0, 0.6, (10, 5)).round(3).tolist()


def patients():
    """360 patients with four 0/1 levels, all four held by one of them, and an age in standard deviations."""
    random = np.random.default_rng(11)
    a, b, w, male = (random.permutation(np.arange(360) % 5 < k).astype(int) for k in (2, 2, 2, 3))
    w[np.flatnonzero(a & b & w & male)[1:]] = 0
    risk = 1 / (1 + np.exp(0.4 - 1.0 * a + 0.9 * b - 0.8 * w - 0.7 * male))
    y, age = (random.random(360) < risk).astype(int), random.normal(size=360).round(2)
    return cohort(a=a, b=b, w=w, sex=np.where(male, "M", "F"), y=y, age=age)


def steps_of_a_fit(frame):
    """Newton's steps from zero of a fit of the levels, which a slight slope of age hardly changes."""
    levels = np.column_stack([np.ones(360), frame["a"], frame["b"], frame["w"], frame["sex"] == "M"]).astype(
        float
    )
    beta, steps = np.zeros(5), []
    for _ in range(5):
        mean = 1 / (1 + np.exp(-levels @ beta))
        information = (levels * (mean * (1 - mean))[:, None]).T @ levels
        beta = beta + np.linalg.solve(information, levels.T @ (frame["y"] - mean))
        steps.append(tuple(beta))
    return steps


def true_cells(frame):
    levels = np.column_stack([frame["a"], frame["b"], frame["w"], frame["sex"] == "M"]).astype(int)
    return np.bincount(levels @ [8, 4, 2, 1], minlength=16)


def derivatives(eta, most):
    """A logistic weight and its derivatives in the predictor, over their factorials, (most + 1, 16)."""
    mean, power, found = 1 / (1 + np.exp(-eta)), np.poly1d([-1.0, 1.0, 0.0]), []
    for k in range(most + 1):
        found.append(power(mean) / math.factorial(k))
        power = power.deriv() * np.poly1d([-1.0, 1.0, 0.0])
    return np.array(found)


def equations(beta, slope, information, most):
    """What a cell's moments, (16, most + 1), add to each entry of the information, and the entries."""
    series = derivatives(X @ np.array(beta), most) * slope ** np.arange(most + 1)[:, None]
    once, twice = np.zeros_like(series), np.zeros_like(series)
    once[1:], twice[2:] = series[:-1], series[:-2]
    rows = [series * (X[:, i] * X[:, j]) for i, j in zip(*LOWER, strict=True)]
    rows += [*(once * X[:, j] for j in range(5)), twice]
    return np.array([row.T for row in rows]), np.array([*information[:5, :5][LOWER], *information[5]])


def normal_moment(k):
    return 0.0 if k % 2 else float(math.prod(range(1, k, 2)))


def told(slope, points, policy):
    """How many patients are in each cell, or the rule that refused a point."""
    frame, most = patients(), 14
    systems, sums = [], []
    for beta in points:
        answer = ask(frame, GlmDerivatives(MODEL, (*beta, slope)), policy)
        if isinstance(answer, str):
            return answer
        system, entries = equations(beta, slope, full_matrix(answer["information"]), most)
        systems.append(system)
        sums.append(entries)
    system, each = np.concatenate(systems), len(frame) / 16
    moments = np.array([normal_moment(k) for k in range(most + 1)])
    spread = np.array([[normal_moment(a + b) for b in range(1, most + 1)] for a in range(1, most + 1)])
    values, vectors = np.linalg.eigh(each * (spread - np.outer(moments[1:], moments[1:])))
    alike = system @ moments
    beyond = (system[:, :, 1:] @ (vectors * np.sqrt(np.maximum(values, 0.0)))).reshape(len(system), -1)
    whole = np.column_stack([alike * each, beyond])
    u, size, v = np.linalg.svd(whole, full_matrices=False)
    off = u.T @ (np.concatenate(sums) - alike.sum(axis=1) * each)
    return each * (1 + (v.T @ (off * size / (size**2 + (3e-15 * size[0]) ** 2)))[:16])


@pytest.mark.parametrize("slope", [0.01, 0.05, 0.09])
def test_at_small_slopes_an_ordinary_fit_tells_the_table_and_is_refused(slope):
    frame = patients()
    true, fit = true_cells(frame), steps_of_a_fit(frame)
    assert true[15] == 1
    assert told(slope, fit, TABLES) == pytest.approx(true, abs=0.4)
    assert told(slope, fit, STRICT) == RULE


def test_a_thousandth_was_no_bound(monkeypatch):
    frame, prepared = patients(), model_rows
    monkeypatch.setattr(glm_rows, "model_rows", lambda *a, **k: replace(prepared(*a, **k), flat=1e-3))
    assert told(0.05, steps_of_a_fit(frame), STRICT) == pytest.approx(true_cells(frame), abs=0.4)


def test_a_fit_begins_where_nothing_weighs():
    assert not isinstance(ask(patients(), GlmDerivatives(MODEL, (0.0,) * 6), STRICT), str)


def test_at_larger_slopes_it_is_told_still():
    """What the rule does not stop: docs/threat-model.md says so."""
    frame = patients()
    for points in (CHOSEN, steps_of_a_fit(frame)):
        assert told(0.4, points, STRICT) == pytest.approx(true_cells(frame), abs=0.4)
