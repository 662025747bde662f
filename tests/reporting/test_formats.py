"""Numbers in print: no digit too many, none that rounding invents."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedstats.reporting import formats

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.8123, "0.81"), (1.0, "1.00"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1,234"), (0.0123, "0.012"),
        (0.00421, "0.0042"), (0.000421, "4.2×10⁻⁴"), (-12.34, "−12.3"), (9.996, "10.0"), (99.97, "100"),
        (0, "0"), (-0.0, "0"), (NAN, "–"), (None, "–"), (INF, "∞"), (-INF, "−∞"), (2.5e9, "2,500,000,000"),
    ],
)  # fmt: skip
def test_an_estimate_keeps_two_or_three_significant_digits(value, shown):
    assert formats.estimate(value) == shown


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (0.0123, "0.012"), (0.00099, "<0.001"), (0.001, "0.001"), (0.0994, "0.099"), (0.0996, "0.10"), (0.049, "0.049"),
        (0.351, "0.35"), (0.99, "0.99"), (0.999, ">0.99"), (0, "<0.001"), (NAN, "–"), (None, "–"),
    ],
)  # fmt: skip
def test_a_p_value_is_never_zero_and_never_one(p, shown):
    assert formats.p_value(p) == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((0.812, 0.671, 0.983), "0.81 (0.67 to 0.98)"),
        ((1.2, 0.8, INF), "1.20 (0.80 to ∞)"),
        ((1.2, NAN, 3.0), "1.20 (not estimated)"),
        ((NAN, NAN, NAN), "not estimated"),
        ((INF, 0.0, INF), "not estimated"),
        ((-0.5, -1.25, 0.25), "−0.50 (−1.25 to 0.25)"),
    ],
)
def test_an_interval_says_what_could_not_be_estimated(values, shown):
    assert formats.interval(*values) == shown


def test_counts_and_shares():
    assert formats.count(1234567) == "1,234,567"
    assert formats.count(NAN) == formats.count(None) == "–"
    assert formats.count_percent(1234, 2200) == "1,234 (56.1%)"
    assert formats.count_percent(0, 0) == "0"
    assert formats.count_percent(NAN, 10) == "–"
    assert formats.percent(0.1234, digits=0) == "12%"
    assert formats.percent(NAN) == "–"
    assert formats.precise(0.123456) == "0.1235"
    assert formats.precise(1234567.8) == "1,234,568"
    assert formats.precise(1.5e-7) == "1.500×10⁻⁷"
    assert formats.precise(NAN) == "–"


@given(st.floats(1e-3, 1e12))
def test_an_estimate_is_within_half_a_unit_of_its_last_digit(value):
    shown = formats.estimate(value).replace(",", "")
    assert abs(float(shown) - value) <= 0.051 * value
    assert len(shown.lstrip("0.").replace(".", "")) >= 2 or value < 1e-2 or value >= 99.95


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_float_has_a_print_that_is_aligned_as_a_number(value):
    for shape in (formats.estimate, formats.precise, formats.count):
        assert formats.is_number(shape(value)), shape(value)


@given(st.floats(0, 1))
def test_every_p_value_is_aligned_as_a_number(p):
    assert formats.is_number(formats.p_value(p))
    assert formats.p_value(p) not in {"0.000", "0.00", "1.00"}


@pytest.mark.parametrize(
    "text", ["1,234", "<0.001", "12.3%", "–", "∞", "66.1 (9.8)", "0.81 (0.67 to 0.98)", "−0.5"]
)
def test_numbers_are_known_as_numbers(text):
    assert formats.is_number(text)


@pytest.mark.parametrize("text", ["", "age", "3rd line", "(12)", "1 or 2", "ECOG 2", "12 months"])
def test_words_are_known_as_words(text):
    assert not formats.is_number(text)


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "@SUM(A1)", " =1+1", "+cmd|' /C calc'!A0", "-HYPERLINK(1)", "=1"]
)
def test_a_formula_is_defused(text):
    assert formats.defuse(text) == "'" + text


@pytest.mark.parametrize("text", ["-0.5", "+1", "- 2 against 0", "age", "<0.001", "", "–"])
def test_what_is_no_formula_stays_as_it_is(text):
    assert formats.defuse(text) == text


def test_a_column_is_printed_by_its_name_and_values():
    def first(name, values):
        column = pd.Series(values, name=name)
        return formats.column_format(column)(values[0])

    assert first("p_value", [1e-9, 0.5]) == "<0.001"
    assert first("n", [12345, 2]) == "12,345"
    assert first("n", [12345.0, math.nan]) == "12,345"
    assert first("estimate", [1.0, 0.5]) == "1.00"
    assert first("estimate", [1.0, math.inf]) == "1.00"
    assert first("converged", [True, False]) == "yes"
    assert first("term", ["age", None]) == "age"
    assert formats.column_format(pd.Series([None, "x"]))(None) == "–"
