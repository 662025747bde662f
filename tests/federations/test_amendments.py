"""A protocol that is amended, and a new cut of the data: signed versions; what stands from before is told apart."""

import pytest

import fedstats as fs
from fedstats.federations.desk import Desk
from fedstats.federations.membership import Membership
from tests.federations.small_study import (
    STUDY,
    attended_pass,
    files,
    question_numbers,
    site_objects,
    tables,
    write_study,
)

FORMULA = "Surv(time, status) ~ age + sex"


@pytest.fixture
def amended(fitted, tmp_path):
    """The study with an analysis more."""
    more = (
        STUDY + '[[models]]\nname = "more"\ntitle = "More"\nkind = "logistic"\nformula = "response ~ age"\n'
    )
    return fs.Study.load(write_study(tmp_path / "amended", more))


def folder(here, study, **options):
    return fs.Folder(here.exchange, study=study, **options)


def test_another_study_without_a_reason_is_refused(fitted, amended):
    with pytest.raises(fs.LedgerMismatch, match="or amend the study, with the reason"):
        folder(fitted, amended)


def test_after_an_amendment_what_was_answered_stands_and_nothing_is_asked_anew(fitted, amended):
    before = files(fitted.exchange)
    sites = folder(fitted, amended, amend="A reviewer asked for the response.")
    assert fitted.ask(sites).coef.equals(fitted.fit.coef)
    assert files(fitted.exchange) == before
    head = fs.Ledger(fitted.exchange).head
    assert (head.number, head.study, head.why) == (2, amended.digest, "A reviewer asked for the response.")


def test_an_amendment_is_filed_once(fitted, amended):
    for _ in range(2):
        folder(fitted, amended, amend="Once.")
    folder(fitted, amended)
    assert len(fs.Ledger(fitted.exchange).members.versions()) == 2


def test_a_site_that_has_not_agreed_to_the_amendment_answers_nothing(fitted, amended):
    with pytest.raises(fs.Waiting):
        fs.logistic(folder(fitted, amended, amend="More."), "response ~ age")
    with pytest.raises(fs.LedgerMismatch, match="in another version than this site has agreed to"):
        fs.open_questions(fitted.exchange, fitted.sites["south"], study=fitted.study.digest)
    assert len(fs.open_questions(fitted.exchange, fitted.sites["south"], study=amended.digest)) == 1


def test_a_site_at_work_looks_at_a_version_once_and_at_a_new_one_anew(fitted, amended, monkeypatch):
    looked = []
    know = Desk._know_coordinator
    monkeypatch.setattr(Desk, "_know_coordinator", lambda desk, head: looked.append(head) or know(desk, head))
    desks = [Desk(fitted.exchange, fitted.sites["south"], s.digest) for s in (fitted.study, amended)]
    for _ in range(3):
        desks[0].open_questions()
    assert [head.number for head in looked] == [1]
    folder(fitted, amended, amend="More.")
    for _ in range(3):
        with pytest.raises(fs.LedgerMismatch, match="in another version than this site has agreed to"):
            desks[0].open_questions()
        desks[1].open_questions()
    assert [head.number for head in looked] == [1, 2]


def test_after_an_amendment_the_account_is_whole_and_names_the_version_of_each_question(fitted, amended):
    asked = len(question_numbers(fitted.exchange))
    sites = folder(fitted, amended, amend="More.")
    while True:
        try:
            fs.logistic(sites, "response ~ age")
            break
        except fs.Waiting:
            attended_pass(fitted.exchange, fitted.sites, amended)
            sites = folder(fitted, amended)
    ledger = fs.Ledger(fitted.exchange)
    assert list(ledger.verify()) == []
    assert [q.version for q in ledger.questions()] == [1] * asked + [2] * (len(ledger.questions()) - asked)


def test_a_new_cut_of_the_data_is_asked_anew_and_gives_the_new_fit(fitted):
    later = tables(90)
    sites = site_objects(fitted.study, later)
    asked = len(question_numbers(fitted.exchange))
    federation = folder(fitted, fitted.study, amend="Data of 2026-11.", new_data=True)
    while True:
        try:
            fit = fitted.ask(federation)
            break
        except fs.Waiting:
            attended_pass(fitted.exchange, sites, fitted.study)
            federation = folder(fitted, fitted.study)
    whole = fs.InProcess(later, codebook=fitted.study.codebook, policy=fitted.study.policy)
    assert fit.coef.equals(fitted.ask(whole).coef)
    assert not fit.coef.equals(fitted.fit.coef)
    assert len(question_numbers(fitted.exchange)) > asked
    assert list(fs.Ledger(fitted.exchange).verify()) == []


def test_without_a_new_version_new_rows_are_refused(fitted):
    sites = site_objects(fitted.study, tables(90))
    with pytest.raises(fs.LedgerMismatch, match="ask the coordinator for a new version"):
        fs.open_questions(fitted.exchange, sites["south"])


def test_a_version_that_somebody_else_adds_is_refused(fitted, amended, tmp_path):
    from fedstats.federations.asking import Asking

    thief = Asking(tmp_path / "thief's", tmp_path / "thief")
    thief.open(amended.digest, amended.id, amended.sites)
    forged = (tmp_path / "thief's" / "study" / "0001.json").read_bytes()
    (fitted.exchange / "study" / "0002.json").write_bytes(forged)
    with pytest.raises(fs.LedgerMismatch, match="is not signed by coordinator"):
        fs.open_questions(fitted.exchange, fitted.sites["south"])


def turned_round(fitted):
    """The sites with the same private folders, some outcomes turned round in their tables."""
    frames = {name: frame.assign(response=1 - frame["response"]) for name, frame in fitted.frames.items()}
    return {
        name: fs.Site(name, frame, fitted.study.codebook, fitted.study.policy, home=fitted.sites[name].home)
        for name, frame in frames.items()
    }


def test_two_tables_do_not_mix_in_a_version_that_says_nothing_of_new_data(fitted, amended, monkeypatch):
    federation = folder(fitted, amended, amend="One model more.")
    with pytest.raises(fs.Waiting):
        fs.logistic(federation, "response ~ age")
    for site in turned_round(fitted).values():
        with pytest.raises(
            fs.LedgerMismatch, match="others than in version 1 of the study, whose answers still"
        ):
            fs.open_questions(fitted.exchange, site, study=amended.digest)
    # a site that says nothing of it: the coordinator does not go on, and the check of the exchange names it
    with monkeypatch.context() as silent:
        silent.setattr(Membership, "require_same_rows", lambda *_: None)
        attended_pass(fitted.exchange, turned_round(fitted), amended)
        fs.Folder(fitted.exchange, study=amended)
    with pytest.raises(fs.LedgerMismatch, match="are others than in version 1"):
        fs.logistic(folder(fitted, amended), "response ~ age")
    assert any("are others than in version 1" in problem for problem in fs.Ledger(fitted.exchange).verify())
