"""Rubin's rules around federated fits are those of mice::pool and mice::D1 around R's fits of the same completed copies.

Estimates and variances are means of what agrees to 1e-9 (comparison.py), so they do.  A variance between copies is a sum of
squared differences of estimates, which may be small beside them: degrees of freedom and missing information agree to 1e-7 relative.
"""

from functools import cache

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import gbsg2_filled, split_unevenly
from tests.reference.comparison import FIT_TOLERANCE, SITES, cases, numbers

OF_DIFFERENCES = 1e-7


@cache
def pooled(name, k):
    """The case's model fitted to each copy at k sites, put together."""
    case = cases("rubin")[name]
    fits = []
    for copy in range(1, case["m"] + 1):
        frames = split_unevenly(gbsg2_filled(copy), k, None, "cens")
        sites = fs.InProcess(frames, policy=fs.DisclosurePolicy.none())
        if case["kind"] == "cox":
            fits.append(fs.cox(sites, case["formula"], baseline="shared"))
        else:
            family, link = case["family"].split()
            fits.append(fs.glm(sites, case["formula"], family=family, link=link))
    return fs.pool_imputed(fits)


@pytest.mark.parametrize("k", SITES)
@pytest.mark.parametrize("name", cases("rubin"))
def test_coefficients_are_pooled_as_mice_does(name, k):
    case, fit = cases("rubin")[name], pooled(name, k)
    assert fit.df_complete == case["df_complete"]
    found, se = fit.coef[case["terms"]].to_numpy(), np.sqrt(numbers(case["total"]))
    assert (np.abs(found - numbers(case["estimate"])) / se).max() < FIT_TOLERANCE
    order = [fit.names.index(term) for term in case["terms"]]
    table = fit.tidy().iloc[order]
    np.testing.assert_allclose(table["std_error"], se, rtol=FIT_TOLERANCE)
    np.testing.assert_allclose(table["df"], numbers(case["df"]), rtol=OF_DIFFERENCES)
    np.testing.assert_allclose(table["missing_information"], numbers(case["fmi"]), rtol=OF_DIFFERENCES)
    np.testing.assert_allclose(fit.pooled.increase[order], numbers(case["riv"]), rtol=OF_DIFFERENCES)


@pytest.mark.parametrize("k", SITES)
@pytest.mark.parametrize("name", cases("rubin"))
def test_joint_tests_are_d1(name, k):
    fit = pooled(name, k)
    for expected in cases("rubin")[name]["d1"]:
        found = fit.linear_hypothesis([f"{term} = 0" for term in expected["terms"]]).test
        assert found.df == expected["df"]
        values = found.statistic, found.df_denominator, found.p_value
        reference = [expected[key] for key in ("statistic", "df_denominator", "p_value")]
        np.testing.assert_allclose(values, reference, rtol=OF_DIFFERENCES)
        if {*expected["terms"]} == {"C(tgrade)[II]", "C(tgrade)[III]"}:
            row = fit.joint_tests().set_index("term").loc["C(tgrade)"]
            assert row["statistic"] == found.statistic


@pytest.mark.parametrize("name", cases("rubin"))
def test_a_contrast_is_pooled_as_one_number(name):
    expected = cases("rubin")[name]["combination"]
    found = pooled(name, 2).linear_hypothesis(expected["weights"])
    row = found.tidy().iloc[0]
    assert row["estimate"] == pytest.approx(expected["estimate"], rel=1e-7)
    assert row["std_error"] ** 2 == pytest.approx(expected["total"], rel=1e-8)
    assert row["df"] == pytest.approx(expected["df"], rel=OF_DIFFERENCES)
    assert row["missing_information"] == pytest.approx(expected["fmi"], rel=OF_DIFFERENCES)
    # of one combination F is the square of t, with the same p
    assert found.statistic == pytest.approx(row["statistic"] ** 2, rel=1e-12)
    assert found.p_value == pytest.approx(row["p_value"], rel=1e-9)
