"""An exchange folder that somebody sets back, bends or names: the site stops, writes nowhere else, keeps its account."""

import re
import shutil

import pytest

import fedstats as fs
from fedstats.federations.asking import Asking
from fedstats.federations.keys import COORDINATOR, home_of
from tests.federations.small_study import attended_pass, question_numbers, rewrite, serving


def cut_the_tail(here):
    """The coordinator's own hand: the last question and its answers are taken away."""
    last = max(question_numbers(here.exchange))
    (here.exchange / "questions" / f"{last:06d}.json").unlink()
    for path in here.exchange.glob(f"answers/*/{last:06d}.json"):
        path.unlink()


@pytest.mark.acceptance(11)
def test_a_site_notices_that_a_question_it_has_answered_is_gone(fitted):
    cut_the_tail(fitted)
    with pytest.raises(fs.LedgerMismatch, match=r"has lost question .*, which south has answered"):
        fs.open_questions(fitted.exchange, fitted.sites["south"])


@pytest.mark.acceptance(39)
def test_a_closed_exchange_whose_tail_is_cut_does_not_verify(fitted):
    fs.Folder(fitted.exchange, study=fitted.study).close()
    assert list(fs.Ledger(fitted.exchange).verify()) == []
    cut_the_tail(fitted)
    assert any("closed after another question" in fault for fault in fs.Ledger(fitted.exchange).verify())
    assert not fs.Ledger(fitted.exchange).closed


@pytest.mark.acceptance(11)
def test_an_earlier_word_of_closing_sends_no_site_home(fitted):
    federation = fs.Folder(fitted.exchange, study=fitted.study)
    federation.close()
    early = (fitted.exchange / "closed.json").read_bytes()
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(fitted.exchange, study=fitted.study), "response ~ age")
    (fitted.exchange / "closed.json").write_bytes(early)
    assert not fs.Ledger(fitted.exchange).closed


@pytest.mark.acceptance(39)
def test_the_account_never_shrinks_with_the_folder(fitted, tmp_path):
    south = fitted.sites["south"]
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(fitted.exchange, study=fitted.study), "response ~ age")
    asked = fs.open_questions(fitted.exchange, south)
    fs.send(fitted.exchange, south, asked, south.answers(asked), egress=tmp_path / "egress")
    before = len(fs.egress_sheet(fitted.exchange, south, tmp_path / "egress"))
    cut_the_tail(fitted)
    assert len(fs.egress_sheet(fitted.exchange, south, tmp_path / "egress")) == before


@pytest.mark.acceptance(34)
@pytest.mark.parametrize("name", ["../../../elsewhere", "/tmp/elsewhere", "", "a" * 31, "A" * 32])
def test_the_exchanges_own_name_leads_nowhere(here, name):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    rewrite(here.exchange / "study" / "0001.json", lambda body: body.update(exchange=name), here.study)
    with pytest.raises(fs.LedgerMismatch, match="no proper name of an exchange"):
        fs.open_questions(here.exchange, here.sites["south"])


@pytest.mark.acceptance(34)
@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_lies_in_place_of_a_sites_folder_stops_it(here, kind, tmp_path):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    place, victim = here.exchange / "answers" / "south", tmp_path / "victim"
    place.parent.mkdir()
    victim.mkdir()
    place.symlink_to(victim) if kind == "link" else place.write_text("")
    with pytest.raises(fs.LedgerMismatch, match="should be a folder and is a link or a file"):
        attended_pass(here.exchange, {"south": here.sites["south"]}, here.study)
    assert list(victim.iterdir()) == []


def test_a_private_folder_inside_the_exchange_is_refused(here):
    with pytest.raises(fs.LedgerMismatch, match="lies inside the exchange folder"):
        fs.Folder(here.exchange, study=here.study, home=here.exchange / "home")
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    south = here.sites["south"]
    inside = fs.Site("south", south.data.frame, south.data.codebook, home=here.exchange / "south")
    with pytest.raises(fs.LedgerMismatch, match="lies inside the exchange folder"):
        fs.open_questions(here.exchange, inside)
    assert not (here.exchange / "south").exists()


@pytest.mark.acceptance(39)
def test_another_profile_than_the_one_joined_with_is_refused(fitted):
    (fitted.exchange / "answers" / "south" / "000002.json").unlink()
    south = fitted.sites["south"]
    other = fs.Site("south", fitted.frames["south"], fitted.study.codebook, fs.DisclosurePolicy.teaching())
    assert other.policy != south.policy
    with pytest.raises(fs.LedgerMismatch, match="joined this exchange with the disclosure profile 'none'"):
        fs.open_questions(fitted.exchange, other)


