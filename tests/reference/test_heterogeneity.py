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
        known = np.isfinite(y)
        assert rows["estimate"].notna().tolist() == known.tolist()
        gap = np.abs(rows["estimate"].to_numpy() - y)[known]
        assert (gap <= 1e-9 * np.fmax(np.abs(y), se)[known]).all()
        np.testing.assert_allclose(rows["std_error"], se, rtol=1e-8)
        assert rows["n"].tolist() == found[1]["sizes"]


@pytest.mark.reference("estimates of practices")
def test_a_group_is_fitted_without_the_levels_that_it_has_not(found):
    """As many coefficients are left out as R gives NA, and named."""
    for rows, _ in zip(*of_each(*found), strict=True):
        assert [len(a.split(", ")) if a else 0 for a in rows["aliased"]] == found[1]["aliased"]
    without = [row.group for row in found[0].groups.itertuples() if row.aliased]
    said = " ".join(found[0].notes)
    assert all(group in said for group in without)


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
        allowed = 1e-9 * np.nanmax(np.fmax(np.abs(y), se)) + 2e-8 * np.ptp(y[np.isfinite(y)])
        assert abs(fixed["estimate"] - expected["fixed"]) <= allowed
        assert fixed["std_error"] == pytest.approx(expected["fixed_se"], rel=1e-8)
        ends = numbers(expected["hartung_knapp"]["tau2_ci"])
        np.testing.assert_allclose(
            statistics[["tau2_low", "tau2_high"]].astype(float), ends, rtol=1e-6, atol=1e-9
        )
        without = result.leave_one_out()[lambda t, term=term: t["term"] == term].set_index("left_out")[
            "estimate"
        ]
        rows = result.groups[result.groups["term"] == term].sort_values("members")
        order = rows.loc[rows["estimate"].notna(), "group"]
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


def practices_of_sixty(**columns):
    random = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"y": random.integers(0, 2, 240), "x": random.normal(size=240), "p": list("abcd") * 60}
    )
    frame["f"] = np.array(["r", "s", "t"])[random.integers(0, 3, 240)]
    frame["b"] = np.array(["no", "yes"])[random.integers(0, 2, 240)]
    return frame.assign(**{name: make(frame) for name, make in columns.items()})


def by_practice(frame, formula, term):
    sites = fs.InProcess({"all": frame}, policy=fs.DisclosurePolicy.none())
    found = fs.heterogeneity(sites, formula, term=term, by="p")
    return found, found.groups.pivot_table("estimate", "term", "group", dropna=False)


def test_a_level_that_one_group_alone_has_leaves_the_others_in():
    """They are fitted as if the level were nowhere."""
    frame = practices_of_sixty(rare=lambda f: np.where((f["p"] == "a") & (f.index % 3 == 0), "z", "other"))
    told, estimates = by_practice(frame, "y ~ x + rare", "x")
    plain, without = by_practice(frame[frame["p"] != "a"], "y ~ x", "x")
    np.testing.assert_allclose(estimates[without.columns].loc["x"], without.loc["x"], rtol=1e-9)
    note = told.notes[0]
    assert note.startswith("Fitted as R does, for a level that none or all of a group have")
    assert note.endswith(": all: b without rare[z]; all: c without rare[z]; all: d without rare[z].")
    assert note in str(told)
    assert note in told._repr_html_()
    assert not any(said.startswith("Fitted as R does") for said in plain.notes)


def test_a_group_that_does_not_tell_the_term_stays_out_and_is_named():
    """Whether nobody has it, everybody, or all who have it have something else too, in whichever order they are written."""
    frame = practices_of_sixty(
        arm=lambda f: f["b"].mask(f["p"] == "a", "no").mask(f["p"] == "c", "yes"),
        other=lambda f: f["b"].where(f["p"] == "b", np.roll(f["b"], 1)),
    )
    for formula in ("y ~ arm + other + x", "y ~ x + other + arm"):
        told, estimates = by_practice(frame, formula, "arm")
        assert estimates.loc["arm[yes]"].notna().tolist() == [False, False, False, True]
        (note,) = told.notes  # of groups that have no estimate no fit is told of
        assert note.endswith("all: a; all: b; all: c.")


def test_a_term_of_several_levels_stays_where_a_group_tells_it():
    """Of an empty level the group has no effect, of an empty reference none at all: R would compare with another level."""
    frame = practices_of_sixty(
        g=lambda f: (
            f["f"].mask((f["p"] == "a") & (f["f"] == "t"), "s").mask((f["p"] == "b") & (f["f"] == "r"), "s")
        )
    )
    told, estimates = by_practice(frame, "y ~ g + x", "g")
    assert estimates.loc["g[s]"].notna().tolist() == [True, False, True, True]
    assert estimates.loc["g[t]"].notna().tolist() == [False, False, True, True]
    assert told.statistics["groups"].tolist() == [3, 2]
    neither, one = told.notes[:2]
    assert neither.startswith("In no summary, for")
    assert neither.endswith(": all: b.")
    assert one.startswith("In no summary of g[t], for")
    assert one.endswith(": all: a.")


def test_a_separated_level_leaves_its_group_out():
    """Its patients have no event: its coefficient runs to minus infinity, and R warns."""
    frame = practices_of_sixty(y=lambda f: f["y"].mask((f["p"] == "a") & (f["f"] == "t"), 0))
    told, estimates = by_practice(frame, "y ~ x + f", "x")
    assert estimates.loc["x"].notna().tolist() == [False, True, True, True]
    assert told.notes[0].endswith(": all: a.")
    assert told.groups["aliased"].tolist() == [""] * 4
