"""Table 1 is R's: counts and quantiles to the last digit, moments, differences and tests to 1e-9.

The statistics are sums of squares of what may cancel about the agreed centre: 1e-9 relative, beside one where small.
"""

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import layouts, numbers

TOLERANCE = 1e-9


@pytest.fixture(scope="module", params=layouts("table"))
def made(request):
    case = request.param.case
    variables, by = list(case["variables"]), case["by"]
    asked = by[0] if len(by) == 1 else by
    return fs.table_one(request.param.sites, by=asked, variables=variables, p_values=True), case


@pytest.mark.reference("counts and moments")
def test_counts_moments_and_quartiles_are_those_of_r(made):
    table, case = made
    for name, expected in case["variables"].items():
        rows = table.tidy()[lambda t, name=name: (t["variable"] == name) & (t["group"] != "Overall")]
        if name in case["factors"]:
            assert rows["n"].tolist() == np.array(expected["n"]).ravel().tolist()
            continue
        assert rows["n"].tolist() == expected["n"]
        np.testing.assert_allclose(
            rows[["mean", "sd"]], np.column_stack([expected["mean"], expected["sd"]]), rtol=TOLERANCE
        )
        for q in ("q1", "median", "q3"):
            np.testing.assert_allclose(rows[q], expected[q], rtol=1e-12)


@pytest.mark.reference("standardised differences")
def test_standardised_differences_are_those_of_r(made):
    table, case = made
    for name, expected in case["variables"].items():
        pairs = table.differences()[lambda t, name=name: t["variable"] == name]
        np.testing.assert_allclose(pairs["smd"], expected["smd"], rtol=TOLERANCE, atol=TOLERANCE)
        row = table.tidy().set_index("variable").loc[[name]].iloc[0]
        assert row["smd"] == pytest.approx(np.mean(expected["smd"]), rel=TOLERANCE, abs=TOLERANCE)
        assert row["smd_max"] == pytest.approx(max(expected["smd"]), rel=TOLERANCE, abs=TOLERANCE)


@pytest.mark.reference("tests of groups")
def test_p_values_are_those_of_r(made):
    table, case = made
    found = table.p_values().set_index("variable")
    expected = [[v["statistic"], v["p_value"]] for v in case["variables"].values()]
    np.testing.assert_allclose(
        found.loc[list(case["variables"]), ["statistic", "p_value"]], numbers(expected), rtol=TOLERANCE
    )
