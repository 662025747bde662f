"""Indices of concordance and areas under the ROC curve, against R's ``concordance``; predicted risks beside outcomes, against ``Score`` and ``glm``.

Pairs are whole numbers, or sums of products of weights, and nothing is iterated but the fit, whose last digits change no
order: 1e-12, relative.  Predicted risks have the last digits of a fit in them, which is at its maximum to 1e-9 of a standard error.
"""

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS
from tests.reference.comparison import FIT_TOLERANCE, layouts, options

TOLERANCE = 1e-12


def subset(sites, case, which):
    return sites.where(case[which]) if which in case else sites


def found(layout, fitted, evaluated, **how):
    case, sites = layout.case, layout.sites
    fit = fitted(subset(sites, case, "fitted_on"), case["formula"], **how)
    return evaluated(subset(sites, case, "evaluated_on"), fit, **options(case, "timewt", "ymax"))


def agree(result, case):
    for name in ("estimate", "std_error", "concordant", "discordant"):
        assert getattr(result, name) == pytest.approx(case[name], rel=TOLERANCE), name
    assert result.tied == pytest.approx(case["tied"], rel=TOLERANCE, abs=1e-9)
    assert result.status == "exact, of pairs within sites"


@pytest.mark.reference("concordance")
@pytest.mark.parametrize("layout", layouts("evaluation", "concordance"))
def test_pairs_of_a_cox_model_are_those_of_r(layout):
    how = options(layout.case, "weights", "offset", "strata", "cluster")
    agree(found(layout, fs.cox, fs.concordance, **how), layout.case)


@pytest.mark.reference("concordance")
@pytest.mark.parametrize("layout", layouts("evaluation", "auc"))
def test_pairs_of_a_logistic_model_are_those_of_r(layout):
    how = options(layout.case, "weights", "offset", "cluster")
    agree(found(layout, fs.logistic, fs.auc, **how), layout.case)


@pytest.fixture(scope="module", params=layouts("evaluation", "risks"))
def risks(request):
    case, sites = request.param.case, request.param.sites
    fit = fs.logistic(subset(sites, case, "fitted_on"), case["formula"])
    return subset(sites, case, "evaluated_on"), fit, case


@pytest.mark.reference("calibration")
def test_cells_of_the_risk_are_those_of_r(risks):
    sites, fit, case = risks
    table = fs.calibration(sites, fit, bins=case["bins"]).tidy()
    assert table["n"].tolist() == case["n"]
    assert table["n_event"].tolist() == case["n_event"]
    for name in ("predicted", "conf_low", "conf_high"):
        np.testing.assert_allclose(table[name], case[name], rtol=FIT_TOLERANCE, atol=1e-12)
    np.testing.assert_allclose(table["observed"], table["n_event"] / table["n"], rtol=TOLERANCE)


@pytest.mark.reference("calibration")
def test_calibration_in_the_large_and_slope_are_those_of_r(risks):
    """The slope depends on coefficients that travel to twelve digits: 1e-8 of its standard error."""
    sites, fit, case = risks
    table = fs.calibration(sites, fit, bins=case["bins"]).overall.set_index("measure")
    for measure, name in (("in the large", "large"), ("slope", "slope")):
        estimate, se = case[name]
        assert table.loc[measure, "estimate"] == pytest.approx(estimate, abs=1e-8 * se)
        assert table.loc[measure, "std_error"] == pytest.approx(se, rel=1e-8)


@pytest.mark.reference("Brier score")
def test_brier_scores_are_those_of_r(risks):
    sites, fit, case = risks
    row = fs.brier_score(sites, fit).tidy().iloc[0]
    np.testing.assert_allclose(
        row[["estimate", "std_error", "scaled"]].astype(float),
        [case["brier"], case["brier_se"], case["scaled"]],
        rtol=FIT_TOLERANCE,
    )


@pytest.mark.reference("pooled area")
def test_pairs_of_all_sites_are_those_of_r_with_scores_in_cells(risks):
    sites, fit, case = risks
    found = fs.auc(sites, fit, pooled=True, bins=case["bins"])
    assert found.estimate == pytest.approx(case["pooled"], rel=TOLERANCE)
    assert found.std_error == pytest.approx(case["pooled_se"], rel=TOLERANCE)
    assert abs(found.estimate - case["whole"]) <= found.error_bound


