"""A small practice behind estimates by practice: shown alone, left over, by two models, by chosen coefficients."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract import margins
from fedstats.contract.design import Design
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.practice_estimates import PracticeEstimates
from tests.attacks.targets import BOOK, NONE, STRICT, ask, cohort, column

FEW, SEED = 7, 4
#: One practice of seven patients among three that hold enough.
PRACTICE = np.repeat(["small", "one", "two", "three"], [FEW, 103, 110, 140])
DESIGN = Design((column("lab", scale=16.0), column("e", ("ecog", "1"))))
MODEL = CoxModel("entry", "time", "y", DESIGN, ("practice",), "efron", None, None, 0.0, None)


def patients(**columns):
    frame = cohort(**columns).sample(frac=1.0, random_state=SEED, ignore_index=True)
    return frame.assign(practice=PRACTICE, time=10.0 + np.random.default_rng(1).permutation(360))


def by_practice(model=MODEL, beta=(0.0, 0.0)):
    return PracticeEstimates(CoxDerivatives(model, beta), "practice", (), (0,))


def test_a_practice_of_few_is_shown_without_a_gate_and_merged_with_one():
    frame = patients()
    events = frame.loc[frame["practice"] == "small", "y"].sum()
    shown = ask(frame, by_practice(), NONE)
    assert shown["n"].tolist() == [140, 110, 103, FEW]
    assert shown["n_event"][-1] == events
    merged = ask(frame, by_practice(), STRICT)
    assert sorted(merged["n"]) == [103 + FEW, 110, 140]
    assert sorted(merged["practices"]) == [1, 1, 2]
    assert merged["estimated"].all()


def leaves_out(self, data):
    """Groups that pass, and nobody else: what a rule that only thinks of what is shown would do."""
    names = sorted(data.frame[self.by].unique())
    groups = [self._group(data, (name,), (data.frame[self.by] == name).to_numpy()) for name in names]
    return [group for group in groups if self._passes(group)]


def test_a_practice_that_is_left_out_is_what_is_left_of_the_total(monkeypatch):
    frame, total = patients(), ask(patients(), CoxDerivatives(MODEL, (0.0, 0.0)), STRICT)
    small = frame[frame["practice"] == "small"]

    def left():
        groups = ask(frame, by_practice(), STRICT)
        return {name: float(total[name][0] - groups[name].sum()) for name in ("n", "n_event")}

    assert left() == {"n": 0, "n_event": 0}  # everybody is in a group
    monkeypatch.setattr(PracticeEstimates, "_groups", leaves_out)
    assert left() == {"n": FEW, "n_event": small["y"].sum()}


@pytest.mark.parametrize("remembers", [False, True])
def test_two_models_that_merge_otherwise_leave_a_few(tmp_path, monkeypatch, remembers):
    """The small practice is merged with the first in one model, and with the second, of few known ages, in the other."""
    monkeypatch.setattr(margins, "WIDEST", 0.0)  # drawn margins may merge more, and then nothing is left
    frame = patients(age=np.random.default_rng(8).normal(60, 8, 360))
    frame.loc[frame.index[frame["practice"] == "two"][:45], "age"] = np.nan
    small = frame[frame["practice"] == "small"]
    other = replace(MODEL, design=Design((column("age", scale=8.0), DESIGN.columns[0])))
    site = Site("north", frame, BOOK, STRICT, Memory(tmp_path / "m") if remembers else None)
    contents = [site.remembered(site.answer(q)).content for q in (by_practice(), by_practice(other))]
    first = contents[0].values()
    assert first["n"].tolist() == [140, 110, 103 + FEW]
    if remembers:
        assert contents[1].rule == "difference between cohorts"
        return
    second = contents[1].values()
    assert second["n"].tolist() == [140, 103, 65 + FEW]
    assert first["n_event"][2] - second["n_event"][1] == small["y"].sum()


def test_chosen_coefficients_do_not_choose_who_is_merged():
    """At any that are answered the groups are the same; a group that does not pass there refuses the answer."""
    frame = patients()
    sizes = {tuple(ask(frame, by_practice(beta=(b, 0.0)), STRICT)["n"]) for b in (0.0, 0.2, -0.2, 0.5)}
    assert len(sizes) == 1
    assert ask(frame, by_practice(beta=(40.0, 0.0)), STRICT) in (
        "effective sample size",
        "size of coefficients",
    )


@pytest.mark.parametrize("permitted", [True, False])
def test_estimates_of_a_sites_own_are_a_permission_of_their_own(permitted):
    policy = replace(STRICT, per_site_estimates=permitted)
    assert (ask(patients(), by_practice(), policy) == "per-site estimate") is not permitted


#: The practice of 110 patients has this many with ecog 1; the others are as they were.
HELD = (0, 1, 5, 40)


def with_level(held):
    """The second practice has so many patients with ecog 1."""
    frame = patients()
    two = frame.index[frame["practice"] == "two"]
    frame.loc[two, "ecog"] = (np.arange(len(two)) < held).astype(int)
    return frame


def alone(frame, policy):
    """Whether the practice of 110 is fitted without ecog 1; None: it is no group by itself, or the question is refused."""
    found = ask(frame, by_practice(), policy)
    if isinstance(found, str):
        return None
    rows = np.flatnonzero((found["n"] == 110) & (found["practices"] == 1))
    return bool(found["aliased"][rows[0], 1]) if len(rows) else None


def test_whether_one_patient_has_a_level_is_told_without_a_gate_and_not_with_one():
    """A fit that leaves out a level tells that nobody has it: past a gate nobody or enough do, else the practice is merged or all is refused."""
    assert [alone(with_level(held), NONE) for held in HELD] == [True, False, False, False]
    assert [alone(with_level(held), STRICT) for held in HELD] == [True, None, None, False]


def test_a_practice_without_a_level_is_a_group_of_its_own():
    """Nobody is in the cell, so the rules let it pass, as they do in a table by practice."""
    found = ask(with_level(0), by_practice(), STRICT)
    assert sorted(found["n"]) == [103 + FEW, 110, 140]
    assert found["estimated"].all()
    assert sorted(found["aliased"].tolist()) == [[0, 0], [0, 0], [0, 1]]
