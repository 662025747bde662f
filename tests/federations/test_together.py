"""What ``together`` gives back."""

import copy
import pickle

import pytest

import fedstats as fs


@pytest.fixture(scope="module")
def results(small):
    return small.found


def test_results_are_attributes_and_items_in_the_order_asked(results, small):
    assert list(results) == list(small.study.analyses())
    assert results.response is results["response"]
    assert len(results) == 5
    assert dict(results)["response"] is results.response


def test_an_unknown_name_says_which_there_are(results):
    with pytest.raises(
        AttributeError, match=r"^There is no analysis 'respnse'; there are table_one, survival_by_sex"
    ):
        results.respnse  # noqa: B018
    with pytest.raises(KeyError):
        results["respnse"]
    assert not hasattr(results, "_ipython_display_")


def test_results_are_shown_by_name(results):
    assert "response: logistic(response ~ age + sex)" in repr(results)
    html = results._repr_html_()
    assert html.count("<h4>") == 5
    assert "<h4>response</h4>" in html


def test_results_can_be_copied_and_pickled(results):
    assert list(copy.copy(results)) == list(results)
    assert pickle.loads(pickle.dumps(results)).response.coef.equals(results.response.coef)


def test_results_that_are_plain_values_are_shown_too(small):
    found = fs.together(small.whole, size=lambda s: len(s.sites))
    assert found.size == 3
    assert "size" in repr(found)
    assert "3" in found._repr_html_()


def test_nothing_to_do_is_done(small):
    assert list(fs.together(small.whole)) == []


def test_an_analysis_may_bear_any_name(small):
    found = fs.together(small.whole, federation=lambda s: len(s.sites), items=lambda s: s.sites[0])
    assert dict(found) == {"federation": 3, "items": "north"}


def test_an_error_in_an_analysis_is_not_swallowed(small):
    with pytest.raises(fs.FormulaError, match="no column 'shoe'"):
        fs.together(small.whole, wrong=lambda s: fs.logistic(s, "response ~ shoe"))


def test_not_available_says_why_in_every_form(small):
    found = fs.together(
        fs.InProcess(small.frames, small.study.codebook).where("age > 88"),
        rare=lambda s: fs.logistic(s, "response ~ age"),
    ).rare
    assert found.status == "not released"
    assert str(found).startswith("not released: The site north refused")
    assert found.tidy()["status"].tolist() == ["not released"]
    assert "<strong>not released</strong>" in found._repr_html_()
