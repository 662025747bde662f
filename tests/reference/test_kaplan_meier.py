"""Federated Kaplan-Meier curves are R's ``survfit`` on the pooled rows, split anyhow over sites.

``survfit`` has a row at every time at which someone leaves. A federated curve is made of numbers at risk and of events:
with delayed entry it has no row at a time without event at which at least as many enter as leave. Its other rows are
R's, and without delayed entry it has all of them.
"""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from tests.datasets import lung
from tests.reference.comparison import CURVE_TOLERANCE, cases, federation, layouts, numbers

CASES = cases("regression", "kaplan_meier")
WITHOUT_ENTRY = [name for name in CASES if "delayed entry" not in name]
COLUMNS = ["n_risk", "n_event", "estimate", "std_error", "conf_low", "conf_high"]


@pytest.fixture(scope="module", params=layouts("regression", "kaplan_meier"))
def curves(request):
    """Federated curves with intervals of every type beside R's: (curves by type, case)."""
    case, sites = request.param.case, request.param.sites
    return {kind: fs.kaplan_meier(sites, case["formula"], conf_type=kind) for kind in case["intervals"]}, case


def rows(fit):
    """A federated curve by group and time, without its row at time zero."""
    return fit.tidy().query("time > 0").set_index(["group", "time"])


def reference_rows(case, conf_type):
    """R's curve in the same shape."""
    columns = {c: numbers(case[c]) for c in ("n_risk", "n_event", "estimate", "std_error")}
    columns |= {c: numbers(v) for c, v in case["intervals"][conf_type].items()}
    return pd.DataFrame(columns, index=pd.MultiIndex.from_arrays([case["group"], numbers(case["time"])]))


def assert_equal_rows(frame, reference):
    """Every row of the curve is a row of R's, and equal to it."""
    assert set(frame.index) <= set(reference.index)
    for column in COLUMNS:
        np.testing.assert_allclose(
            frame[column],
            reference[column].loc[frame.index],
            rtol=CURVE_TOLERANCE,
            atol=CURVE_TOLERANCE,
            err_msg=column,
        )


@pytest.mark.reference("curve")
def test_every_row_is_a_row_of_survfit_with_intervals_of_every_type(curves):
    found, case = curves
    for kind, curve in found.items():
        assert_equal_rows(rows(curve), reference_rows(case, kind))


def test_there_is_a_row_at_every_time_with_an_event(curves):
    found, case = curves
    assert set(reference_rows(case, "log").query("n_event > 0").index) <= set(rows(found["log"]).index)


@pytest.mark.reference("median")
def test_medians_and_their_intervals_are_those_of_survfit(curves):
    found, case = curves
    for kind, curve in found.items():
        expected = case["medians"][kind]
        medians = curve.medians.set_index("group").loc[expected["group"]]
        for column in ("median", "conf_low", "conf_high"):
            np.testing.assert_allclose(
                medians[column], numbers(expected[column]), rtol=CURVE_TOLERANCE, err_msg=column
            )


@pytest.mark.parametrize("name", WITHOUT_ENTRY)
def test_without_delayed_entry_there_is_a_row_at_every_time_of_survfit(name):
    fit = fs.kaplan_meier(federation(CASES[name], 4, 3), CASES[name]["formula"])
    assert rows(fit).index.tolist() == reference_rows(CASES[name], "log").index.tolist()


@pytest.mark.parametrize("name", CASES)
def test_every_curve_starts_at_time_zero_with_everybody_alive(name):
    frame = fs.kaplan_meier(federation(CASES[name], 2), CASES[name]["formula"]).tidy()
    first = frame.groupby("group").first()
    assert first["time"].tolist() == [0.0] * len(first)
    assert first["estimate"].tolist() == [1.0] * len(first)


@pytest.mark.parametrize("codes", [(1, 2), (0, 2), (0, 0.5)], ids=str)
def test_events_that_are_coded_otherwise_are_no_events_and_no_survivors(codes):
    """R takes 1 and 2 for censored and dead; read as 0 and 1 the curve would be that of the censored."""
    frame = lung()
    coded = fs.InProcess(
        {"one": frame.assign(status=np.where(frame["status"] == 1, codes[1], codes[0]))},
        policy=fs.DisclosurePolicy.none(),
    )
    for ask in (fs.kaplan_meier, fs.logrank):
        with pytest.raises(
            fs.SiteRefused, match=r"must hold 0 and 1 alone to be an event; .*as in Surv\(time, status == 2\)"
        ):
            ask(coded, "Surv(time, status) ~ sex")
    named = fs.kaplan_meier(coded, f"Surv(time, status == {codes[1]}) ~ sex").tidy()
    plain = fs.kaplan_meier(
        fs.InProcess({"one": frame}, policy=fs.DisclosurePolicy.none()), "Surv(time, status) ~ sex"
    ).tidy()
    assert named["estimate"].to_numpy() == pytest.approx(plain["estimate"].to_numpy(), abs=1e-15)
