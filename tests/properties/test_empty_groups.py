"""Groups without a patient are left out and named, as R's are after ``droplevels``, by everything that is worked out of counts."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.reporting.wording import no_part
from tests.datasets import lung, split_unevenly

BY = "Surv(time, status) ~ ecog3"
ALL = ("0", "1", "2+")
ASKED = {
    "curve": lambda s: fs.kaplan_meier(s, BY),
    "log-rank": lambda s: fs.logrank(s, BY),
    "log-rank within practices": lambda s: fs.logrank(s, BY, strata="practice"),
    "log-rank within strata": lambda s: fs.logrank(s, BY, strata="gender", rho=1),
    "MaxCombo": lambda s: fs.max_combo(s, BY),
    "MaxCombo within practices": lambda s: fs.max_combo(s, BY, strata="practice"),
    "restricted means": lambda s: fs.rmst(s, BY, tau=300),
    "ratios by period": lambda s: fs.period_hazard_ratios(s, BY, cuts=[200]),
    "landmark": lambda s: fs.logrank(s, BY, landmark=100),
}
COMPARING = [name for name in ASKED if name not in ("curve", "restricted means")]


def rows():
    frame = lung()[["time", "status", "practice", "ecog3"]]
    return frame.assign(
        gender=np.where(lung()["sex"] == 1, "man", "woman"), old=lung()["age"].ge(60).astype(float)
    )


def sites(frame, k, **options):
    return fs.InProcess(split_unevenly(frame, k), policy=fs.DisclosurePolicy.none(), **options)


def of_all_levels(frame, k):
    """The rows under a codebook that agrees on all the levels, though none has some of them."""
    return sites(frame, k, codebook=sites(rows(), 1).codebook)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("gone", ALL)
@pytest.mark.parametrize("asked", ASKED)
def test_the_others_are_what_they_are_without_the_level(asked, gone, k):
    """Also where it is the first one, which the others are compared with."""
    left = rows()[lambda t: t["ecog3"] != gone].reset_index(drop=True)
    ask = ASKED[asked]
    expected, found = ask(sites(left, k)), ask(of_all_levels(left, k))
    pd.testing.assert_frame_equal(found.tidy(), expected.tidy(), check_exact=False, rtol=1e-12)
    for name in ("statistic", "df", "p_value"):
        if hasattr(expected, name):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)
    assert (found.empty, expected.empty) == ((gone,), ())
    said = f"Nobody is at risk in {gone}: left out, as R does after droplevels."
    assert said in str(found)
    assert said in found._repr_html_()
    assert "Nobody" not in str(expected)
    assert (no_part(found), no_part(expected)) == (
        f" Nobody is at risk in {gone}.",
        "",
    )  # below its table in a report


def test_survdiff_and_maxcombo_of_r():
    """``survdiff(Surv(time, status) ~ ecog3)`` of the 163 patients who are no 0, R 4 and survival 3."""
    here = of_all_levels(rows()[lambda t: t["ecog3"] != "0"].reset_index(drop=True), 2)
    found = fs.logrank(here, BY)
    assert found.tidy()["group"].tolist() == ["1", "2+"]
    assert found.statistic == pytest.approx(9.1521618803812004, rel=1e-9)
    assert found.df == 1


@pytest.mark.parametrize("asked", COMPARING)
def test_one_group_alone_is_compared_with_nothing_and_the_message_says_which(asked):
    one = rows()[lambda t: t["ecog3"] == "1"].reset_index(drop=True)
    with pytest.raises(fs.QueryError, match=r"nobody is at risk in 0, 2\+, and all are in 1"):
        ASKED[asked](of_all_levels(one, 2))


def test_more_than_two_groups_are_too_many_for_maxcombo_which_names_them():
    with pytest.raises(fs.FormulaError, match=r"patients in 0, 1, 2\+"):
        fs.max_combo(sites(rows(), 2), BY)


def test_a_group_that_has_left_before_a_landmark_is_named():
    frame = rows()
    frame.loc[frame["ecog3"] == "2+", "time"] = 50.0
    found = fs.kaplan_meier(sites(frame, 2), BY, landmark=100)
    assert found.empty == ("2+",)
    assert set(found.tidy()["group"]) == {"0", "1"}


def test_incidences_name_them_too():
    frame = rows().assign(cause=np.where(rows()["status"] == 1, "dead", "alive"))
    left = frame[frame["ecog3"] != "1"].reset_index(drop=True)
    here = sites(left, 2, codebook=sites(frame, 1).codebook)
    assert fs.cumulative_incidence(here, "Surv(time, cause) ~ ecog3").empty == ("1",)
