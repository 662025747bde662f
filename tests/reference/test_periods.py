"""Effects that change after cuts of follow-up are those of R's ``coxph`` on the rows of ``survSplit``, split anyhow into sites."""

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS, split
from tests.reference.comparison import FIT_TOLERANCE, JOINT_TOLERANCE, SITES, Layout, cases, numbers

#: Dealt evenly, for a period is empty at a site soon enough: in turn and in order, or at random and shuffled.
SEEDS = {1: None, 2: 20, 5: None, 17: 3}


def frame_of(case):
    frame = DATASETS[case["data"]]()
    if case["cause"] is None:
        return frame
    return frame.assign(cause=frame[case["event"]] * (1 + (frame["age"] > case["cause"])))


def together(case):
    """The column whose groups stay at one site."""
    return case["strata"] or case["cluster"]


def units(case):
    """How many sites the rows can be dealt to."""
    return frame_of(case)[together(case)].nunique() if together(case) else len(frame_of(case))


def fitted(sites, case, **changes):
    options = {
        key: case[key] for key in ("strata", "ties", "weights", "offset", "robust", "cluster", "baseline")
    }
    return fs.cox(sites, case["formula"], **options | {"time_varying": case["varying"]} | changes)


@pytest.fixture(
    scope="module",
    params=[
        Layout("periods", "cases", name, k, case)
        for name, case in cases("periods").items()
        for k in SITES
        if k <= units(case)
    ],
    ids=lambda layout: f"{layout.name} | {layout.k} sites",
)
def fit_of(request):
    layout = request.param
    case, frame = layout.case, frame_of(layout.case)
    frames = split(frame, layout.k, SEEDS[layout.k], together(case))
    sites = fs.InProcess(frames, policy=fs.DisclosurePolicy.none())
    return sites, case, fitted(sites, case)


@pytest.mark.reference("coefficients", "standard errors")
def test_coefficients_are_those_of_r(fit_of):
    _, case, fit = fit_of
    beta, se = numbers(case["coef"]), numbers(case["se"])
    assert (np.abs(fit.beta - beta) <= FIT_TOLERANCE * np.maximum(se, np.abs(beta))).all()
    gaps = np.abs(fit.covariance - numbers(case["vcov"])) / np.outer(se, se)
    assert gaps.max() <= FIT_TOLERANCE
    np.testing.assert_allclose(fit.tidy()["std_error"], se, rtol=FIT_TOLERANCE)
    assert [name.partition(": ")[0] for name in fit.names] == case["columns"]


@pytest.mark.reference("likelihood", "score test")
def test_likelihood_and_sizes_are_those_of_r(fit_of):
    _, case, fit = fit_of
    assert fit.loglik == pytest.approx(case["loglik"], rel=FIT_TOLERANCE)
    assert fit.loglik_null == pytest.approx(case["loglik_null"], rel=FIT_TOLERANCE)
    assert fit.score_test == pytest.approx(case["score_test"], rel=FIT_TOLERANCE)
    assert (fit.n, fit.n_event) == (
        case["n"],
        case["n_event"],
    )  # patients, whatever the number of their periods


@pytest.mark.reference("tests of constancy")
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
