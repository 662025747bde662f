"""Newton's method: where it stops, what belongs to the answer, and what it calls by name."""

from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings
from scipy.optimize import minimize

from fedstats.numerics.families import LOGIT
from fedstats.numerics.newton import Derivatives, NotConverged, newton
from tests.numerics.separation import cox_rows, infinite_terms, logistic_rows
from tests.numerics.test_partial_likelihood import fast_cox

LAW = settings(max_examples=120, deadline=None, database=None, derandomize=True)
Function = Callable[[np.ndarray], Derivatives]


class Counted:
    """Counts the evaluations: each is one round of a federation."""

    def __init__(self, derivatives: Function) -> None:
        self.derivatives, self.rounds = derivatives, 0

    def __call__(self, beta: np.ndarray) -> Derivatives:
        self.rounds += 1
        return self.derivatives(beta)


def quadratic(matrix: np.ndarray, top: np.ndarray) -> Function:
    return lambda b: Derivatives(float(-0.5 * (b - top) @ matrix @ (b - top)), -matrix @ (b - top), matrix, b)


def logistic(x: np.ndarray, y: np.ndarray, w: np.ndarray | float = 1.0) -> Function:
    def derivatives(beta: np.ndarray) -> Derivatives:
        eta = x @ beta
        curvature = w * LOGIT.expected(eta)
        return Derivatives(
            float(np.sum(w * LOGIT.loglik(y, eta))),
            x.T @ (w * LOGIT.residual(y, eta)),
            x.T @ (curvature[:, None] * x),
            beta,
        )

    return derivatives


def cox(time: np.ndarray, event: np.ndarray, x: np.ndarray, ties: str = "efron") -> Function:
    def derivatives(beta: np.ndarray) -> Derivatives:
        at = fast_cox(np.zeros(len(time), int), None, time, event, None, x @ beta, x, ties)
        return Derivatives(at.loglik, at.score, at.information, beta)

    return derivatives


def names(p: int) -> list[str]:
    return [f"term{j}" for j in range(p)]


# Where it stops ---------------------------------------------------------------------------------


def test_a_quadratic_needs_one_step_and_the_final_one() -> None:
    top = np.array([3.0, -2.0])
    f = Counted(quadratic(np.array([[4.0, 1.0], [1.0, 3.0]]), top))
    solution = newton(f, np.zeros(2), names(2))
    np.testing.assert_allclose(solution.beta, top, rtol=1e-15)
    assert (solution.steps, f.rounds) == (2, 3)


def test_started_at_the_top_it_takes_the_final_step_alone() -> None:
    top = np.array([3.0, -2.0])
    f = Counted(quadratic(np.eye(2), top))
    assert newton(f, top, names(2)).steps == 1
    assert f.rounds == 2


def test_score_information_and_loglik_belong_to_the_reported_coefficients() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    f = logistic(x, (rng.random(200) < 0.3).astype(float))
    solution = newton(f, np.zeros(3), names(3))
    again = f(solution.beta)
    np.testing.assert_array_equal(solution.beta, solution.at.beta)
    np.testing.assert_array_equal(solution.at.score, again.score)
    np.testing.assert_array_equal(solution.at.information, again.information)
    assert solution.at.loglik == again.loglik
    assert np.abs(again.score).max() < 1e-11  # not 1e-7: the final step has been taken
    np.testing.assert_array_equal(solution.first.score, f(np.zeros(3)).score)


def test_a_recorded_point_counts_and_not_the_one_that_was_asked() -> None:
    f = quadratic(np.eye(1), np.array([1.0]))
    nudged = newton(lambda b: f(b + 1e-12)._replace(beta=b + 1e-12), np.zeros(1), ["a"])
    assert nudged.beta == nudged.at.beta
    assert nudged.beta[0] == pytest.approx(1.0, abs=2e-12)


def test_an_overshoot_is_halved_until_the_likelihood_does_not_fall() -> None:
    # -log cosh: beyond 1.09 Newton's full step lands farther out on the other side
    f = Counted(
        lambda b: Derivatives(
            float(-np.log(np.cosh(b[0]))), -np.tanh(b), np.array([[1 / np.cosh(b[0]) ** 2]]), b
        )
    )
    solution = newton(f, np.array([2.0]), ["a"])
    assert solution.beta[0] == pytest.approx(0.0, abs=1e-12)
    assert f.rounds == solution.steps + 1


def test_a_step_to_where_the_likelihood_is_not_finite_is_halved() -> None:
    def log_minus(b: np.ndarray) -> Derivatives:  # log b - b, undefined for b <= 0; from 3 the step is -6
        value = np.log(b[0]) - b[0] if b[0] > 0 else np.nan
        return Derivatives(float(value), 1 / b - 1, np.array([[1 / b[0] ** 2]]), b)

    assert newton(log_minus, np.array([3.0]), ["a"]).beta[0] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_start_without_a_finite_likelihood_is_refused(value: float) -> None:
    with pytest.raises(NotConverged, match="not finite at the start"):
        newton(lambda b: Derivatives(value, b, np.eye(1), b), np.zeros(1), ["a"])


