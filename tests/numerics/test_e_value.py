"""E-values are those that VanderWeele & Ding (2017) print, and those of the formulas worked out by hand."""

import numpy as np
import pytest

import fedstats as fs
from fedstats.numerics.e_value import as_risk_ratio, e_value_of


@pytest.mark.parametrize(
    ("ratio", "low", "high", "expected"),
    [
        (3.9, 1.8, 8.7, (7.26, 3.00)),  # the paper's example: infant death and formula feeding
        (0.80, 0.71, 0.91, (1.81, 1.43)),  # its example of a protective ratio
        (1.2, 0.9, 1.6, (1.69, 1.0)),
    ],
)
def test_printed_values_of_risk_ratios(ratio, low, high, expected):
    found = fs.e_value(ratio, low, high)
    assert tuple(round(v, 2) for v in found) == expected


@pytest.mark.parametrize(
    ("measure", "rare", "risk_ratio"),
    [
        ("OR", True, 1.5),
        ("OR", False, np.sqrt(1.5)),
        ("HR", True, 1.5),
        ("HR", False, (1 - 0.5 ** np.sqrt(1.5)) / (1 - 0.5 ** np.sqrt(1 / 1.5))),
    ],
)
def test_ratios_of_odds_and_hazards_are_approximated_where_outcomes_are_common(measure, rare, risk_ratio):
    assert as_risk_ratio(1.5, measure, rare=rare) == pytest.approx(risk_ratio, rel=1e-14)
    assert fs.e_value(1.5, measure=measure, rare=rare)[0] == pytest.approx(e_value_of(risk_ratio), rel=1e-14)
    inverse = as_risk_ratio(1 / 1.5, measure, rare=rare)
    assert inverse == pytest.approx(1 / risk_ratio, rel=1e-14)


def test_without_an_interval_there_is_no_second_value():
    assert np.isnan(fs.e_value(2.0)[1])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"estimate": -1.0}, "above zero"),
        ({"estimate": 2.0, "conf_low": 1.0}, "both ends"),
        ({"estimate": 2.0, "conf_low": 3.0, "conf_high": 4.0}, "outside"),
        ({"estimate": 2.0, "measure": "RD"}, "choose one of"),
    ],
)
def test_what_has_none_is_said(given, match):
    with pytest.raises(ValueError, match=match):
        fs.e_value(**given)
