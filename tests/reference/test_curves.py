"""What is worked out of a table of counts is R's on the pooled rows, split anyhow over sites.

Nothing is iterated but hazard ratios by period, so estimates agree to 1e-12 as curves do; ratios to 1e-9 of their standard
errors, as Cox models do.  A MaxCombo p-value is an integral on either side: mvtnorm's is asked for to 1e-7 and fedstats' is within 1e-5
of itself; mvtnorm stops short of what it is asked for in four dimensions, hence 1e-4 of the p-value and 2e-6.

Past a gate sums of strata that stay at a site are rounded there: events beyond expectation by up to half a thousandth of their standard deviation,
a variance by a 512th of itself.  A score of z is off by at most 1/2000 + z / 1024 for that, and by some sqrt(k) times the first at
k sites; the tolerance is 5e-3 of a score of one, which a wrong weight or tie would miss by far.
"""

from dataclasses import replace

import numpy as np
import pytest

import fedstats as fs
from fedstats.contract.variable import Variable
from fedstats.methods.local_log_rank import LocalLogRank
from tests.datasets import DATASETS, split_unevenly
from tests.reference.comparison import CURVE_TOLERANCE, FIT_TOLERANCE, layouts, numbers

ROWS = ("estimate", "std_error", "conf_low", "conf_high")


def sites_of(layout):
    """The rows, with two invented causes where the case has an event to make them of."""
    case = layout.case
    if "median" not in case or "event" not in case:
        return layout.sites
    frame = DATASETS[case["data"]]()
    cause = (frame[case["event"]] * (1 + (frame["age"] > case["median"]))).astype(int)
    frames = split_unevenly(frame.assign(cause=cause.astype(str)), layout.k, None, case["event"])
    return fs.InProcess(frames, policy=fs.DisclosurePolicy.none())


def close(found, expected, tolerance=CURVE_TOLERANCE):
    np.testing.assert_allclose(np.ravel(found), np.ravel(numbers(expected)), rtol=tolerance, atol=tolerance)


def options(case, *names):
    return {name: case[name] for name in names if case[name] is not None}


@pytest.mark.reference("test")
@pytest.mark.parametrize("layout", layouts("curves", "log_rank"))
def test_log_rank_tests_are_those_of_r(layout):
    case = layout.case
    found = fs.logrank(layout.sites, case["formula"], **options(case, "strata", "rho", "gamma"))
    close([found.statistic, found.p_value], [case["statistic"], case["p_value"]])
    assert found.df == case["df"]
    frame = found.tidy()
    assert frame["n"].tolist() == case["n"]
    close(frame["observed"], case["observed"])
    close(frame["expected"], case["expected"])
    assert found.status == "exact"


def of_practices(layout, policy):
    """The same sites with centres as labels, which stay there."""
    frames = {name: site.data.frame for name, site in layout.sites._sites.items()}
    labels = {
        name: frame.assign(centre=frame["centre"].map("practice {:g}".format))
        for name, frame in frames.items()
    }
    book = layout.sites.codebook.variables
    return fs.InProcess(
        labels,
        fs.Codebook(tuple(Variable("centre", "label") if v.name == "centre" else v for v in book)),
        policy=policy,
    )


def of_centres(case):
    return case.get("split") == "centre"


@pytest.mark.reference("test")
@pytest.mark.parametrize("layout", layouts("curves", "log_rank", of_centres))
def test_log_rank_tests_within_strata_that_stay_at_the_sites_are_those_of_r(layout):
    case, sites = layout.case, of_practices(layout, fs.DisclosurePolicy.none())
    found = fs.logrank(sites, case["formula"], **options(case, "strata", "rho", "gamma"))
    assert [asked.query.__class__ for asked in sites.history()] == [LocalLogRank]
    close([found.statistic, found.p_value], [case["statistic"], case["p_value"]])
    assert found.df == case["df"]
    close(found.tidy()["observed"], case["observed"])
    close(found.tidy()["expected"], case["expected"])
    assert found.status == "exact"


@pytest.mark.reference("test")
@pytest.mark.parametrize("layout", layouts("curves", "max_combo", of_centres))
def test_max_combos_within_strata_that_stay_at_the_sites_are_those_of_r(layout):
    sites = of_practices(layout, fs.DisclosurePolicy.none())
    found = fs.max_combo(sites, layout.case["formula"], **options(layout.case, "strata"))
    close(found.tidy()["statistic"], layout.case["z"])
    assert found.p_value == pytest.approx(layout.case["p_value"]["two-sided"], rel=1e-4, abs=2e-6)


#: A gate that rounds, and has no rule.
ROUNDS = replace(fs.DisclosurePolicy.none(), name="rounds", off=False)


def gated(case):
    return of_centres(case) and {case.get("rho"), case.get("gamma")} <= {0, 1, None}


@pytest.mark.reference("test")
@pytest.mark.parametrize("layout", layouts("curves", "log_rank", gated))
def test_rounded_log_rank_tests_are_nearly_those_of_r(layout):
    case = layout.case
    found = fs.logrank(
        of_practices(layout, ROUNDS), case["formula"], **options(case, "strata", "rho", "gamma")
    )
    assert np.sqrt(found.statistic) == pytest.approx(np.sqrt(case["statistic"]), rel=5e-3, abs=5e-3)
    assert found.df == case["df"]
    assert found.tidy()["n"].tolist() == case["n"]
    if not case["rho"]:
        close(found.tidy()["observed"], case["observed"])
    assert found.status == "rounded to a thousandth of a standard deviation"


