"""Adjusted p-values are those of R's p.adjust and of statsmodels: a few multiplications, 1e-14 relative."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

import fedstats as fs
from fedstats.numerics.multiplicity import ADJUSTMENTS, adjusted
from tests.datasets import DATASETS, split
from tests.reference.comparison import cases, numbers

TOLERANCE = 1e-14
BY_STATSMODELS = {
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "bonferroni": "bonferroni",
    "BH": "fdr_bh",
    "BY": "fdr_by",
}


@pytest.mark.parametrize("method", ADJUSTMENTS)
@pytest.mark.parametrize("name", cases("adjust"))
def test_they_are_those_of_r(name, method):
    case = cases("adjust")[name]
    np.testing.assert_allclose(adjusted(numbers(case["p"]), method), numbers(case[method]), rtol=TOLERANCE)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from(ADJUSTMENTS))
def test_they_are_those_of_statsmodels_and_never_smaller(p, method):
    found = adjusted(np.array(p), method)
    np.testing.assert_allclose(
        found, multipletests(p, method=BY_STATSMODELS[method])[1], rtol=1e-12, atol=1e-300
    )
    assert (found >= np.array(p) * (1 - 1e-15)).all()


@pytest.fixture(scope="module")
def fits():
    sites = fs.InProcess(split(DATASETS["gbsg2"](), 2), policy=fs.DisclosurePolicy.none())
    survival = fs.cox(sites, "Surv(time, cens) ~ C(horTh) + C(tgrade) + age")
    return {"survival": survival, "events": fs.logistic(sites, "cens ~ C(horTh) + age")}


def test_a_family_is_made_of_the_terms_it_names(fits):
    table = fs.adjusted_p_values(
        fits,
        terms={"survival": ["C(horTh)", "C(tgrade)"], "events": ["C(horTh)[yes]"]},
        method="BH",
        family="treatment",
    )
    assert table["term"].tolist() == ["C(horTh)[yes]", "C(tgrade)[II]", "C(tgrade)[III]", "C(horTh)[yes]"]
    assert set(table["family"]) == {"treatment"}
    raw = fits["survival"].tidy().set_index("term")["p_value"]
    assert table["p_value"][:3].tolist() == raw[table["term"][:3]].tolist()
    np.testing.assert_array_equal(table["p_adjusted"], adjusted(table["p_value"].to_numpy(), "BH"))


def test_a_term_may_be_one_test_and_tests_of_other_kinds_join(fits):
    table = fs.adjusted_p_values(
        fits | {"more": pd.DataFrame({"term": ["x"], "p_value": [0.01]})}, joint=True
    )
    assert table["term"].tolist() == ["C(horTh)", "C(tgrade)", "age", "C(horTh)", "age", "x"]


def lung_sites():
    lung = DATASETS["lung"]()
    half = lung["site2"].map({1: "first", 2: "second"})
    return fs.InProcess(split(lung.assign(half=half), 2), policy=fs.DisclosurePolicy.none())


@pytest.fixture(scope="module")
def comparisons():
    sites = lung_sites()
    of_two, of_three = "Surv(time, status) ~ half", "Surv(time, status) ~ ecog3"
    return {
        "log-rank": fs.logrank(sites, of_three),
        "late": fs.logrank(sites, of_three, gamma=1),
        "combined": fs.max_combo(sites, of_two),
        "means": fs.rmst(sites, of_three, tau=365),
        "ratios": fs.period_hazard_ratios(sites, of_three, cuts=[180]),
    }


def test_comparisons_of_curves_are_tests_of_a_family(comparisons):
    table = fs.adjusted_p_values(comparisons, method="holm")
    assert table["term"].tolist() == [
        "log-rank test",
        "log-rank test, rho 0, gamma 1",
        "MaxCombo test",
        "1 to 0: difference of restricted means",
        "2+ to 0: difference of restricted means",
        *("1, 0-180", "1, 180+", "2+, 0-180", "2+, 180+"),
    ]
    means, ratios = comparisons["means"].tidy(), comparisons["ratios"].tidy()
    own = [comparisons[name].p_value for name in ("log-rank", "late", "combined")]
    own += means.loc[means["measure"] == "difference", "p_value"].tolist() + ratios["p_value"].tolist()
    assert table["p_value"].tolist() == own
    np.testing.assert_array_equal(table["p_adjusted"], adjusted(np.array(own), "holm"))


def test_terms_choose_groups_or_a_measure_of_comparisons(comparisons):
    chosen = {"means": ["ratio"], "ratios": ["2+"], "combined": ["MaxCombo test"]}
    table = fs.adjusted_p_values({name: comparisons[name] for name in chosen}, terms=chosen, method="BH")
    means = [f"{group} to 0: ratio of restricted means" for group in ("1", "2+")]
    assert table["term"].tolist() == [*means, "2+, 0-180", "2+, 180+", "MaxCombo test"]
    with pytest.raises(fs.FormulaError, match=r"means has no term 'median'; it has .*, difference, .*ratio"):
        fs.adjusted_p_values(comparisons, terms={"means": ["median"]})
    one = fs.rmst(lung_sites(), "Surv(time, status) ~ 1", tau=365)
    with pytest.raises(fs.FormulaError, match="compares no groups"):
        fs.adjusted_p_values({"means": one})


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"method": "sidak"}, "choose one of"),
        ({"terms": {"survival": ["sex"]}}, "has no term 'sex'"),
        ({"terms": {"survival": "age"}}, "give a list"),
        ({"terms": {"death": ["age"]}}, "none of the results"),
        ({"results": {}}, "at least one"),
        ({"results": {"frame": pd.DataFrame({"a": [1]})}}, "no p-values"),
    ],
)
def test_what_is_no_family_is_one_sentence(fits, given, match):
    with pytest.raises(fs.FormulaError, match=match):
        fs.adjusted_p_values(**({"results": fits} | given))
