"""A site keeps the bytes of what it has sent: they are sent again, never made anew, and never for another question."""

import shutil

import pytest

import fedstats as fs
from fedstats.federations import desk as desk_module
from fedstats.federations import outbox as outbox_module
from fedstats.federations.desk import Desk
from tests.federations.small_study import attended_pass, coordinator, files, kept, rewrite


def replay(here):
    return here.ask(fs.Folder(here.exchange, study=here.study))


def answer(here, number, site="south"):
    return here.exchange / "answers" / site / f"{number:06d}.json"


@pytest.mark.acceptance(10)
def test_an_exchange_that_lost_all_answers_is_filled_again_to_the_byte(fitted, monkeypatch):
    before = {name: digest for name, (digest, *_) in files(fitted.exchange).items()}
    shutil.rmtree(fitted.exchange / "answers")
    monkeypatch.setattr(fs.Site, "answer", None)  # no site computes anything
    for site in fitted.sites.values():
        assert fs.open_questions(fitted.exchange, site) == []
    assert {name: digest for name, (digest, *_) in files(fitted.exchange).items()} == before
    assert replay(fitted).coef.equals(fitted.fit.coef)
    assert list(fs.Ledger(fitted.exchange).verify()) == []


@pytest.mark.acceptance(11)
def test_a_question_put_in_the_place_of_an_answered_one_is_refused(fitted):
    """Two different questions under one number would be two answers that nobody has accounted for."""
    rewrite(fitted.exchange / "questions" / "000002.json", lambda q: q.update(beta=[0.0, 0.25]), fitted.study)
    for path in sorted((fitted.exchange / "questions").glob("*.json"))[2:]:
        path.unlink()
        kept(fitted.exchange, fitted.sites["south"], int(path.stem)).unlink()
    answer(fitted, 2).unlink()
    with pytest.raises(fs.LedgerMismatch, match="Question 2 is another than the one that south has answered"):
        fs.open_questions(fitted.exchange, fitted.sites["south"])
    assert not answer(fitted, 2).exists()


@pytest.mark.acceptance(16)
def test_rows_that_changed_midway_are_refused_before_anything_is_sent(fitted):
    answer(fitted, 2).unlink()
    before = files(fitted.exchange)
    south = fitted.sites["south"]
    frame = fitted.frames["south"].copy()
    frame.loc[0, "age"] += 1
    changed = fs.Site("south", frame, fitted.study.codebook, south.policy)
    with pytest.raises(fs.LedgerMismatch, match="rows of south are others than when it joined"):
        fs.open_questions(fitted.exchange, changed)
    assert files(fitted.exchange) == before


def test_the_fingerprint_of_the_rows_says_nothing_without_the_sites_key(fitted, tmp_path):
    """Whoever guesses a small table could otherwise check the guess."""
    ledger = fs.Ledger(fitted.exchange)
    south = fitted.sites["south"]
    stranger = Desk(
        fitted.exchange, fs.Site("south", fitted.frames["south"], fitted.study.codebook, home=tmp_path)
    )
    assert ledger.members.join("south", 1).rows == Desk(fitted.exchange, south)._rows
    assert ledger.members.join("south", 1).rows != stranger._rows


@pytest.mark.acceptance(17)
def test_another_version_of_the_software_is_named_before_anything_leaves(here, monkeypatch):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    monkeypatch.setattr(desk_module, "SOFTWARE", "7.3.1")
    with pytest.raises(
        fs.LedgerMismatch, match=r"This place runs fedstats 7\.3\.1, and the coordinator runs 0"
    ):
        fs.open_questions(here.exchange, here.sites["south"])
    assert not (here.exchange / "joins").exists()


@pytest.mark.acceptance(17)
def test_a_third_number_of_the_version_does_not_matter(here, monkeypatch):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    first, second, *_ = coordinator(here.exchange, here.study).ledger.head.software.split(".")
    monkeypatch.setattr(desk_module, "SOFTWARE", f"{first}.{second}.99")
    assert len(fs.open_questions(here.exchange, here.sites["south"])) == 1


@pytest.mark.acceptance(11)
def test_an_answer_from_another_exchange_of_the_same_study_is_refused(fitted, tmp_path):
    fitted_exchange = fitted.exchange
    with pytest.raises(fs.Waiting):
        fitted.ask(fs.Folder(tmp_path / "second", study=fitted.study))
    attended_pass(tmp_path / "second", fitted.sites, fitted.study)
    shutil.copy(
        fitted_exchange / "answers" / "south" / "000001.json", tmp_path / "second" / "answers" / "south"
    )
    with pytest.raises(fs.LedgerMismatch, match="belongs to another question"):
        fitted.ask(fs.Folder(tmp_path / "second", study=fitted.study))


