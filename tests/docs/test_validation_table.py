"""docs/validation-table.md is what the tests against R compare today, and leaves no cell empty."""

import contextlib
import io
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from tests.datasets import lung as lung_data
from tests.datasets import split_unevenly
from tests.reference.comparison import SITES, Layout, cases
from tests.reference.options import OPTIONS, Comparison, shows

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "make_validation_table.py"
PAGE = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
EVERYTHING = frozenset(what for option in OPTIONS for what in option.compared)


def test_the_page_is_up_to_date_and_no_cell_is_empty():
    """In a process of its own, where pytest collects the tests that there are and not those that were asked for."""
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "up to date\n"), done.stdout + done.stderr


@pytest.fixture(scope="module")
def lung():
    case = cases("regression", "cox")["lung, weights, strata inst, Efron"]
    return [Comparison(Layout("regression", "cox", "lung", k, case), EVERYTHING) for k in SITES]


def option(words):
    (found,) = [o for o in OPTIONS if o.model == "Cox" and o.name.startswith(words)]
    return found


def test_a_case_shows_what_it_asks_for_and_nothing_else(lung):
    assert shows(lung[0], option("`weights`, each site"))
    assert not shows(lung[0], option("`weights`, shared"))
    assert not shows(lung[0], option("`offset`, each site"))
    assert not shows(lung[0], option("Breslow's ties, each site"))


def test_what_is_not_compared_is_not_shown(lung):
    compared = lung[0]._replace(compared=frozenset({"coefficients"}))
    assert not shows(compared, option("`weights`, each site"))
    assert not shows(compared, option("score test"))


def test_a_number_of_sites_without_a_test_is_named(lung):
    words = "Cox, `weights`, each site its own hazard: no test at 17 sites"
    assert words in PAGE.empty_cells(lung[:-1])
    assert words not in PAGE.empty_cells(lung)


def test_an_empty_cell_makes_the_script_fail(lung, monkeypatch, tmp_path):
    monkeypatch.setitem(PAGE.main.__globals__, "PAGE", tmp_path / "validation-table.md")
    monkeypatch.setitem(PAGE.main.__globals__, "collected", lambda: lung[:-1])
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert PAGE.main([]) == PAGE.main(["--check"]) == 1
    assert "no test at 17 sites" in said.getvalue()


@pytest.mark.parametrize("k", SITES)
def test_rows_are_dealt_as_the_page_says(k):
    frame = lung_data().assign(row=range(226))
    sites = list(split_unevenly(frame, k, event="status").values())
    assert len(sites) == k
    assert sorted(pd.concat(sites)["row"]) == list(range(226))
    assert len(sites[0]) >= 0.49 * len(frame)
    assert not sites[0]["row"].is_monotonic_increasing
    assert k <= 2 or sites[-1]["status"].sum() == 0
    institutions = split_unevenly(frame, k, "inst", "status").values()
    assert sum(site["inst"].nunique() for site in institutions) == frame["inst"].nunique()
