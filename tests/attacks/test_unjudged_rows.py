"""Rows that were prepared while every rule was off hold no counts for a gate: they must not pass one that is on."""

import pytest

from fedstats.contract.disclosure import DisclosureRefused
from fedstats.contract.site_data import SiteData
from fedstats.federations.site import Site
from tests.attacks.questions import QUESTIONS
from tests.attacks.targets import BOOK, NONE, STRICT, cohort, column, logistic

ONE = logistic(column("age", scale=8.0), column("a"))
OF_MODELS = [q for q in QUESTIONS.values() if hasattr(q, "model_rows")]


@pytest.mark.parametrize(
    "question", [ONE, *OF_MODELS], ids=["an ordinary one", *(type(q).__name__ for q in OF_MODELS)]
)
def test_an_answer_from_rows_that_nobody_judged_is_let_out_by_no_gate(question):
    data = SiteData(BOOK.harmonise(cohort(), "north"), BOOK, judged=False)
    data = data.with_columns(question.made).among(question.where)
    aggregate = question.aggregate(data)
    NONE.release(question, aggregate)
    with pytest.raises(DisclosureRefused):
        STRICT.release(question, aggregate)


def test_a_site_whose_policy_is_tightened_prepares_its_rows_anew():
    site = Site("north", cohort(), BOOK, NONE, reviewed=False)
    assert site.answer(ONE).released
    rare = logistic(column("age"), column("w"))
    frame = cohort()
    frame["w"] = 0
    frame.loc[3, "w"] = 1
    loose = Site("north", frame, BOOK, NONE, reviewed=False)
    assert loose.answer(rare).released
    loose.policy = STRICT
    assert loose.answer(rare).content.rule == "level"
    assert loose.answer(ONE).released
