"""What the gate knows from a bound, a few rows or the question before, it would find by working out everything."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedstats as fs
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.dominance import (
    _MOST_SORTED,
    _upper_median,
    dominance,
    shares,
)
from fedstats.contract.flat_numbers import FlatNumbers
from fedstats.contract.joint_cells import (
    FLAT_AT_RISK,
    MANY,
    SAME_BY_CHANCE,
    SAME_IN_A_LEVEL,
    _hides,
    flat_of,
    joint_cells,
    level_cells,
    where_numbers_are_flat,
)
from fedstats.contract.model_cells import few_values, seems_few
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from tests.attacks.targets import BOOK, NONE, STRICT, cohort, column

SEEDS = st.integers(0, 2**32 - 1)


def odd(random, n):
    """A column of some kind: ties, zeros of either sign, what is no number, outliers, a sorted one, a pattern."""
    x = random.normal(size=n)
    kinds = (
        x,
        np.round(x, 1),
        random.integers(0, 3, n) * 1.0,
        random.exponential(size=n) ** 30,
        np.where(random.random(n) < 0.3, np.nan, x),
        np.where(random.random(n) < 0.5, -0.0, 0.0),
        np.sort(x),
        np.where(np.arange(n) % 20 == 0, 9.0, x),  # whoever looks at every twentieth sees no other
        np.append(np.zeros(n), 1.0)[-n:] if n else x,
    )
    return kinds[random.integers(len(kinds))]


@given(SEEDS, st.sampled_from([1, 2, 9, _MOST_SORTED // 2 - 1, _MOST_SORTED // 2, _MOST_SORTED + 1]))
def test_the_median_is_that_of_a_selection_among_all(seed, n):
    x = odd(np.random.default_rng(seed), n)
    np.testing.assert_array_equal(_upper_median(x), np.partition(x, n // 2)[n // 2])


@given(SEEDS, st.integers(0, 600), st.integers(1, 120))
def test_a_look_at_the_first_rows_never_hides_that_a_column_has_few_values(seed, n, most):
    random = np.random.default_rng(seed)
    columns = np.column_stack([odd(random, n) for _ in range(3)])
    for x, few in zip(columns.T, seems_few(columns, most), strict=True):
        values, counts = few_values(x, most)
        assert few or len(values) > most
        if few:
            known = np.unique(x, return_counts=True)
            np.testing.assert_array_equal(values, known[0])
            np.testing.assert_array_equal(counts, known[1])


@given(SEEDS, st.integers(1, 5))
def test_shares_in_products_of_two_columns_are_those_of_each_product(seed, q):
    columns = np.abs(np.random.default_rng(seed).standard_t(1.2, size=(300, q)))
    names = tuple("abcde"[:q])
    one, two = dominance(columns, names, np.zeros((300, 0)), ())
    for share, of_two, about in list(zip(one.counts, two.counts, one.labels, strict=True))[q:]:
        j, k = (names.index(name) for name in about.split(" times "))
        known = shares((columns[:, j] * columns[:, k])[:, None], np.ones((300, 1)))
        assert (share, of_two) == pytest.approx([float(s[0, 0]) for s in known], rel=1e-12)
    assert one.labels[q:] == tuple(f"{names[j]} times {names[k]}" for j in range(q) for k in range(j + 1))


def share_of_pairs(alike, among):
    """Of pairs of different patients, (n, n) bool, the share that is alike; 0 of hardly any."""
    among = among & ~np.eye(len(among), dtype=bool)
    return (alike & among).sum() / among.sum() if among.sum() >= MANY else 0.0


def bare_by_pairs(cell, numbers, indicators):
    """Of whom numbers hide nothing, pair by pair."""
    alike = np.logical_and.reduce(
        [x[:, None] == x for x in numbers] + [np.ones((len(cell),) * 2, dtype=bool)]
    )
    everybody = np.ones_like(alike)
    in_cell = share_of_pairs(alike, cell[:, None] == cell)
    if share_of_pairs(alike, everybody) > SAME_BY_CHANCE or in_cell > SAME_IN_A_LEVEL:
        return np.ones(len(cell), dtype=bool)
    bare = np.zeros(len(cell), dtype=bool)
    for level, inside in product(indicators.T > 0, (True, False)):
        half = level == inside
        if share_of_pairs(alike, half[:, None] & half) > SAME_IN_A_LEVEL:
            bare |= half
    return bare


@given(SEEDS, st.integers(30, 150), st.integers(0, 3), st.sampled_from([0.02, 0.2, 0.5]))
def test_whom_numbers_hide_is_what_counting_every_pair_finds(seed, n, count, rare):
    random = np.random.default_rng(seed)
    levels = random.choice(["x", "y"], n, p=[rare, 1 - rare])
    frame = pd.DataFrame({"f": pd.Categorical(levels, categories=["y", "x", "z"])})
    numbers = []
    for j in range(count):
        x = [random.normal(size=n), random.integers(0, 25, n) * 1.0, random.exponential(size=n)][j]
        x = np.where(random.random(n) < random.choice([0.0, 0.3, 0.6]), 7.0, x)  # many with the same
        frame[f"n{j}"] = np.where(levels == "x", 7.0, x) if random.random() < 0.3 else x
        numbers.append(f"n{j}")
    design = Design((Column("f", (Part("f", "x"),)), *(Column(name, (Part(name),)) for name in numbers)))
    indicators = (levels == "x").astype(float)[:, None]
    raw = design.raw(frame)
    found = joint_cells(level_cells(design, frame, raw), design, raw, indicators)
    cell, many = np.unique(levels, return_inverse=True)[1], []
    for name in numbers:
        x = frame[name].to_numpy()
        if len(np.unique(x)) >= MANY:
            many.append(x)
        else:
            cell = np.unique(np.column_stack([cell, x]), axis=0, return_inverse=True)[1].ravel()
    bare = bare_by_pairs(cell, many, indicators)
    np.testing.assert_array_equal(found, np.where(bare, cell, -1))
    if many and _hides(many[0], cell, indicators):
        assert not bare.any()


def test_a_number_of_many_values_hides_the_table_without_a_sorting():
    random = np.random.default_rng(2)
    half = (np.arange(1000) % 2).astype(float)[:, None]
    assert _hides(random.normal(size=1000), np.arange(1000) % 4, half)
    assert not _hides(np.where(half[:, 0] > 0, 0.0, random.normal(size=1000)), np.arange(1000) % 4, half)
    assert not _hides(np.append(random.normal(size=999), np.nan), np.zeros(1000, dtype=int), half[:, :0])


@given(
    SEEDS,
    st.sampled_from([0.0, 0.99, 1.01, 2.1, 50.0]),
    st.booleans(),
    st.sampled_from(["none", "levels", "number"]),
    st.sampled_from(["number", "follows", "alone", "large"]),
    st.sampled_from([FLAT_AT_RISK, None]),
)
def test_numbers_are_flat_where_all_rows_say_so(seed, spread, mixed, offset, kind, flat):
    """Of a number of its own, one that follows from the levels but for little, one without any levels, one of large terms."""
    random = np.random.default_rng(seed)
    n, some = 3000, 0 if kind == "alone" else 1
    a, b = (random.integers(0, 2, n) * 1.0 * some for _ in range(2))
    f, s = (random.integers(0, 6, n) * some for _ in range(2))
    by_cell = random.normal(size=(2, 2, 6, 6))[a.astype(int), b.astype(int), f, s]
    x = np.column_stack([random.normal(size=n), a, b, f / 7.0, s / 7.0, random.normal(size=n) * a])
    if kind == "follows":
        x[:, 0] = by_cell + x[:, 0] * random.choice([0.0, 0.1])
    who = random.random(n) < random.choice([0.9, 1.1])
    shift = {
        "none": None,
        "levels": np.where(a > 0, 0.3, 0.0),
        "number": by_cell + random.normal(size=n) * 1e-3,
    }[offset]
    columns = [
        Column("x", (Part("x"),)),
        Column("a", (Part("a", "1"),)),
        Column("b", (Part("b", "1"),)),
        Column("f", (Part("f"),)),
        Column("s", (Part("s"),)),
        Column("ax", (Part("x"), *((Part("a", "1"),) if mixed else ()))),
    ]
    cell = np.unique(np.column_stack([a, b, f, s]), axis=0, return_inverse=True)[1].ravel()
    within = 0.7 if mixed else 0.0  # what weighs within one level alone
    slopes = np.array([0.0, *random.choice([0.0, 0.7], 4), within])
    flat = flat_of(cell) if flat is None else flat
    slopes[0] = spread * flat / x[who, 0].std()
    if kind == "large":  # terms of 1e15 whose rounding is larger than a spread
        slopes[1] = 1e15
    levels = np.column_stack([a, b])
    numbers = FlatNumbers.of(columns, x, shift, who, cell, levels, flat)
    assert numbers.number.tolist() == [True, *[False] * 4, kind != "alone"]
    found = numbers.at(slopes, x @ slopes + 0.4)
    eta, by_number = x @ slopes, x @ np.where(numbers.number, slopes, 0)
    if shift is not None:
        eta += shift
        by_number += shift if offset == "number" else 0
    halves = levels[who] if mixed else np.zeros((int(who.sum()), 0))
    known = where_numbers_are_flat(eta[who], by_number[who], cell[who], halves, flat)
    assert [e.counts.tolist() for e in found] == [e.counts.tolist() for e in known]


def test_a_number_that_follows_from_levels_without_a_slope_hides_nothing():
    """Until then one cell was taken for granted where no level has a slope."""
    random = np.random.default_rng(4)
    cell = random.integers(0, 36, 2000)
    x = np.column_stack([random.normal(size=36)[cell], cell == 1])
    columns = [Column("x", (Part("x"),)), Column("a", (Part("a", "1"),))]
    who, slopes = np.ones(2000, dtype=bool), np.array([0.8, 0.0])
    (told,) = FlatNumbers.of(columns, x, None, who, cell, x[:, 1:], flat_of(cell)).at(slopes, x @ slopes)
    assert told.counts.sum() == 2000
    assert len(told.counts) == 36


def questions():
    """Models of one table with what a site keeps of a point: predictors, their offset, sizes of splines, an outcome's unit."""
    design = Design((column("age"), column("M", ("sex", "M"))), intercept=True)
    square = Column("age2", (Part("age"), Part("age")), 4000.0, 1000.0)
    points = [(0.0, 0.0, 0.0), (0.1, 0.2, -0.1), (0.1, 0.2, -0.2)]
    logistic = GlmModel("y", design, None, None, None)
    yield from (GlmDerivatives(logistic, beta) for beta in points)
    yield GlmMeat(logistic, points[1])
    measured = GlmModel("lab", design, None, None, None, "gaussian", "identity")
    yield from (GlmDerivatives(measured, beta) for beta in points)
    bent = GlmModel("y", Design((column("age"), square), intercept=True), None, "lab", None)
    yield from (GlmDerivatives(bent, beta) for beta in points)


@pytest.mark.parametrize("policy", [NONE, STRICT], ids=["none", "strict"])
def test_what_a_site_keeps_of_a_point_changes_no_later_answer(policy):
    frame, asked = cohort(), list(questions())
    fresh = [fs.Site("x", frame, BOOK, policy).answer(q) for q in asked]
    kept = fs.Site("x", frame, BOOK, policy)
    for k in (*range(len(asked)), *reversed(range(len(asked))), 1, 3, 1):
        known, found = fresh[k], kept.answer(asked[k])
        assert found.released == known.released
        assert (
            found.content.to_dict() == known.content.to_dict()
            if known.released
            else found.content == known.content
        )
        assert found.review.equals(known.review)
    assert any(answer.released for answer in fresh)
