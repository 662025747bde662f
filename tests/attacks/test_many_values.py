"""A number of hundreds of evenly spaced values, under coefficients as steep as a codebook's own scale allows."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.few_predictors import predictor_groups
from fedstats.contract.refusal import Refusal
from fedstats.contract.shapes import Power
from fedstats.federations.site import Site
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from tests.attacks.targets import BOOK, LARGE, NONE, STRICT, ask, cohort, column, logistic

pytestmark = pytest.mark.acceptance(20)
VALUES, N = 300, 1200
NUMBER = np.append(np.arange(VALUES), np.random.default_rng(17).integers(0, VALUES, N - VALUES)) / 10


def rows():
    frame = cohort().iloc[np.arange(N) % 360].reset_index(drop=True)
    return frame.assign(lab=NUMBER)


def counts_of_values(policy, slope, points=120):
    """Weights that stand for a few values each, moved over all of them: how many patients have each value."""
    site, asked = Site("north", rows(), BOOK, policy), logistic(column("lab"), column("b"))
    sums, weights = [], []
    for at in np.linspace(0.1, 29.8, points):
        answer = site.answer(replace(asked, beta=(-slope * at, slope, 0.0))).content
        if isinstance(answer, Refusal):
            return answer.rule
        x = full_matrix(answer.values()["information"])
        away, eta = np.arange(VALUES) / 10 - at, slope * (np.arange(VALUES) / 10 - at)
        one = 1 / (1 + np.exp(-eta)) / (1 + np.exp(eta))
        weights += [one, one * away, one * away**2]
        sums += [x[0, 0], x[0, 1] - at * x[0, 0], x[1, 1] - 2 * at * x[0, 1] + at**2 * x[0, 0]]
    found = np.linalg.lstsq(np.array(weights), np.array(sums), rcond=None)[0]
    return float(np.mean(np.rint(found) == np.bincount(np.rint(10 * NUMBER).astype(int))))


def test_points_tell_how_many_have_each_of_300_values_without_a_gate_and_are_refused():
    assert counts_of_values(NONE, 9.0) > 0.9
    assert counts_of_values(STRICT, 9.0) == "size of coefficients"
    assert counts_of_values(LARGE, 5.0) == "patients of one predictor"


def test_at_the_coefficients_that_are_answered_they_tell_next_to_nothing():
    answered = counts_of_values(STRICT, 0.49)
    assert not isinstance(answered, str)
    held = np.bincount(np.bincount(np.rint(10 * NUMBER).astype(int)))
    assert answered < held.max() / VALUES + 0.1  # as many as whoever says the commonest count of every value


@pytest.mark.parametrize(("slope", "groups"), [(9.0, VALUES), (1.5, VALUES), (1.2, None), (0.5, None)])
def test_values_are_groups_where_their_step_is_one_that_weights_tell_apart(slope, groups):
    found = predictor_groups(slope * NUMBER)
    assert (None if found is None else int(found.max()) + 1) == groups


# Units -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.01, 1.0, 1000.0])
def test_no_scale_of_a_codebook_or_a_question_makes_a_coefficient_smaller(scale):
    asked = logistic(column("lab", scale=scale), column("b"))
    steep, flat = (replace(asked, beta=(0.0, slope * scale, 0.0)) for slope in (1.0, 0.3))
    assert ask(rows(), steep, STRICT) == "size of coefficients"
    assert not isinstance(ask(rows(), flat, STRICT), str)


def of_age(*slopes):
    design = Design(
        tuple(Column("", (Part("age", None, Power(k + 1)),)) for k in range(len(slopes))), intercept=True
    )
    return GlmDerivatives(GlmModel("y", design, None, None, None), (0.0, *slopes))


def test_functions_of_one_number_are_judged_by_what_they_add_together():
    """A bend of 0.004 a year squared, around 60: its two coefficients are large, and what they add is not."""
    assert not isinstance(ask(cohort(), of_age(-0.48, 0.004), STRICT), str)
    assert ask(cohort(), of_age(0.0, 0.004), STRICT) == "size of coefficients"


def test_a_number_within_a_level_counts_among_those_with_the_level():
    frame = cohort()
    asked = logistic(column("b"), column("x", "age", ("ecog", "1")), column("e", ("ecog", "1")))
    mean = frame.loc[frame["ecog"] == 1, "age"].mean()
    apart = replace(asked, beta=(0.0, 0.0, 0.6, -0.6 * mean))
    assert ask(frame, apart, STRICT) == "size of coefficients"
    beside = replace(asked, beta=(0.0, 0.0, 0.05, -0.05 * mean))
    assert not isinstance(ask(frame, beside, STRICT), str)
    shifted = replace(asked, beta=(0.0, 0.0, 0.0, 5.1))  # what a level adds is the coefficient itself
    assert ask(frame, shifted, STRICT) == "size of coefficients"


def test_a_coefficient_counts_by_those_who_are_far_out_where_nearly_everybody_is_alike():
    """A standard deviation of 0.2 would let a coefficient of 25 pass for 5."""
    few = np.where(np.arange(360) % 30 == 0, 1.0, np.random.default_rng(2).normal(0, 1e-3, 360))
    asked = logistic(column("w"), column("b"), beta=(0.0, 11.0, 0.0))
    assert 11 * few.std() < 5
    assert ask(cohort(w=few), asked, STRICT) == "size of coefficients"


def test_rows_that_do_not_pass_are_refused_for_that_at_any_coefficient():
    """Else the size at which the rule changes would tell how far the one patient is who makes up the sum."""
    lab = np.random.default_rng(5).normal(0, 1, 360)
    lab[77] = 500.0
    asked = logistic(column("lab"), column("b"))
    for slope in (0.0, 0.1, 10.0, 1e4):
        assert ask(cohort(lab=lab), replace(asked, beta=(0.0, slope, 0.0)), STRICT) == "dominance"