def test_out_of_steps_is_said_and_costs_no_more_rounds_than_allowed() -> None:
    f = Counted(quadratic(np.eye(1), np.array([1e6])))
    steep = Counted(lambda b: f(b)._replace(information=np.array([[1e3]])))  # a thousandth of each step
    with pytest.raises(NotConverged, match="7 steps"):
        newton(steep, np.zeros(1), ["a"], max_steps=7)
    assert steep.rounds <= 8


@LAW
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_the_maximum_is_the_one_a_general_optimiser_finds(seed: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(60), rng.normal(size=(60, p - 1))])
    y = (rng.random(60) < 0.4).astype(float)
    f = logistic(x, y)
    found = newton(f, np.zeros(p), names(p)).beta
    slow = minimize(
        lambda b: -f(b).loglik, np.zeros(p), jac=lambda b: -f(b).score, method="BFGS", options={"gtol": 1e-9}
    )
    np.testing.assert_allclose(found, slow.x, atol=1e-6)  # BFGS stops at the root of its rounding


# What it calls by name --------------------------------------------------------------------------


def test_a_constant_column_is_named_at_once_with_the_remedy() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.normal(size=40), np.zeros(40)])
    f = Counted(logistic(x, (rng.random(40) < 0.5).astype(float)))
    with pytest.raises(NotConverged, match=r"No information about flat: .*Drop it") as error:
        newton(f, np.zeros(2), ["age", "flat"])
    assert "age" not in str(error.value)
    assert f.rounds == 1


def test_an_exact_combination_is_named_with_its_parts_and_no_others() -> None:
    rng = np.random.default_rng(2)
    a, b, c = rng.normal(size=(3, 80))
    x = np.column_stack([a, c, b, 2 * a - 3 * b])
    f = Counted(logistic(x, (rng.random(80) < 0.5).astype(float)))
    with pytest.raises(NotConverged, match=r"^mix is a linear combination of a, b: .*Drop one"):
        newton(f, np.zeros(4), ["a", "c", "b", "mix"])
    assert f.rounds == 1


def test_nearly_collinear_columns_are_fitted() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=400)
    x = np.column_stack([a, a + 1e-4 * rng.normal(size=400)])  # correlation 1 - 5e-9
    y = (rng.random(400) < 1 / (1 + np.exp(-a))).astype(float)
    f = logistic(x, y)
    solution = newton(f, np.zeros(2), ["a", "b"])
    assert np.abs(f(solution.beta).score).max() < 1e-9


def test_two_infinite_coefficients_of_a_cox_model_are_both_named() -> None:
    # the data set "infcox" of R's survival: the log-likelihood runs from -6.87 to -1.79
    time, event = np.arange(1.0, 13), np.array([1, 0, 1, 0, 1] + [0] * 7, bool)
    x = np.column_stack([np.tile([0.0, 1.0], 6), np.repeat([0.0, 1.0], 6)])
    f = Counted(cox(time, event, x))
    assert f(np.zeros(2)).loglik == pytest.approx(-6.86693328446, abs=1e-10)
    with pytest.raises(NotConverged) as error:
        newton(f, np.zeros(2), ["x1", "x2"])
    assert "x1 (towards minus infinity), x2 (towards minus infinity)" in str(error.value)
    assert "Merge sparse levels" in str(error.value)
    assert f.rounds <= 16


def test_a_column_that_goes_to_infinity_leaves_the_finite_ones_unnamed() -> None:
    rng = np.random.default_rng(5)
    age, rare = rng.normal(size=300), (np.arange(300) < 12).astype(float)
    y = np.where(rare == 1, 0.0, rng.random(300) < 1 / (1 + np.exp(-age)))
    x = np.column_stack([np.ones(300), age, rare])
    with pytest.raises(NotConverged, match=r"rare \(towards minus infinity\)") as error:
        newton(logistic(x, y), np.zeros(3), ["Intercept", "age", "rare"])
    assert "age" not in str(error.value).split(":")[0]


OVERLAP = {(0, 0): [0, 1] * 10, (1, 1): [0, 1] * 10, (1, 0): [1] * 10, (0, 1): [0] * 10}


def test_a_runaway_difference_of_two_columns_is_named_although_each_keeps_its_information() -> None:
    rows = [(1.0, a, b, y) for (a, b), outcomes in OVERLAP.items() for y in outcomes]
    x, y = np.array(rows)[:, :3], np.array(rows)[:, 3]
    assert infinite_terms(logistic_rows(x, y)) == {1: {1}, 2: {-1}}
    f = Counted(logistic(x, y))
    with pytest.raises(NotConverged, match=r"a \(towards plus infinity\), b \(towards minus infinity\)"):
        newton(f, np.zeros(3), ["Intercept", "a", "b"])
    assert f.rounds <= 16


