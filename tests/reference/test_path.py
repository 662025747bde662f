"""Penalty paths are glmnet's on the pooled rows, split anyhow.

1e-6 of the larger of 0.1 standardised units and the coefficient, as of a single penalised fit; deviances are flat at
their minimum and are held to 1e-8 relative.
"""

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS, split
from tests.reference.comparison import cases, layouts, numbers

CASES = cases("path")
TOLERANCE = 1e-6


def sites(case, k, seed=None, **options):
    frames = split(DATASETS[case["data"]](), k, seed, case["strata"])
    return fs.InProcess(frames, **({"policy": fs.DisclosurePolicy.none()} | options))


def asked(case):
    """Arguments of a path, but for its strengths."""
    of_cox = {"strata": case["strata"], "ties": "breslow"} if case["family"] == "cox" else {}
    of_cox |= {"baseline": "shared"} if case["baseline"] == "shared" else {}
    return {name: case[name] for name in ("family", "mixing", "weights")} | of_cox


def asked_of_glmnet(case):
    """The same with as many strengths as R has."""
    return asked(case) | {"n_strengths": len(case["lambda"])}


def differences(beta, case):
    """|beta - glmnet's| in units of the larger of 0.1 standardised units and glmnet's, (k, p)."""
    frame, expected = DATASETS[case["data"]](), numbers(case["beta"])
    unit = np.array([0.1 / frame[t].std() if t in frame else 0.1 for t in case["terms"]])
    if case["family"] == "gaussian":
        unit *= frame[case["formula"].split(" ~ ")[0]].std()
    return np.abs(beta - expected) / np.maximum(unit, np.abs(expected))


@pytest.mark.reference("path")
@pytest.mark.parametrize("layout", layouts("path"))
def test_a_path_is_that_of_glmnet(layout):
    case = layout.case
    found = fs.penalty_path(layout.sites, case["formula"], **asked_of_glmnet(case))
    np.testing.assert_allclose(found.strengths, numbers(case["lambda"]), rtol=1e-8)
    assert differences(found.coef[case["terms"]].to_numpy(), case).max() <= TOLERANCE
    np.testing.assert_allclose(found.deviance, numbers(case["deviance"]), rtol=1e-8)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_a_path_takes_no_more_points_than_were_worked_out_for_it(name, n):
    case = CASES[name]
    strengths = case["lambda"][0] * np.geomspace(1, 0.001, n + 1)[1:]
    found = fs.penalty_path(sites(case, 1), case["formula"], strengths=strengths, **asked(case))
    most = (7 + 4 * n) * (2 if case["baseline"] == "shared" else 1)
    assert found.rounds <= (2 if case["family"] == "gaussian" else most)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["mixing"] > 0])
def test_a_path_begins_with_nothing_but_the_null_model(name):
    case = CASES[name]
    found = fs.penalty_path(sites(case, 1), case["formula"], **asked(case))
    assert found.n_nonzero[0] == 0
    assert found.n_nonzero[1] > 0
    assert found.deviance[0] == pytest.approx(found.null_deviance, rel=1e-12)
    slopes = found.coef.drop(columns="Intercept", errors="ignore").to_numpy()
    assert (slopes[0] == 0).all()


@pytest.mark.parametrize("name", CASES)
def test_a_path_ends_at_the_fit_without_a_penalty(name):
    case = CASES[name]
    top, site = case["lambda"][0], sites(case, 1)
    found = fs.penalty_path(
        site, case["formula"], strengths=np.geomspace(top, 1e-11 * top, 20), **asked(case)
    )
    if case["family"] == "cox":
        options = {name: case[name] for name in ("strata", "baseline", "weights")}
        fit = fs.cox(site, case["formula"], ties="breslow", **options)
    else:
        fit = fs.glm(site, case["formula"], family=case["family"], weights=case["weights"])
    apart = np.abs(found.beta[-1] - fit.beta) / fit.tidy()["std_error"].to_numpy()
    assert apart.max() < 1e-6
    assert found.names == fit.names


