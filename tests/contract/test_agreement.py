"""A codebook for frames that one person holds: pandas' categories are factors in their order, over all frames."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.agreement import codebook_of
from tests.datasets import lung, split

NONE = fs.DisclosurePolicy.none()


def table(*categories, ordered=False, values=None):
    values = list(categories) * 2 if values is None else values
    return pd.DataFrame({"x": pd.Categorical(values, categories=categories, ordered=ordered)})


def levels(*tables):
    return codebook_of(tables)["x"].levels


def test_the_first_category_is_the_reference():
    assert levels(table("never", "former", "current")) == ("never", "former", "current")
    assert levels(table("never", "former", "current", values=["current", "never"])) == ("never", "current")
    assert levels(table(2, 1, 0)) == ("2", "1", "0")
    assert codebook_of([table(2, 1, 0)])["x"].kind == "factor"
    assert levels(pd.DataFrame({"x": pd.cut([3.0, 7.0, 12.0], [0, 5, 10, 20])})) == (
        "(0, 5]",
        "(5, 10]",
        "(10, 20]",
    )


def test_orders_of_several_tables_are_put_together():
    assert levels(table("low", "mid"), table("mid", "high")) == ("low", "mid", "high")
    assert levels(table("low", "high"), table("low", "mid", "high")) == ("low", "mid", "high")
    assert levels(table("b", "z"), table("a", "z")) == ("a", "b", "z")  # nobody compares a and b
    texts = pd.DataFrame({"x": ["a", "low", None]})
    assert levels(table("low", "high"), texts) == ("low", "high", "a")


def test_orders_that_contradict_are_sorted_or_refused_where_they_say_that_they_are_orders():
    assert levels(table("low", "high"), table("high", "low")) == ("high", "low")
    assert levels(table("b", "a", "c"), table("c", "a", "b")) == ("a", "b", "c")
    with pytest.raises(
        ValueError, match=r"categories of x differently: low < high, and high < low\. .* codebook"
    ):
        fs.InProcess({"a": table("low", "high", ordered=True), "b": table("high", "low")}, policy=NONE)
    assert levels(table("low", "high", ordered=True), table("low", "high")) == ("low", "high")


def test_a_fit_takes_the_first_category_as_reference_whatever_is_at_which_site():
    frame = lung()
    order = ["2+", "0", "1"]
    frame = frame.assign(ecog3=pd.Categorical(frame["ecog3"], categories=order))
    for k in (1, 2, 5, 17):
        sites = fs.InProcess(split(frame, k, 1), policy=NONE)
        fit = fs.logistic(sites, "status ~ age + ecog3")
        assert fit.names == ("Intercept", "age", "ecog3[0]", "ecog3[1]")
        plain = fs.logistic(fs.InProcess(split(lung(), k, 1), policy=NONE), "status ~ age + ecog3")
        assert fit.coef["ecog3[0]"] == pytest.approx(-plain.coef["ecog3[2+]"], rel=1e-9)
        assert np.isclose(fit.loglik, plain.loglik, rtol=1e-13)
