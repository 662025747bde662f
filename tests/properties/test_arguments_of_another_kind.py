"""Whatever is given for an argument of an analysis, it is answered or refused in one sentence, never by an error of Python's own."""

import inspect
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

N = 120
DRAWN = np.random.default_rng(1)
FRAME = pd.DataFrame(
    {
        "time": np.round(DRAWN.exponential(10, N) + 0.1, 1),
        "status": DRAWN.integers(0, 2, N),
        "cause": DRAWN.choice(["none", "x", "y"], N),
        "age": DRAWN.integers(40, 80, N).astype(float),
        "sex": DRAWN.choice(["m", "f"], N),
        "practice": DRAWN.choice(["p", "q", "r"], N),
    }
)
SITES = fs.InProcess({"a": FRAME[:40], "b": FRAME[40:80], "c": FRAME[80:]}, policy=fs.DisclosurePolicy.none())
CURVE, ODDS = "Surv(time, status) ~ sex", "status ~ age + sex"
WEIGHTS = fs.propensity_weights(SITES, "sex ~ age")
COX = fs.cox(SITES, "Surv(time, status) ~ age + sex", baseline="shared")
LOGISTIC = fs.logistic(SITES, ODDS)

CALLS = {
    fs.kaplan_meier: {"formula": CURVE},
    fs.rmst: {"formula": CURVE, "tau": 10},
    fs.logrank: {"formula": CURVE},
    fs.max_combo: {"formula": CURVE},
    fs.period_hazard_ratios: {"formula": CURVE, "cuts": [5, 10]},
    fs.cumulative_incidence: {"formula": "Surv(time, cause) ~ sex", "censored": "none"},
    fs.table_one: {"variables": ["age", "sex"]},
    fs.propensity_weights: {"formula": "sex ~ age"},
    fs.balance: {"by": "sex", "variables": ["age"]},
    fs.augmented_effect: {"formula": "status ~ sex + age", "weights": WEIGHTS},
    fs.heterogeneity: {"formula": ODDS, "term": "age"},
    fs.standardised_survival: {"fit": COX, "column": "sex"},
    fs.standardised_risks: {"fit": LOGISTIC, "column": "sex"},
    fs.marginal_effects: {"fit": LOGISTIC},
    fs.attrition: {"steps": {"old": "Too old"}, "column": "practice"},
    fs.adjusted_p_values: {"results": {"os": COX}},
    fs.e_value: {"estimate": 2.0, "conf_low": 1.5, "conf_high": 3.0},
}
STRANGE = [
    None,
    {},
    [],
    "nope",
    b"x",
    5,
    float("nan"),
    [None],
    [[]],
    FRAME,
    np.array([1.0, 2.0]),
    COX,
    object(),
]
FEDSTATS = str(Path(fs.__file__).parent)


def complaint_about(function, given):
    """What was raised, and whether a statement of the library's own raised it; None where there was an answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            function(**given)
        except Exception as problem:  # noqa: BLE001 (which they may be is what is tested)
            where = traceback.extract_tb(problem.__traceback__)[-1]
            is_own = where.filename.startswith(FEDSTATS) and "raise" in (where.line or "")
            return problem, is_own
    return None


@pytest.mark.parametrize(
    ("function", "argument"),
    [(function, name) for function in CALLS for name in inspect.signature(function).parameters],
    ids=lambda case: getattr(case, "__name__", case),
)
def test_a_strange_argument_is_answered_or_refused_in_one_sentence(function, argument):
    known = {"federation": SITES} if "federation" in inspect.signature(function).parameters else {}
    for value in STRANGE:
        complaint = complaint_about(function, known | CALLS[function] | {argument: value})
        if complaint is None:
            continue
        problem, is_own = complaint
        text = str(problem)
        assert is_own, f"{type(problem).__name__}: {text[:200]}"
        assert "\n" not in text
        assert "array(" not in text or isinstance(value, np.ndarray), text
        assert text.endswith((".", "?")), text


@pytest.mark.parametrize(
    ("function", "given", "says"),
    [
        (fs.table_one, {"p_values": "no"}, "p_values is 'no'; give True or False."),
        (fs.kaplan_meier, {"reverse": 1}, "reverse is 1; give True or False."),
        (fs.rmst, {"weights": "age", "robust": "no"}, "robust is 'no'; give True or False."),
        (fs.kaplan_meier, {"grid": b"ab"}, "grid is b'ab'; a grid is a cell width, or right edges"),
        (fs.balance, {"by": "age"}, "must hold 0 and 1 alone to be an event"),
        (fs.balance, {"variables": []}, "variables is empty; give a list of columns"),
        (fs.attrition, {"steps": {}}, "steps is {}; give the name and title of every step in their order"),
        (fs.attrition, {}, "Of nobody a site says at which of the steps old they left, in practice."),
        (
            fs.heterogeneity,
            {"strata": 5, "formula": "Surv(time, status) ~ age"},
            "strata is 5; give the name",
        ),
        (fs.max_combo, {"weights": [(0, 0, 0)]}, "give up to eight different pairs (rho, gamma)"),
        (fs.e_value, {"conf_low": True}, "An E-value is that of a ratio above zero"),
    ],
    ids=lambda case: getattr(case, "__name__", None),
)
def test_what_would_be_taken_for_something_else_is_refused(function, given, says):
    known = {"federation": SITES} if "federation" in inspect.signature(function).parameters else {}
    complaint = complaint_about(function, known | CALLS[function] | given)
    assert complaint is not None
    assert says in str(complaint[0])