def test_what_a_site_keeps_is_for_its_user_alone(fitted):
    path = kept(fitted.exchange, fitted.sites["south"], 1)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


# Somebody else's file in the place of an answer ----------------------------------------------------


NOT_ITS_OWN = r"^answers/south/000001\.json in the exchange folder is not what south has sent"


@pytest.fixture
def asked(here):
    """One open question; south has a memory and a folder of sheets."""
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    here.south = here.study.site(
        "south", here.data["south"], "none", home=here.exchange.with_name("south's own")
    )
    here.egress = here.exchange.with_name("egress")
    return here


def put(here, content):
    path = answer(here, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def nothing_is_written_down(here):
    """Neither kept, nor remembered, nor on a sheet."""
    assert not Desk(here.exchange, here.south).outbox.exists()
    assert here.south.memory.state[1] == 0
    assert not here.egress.exists()
    assert fs.egress_sheet(here.exchange, here.south, here.egress).empty


@pytest.mark.acceptance(39)
def test_a_file_that_somebody_else_has_put_there_is_no_answer(asked):
    path = put(asked, b"x")
    looked = asked.south.answers(fs.Ledger(asked.exchange).questions())
    for do in (
        lambda: fs.open_questions(asked.exchange, asked.south, study=asked.study.digest),
        lambda: fs.serve(asked.exchange, asked.south, wait_seconds=1, egress=asked.egress),
        lambda: fs.send(
            asked.exchange,
            asked.south,
            fs.Ledger(asked.exchange).questions(),
            looked,
            egress=asked.egress,
        ),
    ):
        with pytest.raises(fs.LedgerMismatch, match=NOT_ITS_OWN) as caught:
            do()
        assert "take the file out of the exchange folder and start again" in str(caught.value)
        nothing_is_written_down(asked)
    path.unlink()
    assert attended_pass(asked.exchange, {"south": asked.south}, asked.study) == 1
    assert len(fs.egress_sheet(asked.exchange, asked.south)) == 1


@pytest.mark.acceptance(11)
def test_an_answer_of_another_site_in_its_place_is_not_its_own(asked):
    attended_pass(asked.exchange, {"north": asked.sites["north"]}, asked.study)
    put(asked, answer(asked, 1, "north").read_bytes())
    with pytest.raises(fs.LedgerMismatch, match=NOT_ITS_OWN):
        fs.open_questions(asked.exchange, asked.south)
    nothing_is_written_down(asked)


@pytest.mark.acceptance(11)
def test_an_answer_that_was_swapped_after_it_was_sent_is_noticed_by_its_site(fitted):
    path = answer(fitted, 1)
    sent = path.read_bytes()
    path.write_bytes(answer(fitted, 2).read_bytes())
    with pytest.raises(fs.LedgerMismatch, match=NOT_ITS_OWN):
        fs.open_questions(fitted.exchange, fitted.sites["south"])
    path.write_bytes(sent)
    assert fs.open_questions(fitted.exchange, fitted.sites["south"]) == []


def test_a_private_folder_that_has_lost_what_it_sent_is_said_to_be_older(fitted):
    kept(fitted.exchange, fitted.sites["south"], 1).unlink()
    with pytest.raises(fs.LedgerMismatch, match=r"or the private folder .*outbox is older than it"):
        fs.open_questions(fitted.exchange, fitted.sites["south"])


@pytest.mark.acceptance(39)
def test_a_file_put_there_at_the_last_moment_is_noticed_and_the_answer_sent_once_it_is_gone(
    asked, monkeypatch
):
    write_once = outbox_module.write_once

    def late(path, content):
        put(asked, b"x")
        write_once(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(outbox_module, "write_once", late)
        with pytest.raises(fs.LedgerMismatch, match=NOT_ITS_OWN):
            attended_pass(asked.exchange, {"south": asked.south}, asked.study)
    with pytest.raises(fs.LedgerMismatch, match=NOT_ITS_OWN):
        fs.open_questions(asked.exchange, asked.south)
    answer(asked, 1).unlink()
    assert fs.open_questions(asked.exchange, asked.south) == []
    assert answer(asked, 1).read_bytes() == kept(asked.exchange, asked.south, 1).read_bytes()


def test_a_site_at_work_compares_an_answer_once(fitted, monkeypatch):
    read = []
    read_whole = outbox_module.read_whole
    monkeypatch.setattr(outbox_module, "read_whole", lambda path: read.append(path) or read_whole(path))
    desk = Desk(fitted.exchange, fitted.sites["south"])
    for _ in range(3):
        assert desk.open_questions() == []
    assert len(read) == len(set(read)) == 2 * len(desk.ledger.questions())
