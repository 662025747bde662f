"""The rule of dominance: shares by hand, the bound that saves their arithmetic, and what ordinary data look like."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.contract.dominance import (
    NEGLIGIBLE,
    deviations,
    dominance,
    shares,
    shares_of_groups,
    with_floor,
)
from fedstats.contract.variable import Variable
from fedstats.methods.descriptives import Moments
from tests.attacks.targets import NONE, STRICT, TEACHING, ask, cohort, column, logistic

EVERYONE = np.ones((5, 1))


def test_shares_are_those_of_the_largest_and_of_the_two_largest():
    one, two = shares(np.array([[6.0], [3.0], [1.0], [0.0], [0.0]]), EVERYONE)
    assert (one[0, 0], two[0, 0]) == pytest.approx((0.6, 0.9))


def test_of_nothing_there_is_no_share():
    assert [s[0, 0] for s in shares(np.zeros((5, 1)), EVERYONE)] == [0, 0]
    assert dominance(np.zeros((0, 3)), ("a", "b", "c"), np.zeros((0, 1)), ("all",)) == ()


def test_a_cell_of_one_patient_is_his_alone():
    cells = np.array([[1.0], [0], [0], [0], [0]])
    one, two = shares(np.arange(1.0, 6)[:, None], cells)
    assert (one[0, 0], two[0, 0]) == (1, 1)


@pytest.mark.parametrize("floor", [False, True])
def test_groups_that_share_nobody_have_the_shares_of_their_cells(floor):
    random = np.random.default_rng(3)
    contributions = np.abs(random.normal(size=(90, 3))) ** 3
    contributions[:40, 2] = 0.0
    group = random.integers(0, 30, 90) + 2  # of one, of two, of some patients, and two of nobody
    assert {0, 1, 2} <= set(np.bincount(group, minlength=32).tolist())
    cells = (group[:, None] == np.arange(32)).astype(float)
    for found, expected in zip(
        shares_of_groups(contributions, group, 32, floor=floor),
        shares(contributions, cells, floor=floor),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_group_with_what_is_no_number_has_no_share_that_could_pass():
    one, two = shares_of_groups(np.array([[1.0], [np.inf], [1.0], [np.nan]]), np.array([0, 0, 1, 1]), 2)
    assert np.isnan(one).all()
    assert np.isnan(two).all()


def test_deviations_are_from_the_median():
    assert deviations(np.array([[1.0], [2.0], [9.0]]))[:, 0].tolist() == [1, 0, 7]


def test_of_many_patients_the_median_is_that_of_evenly_spaced_rows():
    x = np.random.default_rng(5).normal(size=(100_003, 1))
    found = deviations(x)
    exact = np.abs(x - np.median(x))
    # the standard error of a median of 20,000 normal numbers is 1.2533 / sqrt(20,000) = 0.0089; four of them
    assert 0 < np.abs(found - exact).max() < 0.036


def test_the_floor_is_the_mean_without_the_two_largest_and_keeps_no_digit_of_these():
    raised = with_floor(np.array([[0.0], [0], [1], [2], [3], [1e121], [2e121]]))[:, 0]
    # the largest of the others counts as one of them: (0 + 0 + 1 + 2 + 3) / 5
    assert raised[:4].tolist() == pytest.approx([1.2, 1.2, 1.2, 2])
    assert raised[-1] == 2e121


def test_where_two_patients_alone_deviate_nothing_is_raised():
    values = np.array([[0.0], [0], [0], [4], [5]])
    assert with_floor(values).tolist() == values.tolist()


def test_a_bound_is_never_below_the_share_it_stands_for():
    random = np.random.default_rng(0)
    contributions = np.abs(random.normal(size=(5000, 4)))
    cells = (random.random((5000, 3)) < [0.5, 0.9, 0.02]).astype(float)
    one, two = shares(contributions, cells)
    inside = [np.sort(contributions[cells[:, c] > 0], axis=0) for c in range(3)]
    exact_one = np.array([v[-1] / v.sum(axis=0) for v in inside])
    exact_two = np.array([v[-2:].sum(axis=0) / v.sum(axis=0) for v in inside])
    assert (one >= exact_one * (1 - 1e-12)).all()
    assert (two >= exact_two * (1 - 1e-12)).all()
    assert one[2] == pytest.approx(exact_one[2], rel=1e-12)
    assert (one[:2] <= NEGLIGIBLE).all()


# what gets past every other rule ----------------------------------------------------------------


def far(cell=None, away=1e6):
    """One patient whose lab value is far out, in a level of ``a`` or anywhere."""
    frame = cohort()
    frame.loc[40 if cell is None else frame.index[frame["a"] == cell][7], "lab"] += away
    return frame


ONE_IN = {
    "a sum": logistic(column("lab")),
    "a sum by level": logistic(column("lab"), column("a")),
    "a product": logistic(column("lab"), column("age")),
    "an interaction": logistic(column("la", "lab", "a")),
    "a mean": Moments("lab", None, (), 0.0, 1.0),
    "a mean by group": Moments("lab", "sex", ("F", "M"), 0.0, 1.0),
}


@pytest.mark.parametrize("question", ONE_IN.values(), ids=ONE_IN)
def test_a_value_far_out_is_read_off_without_a_gate_and_refused_with_one(question):
    name = "sum" if isinstance(question, Moments) else "score"
    change = [ask(frame, question, NONE)[name].ravel() for frame in (far(1), far(1, 2e6))]
    assert np.abs(change[1] - change[0]).max() == pytest.approx(
        1e6 if name == "sum" else 5e5, rel=1e-6
    )  # his value, to the unit: y - 1/2 in a first round
    assert ask(far(1), question, STRICT) == "dominance"
    assert ask(far(1), question, TEACHING) == "dominance"
    assert not isinstance(ask(cohort(), question, STRICT), str)


def test_two_far_out_are_refused_as_two():
    frame = far(1)
    frame.loc[200, "lab"] -= 1e6
    frame.loc[300, "lab"] += 1e5
    assert ask(frame, ONE_IN["a mean"], STRICT) == "dominance of two"


@pytest.mark.parametrize(("share", "leaves"), [(0.49, True), (0.51, False)])
def test_half_of_a_sum_is_the_limit(share, leaves):
    frame = cohort()
    frame["lab"] = np.where(np.arange(360) % 2, 99.0, 101.0)
    frame.loc[7, "lab"] = 100.0 + 359 * share / (1 - share)
    # of the sum of deviations; the square is judged on its own and would refuse sooner
    found = list(dominance(deviations(frame[["lab"]].to_numpy()), ("lab",), np.zeros((360, 0)), ()))
    assert found[0].counts[0] == pytest.approx(share, abs=0.002)
    assert bool(found[0].counts[0] <= STRICT.max_top_share) is leaves


def test_a_weight_that_makes_one_patient_the_sum_is_refused():
    frame = cohort(w=np.where(np.arange(360) % 2, 1.0, 2.0))
    assert not isinstance(ask(frame, logistic(column("age"), weights="w"), STRICT), str)
    frame.loc[5, "w"] = 1e4
    assert ask(frame, logistic(column("age"), weights="w"), STRICT) in ("dominance", "effective sample size")


# ordinary data ----------------------------------------------------------------------------------

BOOK = Codebook(
    (
        Variable("time", "time"),
        Variable("event", "event"),
        Variable("age", "numeric", centre=65, scale=8),
        Variable("ldh", "numeric", centre=250, scale=128),
        Variable("albumin", "numeric", centre=4, scale=0.5),
        Variable("lesions", "numeric"),
        Variable("ecog", "factor", levels=("0", "1", "2")),
        Variable("sex", "factor", levels=("F", "M")),
        Variable("dose", "numeric"),
    )
)
TERMS = "age + ldh + albumin + lesions + C(ecog) + sex + sex:age + dose"


def ordinary(seed, n):
    """Patients with skewed, discrete and many-zero measurements, none of them planted."""
    random = np.random.default_rng(seed)
    age = random.normal(65, 9, n).clip(30, 95)
    hazard = 0.05 * np.exp(0.02 * (age - 65))
    time, end = random.exponential(1 / hazard), random.uniform(6, 60, n)
    return pd.DataFrame(
        {
            "time": np.minimum(time, end),
            "event": (time <= end).astype(int),
            "age": age,
            "ldh": random.lognormal(5.5, 0.5, n),
            "albumin": random.normal(3.9, 0.4, n),
            "lesions": random.poisson(1.2, n),
            "ecog": random.choice(["0", "1", "2"], n, p=[0.4, 0.4, 0.2]),
            "sex": random.choice(["F", "M"], n),
            "dose": np.where(random.random(n) < 0.7, 0.0, random.choice([1.0, 2.0, 4.0], n)),
        }
    )


@pytest.mark.acceptance(24)
def test_of_two_hundred_ordinary_fits_none_is_refused_for_who_weighs():
    """One is for another rule, and rightly: age weighs nothing among the men of seed 24, nor does any other number there.

    Lesions are a number of few values, so all cells of lesions and performance status are told among them, of single patients too.
    """
    sizes = np.linspace(420, 900, 100).astype(int)
    refused = []
    for seed, n in enumerate(sizes):
        sites = fs.InProcess({"one": ordinary(seed, n), "two": ordinary(1000 + seed, n)}, BOOK)
        fits = (
            lambda s: fs.cox(s, f"Surv(time, event) ~ {TERMS}"),
            lambda s: fs.logistic(s, f"event ~ {TERMS}"),
        )
        for fit in fits:
            try:
                fit(sites)
            except fs.SiteRefused as refusal:
                refused.append((seed, refusal.rule))
    assert refused == [(24, "joint cell of levels")]


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_looking_at_deviations_changes_no_row(columns, order):
    rows = np.array(np.random.default_rng(0).normal(size=(40, columns)), order=order)
    before = rows.copy()
    deviations(rows)
    assert np.array_equal(rows, before)
