"""Tables of which a gate shows little: what is not known is missing, and the rest is printed."""

import numpy as np
import pandas as pd

import fedstats as fs


def sites(frame):
    return fs.InProcess({"here": frame})


def test_groups_are_not_alike_because_nothing_of_them_is_shown():
    """97 and 3 beside 60 and 40: without a gate they differ by one standard deviation."""
    frame = pd.DataFrame(
        {"arm": ["a"] * 100 + ["b"] * 100, "kind": ["x"] * 97 + ["y"] * 3 + ["x"] * 60 + ["y"] * 40}
    )
    hidden = fs.table_one(sites(frame), by="arm", variables=["kind"])
    assert hidden.tidy()["smd"].isna().all()
    assert hidden.differences()["smd"].isna().all()
    open_ = fs.InProcess({"here": frame}, policy=fs.DisclosurePolicy.none())
    shown = fs.table_one(open_, by="arm", variables=["kind"]).tidy()
    np.testing.assert_allclose(shown["smd"], 1.009, atol=5e-4)


def test_a_table_of_which_nothing_is_released_is_printed():
    frame = pd.DataFrame({"arm": ["a", "b"] * 200, "age": np.linspace(40, 90, 400)})
    table = fs.table_one(sites(frame).where("age < 41"), by="arm", variables=["age"])
    assert table.refused
    assert "patients of the subset" in str(table)
