"""A model with intercepts of practices is R's ``glm`` with a 0/1 column for each, practices dealt anyhow to sites."""

import json
from pathlib import Path

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS
from tests.reference.comparison import (
    FIT_TOLERANCE,
    agrees,
    coefficient_differences,
    covariance_differences,
    federation,
    numbers,
)

CASES = json.loads(Path(__file__).with_name("intercepts.json").read_text(encoding="utf-8"))["cases"]
LAYOUTS = [(1, None), (1, 20), (2, 20), (5, None), (17, 3)]


def fit_of(case, k, seed, **options):
    names = ("family", "weights", "offset", "robust", "cluster", "intercepts")
    asked = {name: case[name] for name in names} | {"profile": case["profile"] or ()}
    return fs.glm(federation(case, k, seed), case["formula"], **(asked | options))


def layouts():
    """Every case at every number of sites that its practices can be dealt to."""
    for name, case in CASES.items():
        units = DATASETS[case["data"]]()[case["split"]].nunique()
        for k, seed in LAYOUTS:
            if k <= units:
                yield pytest.param((case, k, seed), id=f"{name} | {k} sites | {seed}")


@pytest.fixture(scope="module", params=list(layouts()))
def fitted(request):
    case, k, seed = request.param
    return fit_of(case, k, seed), case


def test_coefficients_and_their_covariance_are_those_of_glm(fitted):
    fit, case = fitted
    assert fit.names == tuple(case["terms"])
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
    assert covariance_differences(fit, case).max() <= FIT_TOLERANCE


def test_likelihoods_and_sizes_are_those_of_glm(fitted):
    fit, case = fitted
    glance = fit.glance().iloc[0]
    names = ("loglik", "loglik_null", "aic", "bic", "deviance", "dispersion")
    assert {name: glance[name] for name in names if not agrees(glance[name], case[name])} == {}
    assert glance["n"] == case["n"]
    assert glance["intercepts"] == case["practices"]
    assert glance["uninformative"] == case["uninformative"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["ends"]])
def test_ends_of_profiles_are_those_of_r(name):
    case = CASES[name]
    row = fit_of(case, 2, 20).tidy().set_index("term").loc[case["profile"]]
    unit = case["se"][case["terms"].index(case["profile"])]
    assert np.abs(numbers(case["ends"]) - [row["conf_low"], row["conf_high"]]).max() <= FIT_TOLERANCE * unit


def test_the_start_makes_no_difference():
    case = CASES["lung"]
    fit = fit_of(case, 2, 20, start="pooled")
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