# No false alarm ---------------------------------------------------------------------------------


def two_groups(n: int, rare: int, events: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of n with the outcome; a level of ``rare`` more patients with few outcomes."""
    x = np.column_stack([np.ones(n + rare), np.repeat([0.0, 1.0], [n, rare])])
    return x, np.concatenate([np.tile([0.0, 1.0], n // 2), np.ones(events), np.zeros(rare - events)])


@pytest.mark.parametrize(("n", "rare"), [(100, 50), (1000, 400), (100_000, 403), (20, 100_000)])
@pytest.mark.parametrize("events", [1, 2, 20])
def test_a_rare_outcome_in_a_level_has_a_finite_odds_ratio(n: int, rare: int, events: int) -> None:
    x, y = two_groups(n, rare, events)
    beta = newton(logistic(x, y), np.zeros(2), ["Intercept", "level"]).beta
    # two groups: the estimate is the difference of the log-odds
    assert beta[1] == pytest.approx(np.log(events / (rare - events)), abs=1e-9)


@pytest.mark.parametrize("outcomes", [1, 3])
def test_one_patient_of_a_hundred_thousand_in_a_level_of_four(outcomes: int) -> None:
    x, y = two_groups(100_000, 4, outcomes)
    beta = newton(logistic(x, y), np.zeros(2), ["Intercept", "level"]).beta
    assert beta[1] == pytest.approx(np.log(outcomes / (4 - outcomes)), abs=1e-9)


@pytest.mark.parametrize("odds_ratio", [np.exp(-6), np.exp(6), np.exp(9)])
def test_a_large_odds_ratio_is_no_separation(odds_ratio: float) -> None:
    w = np.array([100.0, 100.0, 100.0, 100.0 * odds_ratio])  # expected counts: the estimate is exact
    x, y = np.array([[1.0, 0], [1, 0], [1, 1], [1, 1]]), np.array([0.0, 1, 0, 1])
    beta = newton(logistic(x, y, w), np.zeros(2), ["Intercept", "level"]).beta
    assert beta[1] == pytest.approx(np.log(odds_ratio), rel=1e-10)


@pytest.mark.parametrize("hazard_ratio", [np.exp(-6), np.exp(6)])
def test_a_large_hazard_ratio_is_no_monotone_likelihood(hazard_ratio: float) -> None:
    rng = np.random.default_rng(8)
    level = (np.arange(4000) % 2).astype(float)
    time = rng.exponential(size=4000) / np.where(level == 1, hazard_ratio, 1)
    solution = newton(cox(time, np.ones(4000, bool), level[:, None]), np.zeros(1), ["level"])
    assert solution.beta[0] == pytest.approx(np.log(hazard_ratio), abs=0.5)


# Small data sets, decided by linear programming -------------------------------------------------


def _named(f: Function, p: int) -> tuple[set[tuple[int, int]], int] | None:
    """Terms named with their sign, and the rounds it took; None: the fit is finite."""
    counted = Counted(f)
    try:
        solution = newton(counted, np.zeros(p), names(p))
    except NotConverged as error:
        text = str(error)
        assume("No information" not in text)
        assume("linear combination" not in text)
        signs = {"plus": 1, "minus": -1}
        found = {(j, signs[w]) for j in range(p) for w in signs if f"term{j} (towards {w} infinity)" in text}
        return found, counted.rounds
    assert np.abs(f(solution.beta).score).max() < 1e-8
    return None


@st.composite
def small_fits(draw):
    """A likelihood of few patients, and the vectors that decide whether its maximum is finite."""
    n, p = draw(st.integers(6, 16)), draw(st.integers(1, 3))
    cells = st.sampled_from([0.0, 1.0]) if draw(st.booleans()) else st.integers(-2, 2).map(float)
    x = np.array(draw(st.lists(st.lists(cells, min_size=p, max_size=p), min_size=n, max_size=n)))
    event = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    if draw(st.booleans()):
        x, y = np.column_stack([np.ones(n), x]), event.astype(float)
        f, rows = logistic(x, y), logistic_rows(x, y)
    else:
        time = np.array(draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))).astype(float)
        f, rows = cox(time, event, x), cox_rows(time, event, x)
    assume(len(rows) and np.linalg.matrix_rank(rows) == x.shape[1])
    return f, rows


@LAW
@given(small_fits())
def test_a_fit_is_refused_exactly_when_linear_programming_finds_no_finite_maximum(fit) -> None:
    f, rows = fit
    assert (_named(f, rows.shape[1]) is None) == (not infinite_terms(rows))


@LAW
@given(small_fits())
def test_infinite_terms_are_named_with_their_direction_within_sixteen_rounds(fit) -> None:
    f, rows = fit
    infinite = infinite_terms(rows)
    assume(infinite)
    found, rounds = _named(f, rows.shape[1])
    assert found
    assert all(sign in infinite.get(j, ()) for j, sign in found)
    assert rounds <= 16
