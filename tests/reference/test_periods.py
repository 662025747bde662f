"""Effects that change after cuts of follow-up are those of R's ``coxph`` on the rows of ``survSplit``, split anyhow into sites."""

import json
from pathlib import Path

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS, split
from tests.reference.comparison import FIT_TOLERANCE, JOINT_TOLERANCE, numbers

CASES = json.loads(Path(__file__).with_name("periods.json").read_text(encoding="utf-8"))["cases"]
#: At so many sites, dealt in turn and in order, or at random and shuffled.
SPLITS = ((1, None), (2, 20), (5, None), (17, 3))


def frame_of(case):
    frame = DATASETS[case["data"]]()
    if case["cause"] is None:
        return frame
    return frame.assign(cause=frame[case["event"]] * (1 + (frame["age"] > case["cause"])))


def fitted(sites, case, **changes):
    options = {
        key: case[key] for key in ("strata", "ties", "weights", "offset", "robust", "cluster", "baseline")
    }
    return fs.cox(sites, case["formula"], **options | {"time_varying": case["varying"]} | changes)


@pytest.fixture(
    scope="module",
    params=[(name, *layout) for name in CASES for layout in SPLITS],
    ids=lambda p: f"{p[0]} | {p[1]} sites | {'in order' if p[2] is None else 'shuffled'}",
)
def fit_of(request):
    name, k, seed = request.param
    case = CASES[name]
    frame, together = frame_of(case), case["strata"] or case["cluster"]
    k = min(k, frame[together].nunique()) if together else k
    sites = fs.InProcess(split(frame, k, seed, together), policy=fs.DisclosurePolicy.none())
    return sites, case, fitted(sites, case)


def test_coefficients_are_those_of_r(fit_of):
    _, case, fit = fit_of
    beta, se = numbers(case["coef"]), numbers(case["se"])
    assert (np.abs(fit.beta - beta) <= FIT_TOLERANCE * np.maximum(se, np.abs(beta))).all()
    gaps = np.abs(fit.covariance - numbers(case["vcov"])) / np.outer(se, se)
    assert gaps.max() <= FIT_TOLERANCE
    np.testing.assert_allclose(fit.tidy()["std_error"], se, rtol=FIT_TOLERANCE)
    assert [name.partition(": ")[0] for name in fit.names] == case["columns"]


def test_likelihood_and_sizes_are_those_of_r(fit_of):
    _, case, fit = fit_of
    assert fit.loglik == pytest.approx(case["loglik"], rel=FIT_TOLERANCE)
    assert fit.loglik_null == pytest.approx(case["loglik_null"], rel=FIT_TOLERANCE)
    assert fit.score_test == pytest.approx(case["score_test"], rel=FIT_TOLERANCE)
    assert (fit.n, fit.n_event) == (
        case["n"],
        case["n_event"],
    )  # patients, whatever the number of their periods


def test_tests_of_constancy_are_those_of_r(fit_of):
    sites, case, fit = fit_of
    tests = fit.constancy_tests().set_index("term")
    for expected in case["constancy"]:
        found = tests.loc[expected["term"]]
        assert found["df"] == expected["df"]
        assert found["statistic"] == pytest.approx(expected["statistic"], rel=JOINT_TOLERANCE)
    assert ("GLOBAL" in tests.index) is (len(case["constancy"]) > 1)
    if not case["robust"]:
        found = fit.likelihood_ratio_test(fitted(sites, case, time_varying=None)).iloc[0]
        assert found["df"] == sum(expected["df"] for expected in case["constancy"])
        # a difference of two log-likelihoods that agree to 1e-9 of themselves
        error = 4 * FIT_TOLERANCE * abs(case["loglik"])
        assert found["statistic"] == pytest.approx(case["likelihood_ratio"], abs=error)
