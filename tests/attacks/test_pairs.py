"""Pairs of patients ordered by a score, as equations for which score each event in its order had.

Of patients who are all followed until a horizon a coordinator knows how many are at risk at each event.  Of a score of two values the
pairs are whole numbers that few arrangements of the events have: of eight events one alone, of 16 some twenty.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.refusal import Refusal
from fedstats.contract.variable import TimeGrid, Variable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.discrimination import CoxPairs, GlmPairs
from fedstats.numerics.concordance_index import PART
from tests.attacks.targets import NONE, ask, cohort, column, logistic

FACTORS = tuple(f"f{j}" for j in range(20))
BOOK = fs.Codebook(
    (
        Variable("time", "time"),
        Variable("died", "event"),
        *(Variable(name, "factor", levels=("no", "yes")) for name in FACTORS),
    ),
    TimeGrid("days", (50.0, 100.0), 400.0),
)
#: A gate that rounds, and has no rule: what the rounding alone does.
ROUNDS = replace(fs.DisclosurePolicy.none(), name="rounds", off=False)
STRICT = replace(fs.DisclosurePolicy(), beyond_study=True, min_joint_cell=0)
UNCOUNTED = replace(STRICT, max_numbers_per_patient=np.inf)


def patients(n, n_events, seed=0):
    """Everybody is followed until the end, in an order of events that has nothing to do with any factor."""
    random = np.random.default_rng(seed)
    order = random.permutation(n)
    return pd.DataFrame(
        {name: random.choice(["no", "yes"], n) for name in FACTORS}
        | {"time": np.where(order < n_events, order + 1.0, 390.0), "died": (order < n_events).astype(int)}
    )


def question(factor="f0", **how):
    levels = Design((Column(f"{factor}[yes]", (Part(factor, "yes"),)),))
    model = CoxModel(None, "time", "died", levels, (), "efron", None, None, 0.0, None)
    return CoxPairs(model, (0.5,), **how)


def told(frame, policy, asked):
    return fs.InProcess({"here": frame}, BOOK, policy=policy).sum(asked)


def scores_in_order(frame):
    dead = frame[frame["died"] == 1].sort_values("time")
    return (dead["f0"] == "yes").to_numpy(dtype=int)


def pairs_of(groups, n_low, n_high):
    """Of arrangements of scores, (k, m), with how many patients there are of each: beyond, tied; and each patient's u, (k, m)."""
    high = n_high - np.cumsum(groups, axis=1)
    low = n_low - np.cumsum(1 - groups, axis=1)
    as_event = np.where(groups == 1, low, -high)
    tied = np.where(groups == 1, high, low).sum(axis=1)
    earlier_high = np.cumsum(groups, axis=1) - groups
    earlier_low = np.cumsum(1 - groups, axis=1) - (1 - groups)
    u = as_event + np.where(groups == 1, -earlier_low, earlier_high)
    return as_event.sum(axis=1), tied, u


def arrangements(frame, found, slack, events):
    """Every order of the scores of the events with these sums, ``slack`` (pairs, products) off at most: (k, m).

    The last half is counted for each number of high scores that the first may have.
    """
    n_high = int((frame["f0"] == "yes").sum())
    n_low, half = len(frame) - n_high, events // 2
    halves = (np.arange(2**half)[:, None] >> np.arange(half)) & 1
    first = np.column_stack(pairs_of(halves, n_low, n_high)[:2])
    beyond, _, tied = found["pairs"]
    whole = []
    for ones in range(half + 1):
        starts = np.flatnonzero(halves.sum(axis=1) == ones)
        last = np.column_stack(pairs_of(halves, n_low - (half - ones), n_high - ones)[:2])
        order = np.argsort(last[:, 0])
        wanted = np.array([beyond, tied]) - first[starts]
        low = np.searchsorted(last[order, 0], wanted[:, 0] - slack[0])
        high = np.searchsorted(last[order, 0], wanted[:, 0] + slack[0], side="right")
        for i, a, b in zip(range(len(starts)), low, high, strict=True):
            near = order[a:b]
            near = near[np.abs(last[near, 1] - wanted[i, 1]) <= slack[0]]
            whole.append(np.column_stack([np.tile(halves[starts[i]], (len(near), 1)), halves[near]]))
    groups = np.concatenate(whole)
    ones = groups.sum(axis=1)
    _, _, u = pairs_of(groups, n_low, n_high)
    comparable = len(frame) - 1.0  # each event meets all others, and each survivor all events
    alive = (n_high - ones) * (events - ones) ** 2 + (n_low - events + ones) * ones**2
    met = (n_high - ones) * -(events - ones) + (n_low - events + ones) * ones
    products = np.column_stack([(u**2).sum(axis=1) + alive, comparable * u.sum(axis=1) + events * met])
    return groups[(np.abs(products - found["squares"][:2]) <= slack[1]).all(axis=1)]


def half_units(found):
    """As they stand in :func:`fedstats.numerics.concordance_index.rounded`."""
    d = found["pairs"][0] / found["pairs"][1]
    sd = np.sqrt(found["squares"] @ (1.0, -2 * d, d**2))
    return tuple(2 ** np.floor(np.log2(PART * most)) / 2 for most in (sd, sd**2))


