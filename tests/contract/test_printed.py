"""What a terminal shows of a result: what it is, how exact it is, and a small table; never arrays between brackets."""

import importlib
import pkgutil
from dataclasses import is_dataclass

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

N = 150
DRAWN = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "entry": np.round(DRAWN.uniform(0, 3, N), 1),
        "time": np.round(DRAWN.exponential(9, N) + 3.1, 1),
        "status": DRAWN.integers(0, 2, N),
        "cause": DRAWN.choice(["none", "x", "y"], N),
        "age": DRAWN.integers(40, 80, N).astype(float),
        "sex": DRAWN.choice(["m", "f"], N),
    }
)
FRAME.loc[0, "sex"] = None
SITES = fs.InProcess(
    {"a": FRAME[:50], "b": FRAME[50:100], "c": FRAME[100:]}, policy=fs.DisclosurePolicy.none()
)
CURVE, COX = "Surv(time, status) ~ sex", "Surv(time, status) ~ age + sex"
WEIGHTS = fs.propensity_weights(SITES, "sex ~ age")
SHARED = fs.cox(SITES, COX, baseline="shared")
LOGISTIC = fs.logistic(SITES, "status ~ age + sex")
MODEL = {"sex": "age + status"}
COPIES = fs.impute(SITES, MODEL, m=2)


def ODDS(copy):
    return fs.logistic(copy, "status ~ sex")


POOLED = COPIES.fit(ODDS)

