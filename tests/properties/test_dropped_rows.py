"""Patients who have no part in a curve for an empty cell are counted, in every result of the counts, by the rule of the regressions."""

from dataclasses import replace

import numpy as np
import pytest

import fedstats as fs
from fedstats.reporting.wording import left_out
from tests.datasets import lung, split_unevenly

BY = "Surv(time, status) ~ group"
DROPPED = 31


def frame(missing):
    """Of so many patients the group, the time or the status is empty; a cause beside, whose first level is none."""
    rows = lung()[["time", "status", "practice"]].astype({"time": float, "status": float})
    rows = rows.assign(group=np.where(lung()["sex"] == 1, "man", "woman"))
    rows = rows.assign(cause=rows["status"].map({0.0: "alive", 1.0: "dead"}))
    places = np.random.default_rng(6).permutation(len(rows))[:missing]
    rows.loc[places[::3], "time"] = np.nan
    rows.loc[places[1::3], ["status", "cause"]] = np.nan
    rows.loc[places[2::3], "group"] = None
    return rows


def sites(k, missing=DROPPED, policy=None):
    return fs.InProcess(split_unevenly(frame(missing), k), policy=policy or fs.DisclosurePolicy.none())


ASKED = {
    "curve": lambda s: fs.kaplan_meier(s, BY),
    "follow-up": lambda s: fs.kaplan_meier(s, BY, reverse=True),
    "landmark": lambda s: fs.kaplan_meier(s, BY, landmark=100),
    "log-rank": lambda s: fs.logrank(s, BY),
    "log-rank within practices": lambda s: fs.logrank(s, BY, strata="practice"),
    "MaxCombo": lambda s: fs.max_combo(s, BY),
    "restricted means": lambda s: fs.rmst(s, BY, tau=365),
    "ratios by period": lambda s: fs.period_hazard_ratios(s, BY, cuts=[180]),
    "incidence": lambda s: fs.cumulative_incidence(s, "Surv(time, cause) ~ group"),
}


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("asked", ASKED)
def test_who_is_left_out_is_counted(asked, k):
    result = ASKED[asked](sites(k))
    assert result.dropped == DROPPED
    assert result.glance()["dropped"].tolist() == [DROPPED]
    said = "31 rows dropped for an empty cell"
    assert said in str(result).splitlines()[0]
    assert said in result._repr_html_()
    assert result.tidy().attrs["dropped"] == DROPPED
    whole = ASKED[asked](sites(k, missing=0))
    assert whole.glance()["dropped"].tolist() == [0]
    assert "dropped" not in str(whole) + whole._repr_html_()


def test_milestones_of_a_curve_say_it_too():
    curve = fs.kaplan_meier(sites(2), BY)
    assert fs.cox(sites(2), BY).glance()["dropped"].tolist() == [DROPPED]
    assert curve.dropped == DROPPED
    assert left_out(curve.dropped) == " 31 patients are left out because a value is missing."
    assert (left_out(1), left_out(0)) == (" 1 patient is left out because a value is missing.", "")


@pytest.mark.parametrize("asked", ["curve", "log-rank", "log-rank within practices", "incidence"])
def test_a_few_left_out_are_refused_as_a_regression_is(asked):
    """Five are a difference between two cohorts: the model of the same rows is refused for them, and so is the curve."""
    strict = replace(fs.DisclosurePolicy.none(), name="differences", off=False, min_difference=11)
    for ask in (ASKED[asked], lambda s: fs.cox(s, BY)):
        with pytest.raises(fs.SiteRefused) as refused:
            ask(sites(1, missing=5, policy=strict))
        assert refused.value.rule == "dropped rows"
