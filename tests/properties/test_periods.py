"""What may not change a model whose effects change with time, and what it must be equal to."""

import numpy as np
import pytest
from hypothesis import given

import fedstats as fs
from fedstats.contract.aggregate import full_matrix
from fedstats.contract.codebook import Codebook
from fedstats.contract.formula import parse
from fedstats.contract.periods import cuts_of, periods_of, whole, with_periods, within
from fedstats.methods.cox_regression import CoxDerivatives, cox_model
from tests.properties.cohorts import LAW, SEEDS, cohort, deal, one, open_sites, same_fit

DELAYED = "Surv(entry, time, event) ~ age + sex"
HOW = {
    "strata": {"strata": "practice"},
    "strata, Breslow, weights, robust": {
        "strata": "practice",
        "ties": "breslow",
        "weights": "weight",
        "robust": True,
    },
    "strata, clusters": {"strata": "practice", "cluster": "copies"},
    "shared": {"baseline": "shared"},
    "shared, offset, strata, robust": {
        "baseline": "shared",
        "offset": "known",
        "strata": "practice",
        "robust": True,
    },
}


def cuts(frame):
    return np.quantile(frame.loc[frame["event"] == 1, "time"], [0.3, 0.7]).tolist()


@pytest.mark.parametrize("how", HOW)
@LAW
@given(seed=SEEDS)
def test_rows_in_any_order_at_any_sites_give_the_same_fit(how: str, seed: int) -> None:
    frame, options = cohort(seed, 150), HOW[how]
    if options.get("cluster"):  # clusters lie within a site, and here within a stratum
        frame["copies"] = frame["practice"] + frame["copies"].astype(str)
    varying = {"age": cuts(frame)[:1], "sex": cuts(frame)}
    unit = "practice" if options.get("strata") and "baseline" not in options else None
    pooled = fs.cox(one(frame), DELAYED, time_varying=varying, **options)
    same_fit(fs.cox(open_sites(deal(frame, seed, unit)), DELAYED, time_varying=varying, **options), pooled)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@LAW
@given(seed=SEEDS)
def test_where_every_effect_changes_each_period_is_a_fit_of_its_own(ties: str, seed: int) -> None:
    """Follow-up that ends at the cut, and follow-up that begins there."""
    frame, options = cohort(seed, 150), {"strata": "practice", "ties": ties, "weights": "weight"}
    cut = cuts(frame)[0]
    fit = fs.cox(one(frame), DELAYED, time_varying={"age": [cut], "sex": [cut]}, **options)
    early = frame[frame["entry"] < cut]
    early = early.assign(
        time=early["time"].clip(upper=cut), event=early["event"] * (early["time"] <= cut).astype(int)
    )
    late = frame[frame["time"] > cut].assign(entry=frame["entry"].clip(lower=cut))
    for part, names in ((early, fit.names[::2]), (late, fit.names[1::2])):
        own = fs.cox(one(part), DELAYED, **options)
        here = [fit.names.index(name) for name in names]
        std_error = np.sqrt(np.diag(own.covariance))
        np.testing.assert_allclose(fit.beta[here] / std_error, own.beta / std_error, atol=1e-10, rtol=1e-10)
        scale = np.outer(std_error, std_error)
        np.testing.assert_allclose(
            fit.covariance[np.ix_(here, here)] / scale, own.covariance / scale, atol=1e-10
        )
    across = fit.covariance[np.ix_([0, 2], [1, 3])]
    assert (across == 0).all()


@pytest.mark.parametrize("strata", [None, "practice"])
@LAW
@given(seed=SEEDS)
def test_with_equal_effects_periods_add_up_to_the_ordinary_model(strata: str | None, seed: int) -> None:
    """Log-likelihood, score and information at a point of which all periods have the same coefficients."""
    frame = cohort(seed, 150)
    sites = one(frame)
    plain = cox_model(sites, DELAYED, strata, "efron", "weight")
    changing = cox_model(sites, DELAYED, strata, "efron", "weight", cuts={"sex": tuple(cuts(frame))})
    beta = tuple(np.random.default_rng(seed).normal(0, 0.5, 2).tolist())
    ordinary = sites.sum(CoxDerivatives(plain, beta))
    found = sites.sum(CoxDerivatives(changing, (beta[0], *[beta[1]] * 3)))
    merged = np.array([[1, 0, 0, 0], [0, 1, 1, 1]])
    assert found["loglik"] == pytest.approx(ordinary["loglik"], rel=1e-12)
    np.testing.assert_allclose(merged @ found["score"], ordinary["score"], rtol=1e-9, atol=1e-9)
    information = merged @ full_matrix(found["information"]) @ merged.T
    np.testing.assert_allclose(information, full_matrix(ordinary["information"]), rtol=1e-10)
    for size in ("n", "n_event", "event_weight", "dropped"):
        assert found[size] == pytest.approx(ordinary[size], rel=1e-14)


@LAW
@given(seed=SEEDS)
def test_the_unit_of_time_does_not_matter(seed: int) -> None:
    frame = cohort(seed, 120)
    at = cuts(frame)
    fit = fs.cox(one(frame), DELAYED, time_varying={"sex": at}, robust=True)
    other = frame.assign(time=frame["time"] * 8, entry=frame["entry"] * 8)
    again = fs.cox(one(other), DELAYED, time_varying={"sex": [8 * cut for cut in at]}, robust=True)
    np.testing.assert_array_equal(again.beta, fit.beta)
    np.testing.assert_array_equal(again.covariance, fit.covariance)


def test_every_column_counts_in_its_own_period_and_one_that_does_not_change_in_all() -> None:
    book: Codebook = one(cohort(1)).codebook
    ordinary = parse("event ~ age + C(ecog)", book, intercept=False)[1]
    design = with_periods(ordinary, {"C(ecog)": (3.0, 9.0)}, book, "time")
    assert cuts_of(design) == (3.0, 9.0)
    assert whole(design).described == ordinary.described
    for k, period in enumerate(periods_of(design)):
        own, columns = within(design, period)
        assert columns.tolist() == [0, 1 + k, 4 + k]
        assert own.described == ordinary.described
