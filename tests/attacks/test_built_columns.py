"""Columns that are built (C3.20; Huth et al., Bioinformatics 2023, btad531): products and powers that one patient has alone."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.design import Column, Part
from fedstats.contract.shapes import BasisSpline, Power
from fedstats.methods.descriptives import Moments
from tests.attacks.targets import BOOK, NONE, STRICT, TEACHING, CrossTable, N, ask, cohort, column, logistic

pytestmark = pytest.mark.acceptance(20)
i = np.arange(N)
AGE = 71.04

ONE = 33


def digits():
    """Two 0/1 columns and a level from which a product can be built that one patient has alone."""
    return cohort(
        a=np.isin(i, [ONE, *range(100, 200)]).astype(float),
        b=np.isin(i, [ONE, *range(200, 300)]).astype(float),
    )


def product_of_two(policy):
    """The product of two columns, each held by 101: the lab value of the one who has both."""
    answer = ask(digits(), logistic(column("both", "a", "b"), column("lab")), policy)
    return answer if isinstance(answer, str) else CrossTable(["1", "both", "lab"], answer).of("both", "lab")


def product_with_a_level(policy):
    """A 0/1 column times the indicator of a level: the same, through an interaction."""
    frame = digits().assign(sex=np.where(np.isin(i, [ONE, *range(200, 300)]), "M", "F"))
    answer = ask(frame, logistic(column("both", "a", ("sex", "M")), column("lab")), policy)
    return answer if isinstance(answer, str) else CrossTable(["1", "both", "lab"], answer).of("both", "lab")


def level_of_a_number(policy):
    """A number asked for as a factor: the indicator of one patient's age."""
    frame = cohort()
    frame.loc[ONE, "age"] = AGE
    answer = ask(frame, logistic(column("v", ("age", str(AGE))), column("lab")), policy)
    return answer if isinstance(answer, str) else CrossTable(["1", "v", "lab"], answer).of("v", "lab")