@pytest.mark.reference("test")
@pytest.mark.parametrize("layout", layouts("curves", "max_combo", gated))
def test_rounded_max_combos_are_nearly_those_of_r(layout):
    found = fs.max_combo(
        of_practices(layout, ROUNDS), layout.case["formula"], **options(layout.case, "strata")
    )
    close(found.tidy()["statistic"], layout.case["z"], 5e-3)
    assert found.p_value == pytest.approx(layout.case["p_value"]["two-sided"], rel=2e-2)


@pytest.mark.reference("test")
@pytest.mark.parametrize("layout", layouts("curves", "max_combo"))
def test_max_combo_is_that_of_a_multivariate_normal_distribution(layout):
    case = layout.case
    for alternative, p_value in list(case["p_value"].items())[: 3 if layout.k == 1 else 1]:
        found = fs.max_combo(
            layout.sites, case["formula"], alternative=alternative, **options(case, "strata")
        )
        close(found.tidy()["statistic"], case["z"])
        assert found.p_value == pytest.approx(p_value, rel=1e-4, abs=2e-6)


@pytest.fixture(scope="module", params=layouts("curves", "curves"))
def curve(request):
    case = request.param.case
    asked = options(case, "weights", "robust", "landmark")
    return fs.kaplan_meier(request.param.sites, case["formula"], **asked), case


def by_time(frame, rows):
    return frame.set_index(["group", "time"]).loc[list(zip(rows["group"], rows["time"], strict=True))]


@pytest.mark.reference("curve")
def test_curves_with_weights_and_landmarks_are_those_of_r(curve):
    found, case = curve
    rows = by_time(found.tidy(), case["curve"])
    close(rows["estimate"], case["curve"]["estimate"])
    close(rows["std_error"], case["curve"]["std_error"])


@pytest.mark.reference("cumulative hazard")
def test_cumulative_hazards_are_those_of_r(curve):
    found, case = curve
    if case["robust"]:
        with pytest.raises(ValueError, match="model-based"):
            found.cumulative_hazard()
        return
    rows = by_time(found.cumulative_hazard(), case["curve"])
    close(rows["estimate"], case["curve"]["hazard"])
    close(rows["std_error"], case["curve"]["hazard_error"])


@pytest.mark.reference("milestones")
def test_milestones_are_those_of_r(curve):
    found, case = curve
    expected = case["milestones"]
    rows = by_time(found.at(sorted(set(expected["time"]))), expected)
    for column in ROWS:
        close(rows[column], expected[column])
    close(rows["low"], expected["estimate"])
    close(rows["high"], expected["estimate"])


@pytest.mark.reference("quantiles")
def test_quantiles_are_those_of_r(curve):
    found, case = curve
    expected = case["quantiles"]
    frame = found.quantiles(expected["probability"])
    for column in ("estimate", "conf_low", "conf_high"):
        close(frame[column], expected[column])


@pytest.mark.reference("follow-up")
@pytest.mark.parametrize("layout", layouts("curves", "follow_up"))
def test_median_follow_up_is_that_of_the_reverse_curve(layout):
    medians = fs.kaplan_meier(layout.sites, layout.case["formula"], reverse=True).medians
    for column in ("median", "conf_low", "conf_high"):
        close(medians[column], layout.case[column])


@pytest.mark.reference("restricted means")
@pytest.mark.parametrize("layout", layouts("curves", "means"))
def test_restricted_means_are_those_of_r(layout):
    case = layout.case
    found = fs.rmst(
        layout.sites, case["formula"], tau=case["tau"], **options(case, "weights", "robust")
    ).tidy()
    means = found[found["measure"] == "mean"]
    close(means["estimate"], case["estimate"])
    close(means["std_error"], case["std_error"])
    close(means["low"], case["estimate"])
    close(means["high"], case["estimate"])


@pytest.mark.reference("incidence")
@pytest.mark.parametrize("layout", layouts("curves", "incidences"))
def test_cumulative_incidences_are_those_of_r(layout):
    case = layout.case
    frame = fs.cumulative_incidence(sites_of(layout), case["formula"]).tidy()
    for cause, expected in zip(("1", "2"), case["causes"], strict=True):
        rows = by_time(frame[frame["cause"] == cause], case)
        for column in ROWS:
            close(rows[column], expected[column])


@pytest.mark.reference("coefficients", "standard errors")
@pytest.mark.parametrize("layout", layouts("curves", "ratios"))
def test_hazard_ratios_by_period_are_those_of_r(layout):
    case = layout.case
    found = fs.period_hazard_ratios(
        layout.sites, case["formula"], cuts=case["cuts"], **options(case, "ties", "strata")
    )
    periods = [rows for _, rows in found.tidy().groupby("period", sort=False)]
    assert len(periods) == len(case["coef"])
    for rows, beta, error, n_event in zip(periods, case["coef"], case["se"], case["n_event"], strict=True):
        away = np.abs(rows["estimate"] - numbers(beta)) / np.maximum(numbers(error), np.abs(numbers(beta)))
        assert (away <= FIT_TOLERANCE).all()
        close(rows["std_error"], error, FIT_TOLERANCE)
        assert set(rows["n_event"]) == {n_event}
