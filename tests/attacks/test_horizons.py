"""Scores of Cox models at coefficients of zero, as equations for the levels of those who die, in their order.

Of patients who are all followed until a horizon a coordinator knows how many are at risk at each death.  Then the score is linear in who of
the dead has a level, and two horizons a few deaths apart differ by these alone: here 24, found by halves.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.refusal import Refusal
from fedstats.contract.variable import Variable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.local_log_rank import LocalLogRank

RULE = "events in their order"
STRICT = replace(fs.DisclosurePolicy(), beyond_study=True)
UNJUDGED = replace(STRICT, min_in_order=0)
BOOK = fs.Codebook(
    (
        *(Variable(f"days{k}", "time") for k in "ab"),
        *(Variable(f"died{k}", "event") for k in "ab"),
        Variable("practice", "label"),
        Variable("age", "numeric", centre=60.0, scale=10.0),
        Variable("f", "factor", levels=("no", "yes")),
    )
)
N = 400


def patients(first=120, second=144, censored=()):
    """400 patients, of whom so many die until the one horizon and until the other; of the latter those of ranks ``censored`` are lost instead."""
    random = np.random.default_rng(5)
    order, frame = (
        random.permutation(N),
        {"practice": "the only one", "age": 40.0 + random.permutation(N) / 10},
    )
    for name, deaths in (("a", first), ("b", second)):
        frame |= {f"days{name}": np.minimum(order + 1.0, deaths + 0.5)}
        frame |= {f"died{name}": ((order < deaths) & ~np.isin(order, list(censored))).astype(int)}
    return pd.DataFrame(frame | {"f": random.choice(["no", "yes"], N)})


def model(outcome="a", *columns):
    found = Design(columns or (Column("f[yes]", (Part("f", "yes"),)),))
    return CoxModel(None, f"days{outcome}", f"died{outcome}", found, (), "breslow", None, None, 0.0, None)


def asked(outcome):
    return CoxDerivatives(model(outcome), (0.0,))


def scores(frame, policy, folder):
    """The score until each horizon, from a site that remembers; or the rule that refused one."""
    place, found = Site("here", frame, BOOK, policy, Memory(folder)), []
    for outcome in "ab":
        content = place.remembered(place.answer(asked(outcome))).content
        if isinstance(content, Refusal):
            return content.rule
        found.append(content.values()["score"][0])
    return found


def levels_in_order(scores, first, second, with_level):
    """Who of those who die between two horizons has the level: every 0s and 1s that have the difference of the scores."""
    at_risk = N - np.arange(first, second)
    still = np.cumsum(1 / at_risk[::-1])[
        ::-1
    ]  # how much less is expected later of a level that one of them takes along
    each = 1 + still - 1 / at_risk
    half = (second - first) // 2
    halves = (np.arange(2**half)[:, None] >> np.arange(half)) & 1
    one, other = halves @ each[:half], halves @ each[half:]
    order, found = np.argsort(other), []
    for left in range(with_level + 1):  # patients with the level who are at risk after the first horizon
        wanted = scores[1] - scores[0] + left * still[0] - one
        low, high = (np.searchsorted(other[order], wanted + by) for by in (-1e-11, 1e-11))
        for i in np.flatnonzero(high > low):
            found += [[*halves[i], *halves[order[j]]] for j in range(low[i], high[i])]
    return found


def truth(frame, first, second):
    between = frame[(frame["daysb"] > first) & (frame["daysb"] <= second)].sort_values("daysb")
    return (between["f"] == "yes").astype(int).tolist()


def test_two_horizons_tell_who_dies_between_them_in_order_and_are_refused(tmp_path):
    frame = patients()
    found = scores(frame, UNJUDGED, tmp_path / "off")
    assert levels_in_order(found, 120, 144, (frame["f"] == "yes").sum()) == [truth(frame, 120, 144)]
    assert scores(frame, STRICT, tmp_path / "on") == RULE


def test_one_model_of_few_deaths_tells_them_all_and_is_refused_without_a_memory():
    frame = patients(first=26).assign(f=np.random.default_rng(0).choice(["no", "yes"], N))
    content = Site("here", frame, BOOK, UNJUDGED).answer(asked("a")).content
    with_level = (frame["f"] == "yes").sum()
    found = levels_in_order([0.0, content.values()["score"][0]], 0, 26, with_level)
    assert found == [truth(frame, 0, 26)]
    assert Site("here", frame, BOOK, STRICT).answer(asked("a")).content.rule == RULE


@pytest.mark.parametrize(("deaths", "rule"), [(63, RULE), (64, None)])
def test_the_threshold_counts_all_who_leave_while_events_happen(deaths, rule):
    for censored in ((), range(1, 40, 2)):
        content = (
            Site("here", patients(first=deaths, censored=censored), BOOK, STRICT).answer(asked("a")).content
        )
        assert (content.rule if isinstance(content, Refusal) else None) == rule


@pytest.mark.parametrize(("second", "rule"), [(120, None), (131, RULE), (183, RULE), (184, None)])
def test_nobody_or_enough_leave_between_two_outcomes(tmp_path, second, rule):
    found = scores(patients(second=second), STRICT, tmp_path)
    assert (found if isinstance(found, str) else None) == rule


def test_the_rule_outlives_a_restart_and_holds_in_either_order(tmp_path):
    for name, (one, other) in {"first": "ab", "last": "ba"}.items():
        frame = patients()
        place = Site("here", frame, BOOK, STRICT, Memory(tmp_path / name))
        assert place.remembered(place.answer(asked(one))).released
        again = Site("here", frame, BOOK, STRICT, Memory(tmp_path / name))
        assert again.answer(asked(other)).content.rule == RULE
        assert again.answer(asked(one)).released


def test_survival_with_and_without_progression_is_answered(tmp_path):
    """Two outcomes of the same patients in whom most leave at another time."""
    frame, random = patients(first=400, second=400), np.random.default_rng(2)
    progressed = random.random(N) < 0.6
    frame["daysb"] = np.where(progressed, frame["daysa"] * random.random(N), frame["daysa"])
    assert not isinstance(scores(frame, STRICT, tmp_path), str)


def test_numbers_alone_and_tests_that_leave_rounded_are_not_held_to_it(tmp_path):
    place = Site("here", patients(first=40, second=50), BOOK, STRICT, Memory(tmp_path))
    age = CoxDerivatives(model("a", Column("age", (Part("age"),), 60.0, 10.0)), (0.0,))
    assert place.answer(age).released
    for outcome in "ab":
        asked_of = LocalLogRank(replace(model(outcome), strata=("practice",)), ((0.0, 0.0),))
        assert place.remembered(place.answer(asked_of)).released