def graded(*values):
    """A number with few values, the last of which one patient has alone."""
    usual = np.array(values[:-1])[(i // 2) % (len(values) - 1)]
    return cohort(w=np.where(i == ONE, values[-1], usual).astype(float))


def square_of_three_values(policy):
    """w and w * w of a number that is 0, 1 or 2: (w w - w) / 2 is the indicator of 2."""
    question = logistic(column("w"), column("ww", "w", "w"), column("lab"))
    answer = ask(graded(0, 1, 2), question, policy)
    if isinstance(answer, str):
        return answer
    table = CrossTable(["1", "w", "ww", "lab"], answer)
    return (table.of("ww", "lab") - table.of("w", "lab")) / 2


def interpolated(policy, values, powers):
    """Lagrange's polynomial that is 1 at the last of the values and 0 at the others, as a sum of powers."""
    columns = [column(f"w{k}", *("w",) * k) for k in range(1, powers + 1)]
    answer = ask(graded(*values), logistic(*columns, column("lab")), policy)
    if isinstance(answer, str):
        return answer
    names = ["1", *(c.name for c in columns), "lab"]
    table = CrossTable(names, answer)
    *others, last = values
    polynomial = np.poly1d(others, r=True) / np.prod([last - other for other in others])
    return sum(c * table.of(names[k], "lab") for k, c in enumerate(polynomial.coef[::-1]))


def powers_of_five_values(policy):
    """Four powers of a number that is 0 to 4."""
    return interpolated(policy, (0, 1, 2, 3, 4), 4)


def powers_through_a_product(policy):
    """The square hides in products with another column, asked in place of the number itself."""
    question = logistic(column("wl", "w", "lab"), column("wwl", "w", "w", "lab"))
    answer = ask(graded(0, 1, 2), question, policy)
    if isinstance(answer, str):
        return answer
    sums = CrossTable(["1", "wl", "wwl"], answer)
    return (sums.of("wwl", "1") - sums.of("wl", "1")) / 2


BUILT = (
    product_of_two,
    product_with_a_level,
    level_of_a_number,
    square_of_three_values,
    powers_of_five_values,
    powers_through_a_product,
)


@pytest.mark.parametrize("attack", BUILT, ids=lambda f: f.__name__)
def test_a_built_column_returns_one_patients_value_without_a_gate(attack):
    assert attack(NONE) == pytest.approx(cohort()["lab"][ONE], abs=1e-6)


@pytest.mark.parametrize("attack", BUILT, ids=lambda f: f.__name__)
@pytest.mark.parametrize("policy", [STRICT, TEACHING], ids=lambda p: p.name)
def test_a_built_column_is_refused(attack, policy):
    assert attack(policy) in {"level", "level by outcome", "pair of levels"}


def smallest_count(policy, question):
    """How many have the last of three values, solved from n, the sum and the sum of squares."""
    answer = ask(graded(0, 1, 2), question, policy)
    if isinstance(answer, str):
        return answer
    if "squares" in answer:
        return (answer["squares"][0] - answer["sum"][0]) / 2
    table = CrossTable(["1", "w"], answer)
    return (table.of("w") - table.of("w", "1")) / 2


@pytest.mark.parametrize(
    "question", [logistic(column("w")), Moments("w", None, (), 0.0, 1.0)], ids=["a model", "a mean and an SD"]
)
def test_of_a_number_with_three_values_a_sum_and_a_sum_of_squares_are_a_table(question):
    assert smallest_count(NONE, question) == pytest.approx(1)
    assert smallest_count(STRICT, question) == "level"


@pytest.mark.parametrize(("held", "leaves"), [(10, False), (11, True), (12, True)])
def test_three_values_leave_when_each_has_enough(held, leaves):
    frame = cohort(w=np.where(i < held, 2.0, i % 2))
    answer = ask(frame, Moments("w", None, (), 0.0, 1.0), STRICT)
    assert isinstance(answer, str) is not leaves


def test_a_number_with_many_values_is_asked_for_with_its_square_as_ever():
    for columns in ([column("age")], [column("age"), column("age2", "age", "age", scale=64.0)]):
        assert not isinstance(ask(cohort(), logistic(*columns), STRICT), str)
    assert not isinstance(ask(cohort(), Moments("age", None, (), 0.0, 1.0), STRICT), str)


def declared_square(policy):
    """Two columns of the codebook, one the square of the other, of a number with four values."""
    frame = graded(0, 1, 2, 3)
    frame["a"] = frame["w"] ** 2
    answer = ask(frame, logistic(column("w"), column("a"), column("lab")), policy)
    if isinstance(answer, str):
        return answer
    table = CrossTable(["1", "w", "ww", "lab"], answer)  # 1 at 3 and 0 at 0 and 1: w (w - 1) / 6, 1/3 at 2
    *_, cubes = (table.of("1", "ww"), table.of("w", "ww"))
    fourths, squares, ones = table.of("ww", "ww"), table.of("ww", "1"), table.of("w", "1")
    moments = np.array([N, ones, squares, cubes, fourths])
    powers = np.vander(np.arange(4.0), 5, increasing=True).T
    return np.linalg.lstsq(powers, moments, rcond=None)[0][3]


def test_a_column_that_the_codebook_declares_as_a_square_counts_a_single_patient_without_a_gate():
    assert declared_square(NONE) == pytest.approx(1)


def test_a_column_that_the_codebook_declares_as_a_square_is_refused():
    assert isinstance(declared_square(STRICT), str)


@pytest.mark.parametrize(("held", "leaves"), [(10, False), (11, True)])
def test_a_declared_square_leaves_when_each_value_has_enough(held, leaves):
    frame = cohort(w=np.where(i < held, 3.0, i % 3))
    frame["a"] = frame["w"] ** 2
    answer = ask(frame, logistic(column("w"), column("a"), column("lab")), STRICT)
    assert isinstance(answer, str) is not leaves


def test_a_declared_square_of_a_number_with_many_values_leaves():
    frame = cohort()
    frame["a"] = frame["age"] ** 2
    assert not isinstance(ask(frame, logistic(column("age"), column("a")), STRICT), str)


# Knots ------------------------------------------------------------------------------------------

KNOT = 61.03


def hat(policy, knots=()):
    """Three sums that bend at points close together: their second difference counts who is between."""
    frame = cohort()
    frame["age"] = np.where(np.abs(frame["age"] - KNOT) < 0.4, KNOT + 1.0, frame["age"])
    frame.loc[123, "age"] = KNOT
    book = replace(
        BOOK,
        variables=tuple(
            replace(v, knots=knots, low=0.0, high=200.0) if v.name == "age" else v for v in BOOK.variables
        ),
    )
    sums = []
    for knot in (KNOT - 0.2, KNOT, KNOT + 0.2):
        bent = Column("bent", (Part("age", shape=BasisSpline((knot,), 0.0, 200.0, 1, 2)),))
        answer = ask(frame, logistic(bent, column("lab")), policy, book)
        if isinstance(answer, str):
            return answer
        # the piece is (age - knot) / (200 - knot) above the knot: summed, and summed times the outcome
        sums.append((200.0 - knot) * CrossTable(["1", "bent", "lab"], answer).of("1", "bent"))
    return (sums[0] - 2 * sums[1] + sums[2]) / 0.2


def test_knots_that_slide_count_one_patient_and_a_site_takes_the_codebooks_alone():
    assert hat(NONE) == pytest.approx(1.0, abs=1e-6)
    assert hat(STRICT) == "agreed grid"
    assert hat(STRICT, knots=(KNOT,)) == "agreed grid"  # of three knots one is agreed


def test_a_spline_of_a_number_with_few_values_is_a_table():
    frame = graded(0, 1, 2, 3, 4)
    pieces = [Column(f"p{k}", (Part("w", shape=Power(k)),)) for k in (1, 2, 3)]
    assert isinstance(ask(frame, logistic(*pieces), STRICT), str)
