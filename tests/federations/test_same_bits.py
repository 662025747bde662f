"""Whatever carries the questions, ``results.json`` has the same bytes."""

import itertools

import pytest

import fedstats as fs
from tests.federations.small_study import (
    attended_pass,
    finish,
    opened_answer,
    question_numbers,
    serving,
    start_coordinator,
    start_site,
)


def ask_all(here):
    sites = fs.Folder(here.exchange, study=here.study, wait_seconds=20)
    found = fs.together(sites, **here.study.analyses())
    sites.close()
    return fs.save_results(found, here.results, study=here.study.digest)


def test_a_folder_served_by_threads_gives_the_bytes_of_one_process(here):
    with serving(here.exchange, here.sites, here.study):
        assert ask_all(here) == here.sha256


@pytest.mark.acceptance(2)
def test_a_folder_served_by_processes_gives_the_bytes_of_one_process(here):
    with_sites_first = [start_site(here, name) for name in ("west", "north", "south")]
    finish(start_coordinator(here), *with_sites_first)
    assert fs.load_results(here.results)["own_baseline"].converged
    assert (
        fs.save_results(fs.load_results(here.results), here.results, study=here.study.digest) == here.sha256
    )


def test_sites_that_start_after_the_coordinator_change_nothing(here):
    coordinator = start_coordinator(here)
    while not question_numbers(here.exchange):
        coordinator.join(0.01)
    finish(coordinator, *(start_site(here, name) for name in here.data))
    assert (
        fs.save_results(fs.load_results(here.results), here.results, study=here.study.digest) == here.sha256
    )


def test_every_analysis_of_the_study_was_estimated(here):
    assert [type(v).__name__ for v in here.found.values()] == ["PatientTable", "Curve", "Fit", "Fit", "Fit"]


@pytest.mark.parametrize("order", list(itertools.permutations(("north", "south", "west")))[1:], ids="-".join)
@pytest.mark.acceptance(2)
def test_the_order_of_the_sites_and_who_bears_which_name_change_nothing(here, order, tmp_path):
    frames = {name: here.frames[rows] for name, rows in zip(order, ("north", "south", "west"), strict=True)}
    whole = fs.InProcess(frames, codebook=here.study.codebook, policy=here.study.policy)
    found = fs.together(whole, **here.study.analyses())
    assert fs.save_results(found, here.results, study=here.study.digest) == here.sha256


@pytest.mark.acceptance(2)
def test_sites_that_answer_in_any_order_and_in_part_change_nothing(here):
    for round_number in itertools.count():
        try:
            found = fs.together(fs.Folder(here.exchange, study=here.study), **here.study.analyses())
            break
        except fs.Waiting:
            turn = round_number % 3
            names = sorted(here.sites)[turn:] + sorted(here.sites)[:turn]
            attended_pass(
                here.exchange, {n: here.sites[n] for n in names[: 1 + round_number % 3]}, here.study
            )
    assert fs.save_results(found, here.results, study=here.study.digest) == here.sha256


def asked_and_answered(here):
    """Every question with what the sites have answered, opened: sealed answers never look the same twice."""
    questions = fs.Ledger(here.exchange).questions()
    return [
        (q.query, {s: opened_answer(here.exchange, here.study, s, q.number).to_dict() for s in here.sites})
        for q in questions
    ]


def test_two_runs_of_the_study_file_the_same_questions(here, tmp_path):
    with serving(here.exchange, here.sites, here.study):
        ask_all(here)
    first = asked_and_answered(here)
    here.exchange = tmp_path / "again"
    with serving(here.exchange, here.sites, here.study):
        ask_all(here)
    assert asked_and_answered(here) == first
