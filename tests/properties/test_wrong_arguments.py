"""A wrong argument is one sentence that says what to give instead, whatever the estimator."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

COX, CURVE = "Surv(time, status) ~ age", "Surv(time, status) ~ 1"
NONE = fs.DisclosurePolicy.none()
FRAME = pd.DataFrame(
    {
        "time": [1.0, 2, 3, 4, 5, 6, 7, 8] * 5,
        "status": [1, 0] * 20,
        "age": np.arange(40.0) + 40,
        "sex": ["m", "f", "f", "m"] * 10,
    }
)


def sites(frame=FRAME):
    return fs.InProcess({"north": frame[:20], "south": frame[20:]}, policy=NONE)


def nobody():
    return sites().where("age > 200")


def alive():
    return sites(FRAME.assign(status=0))


def three_arms():
    return sites(FRAME.assign(arm=(["a", "b", "c", "b"] * 10)))


def one_hospital():
    return sites(FRAME.assign(hospital="north"))


def many_texts():
    return sites(pd.concat([FRAME, FRAME]).assign(each=[f"p{i}" for i in range(80)]))


def weights():
    return fs.propensity_weights(sites(), "sex ~ age")


WRONG = {
    "effects of groups with weights by a propensity": (
        lambda: fs.heterogeneity(sites(), "status ~ age", term="age", by="sex", weights=weights()),
        fs.FormulaError,
        "leave the weights out and give the columns of the propensity as terms of the formula; or fit",
    ),
    "risks of a Cox model by no time": (
        lambda: fs.calibration(sites(), fs.cox(sites(), COX, baseline="shared")),
        fs.FormulaError,
        "times is None; give milestones above zero",
    ),
    "milestones of a logistic model": (
        lambda: fs.brier_score(sites(), fs.logistic(sites(), "status ~ age"), times=3),
        fs.FormulaError,
        "are those of a Cox model; a 0/1 outcome has none",
    ),
    "a baseline hazard of another model": (
        lambda: fs.brier_score(
            sites(),
            fs.cox(sites(), COX),
            times=3,
            baseline=fs.baseline_hazard(
                sites(), fs.cox(sites(), "Surv(time, status) ~ sex", baseline="shared")
            ),
        ),
        fs.FormulaError,
        "baseline is that of the fit",
    ),
    "Uno's index across sites": (
        lambda: fs.concordance(sites(), fs.cox(sites(), COX), pooled=True, timewt="n/G2"),
        fs.FormulaError,
        "Pairs across sites are those of Harrell's index",
    ),
    "risks of a weighted fit": (
        lambda: fs.calibration(sites(), fs.logistic(sites(), "status ~ age", weights="time")),
        fs.FormulaError,
        "give a fit without weights",
    ),
    "edges of risks above one": (
        lambda: fs.calibration(sites(), fs.logistic(sites(), "status ~ age"), bins=[0.5, 2]),
        fs.FormulaError,
        "give edges between 0 and 1 that increase",
    ),
    "cells of pairs within sites": (
        lambda: fs.auc(sites(), fs.logistic(sites(), "status ~ age"), bins=[0.5]),
        fs.FormulaError,
        "ask with pooled=True",
    ),
    "another intercept of a Cox model": (
        lambda: fs.recalibrate(sites(), fs.cox(sites(), COX), change="intercept"),
        fs.FormulaError,
        "A Cox model has no intercept to change",
    ),
    "an index of concordance of a logistic model": (
        lambda: fs.concordance(sites(), fs.logistic(sites(), "status ~ age")),
        fs.FormulaError,
        "This is about a Cox model",
    ),
    "an area of a Cox model": (
        lambda: fs.auc(sites(), fs.cox(sites(), COX)),
        fs.FormulaError,
        "generalised linear model: give the result of fs.logistic",
    ),
    "an area of a measurement": (
        lambda: fs.auc(sites(), fs.glm(sites(), "age ~ status", family="gaussian")),
        fs.FormulaError,
        "that of a 0/1 outcome; this is a gaussian model",
    ),
    "weights of time that there are none of": (
        lambda: fs.concordance(sites(), fs.cox(sites(), COX), timewt="S"),
        fs.FormulaError,
        "timewt is 'S'; choose one of ['n', 'n/G2']",
    ),
    "an end of pairs before the beginning": (
        lambda: fs.concordance(sites(), fs.cox(sites(), COX), ymax=-1),
        fs.FormulaError,
        "ymax is -1; give a time above zero",
    ),
    "a propensity of three treatments": (
        lambda: fs.propensity_weights(three_arms(), "arm ~ age"),
        fs.FormulaError,
        "one treatment or another, and arm has 3 levels (a, b, c): agree on a factor of two of them",
    ),
    "a balance of three treatments": (
        lambda: fs.balance(three_arms(), "arm ~ age"),
        fs.FormulaError,
        "arm has 3 levels",
    ),
    "a curve by two factors": (
        lambda: fs.kaplan_meier(three_arms(), "Surv(time, status) ~ arm + sex"),
        fs.FormulaError,
        "drawn by one factor, and 'arm + sex' is more",
    ),
    "level above one": (lambda: fs.cox(sites(), COX, level=2), ValueError, "level is 2"),
    "level not a number": (lambda: fs.cox(sites(), COX, level=float("nan")), ValueError, "level is nan"),
    "level zero": (lambda: fs.logistic(sites(), "status ~ age", level=0), ValueError, "level is 0"),
    "level one": (lambda: fs.kaplan_meier(sites(), CURVE, level=1), ValueError, "between 0 and 1"),
    "scale of a curve's interval": (
        lambda: fs.kaplan_meier(sites(), CURVE, conf_type="logit"),
        fs.FormulaError,
        "conf_type is 'logit'; choose one of",
    ),
    "scale of a baseline hazard's interval": (
        lambda: fs.baseline_hazard(sites(), fs.cox(sites(), COX), conf_type="logit"),
        fs.FormulaError,
        "conf_type is 'logit'; choose one of",
    ),
    "level as text": (lambda: fs.kaplan_meier(sites(), CURVE, level="95%"), ValueError, "level is '95%'"),
    "strata as a number": (lambda: fs.cox(sites(), COX, strata=5), fs.FormulaError, "strata is 5"),
    "strata not there": (lambda: fs.cox(sites(), COX, strata="sexx"), fs.FormulaError, "did you mean 'sex'"),
    "profile misspelt": (lambda: fs.cox(sites(), COX, profile=["agee"]), fs.FormulaError, "are age"),
    "profile as a number": (lambda: fs.cox(sites(), COX, profile=5), fs.FormulaError, "profile is 5"),
    "profile of the intercept": (
        lambda: fs.logistic(sites(), "status ~ age", profile="Intercept"),
        fs.FormulaError,
        "names the intercept; profiles are of the other coefficients",
    ),
    "profile of a Cox model's intercept": (
        lambda: fs.cox(sites(), COX, profile="(Intercept)"),
        fs.FormulaError,
        "which a Cox model has in its baseline hazards",
    ),
    "offset as a column itself": (
        lambda: fs.cox(sites(), COX, offset=FRAME["age"]),
        fs.FormulaError,
        "offset is a Series; give the name of a column",
    ),
    "weights as a column itself": (
        lambda: fs.cox(sites(), COX, weights=FRAME["age"]),
        fs.FormulaError,
        "weights is a Series; give the name of a column",
    ),
    "cluster as a column itself": (
        lambda: fs.logistic(sites(), "status ~ age", cluster=FRAME["sex"]),
        fs.FormulaError,
        "cluster is a Series; give the name of a column",
    ),
    "intercepts as a column itself": (
        lambda: fs.logistic(sites(), "status ~ age", intercepts=FRAME["sex"]),
        fs.FormulaError,
        "intercepts is a Series; give the name of a column",
    ),
    "start of a logistic model": (
        lambda: fs.logistic(sites(), "status ~ age", start="warm"),
        fs.FormulaError,
        "start is 'warm'; choose one of ['zero', 'pooled']",
    ),
    "neither intercept nor term": (
        lambda: fs.logistic(sites(), "status ~ 0"),
        fs.FormulaError,
        "neither an intercept nor a term",
    ),
    "strength as a text": (lambda: fs.Ridge("0.1"), TypeError, "The strength of a penalty is '0.1'"),
    "condition as a number": (lambda: sites().where(5), ValueError, "this one is int"),
    "condition with one sign for equal": (
        lambda: sites().where("age = 60"),
        ValueError,
        "write two signs for equal",
    ),
    "condition without quotes": (
        lambda: sites().where("sex == f"),
        ValueError,
        "write a text in quotes, as in sex == 'f'",
    ),
    "condition as of R": (lambda: sites().where("age > 60 & sex == 'f'"), ValueError, "write 'and'"),
    "condition with or": (lambda: sites().where("age > 60 or sex == 'f'"), ValueError, "there is no 'or'"),
    "condition between": (lambda: sites().where("50 < age < 60"), ValueError, "write two comparisons"),
    "condition on empty cells": (lambda: sites().where("is.na(age)"), ValueError, "meets no condition"),
    "condition of a level not agreed": (
        lambda: sites().where("sex == 'q'"),
        ValueError,
        "sex has no level 'q' in the codebook; it has f, m.",
    ),
    "condition of levels in order": (
        lambda: sites().where("sex > 'f'"),
        ValueError,
        "compare its levels with",
    ),
    "condition of a number and a text": (lambda: sites().where("age > 'f'"), ValueError, "age is a number"),
    "condition on a column misspelt": (lambda: sites().where("agee > 6"), ValueError, "did you mean 'age'?"),
    "predictor of no fit": (
        lambda: sites().with_linear_predictor("lp", 5),
        ValueError,
        "A linear predictor has a name and a fit",
    ),
    "tests of a fit without a name": (
        lambda: fs.adjusted_p_values(fs.cox(sites(), COX)),
        fs.FormulaError,
        "results is a Fit; give it by name",
    ),
    "tests of a number": (lambda: fs.adjusted_p_values({"os": 5}), fs.FormulaError, "os is an int"),
    "a table of one value": (
        lambda: fs.table_one(one_hospital(), variables=["hospital"]),
        fs.FormulaError,
        "variables names 'hospital', which has one value in all rows, which tells nobody from anybody, so that a table cannot describe it; leave it out.",
    ),
    "a table by one value": (
        lambda: fs.table_one(one_hospital(), by="hospital", variables=["age"]),
        fs.FormulaError,
        "grouped by a factor, and hospital has one value in all rows, which tells nobody from anybody; leave it out.",
    ),
    "a table of many texts": (
        lambda: fs.table_one(many_texts(), variables=["each"]),
        fs.FormulaError,
        "'each', which holds text or dates of 80 different values, which are no levels, so that a table cannot describe it; group its values",
    ),
    "a propensity of one treatment": (
        lambda: fs.propensity_weights(one_hospital(), "hospital ~ age"),
        fs.FormulaError,
        "hospital has one value in all rows, which tells nobody from anybody; a treatment is a column of 0 and 1",
    ),
    "a balance of one value": (
        lambda: fs.balance(one_hospital(), by="sex", variables=["hospital"]),
        fs.FormulaError,
        "hospital has one value in all rows, which tells nobody from anybody; there is no balance of it.",
    ),
    "a condition on one value": (
        lambda: one_hospital().where("hospital == 'north'"),
        ValueError,
        "hospital has one value in all rows",
    ),
    "a p-value above one": (
        lambda: fs.adjusted_p_values({"os": pd.DataFrame({"term": ["age", "sex"], "p_value": [0.2, 1.2]})}),
        fs.FormulaError,
        "os has the p-value 1.2 of sex: a p-value is a number from 0 to 1; leave out a row that is no test.",
    ),
    "a p-value that is not there": (
        lambda: fs.adjusted_p_values({"os": pd.DataFrame({"term": ["age"], "p_value": [np.nan]})}),
        fs.FormulaError,
        "os has the p-value nan of age",
    ),
    "a p-value as a text": (
        lambda: fs.adjusted_p_values({"os": pd.DataFrame({"term": ["age"], "p_value": ["<0.05"]})}),
        fs.FormulaError,
        "os has the p-value '<0.05' of age",
    ),
    "E-values of units that are none": (
        lambda: fs.cox(sites(), COX).e_values(steps={"agee": 10}),
        ValueError,
        "steps names 'agee'; give units by coefficient, of age",
    ),
    "E-values of one number of units": (
        lambda: fs.cox(sites(), COX).e_values(steps=10),
        ValueError,
        "steps names '10'",
    ),
    "strata of one patient each": (
        lambda: fs.logrank(
            sites(FRAME.assign(each=[f"p{i}" for i in range(40)])), "Surv(time, status) ~ sex", strata="each"
        ),
        ValueError,
        "nowhere at risk together when an event happens",
    ),
    "incidence of one cause": (
        lambda: fs.cumulative_incidence(sites(), "Surv(time, status == 1) ~ 1"),
        fs.FormulaError,
        "write Surv(time, status), and say with censored= which",
    ),
    "grid as a frame": (
        lambda: fs.kaplan_meier(sites(), CURVE, grid=FRAME),
        ValueError,
        "grid is a DataFrame; a grid is",
    ),
    "refusals of a number": (lambda: fs.refusals(5), TypeError, "not an int"),
    "ratio as a text": (lambda: fs.e_value("2"), ValueError, "a ratio above zero"),
    "no analysis": (lambda: fs.together(sites(), os=5), TypeError, "give a function, as os=lambda sites"),
    "frame for several": (lambda: fs.together(FRAME), TypeError, "not a DataFrame"),
    "effects of a number": (
        lambda: fs.marginal_effects(sites(), fs.logistic(sites(), "status ~ age"), 5),
        fs.FormulaError,
        "variables is 5",
    ),
    "profile and robust": (
        lambda: fs.logistic(sites(), "status ~ age", profile="age", robust=True),
        fs.FormulaError,
        "or for a robust variance",
    ),
    "weights as a number": (lambda: fs.logistic(sites(), "status ~ age", weights=5), fs.FormulaError, "is 5"),
    "no formula for cox": (lambda: fs.cox(sites(), None), fs.FormulaError, "NoneType"),
    "no formula for logistic": (lambda: fs.logistic(sites(), None), fs.FormulaError, "NoneType"),
    "no formula for a curve": (lambda: fs.kaplan_meier(sites(), None), fs.FormulaError, "NoneType"),
    "a dot": (lambda: fs.cox(sites(), "Surv(time, status) ~ ."), fs.FormulaError, "in place of the dot"),
    "frame for cox": (lambda: fs.cox(FRAME, COX), TypeError, "not a DataFrame: wrap"),
    "frame for logistic": (lambda: fs.logistic(FRAME, "status ~ age"), TypeError, "fs.InProcess"),
    "frame for a curve": (lambda: fs.kaplan_meier(FRAME, CURVE), TypeError, "fs.InProcess"),
    "frame for a table": (lambda: fs.table_one(FRAME, variables=["age"]), TypeError, "fs.InProcess"),
    "frame as sites": (lambda: fs.InProcess(FRAME), TypeError, "not as a DataFrame"),
    "list as sites": (lambda: fs.InProcess([FRAME]), TypeError, "not as a list"),
    "no frame at a site": (lambda: fs.InProcess({"a": [1]}), TypeError, "must be a DataFrame"),
    "no sites": (lambda: fs.InProcess({}), ValueError, "at least one site"),
    "policy as text": (lambda: fs.InProcess({"a": FRAME}, policy="none"), TypeError, "policy is 'none'"),
    "column twice": (
        lambda: fs.InProcess({"a": pd.concat([FRAME, FRAME[["age"]]], axis=1)}),
        ValueError,
        "The table of a has the column 'age' twice",
    ),
    "one variable": (lambda: fs.table_one(sites(), variables="age"), fs.FormulaError, "give a list"),
    "misspelt variable": (
        lambda: fs.table_one(sites(), variables=["agee"]),
        fs.FormulaError,
        "did you mean 'age'",
    ),
    "misspelt group": (
        lambda: fs.table_one(sites(), by="sx", variables=["age"]),
        fs.FormulaError,
        "did you mean 'sex'",
    ),
    "grid as text": (lambda: fs.kaplan_meier(sites(), CURVE, grid="months"), ValueError, "grid is 'months'"),
    "grid that falls": (lambda: fs.kaplan_meier(sites(), CURVE, grid=[6, 3]), ValueError, "that increase"),
    "grid of nothing": (lambda: fs.kaplan_meier(sites(), CURVE, grid=[]), ValueError, "grid is []"),
    "negative width": (lambda: fs.kaplan_meier(sites(), CURVE, grid=-1), ValueError, "wider than zero"),
    "no event in cox": (lambda: fs.cox(alive(), COX), ValueError, "no events among the 40 patients"),
    "no event, shared": (lambda: fs.cox(alive(), COX, baseline="shared"), ValueError, "no events"),
    "no event in logistic": (lambda: fs.logistic(alive(), "status ~ age"), ValueError, "no events"),
    "one value to standardise to": (
        lambda: fs.standardised_risks(sites(), fs.logistic(sites(), "status ~ age"), "age", values=50),
        fs.FormulaError,
        "Give at least two values of age",
    ),
    "nobody in cox": (lambda: fs.cox(nobody(), COX), ValueError, "no patients"),
    "nobody, shared": (lambda: fs.cox(nobody(), COX, baseline="shared"), ValueError, "no patients"),
    "nobody in logistic": (lambda: fs.logistic(nobody(), "status ~ age"), ValueError, "no patients"),
    "nobody in a curve": (lambda: fs.kaplan_meier(nobody(), CURVE), ValueError, "no patients"),
    "nobody in a table": (lambda: fs.table_one(nobody(), variables=["age"]), ValueError, "no patients"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_argument_is_one_sentence(wrong):
    call, kind, says = WRONG[wrong]
    with pytest.raises(kind) as refused:
        call()
    text = str(refused.value)
    assert says in text
    assert "\n" not in text
    assert text.endswith((".", "?"))


def test_analyses_of_nobody_stand_beside_the_others():
    found = fs.together(
        nobody(),
        cox=lambda s: fs.cox(s, COX),
        curve=lambda s: fs.kaplan_meier(s, CURVE),
        table=lambda s: fs.table_one(s, variables=["age", "sex"]),
    )
    assert [r.status for r in found.values()] == ["not estimated"] * 3
