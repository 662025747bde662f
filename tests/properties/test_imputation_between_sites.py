"""A variable that one site has not observed: its intercept is drawn as far from the others' as theirs lie apart."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.numerics.meta_analysis import between_groups

NONE = fs.DisclosurePolicy.none()
MODELS = {"lab": "age"}
SD = 6.0


def tables(k=8, n=150, spread=SD):
    """Sites whose lab values lie apart; the last has none."""
    random = np.random.default_rng(2)
    found = {}
    for j in range(k):
        age = random.normal(60, 8, n)
        lab = 100 + 0.5 * (age - 60) + spread * random.normal() + random.normal(0, 10, n)
        found[f"s{j}"] = pd.DataFrame(
            {"age": age - 60, "lab": lab, "practice": f"p{j}", "y": random.normal(size=n)}
        )
    found[f"s{k - 1}"]["lab"] = np.nan
    return found


def federation(frames):
    return fs.InProcess(frames, policy=NONE)


@pytest.mark.parametrize("by", ["site", "practice"])
def test_the_deviation_is_that_of_each_units_own_intercept(by):
    frames = tables()
    copies = fs.impute(federation(frames), MODELS, m=2, between=by)
    fits = [
        np.linalg.lstsq(np.column_stack([np.ones(150), f["age"]]), f["lab"], rcond=None)
        for f in list(frames.values())[:-1]
    ]
    whole = pd.concat(list(frames.values())[:-1])
    x = np.column_stack([np.ones(len(whole)), whole["age"]])
    left = np.linalg.lstsq(x, whole["lab"], rcond=None)[1][0] / (len(whole) - 2)
    inverses = [
        np.linalg.inv(np.column_stack([np.ones(150), f["age"]]).T @ np.column_stack([np.ones(150), f["age"]]))
        for f in list(frames.values())[:-1]
    ]
    y, v = np.array([fit[0][0] for fit in fits]), left * np.array([inverse[0, 0] for inverse in inverses])
    assert copies.between["lab"] == pytest.approx(np.sqrt(between_groups(y, v, "REML")), rel=1e-6)
    assert 2 < copies.between["lab"] < 12
    assert copies.assumption == ""  # estimated, and no assumption


def own_mean(fit):
    return fit.estimates[:, 0]


def test_copies_of_such_a_site_differ_by_so_much_more():
    frames = tables()
    last = {"s7": frames["s7"]}

    def means(between):
        copies = fs.impute(federation(frames), MODELS, m=20, between=between)
        found = []
        for chain in copies.chains:
            alone = fs.federations.site.Site("s7", last["s7"], copies.federation.codebook, NONE)
            found.append(alone.data.with_columns((chain,)).frame["lab"].mean())
        return np.std(found, ddof=1)

    alike, apart = means(None), means({"lab": SD})
    assert alike < 2.5  # parameters, and the mean of 150 draws
    assert apart == pytest.approx(SD, rel=0.45)  # of 20 draws: three standard errors


def test_a_stated_deviation_is_labelled():
    copies = fs.impute(federation(tables(3)), MODELS, m=2, between={"lab": 4.0})
    fit = copies.fit(lambda copy: fs.glm(copy, "lab ~ age", family="gaussian"))
    assert fit.assumption == "lab differs between sites by a standard deviation of 4 (stated, not estimated)"
    assert copies.tidy()["between"].tolist() == [4.0]


def test_more_variation_is_more_missing_information():
    sites = federation(tables(4))
    fits = [
        fs.impute(sites, MODELS, m=20, between=b).fit(lambda copy: fs.glm(copy, "lab ~ 1", family="gaussian"))
        for b in (None, {"lab": 20.0})
    ]
    missing = [fit.tidy()["missing_information"].iloc[0] for fit in fits]
    assert missing[0] < 0.7 < missing[1]


WRONG = {
    "two units": (tables(3), "site", "observed with its own model in 2 units, too few"),
    "another variable": (tables(), {"age": 1.0}, "between names 'age', which is not imputed"),
    "below zero": (tables(), {"lab": -1.0}, "give standard deviations by variable"),
    "a number": (tables(), 3, "give a column of practices"),
    "a measurement": (tables(), "y", "give a column of practices, or 'site'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_tells_nothing_of_other_sites_is_refused(name):
    frames, between, words = WRONG[name]
    with pytest.raises(fs.FormulaError, match=words):
        fs.impute(federation(frames), MODELS, m=2, between=between)