PRINTED = {
    "a curve": (fs.kaplan_meier(SITES, CURVE), "Survival, Surv(time, status) ~ sex (exact): 1 row dropped"),
    "follow-up": (fs.kaplan_meier(SITES, CURVE, reverse=True), "Follow-up, Surv(time, status) ~ sex (exact)"),
    "a weighted curve": (
        fs.kaplan_meier(SITES, CURVE, weights=WEIGHTS),
        "Survival, weighted by sex_weight, ",
    ),
    "a curve on a grid": (
        fs.kaplan_meier(SITES, CURVE, grid=[6, 12, 60]),
        "Survival, Surv(time, status) ~ sex (exact on ",
    ),
    "a log-rank test": (fs.logrank(SITES, CURVE), f"Log-rank test, {CURVE} (exact): statistic "),
    "MaxCombo": (fs.max_combo(SITES, CURVE), f"MaxCombo test, {CURVE} (exact): statistic "),
    "restricted means": (
        fs.rmst(SITES, CURVE, tau=8),
        f"Restricted mean survival times, {CURVE} (exact): tau 8",
    ),
    "ratios by period": (fs.period_hazard_ratios(SITES, CURVE, cuts=[6]), "Hazard ratios by period"),
    "incidence": (
        fs.cumulative_incidence(SITES, "Surv(time, cause) ~ sex", censored="none"),
        "Cumulative incidence, Surv(time, cause) ~ sex (exact)",
    ),
    "a table": (fs.table_one(SITES, by="sex", variables=["age"]), "Patient characteristics"),
    "weights": (WEIGHTS, "sex_weight is the ATE weight of sex[m]"),
    "sizes": (WEIGHTS.effective_sample_size(), "Effective sample sizes by arm (exact)"),
    "overlap": (WEIGHTS.overlap(), "Patients of each arm by their propensity (exact)"),
    "balance": (
        fs.balance(SITES, weights=WEIGHTS),
        "Standardised mean differences (exact): m less f, pooled",
    ),
    "a doubly robust effect": (
        fs.augmented_effect(SITES, "status ~ sex + age", WEIGHTS),
        "Standardised risks",
    ),
    "effects by group": (
        fs.heterogeneity(SITES, "status ~ age", term="age"),
        "Effects of age by site, status ~ age (exact)",
    ),
    "standardised survival": (
        fs.standardised_survival(SITES, SHARED, "sex"),
        f"Standardised survival by sex, {COX} (exact)",
    ),
    "a baseline hazard": (
        fs.baseline_hazard(SITES, SHARED),
        f"Survival and cumulative hazard of {COX} (exact",
    ),
    "a fit": (SHARED, f"cox({COX}, baseline=shared"),
    "proportional hazards": (
        fs.cox_zph(SITES, fs.cox(SITES, COX)),
        "Test of proportional hazards, km (exact)",
    ),
    "effects": (fs.marginal_effects(SITES, LOGISTIC), "Average marginal effects"),
    "an area": (
        fs.auc(SITES, LOGISTIC),
        "AUC of status ~ age + sex (exact, of pairs within sites, 95 % interval)",
    ),
    "calibration": (fs.calibration(SITES, LOGISTIC), "Calibration of status ~ age + sex (exact in "),
    "a Brier score": (
        fs.brier_score(SITES, SHARED, times=[6, 12]),
        f"Brier score of {COX} (exact, 95 % intervals)",
    ),
    "net benefit": (fs.net_benefit(SITES, LOGISTIC), "Net benefit of status ~ age + sex (exact)"),
    "left-out sites": (
        fs.internal_external_validation(SITES, lambda some: fs.logistic(some, "status ~ age")),
        "status ~ age, fitted without each of 3 sites and evaluated there (exact)",
    ),
    "empty cells": (fs.missingness(SITES, ["sex", "age"]), "Empty cells (exact)"),
    "imputations": (COPIES, "2 completed copies, 1 cycle (multiple imputation)"),
    "a pooled fit": (
        POOLED,
        "logistic(status ~ sex), 2 completed copies (multiple imputation): 150 patients",
    ),
    "a pooled hypothesis": (POOLED.linear_hypothesis("sex[m] = 0"), "Hypothesis sex[m] = 0; F "),
    "a tipping point": (
        fs.tipping_point(SITES, MODEL, ODDS, variable="sex", deltas=[-1, 1], term="sex[m]", m=2),
        "Tipping point of sex[m], draws of sex shifted (multiple imputation): ",
    ),
    "a path": (fs.penalty_path(SITES, "status ~ age"), "penalty path (binomial)"),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_terminal_shows_what_a_result_is_and_a_small_table(name):
    result, head = PRINTED[name]
    shown = repr(result)
    assert shown.startswith(head)
    assert shown == str(result)
    assert "array(" not in shown
    assert f"{type(result).__name__}(" not in shown
    assert 2 < len(shown.splitlines()) < 30


def test_every_result_has_a_text_of_its_own():
    """One that is added as a plain dataclass prints its fields."""
    homes = [
        importlib.import_module(module.name)
        for package in ("contract", "methods", "study")
        for module in pkgutil.iter_modules(
            importlib.import_module(f"fedstats.{package}").__path__, f"fedstats.{package}."
        )
    ]
    known = {thing for home in homes for thing in vars(home).values() if isinstance(thing, type)}
    results = {kind for kind in known if is_dataclass(kind) and hasattr(kind, "tidy")}
    assert {fs.Fit, fs.Curve, fs.Balance, fs.Heterogeneity} <= results
    assert [kind for kind in results if "__repr__" in vars(kind) or kind.__str__ is object.__str__] == []


def test_a_curve_prints_patients_events_and_medians_as_r_does():
    """R: print(survfit(Surv(entry, time, status) ~ sex)) counts who enters late; here all of them."""
    curve = fs.kaplan_meier(SITES, "Surv(entry, time, status) ~ sex")
    known = FRAME.dropna(subset="sex")
    lines = [line.split() for line in str(curve).splitlines()[1:]]
    assert lines[0] == ["group", "n", "n_event", "median", "conf_low", "conf_high"]
    for group, *counts in (line[:3] for line in lines[1:]):
        of_group = known[known["sex"] == group]
        assert list(map(float, counts)) == [len(of_group), of_group["status"].sum()]


def test_an_incidence_prints_patients_and_those_who_had_each_cause():
    known = FRAME.dropna(subset="sex")
    lines = [line.split() for line in str(PRINTED["incidence"][0]).splitlines()[2:]]
    counts = {(group, cause): (int(n), int(n_event)) for group, cause, n, n_event, *_ in lines}
    sizes, events = known.groupby("sex").size(), known.groupby(["sex", "cause"]).size()
    assert counts == {(g, c): (sizes[g], events[g, c]) for g in "fm" for c in "xy"}


def test_a_long_table_prints_its_first_and_last_rows():
    shown = str(PRINTED["overlap"][0]).splitlines()
    assert len(PRINTED["overlap"][0].tidy()) > 100
    assert len(shown) == 23
    assert any(line.strip().startswith("...") for line in shown)


def test_effects_by_practice_say_which_were_merged_and_when_an_interval_is_too_narrow():
    """Under a strict gate five small practices are one group; and estimates that chance would scatter more give a narrow interval."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"arm": random.integers(0, 2, 1600), "age": random.normal(60, 9, 1600)})
    frame["practice"] = [f"p{k}" for k in random.integers(0, 12, 1600)]
    chance = 1 / (1 + np.exp(-(0.5 * frame["arm"] + 0.03 * (frame["age"] - 60))))
    frame["y"] = (random.random(1600) < chance).astype(int)
    sites = fs.InProcess({"a": frame[:800], "b": frame[800:]})
    found = fs.heterogeneity(sites, "y ~ arm + age", term="arm", by="practice")
    merged, narrow = found.notes
    of = found.groups[found.groups["practices"] > 1]
    assert merged.startswith("Practices that their site does not show alone are merged: ")
    assert all(f"{row.group} of {row.practices}" in merged for row in of.itertuples())
    assert str(found).endswith(f"{merged}\n{narrow}")
    errors = found.summaries.set_index("effects")["std_error"]
    assert (errors["random"] < errors["fixed"]) == ("narrower" in narrow)
