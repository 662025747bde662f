"""A log-rank test within strata that stay at a site: weights by time that would leave one patient's sum."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.variable import Variable
from fedstats.methods import local_log_rank
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.local_log_rank import LocalLogRank

N = 400
LATE = ((0.0, 300.0),)
STRICT = replace(fs.DisclosurePolicy(), beyond_study=True)


@pytest.fixture
def rows():
    random = np.random.default_rng(5)
    time = 1.0 + np.arange(N)
    arm = random.choice(["A", "B"], N)
    return pd.DataFrame({"time": time, "event": 1, "arm": arm, "practice": [f"p{i % 2}" for i in range(N)]})


def question(exponents, strata=("practice",)):
    levels = Design((Column("arm[B]", (Part("arm", "B"),)),))
    model = CoxModel(None, "time", "event", levels, strata, "breslow", None, None, 0.0, None)
    return LocalLogRank(model, exponents)


def asked(rows, exponents, policy):
    book = fs.Codebook(
        (
            Variable("time", "time"),
            Variable("event", "event"),
            Variable("arm", "factor", levels=("A", "B")),
            Variable("practice", "label"),
        )
    )
    return fs.InProcess({"here": rows}, book, policy=policy).sum(question(exponents))


def last_arms(rows):
    """Of the last patient of each practice, who weigh nearly all, the arms."""
    return rows.groupby("practice")["arm"].last().tolist()


def test_a_late_weight_tells_the_arm_of_the_last_patients(rows, monkeypatch):
    monkeypatch.setattr(local_log_rank, "EXPONENTS", (*local_log_rank.EXPONENTS, LATE[0][1]))
    told = asked(rows, LATE, fs.DisclosurePolicy.none())["observed"][0]
    arms = last_arms(rows)
    before = np.array([1 - 1 / (N / 2)] * 2) ** LATE[0][1]  # the weight of a practice's last event
    for k, arm in enumerate("AB"):
        assert told[k] >= before[0] * arms.count(arm)
    assert told.sum() == pytest.approx(
        sum(((j / (N / 2)) ** LATE[0][1]) * 2 for j in range(N // 2)), rel=1e-9
    )


def test_such_a_weight_is_not_answered(rows):
    with pytest.raises(fs.SiteRefused, match=r"0, 0\.5, 1"):
        asked(rows, LATE, fs.DisclosurePolicy.none())


def test_and_by_who_weighs_alone_neither(rows, monkeypatch):
    monkeypatch.setattr(local_log_rank, "GATED_EXPONENTS", (*local_log_rank.EXPONENTS, LATE[0][1]))
    with pytest.raises(fs.SiteRefused) as refusal:
        asked(rows, LATE, STRICT)
    assert refusal.value.rule == "effective sample size"


def test_ordinary_weights_are_let_out(rows):
    assert asked(rows, ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0)), STRICT)["observed"].shape == (3, 2)


def test_columns_that_are_no_levels_of_one_factor_are_not_answered(rows):
    asked_of = question(((0.0, 0.0),))
    strange = Design((Column("time", (Part("time"),)),))
    other = replace(asked_of, model=replace(asked_of.model, design=strange))
    with pytest.raises(fs.SiteRefused, match="levels of one factor"):
        fs.InProcess({"here": rows}, policy=fs.DisclosurePolicy.none()).sum(other)
