"""The 128-bit sum against exact rational arithmetic and ``math.fsum``."""

import math
from fractions import Fraction
from functools import reduce

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from fedstats.numerics import exact_sum
from fedstats.numerics.exact_sum import add, decode, encode

LAW = settings(max_examples=200, deadline=None, database=None, derandomize=True)
EXPONENTS = st.integers(-60, 60)
SIGNED = st.sampled_from([-1.0, 1.0])


def exact(limbs, exponent: int) -> Fraction:
    """The rational number that two limbs stand for."""
    high, low = (int(v) for v in limbs.ravel())
    whole = ((high << 64) | low) - ((1 << 128) if high >> 63 else 0)
    return Fraction(whole) * Fraction(2) ** (exponent - 64)


def numbers(lowest: int, highest: int, size: int):
    """Signed float64 of every magnitude in [2**lowest, 2**highest), and zero."""
    one = st.builds(
        lambda sign, m, e: sign * math.ldexp(m, e),
        SIGNED,
        st.floats(0.5, 1, exclude_max=True),
        st.integers(lowest + 1, highest),
    )
    return st.lists(st.one_of(one, st.just(0.0)), min_size=1, max_size=size)


def total(values, exponent: int = 0) -> float:
    return float(decode(reduce(add, [held(v, exponent) for v in values]), exponent)[0])


def held(value: float, exponent: int = 0):
    """One number as it travels, (1, 2)."""
    return encode(np.array([value]), exponent)


@LAW
@given(numbers(-11, 56, 100))
def test_up_to_a_hundred_sites_add_up_as_math_fsum_does(values) -> None:
    assert total(values) == math.fsum(values)


@LAW
@given(numbers(-11, 56, 30), EXPONENTS)
def test_an_agreed_exponent_scales_and_changes_nothing_else(values, exponent) -> None:
    scaled = [math.ldexp(v, exponent) for v in values]
    assert total(scaled, exponent) == math.fsum(scaled)


@LAW
@given(numbers(-200, 56, 20), st.randoms(use_true_random=False))
def test_the_bits_do_not_depend_on_the_order_of_the_sites(values, random) -> None:
    encoded = [held(v) for v in values]
    first = reduce(add, encoded)
    random.shuffle(encoded)
    np.testing.assert_array_equal(reduce(add, encoded), first)


@LAW
@given(numbers(-11, 56, 1), EXPONENTS)
def test_numbers_of_the_stated_range_are_held_without_loss(values, exponent) -> None:
    x = math.ldexp(values[0], exponent)
    assert exact(held(x, exponent), exponent) == Fraction(x)
    assert decode(held(x, exponent), exponent)[0] == x


@LAW
@given(numbers(-1073, -11, 1), st.sampled_from([0, -24, 5]))
def test_below_the_range_the_error_is_at_most_half_a_unit(values, exponent) -> None:
    x = values[0]
    error = abs(exact(held(x, exponent), exponent) - Fraction(x))
    assert error <= Fraction(2) ** (exponent - 65)


@LAW
@given(numbers(-80, -50, 1))
def test_what_falls_off_the_end_is_rounded_half_to_even(values) -> None:
    scaled = Fraction(values[0]) * 2**64
    assert exact(held(values[0]), 0) * 2**64 == round(scaled)


@pytest.mark.parametrize("ties", [0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5])
def test_exact_ties_go_to_the_even_unit(ties: float) -> None:
    assert exact(held(math.ldexp(ties, -64)), 0) * 2**64 == round(ties)


@pytest.mark.parametrize("exponent", [0, -24, 40])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.acceptance(8)
def test_the_limit_is_refused_and_the_number_below_it_is_held(sign: float, exponent: int) -> None:
    limit = math.ldexp(1.0, 56 + exponent)
    below = sign * np.nextafter(limit, 0)
    assert exact(held(below, exponent), exponent) == Fraction(float(below))
    for x in (limit, np.nextafter(limit, np.inf), 2 * limit, 1e300):
        with pytest.raises(OverflowError, match="too large"):
            held(sign * x, exponent)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("sites", [100, 128])
@pytest.mark.acceptance(8)
def test_sites_that_all_hold_the_largest_number_do_not_overflow(sites: int, sign: float) -> None:
    values = [sign * float(np.nextafter(2.0**56, 0))] * sites
    assert total(values) == math.fsum(values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(OverflowError, match="not finite"):
        encode(np.array([1.0, bad]))


def test_opposite_numbers_leave_nothing_behind() -> None:
    assert total([1e16, 1.0, -1e16]) == 1.0
    np.testing.assert_array_equal(add(held(-3.25), held(3.25)), [[0, 0]])


def test_shapes_survive() -> None:
    for shape in ((0,), (1,), (3,), (2, 3), (1, 0, 2)):
        values = np.arange(float(np.prod(shape))).reshape(shape)
        limbs = encode(values)
        assert limbs.shape == (*shape, 2)
        np.testing.assert_array_equal(decode(limbs), values)


def test_a_single_number_without_an_axis_is_held_too() -> None:
    assert decode(encode(np.array(1.5))) == 1.5


def slowly(limbs):
    """What Python's own integers say."""
    high, low = (int(limb) for limb in limbs)
    whole = ((high - (1 << 64)) if high >> 63 else high) * (1 << 64) + low
    return whole / (1 << 64)


words = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0, 63).map(lambda k: 2**k),
    st.integers(1, 64).map(lambda k: 2**k - 1),
    st.integers(0, 10).map(lambda k: 2**64 - 1 - 2**k),
    st.integers(0, 2**12).map(lambda k: (1 << 53) + k),
)


@LAW
@given(st.lists(st.tuples(words, words), min_size=1, max_size=30))
def test_every_pattern_of_bits_is_the_nearest_float(pairs) -> None:
    assert decode(np.array(pairs, dtype=np.uint64)).tolist() == [slowly(pair) for pair in pairs]


def test_the_corners_of_rounding_are_the_nearest_float() -> None:
    """Ties, the bit below a tie in the lower limb, carries into the next power, both signs, the ends."""
    highs = [0, 1, 2**52, 2**53 - 1, 2**53, 2**53 + 1, 2**54 + 2, 2**62 - 1, 2**63 - 1, 2**63, 2**64 - 1]
    lows = [0, 1, 2**10, 2**11 - 1, 2**11, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1]
    pairs = [(high, low) for high in highs for low in lows]
    decoded = decode(np.array(pairs, dtype=np.uint64))
    assert decoded.tolist() == [slowly(pair) for pair in pairs]


def test_many_numbers_are_each_encoded_as_alone(monkeypatch):
    values = np.random.default_rng(3).normal(size=(5, 7)) * np.exp2(np.arange(-20, 15).reshape(5, 7))
    exponents = np.arange(7)
    whole = exact_sum.encode(values, exponents)
    monkeypatch.setattr(exact_sum, "_AT_ONCE", 4)
    np.testing.assert_array_equal(exact_sum.encode(values, exponents), whole)
    alone = [[exact_sum.encode(x, int(e)) for x, e in zip(row, exponents, strict=True)] for row in values]
    np.testing.assert_array_equal(whole, alone)
