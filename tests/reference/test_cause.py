"""Cause-specific hazards are those of R's ``coxph`` with all other causes censored, split anyhow into sites."""

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS, split, split_unevenly
from tests.reference.comparison import CURVE_TOLERANCE, FIT_TOLERANCE, cases, layouts, numbers

CASES = cases("cause")
#: How the causes are coded: as numbers, or as a factor's levels.
CODED = {"number": float, "text": lambda v: str(int(v))}


def frame_of(case, coded=float):
    frame = DATASETS[case["data"]]()
    causes = frame[case["event"]] * (1 + (frame["age"] > case["median"]))
    return frame.assign(cause=[coded(v) for v in causes])


@pytest.fixture(scope="module", params=layouts("cause"))
def sites_of(request):
    case, k = request.param.case, request.param.k
    frame = frame_of(case, CODED["text" if k in (2, 5) else "number"])
    return fs.InProcess(
        split_unevenly(frame, k, case["split"], case["event"]), policy=fs.DisclosurePolicy.none()
    ), case


def fitted(sites, case, formula=None):
    options = {key: case[key] for key in ("strata", "ties", "weights", "robust", "baseline")}
    return fs.cox(sites, formula or case["formula"], **options)


@pytest.mark.reference("coefficients", "standard errors", "likelihood")
def test_coefficients_are_those_of_r(sites_of):
    sites, case = sites_of
    fit = fitted(sites, case)
    beta, se = numbers(case["coef"]), numbers(case["se"])
    assert (np.abs(fit.beta - beta) <= FIT_TOLERANCE * np.maximum(se, np.abs(beta))).all()
    np.testing.assert_allclose(fit.tidy()["std_error"], se, rtol=FIT_TOLERANCE)
    assert fit.loglik == pytest.approx(case["loglik"], rel=FIT_TOLERANCE)
    assert (fit.n, fit.n_event) == (case["n"], case["n_event"])


@pytest.mark.reference("cause-specific curve")
def test_curves_are_those_of_r(sites_of):
    sites, case = sites_of
    curve = fs.kaplan_meier(sites, case["formula"].partition("~")[0] + "~ 1").tidy()
    assert curve["n_event"].sum() == case["curve"]["n_event"]
    at = (
        np.searchsorted(curve["time"], case["curve"]["time"], side="right") - 1
    )  # level where one leaves and one enters
    rows = curve.iloc[at]
    np.testing.assert_allclose(rows["estimate"], case["curve"]["estimate"], rtol=CURVE_TOLERANCE)


def test_what_follows_a_fit_is_about_the_same_cause():
    case = CASES["lung, older, Breslow"]
    frame = frame_of(case)
    own = frame.assign(first=(frame["cause"] == 2).astype(float))
    formula = "Surv(time, first) ~ sex + C(ecog3)"
    found, known = (fs.InProcess(split(f, 3), policy=fs.DisclosurePolicy.none()) for f in (frame, own))
    fits = fs.cox(found, case["formula"]), fs.cox(known, formula)
    for transform in ("km", "identity"):
        tests = [
            fs.cox_zph(s, f, transform=transform).tidy() for s, f in zip((found, known), fits, strict=True)
        ]
        np.testing.assert_allclose(tests[0]["statistic"], tests[1]["statistic"], rtol=1e-9)
    curves = [fs.baseline_hazard(s, f).tidy() for s, f in zip((found, known), fits, strict=True)]
    np.testing.assert_allclose(curves[0]["estimate"], curves[1]["estimate"], rtol=1e-9)
    subset = fs.cox(found.where("sex == 2"), "Surv(time, cause == 2) ~ ph.ecog")
    assert subset.n_event == int(own.loc[own["sex"] == 2, "first"].sum())


def test_the_question_says_which_cause():
    case = CASES["lung, younger"]
    sites = fs.InProcess(split(frame_of(case), 2), policy=fs.DisclosurePolicy.none())
    fs.cox(sites, case["formula"])
    assert "Cox regression of time/cause[1] on sex" in list(sites.history())[-1].query.in_words()
    fs.kaplan_meier(sites, "Surv(time, cause == 2) ~ 1")
    assert "Survival table of time/cause[2]" in list(sites.history())[-1].query.in_words()


@pytest.mark.parametrize(
    ("event", "match"),
    [
        ("cause == 9", "no level '9'"),
        ("cause > 1", "name one code"),
        ("cause == sex", "compares with no code: write cause == 'sex'"),
        ("0 < cause == 1", "name one code"),
        ("time == 1", "no level '1' in the codebook"),
        ("nowhere == 1", "no column 'nowhere'"),
    ],
)
def test_a_code_that_is_none_is_one_sentence(event, match):
    sites = fs.InProcess({"all": frame_of(CASES["lung, younger"])}, policy=fs.DisclosurePolicy.none())
    with pytest.raises(fs.FormulaError, match=match):
        fs.cox(sites, f"Surv(time, {event}) ~ sex")
