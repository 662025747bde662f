"""What the sites' answers add up to are derivatives of the log partial likelihood, of either baseline and kind of ties."""

import numpy as np
import pytest
from hypothesis import given

from fedstats.contract.formula import parse
from fedstats.methods.cox_regression import SiteBaseline, cox_model
from fedstats.methods.cox_shared_baseline import SharedBaseline, with_grid
from fedstats.methods.fitting import Meter
from tests.properties.cohorts import LAW, SEEDS, cohort, deal, open_sites

FORMULA = "Surv(entry, time, event) ~ age + sex + C(ecog)"


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("baseline", ["site", "shared"])
@LAW
@given(seed=SEEDS)
def test_score_and_information_are_finite_differences(baseline: str, ties: str, seed: int) -> None:
    sites = open_sites(deal(cohort(seed), seed, "practice"))
    meter = Meter(sites)
    model = cox_model(sites, FORMULA, "practice", ties, "weight", "known")
    if baseline == "shared":
        outcome = parse(FORMULA, sites.codebook, intercept=False)[0]
        evaluate = SharedBaseline(meter, with_grid(sites, meter, model, outcome, None)[0])
    else:
        evaluate = SiteBaseline(meter, model, "zero")
    at, h = 0.3 * np.random.default_rng(seed).normal(size=4), 1e-5
    here, sides = evaluate(at), [(evaluate(at + h * e), evaluate(at - h * e)) for e in np.eye(4)]
    slope = [(up.loglik - down.loglik) / (2 * h) for up, down in sides]
    bend = [(down.score - up.score) / (2 * h) for up, down in sides]
    # central differences: third derivatives of some hundreds times h^2 / 6, and rounding of 1e3 * 1e-16 / h
    np.testing.assert_allclose(here.score, slope, atol=1e-6)
    np.testing.assert_allclose(here.information, bend, atol=1e-6)
