"""Models of nobody, and sums too large to add up exactly: what is said names what is the matter."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.federation import SiteRefused
from fedstats.contract.query import QueryError
from fedstats.contract.refusal import SUM_TOO_LARGE

SURVIVAL = "Surv(time, status) ~ age"
FITS = {
    "cox": lambda sites, **options: fs.cox(sites, SURVIVAL, **options),
    "shared": lambda sites, **options: fs.cox(sites, SURVIVAL, baseline="shared", **options),
    "logistic": lambda sites, **options: fs.logistic(sites, "status ~ age", **options),
    "poisson": lambda sites, **options: fs.glm(sites, "status ~ age", family="poisson", **options),
    "path": lambda sites, **options: fs.penalty_path(sites, SURVIVAL, family="cox", **options),
}


@pytest.fixture(scope="module")
def sites() -> fs.InProcess:
    rng = np.random.default_rng(4)
    n = 120
    frame = pd.DataFrame(
        {"time": rng.exponential(5, n), "status": rng.integers(0, 2, n), "age": rng.normal(60, 9, n)}
    )
    frame["none"], frame["heavy"], frame["empty"] = 0.0, 1e8 * rng.uniform(1, 2, n), np.nan
    frame["far"] = np.where(np.arange(n) == 7, 60.0, 0.0)
    frame["row"] = np.arange(n)
    frame.loc[:1, "empty"] = 0.0, 1.0
    return fs.InProcess({"a": frame[:60], "b": frame[60:]}, policy=fs.DisclosurePolicy.none())


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_nobody_meets_the_condition(sites, fit):
    with pytest.raises(
        QueryError, match=r"Nobody meets the condition of the subset|no patients with a time to make"
    ) as said:
        fit(sites.where("age > 1000"))
    assert "empty" not in str(said.value)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_nobody_has_a_weight(sites, fit):
    with pytest.raises(
        QueryError, match=r"There are no (patients|events) with a weight \(none\) above zero"
    ) as said:
        fit(sites, weights="none")
    assert "empty" not in str(said.value)


def test_empty_cells_are_still_said(sites):
    with pytest.raises(QueryError, match="in every row one of its columns, strata or weights is empty"):
        fs.logistic(sites.where("row > 1"), "status ~ empty")


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: fs.glm(s, "status ~ age", family="poisson", weights="heavy", robust=True),
        lambda s: fs.glm(s, "time ~ age", family="gaussian", weights="heavy", robust=True),
        lambda s: fs.cox(s, SURVIVAL, baseline="shared", offset="far"),
    ],
    ids=["poisson", "gaussian", "shared"],
)
def test_a_sum_too_large_to_travel_says_what_to_do(sites, ask):
    with pytest.raises(
        SiteRefused, match="divide the weights by a constant, subtract one from the offset"
    ) as said:
        ask(sites)
    assert said.value.rule == SUM_TOO_LARGE
    assert "DisclosurePolicy" not in str(said.value)
    last = fs.refusals(sites).iloc[-1]
    assert "divide the weights" in last["remedy"]


def test_who_has_no_gate_is_not_told_to_switch_it_off(sites):
    gated = fs.InProcess({"a": pd.DataFrame({"x": [1.0, 2.0]})})
    assert "DisclosurePolicy.none()" in gated.hint
    assert not sites.hint
