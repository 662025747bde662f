"""A small cell of Table 1 by subtraction: from the total of its group, from its partner's count, from levels of one's own."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.condition import Condition
from fedstats.contract.variable import Variable
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


# Another column of the same information -------------------------------------------------------

SEXES = {"F": [150, 90, 40, FEW, 13], "M": [170, 100, 50, 14, 12]}
BY_SEX = LevelCounts("ecog", "sex", ("F", "M"), tuple("01234"))
#: Other columns of the ECOG status: its rarest level alone, that with a level that is shown, and an honest one.
ALIASES = {"the partner": "4", "the partner with a level that is shown": "24", "all that is hidden": "34"}


def of_two_sexes(levels):
    rows = [
        (s, e) for s, counts in SEXES.items() for e, n in zip("01234", counts, strict=True) for _ in range(n)
    ]
    frame = pd.DataFrame(rows, columns=["sex", "ecog"])
    return frame.assign(other=np.where(frame["ecog"].isin(list(levels)), "yes", "no"), id=range(len(frame)))


def of_both(folder, levels, *, alias_first=False):
    book = fs.Codebook(
        (
            Variable("id", "label", unique=True),
            Variable("sex", "factor", levels=("F", "M")),
            Variable("ecog", "factor", levels=tuple("01234")),
            Variable("other", "factor", levels=("no", "yes")),
        )
    )
    site = Site("north", of_two_sexes(levels), book, STRICT, Memory(folder))
    asked = [BY_SEX, LevelCounts("other", "sex", ("F", "M"), ("no", "yes"))]
    order = asked[::-1] if alias_first else asked
    contents = {q.variable: site.remembered(site.answer(q)).content for q in order}
    return [getattr(contents[q.variable], "rule", contents[q.variable]) for q in asked]


@pytest.mark.parametrize("how", ["the partner", "the partner with a level that is shown"])
def test_a_column_of_the_same_information_gives_the_small_cell_away(tmp_path, monkeypatch, how):
    monkeypatch.setattr(descriptives, "_hidden_levels", lambda *_: ())
    table, alias = (content.values() for content in of_both(tmp_path, ALIASES[how]))
    shown = sum(table["counts"][0, int(level)] for level in ALIASES[how])
    assert table["together"][0] + shown - alias["counts"][0, 1] == FEW


@pytest.mark.parametrize("how", ["the partner", "the partner with a level that is shown"])
@pytest.mark.parametrize("alias_first", [False, True])
def test_a_site_with_a_memory_does_not_answer_both(tmp_path, how, alias_first):
    found = of_both(tmp_path, ALIASES[how], alias_first=alias_first)
    assert [content for content in found if isinstance(content, str)] == ["entry"]
    assert isinstance(found[0], str) == alias_first


def test_a_column_that_merges_what_is_hidden_is_answered(tmp_path):
    assert not any(isinstance(content, str) for content in of_both(tmp_path, ALIASES["all that is hidden"]))
