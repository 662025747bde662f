"""Columns with odd names and odd values: one sentence where they are used, nothing where they are not."""

import unicodedata
import warnings

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.agreement import codebook_of
from fedstats.contract.query import QueryError
from fedstats.contract.table_checks import DataError
from fedstats.numerics.newton import NotConverged
from tests.datasets import lung_all

NONE = fs.DisclosurePolicy.none()
APART = unicodedata.normalize("NFD", "größe")


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 80
    table = pd.DataFrame(
        {"time": rng.exponential(5, n), "status": rng.integers(0, 2, n), "age": rng.normal(60, 9, n)}
    )
    return table.assign(
        **{"class": table.age, "lambda": table.time, "in": table.status, "True": table.age, "1x": table.age}
    )


def split(table: pd.DataFrame) -> fs.InProcess:
    return fs.InProcess({"a": table.iloc[::2], "b": table.iloc[1::2]}, policy=NONE)


@pytest.mark.parametrize("name", ["class", "True", "1x"])
def test_such_a_name_is_a_term(name):
    sites = split(frame())
    expected = fs.cox(sites, "Surv(time, status) ~ age").beta
    assert fs.cox(sites, f"Surv(time, status) ~ {name}").beta == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda s: fs.cox(s, "Surv(time, status) ~ I(class / 10)"), "class"),
        (lambda s: fs.cox(s, "Surv(time, status) ~ log(class)"), "class"),
        (lambda s: fs.cox(s, "Surv(time, status) ~ I(1x / 10)"), "1x"),
        (lambda s: fs.cox(s, "Surv(lambda, status) ~ age"), "lambda"),
        (lambda s: fs.cox(s, "Surv(time, in) ~ age"), "in"),
        (lambda s: s.where("class >= 50"), "class"),
        (lambda s: s.where("age > 50 and in == 1"), "in"),
        (lambda s: s.where("True > 50"), "True"),
        (lambda s: s.where("1x > 50"), "1x"),
    ],
    ids=["I", "log", "digit in I", "time", "event", "where", "and", "True", "digit"],
)
def test_elsewhere_it_is_to_be_renamed(ask, name):
    with pytest.raises(
        (fs.FormulaError, QueryError), match=f"The column '{name}' can be a term by itself.*'x_{name}'"
    ):
        ask(split(frame()))


def test_other_faults_keep_their_words():
    sites = split(frame())
    with pytest.raises(QueryError, match="write two signs for equal"):
        sites.where("age = 50")
    with pytest.raises(fs.FormulaError, match=r"write I\(age / 10\) for another unit"):
        fs.cox(split(frame().rename(columns={"1x": 10})), "Surv(time, status) ~ I(age / 10")


def test_a_number_as_a_name_is_left_alone():
    assert fs.cox(split(frame().rename(columns={"1x": 5})), "Surv(time, status) ~ age").n == 80
    with pytest.raises(ValueError, match="has the column '5' twice"):
        split(frame().rename(columns={"1x": 5, "True": "5"}))


def test_names_of_several_levels_are_to_be_joined():
    table = frame()
    table.columns = pd.MultiIndex.from_tuples([(c, "x") for c in table])
    with pytest.raises(ValueError, match="names of several levels"):
        split(table)


@pytest.mark.parametrize("written", ["größe", APART])
def test_accents_that_are_signs_of_their_own(written):
    here = split(frame().rename(columns={"age": "größe"}))
    assert fs.cox(here.where(f"{written} > 0"), f"Surv(time, status) ~ {written}").names == ("größe",)
    there = split(frame().rename(columns={"age": APART}))
    assert fs.cox(there, "Surv(time, status) ~ class").n == 80
    for ask in (
        lambda: fs.cox(there, f"Surv(time, status) ~ {written}"),
        lambda: there.where(f"{written} > 0"),
    ):
        with pytest.raises(ValueError, match="one looks the same"):
            ask()


def test_complex_numbers_are_refused_and_left_alone():
    table = frame().assign(z=lambda d: d.age + 1j)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sites = split(table)
        assert fs.cox(sites, "Surv(time, status) ~ age").n == 80
        with pytest.raises(fs.FormulaError, match="z holds"):
            fs.cox(sites, "Surv(time, status) ~ z")
        book = codebook_of([table.assign(z=table.age)])
        with pytest.raises(DataError, match="z must be a number; found complex numbers"):
            fs.InProcess({"a": table}, book, NONE)


def test_numbers_whose_squares_overflow_are_told_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sites = split(frame().assign(huge=lambda d: d.age * 1e200))
        fs.table_one(sites, variables=["huge"])
        for fit in (
            lambda: fs.logistic(sites, "status ~ huge"),
            lambda: fs.cox(sites, "Surv(time, status) ~ huge"),
            lambda: fs.glm(sites, "huge ~ age", family="gaussian"),
        ):
            with pytest.raises(NotConverged, match="not finite at the start of the fit"):
                fit()


def test_one_large_offset_in_a_shared_baseline_warns_of_nothing():
    """A step on the way is infinite in a risk set, both ways, and is halved; no number of it is shown."""
    table = lung_all().dropna(subset=["inst", "ph.ecog"]).reset_index(drop=True)
    table["off"] = np.where(np.arange(len(table)) == 36, 15.0, 0.0)
    sites = fs.InProcess({"a": table}, policy=NONE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fs.cox(sites, "Surv(time, status) ~ age + sex + ph.ecog", baseline="shared", offset="off")
    assert fit.converged
