"""What follows from a fit is refused of other patients than those it was made of, and possible where it is meant."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from tests.datasets import lung, split

NONE = fs.DisclosurePolicy.none()
COX = "Surv(time, status) ~ age + sex"


@pytest.fixture(scope="module")
def sites():
    return fs.InProcess(split(lung(), 3, 1), policy=NONE)


@pytest.fixture(scope="module")
def others(sites):
    return sites.where("age > 60")


@pytest.mark.parametrize("options", [{}, {"weights": "weight"}, {"robust": True}], ids=str)
def test_a_cox_fit_predicts_for_its_own_patients(sites, others, options):
    fit = fs.cox(sites, COX, **options)
    new = pd.DataFrame({"age": [60.0], "sex": [1]})
    for ask in (
        lambda of: fs.predict_survival(of, fit, new),
        lambda of: fs.baseline_hazard(of, fit, grid=[100, 400, 1100]),
        lambda of: fs.baseline_hazard(of, fit, grid=[30, 60]),  # most events are later
    ):
        assert len(ask(sites).tidy())
        with pytest.raises(
            fs.FormulaError, match=r"The fit is of 226 patients with 163 events, and .* are 133 with .*offset"
        ):
            ask(others)


@pytest.mark.parametrize("transform", ["identity", "km"])
@pytest.mark.parametrize(
    "options", [{}, {"weights": "weight"}, {"robust": True}, {"offset": "age_effect"}], ids=str
)
def test_a_test_of_proportional_hazards_is_of_the_fits_own_patients(sites, others, options, transform):
    fit = fs.cox(sites, COX if "offset" not in options else "Surv(time, status) ~ sex", **options)
    assert len(fs.cox_zph(sites, fit, transform=transform).tidy())
    with pytest.raises(
        fs.FormulaError, match=r"The fit is of 226 patients with 163 events, and .* others, who tell"
    ):
        fs.cox_zph(others, fit, transform=transform)


def test_one_patient_more_is_another_federation(sites):
    fit = fs.cox(sites, COX)
    frames = split(lung(), 3, 1)
    one_more = frames | {"site1": pd.concat([frames["site1"], lung().iloc[[5]]])}
    other = fs.InProcess(one_more, sites.codebook, NONE)
    with pytest.raises(fs.FormulaError, match="and this federation's are others"):
        fs.cox_zph(other, fit, transform="identity")
    with pytest.raises(fs.FormulaError, match="are 227 with 163"):
        fs.baseline_hazard(other, fit)


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-4])
def test_a_fit_that_was_saved_for_readers_is_still_of_its_own_patients(tmp_path, apart, robust):
    """Its correlations are rounded; of columns that are nearly the same two of them would be others' at the digits of a fit."""
    noise = np.random.default_rng(2).normal(size=226)
    frame = lung().assign(near=lung()["age"] + 9 * apart * noise)
    frames = split(frame, 3, 1)
    one_more = frames | {"site1": pd.concat([frames["site1"], frame.iloc[[5]]])}
    own, other = (fs.InProcess(rows, policy=NONE) for rows in (frames, one_more))
    fit = fs.cox(own, "Surv(time, status) ~ age + near + sex", robust=robust)
    fs.save_results({"fit": fit}, tmp_path / "results.json")
    kept = fs.load_results(tmp_path / "results.json")["fit"]
    assert not np.array_equal(kept.model_covariance, fit.model_covariance)
    pd.testing.assert_frame_equal(fs.cox_zph(own, kept).tidy(), fs.cox_zph(own, fit).tidy(), check_exact=True)
    for asked in (fit, kept):
        with pytest.raises(fs.FormulaError, match="and this federation's are others"):
            fs.cox_zph(other, asked, transform="identity")


def test_a_shared_baseline_is_that_of_its_own_patients(sites, others):
    fit = fs.cox(sites, COX, baseline="shared")
    assert len(fs.standardised_survival(sites, fit, "sex", values=[1, 2]).tidy())
    with pytest.raises(fs.FormulaError, match="are 133 with"):
        fs.standardised_survival(others, fit, "sex", values=[1, 2])
    with pytest.raises(fs.FormulaError, match="are 133 with"):
        fs.baseline_hazard(others, fit)


@pytest.mark.parametrize("weights", [None, "weight"])
def test_risks_are_standardised_to_another_population_where_that_is_said(sites, others, weights):
    fit = fs.logistic(sites, "status ~ age + sex", weights=weights)
    with pytest.raises(fs.FormulaError, match=r"The fit is of patients.*, and .*another_population=True"):
        fs.standardised_risks(others, fit, "sex", values=[1, 2])
    with pytest.raises(fs.FormulaError, match="another_population=True"):
        fs.marginal_effects(others, fit, ["age"])
    found = fs.standardised_risks(others, fit, "sex", values=[1, 2], another_population=True)
    # the g-formula by hand
    rows = lung()[lung()["age"] > 60]
    w = np.ones(len(rows)) if weights is None else rows[weights].to_numpy(float)
    beta = fit.coef
    for value, estimate in zip((1, 2), found.estimates, strict=True):
        risk = 1 / (1 + np.exp(-(beta["Intercept"] + beta["age"] * rows["age"] + beta["sex"] * value)))
        assert estimate == pytest.approx(np.average(risk, weights=w), rel=1e-12)
    slope = fs.marginal_effects(others, fit, ["age"], another_population=True).tidy()["estimate"][0]
    risk = 1 / (1 + np.exp(-(beta["Intercept"] + beta["age"] * rows["age"] + beta["sex"] * rows["sex"])))
    assert slope == pytest.approx(np.average(risk * (1 - risk), weights=w) * beta["age"], rel=1e-12)


def test_a_predictor_is_carried_over_to_other_patients(sites, others):
    """The way that the refusal names: a baseline hazard of their own beside the fit's predictor."""
    fit = fs.cox(sites, COX)
    carried = fs.cox(others.with_linear_predictor("lp", fit), "Surv(time, status) ~ age", offset="lp")
    own = fs.cox(others.with_linear_predictor("lp", fit), "Surv(time, status) ~ lp")
    assert carried.n == own.n == 133
    assert len(fs.baseline_hazard(others.with_linear_predictor("lp", fit), own).tidy())
