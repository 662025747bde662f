"""The same patients under another name: another unique column, another site; the memory must know them."""

from dataclasses import replace

import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.contract.refusal import Refusal
from fedstats.contract.table_checks import DataError
from fedstats.contract.variable import Variable
from fedstats.federations.memory import Memory
from fedstats.federations.memory_folder import MemoryFolder
from fedstats.federations.site import Site
from fedstats.methods.descriptives import LevelCounts
from fedstats.study.toml_file import StudyError
from tests.attacks.targets import BOOK, STRICT, CrossTable, N, cohort, column, logistic
from tests.federations.small_study import TWO_MODELS, tables, write_study


def book(unique: str | None) -> Codebook:
    """The codebook with two columns that name patients, of which one is unique, or none."""
    names = tuple(Variable(name, "label", unique=name == unique) for name in ("id", "number"))
    return Codebook((*BOOK.variables, *names))


def patients(n: int) -> pd.DataFrame:
    """So many of the same patients."""
    frame = pd.concat([cohort(), cohort().iloc[:1].assign(age=71.3, y=1)], ignore_index=True)
    return frame.assign(id=[f"p{i}" for i in range(N + 1)], number=[f"r{i}" for i in range(N + 1)]).iloc[:n]


def difference(folder, before, after):
    """The new patient's outcome and age: all patients of a later cut less those of an earlier one."""
    question = logistic(column("age"))
    found = []
    for n, codebook in ((N, before), (N + 1, after)):
        place = Site("north", patients(n), codebook, STRICT, Memory(folder))
        content = place.remembered(place.answer(question)).content
        if isinstance(content, Refusal):
            return content.rule
        found.append(CrossTable(("one", "age"), content.values()))
    return found[1].events("one") - found[0].events("one"), found[1].of("one", "age") - found[0].of(
        "one", "age"
    )


@pytest.mark.parametrize("before", ["id", None], ids=["a unique column", "whole rows"])
@pytest.mark.parametrize("after", ["number", None, "id"], ids=["another column", "whole rows", "the column"])
def test_a_memory_does_not_take_known_patients_for_new_ones(tmp_path, monkeypatch, before, after):
    told = pytest.approx((1.0, 71.3), abs=1e-8)
    if before == after:
        assert difference(tmp_path, book(before), book(after)) == "difference between cohorts"
        return
    with pytest.raises(DataError, match="knows patients by"):
        difference(tmp_path / "stopped", book(before), book(after))
    monkeypatch.setattr(MemoryFolder, "require_known_by", lambda *_: None)
    assert difference(tmp_path / "open", book(before), book(after)) == told


def test_without_a_unique_column_a_column_more_makes_other_rows(tmp_path):
    less = Codebook(tuple(v for v in BOOK.variables if v.name != "w"))
    with pytest.raises(DataError, match="knows patients by their whole rows of a, age, b"):
        difference(tmp_path, less, BOOK)


def test_before_anything_has_left_the_codebook_may_name_another_column(tmp_path):
    Site("north", patients(N), book("id"), STRICT, Memory(tmp_path))
    assert Site("north", patients(N), book("number"), STRICT, Memory(tmp_path)).memory is not None


@pytest.fixture
def renamed(tmp_path, monkeypatch):
    """A study, and the same study with a site of it under another name; private folders where they lie unless named."""
    monkeypatch.setenv("FEDSTATS_HOME", str(tmp_path / "home"))
    studies = []
    for name in ("north", "hospital-a"):
        text = TWO_MODELS.replace('"north"', f'"{name}"')
        studies.append(fs.Study.load(write_study(tmp_path / name, text)))
    data = tmp_path / "north.csv"
    tables()["north"].to_csv(data, index=False)
    return *studies, data, tmp_path / "home" / "small"


def answer_once(study, name, data):
    """One answer in the memory of a site that has agreed to answer beyond its study."""
    place = study.site(name, data)
    place.policy = replace(place.policy, beyond_study=True)
    return place.remembered(place.answer(LevelCounts("sex", None, (), ("F", "M"))))


def test_a_site_under_a_new_name_does_not_begin_a_new_memory_unseen(renamed):
    first, second, data, homes = renamed
    assert answer_once(first, "north", data).released
    with pytest.raises(StudyError, match="keeps a memory of what has left"):
        second.site("hospital-a", data)
    assert not (homes / "hospital-a").exists()
    assert second.site("hospital-a", data, remember=False).memory is None  # a look, of which nothing leaves
    kept = second.site("hospital-a", data, home=homes / "north")
    assert kept.memory.state[1] == 1
    assert first.site("north", data).memory.state[1] == 1


def test_another_holder_of_data_on_the_same_machine_says_so(renamed):
    first, second, data, homes = renamed
    answer_once(first, "north", data)
    other = second.site("hospital-a", data, home=homes / "hospital-a")
    assert other.memory.state[1] == 0
    assert second.site("hospital-a", data).memory is not None  # from then on it is known
