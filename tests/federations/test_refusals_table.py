"""The coordinator's view of refusals: which question, which site, which rule, what would make it pass; no number."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

import fedstats as fs
from fedstats.contract.disclosure import Refusal
from fedstats.contract.federation import NOT_FINITE, Asked, Federation
from fedstats.contract.remedies import remedy
from fedstats.federations.refusals import COLUMNS
from tests.docs.disclosure_page import PAGE
from tests.federations.small_study import serving, site_objects

CURVE, SUBSET = "Surv(time, event) ~ arm", "age > 78"


@pytest.fixture
def network():
    """Two sites where 6-month cells by arm are too small for the gate, and 12-month cells are not."""
    policy = fs.DisclosurePolicy(min_leavers=15, min_patients=3)
    frames = {name: PAGE.cohort(n) for name, n in (("north", 200), ("south", 220))}
    frames = {name: frame.assign(time=frame["time"].clip(upper=24)) for name, frame in frames.items()}
    study = SimpleNamespace(
        id="x",
        digest="d",
        sites=("north", "south"),
        codebook=PAGE.CODEBOOK,
        policy=policy,
        frames=frames,
        fingerprints={},
        revoked_keys=(),
    )
    study.in_process = fs.InProcess(frames, PAGE.CODEBOOK, policy)
    return study


def ask(sites):
    return fs.together(
        sites,
        curve=lambda s: fs.kaplan_meier(s, CURVE),
        shared=lambda s: fs.cox(
            s, "Surv(time, event) ~ age + sex", baseline="shared", strata="arm", ties="breslow"
        ),
        few=lambda s: fs.logistic(s.where(SUBSET), "event ~ age"),
    )


def test_a_refusal_that_a_coarser_grid_cured_is_listed_and_marked(network):
    found = ask(network.in_process)
    assert found.curve.status == "exact on the grid of 12 months"
    table = fs.refusals(network.in_process)
    curves = table[table["kind"] == "RiskTable"]
    assert set(curves["rule"]) == {"leavers of a time cell"}
    assert set(curves["then"]) == {"answered with a coarser or shorter time grid"}
    assert all("on 4 time cells" in asked for asked in curves["asked"])


def test_a_grid_within_a_model_is_a_choice_as_well(network):
    assert ask(network.in_process).shared.status == "exact on the grid of 12 months"
    table = fs.refusals(network.in_process)
    assert set(table.loc[table["kind"] == "CoxRiskSets", "then"]) == {"answered with a coarser time grid"}


def test_a_refusal_that_stands_says_what_would_make_it_pass(network):
    assert isinstance(ask(network.in_process).few, fs.NotAvailable)
    table = fs.refusals(network.in_process)
    rows = table[table["kind"] == "GlmDerivatives"]
    assert rows["site"].tolist() == ["north", "south"]
    assert set(rows["then"]) == {""}
    (row,) = rows[rows["site"] == "north"].to_dict("records")
    assert row["remedy"] == remedy(row["rule"])
    assert row["asked"].startswith("Logistic regression of event on age (patients with age > 78)")


def test_a_folder_gives_the_table_of_one_process(network, tmp_path):
    ask(network.in_process)
    with serving(tmp_path, site_objects(network, network.frames), network):
        folder = fs.Folder(tmp_path, study=network, wait_seconds=20)
        ask(folder)
    by = ["kind", "asked", "site"]
    expected = fs.refusals(network.in_process).sort_values(by, ignore_index=True)
    assert len(expected) >= 4
    for sites in (folder, folder.where("age > 50"), fs.Folder(tmp_path, study=network)):
        assert fs.refusals(sites).sort_values(by, ignore_index=True).equals(expected)


def test_the_table_holds_no_number_of_the_sites(network):
    ask(network.in_process)
    table = fs.refusals(network.in_process)
    for column in ("kind", "site", "entry", "rule", "remedy", "then"):
        assert not re.search(r"\d", " ".join(table[column]))
    asked = " ".join(table["asked"])  # the question's own numbers
    assert {*re.findall(r"\d+", asked)} <= {"4", "78"}


def test_nothing_refused_is_an_empty_table(network):
    sites = fs.InProcess(network.frames, PAGE.CODEBOOK, fs.DisclosurePolicy.none())
    fs.kaplan_meier(sites, CURVE)
    table = fs.refusals(sites)
    assert (len(table), list(table.columns)) == (0, COLUMNS)
    assert "none: every site answered" in fs.refusals_table(table)._repr_html_()


class Mute(Federation):
    """A carrier that keeps no account."""

    sites = ("north",)

    def ask(self, query):  # noqa: ARG002
        raise fs.Waiting


def test_a_carrier_without_an_account_has_no_refusals():
    assert fs.refusals(Mute()).empty


def at(beta, *, refused=False):
    query = replace(PAGE.EXAMPLES["CoxDerivatives"][0], beta=beta)
    refusal = {"north": Refusal("CoxDerivatives", NOT_FINITE, "the sums are finite at these coefficients")}
    return Asked(query, refusal if refused else {}, answered=not refused)


def test_a_point_that_a_fit_has_left_again_is_marked():
    course = [at((0.0, 0.0)), at((900.0, 0.0), refused=True), at((1.0, 0.0))]
    (row,) = fs.refusals(course).to_dict("records")
    assert row["then"] == "answered at another point"
    assert "smaller step" in row["remedy"]
    (row,) = fs.refusals(course[:2]).to_dict("records")  # what was answered before cures nothing
    assert row["then"] == ""


def test_a_finer_question_of_another_model_cures_nothing():
    table = PAGE.EXAMPLES["RiskTable"][0]
    refusal = {"north": Refusal("RiskTable", "entry", "entry")}
    others = [replace(table, group=None, grid=(12.0, 24.0)), replace(table, time="entry", grid=(24.0,))]
    for other in others:
        history = [Asked(table, refusal, answered=False), Asked(other, {}, answered=True)]
        assert fs.refusals(history)["then"].tolist() == [""]
    coarser = Asked(replace(table, grid=(12.0, 24.0)), {}, answered=True)
    history = [Asked(table, refusal, answered=False), coarser]
    assert fs.refusals(history)["then"].tolist() == ["answered with a coarser or shorter time grid"]
    assert fs.refusals([*history[:1], replace(coarser, answered=False)])["then"].tolist() == [""]


def test_the_table_of_a_report_escapes_and_names_the_sites(network):
    ask(network.in_process)
    frame = fs.refusals(network.in_process).assign(asked="<script>alert(1)</script>")
    page = fs.refusals_table(frame, site_title=lambda site: f"Hospital {site}")._repr_html_()
    assert "<script>" not in page
    assert "Hospital north" in page
    assert "not released" in page
