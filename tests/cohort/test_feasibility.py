"""Counts by site against Riley's criteria: the numbers, in process and over an exchange, and what is not let out."""

import pandas as pd
import pytest

import fedstats as fs
from fedstats.cli import main
from fedstats.contract.federation import Waiting
from fedstats.contract.variable import Variable
from fedstats.numerics.sample_size import binary_sample_size, survival_sample_size
from fedstats.study.feasibility import feasibility
from tests.cohort.clean_site import clean_site, write_site
from tests.cohort.cohort_study import write_cohort_study

LOGISTIC = """
[[models]]
name = "resistance"
title = "Resistance"
kind = "logistic"
formula = "resistant ~ age + sex"
"""


@pytest.fixture
def study(tmp_path):
    """A study of two models."""
    folder = write_cohort_study(tmp_path / "study")
    with (folder / "study.toml").open("a") as file:
        file.write(LOGISTIC)
    return fs.Study.load(folder)


@pytest.fixture
def folders(tmp_path):
    """A folder of tables a site."""
    return {
        n: write_site(tmp_path / n, clean_site(k, s, n)) for n, k, s in (("north", 300, 1), ("south", 200, 2))
    }


def in_process(study, folders, policy=None):
    """The sites without an exchange."""
    return fs.InProcess({n: study.rows(f).frame for n, f in folders.items()}, study.codebook, policy)


def test_sites_are_found_under_the_labels_that_a_codebook_gives_them(study, folders):
    labelled = Variable(
        "site", "factor", levels=("north", "south"), level_labels=("The north", "The south"), of_site=True
    )
    codebook = study.codebook.with_variable(labelled)
    sites = fs.InProcess({n: study.rows(f).frame for n, f in folders.items()}, codebook)
    plain = feasibility(study, in_process(study, folders))
    pd.testing.assert_frame_equal(feasibility(study, sites), plain)
    assert plain["events"].notna().all()


def test_events_by_site_are_counted_and_compared_with_what_is_needed(study, folders):
    rows = {n: study.rows(f).frame for n, f in folders.items()}
    found = feasibility(study, in_process(study, folders)).set_index(["model", "site"])
    for name, frame in rows.items():
        assert found.loc[("os", name), ["patients", "events"]].tolist() == [
            len(frame),
            frame["os_event"].sum(),
        ]
        assert found.loc[("resistance", name), "patients"] == frame["resistant"].notna().sum()
    both = found.loc[("os", "Overall")]
    n, events = sum(map(len, rows.values())), sum(f["os_event"].sum() for f in rows.values())
    months = sum(f["os_months"].sum() for f in rows.values())
    assert both["per_parameter"] == pytest.approx(events / 3)
    assert both["needed"] == survival_sample_size(3, events / months, months / n, months / n).patients
    resistant = found.loc[("resistance", "Overall")]
    share = resistant["events"] / resistant["patients"]
    assert resistant["needed"] == binary_sample_size(2, share).patients
    assert resistant["enough"] == (resistant["patients"] >= resistant["needed"])


def test_what_a_policy_does_not_let_out_is_said_with_its_rule(study, tmp_path):
    few = {
        n: write_site(tmp_path / f"few-{n}", clean_site(k, 3, n)) for n, k in (("north", 300), ("south", 12))
    }
    found = feasibility(study, in_process(study, few)).set_index(["model", "site"])
    hidden = found[found["events"].isna()]
    assert len(hidden) > 0
    assert hidden["note"].str.len().min() > 0
    assert not found["events"].between(1, 10).any()


def test_sites_answer_over_an_exchange_as_in_process(study, folders, tmp_path):
    exchange, own = tmp_path / "exchange", tmp_path / "own"
    sites = {n: study.site(n, study.rows(f), "none", home=own / n) for n, f in folders.items()}
    found = None
    for _ in range(6):
        try:
            found = feasibility(study, fs.Folder(exchange, study=study, home=own / "coordinator"))
            break
        except Waiting:
            for site in sites.values():
                questions = fs.open_questions(exchange, site, study=study.digest)
                fs.send(exchange, site, questions, site.answers(questions), approve=True)
    expected = feasibility(study, in_process(study, folders, fs.DisclosurePolicy.none()))
    assert found is not None
    assert found.equals(expected)


def test_the_command_prints_the_table(study, folders, capfd):
    data = [word for name, folder in folders.items() for word in ("--data", f"{name}={folder}")]
    assert main(["feasibility", "--study", str(study.folder), *data, "--profile", "none"]) == 0
    out = capfd.readouterr().out
    assert "per_parameter" in out
    assert "Overall" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give either --data site=PATH"),
        (["--data", "west=x"], "--data is site=PATH of north, south; 'west' is none of them."),
    ],
)
def test_wrong_usage_is_said(study, arguments, said, capfd):
    assert main(["feasibility", "--study", str(study.folder), *arguments]) == 64
    assert said in capfd.readouterr().err
