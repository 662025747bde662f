"""The synthetic study as it ships: at sites that are strict and remember, every analysis is let out."""

import pytest

import fedstats as fs
from fedstats.contract.results import NotAvailable, Table
from tests import nsclc_cohort
from tests.study.remembering import Remembering

#: Grids and edges that a site does not let out, before coarser ones that it does.
GRIDS_TRIED = 24


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    here = tmp_path_factory.mktemp("nsclc")
    study = nsclc_cohort.study()
    sites = {
        name: study.site(name, rows, "strict", home=here / name)
        for name, rows in nsclc_cohort.site_rows().items()
    }
    federation = Remembering(study, sites)
    return fs.together(federation, **study.analyses()), federation


def test_every_analysis_is_let_out(found):
    results, _ = found
    assert {name: r.reason for name, r in results.items() if isinstance(r, NotAvailable)} == {}
    assert [r.refused for r in results.values() if isinstance(r, Table)] == [()]
    assert len(results) == 32


def test_what_is_refused_is_a_grid_that_a_coarser_one_replaces(found):
    _, federation = found
    refused = [refusal.rule for asked in federation.history() for refusal in asked.refused.values()]
    assert len(refused) == GRIDS_TRIED + 1
    assert set(refused) <= {"leavers of a time cell", "events of a time cell", "pair of levels", "entry"}
    others = [a.query for a in federation.history() if a.refused and not is_coarsened(a.query)]
    assert [type(query).__name__ for query in others] == [
        "GlmMeat"
    ]  # of the propensity: its expectation stands in


def is_coarsened(query):
    model = getattr(query, "model", query)
    return bool(getattr(model, "grid", ()) or getattr(model, "edges", ()))
