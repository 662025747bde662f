"""Numbers as a clinical journal prints them: the one place where a result loses digits."""

import math
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

MISSING = "–"
NOT_ESTIMATED = "not estimated"

_NUMBER = re.compile(r"[<>≥≤]?\s*[−+-]?[\d,]*\.?\d+(?:×10[⁻⁰¹²³⁴-⁹]+)?\s*%?|[−+-]?∞|[–—]|not estimated")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# What a spreadsheet would run as a formula: "=…", "@…", "+" or "-" before anything that is no number, and a number
# with a call or a command behind it ("-2+cmd|' /C calc'!A0"); in full width too, as Japanese keyboards write it.
_FORMULA = re.compile(
    r"[\s\u200b-\u200f\ufeff]*(?:[=@＝＠]|[+\-＋－](?![\d.\s])|[+\-＋－].*[(|!=])", re.DOTALL
)


def count(n: float | None) -> str:
    """A whole number with thousands separators.

    Examples
    --------
    >>> count(1234)
    '1,234'
    """
    if n is None or not math.isfinite(n):
        return MISSING
    return _minus(f"{round(n):,}")


def percent(share: float | None, digits: int = 1) -> str:
    """A share of one, in percent.

    Examples
    --------
    >>> percent(0.1234)
    '12.3%'
    """
    if share is None or not math.isfinite(share):
        return MISSING
    return _minus(f"{100 * share:.{digits}f}%")


def count_percent(n: float | None, total: float | None, digits: int = 1) -> str:
    """``n (%)``, as the cells of a Table 1 hold it.

    Examples
    --------
    >>> count_percent(1234, 2200)
    '1,234 (56.1%)'
    """
    if n is None or not math.isfinite(n):
        return MISSING
    if not total or not math.isfinite(total):
        return count(n)
    return f"{count(n)} ({percent(n / total, digits)})"


def standardised(difference: float | None) -> str:
    """A standardised mean difference, in hundredths of a standard deviation.

    Examples
    --------
    >>> standardised(-0.1234), standardised(0.0004)
    ('−0.12', '0.00')
    """
    if difference is None or not math.isfinite(difference):
        return MISSING
    return _minus(f"{difference:.2f}" if abs(difference) >= 0.005 else "0.00")


def p_value(p: float | None) -> str:
    """A p-value: three decimals below 0.1, two above, never ``0.000``, and below 0.05 never ``0.050``.

    Examples
    --------
    >>> p_value(0.0123), p_value(0.00001), p_value(0.351), p_value(0.0498)
    ('0.012', '<0.001', '0.35', '0.0498')
    """
    if p is None or not math.isfinite(p):
        return MISSING
    if p < 0.001:
        return "<0.001"
    if p > 0.99:
        return ">0.99"
    if p < 0.05:
        return _short_of(p, 0.05, 3)
    return f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def estimate(value: float | None) -> str:
    """An estimate to two or three significant digits: 0.012, 0.81, 1.23, 12.3, 1,235.

    Examples
    --------
    >>> estimate(0.8123), estimate(-12.34), estimate(float("nan"))
    ('0.81', '−12.3', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.001:
        return _scientific(value, 2)
    # The limits are where rounding would add a digit: 9.996 prints as 10.0, not as 10.00.
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.0995 else 3
    if size < 0.00995:
        decimals = 4
    return _minus(f"{value:,.{decimals}f}")


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """An estimate with its interval.

    Examples
    --------
    >>> interval(0.812, 0.671, 0.983)
    '0.81 (0.67 to 0.98)'
    """
    if value is None or not math.isfinite(value):
        return NOT_ESTIMATED
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return f"{estimate(value)} ({NOT_ESTIMATED})"
    return f"{estimate(value)} ({estimate(low)} to {estimate(high)})"


def percent_interval(value: float, low: float, high: float, digits: int = 1) -> str:
    """A share of one with its interval, in percent.

    Examples
    --------
    >>> percent_interval(0.3412, 0.312, 0.3705)
    '34.1% (31.2% to 37.0%)'
    """
    if not math.isfinite(value):
        return NOT_ESTIMATED
    if math.isnan(low) or math.isnan(high):
        return f"{percent(value, digits)} ({NOT_ESTIMATED})"
    return f"{percent(value, digits)} ({percent(low, digits)} to {percent(high, digits)})"


def ratio(value: float | None, low: float | None, high: float | None) -> str:
    """A ratio with its interval; one that excludes 1 has as many digits as it takes to show that.

    Examples
    --------
    >>> ratio(0.812, 0.671, 0.983), ratio(0.989, 0.9803, 0.9981)
    ('0.81 (0.67 to 0.98)', '0.989 (0.980 to 0.998)')
    """
    nearest = low if low is not None and low > 1 else high if high is not None and high < 1 else None
    if nearest is None or value is None or low is None or high is None:
        return interval(value, low, high)
    decimals = len(_short_of(nearest, 1, 2).partition(".")[2])
    if decimals == 2 or nearest >= 9.995:
        return interval(value, low, high)
    shown = (estimate(v) if v >= 9.995 else f"{v:.{decimals}f}" for v in (value, low, high))
    return "{} ({} to {})".format(*shown)


def precise(value: float | None, digits: int = 4) -> str:
    """A number for the table behind a figure: more digits than one reads, fewer than one computes with.

    Examples
    --------
    >>> precise(0.123456), precise(1234567.8)
    ('0.1235', '1,234,568')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value) or value == 0:
        return estimate(value)
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4:
        return _scientific(value, digits)
    text = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    return _minus(text.rstrip("0").rstrip(".") if "." in text else text)


def column_format(column: "pd.Series[Any]") -> Callable[[Any], str]:
    """The format that suits a column of a results frame, judged by its name and its values."""
    if pd.api.types.is_bool_dtype(column):
        return lambda value: "yes" if value else "no"
    if not pd.api.types.is_numeric_dtype(column):
        return lambda value: MISSING if pd.isna(value) else str(value)
    if str(column.name) in {"p", "p_value"}:
        return p_value
    known = column.dropna().astype(float)
    if ((known % 1) == 0).all():  # infinity % 1 is NaN, so a column with infinities is not one of counts
        return count
    return estimate


def is_number(text: str) -> bool:
    """Would a reader want this cell right-aligned?  True for ``1,234``, ``<0.001``, ``12.3 (4.5)`` and ``–``."""
    return _NUMBER.fullmatch(re.sub(r"(?<=\S) \([^()]*\)$", "", text.strip())) is not None


def defuse(text: str) -> str:
    """Put an apostrophe before a label that a spreadsheet would run as a formula when the table is pasted.

    Examples
    --------
    >>> defuse("=HYPERLINK(1)"), defuse("-0.5")
    ("'=HYPERLINK(1)", '-0.5')
    """
    return f"'{text}" if _FORMULA.match(text) and not is_number(text) else text


def _short_of(value: float, limit: float, decimals: int) -> str:
    """A number with more decimals than asked for, if that is what it takes to be told from a limit beside it."""
    while float(text := f"{value:.{decimals}f}") == limit != value:
        decimals += 1
    return text


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return _minus(f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}")


def _minus(text: str) -> str:
    """A real minus sign, and none before a zero that rounding has made."""
    if text.startswith("-") and not any(digit in text for digit in "123456789"):
        text = text[1:]
    return text.replace("-", "−", 1) if text.startswith("-") else text