def test_a_point_of_a_path_is_the_penalised_fit():
    case = CASES["logistic, elastic net, weights"]
    found = fs.penalty_path(sites(case, 3), case["formula"], **asked(case))
    penalty = fs.ElasticNet(float(found.strengths[9]), case["mixing"])
    fit = fs.logistic(sites(case, 2), case["formula"], weights="age", penalty=penalty)
    assert found.beta[9] == pytest.approx(fit.beta, rel=1e-7)
    assert found.deviance[9] == pytest.approx(fit.deviance, rel=1e-10)


def test_a_point_of_a_path_with_a_shared_baseline_on_a_grid_is_the_penalised_fit():
    """Times that are moved to the edges of cells are tied: the single fit is compared with R, ties and all."""
    case = CASES["Cox, one baseline, elastic net, weights"]
    edges = [365, 730, 1095, 1460, 3000]
    found = fs.penalty_path(sites(case, 3), case["formula"], **asked(case), grid=edges, n_strengths=6)
    penalty = fs.ElasticNet(float(found.strengths[3]), case["mixing"])
    options = {"ties": "breslow", "weights": "age", "baseline": "shared", "grid": edges}
    fit = fs.cox(sites(case, 2), case["formula"], penalty=penalty, **options)
    assert found.beta[3] == pytest.approx(fit.beta, rel=1e-7)
    assert found.deviance[3] == pytest.approx(-2 * fit.loglik, rel=1e-10)
    assert found.status == fit.status == "exact on the grid of 5 given cells"
    assert found.options["grid"] == fit.options["grid"]


def test_a_path_is_tidy():
    case = CASES["logistic, lasso"]
    found = fs.penalty_path(sites(case, 1), case["formula"], **asked(case), n_strengths=5)
    table = found.tidy()
    assert list(table) == ["lambda", "term", "estimate", "n_nonzero", "deviance"]
    assert len(table) == 5 * 6
    assert (table.groupby("lambda", sort=False)["n_nonzero"].first().to_numpy() == found.n_nonzero).all()
    glance = found.glance().iloc[0]
    assert glance["lambda_min"] == pytest.approx(0.001 * glance["lambda_max"])
    assert "age" in str(found)
    assert "age" in found._repr_html_()


def test_a_path_is_read_as_it_was_written(tmp_path):
    case = CASES["Cox, lasso"]
    found = fs.penalty_path(sites(case, 1), case["formula"], **asked(case), n_strengths=3)
    fs.save_results({"path": found}, tmp_path / "results.json")
    assert fs.load_results(tmp_path / "results.json").path.tidy().equals(found.tidy())


def test_a_path_that_would_take_too_many_points_is_refused_before_anything_is_asked():
    case = CASES["logistic, lasso"]
    site = sites(case, 1)
    site.max_points = 100
    with pytest.raises(fs.FormulaError, match="about 127 points of one model, and the study states 100"):
        fs.penalty_path(site, case["formula"], n_strengths=30)
    assert not list(site.history())
    assert fs.penalty_path(site, case["formula"], n_strengths=10).rounds <= 47
    shared = {"family": "cox", "baseline": "shared", "n_strengths": 11}
    with pytest.raises(fs.FormulaError, match="about 102 points"):
        fs.penalty_path(site, CASES["Cox, lasso"]["formula"], **shared)
    gaussian = CASES["Gaussian, lasso"]
    assert fs.penalty_path(site, gaussian["formula"], family="gaussian", n_strengths=300).rounds == 2


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"family": "gamma"}, "family is 'gamma'"),
        ({"mixing": 2}, "mixing is 2"),
        ({"strengths": [0.1, -1]}, "above zero"),
        ({"strengths": []}, "above zero"),
        ({"n_strengths": 1}, "n_strengths is 1"),
        ({"smallest": 1.0}, "smallest is 1.0"),
        ({"family": "cox"}, "Surv"),
        ({"weights": "agee"}, "did you mean 'age'"),
        ({"strata": "tgrade"}, 'family="cox"'),
        ({"baseline": "shared"}, 'family="cox"'),
        ({"family": "cox", "baseline": "common"}, "baseline is 'common'"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_one_sentence(options, word):
    with pytest.raises(fs.FormulaError, match=word):
        fs.penalty_path(
            sites(CASES["logistic, lasso"], 1),
            "Surv(untied, cens) ~ age" if "baseline" in options and "family" in options else "cens ~ age",
            **options,
        )
