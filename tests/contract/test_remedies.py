"""Every rule says what would make it pass, and no number."""

import re
from dataclasses import replace
from typing import get_args

import pytest

from fedstats.contract.aggregate import Rule
from fedstats.contract.remedies import REMEDIES, remedy
from tests.attacks.questions import QUESTIONS


def test_every_rule_has_a_remedy_and_no_other_word_has_one():
    assert set(REMEDIES) == set(get_args(Rule))


@pytest.mark.parametrize("rule", get_args(Rule))
def test_a_remedy_is_one_sentence_without_a_number(rule):
    words = remedy(rule)
    assert not re.search(r"\d", words)
    assert words.endswith(".")
    assert words.count(". ") == 0
    assert len({remedy(r) for r in get_args(Rule)}) == len(get_args(Rule))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_words_of_its_own_for_rules_that_there_are(name):
    question = QUESTIONS[name]
    for one in (question, replace(question, weights="ipw")) if name == "RiskTable" else (question,):
        for rule, words in one.remedies().items():
            assert rule in REMEDIES
            assert remedy(rule, one) == words
            assert words != REMEDIES[rule]
            assert not re.search(r"\d", words)
            assert words.endswith(".")
            assert words.count(". ") == 0
    assert remedy("kind of question", question) == REMEDIES["kind of question"]


def test_what_is_no_rule_has_no_remedy():
    assert remedy("the sums are finite at these coefficients") == ""
