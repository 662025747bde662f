"""A subset that leaves out a level of a factor is analysed as rows without it are, R's after ``droplevels``: models, curves, tests and tables."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from tests.datasets import lung, split_unevenly

BY = "Surv(time, status) ~ ecog3"
COX = "Surv(time, status) ~ ecog3 * gender + age"
GRID = [100.0, 200.0, 300.0, 400.0, 600.0, 1200.0]
ASKED = {
    "cox": lambda s: fs.cox(s, COX),
    "cox, shared": lambda s: fs.cox(s, COX, baseline="shared", grid=GRID),
    "ridge": lambda s: fs.cox(s, COX, penalty=fs.Ridge(0.1)),
    "logistic": lambda s: fs.logistic(s, "status ~ ecog3 + age"),
    "proportional hazards": lambda s: fs.cox_zph(s, fs.cox(s, COX)),
    "predicted": lambda s: fs.predict_survival(
        s,
        fs.cox(s, COX, baseline="shared", grid=GRID),
        pd.DataFrame([{"ecog3": "1", "gender": "man", "age": 60.0}]),
    ),
    "curve": lambda s: fs.kaplan_meier(s, BY),
    "log-rank": lambda s: fs.logrank(s, BY),
    "log-rank within practices": lambda s: fs.logrank(s, BY, strata="practice"),
    "MaxCombo": lambda s: fs.max_combo(s, BY),
    "restricted means": lambda s: fs.rmst(s, BY, tau=300),
    "ratios by period": lambda s: fs.period_hazard_ratios(s, BY, cuts=[200]),
    "table": lambda s: fs.table_one(s, by="ecog3", variables=["age", "gender"]),
}


def rows():
    frame = lung()[["time", "status", "practice", "ecog3", "age"]]
    return frame.assign(gender=np.where(lung()["sex"] == 1, "man", "woman"))


def sites(frame, k, policy=None):
    return fs.InProcess(split_unevenly(frame, k, by="practice"), policy=policy or fs.DisclosurePolicy.none())


@pytest.fixture(scope="module", params=[1, 2, 5])
def federations(request):
    """The subset of all rows, and its rows alone at the same sites, by the level that is left out."""
    whole = split_unevenly(rows(), request.param, by="practice")

    def alone(gone):
        return {name: f[f["ecog3"] != gone].reset_index(drop=True) for name, f in whole.items()}

    none = fs.DisclosurePolicy.none()
    return {
        gone: (
            fs.InProcess(whole, policy=none).where(f"ecog3 != '{gone}'"),
            fs.InProcess(alone(gone), policy=none),
        )
        for gone in ("0", "2+")
    }


@pytest.mark.parametrize("gone", ["0", "2+"])
@pytest.mark.parametrize("asked", ASKED)
def test_a_subset_is_what_its_rows_alone_are(federations, asked, gone):
    """Also where the level is the one that the others are compared with."""
    subset, alone = (ASKED[asked](federation).tidy() for federation in federations[gone])
    pd.testing.assert_frame_equal(subset, alone, check_exact=False, rtol=1e-7, atol=1e-11)


def test_several_conditions_leave_the_levels_of_both():
    some = sites(rows(), 2).where("ecog3 in ('0', '1')").where("gender != 'man'")
    assert some.codebook["ecog3"].levels == ("0", "1")
    assert some.codebook["gender"].levels == ("woman",)
    assert some.agreed["ecog3"].levels == ("0", "1", "2+")
    with pytest.raises(fs.QueryError, match=r"no level '3' in the codebook; it has 0, 1, 2"):
        some.where("ecog3 == '3'")


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("grade >= 2", ("2", "3")),
        ("grade < 2", ("1",)),
        ("grade != 2", ("1", "3")),
        ("grade in (1, 3)", ("1", "3")),
    ],
)
def test_a_number_with_agreed_values_keeps_those_that_meet_the_condition(condition, left):
    frame = pd.DataFrame({"grade": [1, 2, 3] * 40, "status": [0, 1] * 60})
    some = fs.InProcess({"s": frame}, policy=fs.DisclosurePolicy.none()).where(condition)
    assert some.codebook["grade"].levels == left
    found = fs.table_one(some, by="grade", variables=["status"]).sizes()
    assert found == dict.fromkeys(left, 40.0) | {"Overall": 40.0 * len(left)}


@pytest.mark.parametrize("ask", ["cox", "cox, shared", "logistic"])
def test_a_factor_of_one_level_is_named(ask):
    said = r"ecog3 compares nothing: .* one level of it is left\. Leave it out"
    with pytest.raises(fs.FormulaError, match=said):
        ASKED[ask](sites(rows(), 2).where("ecog3 == '1'"))


def test_a_test_of_one_group_says_in_which_all_are():
    some = sites(rows(), 2).where("ecog3 == '1'")
    for ask in ("log-rank", "log-rank within practices", "MaxCombo", "ratios by period"):
        with pytest.raises(fs.QueryError, match=r"Nothing is compared by .*: all are in 1\."):
            ASKED[ask](some)


def test_past_a_gate_a_table_counts_the_agreed_levels():
    """Sites hold what is counted against the codebook, whose level the subset leaves out."""
    frame = pd.concat([rows()] * 3, ignore_index=True)
    table = fs.table_one(sites(frame, 1, fs.DisclosurePolicy()).where("ecog3 != '0'"), variables=["ecog3"])
    assert table.refused == ()
    assert table.tidy().set_index("level")["n"].to_dict() == {"0": 0, "1": 339, "2+": 150}


def test_a_fit_of_all_is_asked_of_a_part_with_fewer_levels():
    """The predictor of everybody's model, and what it expects of those whom a condition leaves, as of the same rows alone."""
    whole, some = sites(rows(), 2), sites(rows(), 2).where("ecog3 != '2+'")
    theirs = split_unevenly(rows()[rows()["ecog3"] != "2+"], 2, by="practice")
    alone = fs.InProcess(theirs, whole.codebook, fs.DisclosurePolicy.none())
    fit = fs.logistic(whole, "status ~ ecog3 + age")
    recalibrated = [
        fs.logistic(s.with_linear_predictor("lp", fit), "status ~ lp").coef for s in (some, alone)
    ]
    pd.testing.assert_series_equal(*recalibrated, rtol=1e-9)
    risks = [
        fs.standardised_risks(s, fit, "age", values=[50, 70], another_population=True).tidy()
        for s in (some, alone)
    ]
    pd.testing.assert_frame_equal(*risks, rtol=1e-9)
