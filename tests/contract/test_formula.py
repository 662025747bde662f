"""A formula is read at the coordinator: names and coding as in R, and nothing in it is ever evaluated."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design, Part
from fedstats.contract.formula import FormulaError, parse, parse_groups
from fedstats.contract.query import canonical_json
from fedstats.contract.variable import Variable

BOOK = Codebook(
    (
        Variable("time", "time"),
        Variable("entry", "time"),
        Variable("status", "event"),
        Variable("age", "numeric", centre=60.0, scale=8.0),
        Variable("wt.loss", "numeric"),
        Variable("ecog", "factor", levels=("0", "1", "2")),
        Variable("sex", "factor", levels=("F", "M")),
        Variable("practice", "label"),
        Variable("Survived", "event"),
    )
)


def names(right, *, intercept=True):
    return parse(f"status ~ {right}", BOOK, intercept=intercept)[1].names


# what R's model.matrix calls ecog1 is ecog[1] here, or C(ecog)[1] where it was written so
@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ("1", ("Intercept",)),
        ("age", ("Intercept", "age")),
        ("wt.loss", ("Intercept", "wt.loss")),
        ("C(ecog)", ("Intercept", "C(ecog)[1]", "C(ecog)[2]")),
        ("ecog", ("Intercept", "ecog[1]", "ecog[2]")),
        ("0 + sex", ("sex[F]", "sex[M]")),
        ("sex - 1", ("sex[F]", "sex[M]")),
        ("0 + age", ("age",)),
        ("age + sex:age", ("Intercept", "age", "sex[M]:age")),
        ("sex:age", ("Intercept", "sex[F]:age", "sex[M]:age")),
        ("sex + sex:age", ("Intercept", "sex[M]", "sex[F]:age", "sex[M]:age")),
        ("sex * age", ("Intercept", "sex[M]", "age", "sex[M]:age")),
        (
            "sex * C(ecog)",
            ("Intercept", "sex[M]", "C(ecog)[1]", "C(ecog)[2]", "sex[M]:C(ecog)[1]", "sex[M]:C(ecog)[2]"),
        ),
        (
            "ecog + sex:ecog",
            ("Intercept", "ecog[1]", "ecog[2]", "sex[M]:ecog[0]", "sex[M]:ecog[1]", "sex[M]:ecog[2]"),
        ),
        ("age + age", ("Intercept", "age")),
    ],
)
def test_columns_are_named_and_coded_as_in_r(right, expected):
    found = names(right)
    # formulaic may order the factors within an interaction by first appearance
    assert found == expected


@pytest.mark.parametrize("right", ["0 + sex + ecog", "sex + ecog - 1"])
def test_without_an_intercept_the_first_factor_alone_keeps_its_reference(right):
    assert names(right) == ("sex[F]", "sex[M]", "ecog[1]", "ecog[2]")


def test_an_interaction_without_margins_has_all_its_levels():
    assert len(names("sex:ecog")) == 1 + 6


def test_cox_has_no_intercept_and_codes_factors_as_if_it_had():
    outcome, design = parse("Surv(entry, time, status) ~ age + C(ecog) + sex:age", BOOK, intercept=False)
    assert (outcome.entry, outcome.time, outcome.event) == ("entry", "time", "status")
    assert design.names == ("age", "C(ecog)[1]", "C(ecog)[2]", "sex[M]:age")


def test_levels_are_those_of_the_codebook_and_the_first_is_the_reference():
    design = parse("status ~ ecog", BOOK, intercept=True)[1]
    assert [c.parts for c in design.columns] == [(Part("ecog", "1"),), (Part("ecog", "2"),)]


def test_centre_and_scale_come_from_the_codebook_and_change_no_name():
    (column,) = parse("status ~ age", BOOK, intercept=True)[1].columns
    assert (column.centre, column.scale) == (60.0, 8.0)
    (column,) = parse("status ~ 0 + age", BOOK, intercept=True)[1].columns
    assert column.centre == 0.0  # without an intercept a centre would change the model


@pytest.mark.parametrize("right", ["age + nope", "C(nope)", "nope:age", "`shoe`", "age.__class__"])
def test_an_unknown_column_is_named_with_those_that_there_are(right):
    with pytest.raises(FormulaError, match=r"no column .* the codebook; it has time, entry, status"):
        names(right)


@pytest.mark.parametrize("call", ["exp(age)", "np.exp(age)", "log(log(age))", "C(C(ecog))"])
def test_a_function_call_is_refused_with_what_to_write_instead(call):
    with pytest.raises(FormulaError, match=r"a function of a number: log\(x\)"):
        names(call)


@pytest.mark.parametrize("column", ["practice", "C(practice)", "practice:age"])
def test_a_label_column_is_refused_as_a_term(column):
    with pytest.raises(FormulaError, match="never leaves it; use it as strata or cluster"):
        names(column)


@pytest.mark.parametrize("left", ["practice", "ecog", "Surv(time, sex)", "Surv(practice, status)"])
def test_an_outcome_of_the_wrong_kind_is_refused(left):
    with pytest.raises(FormulaError):
        parse(f"{left} ~ age", BOOK, intercept=False)


def test_an_outcome_may_begin_with_the_letters_surv():
    assert parse("Survived ~ age", BOOK, intercept=True)[0].event == "Survived"


def test_only_surv_is_surv():
    with pytest.raises(FormulaError):
        parse("Survey(time, status) ~ age", BOOK, intercept=False)


def test_c_of_a_number_asks_for_levels_in_the_codebook():
    with pytest.raises(FormulaError, match="make it a factor there"):
        names("C(age)")


@pytest.mark.parametrize(
    "formula",
    [
        "",
        "~",
        "age",
        "status ~",
        "~ age",
        "status ~ age ~ sex",
        "status ~ (age",
        "status ~ 'age'",
        "status ~ 2",
    ],
)
def test_what_is_no_formula_is_said_in_one_sentence(formula):
    with pytest.raises(FormulaError) as found:
        parse(formula, BOOK, intercept=True)
    assert "\n" not in str(found.value)


EVIL = [
    "status ~ __import__('os').system('evil')",
    "status ~ {__import__('os').system('evil')}",
    "status ~ I(__import__('os').system('evil'))",
    "status ~ C(__import__('os').system('evil'))",
    "status ~ age:{__import__('os').system('evil')}",
    "status ~ age + `__import__('os').system('evil')`",
    "Surv(__import__('os').system('evil'), status) ~ age",
    "Surv(time, [__import__('os').system('evil')]) ~ age",
    "Surv(*__import__('os').system('evil'), time) ~ age",
    "__import__('os').system('evil') ~ age",
    "{__import__('os').system('evil')} ~ age",
]


@pytest.mark.parametrize("formula", EVIL)
def test_code_in_a_formula_is_refused_and_never_evaluated(formula, monkeypatch):
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("a formula was evaluated"))
    with pytest.raises(FormulaError):
        parse(formula, BOOK, intercept=True)
    with pytest.raises(FormulaError):
        parse_groups(formula, BOOK)


PIECES = (*"()+-:*/^210{}[]`'|~.,\\", *("age", "sex", "ecog", "C(", " ", "%in%", "__", "practice", "==", "é"))


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=9,
    )
)
@pytest.mark.filterwarnings("ignore")
def test_any_text_is_a_design_of_known_columns_or_a_formula_error(pieces):
    try:
        design = parse("status ~ " + "".join(pieces), BOOK, intercept=True)[1]
    except FormulaError:
        return
    assert isinstance(design, Design)
    assert set(design.variables) <= {v.name for v in BOOK.variables if v.kind != "label"}
    canonical_json(design.to_dict())


@pytest.mark.parametrize("right", ["1", "sex", "C(sex)", ""])
def test_curves_are_drawn_by_one_factor_or_none(right):
    group = parse_groups(f"Surv(time, status) ~ {right}", BOOK)[1]
    assert group == (None if right in ("1", "") else "sex")


@pytest.mark.parametrize("right", ["age", "practice", "nope", "sex + ecog"])
def test_a_curve_by_anything_else_is_refused(right):
    with pytest.raises(FormulaError):
        parse_groups(f"Surv(time, status) ~ {right}", BOOK)


def test_a_factor_of_two_levels_is_an_outcome():
    assert parse("sex ~ age", BOOK, intercept=True)[0].event == "sex"
