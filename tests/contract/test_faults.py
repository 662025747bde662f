"""Rows that do not fit are told with the remedy; which they are, only to whoever holds them."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.agreement import codebook_of
from fedstats.contract.formula import Outcome
from fedstats.federations.site import Site
from fedstats.methods.follow_up import follow_up
from tests.datasets import split

STRICT, NONE = fs.DisclosurePolicy(), fs.DisclosurePolicy.none()
N = 360


def cohort():
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "time": rng.exponential(10, N).round(1) + 0.5,
            "status": rng.integers(0, 2, N),
            "age": rng.integers(40, 80, N).astype(float),
            "y": rng.integers(0, 2, N),
            "count": rng.poisson(2, N).astype(float),
        }
    )
    frame["coded"], frame["entry"] = frame["status"] + 1, 0.0
    frame["negative"], frame["late"] = frame["time"], frame["entry"]
    frame.loc[7, "negative"], frame.loc[7, "late"] = -4711.5, 4711.5
    frame["w"], frame["share"] = 1.0, frame["count"]
    frame.loc[7, ["w", "share"]] = -4711.5
    frame["low"] = frame["age"] - 50
    frame["far"] = frame["time"] + 1e9
    return frame


#: The analysis, what anybody is told, and what the holder of the rows is told besides.
FAULTS = {
    "codes": (
        lambda s: fs.cox(s, "Surv(time, coded) ~ age"),
        "as in Surv(time, coded == 2).",
        "rows, with coded 2.",
    ),
    "codes of a curve": (
        lambda s: fs.kaplan_meier(s, "Surv(time, coded) ~ 1", grid=[5.0, 10.0, 200.0]),
        "as in Surv(time, coded == 2).",
        "rows, with coded 2.",
    ),
    "codes of a logistic outcome": (
        lambda s: fs.logistic(s, "coded ~ age"),
        "recode it, 1 for the event, or make it a factor of two levels",
        "rows, with coded 2.",
    ),
    "a negative time": (
        lambda s: fs.cox(s, "Surv(negative, status) ~ age"),
        'leave these patients out with sites.where("negative >= 0").',
        f"1 of {N} rows, with negative -4711.5.",
    ),
    "times that run into each other": (
        lambda s: fs.cox(s, "Surv(far, status) ~ age"),
        "Count them from each patient's own beginning, in days or months.",
        "rows, with far ",
    ),
    "a late entry": (
        lambda s: fs.cox(s, "Surv(late, time, status) ~ age"),
        "leave out whoever was never at risk.",
        f"1 of {N} rows, with late 4711.5 and time ",
    ),
    "negative weights": (
        lambda s: fs.cox(s, "Surv(time, status) ~ age", weights="w"),
        "a case weight is zero or more.",
        f"1 of {N} rows, with w -4711.5.",
    ),
    "no counts": (
        lambda s: fs.glm(s, "share ~ age", family="poisson"),
        "give the logarithm of the time as offset.",
        f"1 of {N} rows, with share -4711.5.",
    ),
    "outside the ends of a spline": (
        lambda s: fs.cox(s, "Surv(time, status) ~ bs(age, 60, low=50, high=70)"),
        "A B-spline lies between its ends, here 50 and 70: widen low= and high=",
        "rows, with age ",
    ),
    "a logarithm": (
        lambda s: fs.cox(s, "Surv(time, status) ~ log(low)"),
        "A logarithm is one of values above zero",
        "rows, with low -",
    ),
}
#: Where a gate would not have let the sums out it says so, and nothing of the rows.
REFUSED_FIRST = {"negative weights", "no counts", "outside the ends of a spline"}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_says_what_to_do_and_what_was_found_to_who_holds_the_rows(what):
    ask, remedy, found = FAULTS[what]
    with pytest.raises(fs.SiteRefused) as refused:
        ask(fs.InProcess({"a": cohort()}, policy=NONE))
    said = str(refused.value)
    assert said.startswith("The site a could not answer: ")
    assert remedy in said
    assert f" Found: {found}" in said or (" Found: " in said and found in said)


@pytest.mark.parametrize("what", FAULTS)
def test_behind_a_gate_a_fault_holds_nothing_that_was_found(what):
    with pytest.raises(fs.SiteRefused) as refused:
        FAULTS[what][0](fs.InProcess({"a": cohort()}, policy=STRICT))
    assert (refused.value.entry == "question") is (what not in REFUSED_FIRST)
    assert "Found" not in str(refused.value)
    assert "4711" not in str(refused.value)


@pytest.mark.parametrize("policy", [NONE, STRICT])
def test_what_leaves_a_site_holds_nothing_that_was_found_whatever_its_policy(policy):
    # the same question over an exchange: there the site's own eyes alone see what was found
    frame = cohort()
    asked = fs.InProcess({"a": frame}, policy=NONE)
    with pytest.raises(fs.SiteRefused):
        fs.cox(asked, "Surv(time, coded) ~ age")
    (query,) = [entry.query for entry in asked.history()]
    answer = Site("a", frame, codebook_of([frame]), policy).answer(query)
    assert answer.content.entry == "question"
    assert answer.found == f"{(frame['coded'] == 2).sum()} of {N} rows, with coded 2"
    assert "Found" not in str(answer.content.to_dict())
    assert f"{N}" not in str(answer.content.to_dict())
    assert type(answer.content.rule) is str


@pytest.mark.parametrize("n_sites", [1, 2, 5])
def test_the_remedy_gives_the_fit_of_an_event_of_0_and_1(n_sites):
    sites = fs.InProcess(split(cohort(), n_sites), policy=NONE)
    fits = [fs.cox(sites, f"Surv(time, {event}) ~ age") for event in ("coded == 2", "status")]
    np.testing.assert_array_equal(fits[0].beta, fits[1].beta)


def strata_of(n):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"time": rng.exponential(5, n), "status": 1, "y": rng.integers(0, 2, n)})
    frame["inst"], frame["age"] = np.arange(n) % 6, rng.normal(size=n)
    return frame.assign(teaching=(frame["inst"] % 2).astype(float), same=3.0)


def test_a_column_that_is_constant_within_strata_is_said_to_be_absorbed_there():
    frame = strata_of(240)
    sites = fs.InProcess({"a": frame[:120], "b": frame[120:]}, policy=NONE)
    absorbed = r"No information about teaching: constant within every stratum \(site, inst\), where the baseline hazards absorb"
    with pytest.raises(fs.NotConverged, match=absorbed) as told:
        fs.cox(sites, "Surv(time, status) ~ age + teaching", strata="inst")
    assert 'Drop it, or ask without the strata that hold it fixed (for the site, baseline="shared").' in str(
        told.value
    )
    with pytest.raises(
        fs.NotConverged, match=r"constant within every stratum \(inst\), where the intercepts absorb"
    ):
        fs.logistic(sites, "y ~ age + teaching", intercepts="inst")
    # by site: another value at each of them
    by_site = fs.InProcess({"a": frame[:120].assign(s=0.0), "b": frame[120:].assign(s=1.0)}, policy=NONE)
    with pytest.raises(fs.NotConverged, match=r"constant within every stratum \(site\)"):
        fs.cox(by_site, "Surv(time, status) ~ age + s")
    assert np.isfinite(
        fs.cox(
            by_site, "Surv(time, status) ~ age + s", baseline="shared", grid=list(np.arange(0.5, 50, 0.5))
        ).beta
    ).all()


def test_a_column_of_one_value_is_constant_among_all_patients():
    sites = fs.InProcess({"a": strata_of(240)[:120], "b": strata_of(240)[120:]}, policy=NONE)
    for ask in (
        lambda: fs.cox(sites, "Surv(time, status) ~ age + same", strata="inst"),
        lambda: fs.cox(sites, "Surv(time, status) ~ age + same", penalty=fs.Firth()),
        lambda: fs.logistic(sites, "y ~ age + same"),
        lambda: fs.logistic(sites, "y ~ age + same", intercepts="inst"),
    ):
        with pytest.raises(fs.NotConverged, match="No information about same: constant among the patients"):
            ask()


@pytest.mark.parametrize(("gap", "fits"), [(1e-12, True), (1e-9, False), (1e-7, True)])
def test_ties_by_rounding_are_ties_and_a_row_of_times_within_the_tolerance_is_a_fault(gap, fits):
    frame = pd.DataFrame({"time": 1 + gap * np.arange(100), "status": 1, "age": np.arange(100) % 7})
    found = follow_up(frame, Outcome("status", "time"))
    assert (found.faults == ()) is fits
    assert len(np.unique(found.time)) == (100 if gap == 1e-7 else 1)
