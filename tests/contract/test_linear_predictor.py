"""A linear predictor as a column is the one that can be worked out from the pooled rows, in every place where it can stand."""

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix

import fedstats as fs
from tests.datasets import DATASETS, split

#: Coefficients travel to twelve digits, and a column near one is summed over some hundred patients.
TOLERANCE = 1e-10
LUNG = "Surv(time, status) ~ age + C(ecog3) + sex:age"


def lung() -> pd.DataFrame:
    frame = DATASETS["lung"]()
    return frame.assign(known=0.01 * frame["age"], age=frame["age"].where(np.arange(len(frame)) % 20 > 0))


@pytest.fixture(params=[(1, None), (2, 20), (5, None), (17, 3)], ids=lambda p: f"{p[0]} sites")
def sites(request):
    return fs.InProcess(split(lung(), *request.param), policy=fs.DisclosurePolicy.none())


def expected(fit, frame=None):
    """The linear predictor of a Cox fit of LUNG, by formulaic's design matrix."""
    frame = lung() if frame is None else frame
    design = model_matrix("age + C(ecog3) + sex:age", frame, na_action="ignore").iloc[:, 1:]
    return design.to_numpy() @ fit.beta + (frame["known"] if fit.options["offset"] else 0.0)


@pytest.mark.parametrize("offset", [None, "known"])
def test_it_is_described_as_the_column_itself(sites, offset):
    fit = fs.cox(sites, LUNG, strata="site2", offset=offset)
    frame = lung().assign(lp=expected(fit))
    found = fs.table_one(sites.with_linear_predictor("lp", fit), by="ecog3", variables=["lp"]).tidy()
    own = fs.table_one(
        fs.InProcess({"all": frame}, policy=fs.DisclosurePolicy.none()), by="ecog3", variables=["lp"]
    )
    numbers = found.columns.drop(["variable", "level", "group"])
    assert found["missing"].iloc[-1] == 12
    np.testing.assert_allclose(
        found[numbers].to_numpy(float), own.tidy()[numbers].to_numpy(float), rtol=TOLERANCE
    )  # fmt: skip


def test_as_a_term_of_the_same_model_its_coefficient_is_one(sites):
    fit = fs.cox(sites, LUNG, baseline="shared")
    again = fs.cox(sites.with_linear_predictor("lp", fit), "Surv(time, status) ~ lp", baseline="shared")
    assert again.coef["lp"] == pytest.approx(1, abs=1e-9)
    assert again.loglik == pytest.approx(fit.loglik, rel=1e-12)
    assert (again.n, again.dropped) == (fit.n, 12)


def test_as_an_offset_it_leaves_nothing_to_explain(sites):
    fit = fs.logistic(sites, "status ~ age + sex")
    again = fs.logistic(sites.with_linear_predictor("lp", fit), "status ~ age + sex", offset="lp")
    assert np.abs(again.coef).max() < 1e-8
    assert again.loglik == pytest.approx(fit.loglik, rel=1e-12)


def test_beside_other_terms_it_is_a_column_like_any(sites):
    fit = fs.cox(sites, LUNG, baseline="shared")
    own = fs.InProcess({"all": lung().assign(lp=expected(fit))}, policy=fs.DisclosurePolicy.none())
    formula = "status ~ lp + lp:sex + C(ecog3) + I(lp / 2):age"
    found, known = (fs.logistic(s, formula) for s in (sites.with_linear_predictor("lp", fit), own))
    np.testing.assert_allclose(found.beta, known.beta, rtol=1e-7)
    assert found.names == known.names


def test_in_a_condition_it_chooses_those_above(sites):
    fit = fs.cox(sites, LUNG, baseline="shared")
    cut = 1.04
    chosen = expected(fit) > cut
    more = sites.with_linear_predictor("lp", fit)
    above = fs.InProcess({"all": lung()[chosen]}, policy=fs.DisclosurePolicy.none())
    for found in (more.where(f"lp > {cut}"), more.where("sex >= 1").where(f"lp > {cut}")):
        pd.testing.assert_frame_equal(
            fs.kaplan_meier(found, "Surv(time, status) ~ sex").tidy(),
            fs.kaplan_meier(above, "Surv(time, status) ~ sex").tidy(),
        )
    of_subset = sites.where("sex == 1").with_linear_predictor("lp", fit)
    table = fs.table_one(of_subset, variables=["lp"]).tidy()
    men = lung()["sex"] == 1
    assert table["mean"].iloc[0] == pytest.approx(np.nanmean(expected(fit)[men]), rel=TOLERANCE)


def test_questions_that_do_not_name_it_are_those_of_the_whole(sites):
    fit = fs.cox(sites, LUNG, baseline="shared")
    more = sites.with_linear_predictor("lp", fit)
    asked = len(list(sites.history()))
    fs.cox(more, LUNG, baseline="shared")
    assert len(list(sites.history())) == asked
    fs.table_one(more, variables=["lp"])
    last = list(sites.history())[-1].query
    assert "lp is the linear predictor of age, ecog3, sex:age" in last.in_words()


def test_a_name_that_is_taken_and_a_fit_of_such_a_column_are_refused(sites):
    fit = fs.cox(sites, LUNG, baseline="shared")
    with pytest.raises(fs.QueryError, match="already"):
        sites.with_linear_predictor("age", fit)
    more = sites.with_linear_predictor("lp", fit)
    second = fs.logistic(more, "status ~ lp")
    with pytest.raises(fs.QueryError, match="codebook's own"):
        more.with_linear_predictor("second", second)


def test_a_function_of_it_is_refused_in_a_sentence(sites):
    more = sites.with_linear_predictor("lp", fs.cox(sites, LUNG, baseline="shared"))
    with pytest.raises(fs.SiteRefused, match="without a function"):
        fs.logistic(more, "status ~ I(lp^2)")
