"""Clusters never span sites: one label at two sites is two clusters, also where the codebook agrees on the labels."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.contract.variable import TimeGrid, Variable

WARDS = ("A", "B", "C")
NONE = fs.DisclosurePolicy.none()


def frames():
    """Two sites with wards of the same names, in which outcomes resemble each other."""
    random, n = np.random.default_rng(5), 240
    site, ward = np.arange(n) % 2, random.integers(0, 3, n)
    x = random.normal(size=n) + 0.8 * ward * (1 - 2 * site)
    frame = pd.DataFrame({"x": x, "ward": np.array(WARDS)[ward], "site": np.where(site, "north", "south")})
    frame["y"] = (random.random(n) < 1 / (1 + np.exp(-x - ward))).astype(int)
    frame["z"] = x + ward + random.normal(size=n)
    frame["t"] = np.ceil(random.exponential(np.exp(-0.5 * x) * 12))
    return frame.assign(own=frame["site"] + " " + frame["ward"])


def codebook(*, agreed):
    wards = Variable("ward", "factor", levels=WARDS) if agreed else Variable("ward", "label")
    others = (Variable("own", "label"), Variable("site", "factor", levels=("north", "south")))
    measured = (
        Variable("x", "numeric"),
        Variable("z", "numeric"),
        Variable("y", "event"),
        Variable("t", "time"),
    )
    return Codebook((wards, *others, *measured), TimeGrid("months", (1.0,), 120.0))


MODELS = {
    "logistic": lambda s, **c: fs.logistic(s, "y ~ x", **c),
    "linear": lambda s, **c: fs.glm(s, "z ~ x", family="gaussian", **c),
    "within wards": lambda s, **c: fs.logistic(s, "y ~ x", intercepts=c["cluster"], **c),
    "Cox": lambda s, **c: fs.cox(s, "Surv(t, y) ~ x", strata="site", **c),
    "Cox, one baseline": lambda s, **c: fs.cox(s, "Surv(t, y) ~ x", baseline="shared", ties="breslow", **c),
}


@pytest.mark.parametrize("agreed", [True, False], ids=["agreed levels", "labels"])
@pytest.mark.parametrize("model", MODELS)
def test_a_label_at_two_sites_is_two_clusters(model, agreed):
    frame, book = frames(), codebook(agreed=agreed)
    apart = fs.InProcess(dict(list(frame.groupby("site"))), book, NONE)
    together = fs.InProcess({"all": frame}, book, NONE)
    found = MODELS[model](apart, cluster="ward")
    six = MODELS[model](together, cluster="own")  # wards of the sites by names of their own
    three = MODELS[model](together, cluster="ward")
    np.testing.assert_allclose(found.beta, six.beta, rtol=1e-9)
    np.testing.assert_allclose(found.vcov, six.vcov, rtol=1e-9)
    assert np.abs(found.vcov / three.vcov - 1).to_numpy().max() > 0.05  # three clusters are another variance


def test_a_fit_says_so_where_it_is_printed():
    frame = frames()
    sites = fs.InProcess(dict(list(frame.groupby("site"))), codebook(agreed=True), NONE)
    said = "Clusters are those of ward within a site: one name at two sites is two groups."
    fit = fs.logistic(sites, "y ~ x", cluster="ward")
    assert fit.notes == (said,)
    assert str(fit).endswith(said)
    assert f"<p>{said}</p>" in fit._repr_html_()
    within = fs.logistic(sites, "y ~ x", intercepts="own")
    assert within.notes == (
        "Intercepts are those of own within a site: one name at two sites is two groups.",
    )
    assert fs.logistic(sites, "y ~ x", robust=True).notes == ()
    assert fs.logistic(fs.InProcess({"all": frame}, policy=NONE), "y ~ x", cluster="ward").notes == ()


def test_a_cluster_asks_for_the_sandwich_whatever_robust_says():
    """The design's defaults are ``robust=False, cluster=None``: naming groups is enough."""
    frame = pd.DataFrame({"y": [0, 1, 1, 0, 1, 0, 0, 1], "x": range(8), "g": list("aabbccdd")})
    sites = fs.InProcess({"all": frame}, policy=fs.DisclosurePolicy.none())
    named = fs.logistic(sites, "y ~ x", cluster="g")
    both = fs.logistic(sites, "y ~ x", cluster="g", robust=False)
    assert (named.covariance == both.covariance).all()
    assert (named.covariance != fs.logistic(sites, "y ~ x", robust=False).covariance).any()
