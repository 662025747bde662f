"""What a question says of itself: one sentence, and a name for every number of its answer."""

import re
from dataclasses import replace

import pytest

from fedstats.contract.condition import conditions
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.entries import Entries, between, ordinal
from fedstats.contract.query import Query, point_fields
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.descriptives import Moments
from tests.docs.disclosure_page import EXAMPLE_IDS, EXAMPLES, PAGE

KINDS = PAGE.kinds()


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_every_kind_of_question_says_in_words_what_it_asks(kind):
    assert kind.asks
    assert kind.subject is not Query.subject
    assert kind.entries is not Query.entries


def test_there_is_an_example_of_every_kind():
    assert set(PAGE.EXAMPLES) == {kind.__name__ for kind in KINDS}
    assert all(type(query).__name__ == name for name, _, query in EXAMPLES)


@pytest.mark.parametrize(("kind", "i", "query"), EXAMPLES, ids=EXAMPLE_IDS)
def test_every_number_of_an_answer_has_a_name_of_its_own(kind, i, query):
    sums, entries = PAGE.answered(query).sums, query.entries()
    assert set(entries) == set(sums)
    names = [n for k, s in sums.items() for n in entries[k].names(k, s.values.shape)]
    assert len(names) == len(set(names)) == sum(s.values.size for s in sums.values())
    assert all(entry.means for entry in entries.values())


@pytest.mark.parametrize(("kind", "i", "query"), EXAMPLES, ids=EXAMPLE_IDS)
def test_names_are_made_of_columns_and_not_numbered(kind, i, query):
    if query.summable:  # of the others the rows decide how many numbers there are
        for name, entries in PAGE.answered(query).sums.items():
            said = query.entries()[name].names(name, entries.values.shape)
            assert not any(re.search(r"(\[|, )\d+[\],]", one) for one in said), said


def test_a_question_reads_as_a_sentence():
    query = PAGE.EXAMPLES["CoxDerivatives"][0].among(*conditions("age >= 50 and arm in ('A', 'B')"))
    assert query.in_words(3) == (
        "Cox regression of entry to time/event on age, sex, strata practice, Efron ties "
        "(patients with age >= 50 and arm in A, B): log-likelihood, score and information at the 3rd point"
    )


def test_only_a_question_at_a_point_counts_its_points():
    moments = PAGE.EXAMPLES["Moments"][0]
    assert not point_fields(Moments)
    assert moments.in_words(2) == "age by arm: number of patients, sum and sum of squares"


def test_names_are_as_a_checker_would_say_them():
    cox, table = PAGE.EXAMPLES["CoxDerivatives"][0].entries(), PAGE.EXAMPLES["RiskTable"][0].entries()
    assert cox["score"].names("score", (2,)) == ["score[age]", "score[sex[M]]"]
    assert cox["information"].names("information", (3,))[1] == "information[sex[M], age]"
    assert cox["n"].names("n", (1,)) == ["n"]
    assert table["n_risk"].names("n_risk", (3, 4))[5] == "n_risk[arm=B, up to 12]"


def test_the_free_text_of_a_question_is_not_believed():
    # whoever asks writes the name of a column as he likes; a sheet names what the column is made of
    design = Design((Column("age", (Part("income"), Part("ecog", "2"))),))
    cox = PAGE.EXAMPLES["CoxDerivatives"][0]
    query = CoxDerivatives(replace(cox.model, design=design), (0.0,))
    assert query.entries()["score"].names("score", (1,)) == ["score[income:ecog[2]]"]
    assert "on income:ecog," in query.in_words()


def test_an_answer_of_another_shape_than_agreed_is_numbered():
    entries = Entries("something", (("a", "b"),))
    assert entries.names("s", (3,)) == ["s[1]", "s[2]", "s[3]"]
    assert entries.names("s", (1, 2)) == ["s[1, 1]", "s[1, 2]"]
    assert replace(entries, triangle=True).names("s", (2,)) == ["s[a]", "s[b]"]
    assert Query().entries() == {}


def test_ordinals_and_cells():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th")
    ]
    assert between((1.0, 2.5), beyond=True) == ("up to 1", "up to 2.5", "above 2.5")
