"""Cross-validated paths are those of ``cv.glmnet`` with the same folds, split anyhow over sites.

Mean deviances, their standard errors and strengths to 1e-6 relative, as the coefficients are: a deviance is flat at the fit of its
fold's others only, so what a coefficient is off by counts in it once.
"""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.methods.cox_regression import CoxDerivatives, cox_model
from tests.datasets import gbsg2, lung, split
from tests.reference.comparison import layouts, numbers
from tests.reference.test_path import CASES, asked, asked_of_glmnet, sites

NONE = fs.DisclosurePolicy.none()


@pytest.mark.reference("cross-validation")
# folds are those of models whose derivatives are one question
@pytest.mark.parametrize("layout", layouts("path", chosen=lambda case: case["baseline"] == "site"))
def test_cross_validation_is_that_of_cv_glmnet(layout):
    case = layout.case
    found = fs.cross_validate(layout.sites, case["formula"], folds="fold", **asked_of_glmnet(case))
    table = found.tidy()
    np.testing.assert_allclose(table["lambda"], numbers(case["lambda"]), rtol=1e-6)
    np.testing.assert_allclose(table["mean_deviance"], numbers(case["cvm"]), rtol=1e-6)
    np.testing.assert_allclose(table["std_error"], numbers(case["cvsd"]), rtol=1e-6)
    assert found.lambda_min == pytest.approx(case["lambda_min"], rel=1e-6)
    assert found.lambda_1se == pytest.approx(case["lambda_1se"], rel=1e-6)


def test_the_path_in_it_is_the_path_and_costs_no_point_of_its_own():
    case = CASES["Poisson, lasso"]
    found = fs.cross_validate(sites(case, 2), case["formula"], folds="fold", **asked_of_glmnet(case))
    alone = fs.penalty_path(sites(case, 2), case["formula"], **asked_of_glmnet(case))
    assert found.path.coef.to_numpy() == pytest.approx(alone.coef.to_numpy(), rel=1e-7, abs=1e-12)
    assert found.path.deviance == pytest.approx(alone.deviance, rel=1e-12)
    assert found.path.rounds <= 7 + 4 * 5
    gaussian = CASES["Gaussian, lasso"]
    assert fs.cross_validate(sites(gaussian, 2), gaussian["formula"], **asked(gaussian)).path.rounds == 3


def test_of_tied_times_and_efron_it_is_all_less_those_without_the_fold():
    """The definition of Verweij & van Houwelingen, worked out by fits of the others and the likelihood of all at these."""
    frame = lung().assign(fold=lambda d: (d.index % 3).astype(str))
    formula, strength = "Surv(time, status) ~ age + sex + ecog3", [0.08, 0.02]
    frames = split(frame, 3, 20, "inst")
    whole = fs.InProcess(frames, policy=NONE)
    found = fs.cross_validate(
        whole, formula, folds="fold", family="cox", strata="inst", strengths=strength, mixing=0.5
    )
    model = cox_model(whole, formula, "inst", "efron")

    def loglik(federation, beta):
        gamma = np.linalg.solve(model.design.unscaling(), beta)
        return float(federation.sum(CoxDerivatives(model, tuple(gamma.tolist())))["loglik"][0])

    for i, fold in enumerate("012"):
        others = {name: rows[rows["fold"] != fold] for name, rows in frames.items()}
        others = fs.InProcess(others, codebook=whole.codebook, policy=NONE)
        path = fs.penalty_path(others, formula, family="cox", strata="inst", strengths=strength, mixing=0.5)
        deviance = [2 * (loglik(others, beta) - loglik(whole, beta)) for beta in path.beta]
        events = frame.loc[frame["fold"] == fold, "status"].sum()
        assert found.fold_weight[i] == pytest.approx(events)
        assert found.fold_deviance[i] == pytest.approx(np.array(deviance) / events, rel=1e-8)


def test_mean_error_and_choices_by_hand():
    path = fs.PenaltyPath(
        "y ~ x", "gaussian", ("Intercept", "x"), 1.0, np.array([4.0, 2.0, 1.0]), np.array([[0, 0.0], [0, 1], [0, 2]]),
        np.zeros(3), 1.0, 9, 0, 0, 4, 100, ("one",),
    )  # fmt: skip
    found = fs.CrossValidation(path, 2, np.array([[3.0, 1.0, 2.0], [6.0, 4.0, 2.0]]), np.array([2.0, 1.0]))
    assert found.mean_deviance == pytest.approx([4, 2, 2])
    # ((3 - 4)^2 2 + (6 - 4)^2) / 3 over one degree of freedom
    assert found.std_error == pytest.approx(np.sqrt([2.0, 2.0, 0.0]))
    assert found.lambda_min == 2.0  # the larger of two equal ones
    assert found.lambda_1se == 2.0
    assert found.penalty() == fs.ElasticNet(2.0, 1.0)
    wide = fs.CrossValidation(path, 2, np.array([[3.0, 0.0, 2.0], [6.0, 6.0, 3.0]]), np.array([2.0, 1.0]))
    assert (wide.lambda_min, wide.lambda_1se) == (2.0, 4.0)
    assert wide.penalty("1se") == fs.ElasticNet(4.0, 1.0)
    with pytest.raises(ValueError, match="'min' or '1se'"):
        wide.penalty("best")


