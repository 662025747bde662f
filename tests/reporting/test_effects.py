"""Ratios in print: per a step that suits the column, the same in table and figure, never at odds with their p."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.contract.formula import parse
from fedstats.contract.variable import Variable
from fedstats.reporting import formats
from fedstats.reporting.effects import effect_labels, effects, step_of
from fedstats.reporting.model_text import effect_table, model_alt
from fedstats.reporting.plots import forest_plot

STUDIES = Path(__file__).resolve().parents[2] / "studies"
BOOK = {
    "columns": {
        "time": {"kind": "time"},
        "event": {"kind": "event"},
        "age": {"kind": "numeric", "label": "Age", "unit": "years", "range": [18, 110]},
        "albumin": {"kind": "numeric", "unit": "g/dL", "range": [1, 6], "edges": [1, 3.25, 3.85, 4.45, 6]},
        "score": {"kind": "numeric", "range": [0, 4]},
        "arm": {"kind": "factor", "levels": ["a", "b"]},
    }
}
CODEBOOK = Codebook.from_toml(BOOK)


def fit_of(formula, beta, std_error, kind="cox"):
    names = parse(formula, CODEBOOK, intercept=kind == "logistic")[1].names
    return Fit(
        kind, formula, names, np.asarray(beta, float), np.diag(np.square(std_error)), -9.0, -9.0, 1.0,
        *(100, 50, 0, 5, 5, 100), ("a",), {"ties": "efron", "strata": (), "baseline": "site"},
    )  # fmt: skip


SPEC = SimpleNamespace(title="A model", kind="cox", primary=False)


@pytest.mark.parametrize(
    ("column", "step"),
    [
        ({"low": 18, "high": 110}, 10),
        ({"low": 18, "high": 110, "edges": (18, 50, 60, 70, 90, 110)}, 10),
        ({"low": 1, "high": 6, "edges": (1, 3.25, 3.85, 4.45, 6)}, 0.5),
        ({"low": 0, "high": 4}, 1),
        ({"low": 0, "high": 1}, 0.1),
        ({"low": 0, "high": 5000, "edges": (50, 550, 950, 1150, 2650)}, 100),
        ({}, 1),
    ],
)
def test_a_step_is_round_and_near_the_spread_of_the_column(column, step):
    assert step_of(Variable("x", "numeric", **column)) == step


def test_a_ratio_is_per_the_step_that_its_label_states():
    fit = fit_of("Surv(time, event) ~ age + arm + age:albumin", [0.02, 0.5, 0.03], [0.01, 0.2, 0.02])
    labels, found = effect_labels(fit, CODEBOOK), effects(fit, CODEBOOK)
    assert list(labels.values())[1:] == [
        "Age, per 10 years",
        "arm: b (vs a)",
        "Age, per 10 years × albumin, per 0.5 g/dL",
    ]
    tidy, step = fit.tidy(), np.array([10, 1, 5])
    for name in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(np.log(found[name]), tidy[name] * step)
    np.testing.assert_allclose(found["std_error"], tidy["std_error"] * step)
    assert found["p_value"].equals(tidy["p_value"])


def test_table_figure_and_its_words_print_the_same_ratios():
    fit = fit_of("Surv(time, event) ~ age + score + arm", [-0.0011, 0.05, 0.5], [0.0005, 0.2, 0.2])
    found, labels = effects(fit, CODEBOOK), effect_labels(fit, CODEBOOK)
    drawn = {text.get_text() for text in forest_plot(found, labels=labels).texts}
    printed = effect_table(SPEC, fit, CODEBOOK).markup
    for row in found.itertuples():
        text = formats.ratio(row.estimate, row.conf_low, row.conf_high)
        assert text in drawn
        assert f">{text}<" in printed
    assert "Age, per 10 years 0.989;" in model_alt(fit, found, labels)


@pytest.mark.parametrize("seed", range(20))
def test_a_printed_interval_contains_one_if_and_only_if_p_says_so(seed):
    random = np.random.default_rng(seed)
    std_error = 10 ** random.uniform(-5, -1, 4)
    z = norm.isf(0.025) + random.normal(0, [1, 0.03, 1e-3, 1e-6])
    z *= random.choice([-1, 1], 4)
    fit = fit_of("Surv(time, event) ~ age + albumin + score + arm", z * std_error, std_error)
    markup = effect_table(SPEC, fit, CODEBOOK).markup
    rows = re.findall(r">([\d.,]+) \(([\d.,]+) to ([\d.,]+)\)</td><td[^>]*>([^<]+)<", markup)
    assert len(rows) == 4
    for (*ratio, p), p_value in zip(rows, fit.tidy()["p_value"], strict=True):
        estimate, low, high = (float(v.replace(",", "")) for v in ratio)
        assert low <= estimate <= high
        assert (low <= 1 <= high) == (p_value >= 0.05)
        assert (float(p.replace("&lt;", "0")) >= 0.05) == (p_value >= 0.05)


def test_terms_of_the_shipped_studies_are_per_steps_that_a_clinician_would_take():
    steps = {
        name: {
            v.name: step_of(v)
            for v in fs.Study.load(STUDIES / name).codebook.variables
            if v.kind == "numeric"
        }
        for name in ("nsclc", "lung")
    }
    assert steps["nsclc"] == {"age": 10, "albumin": 0.5, "nlr": 5, "cci": 1, "index_year": 1}
    assert steps["lung"]["age"] == 5
    assert steps["lung"]["ph.ecog"] == 1
    assert steps["lung"]["wt.loss"] == 5
