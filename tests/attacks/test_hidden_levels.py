"""A small cell of Table 1 by subtraction: from the total of its group, from its partner's count, from levels of one's own."""

from dataclasses import fields, replace

import numpy as np
import pytest

from fedstats.contract.condition import Condition
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods import descriptives
from fedstats.methods.descriptives import LevelCounts, Moments
from fedstats.methods.own_sums import OwnSums
from fedstats.numerics import cell_suppression
from tests.attacks.targets import BOOK, NONE, STRICT, ask, cohort

FEW = 5
#: Five patients of level 2, as many of level 1 as are needed, and the others.
ECOG = np.repeat(["2", "1", "0"], [FEW, 90, 265])
TABLE = LevelCounts("ecog", None, (), ("0", "1", "2"))
PARTNER = (Condition("ecog", "==", ("1",)),)


def patients():
    return cohort(ecog=np.random.default_rng(3).permutation(ECOG))


def primary_alone(counts, always, elsewhere, enough):
    return always | ~enough(counts.astype(float)).all(axis=0)


def from_the_total(answer):
    """Of levels that are not shown, what they would hold were each the only one."""
    hidden = answer["hidden"] > 0
    return float(answer["together"][0]) if hidden.sum() == 1 else None


def test_the_total_gives_a_cell_away_that_is_hidden_alone(monkeypatch):
    assert ask(patients(), TABLE, NONE)["counts"].tolist() == [[265, 90, FEW, 0]]
    answer = ask(patients(), TABLE, STRICT)
    assert answer["counts"].tolist() == [[265, 0, 0, 0]]
    assert (answer["together"].tolist(), answer["hidden"].tolist()) == ([95], [0, 1, 1, 0])
    assert from_the_total(answer) is None
    monkeypatch.setattr(cell_suppression, "_closed", primary_alone)
    loose = ask(patients(), TABLE, STRICT)
    assert loose == "entry"  # the sum of what is hidden is judged by itself, whatever has been hidden
    total = ask(patients(), Moments("age", None, (), 0.0, 1.0), STRICT)["n"]
    assert total[0] - 265 - 90 == FEW  # which a table without it would have said


@pytest.mark.parametrize("remembers", [False, True])
def test_the_partner_counted_in_a_subset_gives_the_small_level_away(tmp_path, monkeypatch, remembers):
    if not remembers:
        monkeypatch.setattr(descriptives, "_added_up", lambda *_: ())
    site = Site("north", patients(), BOOK, STRICT, Memory(tmp_path / "memory"))
    found = []
    for question in (TABLE, Moments("age", None, (), 0.0, 1.0, where=PARTNER)):
        content = site.remembered(site.answer(question)).content
        found.append(content.values() if hasattr(content, "values") else content.rule)
    if remembers:
        assert found[1] == "difference between cohorts"
    else:
        assert found[0]["together"][0] - found[1]["n"][0] == FEW


def test_levels_of_ones_own_would_show_the_partner_alone():
    own = LevelCounts("ecog", None, (), ("1",))
    answer = ask(patients(), own, NONE)
    assert answer["counts"].tolist() == [[90, 270]]
    assert 95 - answer["counts"][0, 0] == FEW
    assert ask(patients(), own, STRICT) == "agreed grid"


def test_thresholds_are_the_sites_own():
    """A site that lets smaller cells pass hides less, and no field of a question says how small."""
    assert ask(patients(), TABLE, NONE)["hidden"].tolist() == [0, 0, 0, 0]
    assert {f.name for f in fields(LevelCounts)} == {
        *("where", "course", "made", "variable", "by", "groups", "across", "levels")
    }


@pytest.mark.parametrize("permitted", [True, False])
def test_a_table_by_site_needs_the_sites_permission(permitted):
    policy = replace(STRICT, per_site_estimates=permitted)
    answer = ask(cohort(), OwnSums(LevelCounts("sex", None, (), ("F", "M"))), policy)
    assert (answer == "per-site estimate") is not permitted
