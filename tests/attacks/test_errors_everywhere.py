"""An exception with a patient's value in its text, at every function that a question runs through (C3.27).

What leaves a site then names the question, and nothing else; or nothing leaves at all.
"""

import gc
import json
import logging
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import fedstats
from fedstats.contract.disclosure import Refusal
from fedstats.contract.site_data import SiteData
from fedstats.federations.site import Site
from tests.attacks.questions import QUESTIONS
from tests.attacks.targets import BOOK, NONE, cohort

pytestmark = pytest.mark.acceptance(27)

SECRET = "MRN-4711, born 1949-03-02"
HOME = str(Path(fedstats.__file__).parent)
ERRORS = (ValueError, KeyError, FloatingPointError, ZeroDivisionError, TypeError, MemoryError)


#: The gate judges and lets everything through: an answer goes the whole way.
OPEN = replace(NONE, off=False)
ROWS = BOOK.harmonise(cohort(), "the table")


@pytest.fixture(autouse=True)
def quiet():
    """The site's own log holds every traceback; hundreds of them are not printed here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@cache
def one_site():
    return Site("north", cohort(), BOOK, OPEN)


def fresh_site():
    """A site that has prepared no model yet; its table has been checked once."""
    site = one_site()
    site.data = SiteData(ROWS.copy(), BOOK)
    return site


def ours(frame):
    """A function of this package by file and name, None for others; module and class bodies are not run then."""
    code = frame.f_code
    return (code.co_filename, code.co_qualname) if code.co_filename.startswith(HOME) else None


def traced(hook, do):
    """Call it with a hook at the entry of every function."""

    def at_call(frame, event, _argument):
        if event == "call":
            hook(frame)

    before = sys.gettrace()
    gc.disable()  # to close a generator that an earlier error has left would enter it again
    sys.settrace(at_call)
    try:
        return do()
    finally:
        sys.settrace(before)
        gc.enable()


@cache
def places(kind):
    """Every function of ours that answering a question enters, in order of entry."""
    entered = {}
    site = fresh_site()
    traced(lambda frame: entered.setdefault(ours(frame)), lambda: site.answer(QUESTIONS[kind]))
    return [place for place in entered if place is not None]


def failing(place, error):
    """A hook that raises at the entry of one function."""

    def hook(frame):
        if ours(frame) == place:
            raise error(f"bad value of {SECRET}")

    return hook


def what_leaves(kind, place, error):
    """The text that goes out when a function fails; empty where the error ends the site's own notebook."""
    site = fresh_site()
    try:
        content = traced(failing(place, error), lambda: site.answer(QUESTIONS[kind])).content
    except ERRORS:
        return ""
    return json.dumps(content.to_dict())


def by_a_courier_that_forwards(question, place):
    """Stand-in: the error's text travels, as it does through engines that report a site's exception."""
    site = fresh_site()
    try:
        traced(failing(place, ValueError), lambda: question.aggregate(site.data.among(question.where)))
    except ValueError as problem:
        return json.dumps(Refusal(type(question).__name__, "question", str(problem)).to_dict())
    return ""


@cache
def all_that_leaves(kind):
    """By place, the text that goes out when that function fails; each kind of error in its turn."""
    return {
        place: what_leaves(kind, place, ERRORS[number % len(ERRORS)])
        for number, place in enumerate(places(kind))
    }


def test_a_courier_that_forwards_errors_carries_the_patient_out_from_more_than_twenty_places():
    leaking = {
        place
        for kind in ("Moments", "GlmDerivatives", "CoxDerivatives")
        for place in places(kind)
        if SECRET in by_a_courier_that_forwards(QUESTIONS[kind], place)
    }
    assert len(leaking) > 20


@pytest.mark.parametrize("kind", QUESTIONS)
def test_no_error_at_any_place_carries_a_patient_out(kind):
    assert len(all_that_leaves(kind)) >= 20
    for place, text in all_that_leaves(kind).items():
        assert "4711" not in text, place
        assert "1949" not in text, place


def test_no_overflow_of_the_fixed_point_sums_carries_a_patient_out():
    tried = [place for place in places("Moments") if place[0].endswith("exact_sum.py")]
    assert [place for place in tried if SECRET in what_leaves("Moments", place, OverflowError)] == []


@pytest.mark.parametrize("kind", QUESTIONS)
def test_an_error_in_the_sites_half_of_a_question_is_a_refusal_in_the_same_words_wherever_it_was(kind):
    refusals = {text for text in all_that_leaves(kind).values() if '"entry": "question"' in text}
    assert len(refusals) == 1
    assert "the site's own log says why" in refusals.pop()


# As it happens by itself: a value where a number should be -------------------------------------------------

COLUMNS = ("time", "entry", "y", "age", "lab", "a", "b", "w", "ecog", "sex", "practice")


def spoilt(column):
    """A site in whose table a column has come to hold texts, a patient's number among them."""
    site = fresh_site()
    texts = np.array(["1.0"] * len(site.data.frame), dtype=object)
    texts[5] = SECRET
    site.data.frame[column] = texts
    return site


def test_what_python_says_of_a_text_that_is_no_number_names_the_text():
    with pytest.raises(ValueError, match="MRN-4711"):
        spoilt("age").data.frame["age"].to_numpy(dtype=float)


@cache
def of_spoilt(kind, column):
    return spoilt(column).answer(QUESTIONS[kind]).content


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_value_that_breaks_a_calculation_does_not_leave_with_the_complaint(kind, column):
    text = json.dumps(of_spoilt(kind, column).to_dict())
    assert "4711" not in text
    assert "1949" not in text


def test_many_of_these_are_refusals_so_that_silence_means_something():
    refused = [
        (kind, column)
        for kind in ("Moments", "GlmDerivatives", "CoxDerivatives", "CoxMeat", "ArmSums", "RiskTable")
        for column in COLUMNS
        if isinstance(of_spoilt(kind, column), Refusal)
    ]
    assert len(refused) > 20


def test_the_words_that_a_site_files_when_its_notebook_fails_are_always_the_same():
    """The runner tells the other parties that a site is gone; the error itself stays in the site's notebook."""
    source = (Path(HOME) / "running" / "study_run.py").read_text(encoding="utf-8")
    assert '"reason": "notebook failed"' in source
    assert "outcome.message" not in source.partition("absent_file(step)")[2].partition(")\n")[0]
