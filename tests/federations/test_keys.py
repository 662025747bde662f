"""Keys are made where they are used, kept private, believed on first use, and no others after that."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

import fedstats as fs
from fedstats.federations.asking import Asking
from fedstats.federations.desk import Desk
from fedstats.federations.envelope import compose
from fedstats.federations.keys import COORDINATOR, HOME_VARIABLE, Identity, home_of
from tests.federations.small_study import (
    STUDY,
    ask_until_answered,
    attended_pass,
    coordinator,
    rewrite,
    write_study,
)

ASK = "response ~ age"


@pytest.fixture
def opened(here):
    """An exchange with one open question."""
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), ASK)
    return here


def with_keys(here, folder, **fingerprints):
    """The small study, with fingerprints under [keys]."""
    lines = "".join(f'{place} = "{value}"\n' for place, value in fingerprints.items())
    return fs.Study.load(write_study(folder, f"{STUDY}\n[keys]\n{lines}"))


def fingerprint(study, place):
    return Identity.of(home_of(study.id, place), place).public.fingerprint


def at_home(site, home, fingerprints=None):
    """The same site with other keys."""
    return fs.Site(
        site.name, site.data.frame, site.data.codebook, site.policy, home=home, fingerprints=fingerprints
    )


def test_keys_are_made_once_and_for_this_user_alone(tmp_path):
    first = Identity.of(tmp_path / "home", "north").public
    assert Identity.of(tmp_path / "home", "north").public == first
    assert stat.S_IMODE((tmp_path / "home" / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_keys_are_not_shown_by_accident(tmp_path):
    identity = Identity.of(tmp_path, "north")
    secret = json.loads((tmp_path / "keys.json").read_text())
    assert secret["sign"] not in repr(identity)
    assert "Private" not in repr(identity)


def test_keys_that_others_can_read_are_refused(tmp_path):
    Identity.of(tmp_path, "north")
    (tmp_path / "keys.json").chmod(0o640)
    with pytest.raises(fs.LedgerMismatch, match="can be read by others"):
        Identity.of(tmp_path, "north")


@pytest.mark.acceptance(13)
def test_the_keys_of_another_place_are_refused(tmp_path):
    Identity.of(tmp_path, "south")
    with pytest.raises(fs.LedgerMismatch, match="are those of south, not of north"):
        Identity.of(tmp_path, "north")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"place": "north", "sign": "00", "seal": "zz"}'])
def test_a_file_that_holds_no_keys_is_named(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)
    (tmp_path / "keys.json").chmod(0o600)
    with pytest.raises(fs.LedgerMismatch, match=r"keys\.json is not a file of keys"):
        Identity.of(tmp_path, "north")


def test_a_private_folder_is_the_one_named_or_below_the_users_own(monkeypatch, tmp_path):
    assert home_of("lung", "north", tmp_path) == tmp_path
    monkeypatch.setenv(HOME_VARIABLE, "/somewhere")
    assert str(home_of("lung", "north")) == "/somewhere/lung/north"
    monkeypatch.delenv(HOME_VARIABLE)
    monkeypatch.setenv("HOME", "/home/u")
    assert str(home_of("lung", "north")) == "/home/u/.fedstats/lung/north"


@pytest.mark.acceptance(13)
def test_a_coordinator_with_other_keys_cannot_go_on_with_an_exchange(opened, tmp_path):
    with pytest.raises(fs.LedgerMismatch, match="was opened with other keys of the coordinator"):
        fs.Folder(opened.exchange, study=opened.study, home=tmp_path / "other")


@pytest.mark.acceptance(13)
def test_a_site_that_knows_the_coordinator_refuses_another(opened, tmp_path):
    site = at_home(opened.sites["south"], tmp_path / "south")
    assert fs.open_questions(opened.exchange, site)
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(tmp_path / "second", study=opened.study, home=tmp_path / "thief"), ASK)
    with pytest.raises(fs.LedgerMismatch, match="Compare the fingerprint with the coordinator by telephone"):
        fs.open_questions(tmp_path / "second", site)
    assert not (tmp_path / "second" / "joins").exists()


@pytest.mark.acceptance(13)
def test_an_opening_signed_by_itself_is_refused_where_the_study_names_the_coordinator(here, tmp_path):
    """Whoever can write in the folder opens it in the coordinator's name, with keys of his own."""
    study = with_keys(here, tmp_path / "s", coordinator=fingerprint(here.study, COORDINATOR))
    Asking(here.exchange, tmp_path / "thief").open(study.digest, study.id, study.sites)
    named = at_home(here.sites["south"], tmp_path / "south", study.fingerprints)
    with pytest.raises(fs.LedgerMismatch, match="somebody else may be writing in its name"):
        fs.open_questions(here.exchange, named, study=study.digest)
    unnamed = at_home(here.sites["south"], tmp_path / "south2")  # first use: the attack succeeds
    assert fs.open_questions(here.exchange, unnamed, study=study.digest) == []


@pytest.mark.acceptance(13)
def test_a_site_with_other_keys_than_the_study_names_is_refused(here, tmp_path):
    study = with_keys(here, tmp_path / "s", south="0000-" * 7 + "0000")
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=study), ASK)
    attended_pass(here.exchange, here.sites, study)
    with pytest.raises(fs.LedgerMismatch, match="The keys of south have the fingerprint"):
        fs.logistic(fs.Folder(here.exchange, study=study), ASK)


