"""A hypothesis may be written as a text: what is read of it is what weights by name say."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.combinations import combinations_of

NAMES = (
    "Intercept",
    "age",
    "age:sex[m]",
    "C(ecog)[1]",
    "C(ecog)[2]",
    "I(x / 10)",
    "arm[B]: 0-6 months",
    "x-1",
)


def read(text, value=0.0):
    _, matrix, null = combinations_of(text, value, NAMES)
    weights = dict(zip(NAMES, matrix[0], strict=True))
    return {name: weight for name, weight in weights.items() if weight}, float(null[0])


@pytest.mark.parametrize(
    ("text", "weights", "null"),
    [
        ("age = 0", {"age": 1}, 0),
        ("age == 0.5", {"age": 1}, 0.5),
        ("age", {"age": 1}, 0),
        ("-age=-1e-2", {"age": -1}, -0.01),
        ("C(ecog)[2] - C(ecog)[1] = 0", {"C(ecog)[2]": 1, "C(ecog)[1]": -1}, 0),
        ("C(ecog)[2] = 2*C(ecog)[1]", {"C(ecog)[2]": 1, "C(ecog)[1]": -2}, 0),
        ("10 age + age:sex[m] = 1", {"age": 10, "age:sex[m]": 1}, 1),
        ("age + age = 1", {"age": 2}, 1),
        ("age - 1 = 2 - I(x/10)", {"age": 1, "I(x / 10)": 1}, 3),
        ("arm[B]: 0-6 months = 0", {"arm[B]: 0-6 months": 1}, 0),
        ("(Intercept) + 60 age", {"Intercept": 1, "age": 60}, 0),
        ("x-1 = 0", {"x-1": 1}, 0),
    ],
)
def test_a_text_is_read_as_weights_and_a_value(text, weights, null):
    assert read(text) == (weights, null)


def test_a_value_may_stand_beside_a_text_that_has_none():
    assert read("age", 0.3) == ({"age": 1}, 0.3)
    with pytest.raises(ValueError, match="says what it is under the hypothesis: leave out value"):
        read("age = 1", 0.3)


@pytest.mark.parametrize(
    "text", ["", "ages = 0", "agee", "age = = 0", "age -", "age age", "age = 0 = 1", "= 0", "age * 2 = 1 ]"]
)
def test_a_text_that_cannot_be_read_says_how_one_is_written(text):
    with pytest.raises(
        ValueError, match=r"cannot be read.*write coefficients by name.*the model has Intercept, age"
    ):
        read(text)


@pytest.mark.parametrize(
    ("given", "value", "kind", "says"),
    [
        (5, 0, TypeError, "A hypothesis is 5; write coefficients by name"),
        ([5], 0, TypeError, "A combination is 5"),
        ({"age": "1"}, 0, TypeError, "The weight of age is '1'; give a number"),
        ({"agee": 1}, 0, ValueError, "There is no coefficient 'agee'; the model has"),
        ("age", "a", ValueError, "value is 'a'; give a number"),
        (["age"], [0, 1], ValueError, "or one for each of the 1 combinations"),
        ("2 = 0", 0, ValueError, "none that is zero"),
        (["age = 0", "2 age = 1"], 0, ValueError, "follows from the others"),
        ([], 0, ValueError, "at least one"),
    ],
)
def test_what_is_no_hypothesis_is_one_sentence(given, value, kind, says):
    with pytest.raises(kind, match=says.replace("(", r"\(")):
        combinations_of(given, value, NAMES)


@pytest.fixture(scope="module")
def fits():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"age": rng.normal(60, 9, 300), "sex": rng.choice(["f", "m"], 300)})
    frame["time"], frame["status"] = rng.exponential(10, 300), rng.integers(0, 2, 300)
    sites = fs.InProcess({"a": frame[:100], "b": frame[100:]}, policy=fs.DisclosurePolicy.none())
    return sites, fs.cox(sites, "Surv(time, status) ~ age + sex"), fs.logistic(sites, "status ~ age + sex")


def test_a_fit_tests_a_text_as_it_tests_weights(fits):
    fit = fits[1]
    one = fit.linear_hypothesis("age - 2 * sex[m] = 0.1")
    other = fit.linear_hypothesis({"age": 1, "sex[m]": -2}, value=0.1)
    assert one.names == other.names == ("age - 2 sex[m]",)
    pd.testing.assert_frame_equal(one.tidy(), other.tidy())
    both = fit.linear_hypothesis(["age = 0", "sex[m] = 0"])
    assert both.statistic == pytest.approx(fit.glance()["wald_statistic"][0], rel=1e-12)


def test_results_are_printed_as_tables_under_a_line_that_says_what_they_are(fits):
    sites, cox, logistic = fits
    printed = {
        "Hypothesis age = 0; Wald test: statistic ": cox.linear_hypothesis("age = 0"),
        "Standardised risks by sex (95 % intervals)": fs.standardised_risks(sites, logistic, "sex"),
        "Average marginal effects (95 % intervals)": fs.marginal_effects(sites, logistic),
        "Survival and cumulative hazard of Surv(time, status) ~ age + sex (exact, 95 % intervals)": fs.baseline_hazard(
            sites, cox
        ),
    }
    for head, result in printed.items():
        assert repr(result).startswith(head)
        assert str(result) == repr(result)
        assert "array(" not in repr(result)
        lines = repr(result).splitlines()
        assert 3 <= len(lines) <= 25
        assert "estimate" in lines[1]
    assert "<table" in cox.linear_hypothesis("age = 0")._repr_html_()


def test_a_subset_and_a_made_column_are_said_behind_the_sites(fits):
    sites, cox, _ = fits
    subset = sites.where("age >= 60 and sex == 'f'")
    assert repr(subset) == f"{sites!r}, patients with age >= 60 and sex == f"
    assert repr(subset.with_linear_predictor("lp", cox)).endswith(
        "with a column that sites make: lp is the linear predictor of age, sex"
    )
