"""Imputation does not depend on how rows are dealt to sites or ordered, and says what is wrong with what it is given."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from tests.datasets import gbsg2, split

NONE = fs.DisclosurePolicy.none()
MODELS = {"tsize": "age + tgrade + cens", "tgrade": "age + tsize + cens", "menostat": "age + tsize + cens"}
FORMULA = "cens ~ age + tsize + tgrade + menostat"


def frame():
    full, i = gbsg2(), np.arange(686)
    gaps = {"tsize": i % 5 == 1, "tgrade": i % 7 == 3, "menostat": i % 4 == 2}
    return full.assign(**{name: full[name].mask(rows) for name, rows in gaps.items()})


def imputed(sites, **options):
    return fs.impute(sites, MODELS, **{"m": 3, "cycles": 2} | options)


def fitted(sites, **options):
    return imputed(sites, **options).fit(lambda copy: fs.logistic(copy, FORMULA))


@pytest.fixture(scope="module")
def pooled():
    return fitted(fs.InProcess({"all": frame()}, policy=NONE))


@pytest.mark.parametrize("k", [2, 5, 17])
def test_sites_and_order_do_not_matter(pooled, k):
    # draws follow a patient's own row, and parameters the sums; the last digits of these move draws by as little
    found = fitted(fs.InProcess(split(frame(), k, seed=k), policy=NONE))
    difference = np.abs(found.estimates - pooled.estimates) / np.sqrt(np.diag(pooled.pooled.within))
    assert difference.max() < 1e-6
    np.testing.assert_allclose(found.pooled.missing, pooled.pooled.missing, atol=1e-6)


def test_nobody_is_left_out_and_the_fits_differ(pooled):
    assert (pooled.n, pooled.dropped) == (686, 0)
    assert (pooled.estimates.std(axis=0) > 0).all()
    assert pooled.tidy()["missing_information"].between(0.001, 0.9).all()


def test_another_seed_gives_other_copies(pooled):
    other = fitted(fs.InProcess({"all": frame()}, policy=NONE), seed=2)
    assert (other.estimates != pooled.estimates).all()
    shift = np.abs(other.coef - pooled.coef) / np.sqrt(np.diag(pooled.vcov))
    assert shift.max() < 1.5


def test_one_variable_takes_one_cycle_and_agrees_with_ordinary_regression_imputation():
    """With the model known, imputing the outcome of a linear model adds no information: the fit is that of complete cases."""
    sites = fs.InProcess(split(frame(), 2), policy=NONE)
    copies = fs.impute(sites, {"tsize": "age + pnodes"}, m=20)
    assert copies.cycles == 1
    fit = copies.fit(lambda copy: fs.glm(copy, "tsize ~ age + pnodes", family="gaussian"))
    complete = fs.glm(sites, "tsize ~ age + pnodes", family="gaussian")
    se = complete.tidy()["std_error"].to_numpy()
    # between the two lies the error of twenty draws: sqrt(lambda / m) = 0.1 of a standard error
    assert (np.abs(fit.coef.to_numpy() - complete.coef.to_numpy()) / se).max() < 0.4
    assert fit.tidy()["std_error"].to_numpy() / se == pytest.approx(1.0, abs=0.15)


def test_a_question_without_an_imputed_column_is_that_of_the_sites():
    sites = fs.InProcess({"all": frame()}, policy=NONE)
    asked = len(list(sites.history()))
    copies = imputed(sites)
    fits = copies.each(lambda copy: fs.logistic(copy, "cens ~ age"))
    assert (fits[0].beta == fits[2].beta).all()
    of_them = [asked.query for asked in list(sites.history())[asked:] if not asked.query.made]
    assert len({q.digest() for q in of_them}) == len(of_them)


def test_every_kind_of_analysis_runs_on_a_copy():
    book = [("horTh", "arm")]
    sites = fs.InProcess(split(frame().rename(columns=dict(book)), 2), policy=NONE)
    copies = fs.impute(sites, {"tgrade": "age + cens + arm", "tsize": "age + tgrade + cens"}, m=2, cycles=1)
    curves = copies.each(lambda copy: fs.kaplan_meier(copy, "Surv(time, cens) ~ tgrade").tidy())
    assert {"I", "II", "III"} == set(curves[0]["group"])
    assert curves[0].query("time == 0")["n_risk"].sum() == 686
    tables = copies.each(lambda copy: fs.table_one(copy, by="arm", variables=["tgrade", "tsize"]).tidy())
    assert tables[0].query("group == 'Overall' and variable == 'tgrade'")["n"].sum() == 686
    assert (tables[0]["missing"].fillna(0) == 0).all()
    weights = [fs.propensity_weights(copy, "arm ~ tgrade + tsize") for copy in copies.copies]
    fits = [
        fs.cox(copy, "Surv(time, cens) ~ arm", weights=w)
        for copy, w in zip(copies.copies, weights, strict=True)
    ]
    assert fits[0].n == 686
    assert fs.pool_imputed(fits).m == 2
    subset = copies.each(lambda copy: fs.cox(copy.where("tgrade == 'II'"), "Surv(time, cens) ~ tsize"))
    assert all(fit.n > frame()["tgrade"].eq("II").sum() for fit in subset)
    prediction = copies.copies[0].with_linear_predictor("lp", fs.logistic(copies.copies[0], "cens ~ tsize"))
    assert fs.logistic(prediction, "cens ~ lp").coef["lp"] == pytest.approx(1.0, rel=1e-6)


def test_what_was_assumed_is_said():
    sites = fs.InProcess({"all": frame()}, policy=NONE)
    plain, lower = (fs.impute(sites, {"tsize": "age + cens"}, m=2, delta=d) for d in ({}, {"tsize": -10.0}))
    fits = [c.fit(lambda copy: fs.glm(copy, "tsize ~ 1", family="gaussian")) for c in (plain, lower)]
    share = frame()["tsize"].isna().mean()
    assert fits[1].coef.iloc[0] - fits[0].coef.iloc[0] == pytest.approx(-10 * share, abs=1.5)
    assert fits[1].assumption == "tsize -10 where it was missing"
    assert "tsize -10" in str(fits[1])
    assert "tsize -10" in str(lower)
    assert fits[0].assumption == ""


SITES = fs.InProcess({"all": frame()}, policy=NONE)
WRONG = {
    "no models": ({}, {}, "give each variable its imputation model"),
    "a list": (["tsize"], {}, "give each variable its imputation model"),
    "an unknown column": ({"tumour": "age"}, {}, "no column 'tumour'"),
    "a column without empty cells": ({"age": "cens"}, {}, "age has no empty cells"),
    "a formula": ({"tsize": "tsize ~ age"}, {}, "give its terms"),
    "itself": ({"tsize": "age + tsize"}, {}, "tsize is the outcome"),
    "an unknown predictor": ({"tsize": "agee"}, {}, "did you mean 'age'"),
    "one copy": ({"tsize": "age"}, {"m": 1}, "m is 1; give a whole number from 2 to 20"),
    "many copies": ({"tsize": "age"}, {"m": 21}, "from 2 to 20"),
    "many cycles": ({"tsize": "age"}, {"cycles": 6}, "cycles is 6; give a whole number from 1 to 5"),
    "half a cycle": ({"tsize": "age"}, {"cycles": 0.5}, "cycles is 0.5"),
    "a delta of another": ({"tsize": "age"}, {"delta": {"tgrade": 1}}, "delta names 'tgrade'"),
    "a delta that is none": ({"tsize": "age"}, {"delta": {"tsize": "low"}}, "give numbers by variable"),
    "a hazard of nothing": ({"tsize": "age + cumhaz"}, {}, 'survival="Surv'),
    "no intercept": ({"tsize": "0 + age"}, {}, "needs its intercept"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_a_sentence_before_anything_is_asked(name):
    models, options, words = WRONG[name]
    before = len(list(SITES.history()))
    with pytest.raises(fs.FormulaError, match=words):
        fs.impute(SITES, models, **options)
    assert len(list(SITES.history())) == before


def test_too_many_variables_are_refused():
    names = [f"x{k}" for k in range(7)]
    many = fs.InProcess({"all": pd.DataFrame({n: [1.0, None, 3.0] for n in names})}, policy=NONE)
    with pytest.raises(fs.FormulaError, match="7 variables are to be imputed; at most 6"):
        fs.impute(many, dict.fromkeys(names, "1"))


def test_an_imputation_model_that_cannot_be_fitted_is_named():
    sites = fs.InProcess({"all": frame().assign(copy=frame()["tsize"] * 2)}, policy=NONE)
    with pytest.raises(fs.NotConverged, match="imputation model of tsize cannot be fitted"):
        fs.impute(sites, {"tsize": "copy"}, m=2)
