"""Functions of a number in a formula: how they are read, what they are, and what is said of the others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.query import QueryError, spec_from_dict
from fedstats.contract.shapes import BasisSpline, Logarithm, OtherUnit, Power, RestrictedCubic, Shape
from fedstats.contract.variable import Variable

BOOK = Codebook(
    (
        Variable("y", "event"),
        Variable("age", "numeric", low=20.0, high=100.0, centre=60.0, scale=8.0, knots=(45.0, 60.0, 75.0)),
        Variable("ph.karno", "numeric"),
        Variable("year", "numeric", low=2015.0, high=2024.0, scale=2.0),
        Variable("sex", "factor", levels=("F", "M")),
    )
)
X = np.linspace(20.0, 100.0, 161)


def shapes(term):
    return [p.shape for c in parse(f"y ~ {term}", BOOK, intercept=True)[1].columns for p in c.parts]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("log(age)", [Logarithm()]),
        ("log(ph.karno)", [Logarithm()]),
        ("I(age/10)", [OtherUnit(0.0, 10.0)]),
        ("I(age * 12)", [OtherUnit(0.0, 1 / 12)]),
        ("I((age - 60) / 10)", [OtherUnit(60.0, 10.0)]),
        ("I(10 - age)", [OtherUnit(10.0, -1.0)]),
        ("I(2 * age + 4)", [OtherUnit(-2.0, 0.5)]),
        ("I(age^2)", [Power(2)]),
        ("I(age ** 3)", [Power(3)]),
        ("poly(age, 2)", [Power(1, 60.0), Power(2, 60.0)]),
        ("poly(age, 2, raw=TRUE)", [Power(1), Power(2)]),
        ("poly(age - 50, 2)", [Power(1, 50.0), Power(2, 50.0)]),
        ("poly(age + 0.1, 1, raw=True)", [Power(1, -0.1)]),
        ("poly(ph.karno, 2)", [Power(1), Power(2)]),
        ("poly(year, 2)", [Power(1, 2019.5), Power(2, 2019.5)]),
        ("rcs(age)", [RestrictedCubic((45.0, 60.0, 75.0), k) for k in (1, 2)]),
        ("rcs(age, 40, 50, 60, 70)", [RestrictedCubic((40.0, 50.0, 60.0, 70.0), k) for k in (1, 2, 3)]),
        ("rcs(age, c(40, 50, 60, 70))", [RestrictedCubic((40.0, 50.0, 60.0, 70.0), k) for k in (1, 2, 3)]),
        ("bs(age, degree=1)", [BasisSpline((45.0, 60.0, 75.0), 20.0, 100.0, 1, k) for k in (1, 2, 3, 4)]),
        ("bs(ph.karno, 70, low=0, high=100)", [BasisSpline((70.0,), 0.0, 100.0, 3, k) for k in (1, 2, 3, 4)]),
    ],
)
def test_functions_are_read(term, expected):
    assert shapes(term) == expected


@pytest.mark.parametrize(
    ("term", "says"),
    [
        ("log(agee)", "no column 'agee'"),
        ("log(sex)", "is a factor in the codebook, not a number"),
        ("log(age, 2)", "cannot be read"),
        ("exp(age)", "take a function of a number: log(x)"),
        ("I(age^0.5)", "a power is a whole number"),
        ("I(age^200)", "a whole number from 1 to 9"),
        ("I(age * 0)", "does not depend on age"),
        ("I(age / 0)", "no column 'age / 0'"),
        ("I(age + ph.karno)", "a function of several columns is no term"),
        ("I(__import__('os'))", "no column"),
        ("poly(age)", "cannot be read"),
        ("poly(age, 1.5)", "needs a degree"),
        ("poly(age, 2, raw=FALSE)", "orthogonal polynomials depend on everybody's rows"),
        ("poly(age, degree=2)", "cannot be read"),
        ("poly(age / 10, 2)", "one less a number"),
        ("poly(sex - 1, 2)", "is a factor in the codebook"),
        ("rcs(ph.karno)", "give ph.karno knots in the codebook"),
        ("rcs(age, 40, 50)", "at least 3"),
        ("rcs(age, 50, 40, 60)", "increasing knots"),
        ("rcs(age, sex)", "knots are numbers"),
        ("bs(ph.karno, 70)", "needs its ends"),
        ("bs(age, 60, degree=2.5)", "a degree is a whole number"),
        ("bs(age, 60, df=4)", "name their places, which are agreed"),
        ("bs(age, 110)", "increasing knots"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(term, says):
    with pytest.raises(FormulaError) as refused:
        shapes(term)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_terms_and_names():
    design = parse("y ~ log(ph.karno) + rcs(age) * sex", BOOK, intercept=True)[1]
    assert design.names == (
        "Intercept",
        "log(ph.karno)",
        "rcs(age)[1]",
        "rcs(age)[2]",
        "sex[M]",
        "rcs(age)[1]:sex[M]",
        "rcs(age)[2]:sex[M]",
    )
    assert list(dict.fromkeys(design.term_of_each)) == [
        "Intercept",
        "log(ph.karno)",
        "rcs(age)",
        "sex",
        "rcs(age):sex",
    ]
    assert design.described[2] == "piece 1 of a restricted cubic spline of age"


def test_a_restricted_cubic_spline_is_linear_beyond_its_outer_knots_and_smooth_between():
    piece = RestrictedCubic((40.0, 55.0, 70.0, 80.0), 2)
    values = piece.of(X)
    assert np.all(values[X <= 40] == 0)
    assert np.abs(np.diff(values[X >= 80], 2)).max() < 1e-10
    step, slope_of_slope = (
        0.5,
        6 * (80 - 40) / (80 - 40) ** 2,
    )  # a bound of what a cube in these units can bend
    assert np.abs(np.diff(values, 2)).max() <= slope_of_slope * step**2  # no jump of the value or the slope


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_b_splines_are_not_negative_and_add_up_to_one_with_the_first(degree):
    knots = (45.0, 60.0)
    pieces = [BasisSpline(knots, 20.0, 100.0, degree, k).of(X) for k in range(1, len(knots) + degree + 1)]
    total = np.sum(pieces, axis=0)
    assert min(p.min() for p in pieces) >= 0
    assert total[0] == 0
    assert total[X >= 45] == pytest.approx(1.0)
    assert np.isnan(BasisSpline(knots, 20.0, 100.0, degree, 1).of(np.array([19.9, 100.1]))).all()


@given(st.sampled_from(["log(age)", "I(age/10)", "poly(age, 2)", "rcs(age)", "bs(age)"]))
def test_shapes_travel_as_names_and_numbers(term):
    for shape in shapes(term):
        assert spec_from_dict(shape.to_dict(), Shape) == shape


@pytest.mark.parametrize(
    ("is_", "fields"),
    [
        ("Power", {"exponent": 60}),
        ("OtherUnit", {"zero": 0.0, "unit": 0.0}),
        ("RestrictedCubic", {"knots": [1.0, 2.0, 3.0], "piece": 9}),
        ("RestrictedCubic", {"knots": [float(k) for k in range(50)], "piece": 1}),
        ("BasisSpline", {"knots": [], "low": 1.0, "high": 0.0, "degree": 3, "piece": 1}),
        ("Shape", {}),
    ],
)
def test_a_made_up_shape_is_not_read(is_, fields):
    with pytest.raises(QueryError):
        spec_from_dict({"is": is_, **fields}, Shape)


def test_a_polynomial_is_named_after_the_centre_that_it_counts_from():
    design = parse(
        "y ~ poly(age, 2) * sex + poly(year, 2) + poly(ph.karno, 1, raw=TRUE)", BOOK, intercept=True
    )[1]
    assert set(design.names) == {
        "Intercept",
        "poly(age-60,2)[1]",
        "poly(age-60,2)[2]",
        "sex[M]",
        "poly(year-2019.5,2)[1]",
        "poly(year-2019.5,2)[2]",
        "poly(ph.karno,1,raw=TRUE)[1]",
        "poly(age-60,2)[1]:sex[M]",
        "poly(age-60,2)[2]:sex[M]",
    }
    assert parse("y ~ poly(age - 60, 2)", BOOK, intercept=True) == parse(
        "y ~ poly(age, 2)", BOOK, intercept=True
    )


def test_a_cubic_of_calendar_years_is_fitted_and_raw_powers_are_called_collinear():
    """Closed form: a cubic in the years of a table with as many patients of each has the least squares of the four means."""
    year = np.repeat([2015.0, 2018.0, 2021.0, 2024.0], 25)
    noise = np.tile(np.arange(25) - 12.0, 4)
    t = (year - 2019.5) / 4.5
    frame = pd.DataFrame({"year": year, "bmi": 20 + 2 * t - 3 * t**2 + t**3 + noise})
    book = Codebook(
        (
            Variable("year", "numeric", low=2015.0, high=2024.0, scale=2.0),
            Variable("bmi", "numeric", centre=20.0),
        )
    )
    sites = fs.InProcess({"a": frame[:37], "b": frame[37:]}, book, fs.DisclosurePolicy.none())
    fit = fs.glm(sites, "bmi ~ poly(year, 3)", family="gaussian")
    expected = np.array([20, 2 / 4.5, -3 / 4.5**2, 1 / 4.5**3])
    std_errors = fit.tidy()["std_error"].to_numpy()
    assert (np.abs(fit.beta - expected) / std_errors).max() < 1e-9
    # the way to raw powers that README names: a binomial expansion, of which the highest power is the same number
    assert fit.names[3] == "poly(year-2019.5,3)[3]"
    with pytest.raises(fs.NotConverged, match=r"poly\(year,3,raw=TRUE\)\[3\] is "):
        fs.glm(sites, "bmi ~ poly(year, 3, raw=TRUE)", family="gaussian")


def test_other_units_are_other_coefficients_of_the_same_fit():
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"age": random.normal(60, 8, 300).clip(20, 100)})
    frame["y"] = (random.random(300) < 0.4).astype(int)
    sites = fs.InProcess({"a": frame[:100], "b": frame[100:]}, policy=fs.DisclosurePolicy.none())
    plain, tens = (fs.logistic(sites, f"y ~ {term}") for term in ("age", "I((age - 60) / 10)"))
    assert tens.loglik == pytest.approx(plain.loglik, rel=1e-14)
    assert tens.coef.iloc[1] == pytest.approx(10 * plain.coef["age"], rel=1e-10)


def test_a_value_without_a_logarithm_is_said_without_the_value():
    frame = pd.DataFrame({"age": [0.0, *range(41, 80)], "y": [0, 1] * 20})
    sites = fs.InProcess({"a": frame}, policy=fs.DisclosurePolicy.none())
    with pytest.raises(fs.SiteRefused, match=r"log\(age\) is not defined for every value"):
        fs.logistic(sites, "y ~ log(age)")
