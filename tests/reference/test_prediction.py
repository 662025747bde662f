"""Predicted survival and baseline hazards are those of R's ``survfit(coxph(), newdata)`` and ``basehaz`` on the pooled rows.

1e-8 relative, of an interval's end of the survival's standard error: a curve is a smooth function of coefficients that agree to
1e-9 of their standard errors and of sums over risk sets.  Fits of ``age_far`` lose eight digits of a column near 1e8 in R.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from tests.datasets import DATASETS, split
from tests.reference.comparison import cases, federation, layouts, numbers
from tests.reference.test_zph import GRID, KINDS, OPEN

CASES = cases("prediction")
TOLERANCE = {"lung, far from zero": 1e-6}


@cache
def fit_of(layout):
    case = layout.case
    return fs.cox(
        layout.sites, case["formula"], baseline=case["baseline"], level=case["level"], **case["options"]
    )


@pytest.fixture(scope="module", params=layouts("prediction"))
def fitted(request):
    layout = request.param
    return layout.sites, fit_of(layout), layout.case, TOLERANCE.get(layout.name, 1e-8)


def at(frame, case, stratum, time):
    """Rows of one stratum (or of the site that is one) at given times."""
    if case["baseline"] == "site":
        frame = frame[frame["site"] == f"site{stratum or 1}"]
    elif case["strata"]:
        frame = frame[frame["stratum"] == stratum]
    times = frame["time"].to_numpy()
    return frame.iloc[[int(np.abs(times - t).argmin()) for t in time]]


@pytest.mark.reference("predicted survival")
@pytest.mark.parametrize("kind", ["log", "log-log", "plain"])
def test_curves_are_those_of_r(fitted, kind):
    sites, fit, case, tolerance = fitted
    newdata = pd.DataFrame(case["newdata"], index=[f"patient {k + 1}" for k in range(2)])
    found = fs.predict_survival(sites, fit, newdata, conf_type=kind, level=case["level"])
    frame = found.tidy()
    for curve in case["curves"]:
        rows = at(frame[frame["row"] == f"patient {curve['row']}"], case, curve["stratum"], curve["time"])
        np.testing.assert_allclose(rows["time"], curve["time"], rtol=1e-7)
        for column in ("cumulative_hazard", "estimate", "std_error"):
            np.testing.assert_allclose(rows[column], numbers(curve[column]), rtol=tolerance)
        for side in ("low", "high"):
            away = np.abs(rows[f"conf_{side}"] - numbers(curve["intervals"][kind][side]))
            assert (away <= tolerance * numbers(curve["std_error"])).all()


@pytest.mark.reference("baseline hazard")
@pytest.mark.parametrize("layout", layouts("prediction", chosen=lambda case: case.get("basehaz")))
def test_baseline_hazards_are_those_of_r(layout):
    case = layout.case
    base = pd.DataFrame(case["basehaz"] | {"strata": case["basehaz"].get("strata") or "1"})
    frame = fs.baseline_hazard(layout.sites, fit_of(layout)).tidy()
    assert set(frame["row"]) == {"baseline"}
    for stratum, expected in base[base["hazard"] > 0].groupby("strata"):
        rows = at(frame, case, stratum, expected["time"])
        np.testing.assert_allclose(rows["cumulative_hazard"], expected["hazard"], rtol=1e-8)


def test_it_costs_one_round_and_asks_what_the_fit_has_asked():
    case = CASES["lung, Efron"]
    sites = federation(case, 2)
    fit = fs.cox(sites, case["formula"], baseline="shared")
    asked = [known.query for known in sites.history()]
    found = fs.predict_survival(sites, fit, pd.DataFrame(case["newdata"]))
    assert found.glance()["rounds"].tolist() == [1]
    assert [known.query for known in sites.history()] == asked


def test_a_curve_begins_with_everybody_and_ends_with_the_last_at_risk():
    case = CASES["lung, Efron"]
    sites = federation(case, 3)
    fit = fs.cox(sites, case["formula"])
    frame = fs.predict_survival(sites, fit, pd.DataFrame(case["newdata"])).tidy()
    for (site, _), curve in frame.groupby(["site", "row"]):
        first = curve.iloc[0]
        numbers = ["time", "cumulative_hazard", "estimate", "std_error", "conf_low", "conf_high"]
        assert first[numbers].tolist() == [0, 0, 1, 0, 1, 1]
        last = max(frame_of(case, 3, site)["time"])
        assert curve["time"].iloc[-1] == last


def frame_of(case, k, site):
    return split(DATASETS[case["data"]](), k)[site]


@pytest.mark.parametrize("baseline", ["site", "shared"])
def test_on_an_agreed_grid_a_curve_is_that_of_times_at_the_edges(baseline):
    book = fs.Codebook.from_toml({"columns": {n: {"kind": k} for n, k in KINDS.items()}, "grid": GRID})
    frame = DATASETS["lung"]().assign(site4=lambda d: d["site4"].astype(str))[list(KINDS)]
    policy = fs.DisclosurePolicy(name="some", distinct_values=False, **OPEN)
    moved = frame.assign(
        time=90 * np.ceil(frame["time"] / 90), status=frame["status"] * (frame["time"] <= 720)
    )
    formula, newdata = CASES["lung, Efron"]["formula"], pd.DataFrame(CASES["lung, Efron"]["newdata"])
    sites = fs.InProcess(split(frame, 2), book, policy)
    fit = fs.cox(sites, formula, baseline=baseline, ties="breslow")
    found = fs.predict_survival(sites, fit, newdata)
    assert found.status == "exact on the grid of 90 days"
    exact = fs.InProcess(split(moved, 2), policy=fs.DisclosurePolicy.none())
    if baseline == "shared":
        fit = fs.cox(exact, formula, baseline=baseline, ties="breslow")
    known = fs.predict_survival(exact, fit, newdata).tidy()
    found = found.tidy()
    pd.testing.assert_frame_equal(found, known[known["time"] <= 720].reset_index(drop=True), rtol=1e-8)


def test_a_row_with_a_stratum_is_predicted_in_its_own():
    case = CASES["lung, strata"]
    sites = federation(case, 2)
    fit = fs.cox(sites, case["formula"], baseline="shared", strata="sex")
    newdata = pd.DataFrame(case["newdata"])
    everywhere = fs.predict_survival(sites, fit, newdata).tidy()
    own = fs.predict_survival(sites, fit, newdata.assign(sex=[2, 1])).tidy()
    expected = pd.concat(
        [everywhere[(everywhere["row"] == r) & (everywhere["stratum"] == s)] for r, s in ((1, "1"), (0, "2"))]
    )
    pd.testing.assert_frame_equal(own, expected.reset_index(drop=True))
    with pytest.raises(fs.FormulaError, match="'3' is no level"):
        fs.predict_survival(sites, fit, newdata.assign(sex=[2, 3]))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"newdata": {"age": [60]}}, TypeError, "DataFrame"),
        ({"newdata": pd.DataFrame({"age": [60.0], "sex": [1]})}, fs.DataError, "'ph.ecog' is missing"),
        ({"newdata": pd.DataFrame({"age": [None], "sex": [1], "ph.ecog": [1]}, dtype=float)}, (fs.DataError, ValueError), "empty"),
        ({"conf_type": "logit"}, fs.FormulaError, "conf_type"),
        ({"grid": [100.0]}, fs.FormulaError, "grid that it was fitted on"),
        ({"fit": "logistic"}, fs.FormulaError, "Cox model"),
        ({"fit": "ridge"}, fs.FormulaError, "penalised"),
        ({"fit": "strata"}, fs.FormulaError, "one factor"),
    ],
    ids=["no frame", "a column missing", "an empty cell", "interval", "grid", "logistic", "ridge", "strata"],
)  # fmt: skip
def test_what_cannot_be_predicted_is_one_sentence(change, error, match):
    case = CASES["lung, Efron"]
    sites = federation(case, 2)
    fits = {
        "cox": lambda: fs.cox(sites, case["formula"], baseline="shared"),
        "logistic": lambda: fs.logistic(sites, "status ~ age"),
        "ridge": lambda: fs.cox(sites, case["formula"], penalty=fs.Ridge(0.1)),
        "strata": lambda: fs.cox(sites, "Surv(time, status) ~ age", strata=["sex", "inst"]),
    }
    options = {"newdata": pd.DataFrame(case["newdata"])} | change
    fit = fits[options.pop("fit", "cox")]()
    with pytest.raises(error, match=match):
        fs.predict_survival(sites, fit, **options)