@pytest.mark.acceptance(13)
def test_somebody_who_joins_in_the_name_of_a_site_is_noticed_by_the_site(opened, tmp_path):
    Desk(opened.exchange, at_home(opened.sites["south"], tmp_path / "thief")).join()
    with pytest.raises(fs.LedgerMismatch, match="Somebody has joined the exchange as south with other keys"):
        fs.open_questions(opened.exchange, opened.sites["south"])


@pytest.mark.acceptance(13)
def test_a_swapped_key_in_the_roster_is_noticed(fitted):
    path = fitted.exchange / "roster" / "0001.json"
    other = fitted.sites["north"]

    def swap(roster):
        roster["south"] = roster[other.name]

    thief = Desk(fitted.exchange, other)
    header = {"study": thief.ledger.head.sha256}
    path.unlink()
    path.write_bytes(compose(replace(thief.identity, place=COORDINATOR), "roster", header, {}))
    with pytest.raises(fs.LedgerMismatch, match="is not signed by coordinator"):
        fs.open_questions(fitted.exchange, fitted.sites["south"])
    path.unlink()
    desk = coordinator(fitted.exchange, fitted.study)
    desk.list_keys(desk.ledger.head)
    rewrite(path, swap, fitted.study)  # the coordinator itself lies
    with pytest.raises(fs.LedgerMismatch, match="roster lists other keys of south"):
        fs.open_questions(fitted.exchange, fitted.sites["south"])
    assert any("roster lists other keys of south" in fault for fault in fs.Ledger(fitted.exchange).verify())


def test_every_answer_echoes_the_roster_of_its_question(fitted):
    ledger = fs.Ledger(fitted.exchange)
    rosters = {q.roster for q in ledger.questions()}
    assert rosters == {"", ledger.members.roster(1)[0]}
    for question in ledger.questions():
        for site in fitted.sites:
            assert ledger.sealed_answer(site, question).header["roster"] == question.roster


def test_keys_by_the_command_line(tmp_path, capsys, monkeypatch):
    from fedstats.cli import main

    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    assert main(["keys", "lung", "site-a", "--home", str(tmp_path / "a")]) == 0
    said = capsys.readouterr().out
    assert Identity.of(tmp_path / "a", "site-a").public.fingerprint in said
    assert main(["keys", "lung", "site-x", "--home", str(tmp_path / "x")]) == 64
    assert "site-a, site-b, site-c" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


# Revoked ----------------------------------------------------------------------------------------


@pytest.fixture
def revoked(fitted, tmp_path):
    """A finished exchange, and the study amended because the keys of south were stolen."""
    stolen = fingerprint(fitted.study, "south")
    text = STUDY.replace('profile = "none"', f'profile = "none"\nrevoked_keys = ["{stolen}"]')
    study = fs.Study.load(write_study(tmp_path / "amended", text))
    with pytest.raises(fs.Waiting):
        fitted.ask(fs.Folder(fitted.exchange, study=study, amend="The laptop of south was stolen."))
    return fitted, study


@pytest.mark.acceptance(13)
def test_a_site_does_not_work_with_keys_that_were_revoked(revoked):
    here, study = revoked
    with pytest.raises(fs.LedgerMismatch, match=r"have been revoked: remove keys\.json"):
        fs.open_questions(here.exchange, here.sites["south"], study=study.digest)
    assert len(fs.open_questions(here.exchange, here.sites["north"], study=study.digest)) == 1


@pytest.mark.acceptance(13)
def test_whoever_has_stolen_revoked_keys_takes_no_part(revoked, monkeypatch):
    here, study = revoked
    monkeypatch.setattr(Desk, "_check_version", lambda *_: None)  # the thief's own software asks nothing
    with pytest.raises(fs.LedgerMismatch, match="with keys that version 2 of the study has revoked"):
        attended_pass(here.exchange, here.sites, study)
    with pytest.raises(fs.Waiting, match="south"):
        here.ask(fs.Folder(here.exchange, study=study))
    assert any(
        "with keys that version 2 of the study has revoked" in fault
        for fault in fs.Ledger(here.exchange).verify()
    )


@pytest.mark.acceptance(13)
def test_with_new_keys_everything_is_asked_anew_and_ends_at_the_same_results(revoked):
    here, study = revoked
    keys = home_of(study.id, "south") / "keys.json"
    keys.unlink()
    fit = ask_until_answered(here.exchange, here.sites, study, here.ask)
    assert fit.coef.equals(here.fit.coef)
    assert list(fs.Ledger(here.exchange).verify()) == []
    asked = {question.version for question in fs.Ledger(here.exchange).questions()}
    assert asked == {1, 2}


@pytest.mark.acceptance(13)
def test_an_answer_to_an_earlier_question_is_not_taken_once_its_keys_are_revoked(opened, tmp_path):
    # an open question of version 1: the thief answers it after the amendment
    stolen = fingerprint(opened.study, "south")
    text = STUDY.replace('profile = "none"', f'profile = "none"\nrevoked_keys = ["{stolen}"]')
    study = fs.Study.load(write_study(tmp_path / "amended", text))
    attended_pass(opened.exchange, opened.sites, opened.study)
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(opened.exchange, study=study, amend="Stolen."), ASK)
    assert fs.Ledger(opened.exchange).questions()[-1].version == 2


@pytest.mark.parametrize("wrong", ["abcd", "A" * 39, 7])
def test_what_is_no_fingerprint_cannot_be_revoked(tmp_path, wrong):
    value = wrong if isinstance(wrong, int) else f'"{wrong}"'
    text = STUDY.replace('profile = "none"', f'profile = "none"\nrevoked_keys = [{value}]')
    with pytest.raises(fs.StudyError, match="revoked_keys"):
        fs.Study.load(write_study(tmp_path, text))
