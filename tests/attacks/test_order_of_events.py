"""Log-rank sums within a site's own strata, as equations for the group of each event in its order.

Of patients who are all followed until a horizon a coordinator knows how many are at risk at each event.  Events of a group and events beyond
expectation are then linear in 0s and 1s: with all their digits one arrangement alone has these sums, and it is found by
halves (here of 24 events), or by reducing a lattice (of some 130).
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.aggregate import full_matrix
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.refusal import Refusal
from fedstats.contract.variable import Variable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.local_log_rank import LocalLogRank

TESTS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
FACTORS = tuple(f"f{j}" for j in range(8))
HORIZONS = (6, 12)
BOOK = fs.Codebook(
    (
        Variable("practice", "label"),
        *(Variable(f"days{h}", "time") for h in HORIZONS),
        *(Variable(f"died{h}", "event") for h in HORIZONS),
        *(Variable(name, "factor", levels=("no", "yes")) for name in FACTORS),
    )
)
#: A gate that rounds, and has no rule: what the rounding alone does.
ROUNDS = replace(fs.DisclosurePolicy.none(), name="rounds", off=False)
STRICT = replace(fs.DisclosurePolicy(), beyond_study=True)
UNCOUNTED = replace(STRICT, max_numbers_per_patient=np.inf)


def patients(n, n_events, seed=0):
    """Everybody is followed until the second horizon; two thirds of the events are before the first."""
    random = np.random.default_rng(seed)
    order = random.permutation(n)
    time = np.where(order < n_events, order + 1.0, n_events + 1.0)
    first = 2 * n_events / 3
    return pd.DataFrame(
        {name: random.choice(["no", "yes"], n) for name in FACTORS}
        | {"practice": "the only one", "days12": time, "died12": (order < n_events).astype(int)}
        | {"days6": np.minimum(time, first + 0.5), "died6": (order < first).astype(int)}
    )


def question(factor="f0", horizon=12, tests=TESTS):
    levels = Design((Column(f"{factor}[yes]", (Part(factor, "yes"),)),))
    time, event = f"days{horizon}", f"died{horizon}"
    model = CoxModel(None, time, event, levels, ("practice",), "breslow", None, None, 0.0, None)
    return LocalLogRank(model, tests)


def told(frame, policy, asked):
    return fs.InProcess({"here": frame}, BOOK, policy=policy).sum(asked)


def arrangements(n, found, slack):
    """Every order of the groups of 24 events that has these sums, (k, 24).

    ``slack`` are half the units of events and of events beyond expectation, by test, and of their covariance.
    """
    n_events = round(found["observed"][0].sum())
    survival = (n - np.arange(n_events)) / n
    weight = np.array([survival**rho * (1 - survival) ** gamma for rho, gamma in TESTS])
    hazard = weight / (n - np.arange(n_events))
    still = (
        hazard[:, ::-1].cumsum(axis=1)[:, ::-1] - hazard
    )  # an event takes its patient off those at risk later
    beyond = (found["observed"] - found["expected"])[:, 1] + found["n"][1] * hazard.sum(axis=1)
    rows = np.vstack([weight, weight + still])
    sums, room = np.concatenate([found["observed"][:, 1], beyond]), np.concatenate(slack[:2])
    half = n_events // 2
    halves = (np.arange(2**half)[:, None] >> np.arange(half)) & 1
    first, last = halves @ rows[:, :half].T, halves @ rows[:, half:].T
    by = len(TESTS) + 1  # the order of the last half, by the events beyond expectation under the weight S
    order = np.argsort(last[:, by])
    wanted = sums - first
    low = np.searchsorted(last[order, by], wanted[:, by] - room[by])
    high = np.searchsorted(last[order, by], wanted[:, by] + room[by])
    whole = []
    for i in np.flatnonzero(high > low):
        near = order[low[i] : high[i]]
        fits = (np.abs(last[near] - wanted[i]) <= room).all(axis=1)
        whole += [np.concatenate([halves[i], halves[j]]) for j in near[fits]]
    groups = np.array(whole)
    share = (found["n"][1] - groups.cumsum(axis=1) + groups) / (n - np.arange(n_events))
    pairs = np.array([weight[k] * weight[l] for k, l in zip(*np.tril_indices(len(TESTS)), strict=True)])
    off = np.abs(share * (1 - share) @ pairs.T - found["covariance"])
    return groups[(off <= slack[2][np.tril_indices(len(TESTS))]).all(axis=1)]


def half_units(found):
    """Of the sums of two groups, as they stand in :func:`fedstats.numerics.weighted_log_rank.rounded`."""
    spread = np.sqrt(np.diag(full_matrix(found["covariance"])))
    most = np.minimum(spread, 1.0), spread / 1000, np.outer(spread, spread) / 256
    return [2 ** np.floor(np.log2(unit)) / 2 + 1e-12 for unit in most]


def groups_in_order(frame):
    dead = frame[frame["died12"] == 1].sort_values("days12")
    return (dead["f0"] == "yes").to_numpy(dtype=int)


@pytest.mark.parametrize("seed", range(2))
def test_sums_with_all_their_digits_tell_the_group_of_every_event(seed):
    frame = patients(300, 24, seed)
    found = told(frame, fs.DisclosurePolicy.none(), question())
    digits = np.full(4, 1e-10), np.full(4, 1e-10), np.full((4, 4), 1e-10)
    only = arrangements(300, found, digits)
    assert only.tolist() == [groups_in_order(frame).tolist()]


@pytest.mark.parametrize("seed", range(2))
def test_rounded_sums_leave_it_open(seed):
    frame = patients(300, 24, seed)
    exact, found = (told(frame, policy, question()) for policy in (fs.DisclosurePolicy.none(), ROUNDS))
    many = arrangements(300, found, half_units(exact))
    assert groups_in_order(frame).tolist() in many.tolist()
    assert len(many) >= 100
    assert many.mean(axis=0).min() > 0.05  # and nobody's group is certain
    assert many.mean(axis=0).max() < 0.95


def test_a_level_that_nobody_has_adds_no_digits():
    """Were a variance taken of a contrast that has none, sums of the others would leave 64 times as fine."""
    book = fs.Codebook(
        tuple(replace(v, levels=("absent", *v.levels)) if v.name == "f0" else v for v in BOOK.variables)
    )
    frame, columns = patients(300, 100), tuple(Column(f"f0[{v}]", (Part("f0", v),)) for v in ("no", "yes"))
    two = question()
    three = replace(two, model=replace(two.model, design=Design(columns)))
    for policy in (fs.DisclosurePolicy.none(), ROUNDS):
        of_two, of_three = (
            fs.InProcess({"here": frame}, held, policy=policy).sum(asked)
            for held, asked in ((BOOK, two), (book, three))
        )
        for name in ("observed", "expected"):
            np.testing.assert_allclose(of_three[name][:, 1:], of_two[name], rtol=1e-12)
            assert (of_three[name][:, 0] == 0).all()
        cells = full_matrix(of_three["covariance"]).reshape(4, 2, 4, 2)
        np.testing.assert_allclose(cells[:, 1, :, 1], full_matrix(of_two["covariance"]), atol=1e-12)


def test_four_tests_take_a_hundred_events():
    with pytest.raises(fs.SiteRefused) as refused:
        told(patients(300, 99), STRICT, question())
    assert refused.value.rule == "parameters per event"
    assert told(patients(300, 100), STRICT, question())["rounded"][0] == 300
    assert told(patients(300, 40), STRICT, question(tests=TESTS[:1]))["rounded"][0] == 300


def test_roots_of_weights_are_not_answered_past_a_gate():
    asked = question(tests=((0.5, 0.0),))
    assert told(patients(300, 100), fs.DisclosurePolicy.none(), asked)["rounded"][0] == 0
    with pytest.raises(fs.SiteRefused, match="among 0, 1"):
        told(patients(300, 100), STRICT, asked)
    sites = fs.InProcess({"here": patients(300, 100)}, BOOK, policy=STRICT)
    with pytest.raises(fs.SiteRefused, match="among 0, 1"):
        fs.logrank(sites, "Surv(days12, died12) ~ f0", strata="practice", rho=0.5)


def answered(policy, folder, frame):
    """How many of all tests of eight factors until two horizons are answered, and the rule that ends it."""
    site, n = Site("here", frame, BOOK, policy, Memory(folder)), 0
    for horizon in HORIZONS:
        for factor in FACTORS:
            content = site.remembered(site.answer(question(factor, horizon))).content
            if isinstance(content, Refusal):
                return n, content.rule
            n += 1
    return n, ""


def test_tests_of_the_same_patients_are_counted_together(tmp_path):
    frame = patients(400, 180)
    assert answered(UNCOUNTED, tmp_path / "uncounted", frame) == (16, "")
    sums = 2 * (2 + 2 + 2 * 4 * 2 + 10)  # each counts twice
    assert answered(STRICT, tmp_path / "counted", frame) == (400 // sums, "numbers of a model")


def test_the_count_is_kept_over_a_restart(tmp_path):
    frame = patients(400, 180)
    answered(STRICT, tmp_path, frame)
    again = Site("here", frame, BOOK, STRICT, Memory(tmp_path))
    assert again.answer(question("f7")).content.rule == "numbers of a model"
    assert again.answer(question("f0", 6)).released  # has left before
