"""Whoever is killed, and when: started again, the study ends with the same bytes, and nothing is asked or written twice."""

import json
import time

import pytest

import fedstats as fs
from fedstats.methods.descriptives import LevelCounts
from tests.federations.small_study import (
    files,
    finish,
    kill,
    question_numbers,
    serving,
    start_coordinator,
    start_site,
    wait_for_answers,
)


def sha256_of_results(here):
    return fs.save_results(fs.load_results(here.results), here.results, study=here.study.digest)


def assert_kept(here, before):
    """Nothing that was there has been touched, and the questions are 1, 2, 3 ..., each asked once."""
    now = files(here.exchange)
    assert {name: now.get(name) for name in before} == before
    numbers = question_numbers(here.exchange)
    assert numbers == list(range(1, len(numbers) + 1))
    digests = [q.query.digest() for q in fs.Ledger(here.exchange).questions()]
    assert len(set(digests)) == len(digests)
    assert list(fs.Ledger(here.exchange).verify()) == []


@pytest.mark.parametrize("answers", [0, 1, 5, 12])
def test_a_coordinator_killed_and_started_again_ends_with_the_same_bytes(quick, answers):
    coordinator = start_coordinator(quick)
    while not question_numbers(quick.exchange):
        coordinator.join(0.01)
    with serving(quick.exchange, quick.sites if answers else {}, quick.study):
        wait_for_answers(quick.exchange, answers)
        kill(coordinator)
    assert not quick.results.exists()
    before = files(quick.exchange)
    with serving(quick.exchange, quick.sites, quick.study):
        finish(start_coordinator(quick))
    assert sha256_of_results(quick) == quick.sha256
    assert_kept(quick, before)


def test_a_coordinator_killed_again_and_again_ends_with_the_same_bytes(quick):
    with serving(quick.exchange, quick.sites, quick.study):
        for answers in (3, 9, 15):
            coordinator = start_coordinator(quick)
            wait_for_answers(quick.exchange, answers)
            kill(coordinator)
        before = files(quick.exchange)
        finish(start_coordinator(quick))
    assert sha256_of_results(quick) == quick.sha256
    assert_kept(quick, before)


def test_a_site_killed_and_started_again_goes_on_where_it_stopped(quick):
    others = {name: quick.sites[name] for name in ("south", "west")}
    coordinator, site = start_coordinator(quick), start_site(quick, "north")
    while not question_numbers(quick.exchange):
        coordinator.join(0.01)
    with serving(quick.exchange, others, quick.study):
        wait_for_answers(quick.exchange, 6)
        kill(site)
        before = files(quick.exchange)
        finish(start_site(quick, "north"), coordinator)
    assert sha256_of_results(quick) == quick.sha256
    assert_kept(quick, before)


def test_coordinator_and_site_killed_and_started_in_either_order_end_with_the_same_bytes(quick):
    others = {name: quick.sites[name] for name in ("south", "west")}
    coordinator, site = start_coordinator(quick), start_site(quick, "north")
    while not question_numbers(quick.exchange):
        coordinator.join(0.01)
    with serving(quick.exchange, others, quick.study):
        wait_for_answers(quick.exchange, 4)
        kill(coordinator)
        kill(site)
        before = files(quick.exchange)
        finish(start_site(quick, "north"), start_coordinator(quick))
    assert sha256_of_results(quick) == quick.sha256
    assert_kept(quick, before)


def test_what_a_kill_leaves_half_written_is_not_taken_for_a_message(quick):
    with serving(quick.exchange, quick.sites, quick.study):
        coordinator = start_coordinator(quick)
        wait_for_answers(quick.exchange, 3)
        kill(coordinator)
        (quick.exchange / "questions" / ".000009-abc.part").write_bytes(b'{"number":9,')
        (quick.exchange / "answers" / "north" / ".000009-abc.part").write_bytes(b"{")
        finish(start_coordinator(quick))
    assert sha256_of_results(quick) == quick.sha256


# Sites that do not come ------------------------------------------------------------------------