@pytest.mark.acceptance(39)
def test_questions_beyond_the_studys_analyses_are_named(two_models, tmp_path):
    from tests.federations.small_study import site_objects

    study = two_models.study
    sites = site_objects(study, two_models.frames, homes=tmp_path / "homes")
    with serving(tmp_path / "exchange", sites, study):
        federation = fs.Folder(tmp_path / "exchange", study=study, wait_seconds=20, home=tmp_path / "home")
        fs.together(federation, **study.analyses())
        fs.table_one(federation, variables=["sex"])
        federation.close()
    found = fs.verify(tmp_path / "exchange", study, home=tmp_path / "home")
    assert found.ok
    assert [kind.split(" ")[1] for kind in found.beyond] == ["(LevelCounts)"]
    assert "Asked beyond the study's analyses: question" in str(found)


def test_an_exchange_that_is_gone_is_begun_anew_and_the_sites_know_the_coordinator(fitted):
    shutil.rmtree(fitted.exchange)
    desk = Asking(fitted.exchange, home_of(fitted.study.id, COORDINATOR))
    desk.open(fitted.study.digest, fitted.study.id, fitted.study.sites)
    assert fs.open_questions(fitted.exchange, fitted.sites["south"]) == []


# A link in the place of a folder -----------------------------------------------------------------------


SHOULD_BE = "in the exchange folder .* should be a folder and is a link or a file"


def everybody(here):
    """Whatever reads or writes in an exchange, each by itself."""
    return {
        "the coordinator": lambda: fs.Folder(here.exchange, study=here.study).close(),
        "its fit": lambda: here.ask(fs.Folder(here.exchange, study=here.study)),
        "a site that looks": lambda: fs.open_questions(here.exchange, here.sites["south"]),
        "a site that serves": lambda: fs.serve(here.exchange, here.sites["south"], wait_seconds=1),
    }


@pytest.mark.acceptance(34)
@pytest.mark.parametrize("name", ["answers", "joins"])
def test_a_link_in_the_place_of_a_folder_lets_no_site_write_elsewhere(here, name, tmp_path):
    """Whoever may write in the exchange would have sites make folders and files wherever they may."""
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    victim = tmp_path / "victim"
    victim.mkdir()
    (here.exchange / name).symlink_to(victim)
    with pytest.raises(fs.LedgerMismatch, match=rf"^{name} {SHOULD_BE}"):
        attended_pass(here.exchange, here.sites, here.study)
    with pytest.raises(fs.LedgerMismatch, match=rf"^{name} {SHOULD_BE}"):
        fs.serve(here.exchange, here.sites["south"], wait_seconds=1)
    assert list(victim.iterdir()) == []
    (here.exchange / name).unlink()
    assert attended_pass(here.exchange, here.sites, here.study) == 1


@pytest.mark.acceptance(34)
@pytest.mark.parametrize("how", ["link", "file"])
@pytest.mark.parametrize(
    "name", ["study", "questions", "joins", "joins/0001", "roster", "answers", "answers/south"]
)
def test_what_lies_in_the_place_of_any_folder_is_named_by_whoever_needs_it(fitted, name, how, tmp_path):
    place, moved = fitted.exchange / name, tmp_path / "moved"
    shutil.move(place, moved)  # all that was in it can still be read through the link
    place.symlink_to(moved) if how == "link" else place.write_text("")
    before = sorted(moved.rglob("*"))
    stopped = 0
    for do in everybody(fitted).values():
        try:
            do()
        except fs.LedgerMismatch as problem:
            assert re.match(rf"{name} {SHOULD_BE}", str(problem))  # noqa: PT017 (not all need every folder)
            stopped += 1
    assert stopped >= 2
    for faults in (
        list(fs.Ledger(fitted.exchange).verify()),
        fs.verify(fitted.exchange, fitted.study).faults,
    ):
        assert any(re.match(rf"{name} {SHOULD_BE}", fault) for fault in faults)
    assert sorted(moved.rglob("*")) == before


def test_a_link_in_the_place_of_the_notes_of_absence_is_named(fitted, tmp_path):
    (fitted.exchange / "absent").symlink_to(tmp_path)
    with pytest.raises(fs.LedgerMismatch, match=rf"^absent {SHOULD_BE}"):
        fs.Ledger(fitted.exchange).absent()


def test_an_exchange_folder_may_itself_be_named_by_a_link(fitted, tmp_path):
    """Whoever runs it has named it; who may write in it cannot put the link there."""
    (tmp_path / "by another name").symlink_to(fitted.exchange)
    sites = fs.Folder(tmp_path / "by another name", study=fitted.study)
    assert fitted.ask(sites).coef.equals(fitted.fit.coef)
    sites.close()
    assert fs.open_questions(tmp_path / "by another name", fitted.sites["south"]) == []
    assert list(fs.Ledger(tmp_path / "by another name").verify()) == []
