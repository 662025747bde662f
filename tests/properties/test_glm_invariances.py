"""What may not change a generalised linear model: the split into sites, the start, copies for weights; and what its sums are."""

import numpy as np
import pytest
from hypothesis import given

import fedstats as fs
from fedstats.contract.aggregate import full_matrix
from fedstats.contract.formula import parse
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from tests.properties.cohorts import LAW, SEEDS, cohort, deal, one, open_sites, same_fit

RIGHT = "age + sex + C(ecog)"
FITS = {
    "gaussian": (f"time ~ {RIGHT}", {"family": "gaussian"}),
    "gaussian, weights, offset": (
        f"time ~ {RIGHT}",
        {"family": "gaussian", "weights": "weight", "offset": "known"},
    ),
    "gaussian, robust": (f"time ~ 0 + {RIGHT}", {"family": "gaussian", "robust": True, "weights": "weight"}),
    "poisson": (f"copies ~ {RIGHT}", {"family": "poisson", "weights": "weight", "offset": "known"}),
    "poisson, from the sites' own fits": (f"copies ~ {RIGHT}", {"family": "poisson", "start": "pooled"}),
    "logistic, Firth": (f"response ~ {RIGHT}", {"penalty": fs.Firth(), "weights": "weight"}),
}


@pytest.mark.parametrize("how", FITS)
@LAW
@given(seed=SEEDS)
def test_rows_split_over_sites_anyhow_give_the_pooled_fit(how: str, seed: int) -> None:
    frame, (formula, options) = cohort(seed), FITS[how]
    pooled = fs.glm(one(frame), formula, **options)
    split = fs.glm(open_sites(deal(frame, seed)), formula, **options)
    same_fit(split, pooled)
    assert split.deviance == pytest.approx(pooled.deviance, rel=1e-12)
    assert split.dispersion == pytest.approx(pooled.dispersion, rel=1e-12)


@LAW
@given(seed=SEEDS)
def test_weights_are_copies_for_poisson_and_for_gaussian_coefficients(seed: int) -> None:
    frame = cohort(seed)
    copied = one(frame.loc[frame.index.repeat(frame["copies"])].reset_index(drop=True))
    weighted, counts = one(frame), frame["copies"]
    for family, outcome in (("poisson", "event"), ("gaussian", "time")):
        fits = (
            fs.glm(weighted, f"{outcome} ~ {RIGHT}", family=family, weights="copies"),
            fs.glm(copied, f"{outcome} ~ {RIGHT}", family=family),
        )
        one_se = np.sqrt(np.diag(fits[1].vcov))
        np.testing.assert_allclose(fits[0].coef / one_se, fits[1].coef / one_se, atol=1e-10, rtol=1e-10)
        # a weight is no patient: the variance of a measurement has n - p in its denominator
        p = len(fits[0].names)
        scale = 1.0 if family == "poisson" else (len(frame) - p) / (counts.sum() - p)
        np.testing.assert_allclose(fits[0].vcov * scale, fits[1].vcov, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("outcome", "family", "link", "intercept"),
    [
        ("response", "binomial", "logit", 0.0),
        ("response", "binomial", "log", -1.5),
        ("time", "gaussian", "identity", 0.0),
        ("copies", "poisson", "log", 0.5),
    ],
)
@LAW
@given(seed=SEEDS)
def test_what_leaves_are_derivatives_of_the_log_likelihood(
    outcome: str, family: str, link: str, intercept: float, seed: int
) -> None:
    sites = open_sites(deal(cohort(seed), seed))
    design = parse(f"{outcome} ~ {RIGHT}", sites.codebook, intercept=True)[1]
    agreed = sites.codebook[outcome]
    unit = (agreed.centre, agreed.scale) if family == "gaussian" else (0.0, 1.0)
    model = GlmModel(outcome, design, "weight", "known", None, family, link, *unit)
    random, h = np.random.default_rng(seed), 1e-5
    at = np.array([intercept, *(0.05 * random.normal(size=4))])

    def sums(beta):
        return sites.sum(GlmDerivatives(model, tuple(beta.tolist())))

    here, sides = sums(at), [(sums(at + h * e), sums(at - h * e)) for e in np.eye(5)]
    slope = np.array([(up["loglik"][0] - down["loglik"][0]) / (2 * h) for up, down in sides])
    bend = np.array([(down["score"] - up["score"]) / (2 * h) for up, down in sides])
    # central differences: third derivatives of some hundreds times h^2 / 6, and rounding of 1e4 * 1e-16 / h
    np.testing.assert_allclose(here["score"], slope, atol=1e-6)
    np.testing.assert_allclose(full_matrix(here["information"]), bend, atol=1e-6)
