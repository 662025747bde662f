"""Tests of several coefficients together, against formulas worked out by hand."""

import numpy as np
import pytest
from scipy.stats import chi2, norm

import fedstats as fs
from tests.attacks.targets import BOOK, cohort

NONE = fs.DisclosurePolicy.none()


@pytest.fixture(scope="module")
def fit():
    return fs.logistic(
        fs.InProcess({"north": cohort()}, BOOK, policy=NONE), "y ~ age + C(ecog) + sex + sex:age"
    )


def test_one_row_a_term_in_the_order_of_the_formula(fit):
    tests = fit.joint_tests()
    assert tests["term"].tolist() == ["age", "C(ecog)", "sex", "sex:age"]
    assert tests["df"].tolist() == [1, 2, 1, 1]


def test_of_one_coefficient_the_square_of_its_z_statistic(fit):
    tests, table = fit.joint_tests().set_index("term"), fit.tidy().set_index("term")
    assert tests.loc["age", "statistic"] == pytest.approx(table.loc["age", "statistic"] ** 2)
    assert tests.loc["age", "p_value"] == pytest.approx(table.loc["age", "p_value"])


def test_of_two_levels_by_hand(fit):
    names = ["C(ecog)[1]", "C(ecog)[2]"]
    (a, b), v = fit.coef[names], fit.vcov.loc[names, names].to_numpy()
    by_hand = (a * a * v[1, 1] - 2 * a * b * v[0, 1] + b * b * v[0, 0]) / (v[0, 0] * v[1, 1] - v[0, 1] ** 2)
    found = fit.joint_tests().set_index("term").loc["C(ecog)"]
    assert found["statistic"] == pytest.approx(by_hand, rel=1e-10)
    assert found["p_value"] == pytest.approx(chi2.sf(by_hand, 2), rel=1e-10)
    both = fit.linear_hypothesis([{name: 1.0} for name in names])
    assert (both.statistic, both.df, both.p_value) == pytest.approx((by_hand, 2, chi2.sf(by_hand, 2)))


def test_a_difference_of_levels_with_its_interval_by_hand(fit):
    names = ["C(ecog)[2]", "C(ecog)[1]"]
    v = fit.vcov.loc[names, names].to_numpy()
    difference, se = fit.coef[names[0]] - fit.coef[names[1]], np.sqrt(v[0, 0] + v[1, 1] - 2 * v[0, 1])
    found = fit.linear_hypothesis({names[0]: 1, names[1]: -1}, value=0.25)
    row = found.tidy().iloc[0]
    assert row["term"] == "C(ecog)[2] - C(ecog)[1]"
    assert (row["estimate"], row["std_error"]) == pytest.approx((difference, se))
    assert row["statistic"] == pytest.approx((difference - 0.25) / se)
    assert row["p_value"] == pytest.approx(2 * norm.sf(abs(difference - 0.25) / se))
    assert (row["conf_low"], row["conf_high"]) == pytest.approx(
        (difference - 1.959963984540054 * se, difference + 1.959963984540054 * se)
    )
    ratio = found.tidy(exponentiate=True).iloc[0]
    assert ratio["estimate"] == pytest.approx(np.exp(difference))


def test_levels_may_hold_brackets():
    frame = cohort()
    frame["sex"] = np.where(frame["sex"] == "M", "m]", "f[")
    fit = fs.logistic(fs.InProcess({"north": frame}, policy=NONE), "y ~ sex + age")
    assert fit.joint_tests()["term"].tolist() == ["sex", "age"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"agee": 1}, "no coefficient 'agee'"),
        ({}, "none that is zero"),
        ([], "at least one"),
        ([{"age": 1}, {"age": 2}], "follows from the others"),
    ],
)
def test_what_cannot_be_tested_is_said(fit, weights, message):
    with pytest.raises(ValueError, match=message):
        fit.linear_hypothesis(weights)
