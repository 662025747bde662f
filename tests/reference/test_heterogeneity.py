"""Effects by practice are R's on each practice's rows, put together as metafor does, with the score test of one stage.

Groups' estimates agree to 1e-9 of the larger of standard error and estimate.  What metafor makes of them by iteration (REML, Paule
and Mandel) is as near as its own limits: 1e-7 relative, of tau2 in units of itself and a typical variance; its Q-profile
ends by a root search of 1e-12: 1e-6.  The score test is a quadratic form at coefficients that agree to 1e-9: 1e-7.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import fedstats as fs
from tests.reference.comparison import cases, federation, layouts, numbers, options

ITERATED = 1e-7
ASKED = ("term", "by", "weights", "offset")


def effects(sites, case, **more):
    asked = options(case, *ASKED) | ({"family": case["family"]} if case["family"] else {"ties": case["ties"]})
    return fs.heterogeneity(sites, case["formula"], **asked, **more)


@pytest.fixture(scope="module", params=layouts("heterogeneity"))
def found(request):
    case = request.param.case
    return effects(request.param.sites, case), case


def of_each(result, case):
    """Rows of every coefficient, groups in the order of their names, which is R's."""
    terms = dict.fromkeys(result.groups["term"])
    return [result.groups[result.groups["term"] == term].sort_values("members") for term in terms], case[
        "coefficients"
    ]


@pytest.mark.reference("estimates of practices")
def test_a_group_is_fitted_as_r_fits_its_rows(found):
    for rows, expected in zip(*of_each(*found), strict=True):
        y, se = numbers(expected["y"]), numbers(expected["se"])
        assert (np.abs(rows["estimate"] - y) <= 1e-9 * np.fmax(np.abs(y), se)).all()
        np.testing.assert_allclose(rows["std_error"], se, rtol=1e-8)
        assert rows["n"].tolist() == found[1]["sizes"]


def agree(pooled, statistics, expected, level=0.95):
    random = pooled[pooled["effects"] == "random"].iloc[0]
    units = expected["se"]
    for name, key in {"estimate": "estimate", "conf_low": "low", "conf_high": "high"}.items():
        assert abs(random[name] - expected[key]) <= ITERATED * units
    assert abs(random["prediction_low"] - expected["pi_low"]) <= ITERATED * units
    assert abs(random["prediction_high"] - expected["pi_high"]) <= ITERATED * units
    assert random["std_error"] == pytest.approx(expected["se"], rel=ITERATED)
    assert random["p_value"] == pytest.approx(expected["p_value"], rel=10 * ITERATED)
    typical = statistics["tau2"] / (statistics["h2"] - 1) if statistics["h2"] > 1 else 1.0
    assert abs(statistics["tau2"] - expected["tau2"]) <= ITERATED * (expected["tau2"] + typical)
    assert statistics["i2"] == pytest.approx(expected["i2"], abs=ITERATED)
    assert statistics["h2"] == pytest.approx(expected["h2"], rel=ITERATED)
    assert statistics["q"] == pytest.approx(expected["q"], rel=1e-7)
    assert statistics["p_value"] == pytest.approx(expected["q_p"], rel=1e-6)


@pytest.mark.reference("fixed and random effects")
def test_groups_are_put_together_as_metafor_does(found):
    result, case = found
    for i, expected in enumerate(case["coefficients"]):
        term = list(dict.fromkeys(result.groups["term"]))[i]
        pooled = result.pooled()[lambda t, term=term: t["term"] == term]
        statistics = result.glance().set_index("term").loc[term]
        agree(pooled, statistics, expected["hartung_knapp"])
        fixed = pooled[pooled["effects"] == "fixed"].iloc[0]
        y, se = numbers(expected["y"]), numbers(expected["se"])
        # a mean of estimates as near as they are, with weights as near as their standard errors
        allowed = 1e-9 * np.fmax(np.abs(y), se).max() + 2e-8 * np.ptp(y)
        assert abs(fixed["estimate"] - expected["fixed"]) <= allowed
        assert fixed["std_error"] == pytest.approx(expected["fixed_se"], rel=1e-8)
        ends = numbers(expected["hartung_knapp"]["tau2_ci"])
        np.testing.assert_allclose(
            statistics[["tau2_low", "tau2_high"]].astype(float), ends, rtol=1e-6, atol=1e-9
        )
        without = result.leave_one_out()[lambda t, term=term: t["term"] == term].set_index("left_out")[
            "estimate"
        ]
        order = result.groups[result.groups["term"] == term].sort_values("members")["group"]
        np.testing.assert_allclose(
            without[order], expected["hartung_knapp"]["without"], atol=ITERATED * expected["fixed_se"]
        )


@pytest.mark.reference("one-stage score test")
def test_the_one_stage_test_is_the_score_test_of_r(found):
    (statistic, df, _), case = found[0].test, found[1]
    assert df == case["df"]
    assert statistic == pytest.approx(case["statistic"], rel=1e-7)


@pytest.mark.reference("one-stage score test")
@pytest.mark.parametrize("layout", layouts("heterogeneity", "tests"))
def test_a_group_that_tells_nothing_takes_a_degree_of_freedom_with_it(layout):
    """Practices where nobody, or everybody, has a level, and one without an event: R drops their columns as aliased."""
    statistic, df, p_value = effects(layout.sites, layout.case).test
    assert df == layout.case["df"]
    assert statistic == pytest.approx(layout.case["statistic"], rel=1e-7)
    assert p_value == pytest.approx(chi2.sf(layout.case["statistic"], df), rel=1e-6)


@pytest.mark.parametrize("method", ["REML", "DL", "PM"])
@pytest.mark.parametrize("name", cases("heterogeneity"))
def test_every_variance_between_groups_is_metafors(name, method):
    case = cases("heterogeneity")[name]
    result = effects(federation(case, 2), case, method=method, hartung_knapp=False)
    for i, expected in enumerate(case["coefficients"]):
        term = list(dict.fromkeys(result.groups["term"]))[i]
        pooled = result.pooled()[lambda t, term=term: t["term"] == term]
        agree(pooled, result.glance().set_index("term").loc[term], expected["random"][method])


def test_of_counts_no_events_are_listed():
    frame = pd.DataFrame({"y": [0, 1, 2, 1, 3, 0, 1, 2] * 6, "x": [0, 1] * 24, "p": list("aabbcc") * 8})
    sites = fs.InProcess({"all": frame}, policy=fs.DisclosurePolicy.none())
    found = fs.heterogeneity(sites, "y ~ x", term="x", by="p", family="poisson")
    assert found.groups["n"].tolist() == [16, 16, 16]
    assert found.groups["n_event"].isna().all()


def test_groups_without_an_estimate_are_named():
    """The level z is in one group alone: what the others say of x is not asked for without it."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"y": random.integers(0, 2, 240), "x": random.normal(size=240), "p": list("abcd") * 60}
    )
    frame["rare"] = np.where((frame["p"] == "a") & (frame.index % 3 == 0), "z", "other")
    sites = fs.InProcess({"all": frame}, policy=fs.DisclosurePolicy.none())
    told = fs.heterogeneity(sites, "y ~ x + rare", term="x", by="p")
    assert told.notes[0].endswith("all of them have): all: b; all: c; all: d.")
    assert told.notes[0] in str(told)
    assert "all: b; all: c; all: d." in told._repr_html_()
    assert fs.heterogeneity(sites, "y ~ x", term="x", by="p").notes == ()