@pytest.mark.acceptance(15)
def test_a_site_that_never_comes_is_named_when_the_wait_is_over(quick):
    with serving(quick.exchange, {n: quick.sites[n] for n in ("north", "west")}, quick.study):
        began = time.monotonic()
        with pytest.raises(
            fs.SiteMissing, match=r"^The site south did not answer within 0\.5 s\. All answers so far"
        ):
            fs.together(
                fs.Folder(quick.exchange, study=quick.study, wait_seconds=0.5), **quick.study.analyses()
            )
        assert 0.5 <= time.monotonic() - began < 10
    assert (quick.exchange / "answers" / "north" / "000001.json").exists()


def test_a_marker_of_absence_ends_the_wait_at_once_and_its_removal_lets_the_study_finish(quick):
    marker = quick.exchange / "absent" / "south.json"
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps({"site": "south", "reason": "notebook failed"}))
    with serving(quick.exchange, {n: quick.sites[n] for n in ("north", "west")}, quick.study):
        began = time.monotonic()
        with pytest.raises(fs.SiteMissing, match=r"^The site south was reported gone\."):
            fs.together(
                fs.Folder(quick.exchange, study=quick.study, wait_seconds=60), **quick.study.analyses()
            )
        assert time.monotonic() - began < 20
        wait_for_answers(quick.exchange, 4)
    before = files(quick.exchange)
    marker.unlink()
    with serving(quick.exchange, quick.sites, quick.study):
        sites = fs.Folder(quick.exchange, study=quick.study, wait_seconds=20)
        found = fs.together(sites, **quick.study.analyses())
    assert fs.save_results(found, quick.results, study=quick.study.digest) == quick.sha256
    assert_kept(quick, before)


def test_an_absent_site_that_has_answered_everything_is_not_missed(quick):
    with serving(quick.exchange, quick.sites, quick.study):
        fs.together(fs.Folder(quick.exchange, study=quick.study, wait_seconds=20), **quick.study.analyses())
    (quick.exchange / "absent").mkdir()
    (quick.exchange / "absent" / "south.json").write_text("{}")
    sites = fs.Folder(quick.exchange, study=quick.study, wait_seconds=20)
    found = fs.together(sites, **quick.study.analyses())
    assert fs.save_results(found, quick.results, study=quick.study.digest) == quick.sha256


def test_a_site_that_waits_for_a_coordinator_in_vain_says_so(quick):
    with pytest.raises(fs.SiteMissing, match=r"^No question came within 0\.1 s\. Answers so far are kept"):
        fs.serve(quick.exchange, quick.sites["north"], study=quick.study.digest, wait_seconds=0.1)


def test_the_egress_sheet_has_a_line_for_every_answer_whichever_way_it_was_judged(quick):
    refused = LevelCounts("height", None, (), ("F",))  # a column that no site knows: refused without a count
    with serving(quick.exchange, quick.sites, quick.study, patience=20) as sheets:
        sites = fs.Folder(quick.exchange, study=quick.study, wait_seconds=20)
        fs.together(sites, a=lambda s: s.sum(refused), **quick.study.analyses())
        sites.close()
        end = time.monotonic() + 5
        while len(sheets) < 3 and time.monotonic() < end:
            time.sleep(0.01)
    assert list(sheets["north"]["question"]) == question_numbers(quick.exchange)
    assert list(sheets["north"]["leaves"]).count(False) == 1


def test_two_coordinators_at_once_ask_nothing_twice(quick):
    with serving(quick.exchange, quick.sites, quick.study):
        first, second = start_coordinator(quick), start_coordinator(quick)
        finish(first, second)
    assert sha256_of_results(quick) == quick.sha256
    assert_kept(quick, {})


def test_a_coordinator_reported_gone_ends_the_wait_of_a_site_at_once(quick):
    with pytest.raises(fs.Waiting):
        fs.together(fs.Folder(quick.exchange, study=quick.study), **quick.study.analyses())
    (quick.exchange / "absent").mkdir()
    (quick.exchange / "absent" / "coordinator.json").write_text("{}")
    began = time.monotonic()
    with pytest.raises(fs.SiteMissing, match=r"^The coordinator was reported gone\. Answers so far are kept"):
        fs.serve(quick.exchange, quick.sites["north"], study=quick.study.digest, wait_seconds=60)
    assert time.monotonic() - began < 20
    assert (quick.exchange / "answers" / "north" / "000002.json").exists()
