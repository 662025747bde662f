"""Rubin's rules on numbers that can be followed, and what they are not asked of."""

import numpy as np
import pytest

import fedstats as fs
from fedstats.numerics.rubins_rules import barnard_rubin, joint_wald_test, pooled_estimates
from tests.datasets import gbsg2_filled, split


def sites(copy):
    return fs.InProcess(split(gbsg2_filled(copy), 2), policy=fs.DisclosurePolicy.none())


@pytest.fixture(scope="module")
def fits():
    return [fs.logistic(sites(copy), "cens ~ age + tsize") for copy in (1, 2, 3)]


def test_three_copies_of_one_number():
    # estimates 1, 2, 3 with a variance of 2 each: within 2, between 1, total 2 + 4/3 = 10/3
    found = pooled_estimates(np.array([[1.0], [2.0], [3.0]]), np.full((3, 1, 1), 2.0), np.inf)
    assert found.estimate == pytest.approx([2.0])
    assert found.total[0] == pytest.approx([10 / 3])
    assert found.increase == pytest.approx([2 / 3])
    assert found.df == pytest.approx([2 / 0.4**2])  # (m - 1) / lambda^2, lambda = (4/3) / (10/3)
    df = 12.5
    assert found.missing == pytest.approx([(2 / 3 + 2 / (df + 3)) / (5 / 3)])


def test_degrees_of_freedom_lie_below_those_of_complete_data():
    share = np.array([0.0, 0.1, 0.5, 0.9])
    df = barnard_rubin(5, share, 40.0)
    assert (df < 40).all()
    assert (np.diff(df) < 0).all()
    assert df[0] == pytest.approx(41 / 43 * 40, rel=1e-3)


def test_copies_that_agree_are_one_fit():
    beta, v = np.array([0.4, -0.2]), np.array([[0.04, 0.01], [0.01, 0.09]])
    found = joint_wald_test(np.stack([beta] * 4), np.stack([v] * 4), 100.0)
    assert found.statistic == pytest.approx(beta @ np.linalg.solve(v, beta) / 2)
    assert np.isfinite(found.p_value)


def test_the_joint_test_does_not_depend_on_units(fits):
    estimates, covariances = (np.stack(v) for v in zip(*((f.beta, f.covariance) for f in fits), strict=True))
    unit = np.array([1.0, 1e6, 1e-6])
    plain = joint_wald_test(estimates, covariances, 600.0)
    scaled = joint_wald_test(estimates * unit, covariances * np.outer(unit, unit), 600.0)
    assert scaled == pytest.approx(plain, rel=1e-9)


def test_a_pooled_fit_reads_as_a_fit_does(fits):
    pooled = fs.pool_imputed({f"copy {j}": fit for j, fit in enumerate(fits)})
    assert pooled.m == 3
    assert pooled.coef.to_numpy() == pytest.approx(np.mean([f.beta for f in fits], axis=0))
    assert pooled.glance()["n"][0] == 686
    assert "3 completed copies" in str(pooled)
    table, ratios = pooled.tidy(), pooled.tidy(exponentiate=True)
    assert ratios["estimate"].to_numpy() == pytest.approx(np.exp(table["estimate"].to_numpy()))
    assert (table["conf_low"] < table["estimate"]).all()


def test_what_does_not_belong_together_is_refused(fits):
    with pytest.raises(ValueError, match="two completed copies or more; there are 1"):
        fs.pool_imputed(fits[:1])
    with pytest.raises(ValueError, match="their formula differ"):
        fs.pool_imputed([fits[0], fs.logistic(sites(2), "cens ~ age")])
    with pytest.raises(ValueError, match="their options"):
        fs.pool_imputed([fits[0], fs.logistic(sites(2), "cens ~ age + tsize", robust=True)])
    lasso = [fs.logistic(sites(c), "cens ~ age + tsize", penalty=fs.ElasticNet(0.01, 1.0)) for c in (1, 2)]
    with pytest.raises(ValueError, match="a lasso has none"):
        fs.pool_imputed(lasso)
    with pytest.raises(TypeError, match="one of these is a DataFrame"):
        fs.pool_imputed([fits[0], fits[1].tidy()])
    with pytest.raises(TypeError, match="pool_imputed"):
        fs.pool_imputed(fits[0])
    with pytest.raises(ValueError, match="df_complete"):
        fs.pool_imputed(fits, df_complete=-1)
