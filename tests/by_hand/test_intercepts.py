"""Intercepts of groups where a person can work the answer out."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

NONE = fs.DisclosurePolicy.none()


def pairs(exposed_alone, other_alone, both, neither):
    """Pairs of an exposed patient and another, by which of them has the event."""
    kinds = np.repeat([0, 1, 2, 3], [exposed_alone, other_alone, both, neither])
    events = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])[kinds]
    x = np.tile([1, 0], (len(kinds), 1))
    pair = np.arange(len(kinds))
    return pd.DataFrame({"y": events.ravel(), "x": x.ravel(), "pair": np.repeat([f"p{i}" for i in pair], 2)})


def sites(frame, policy=NONE):
    half = frame["pair"].isin(frame["pair"].unique()[::2])
    return fs.InProcess({"one": frame[half], "two": frame[~half]}, policy=policy)


def test_of_matched_pairs_the_odds_ratio_is_the_square_of_that_of_discordant_pairs():
    # Breslow & Day (1980), section 7.1: with an intercept for every pair, and no conditioning
    fit = fs.logistic(sites(pairs(30, 12, 7, 9)), "y ~ x", intercepts="pair")
    assert fit.coef["x"] == pytest.approx(2 * np.log(30 / 12), rel=1e-12)
    share = (
        30 / 42
    )  # each discordant pair has the event in the exposed patient with this probability, twice over
    assert fit.vcov.loc["x", "x"] == pytest.approx(1 / (42 * share * (1 - share) / 2), rel=1e-10)
    assert fit.loglik == pytest.approx(2 * (30 * np.log(share) + 12 * np.log(1 - share)), rel=1e-12)
    assert (fit.intercepts, fit.uninformative) == (58, 2 * (7 + 9))


def test_within_groups_a_linear_model_is_that_of_deviations_from_their_means():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=90), "pair": np.repeat([f"g{i}" for i in range(15)], 6)})
    frame["z"] = 3 * frame["x"] + random.normal(size=90) + np.repeat(random.normal(0, 50, 15), 6)
    within = frame[["x", "z"]] - frame.groupby("pair")[["x", "z"]].transform("mean")
    fit = fs.glm(sites(frame), "z ~ x", family="gaussian", intercepts="pair")
    slope = (within["x"] @ within["z"]) / (within["x"] @ within["x"])
    assert fit.coef["x"] == pytest.approx(slope, rel=1e-11)
    residual = ((within["z"] - slope * within["x"]) ** 2).sum() / (90 - 15 - 1)
    assert fit.vcov.loc["x", "x"] == pytest.approx(residual / (within["x"] @ within["x"]), rel=1e-10)
    assert fit.df_residual == 74


def test_rates_within_groups_are_those_of_counts_given_their_sum():
    frame = pairs(1, 1, 1, 1).assign(
        y=[5, 3, 9, 1, 4, 4, 0, 0]
    )  # of the pairs the exposed have 18 of 26 counts
    fit = fs.glm(sites(frame), "y ~ x", family="poisson", intercepts="pair")
    assert fit.coef["x"] == pytest.approx(np.log(18 / 8), rel=1e-12)
    assert fit.vcov.loc["x", "x"] == pytest.approx(26 / (18 * 8), rel=1e-10)
    assert fit.uninformative == 2  # a pair without counts


def test_one_name_at_two_sites_is_two_groups():
    frame = pairs(30, 12, 0, 0)
    fits = [
        fs.logistic(
            fs.InProcess({"a": frame, "b": frame.assign(pair=name)}, policy=NONE), "y ~ x", intercepts="pair"
        )
        for name in ("p0", "a name of its own")
    ]
    assert fits[0].beta == pytest.approx(fits[1].beta, rel=1e-13)
    assert fits[0].intercepts == fits[1].intercepts == 43


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"link": "log"}, "one intercept for all"),
        ({"penalty": fs.Firth()}, "penalised fit has one intercept"),
        ({"penalty": fs.Ridge(1.0)}, "penalised fit has one intercept"),
        ({"intercepts": "piar"}, "did you mean 'pair'"),
        ({"formula": "y ~ 1"}, "at least one term"),
        ({"formula": "Surv(x, y) ~ x"}, "Surv"),
    ],
)
def test_what_does_not_go_with_intercepts_is_one_sentence(options, word):
    asked = {"formula": "y ~ x", "intercepts": "pair"} | options
    with pytest.raises(fs.FormulaError, match=word):
        fs.glm(sites(pairs(9, 9, 9, 9)), **asked)


def test_a_column_that_is_the_same_within_every_practice_is_named():
    frame = pairs(9, 9, 9, 9).assign(rural=np.repeat(np.arange(36) % 2, 2))
    with pytest.raises(fs.NotConverged, match="rural"):
        fs.logistic(sites(frame), "y ~ x + rural", intercepts="pair")


def test_a_person_reads_that_the_groups_have_intercepts_of_their_own():
    fit = fs.logistic(sites(pairs(30, 12, 7, 9)), "y ~ x", intercepts="pair")
    assert fit.options["intercepts"] == "pair"
    assert fit.glance().loc[0, "uninformative"] == 32
    plain = fs.logistic(sites(pairs(30, 12, 7, 9)), "y ~ x")
    assert "intercepts" not in plain.glance()
