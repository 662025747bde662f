"""Riley's criteria against the worked examples of R's pmsampsize help page, and against what the formulas mean.

The two examples were recomputed on paper from the formulas of Riley et al. 2019: with S = 0.9 the first criterion of the
binary one is 24 / (0.1 * 0.38566) = 622.3, and S = 0.9052 of the second gives 662; of the survival one 30 / (0.1 * 0.05833) = 5143.
"""

import numpy as np
import pytest

from fedstats.numerics.sample_size import binary_sample_size, survival_sample_size


def test_the_binary_example_of_pmsampsize():
    """24 parameters, Cox-Snell R squared 0.288, prevalence 0.174: 662 patients by the second criterion."""
    largest = binary_sample_size(24, 0.174).largest_r2
    found = binary_sample_size(24, 0.174, nagelkerke=0.288 / largest)
    assert (found.shrinkage, found.optimism, found.overall) == (623, 662, 221)
    assert (found.patients, found.criterion) == (662, "optimism")


def test_the_survival_example_of_pmsampsize():
    """30 parameters, Cox-Snell R squared 0.051, rate 0.065, mean follow-up 2.07: 5143 patients by the first criterion."""
    largest = survival_sample_size(30, 0.065, 2.07, 2).largest_r2
    found = survival_sample_size(30, 0.065, 2.07, 2, nagelkerke=0.051 / largest)
    assert (found.shrinkage, found.patients, found.criterion) == (5143, 5143, "shrinkage")


def test_the_largest_r2_of_a_balanced_outcome_is_three_quarters():
    assert binary_sample_size(1, 0.5).largest_r2 == pytest.approx(0.75)


def test_the_shrinkage_at_the_number_found_is_the_target():
    """Solved backwards: van Houwelingen's S = 1 + p / (n log(1 - R2 / S))."""
    found = binary_sample_size(12, 0.4)
    n = 12 / ((0.9 - 1) * np.log(1 - found.r2 / 0.9))
    assert found.shrinkage == np.ceil(n)
    assert 1 + 12 / (n * np.log(1 - found.r2 / 0.9)) == pytest.approx(0.9)


def test_the_overall_risk_at_the_number_found_keeps_to_its_margin():
    assert 1.96 * np.sqrt(0.3 * 0.7 / binary_sample_size(1, 0.3).overall) == pytest.approx(0.05, rel=5e-3)
    n = survival_sample_size(1, 0.04, 12, 24).overall
    lower = 0.04 - 1.96 * np.sqrt(0.04 / (12 * n))
    assert np.exp(-lower * 24) - np.exp(-0.04 * 24) == pytest.approx(0.05, rel=5e-3)


def test_more_parameters_need_more_patients_in_proportion():
    one, ten = (binary_sample_size(p, 0.4) for p in (10, 100))
    assert ten.shrinkage == pytest.approx(10 * one.shrinkage, abs=10)
    assert ten.overall == one.overall


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: binary_sample_size(0, 0.4), "one parameter or more; this one has 0"),
        (lambda: binary_sample_size(3, 1.0), "The prevalence lies between 0 and 1; it is 1"),
        (lambda: binary_sample_size(3, 0.4, nagelkerke=0), "R squared and shrinkage lie between 0 and 1"),
        (lambda: survival_sample_size(3, 0.0, 12, 24), "above zero; they are 0, 12, 24"),
        (lambda: survival_sample_size(3, 0.2, 12, 24), "more than an event a patient"),
    ],
)
def test_what_cannot_be_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
