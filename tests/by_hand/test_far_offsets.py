"""Offsets whose mean is far from zero: a number added to one moves the intercept, and nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.agreement import codebook_of
from fedstats.contract.formula import parse
from fedstats.methods.glm_model import GlmModel
from fedstats.numerics.newton import NotConverged

SHIFTS = {"up10": 10.0, "down20": -20.0, "up40": 40.0, "up300": 300.0}
NONE = fs.DisclosurePolicy.none()


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    rng = np.random.default_rng(20)
    n = 400
    x, known = rng.normal(60, 10, n), rng.normal(0, 0.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-(known + (x - 60) / 20)))).astype(float)
    shifted = {name: known + shift for name, shift in SHIFTS.items()}
    return pd.DataFrame({"y": y, "x": x, "g": rng.choice(["a", "b"], n), "known": known, **shifted})


def split(frame: pd.DataFrame, k: int = 2) -> fs.InProcess:
    return fs.InProcess({f"s{i}": frame.iloc[i::k] for i in range(k)}, policy=NONE)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize(
    "options", [{}, {"start": "pooled"}, {"penalty": fs.Ridge(0.1)}, {"penalty": fs.Firth()}], ids=str
)
def test_moves_the_intercept_alone(patients, family, name, options):
    sites = split(patients)
    near = fs.glm(sites, "y ~ x + g", family=family, offset="known", **options)
    far = fs.glm(sites, "y ~ x + g", family=family, offset=name, **options)
    moved = np.array(far.beta) + np.array([SHIFTS[name], 0.0, 0.0])
    # a predictor near 300 holds 6e-14 of itself, and so do its sums
    np.testing.assert_allclose(moved, near.beta, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(far.covariance, near.covariance, rtol=1e-8)
    assert far.loglik_null == pytest.approx(near.loglik_null, rel=1e-11)
    assert far.rounds <= near.rounds + 2


@pytest.mark.parametrize("k", [1, 2, 5, 17])
@pytest.mark.parametrize("name", SHIFTS)
def test_poisson_intercept_has_a_closed_form(patients, k, name):
    found = fs.glm(split(patients, k), "y ~ 1", family="poisson", offset=name).beta[0]
    rate = np.log(patients.y.sum() / np.exp(patients.known).sum()) - SHIFTS[name]
    assert found == pytest.approx(rate, abs=1e-10)


def test_linear_predictor_as_an_offset(patients):
    sites = split(patients)
    of_x = fs.glm(sites, "x ~ known", family="gaussian")
    made = sites.with_linear_predictor("lp", of_x)
    far, slope = of_x.beta
    assert far > 50
    rate = -far + np.log(patients.y.sum() / np.exp(slope * patients.known).sum())
    assert fs.glm(made, "y ~ 1", family="poisson", offset="lp").beta[0] == pytest.approx(rate, abs=1e-9)
    risk = fs.logistic(made, "y ~ 1", offset="lp").beta[0] + far + slope * patients.known
    # its coefficients travel with 12 digits: 60 to 5e-11, times a curvature of 100
    assert (1 / (1 + np.exp(-risk))).sum() == pytest.approx(patients.y.sum(), abs=1e-8)


def test_path_of_penalties_begins_there_too(patients):
    near, far = (
        fs.penalty_path(split(patients), "y ~ x + g", family="binomial", offset=name)
        for name in ("known", "up40")
    )
    shift = np.array([40.0, 0.0, 0.0])
    np.testing.assert_allclose(far.beta + shift, near.beta, atol=1e-7)


def test_without_a_centre_says_what_to_state(patients):
    book = codebook_of([patients])
    flat = {"known", "up40"}
    book = replace(
        book, variables=tuple(replace(v, centre=0.0) if v.name in flat else v for v in book.variables)
    )
    sites = fs.InProcess({"a": patients.iloc[::2], "b": patients.iloc[1::2]}, book, NONE)
    with pytest.raises(NotConverged, match=r"offset up40 was not found.*State its mean there"):
        fs.logistic(sites, "y ~ x", offset="up40")
    assert fs.logistic(sites, "y ~ x", offset="known").n == 400


def test_start_holds_what_is_agreed_and_nothing_of_the_rows(patients):
    book = codebook_of([patients])
    _, design = parse("y ~ x", book, intercept=True)
    assert not GlmModel("y", design, None, None, None).begin(book).any()
    begin = GlmModel("y", design, None, "up40", None).begin(book)
    assert begin.tolist() == [-book["up40"].centre, 0.0]
