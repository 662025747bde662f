"""A coordinator knows its sites by the keys it has accepted first: across versions, rosters and exchanges of a study."""

import shutil

import pytest

import fedstats as fs
from fedstats.federations.desk import Desk
from fedstats.federations.envelope import compose, read_envelope
from fedstats.federations.keys import COORDINATOR, Identity, home_of
from fedstats.federations.known_sites import KnownSites
from tests.federations.small_study import STUDY, ask_until_answered, attended_pass, write_study

RESPONSE = "response ~ age"
KNOWN_BY_OTHERS = (
    r"north takes part in version \d with keys of the fingerprint .*, and was known by others before"
)


@pytest.fixture(autouse=True)
def home_of_this_test(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDSTATS_HOME", str(tmp_path / "home"))


@pytest.fixture
def thief(fitted, tmp_path):
    """Somebody who may write in the folder and has no keys: invented rows, keys of his own."""
    lies = fitted.frames["north"].copy()
    lies["age"] = 130 - lies["age"]
    return fs.Site("north", lies, fitted.study.codebook, fitted.study.policy, home=tmp_path / "thief")


def amended(here, folder, **replaced):
    """A second version of the study, filed by the coordinator with a question about it."""
    text = STUDY.replace('version = "1"', 'version = "2"')
    for old, new in replaced.items():
        text = text.replace(old, new)
    study = fs.Study.load(write_study(folder, text))
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=study, amend="One model more."), RESPONSE)
    return study


def logistic(sites):
    return fs.logistic(sites, RESPONSE)


def join_first(here, study, thief):
    """The thief joins before the true north does; its chain goes on from the answers that lie there."""
    desk = Desk(here.exchange, thief)
    shutil.copytree(here.exchange / "answers" / "north", desk.outbox)
    attended_pass(here.exchange, here.sites | {"north": thief}, study)


def take_north_away(here):
    """As anybody may who writes in the folder: roster, join and answers of north, and what names the roster."""
    (here.exchange / "roster" / "0001.json").unlink()
    (here.exchange / "joins" / "0001" / "north.json").unlink()
    shutil.rmtree(here.exchange / "answers" / "north")
    for path in sorted((here.exchange / "questions").glob("*.json"))[1:]:
        path.unlink()
        for answer in here.exchange.glob(f"answers/*/{path.name}"):
            answer.unlink()


@pytest.mark.acceptance(13)
def test_whoever_joins_a_new_version_first_is_not_taken_for_a_known_site(fitted, thief, tmp_path):
    study = amended(fitted, tmp_path / "v2")
    join_first(fitted, study, thief)
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS) as caught:
        fs.logistic(fs.Folder(fitted.exchange, study=study), RESPONSE)
    assert "take joins/0002/north.json, and answers signed with them, out" in str(caught.value)
    faults = list(fs.Ledger(fitted.exchange).verify())
    assert [f for f in faults if "north takes part in version 2 with other keys" in f] == faults
    assert len(faults) == 1
    assert faults[0] in fs.verify(fitted.exchange, study).faults
    assert not (fitted.exchange / "roster" / "0002.json").exists()


@pytest.mark.acceptance(13)
def test_without_what_the_coordinator_knows_the_thief_s_rows_are_believed(
    fitted, thief, tmp_path, monkeypatch
):
    """What knowing the sites is for."""
    monkeypatch.setattr(KnownSites, "require", lambda *_: None)
    study = amended(fitted, tmp_path / "v2")
    join_first(fitted, study, thief)
    fit = ask_until_answered(fitted.exchange, fitted.sites | {"north": thief}, study, logistic)
    assert not fit.coef.equals(logistic(fitted.whole).coef)


@pytest.mark.acceptance(13)
def test_once_the_join_of_the_thief_is_out_the_true_site_goes_on(fitted, thief, tmp_path):
    study = amended(fitted, tmp_path / "v2")
    join_first(fitted, study, thief)
    (fitted.exchange / "joins" / "0002" / "north.json").unlink()
    max((fitted.exchange / "answers" / "north").iterdir()).unlink()  # and the answer that the thief has sent
    fit = ask_until_answered(fitted.exchange, fitted.sites, study, logistic)
    assert fit.coef.equals(logistic(fitted.whole).coef)
    assert list(fs.Ledger(fitted.exchange).verify()) == []


@pytest.mark.acceptance(13)
def test_a_known_site_does_not_join_anew_where_roster_join_and_answers_were_taken_away(fitted, thief):
    take_north_away(fitted)
    questions = fs.open_questions(fitted.exchange, thief, study=fitted.study.digest)
    fs.send(fitted.exchange, thief, questions, thief.answers(questions))
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS):
        fitted.ask(fs.Folder(fitted.exchange, study=fitted.study))
    assert not (fitted.exchange / "roster" / "0001.json").exists()


@pytest.mark.acceptance(13)
def test_a_known_site_is_known_in_a_folder_begun_anew(fitted, thief):
    """Whoever may write may also take away the whole exchange."""
    shutil.rmtree(fitted.exchange)
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(fitted.exchange, study=fitted.study), RESPONSE)
    attended_pass(fitted.exchange, fitted.sites | {"north": thief}, fitted.study)
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS):
        fs.logistic(fs.Folder(fitted.exchange, study=fitted.study), RESPONSE)