@pytest.mark.reference("net benefit")
def test_net_benefits_are_those_of_r(risks):
    sites, fit, case = risks
    table = fs.net_benefit(sites, fit, thresholds=case["bins"]).tidy()
    np.testing.assert_allclose(table["share_above"], case["share_above"], rtol=TOLERANCE)
    np.testing.assert_allclose(table["model"], case["net"], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.fixture(scope="module", params=layouts("evaluation", "milestones"))
def milestones(request):
    case, sites = request.param.case, request.param.sites
    training = subset(sites, case, "fitted_on")
    fit = fs.cox(training, case["formula"], baseline="shared")
    return subset(sites, case, "evaluated_on"), fit, fs.baseline_hazard(training, fit), case


@pytest.mark.reference("Brier score")
def test_brier_scores_by_a_milestone_are_those_of_r(milestones):
    """Every chance of not being censored, and so every weight, is a product of fractions; risks have the fit's digits."""
    sites, fit, baseline, case = milestones
    for row, expected in zip(
        fs.brier_score(sites, fit, times=case["times"], baseline=baseline).tidy().to_dict("records"),
        case["milestones"],
        strict=True,
    ):
        assert row["estimate"] == pytest.approx(expected["brier"], rel=FIT_TOLERANCE)
        assert row["null"] == pytest.approx(expected["null"], rel=FIT_TOLERANCE)
        assert row["scaled"] == pytest.approx(expected["scaled"], abs=FIT_TOLERANCE)


@pytest.mark.reference("calibration")
def test_observed_risks_by_a_milestone_are_those_of_r(milestones):
    sites, fit, baseline, case = milestones
    found = fs.calibration(sites, fit, times=case["times"], bins=case["bins"], baseline=baseline)
    for expected, (_, table) in zip(case["milestones"], found.tidy().groupby("time"), strict=True):
        assert table["n"].tolist() == expected["n"]
        np.testing.assert_allclose(table["predicted"], expected["predicted"], rtol=FIT_TOLERANCE)
        curves = table[["observed", "conf_low", "conf_high"]]
        np.testing.assert_allclose(curves, expected["curves"], rtol=TOLERANCE, atol=TOLERANCE)
        ratio = found.overall.query(f"time == {expected['time']}")["estimate"].item()
        assert ratio == pytest.approx(expected["ratio"], rel=FIT_TOLERANCE)


@pytest.mark.reference("net benefit")
def test_net_benefits_by_a_milestone_are_those_of_r(milestones):
    sites, fit, baseline, case = milestones
    for expected in case["milestones"]:
        found = fs.net_benefit(sites, fit, time=expected["time"], thresholds=case["bins"], baseline=baseline)
        np.testing.assert_allclose(found.tidy()["share_above"], expected["share_above"], rtol=TOLERANCE)
        np.testing.assert_allclose(found.tidy()["model"], expected["net"], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.reference("pooled index")
def test_pairs_of_all_sites_are_those_of_r_but_for_the_cells(milestones):
    """The index of all pairs lies within what the cells leave open; on their edges scores differ from the fit's by 1e-9."""
    sites, fit, _, case = milestones
    found = fs.concordance(sites, fit, pooled=True)
    assert abs(found.estimate - case["whole"]) <= found.error_bound < 0.15
    many = fs.concordance(sites, fit, pooled=True, bins=np.linspace(0, 1, 801)[1:-1])
    assert abs(many.estimate - case["whole"]) <= many.error_bound < 0.02


@pytest.fixture(scope="module", params=layouts("evaluation", "left_out"))
def left_out(request):
    """Sites as R has them: one for each value of the column that splits."""
    case = request.param.case
    frame = DATASETS[case["data"]]()
    frames = {f"site {k}": rows for k, rows in frame.groupby(case["split"])}
    sites = fs.InProcess(frames, policy=fs.DisclosurePolicy.none())
    fitted = fs.cox if case["formula"].startswith("Surv") else fs.logistic
    return fs.internal_external_validation(sites, lambda some: fitted(some, case["formula"])), case


MEASURES = {"AUC": "area", "C": "area", "slope": "slope", "observed / expected": "ratio"}


@pytest.mark.reference("left-out sites")
def test_each_site_is_evaluated_as_r_does_without_it(left_out):
    """Slopes, and risks, depend on coefficients that travel to twelve digits: 1e-8 of a standard error."""
    found, case = left_out
    for measure, table in found.tidy().groupby("measure"):
        expected = np.array(case[MEASURES[measure]])
        se = expected[:, 1]
        assert (np.abs(table[["estimate", "std_error"]].to_numpy() - expected) <= 1e-8 * se[:, None]).all()


@pytest.mark.reference("left-out sites")
def test_sites_are_put_together_as_metafor_does(left_out):
    """The variance between sites is found by steps; metafor's end within 1e-7 of it, and the rest follows."""
    found, case = left_out
    assert len(found.pooled()) == len(case["summaries"])
    for row in found.pooled().to_dict("records"):
        for name, value in case["summaries"][MEASURES[row["measure"]]].items():
            assert row[name] == pytest.approx(value, rel=1e-6, abs=1e-9), (row["measure"], name)
