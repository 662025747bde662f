"""Every option of the regressions, R's answer to it, and at how many sites the tests compare the two.

Nothing is ticked by hand: a test says by ``@pytest.mark.reference("coefficients", ...)`` which numbers it compares, its
cases (``tests/reference/comparison.py``) say what was asked of how many sites, and a row below says which of them show
its option.  ``docs/make_validation_table.py`` writes the table of all that pytest collects; a cell without a case fails.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from tests.reference.comparison import Layout

Facts = dict[str, Any]
FITTED = ("coefficients", "standard errors")


class Option(NamedTuple):
    """A row of the table: what is asked of which model, the R function that answers, and what has to be compared."""

    model: str
    name: str
    r: str
    compared: tuple[str, ...]
    asked: Facts


class Comparison(NamedTuple):
    """A case at a number of sites, and what one test or several compare of it."""

    layout: Layout
    compared: frozenset[str]


def facts(layout: Layout) -> Facts:
    """What a case asks for, whichever script it is of: its options, and ``model``, ``entry``, ``penalty``."""
    case = layout.case
    asked = case | (case.get("options") or {})
    if layout.source == "penalised":
        asked["penalty"] = {0: "ridge", 1: "lasso"}.get(case["mixing"], "elastic net")
    elif layout.source in ("firth", "firth_cox"):
        asked["penalty"] = "Firth"
    elif layout.source == "path":
        asked["penalty"] = "path"
    strata = asked.get("strata")
    return asked | {
        "model": _model(asked, layout.kind),
        "baseline": asked.get("baseline") or "site",
        "entry": case["formula"].split("~")[0].count(",") == 2,
        "several strata": isinstance(strata, list) and len(strata) > 1,
        "cause": "==" in case["formula"],
        "columns": case["formula"].split("~")[1],
    }


#: Of what is no regression, by the name under which R's answers are kept.
OF_COUNTS = {
    "kaplan_meier": "Kaplan-Meier",
    "curves": "Kaplan-Meier",
    "follow_up": "Kaplan-Meier",
    "log_rank": "Log-rank",
    "max_combo": "MaxCombo",
    "means": "Restricted mean survival",
    "incidences": "Cumulative incidence",
    "ratios": "Hazard ratios by period",
    "concordance": "Index of concordance",
    "auc": "Area under the ROC curve",
    "risks": "Predicted risks",
    "milestones": "Predicted risks by a milestone",
}


def _model(asked: Facts, kind: str) -> str:
    if "variables" in asked:
        return "Table 1"
    if kind in OF_COUNTS:
        return OF_COUNTS[kind]
    if asked["formula"].startswith("Surv("):
        return "Cox"
    family = asked.get("family") or asked.get("kind") or "logistic"
    if family == "binomial":
        family = "log-binomial" if asked.get("link") == "log" else "logistic"
    return {"poisson": "Poisson", "gaussian": "Gaussian"}.get(family, family)


def shows(comparison: Comparison, option: Option) -> bool:
    """Whether a case asks for the option, and all that has to be compared is."""
    has = facts(comparison.layout)
    return (
        has["model"] == option.model
        and set(option.compared) <= comparison.compared
        and all(_meets(has.get(name), wanted) for name, wanted in option.asked.items())
    )


def _meets(value: object, wanted: object) -> bool:
    """True: anything; False: nothing; a set: one of these texts within it; otherwise the value itself."""
    if isinstance(wanted, bool):
        return bool(value) is wanted
    if isinstance(wanted, set):
        return any(text in str(value) for text in wanted)
    return value == wanted


def comparisons(items: Iterable[pytest.Item]) -> list[Comparison]:
    """Of collected tests: every case at every number of sites, with all that is compared of it."""
    found: dict[Layout, set[str]] = {}
    for item in items:
        compared = {what for mark in item.iter_markers("reference") for what in mark.args}
        skipped = any(True for name in ("skip", "skipif", "xfail") for _ in item.iter_markers(name))
        for value in item.callspec.params.values() if compared and not skipped else ():
            if isinstance(value, Layout):
                found.setdefault(value, set()).update(compared)
    return [Comparison(layout, frozenset(compared)) for layout, compared in found.items()]


# The rows ---------------------------------------------------------------------------------------------


def _cox() -> Iterable[Option]:
    def row(name: str, r: str, *compared: str, **asked: Any) -> Option:
        return Option(
            "Cox", name, r, compared or FITTED, {"penalty": False} | asked if not compared else asked
        )

    for baseline, words in (("site", "each site its own hazard"), ("shared", "shared hazard")):
        at = {"baseline": baseline}
        yield row(f"Efron's ties, {words}", "survival::coxph", ties="efron", **at)
        yield row(f"Breslow's ties, {words}", "survival::coxph", ties="breslow", **at)
        yield row(f"`Surv(entry, time, event)`, {words}", "survival::coxph", entry=True, **at)
        yield row(f"`weights`, {words}", "survival::coxph", weights=True, **at)
        yield row(f"`offset`, {words}", "survival::coxph", offset=True, **at)
        yield row(f"`robust`, {words}", "survival::coxph", robust=True, **at)
        yield row(f"`cluster`, {words}", "survival::coxph", cluster=True, **at)
        yield row(f"`strata`, {words}", "survival::strata", strata=True, **at)
        yield row(f"predicted survival, {words}", "survival::survfit", "predicted survival", **at)
        if baseline == "shared":
            yield row(
                f"standardised survival, {words}", "means of survival::survfit", "standardised survival", **at
            )
        yield row(f"baseline hazard, {words}", "survival::basehaz", "baseline hazard", **at)
        yield row(f"a cause of several, {words}", "survival::coxph", cause=True, **at)
        yield row(f"`time_varying`, {words}", "survival::coxph on survSplit", varying=True, **at)
    stratum = {"baseline": "site", "strata": None, "sites": True}
    yield row("no `strata`: a stratum a site", "survival::coxph, strata(site)", **stratum)
    yield row("several columns of `strata`", "survival::strata", **{"several strata": True})
    yield row("agreed `grid`", "survival::coxph on times at the edges", grid=True)
    for what in ("likelihood", "score test", "Wald test", "likelihood-ratio test", "AIC and BIC"):
        yield row(what, "survival::coxph", what)
    yield row("joint tests of terms", "Wald's formula on coxph's vcov", "joint tests")
    yield row("tests that effects do not change", "Wald's formula on coxph's vcov", "tests of constancy")
    yield row("linear hypotheses", "car::linearHypothesis", "linear hypotheses")
    yield row(
        "profile intervals", "coxph with the column as offset, uniroot", "profile intervals", penalty=False
    )
    yield row("`cox_zph`: km, rank, identity, log", "survival::cox.zph", "proportional hazards")
    yield row("linear predictor as a column", "predict(coxph) in coxph and glm", "linear predictor")
    yield row(
        "`weights` of `propensity_weights`", "survival::coxph on R's weights", "weights by a propensity"
    )
    yield row("stacked variance", "numDeriv::jacobian of both models' scores", "stacked variance")
    for penalty in ("ridge", "lasso", "elastic net"):
        r = "slow maximiser on coxph's scores" + (", survival::ridge" if penalty == "ridge" else "")
        yield row(penalty, r, "coefficients", penalty=penalty)
    yield row("standard errors of a ridge", "survival::ridge", "standard errors of a ridge")
    yield row("penalty path", "glmnet::glmnet", "path")
    yield row("cross-validation", "glmnet::cv.glmnet", "cross-validation")
    yield row("Firth's penalty", "slow maximiser on coxph's likelihood", penalty="Firth")
    yield row(
        "profile intervals with Firth's penalty", "the same, uniroot", "profile intervals", penalty="Firth"
    )
    test = "penalised likelihood-ratio test"
    yield row(test, "the same", test, penalty="Firth")
    for what in ("estimates of practices", "fixed and random effects", "one-stage score test"):
        r = "survival::coxph, score test" if what.startswith("one") else "survival::coxph, metafor::rma"
        yield row(what, r, what)
    yield from _formulas("Cox", "survival::coxph")


def _glm(model: str, r: str) -> Iterable[Option]:
    def row(name: str, r: str, *compared: str, **asked: Any) -> Option:
        return Option(model, name, r, compared or FITTED, asked)

    plain = {"penalty": False, "intercepts": False}
    yield row("the model itself", r, weights=False, offset=False, robust=False, cluster=False, **plain)
    yield row("`weights`", r, weights=True, **plain)
    yield row("`offset`", r, offset=True, **plain)
    yield row("`robust`", "sandwich::sandwich", robust=True, **plain)
    yield row("`cluster`", "sandwich::vcovCL", cluster=True, **plain)
    for what in ("likelihood", "AIC and BIC"):
        yield row(what, r, what, **plain)
    if model == "logistic":
        for what in ("score test", "Wald test", "likelihood-ratio test"):
            yield row(what, r, what)
        yield row("joint tests of terms", "Wald's formula on glm's vcov", "joint tests")
        yield row("linear hypotheses", "car::linearHypothesis", "linear hypotheses")
        yield row("linear predictor as a column", "predict(glm) in coxph and glm", "linear predictor")
        yield row("`weights` of `propensity_weights`", "survey::svyglm", "weights by a propensity")
        yield row("stacked variance", "numDeriv::jacobian of both models' scores", "stacked variance")
        yield row("balance", "by hand, as cobalt", "balance")
        yield row("effective sample size", "by hand", "effective sample size")
        yield row("`augmented_effect`", "influence functions on glm's predictions", "augmented effect")
    yield row("deviance and dispersion", r, "deviance and dispersion")
    slow = "confint" if model == "Gaussian" else "glm with the column as offset, uniroot"
    if model != "log-binomial":
        yield row("profile intervals", slow, "profile intervals", **plain)
        for option in ("weights", "offset", "robust", "cluster"):
            yield row(
                f"`intercepts`, `{option}`",
                f"{r} with a column a practice",
                intercepts=True,
                **{option: True},
            )
        yield row("penalty path", "glmnet::glmnet", "path")
        yield row("cross-validation", "glmnet::cv.glmnet", "cross-validation")
    for penalty in ("ridge", "lasso", "elastic net"):
        with_what = "slow maximiser" if model == "log-binomial" else "glmnet::glmnet"
        yield row(penalty, with_what, "coefficients", penalty=penalty)
    if model in ("logistic", "Poisson"):
        yield row("Firth's penalty", "slow maximiser", penalty="Firth")
        yield row("Firth's penalty, `weights`", "slow maximiser", penalty="Firth", weights=True)
        yield row("Firth's penalty, `offset`", "slow maximiser", penalty="Firth", offset=True)
        yield row(
            "profile intervals with Firth's penalty",
            "the same, uniroot",
            "profile intervals",
            penalty="Firth",
        )
        test = "penalised likelihood-ratio test"
        yield row(test, "the same", test, penalty="Firth")
    if model in ("logistic", "Poisson"):
        for what in ("estimates of practices", "fixed and random effects", "one-stage score test"):
            yield row(what, "glm, anova's Rao test" if what.startswith("one") else "glm, metafor::rma", what)
    for what in ("standardised risks", "risk differences", "risk ratios", "average marginal effects"):
        yield row(what, f"by hand on {r}, complex steps", what)
    if model == "logistic":
        yield from _formulas(model, r)


def _formulas(model: str, r: str) -> Iterable[Option]:
    for name, texts in {
        "factors": {"C("},
        "products `:` and `*`": {":", "*"},
        "restricted cubic splines": {"rcs("},
        "B-splines": {"bs("},
        "polynomials": {"poly("},
        "`log(x)`": {"log("},
        "`I(x / 10)`": {"I("},
    }.items():
        yield Option(model, f"formula: {name}", r, FITTED, {"columns": texts, "penalty": False})
    if model == "Cox":
        yield Option(model, "formula: factors, agreed reference", r, FITTED, {"levels": True})


def _table() -> Iterable[Option]:
    for name, r, what in (
        ("counts, means, SDs, quartiles", "table, mean, sd, quantile", "counts and moments"),
        ("standardised mean differences", "as tableone has them, written out", "standardised differences"),
        ("`p_values`", "chisq.test, t.test, oneway.test", "tests of groups"),
    ):
        yield Option("Table 1", name, r, (what,), {})


def _counts() -> Iterable[Option]:
    survfit = "survival::survfit"
    for what in ("curve", "median"):
        yield Option("Kaplan-Meier", f"{what}s", survfit, (what,), {})
    for name, asked in {"`weights`": {"robust": False}, "`weights`, `robust`": {"robust": True}}.items():
        yield Option("Kaplan-Meier", name, survfit, ("curve",), {"weights": True} | asked)
    yield Option("Kaplan-Meier", "`landmark`", f"{survfit} on a subset", ("curve",), {"landmark": True})
    yield Option("Kaplan-Meier", "cumulative hazards", survfit, ("cumulative hazard",), {"robust": False})
    yield Option("Kaplan-Meier", "milestones", "summary(survfit)", ("milestones",), {})
    yield Option("Kaplan-Meier", "quantiles", "quantile(survfit)", ("quantiles",), {})
    yield Option("Kaplan-Meier", "`reverse`", f"{survfit} of censoring", ("follow-up",), {})
    survdiff, by_hand = "survival::survdiff", "by hand"
    yield Option(
        "Log-rank", "the test itself", survdiff, ("test",), {"rho": False, "gamma": False, "entry": False}
    )
    yield Option("Log-rank", "`strata`", survdiff, ("test",), {"strata": True})
    yield Option("Log-rank", "`rho`", survdiff, ("test",), {"rho": True, "gamma": False})
    yield Option("Log-rank", "`gamma`", by_hand, ("test",), {"gamma": True})
    yield Option(
        "Log-rank", "`Surv(entry, time, event)`", "survival::coxph, exact ties", ("test",), {"entry": True}
    )
    yield Option("MaxCombo", "the test itself", "mvtnorm::pmvnorm", ("test",), {"strata": False})
    yield Option("MaxCombo", "`strata`", "mvtnorm::pmvnorm", ("test",), {"strata": True})
    of_means = ("restricted means",)
    yield Option("Restricted mean survival", "means", "summary(survfit, rmean)", of_means, {"weights": False})
    yield Option(
        "Restricted mean survival",
        "`weights`",
        "summary(survfit, rmean)",
        of_means,
        {"weights": True, "robust": False},
    )
    yield Option("Restricted mean survival", "`robust`", "residuals(survfit)", of_means, {"robust": True})
    yield Option("Cumulative incidence", "curves", survfit, ("incidence",), {"entry": False})
    yield Option(
        "Cumulative incidence",
        "`Surv(entry, time, cause)`",
        "survfit, etm::etm",
        ("incidence",),
        {"entry": True},
    )
    for ties in ("efron", "breslow"):
        yield Option(
            "Hazard ratios by period",
            f"`ties`, {ties}",
            "survival::coxph on survSplit",
            FITTED,
            {"ties": ties},
        )
    yield Option(
        "Hazard ratios by period", "`strata`", "survival::coxph on survSplit", FITTED, {"strata": True}
    )


def _evaluation() -> Iterable[Option]:
    r, pairs = "survival::concordance, strata(site)", ("concordance",)
    for model in ("Index of concordance", "Area under the ROC curve"):
        yield Option(model, "pairs within sites", r, pairs, {})
        yield Option(model, "`weights` of the model", r, pairs, {"weights": True})
        yield Option(model, "`cluster` of the model", r, pairs, {"cluster": True})
        yield Option(model, "patients other than the fit's", r, pairs, {"evaluated_on": True})
    model = "Index of concordance"
    yield Option(model, "`strata` of the model", r, pairs, {"several strata": True})
    yield Option(model, "`offset` of the model", r, pairs, {"offset": True})
    yield Option(model, "`Surv(entry, time, event)`", r, pairs, {"entry": True})
    yield Option(model, '`timewt="n/G2"`', r, pairs, {"timewt": "n/G2"})
    yield Option(model, "`ymax`", r, pairs, {"ymax": True})
    for name, r, compared in (
        ("calibration", "glm on the predicted logit, prop.test", "calibration"),
        ("Brier score, index of prediction accuracy", "riskRegression::Score", "Brier score"),
        ("`pooled` area under the ROC curve", "survival::concordance on cut risks", "pooled area"),
        ("net benefit", "by hand", "net benefit"),
    ):
        yield Option("Predicted risks", name, r, (compared,), {})
    for name, r, compared in (
        ("calibration", "survival::survfit by cells", "calibration"),
        ("Brier score, index of prediction accuracy", "riskRegression::Score", "Brier score"),
        ("`pooled` index of concordance", "survival::concordance, within the error of cells", "pooled index"),
        ("net benefit", "by hand, on survival::survfit", "net benefit"),
    ):
        yield Option("Predicted risks by a milestone", name, r, (compared,), {})


OPTIONS = (
    *_cox(),
    *_glm("logistic", "glm"),
    *_glm("log-binomial", "glm"),
    *_glm("Poisson", "glm"),
    *_glm("Gaussian", "glm"),
    *_table(),
    *_counts(),
    *_evaluation(),
)
