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


@pytest.mark.parametrize(
    "policy", [fs.DisclosurePolicy.none(), fs.DisclosurePolicy()], ids=["none", "strict"]
)
def test_a_category_that_nobody_has_is_a_row_of_zeros_and_no_term(policy):
    """R: table(stage, arm) and tableone list it with 0, and glm drops it."""
    stages = ["I", "II", "III", "IV"]
    values = pd.Series(["I", "II", "IV"] * 200)
    frame = pd.DataFrame(
        {
            "stage": pd.Categorical(values, stages),
            "arm": ["a", "a", "b", "b"] * 150,
            "y": [0, 1, 1, 0, 1] * 120,
        }
    )
    sites = fs.InProcess({"north": frame[:300], "south": frame[300:]}, policy=policy)
    found = fs.table_one(sites, by="arm", variables=["stage"])
    of_each = found.tidy().pivot_table(index="level", columns="group", values="n", sort=False)
    of_each = of_each.astype(int).drop(columns="Overall")
    assert of_each.index.tolist() == stages
    expected = pd.crosstab(frame["stage"], frame["arm"], dropna=False)
    assert of_each.to_numpy().tolist() == expected.to_numpy().tolist()
    assert "III" in str(found)
    without = sites.where("arm == 'a'")
    assert fs.table_one(without, variables=["stage"]).tidy()["n"].tolist() == expected["a"].tolist()
    occurring = frame.assign(stage=frame["stage"].cat.remove_unused_categories())
    other = fs.InProcess({"north": occurring[:300], "south": occurring[300:]}, policy=policy)
    same = fs.table_one(other, by="arm", variables=["stage"])
    assert found.differences().equals(same.differences())
    assert fs.logistic(sites, "y ~ stage").names == ("Intercept", "stage[II]", "stage[IV]")


def test_categories_that_nobody_has_are_listed_where_orders_contradict():
    sites = fs.InProcess(
        {"a": table("x", "z", "empty"), "b": table("z", "x", values=["x", "z"])},
        policy=fs.DisclosurePolicy.none(),
    )
    assert sites.codebook["x"].levels == ("empty", "x", "z")
    frames = {"a": table("x", "z", "empty", values=["x", "z"]), "b": table("z", "x", values=["x", "z"])}
    found = fs.table_one(fs.InProcess(frames, policy=fs.DisclosurePolicy.none()), variables=["x"]).tidy()
    assert dict(zip(found["level"], found["n"], strict=True)) == {"empty": 0, "x": 2, "z": 2}


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
