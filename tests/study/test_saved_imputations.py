"""Results about missing data are written and read back as they were; covariances of copies lose the digits that no reader needs."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

RANDOM, N = np.random.default_rng(3), 200
FRAME = pd.DataFrame({"age": RANDOM.normal(60, 8, N), "y": RANDOM.integers(0, 2, N)})
FRAME["lab"] = (FRAME["age"] + RANDOM.normal(0, 5, N)).where(np.arange(N) % 4 != 1)
SITES = fs.InProcess({"a": FRAME[:120], "b": FRAME[120:]}, policy=fs.DisclosurePolicy.none())
MODELS = {"lab": "age + y"}


def analysis(copy):
    return fs.logistic(copy, "y ~ lab + age")


RESULTS = {
    "empty": fs.missingness(SITES, by="site"),
    "pooled": fs.impute(SITES, MODELS, m=3).fit(analysis),
    "tipping": fs.tipping_point(SITES, MODELS, analysis, variable="lab", deltas=[-5, 0], term="lab", m=2),
}


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "results.json"
    fs.save_results(RESULTS, path)
    return fs.load_results(path)


@pytest.mark.parametrize("name", RESULTS)
def test_it_is_read_back_as_it_was_written(again, name):
    pd.testing.assert_frame_equal(again[name].tidy(), RESULTS[name].tidy(), rtol=1e-12)
    assert str(again[name]) == str(RESULTS[name])
    assert again[name].glance()["rounds"][0] == RESULTS[name].glance()["rounds"][0]


def test_what_is_asked_of_a_pooled_fit_afterwards_is_the_same(again):
    there, back = (
        fit.linear_hypothesis(["lab = 0", "age = 0"]) for fit in (RESULTS["pooled"], again["pooled"])
    )
    assert back.p_value == pytest.approx(there.p_value, rel=0.02)
    assert again["pooled"].pooled.df == pytest.approx(RESULTS["pooled"].pooled.df, rel=1e-9)


def test_covariances_of_copies_are_rounded_as_those_of_fits(again):
    kept, given = again["pooled"].covariances, RESULTS["pooled"].covariances
    assert (kept != given).any()
    se = np.sqrt(np.einsum("mpp->mp", kept))
    correlations = kept / se[:, :, None] / se[:, None, :]
    assert np.abs(correlations * 1e9 - np.round(correlations * 1e9)).max() < 1e-3
    np.testing.assert_allclose(se, np.sqrt(np.einsum("mpp->mp", given)), rtol=1e-12)
