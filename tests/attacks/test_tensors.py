"""Small coefficients of a few levels, multiplied out: as many points as cells of the levels lay open who is alone in a cell.

A slope of age beside them smears the predictors, so that no group of patients shares one; an intercept far out makes a logistic weight
the exponential that factorises.  In a cell of one patient the sums of age and of a lab value divided by that of the weights are his,
and the weight confirms that he is alone.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.codebook import Codebook
from fedstats.contract.formula import parse
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.refusal import Refusal
from fedstats.contract.variable import Variable
from fedstats.federations import model_points
from fedstats.federations.memory import Memory
from fedstats.federations.model_points import OF_A_FIT, RECIPES
from fedstats.federations.site import Site
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from tests.attacks.targets import STRICT

SHARES = (0.3, 0.35, 0.25, 0.4, 0.3, 0.25, 0.35)
LEVELS = [f"f{j}" for j in range(1, 8)]
BOOK = Codebook(
    (
        Variable("age", "numeric", centre=65.0, scale=16.0),
        Variable("lab", "numeric", centre=3.8, scale=0.5),
        Variable("y", "event"),
        Variable("arm", "factor", levels=("no", "yes")),
        *(Variable(name, "factor", levels=("no", "yes")) for name in LEVELS),
    )
)
#: Between the two coefficients of a level, and of the fixed slope of age.
STEP, SLOPE = 0.5, 0.9
UNCOUNTED = replace(STRICT, max_numbers_per_patient=np.inf)


def patients(seed, n):
    random = np.random.default_rng(seed)
    frail = random.normal(size=n)
    columns = {
        name: 1 / (1 + np.exp(-np.log(share / (1 - share)) - 0.4 * frail))
        for name, share in zip(LEVELS, SHARES, strict=True)
    }
    yes = {name: np.where(random.random(n) < p, "yes", "no") for name, p in columns.items()}
    frame = pd.DataFrame(yes | {"arm": np.where(random.random(n) < 0.5, "yes", "no")})
    return frame.assign(
        age=np.round(65 + 9 * random.normal(size=n), 1).clip(30, 95),
        lab=np.round(3.8 + 0.5 * random.normal(size=n), 2).clip(1.5, 6),
        y=(random.random(n) < 0.4).astype(int),
    )


def model(right, weights=None):
    return GlmModel("y", parse(f"y ~ {right}", BOOK, intercept=True)[1], weights, None, None)


def told(place, question):
    content = place.remembered(place.answer(question)).content
    return content.rule if isinstance(content, Refusal) else content.values()


def alone(weights, ages, labs, design, sign=1.0, intercept=0.0):
    """Of each cell the age and the lab value of a patient who is alone in it, or None."""
    columns = {c.name: c for c in design.columns}
    found = []
    for one, age, lab in zip(weights, ages, labs, strict=True):
        z, value = age / one, lab / one
        if one > 1e-3 * np.exp(intercept) and abs(np.log(one) - intercept - sign * SLOPE * z) < 2e-3:
            unscaled = [columns[n].centre + columns[n].scale * x for n, x in (("age", z), ("lab", value))]
            found.append((round(unscaled[0], 1), round(unscaled[1], 2)))
        else:
            found.append(None)
    return found


def rows_of_a_model(policy, folder, k, n=700):
    """Rows that 2^k points of ``y ~ age + lab + f1 + ... + f7`` tell: how many are true, how many are not; or the rule and the point."""
    frame, far = patients(1, n), -20.0
    asked = model(f"age + lab + {' + '.join(LEVELS)}")
    names = asked.design.names
    age, lab, last = names.index("age"), names.index("lab"), names.index("f7[yes]")
    levels = [names.index(f"{name}[yes]") for name in LEVELS[:k]]
    place, sums = Site("north", frame, BOOK, policy, Memory(folder)), []
    for signs in product((-STEP, STEP), repeat=k):
        beta = np.zeros(len(names))
        beta[0], beta[age], beta[levels] = far, SLOPE, signs
        answer = told(place, GlmDerivatives(asked, tuple(beta.tolist())))
        if isinstance(answer, str):
            return answer, len(sums)
        sums.append(full_matrix(answer["information"]))
    cells = list(product((0, 1), repeat=k))
    tensor = np.exp(np.array(list(product((-STEP, STEP), repeat=k))) @ np.array(cells).T)
    within = np.linalg.solve(tensor, np.reshape(sums, (len(sums), -1))).reshape(np.shape(sums))
    has = [within[:, last, j] for j in (last, age, lab)]
    has_not = [within[:, 0, j] - within[:, last, j] for j in (0, age, lab)]
    rows = [
        (*cell, seventh, *row)
        for seventh, three in ((1, has), (0, has_not))
        for cell, row in zip(cells, alone(*three, asked.design, intercept=far), strict=True)
        if row is not None
    ]
    return count(rows, frame, [*LEVELS[:k], "f7"])


def count(rows, frame, levels):
    codes = [(frame[name] == "yes").astype(int) for name in levels]
    true = set(zip(*codes, frame["age"], frame["lab"], strict=True))
    right = sum(row in true for row in rows)
    return right, len(rows) - right


def test_64_points_of_a_model_tell_whole_rows_without_the_account_of_numbers(tmp_path):
    right, wrong = rows_of_a_model(UNCOUNTED, tmp_path, 6)
    assert right >= 10
    assert wrong == 0


def test_no_more_numbers_leave_than_there_are_patients_beyond_those_of_a_fit(tmp_path):
    rule, answered = rows_of_a_model(STRICT, tmp_path, 6)
    sums = 1 + 10 + 55 + 4  # log-likelihood, score, information; patients, their weight, events, dropped rows
    assert rule == "numbers of a model"
    assert answered == OF_A_FIT + 700 // sums


@pytest.mark.parametrize("n", [300, 700, 2000])
def test_so_many_points_tell_of_hardly_anybody(n, tmp_path):
    """As many levels as the account of numbers lets multiply out, with the one that the information multiplies besides."""
    points = OF_A_FIT + n // 70
    right, _ = rows_of_a_model(UNCOUNTED, tmp_path, int(np.log2(points)), n)
    assert right <= 2


def rows_of_a_weight(policy, folder, k=6, n=900):
    """Rows that 2^k recipes of a propensity weight tell of a model of age and lab alone."""
    frame = patients(3, n)
    propensity = parse(f"arm ~ age + {' + '.join(LEVELS[:6])}", BOOK, intercept=True)[1]
    names = propensity.names
    levels = [names.index(f"{name}[yes]") for name in LEVELS[:k]]
    asked = model("arm + age + lab", weights="made")
    age, lab = asked.design.names.index("age"), asked.design.names.index("lab")
    treated = asked.design.names.index("arm[yes]")
    points = [*product((-STEP, STEP), repeat=k)]
    points += [*np.random.default_rng(5).uniform(-STEP, STEP, (8, k))]
    place, sums = Site("north", frame, BOOK, policy, Memory(folder)), []
    for at in points:
        gamma = np.zeros(len(names))
        gamma[names.index("age")], gamma[levels] = SLOPE, at
        recipe = PropensityWeight("made", "arm", "yes", propensity, tuple(gamma.tolist()))
        zero = (0.0,) * len(asked.design.names)
        answer = told(place, replace(GlmDerivatives(asked, zero), made=(recipe,)))
        if isinstance(answer, str):
            return answer, len(sums)
        sums.append(4 * full_matrix(answer["information"]))
    cells, rows = list(product((0, 1), repeat=k)), []
    of_each = np.array(sums)
    # a weight is 1 + exp(-+ eta): one and the exponential of the treated, and of the others
    for arm, sign, first in ((1, -1.0, treated), (0, 1.0, 0)):
        tensor = np.column_stack([np.ones(len(points)), np.exp(sign * np.array(points) @ np.array(cells).T)])
        three = [of_each[:, first, j] - (0 if arm else of_each[:, treated, j]) for j in (first, age, lab)]
        within = [np.linalg.lstsq(tensor, values, rcond=None)[0][1:] for values in three]
        found = alone(*within, asked.design, sign)
        rows += [(*cell, arm, *row) for cell, row in zip(cells, found, strict=True) if row is not None]
    return count(rows, frame, [*LEVELS[:k], "arm"])


def test_recipes_of_a_weight_tell_whole_rows_by_treatment_where_nobody_counts_them(tmp_path, monkeypatch):
    monkeypatch.setattr(model_points, "RECIPES", 100)
    right, wrong = rows_of_a_weight(UNCOUNTED, tmp_path)
    assert right >= 5
    assert wrong == 0


def test_a_cohort_has_eight_recipes_of_a_weight(tmp_path):
    assert rows_of_a_weight(STRICT, tmp_path) == ("number of coefficients", RECIPES)