def left_open(n_events, seed):
    """How many arrangements the exact sums leave, and those that the rounded ones do."""
    frame = patients(300, n_events, seed)
    exact, found = (told(frame, policy, question()) for policy in (fs.DisclosurePolicy.none(), ROUNDS))
    few = arrangements(frame, exact, (0.0, 0.0), n_events)
    many = arrangements(frame, found, half_units(exact), n_events)
    truth = scores_in_order(frame).tolist()
    assert truth in few.tolist()
    assert truth in many.tolist()
    return few, many


def test_sums_with_all_their_digits_tell_the_score_of_each_of_eight_events():
    few, _ = left_open(8, 0)
    assert len(few) == 1


@pytest.mark.parametrize("seed", range(2))
def test_rounded_sums_of_more_events_leave_it_open(seed):
    few, many = left_open(16, seed)
    assert len(few) <= 24
    assert len(many) >= 10 * len(few)
    assert many.mean(axis=0).min() > 0.05  # and nobody's score is certain
    assert many.mean(axis=0).max() < 0.95


def test_a_score_takes_fifty_events():
    with pytest.raises(fs.SiteRefused) as refused:
        told(patients(300, 49), STRICT, question())
    assert refused.value.rule == "parameters per event"
    assert told(patients(300, 50), STRICT, question())["rounded"][0] == 300


def test_events_until_a_time_count_alone():
    """The cells end at 50 and 100 days: of 70 events 50 are before the first."""
    assert told(patients(300, 70), STRICT, question(ymax=50.0))["rounded"][0] == 300
    with pytest.raises(fs.SiteRefused) as refused:
        told(patients(300, 55), STRICT, question(ymax=50.0))  # five events are after it: those alone
    assert refused.value.rule == "leavers of a time cell"


def test_two_times_would_tell_where_one_event_lies():
    frame = patients(300, 70)
    one, two = (told(frame, NONE, question(ymax=day))["pairs"] for day in (44.0, 45.0))
    dead = frame[frame["time"] == 45]["f0"].iloc[0]
    later = frame[frame["time"] > 45]["f0"]
    assert (two - one)[1] == 255
    assert (two - one)[2] == (later == dead).sum()
    with pytest.raises(fs.SiteRefused) as refused:
        told(frame, replace(STRICT, max_parameters_per_event=1.0, min_leavers=0), question(ymax=45.0))
    assert refused.value.rule == "agreed grid"


def answered(policy, folder, frame):
    """How many scores of one factor each are answered, and the rule that ends it."""
    site = Site("here", frame, BOOK, policy, Memory(folder))
    for n, factor in enumerate(FACTORS):
        content = site.remembered(site.answer(question(factor))).content
        if isinstance(content, Refusal):
            return n, content.rule
    return len(FACTORS), ""


def test_scores_of_the_same_patients_are_counted_together(tmp_path):
    frame = patients(400, 180)
    assert answered(UNCOUNTED, tmp_path / "uncounted", frame) == (20, "")
    sums = 4 * 9  # each counts four times
    assert answered(STRICT, tmp_path / "counted", frame) == (400 // sums, "numbers of a model")


def test_weights_by_censoring_do_not_single_out_the_last_event():
    """Who is left when nearly all are censored has a weight as large as his chance was small."""
    frame = patients(300, 0).assign(time=1.0 + np.arange(300), died=[1] * 60 + [0] * 237 + [1, 0, 0])
    uncensored, policy = (
        frame.assign(died=[1] * 60 + [0] * 240),
        replace(STRICT, max_parameters_per_event=1.0),
    )
    one, other = (told(f, NONE, question(timewt="n/G2"))["pairs"] for f in (frame, uncensored))
    assert (one - other)[1] > 0.4 * one[1]
    with pytest.raises(fs.SiteRefused) as refused:
        told(frame, policy, question(timewt="n/G2"))
    assert refused.value.rule in ("effective sample size", "effective size of a level", "dominance")
    assert told(uncensored, policy, question(timewt="n/G2"))["n"][0] == 300


def test_events_of_a_0_1_outcome_are_judged_by_the_rarer_one():
    frame = cohort(y=lambda rows: (np.arange(len(rows)) % 9 == 0).astype(int))
    pairs = GlmPairs(logistic(column("age")).model, (0.0, 0.1))
    assert ask(frame, pairs, STRICT) == "parameters per event"
    assert ask(frame, pairs, NONE)["pairs"][1] == 40 * 320
    assert ask(cohort(), pairs, STRICT)["rounded"][0] == 360


def two_of_a_kind():
    """Two patients with the event have both a and b."""
    i = np.arange(360)
    both, kind = i < 48, (i // 2) % 3
    a, b = (np.where(both, 1.0, kind == k) for k in (1, 2))
    return cohort(a=a, b=b, y=np.where(both, i < 2, i % 2))


def test_scores_of_levels_do_not_count_a_few_with_the_event():
    """The pairs of a score that has one value for those with both tell how many of them have the event."""
    frame = two_of_a_kind()
    of_levels = logistic(column("a"), column("b"), column("ab", "a", "b")).model
    pairs = GlmPairs(of_levels, (0.0, 0.0, 0.0, 3.0))
    found = ask(frame, pairs, NONE)["pairs"]
    events, others = frame["y"].sum(), 360 - frame["y"].sum()
    told = next(k for k in range(49) if found[2] == k * (48 - k) + (events - k) * (others - (48 - k)))
    assert told == 2
    assert ask(frame, pairs, STRICT) in (
        "level by outcome",
        "joint cell of levels",
        "patients of one predictor",
    )
    off = replace(STRICT, min_joint_cell=0, min_patients=0)
    assert ask(frame, pairs, off) in ("pair of levels", "patients of one predictor")