def test_it_is_tidy_and_is_read_as_it_was_written(tmp_path):
    case = CASES["Gaussian, lasso"]
    found = fs.cross_validate(sites(case, 2), case["formula"], **asked(case), n_strengths=4)
    assert list(found.tidy()) == [
        "lambda",
        "mean_deviance",
        "std_error",
        "conf_low",
        "conf_high",
        "n_nonzero",
    ]
    assert found.glance()[["folds", "n", "sites"]].iloc[0].tolist() == [5, 686, 2]
    fs.save_results({"cv": found}, tmp_path / "results.json")
    again = fs.load_results(tmp_path / "results.json").cv
    assert again.tidy().equals(found.tidy())
    assert again.lambda_1se == found.lambda_1se
    assert "lambda_min" in str(found)
    assert "lambda_1se" in found._repr_html_()


# Folds that the sites draw ----------------------------------------------------------------------------


def test_drawn_folds_do_not_depend_on_the_order_of_rows_nor_on_the_model():
    case = CASES["logistic, lasso"]
    in_order = fs.cross_validate(sites(case, 1), case["formula"], **asked_of_glmnet(case))
    shuffled = fs.cross_validate(sites(case, 1, 20), case["formula"], **asked_of_glmnet(case))
    assert shuffled.mean_deviance == pytest.approx(in_order.mean_deviance, rel=1e-9)
    assert in_order.fold_weight == pytest.approx([138, 137, 137, 137, 137])
    other = fs.cross_validate(sites(case, 1), "cens ~ age", strengths=[0.01])
    assert other.fold_weight == pytest.approx(in_order.fold_weight)


def test_folds_are_those_of_a_column_that_names_what_was_drawn():
    case = CASES["logistic, lasso"]
    site = sites(case, 1)
    data = site._sites["site1"].data
    drawn = data.drawn(np.ones(len(data.frame), dtype=bool), 5)
    named = fs.InProcess({"site1": gbsg2().assign(mine=drawn.astype(str))}, policy=NONE)
    found = fs.cross_validate(named, case["formula"], folds="mine", **asked_of_glmnet(case))
    # the rows that the other column is a part of are others, and so would be its own draw
    expected = fs.cross_validate(site, case["formula"], **asked_of_glmnet(case))
    assert found.mean_deviance == pytest.approx(expected.mean_deviance, rel=1e-12)


def test_a_site_without_patients_in_a_fold_is_a_site_like_any_other():
    case = CASES["Poisson, lasso"]
    by_fold = {f"site{f}": rows for f, rows in gbsg2().groupby("fold")}  # a fold is all that a site has
    apart = fs.cross_validate(
        fs.InProcess(by_fold, policy=NONE), case["formula"], folds="fold", **asked_of_glmnet(case)
    )
    np.testing.assert_allclose(apart.mean_deviance, numbers(case["cvm"]), rtol=1e-6)
    few = fs.InProcess({"few": gbsg2()[:3], "many": gbsg2()[3:]}, policy=NONE)
    assert fs.cross_validate(few, case["formula"], family="poisson", n_strengths=3).fold_weight.sum() == 686


def test_rows_with_an_empty_cell_or_no_weight_are_in_no_fold():
    frame = gbsg2().assign(w=lambda d: (d.index % 3 > 0).astype(float))
    frame.loc[frame.index % 7 == 0, "age"] = np.nan
    found = fs.cross_validate(
        fs.InProcess({"one": frame[:300], "two": frame[300:]}, policy=NONE),
        "cens ~ age + tsize",
        weights="w",
        n_strengths=3,
    )
    n = int((frame["age"].notna() & (frame["w"] > 0)).sum())
    assert found.fold_weight.sum() == pytest.approx(n)
    assert found.fold_weight.max() - found.fold_weight.min() <= 2  # of each site a fold is one larger at most
    assert found.path.n == n


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"folds": 1}, "folds is 1; give a whole number from 2 to 20"),
        ({"folds": True}, "folds is True"),
        ({"folds": 2.5}, "folds is 2.5"),
        ({"folds": "age"}, "folds is 'age'; give a factor"),
        ({"folds": "foldd"}, "did you mean 'fold'"),
        ({"n_strengths": 400}, "n_strengths"),
        ({"family": "cox"}, "Surv"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_one_sentence(options, word):
    site = sites(CASES["logistic, lasso"], 1)
    site.max_points = 400
    with pytest.raises(fs.FormulaError, match=word if "n_strengths" not in options else "about 1607 points"):
        fs.cross_validate(site, "cens ~ age", **options)
    assert not list(site.history())


def test_a_fold_without_an_event_is_said():
    frame = pd.DataFrame(
        {"y": [0, 1] * 20 + [0] * 10, "x": np.arange(50.0) % 7, "f": ["a"] * 20 + ["b"] * 20 + ["c"] * 10}
    )
    frame = frame.assign(time=1.0 + np.arange(50))
    with pytest.raises(fs.NotConverged, match="fewer folds"):
        fs.cross_validate(
            fs.InProcess({"one": frame}, policy=NONE), "Surv(time, y) ~ x", folds="f", family="cox"
        )