def revoking(here, folder):
    """A second version of the study, which revokes the keys of north."""
    lost = Identity.of(home_of(here.study.id, "north"), "north").public.fingerprint
    return amended(here, folder, **{'profile = "none"': f'profile = "none"\nrevoked_keys = ["{lost}"]'})


@pytest.fixture
def renewed(fitted, tmp_path):
    """The keys of north were revoked in version 2; north has made new ones and answered with them."""
    study = revoking(fitted, tmp_path / "v2")
    (home_of(study.id, "north") / "keys.json").unlink()
    fitted.second = ask_until_answered(fitted.exchange, fitted.sites, study, logistic)
    return fitted, study, study.revoked_keys[0]


@pytest.mark.acceptance(13)
def test_new_keys_are_accepted_in_place_of_revoked_ones_and_known_from_then_on(renewed, thief, tmp_path):
    here, study, lost = renewed
    assert here.second.coef.equals(logistic(here.whole).coef)
    assert list(fs.Ledger(here.exchange).verify()) == []
    assert list(fs.Folder(here.exchange, study=study).history())  # answers from before are read as they were
    known = KnownSites(home_of(study.id, COORDINATOR))
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS):
        known.require("north", Identity.of(tmp_path / "other", "north").public.fingerprint, {lost}, 2)
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS):
        known.require("north", lost, (), 1)  # a study that does not list them does not bring them back


@pytest.mark.acceptance(13)
def test_what_a_version_revokes_opens_no_earlier_one_to_other_keys(tmp_path):
    known = KnownSites(tmp_path)
    known.require("north", "first", (), 1)
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS):
        known.require("north", "second", (), 1)
    known.require("north", "second", {"first"}, 2)
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS):
        KnownSites(tmp_path).require("north", "first", {"second"}, 3)  # what was replaced is no successor


@pytest.mark.acceptance(13)
def test_a_stranger_in_a_version_before_the_revocation_does_not_become_the_site_s_successor(
    fitted, thief, tmp_path
):
    """Version 2 revokes the keys of north; before it has new ones, somebody joins version 1 in its place."""
    ledger = fs.Ledger(fitted.exchange)
    body = read_envelope(ledger.members.join_path("north", 1), "join").body
    take_north_away(fitted)
    stranger = Identity.of(thief.home, "north")
    join = body | {"keys": stranger.public.to_dict()}
    header = {"study": ledger.members.versions()[0].sha256}
    ledger.members.join_path("north", 1).write_bytes(compose(stranger, "join", header, join))
    question = fs.Ledger(fitted.exchange).questions()[0]
    header = {"number": 1, "question": question.sha256, "previous": "", "roster": ""}
    place = ledger.answer_path("north", 1)
    place.parent.mkdir()
    released = {"release": thief.answer(question.query).content.to_dict()}
    place.write_bytes(compose(stranger, "answer", header, released, ledger.head.keys))
    study = revoking(fitted, tmp_path / "v2")
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS):
        list(fs.Folder(fitted.exchange, study=study).history())
    assert len(list((home_of(study.id, COORDINATOR) / "known" / "north").iterdir())) == 1


@pytest.mark.acceptance(13)
def test_keys_that_change_between_versions_are_told_even_if_the_coordinator_has_listed_them(
    fitted, tmp_path, monkeypatch
):
    monkeypatch.setattr(KnownSites, "require", lambda *_: None)
    study = amended(fitted, tmp_path / "v2")
    (home_of(study.id, "north") / "keys.json").unlink()
    for site in fitted.sites.values():  # with the check of its own keys, north would not go on
        Desk(fitted.exchange, site).join()
    fs.Folder(fitted.exchange, study=study)._desk.list_keys(fs.Ledger(fitted.exchange).head)
    assert any("which no version of the study has revoked" in f for f in fs.Ledger(fitted.exchange).verify())


def test_a_broken_note_of_a_site_s_keys_is_named(fitted):
    note = home_of(fitted.study.id, COORDINATOR) / "known" / "north" / "0001.json"
    assert note.stat().st_mode & 0o077 == 0
    note.write_bytes(b"[]")
    with pytest.raises(fs.LedgerMismatch, match=r"0001\.json does not say by which keys"):
        fitted.ask(fs.Folder(fitted.exchange, study=fitted.study))


def test_of_two_starts_that_accept_at_once_the_first_counts(tmp_path, monkeypatch):
    one, two = KnownSites(tmp_path), KnownSites(tmp_path)
    look = KnownSites._known
    looks = []

    def late(self, site):
        found = look(self, site)
        if self is two and not looks:
            looks.append(site)
            one.require("north", "1111", (), 1)
        return found

    monkeypatch.setattr(KnownSites, "_known", late)
    with pytest.raises(fs.LedgerMismatch, match=KNOWN_BY_OTHERS):
        two.require("north", "2222", (), 1)
