"""What formulas of R write and ours do not is answered with our words for it, in one sentence."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.agreement import codebook_of
from fedstats.contract.codebook import Codebook
from fedstats.contract.formula import FormulaError, parse, parse_groups

BOOK = Codebook.from_toml(
    {
        "columns": {
            "time": {"kind": "time"},
            "status": {"kind": "event"},
            "cause": {"kind": "factor", "levels": ["none", "cancer", "other"]},
            "died": {"kind": "factor", "levels": ["no", "yes"]},
            "coded": {"kind": "numeric", "levels": [1, 2]},
            "age": {"kind": "numeric", "range": [18, 110]},
            "x": {"kind": "numeric"},
            "ecog": {"kind": "numeric", "levels": [0, 1, 2]},
            "sex": {"kind": "factor", "levels": ["f", "m"]},
            "inst": {"kind": "label"},
        }
    }
)

TERMS = {
    "factor(ecog)": "write C(ecog)",
    "as.factor(ecog)": "write C(ecog)",
    "age + as.numeric(ecog)": "write ecog",
    "relevel(sex, ref='m')": "the reference is the first of the codebook's levels",
    "C(sex, Treatment('m'))": "the reference is the first of the codebook's levels",
    "ns(age, df=3)": "write rcs(age, knots)",
    "pspline(age)": "write rcs(age, knots)",
    "rcs(age, 4)": "name their places",
    "bs(age, df=4)": "name their places",
    "age + strata(sex)": 'strata(sex) is no term here: give the argument strata="sex".',
    "age + strata(sex, inst)": 'strata=["sex", "inst"]',
    "age + offset(x)": 'offset="x"',
    "age + offset(log(x))": 'offset="log_x" (make log(x) a column of the data first)',
    "age + strata(C(sex))": 'strata="sex".',
    "bs(age, knots=c(50, 60))": "knots stand without a name, as in bs(age, 50, 60, 70), its ends as low= and high=",
    "age, data = lung": "data is no part of a formula",
    "age + cluster(inst)": 'cluster="inst"',
    "age + frailty(inst)": 'strata="inst"',
    "age + (1 | inst)": 'intercepts="inst"',
    "age + tt(x)": 'time_varying="x"',
    "ridge(age, x)": "penalty=fs.Ridge(strength)",
    "log2(age)": "write log(age)",
    "np.log(age)": "write log(age)",
    "scale(age)": "write I((age - 60) / 10)",
    "sqrt(age)": "make that column in every site's data",
    "cut(age, c(50, 60))": "make that column in every site's data",
    "interaction(sex, ecog)": "write sex:ecog",
    "age^2": "write I(age^2)",
    "sex + age**2": "write I(age^2)",
    "age / 10": "write I(age / 10)",
    "age > 60": "a comparison is no term",
    "I(age > 60)": "a comparison is no number",
    "I(age * x)": "write age:x",
    "d$age + sex": 'the name of the column alone, "age"',
    "d['age']": 'the name of the column alone, "age"',
    "splines::bs(age, 60)": "without the name of its package",
    "age, sex": "write + between terms",
    "`my column`": "Rename it in the data, for instance to 'my_column'",
    "age sex": "Write terms with + between them",
    "'age'": "without quotes, age",
    "2 * age": "write I(2 * age)",
    "age * 2": "write I(2 * age)",
    "age + status": "status is the outcome of",
    "log(time)": "time is the outcome of",
    "Age": "did you mean 'age'?",
}

LEFT = {
    "Surv(time, cause == cancer)": "write cause == 'cancer'; a text stands in quotes",
    "Surv(time, status == TRUE)": "write status == 1",
    "Surv(time, cause = 'cancer')": "write cause == 'cancer'",
    "Surv(time, cause != 'none')": "name one code of a column",
    "Surv(time, cause %in% c('cancer', 'other'))": "make a column of 0 and 1",
    "Surv(time, event=status)": "Surv(time, status)",
    "Surv(time, status, type='left')": "leave out type",
    "coxph(Surv(time, status)": "give the formula alone",
    "Surv(time)": "names no event",
    "Surv(time / 30, status)": "'time / 30' is no column",
    "Surv(time, coded - 1)": "coded == 2",
    "Surv(time, coded == 3)": "it has 1, 2",
    "Surv(time, died)": "say which of them is the event, as died == 'yes'",
    "Surv(time, inst)": "use it as strata or cluster",
    "survival::Surv(time, status)": "Surv(time, status) without the name of a package",
    "surv(time, status)": "write Surv with a capital S",
    "Surv('time', 'status')": "write its name without",
    "sex + status": "is no column, and an outcome is one",
    "ecog == 1": "is no column, and an outcome is one",
    "cause": "has the levels none, cancer, other",
}


@pytest.mark.parametrize("terms", TERMS)
def test_a_term_of_r_is_answered_with_ours(terms):
    with pytest.raises(FormulaError) as refused:
        parse(f"Surv(time, status) ~ {terms}", BOOK, intercept=False)
    assert TERMS[terms] in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("left", LEFT)
def test_an_outcome_of_r_is_answered_with_ours(left):
    with pytest.raises(FormulaError) as refused:
        parse(f"{left} ~ age", BOOK, intercept=True)
    assert LEFT[left] in str(refused.value)


@pytest.mark.parametrize(
    "terms",
    [
        "(age + sex + x)^2",
        "I((age - 60) / 10) + I(1e3 * x)",
        "C(ecog) * sex + I(age^2)",
        "`age` + bs(x, 1, low=0, high=2)",
        "rcs(age, 40, 60, 80):sex",
    ],
)
def test_what_formulas_may_say_is_no_idiom(terms):
    assert parse(f"Surv(time, coded == 2) ~ {terms}", BOOK, intercept=False)[1].names


#: Names that end in a digit, hold dots, underscores or other letters, or are those of functions.
NAMES = (
    *("x2", "x_2", "ph2", "v.1", "x.2.", "_x2", "x1e3", "E1", "a.b_c9", "größe2", "é", "年2"),
    *(
        "ns",
        "nsx",
        "s",
        "te",
        "tt",
        "factor",
        "offset",
        "weights",
        "strata2",
        "cluster",
        "scale",
        "scale_1",
        "interaction",
    ),
    *(
        "cut2",
        "log2",
        "exp",
        "log",
        "poly",
        "poly2",
        "rcs",
        "bs",
        "C2",
        "I",
        "C",
        "data",
        "subset",
        "np.log",
        "in2",
        "Surv2",
    ),
)
#: Where a sign stands beside a name.
BESIDE = (
    *(
        "{n}*age",
        "{n} * age",
        "age*{n}",
        "{n}*age*sex",
        "{n}:age + sex*{n}",
        "({n}+age)^2",
        "({n} + age)*sex",
        "0 + {n}*age",
    ),
    *(
        "C(sex)*{n}",
        "{n}*C(sex)",
        "{n}*log(age)",
        "log(age)*{n}",
        "`{n}`*age",
        "{n}*rcs(age, 40, 60, 80)",
        "{n}*I(age/10)",
    ),
)
#: Functions of a number, of names that are Python's as well: its parser reads them.
OF_NAME = (
    "log({n})",
    "I({n}^2)",
    "I({n} / 10)",
    "I(2 * {n})",
    "I(({n} - 6) / 10)*age",
    "poly({n}, 2)",
    "rcs({n}, 1, 2, 3)*sex",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_read_as_a_name_whatever_stands_in_it(name):
    numbers = {"kind": "numeric", "centre": 10.0, "scale": 2.0}
    levels = {"kind": "factor", "levels": ["f", "m"]}
    book = Codebook.from_toml(
        {"columns": {name: numbers, "age": numbers, "sex": levels, "d": {"kind": "event"}}}
    )
    for written in BESIDE + (OF_NAME if name.isidentifier() else ()):
        terms = written.format(n=name)
        columns = parse(f"d ~ {terms}", book, intercept=True)[1].columns
        assert name in {part.column for column in columns for part in column.parts}, terms


@pytest.mark.parametrize(
    "written", ["2 * x2", "2*x2 + age", ".5*x2", "1e3*x2", "age + 2 * x2", "x2 * 2", "age*sex + 10*x2"]
)
def test_a_number_times_a_column_is_still_told_from_a_name(written):
    numbers = {"kind": "numeric"}
    book = Codebook.from_toml(
        {"columns": {"x2": numbers, "age": numbers, "sex": numbers, "d": {"kind": "event"}}}
    )
    with pytest.raises(FormulaError, match=r"write I\(2 \* x2\)"):
        parse(f"d ~ {written}", book, intercept=True)


def test_an_event_may_be_named_by_its_code_one():
    assert parse("Surv(time, status == 1) ~ age", BOOK, intercept=False) == parse(
        "Surv(time, status) ~ age", BOOK, intercept=False
    )


@pytest.mark.parametrize(
    ("group", "says"),
    [
        ("age", "age holds numbers"),
        ("sex + ecog", "is more"),
        ("strata(sex)", "is more"),
        ("inst", "is a label"),
    ],
)
def test_a_curve_by_no_factor_says_what_the_column_is(group, says):
    with pytest.raises(FormulaError, match="A curve is drawn by one factor") as refused:
        parse_groups(f"Surv(time, status) ~ {group}", BOOK)
    assert says in str(refused.value)


def test_a_column_that_no_model_reads_is_named_by_what_it_holds():
    frame = pd.DataFrame(
        {"y": [0, 1] * 30, "age": np.arange(60.0), "note": [f"note {i}" for i in range(60)], "one": "a"}
    ).assign(empty=np.nan)
    book = codebook_of([frame])
    for column, says in {
        "note": "note holds text or dates of 60 different values, which are no levels; group its values",
        "one": "one has one value in all rows, which tells nobody from anybody; leave it out",
        "empty": "empty is empty in every row, or a label, which groups patients inside a site; leave it out if",
    }.items():
        for terms in (column, f"C({column})"):
            with pytest.raises(FormulaError, match="^" + says):
                parse(f"y ~ age + {terms}", book, intercept=True)
        with pytest.raises(FormulaError, match=r"the outcome of a model is a number, 0 or 1, or a factor"):
            parse(f"{column} ~ age", book, intercept=True)
    with pytest.raises(FormulaError, match=r"log\(note\): note holds text or dates"):
        parse("y ~ log(note)", book, intercept=True)
    sites = fs.InProcess({"a": frame}, policy=fs.DisclosurePolicy.none())
    with pytest.raises(
        FormulaError, match="A table is grouped by a factor, and note holds text or dates of 60"
    ):
        fs.table_one(sites, by="note", variables=["age"])
    with pytest.raises(FormulaError, match="weights is 'note', which holds text or dates of 60"):
        fs.logistic(sites, "y ~ age", weights="note")
