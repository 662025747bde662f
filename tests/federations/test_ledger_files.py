"""The files of an exchange: written once, checked when read, and never used when something is wrong."""

import errno
import json
import multiprocessing
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import fedstats as fs
from fedstats.contract.disclosure import Refusal
from fedstats.federations import envelope
from fedstats.federations import files as exchange_files
from fedstats.federations.desk import Desk
from fedstats.federations.keys import HOME_VARIABLE
from tests.federations.small_study import (
    STUDY,
    attended_pass,
    coordinator,
    files,
    kept,
    opened_answer,
    question_numbers,
    rewrite,
    write_study,
)


def replay(here):
    """Run the finished fit again; whatever is wrong must not give another result."""
    fit = here.ask(fs.Folder(here.exchange, study=here.study))
    assert fit.coef.equals(here.fit.coef)


def faults(here):
    return list(fs.Ledger(here.exchange).verify())


def refused_or_reported(here):
    """The damage is refused with LedgerMismatch, or awaited anew, and ``verify`` gives sentences; nothing else is raised."""
    with suppress(fs.LedgerMismatch, fs.Waiting):
        replay(here)
    sentences = faults(here)
    assert sentences
    assert all(s.endswith(".") and "\n" not in s for s in sentences)


def question(here, number):
    return here.exchange / "questions" / f"{number:06d}.json"


def opening(here):
    return here.exchange / "study" / "0001.json"


def answer(here, number, site="south"):
    return here.exchange / "answers" / site / f"{number:06d}.json"


def test_a_process_that_knows_nothing_but_the_folder_reads_and_verifies_it(fitted):
    script = "import sys, fedstats as fs; print(*fs.Ledger(sys.argv[1]).verify(), end='')"
    done = subprocess.run(
        [sys.executable, "-c", script, str(fitted.exchange)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Written once ----------------------------------------------------------------------------------


def test_an_intact_exchange_verifies_and_replays(fitted):
    assert faults(fitted) == []
    replay(fitted)


def test_the_second_answer_to_a_question_loses_and_the_first_stays(fitted):
    before = files(fitted.exchange)
    first = fs.Ledger(fitted.exchange).questions()[0]
    other = fitted.sites["north"].answer(first.query)
    fs.send(fitted.exchange, fitted.sites["south"], [first], [other])
    assert files(fitted.exchange) == before


def _race(folder, site, rule, go, home):
    os.environ[HOME_VARIABLE] = home  # a server of processes has that of the first test that started it
    desk = Desk(Path(folder), site)
    question = desk.ledger.questions()[0]
    go.wait()
    desk.send(question, Refusal("Q", "entry", rule))


def test_of_two_processes_that_answer_at_once_one_wins_whole(here):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    processes = multiprocessing.get_context("forkserver")
    go = processes.Event()
    south = here.sites["south"]
    racers = [
        processes.Process(target=_race, args=(here.exchange, south, n, go, os.environ[HOME_VARIABLE]))
        for n in ("entry", "level")
    ]
    for racer in racers:
        racer.start()
    go.set()
    for racer in racers:
        racer.join(60)
    assert [r.exitcode for r in racers] == [0, 0]
    assert opened_answer(here.exchange, here.study, "south", 1).rule in {"entry", "level"}
    assert answer(here, 1).read_bytes() == kept(here.exchange, south, 1).read_bytes()
    assert len(list(answer(here, 1).parent.iterdir())) == 1


def test_of_many_threads_that_write_one_file_exactly_one_wins(tmp_path):
    won = []

    def write(text):
        try:
            exchange_files.write_once(tmp_path / "000001.json", text)
            won.append(text)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=write, args=(bytes([i]) * 1000,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [(tmp_path / "000001.json").read_bytes()]
    assert [p.name for p in tmp_path.iterdir()] == ["000001.json"]


def test_other_users_of_the_exchange_may_read_its_files_as_the_umask_says(fitted):
    before = os.umask(0o022)
    os.umask(before)
    for path in (opening(fitted), question(fitted, 1), answer(fitted, 1)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~before


@pytest.mark.parametrize(
    "stray",
    ["readme.json", "notes.json", "0000001.json", "x.part", "000001.json~", ".DS_Store", "000002.txt"],
)
def test_stray_files_are_ignored(fitted, stray):
    for folder in ("questions", "answers/south", "answers", "."):
        (fitted.exchange / folder / stray).write_text("{not a message")
    replay(fitted)
    assert fs.open_questions(fitted.exchange, fitted.sites["south"]) == []
    assert faults(fitted) == []


# Damaged ---------------------------------------------------------------------------------------


DAMAGE = {
    "truncated": lambda raw: raw[: len(raw) // 2],
    "emptied": lambda raw: raw[:0],
    "not text": lambda raw: b"\xff\xfe" + raw,
    "a list": lambda raw: b"[" + raw + b"]",
    "a number": lambda raw: b"7" + raw[:0],
    "null": lambda raw: b"null" + raw[:0],
    "no keys": lambda raw: b"{}" + raw[:0],
    "nested without end": lambda raw: b"[" * 100_000 + raw,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("where", [answer, question])
@pytest.mark.parametrize("number", [2, -1], ids=["second", "last"])
def test_a_damaged_file_is_refused_and_reported(fitted, damage, where, number):
    path = where(fitted, number % (1 + len(question_numbers(fitted.exchange))))
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(fs.LedgerMismatch):
        replay(fitted)
    refused_or_reported(fitted)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_study_file_of_the_exchange_is_refused_by_everyone(fitted, damage):
    path = opening(fitted)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(fs.LedgerMismatch):
        replay(fitted)
    with pytest.raises(fs.LedgerMismatch):
        fs.open_questions(fitted.exchange, fitted.sites["south"], study=fitted.study.digest)
    assert faults(fitted)


def flip(path, at):
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(bytes(raw))


@pytest.mark.parametrize("where", [answer, question])
@pytest.mark.parametrize("number", [1, -1], ids=["first", "last"])
def test_a_flipped_bit_anywhere_in_a_file_is_never_used(fitted, where, number):
    path = where(fitted, number % (1 + len(question_numbers(fitted.exchange))))
    intact = path.read_bytes()
    unnoticed = []
    for at in range(0, len(intact), 1 + len(intact) // 60):
        flip(path, at)
        try:
            refused_or_reported(fitted)
        except AssertionError:
            unnoticed.append(intact[:at][-30:] + b" <- " + intact[at : at + 1])
        path.write_bytes(intact)
    assert unnoticed == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("key", ["exponent", "shape"])
def test_a_number_that_is_none_in_an_answer_is_refused(fitted, key, value):
    path = answer(fitted, 2)
    wrong = float(value) if key == "exponent" else [float(value)]
    with pytest.MonkeyPatch.context() as lax:  # a site that writes what JSON does not have
        lax.setattr(
            envelope, "canonical_json", lambda v: json.dumps(v, sort_keys=True, separators=(",", ":"))
        )
        rewrite(path, lambda c: c["release"]["loglik"].update({key: wrong}), fitted.study)
    with pytest.raises(fs.LedgerMismatch):
        replay(fitted)


def test_a_removed_answer_is_asked_for_again_and_reported(fitted):
    answer(fitted, 2).unlink()
    with pytest.raises(fs.Waiting, match="Waiting for south to answer question 2 "):
        replay(fitted)
    assert faults(fitted)


def test_a_removed_answer_is_given_again_to_the_byte(fitted):
    before = answer(fitted, 2).read_bytes()
    answer(fitted, 2).unlink()
    attended_pass(fitted.exchange, fitted.sites, fitted.study)
    assert answer(fitted, 2).read_bytes() == before
    assert faults(fitted) == []


@pytest.mark.parametrize("number", [2, -1], ids=["second", "last"])
def test_a_removed_question_is_reported(fitted, number):
    question(fitted, number % (1 + len(question_numbers(fitted.exchange)))).unlink()
    assert faults(fitted)


def test_a_removed_question_is_filed_again_and_the_run_goes_on(fitted):
    before = question(fitted, 2).read_bytes()
    question(fitted, 2).unlink()
    replay(fitted)
    assert question(fitted, 2).read_bytes() == before
    assert faults(fitted) == []


@pytest.mark.parametrize("where", [answer, question])
def test_two_files_that_changed_places_are_refused_and_reported(fitted, where):
    one, two = where(fitted, 1), where(fitted, 2)
    a, b = one.read_bytes(), two.read_bytes()
    one.write_bytes(b)
    two.write_bytes(a)
    with pytest.raises(fs.LedgerMismatch):
        replay(fitted)
    assert faults(fitted)


def test_a_renamed_question_is_refused(fitted):
    last = len(question_numbers(fitted.exchange))
    shutil.copy(question(fitted, last), question(fitted, last + 1))
    with pytest.raises(fs.LedgerMismatch, match=f"Question {last + 1} does not follow the one before it"):
        replay(fitted)


@pytest.mark.parametrize("number", [2, -1], ids=["second", "last"])
def test_a_changed_coefficient_in_a_question_makes_its_answers_void(fitted, number):
    path = question(fitted, number % (1 + len(question_numbers(fitted.exchange))))
    rewrite(path, lambda query: query.update(beta=[0.5, 0.5]), fitted.study)
    with pytest.raises(fs.LedgerMismatch):
        replay(fitted)
    assert faults(fitted)


def test_a_question_that_this_version_does_not_know_is_refused_in_one_sentence(fitted):
    rewrite(question(fitted, 1), lambda query: query.update({"is": "RowsPlease"}), fitted.study)
    for read in (lambda: replay(fitted), lambda: fs.open_questions(fitted.exchange, fitted.sites["south"])):
        with pytest.raises(fs.LedgerMismatch, match="RowsPlease"):
            read()
    assert faults(fitted)


def test_a_question_nested_without_end_is_refused_in_one_sentence(fitted):
    def nest(query):
        deep = query["where"]
        for _ in range(900):
            deep.append([])
            deep = deep[0]

    rewrite(question(fitted, 1), nest, fitted.study)
    with pytest.raises(fs.LedgerMismatch, match="nested deeper than any question"):
        replay(fitted)


# Belonging elsewhere -----------------------------------------------------------------------------


def test_an_answer_of_another_site_is_refused(fitted):
    shutil.copy(answer(fitted, 2, "north"), answer(fitted, 2, "south"))
    with pytest.raises(fs.LedgerMismatch, match=r"000002\.json is not signed by south"):
        replay(fitted)
    assert faults(fitted)


def test_an_answer_to_another_question_is_refused(fitted):
    shutil.copy(answer(fitted, 1), answer(fitted, 2))
    with pytest.raises(fs.LedgerMismatch, match="belongs to another question than number 2"):
        replay(fitted)


def test_a_question_of_another_study_is_refused(fitted, tmp_path):
    other = fs.Study.load(write_study(tmp_path / "other", STUDY.replace('version = "1"', 'version = "2"')))
    with pytest.raises(fs.Waiting):
        fitted.ask(fs.Folder(tmp_path / "exchange2", study=other))
    shutil.copy(tmp_path / "exchange2" / "questions" / "000001.json", question(fitted, 1))
    with pytest.raises(fs.LedgerMismatch, match="Question 1 belongs to another study"):
        replay(fitted)


def test_a_study_changed_midway_is_refused_by_coordinator_and_site(fitted, tmp_path):
    changed = fs.Study.load(
        write_study(tmp_path / "changed", STUDY.replace('version = "1"', 'version = "2"'))
    )
    with pytest.raises(fs.LedgerMismatch, match="'small' in another version"):
        fs.Folder(fitted.exchange, study=changed)
    with pytest.raises(fs.LedgerMismatch, match="another version than this site has agreed to"):
        fs.open_questions(fitted.exchange, fitted.sites["south"], study=changed.digest)
    with pytest.raises(fs.LedgerMismatch, match="another version than this site has agreed to"):
        fs.serve(fitted.exchange, fitted.sites["south"], study=changed.digest, wait_seconds=1)


def test_a_site_that_the_exchange_does_not_know_can_neither_look_nor_send(fitted):
    stranger = fs.Site("east", fitted.frames["south"], fitted.study.codebook, fitted.study.policy)
    with pytest.raises(fs.LedgerMismatch, match="does not know the site east"):
        fs.open_questions(fitted.exchange, stranger)
    questions = fs.Ledger(fitted.exchange).questions()[:1]
    with pytest.raises(fs.LedgerMismatch, match="does not know the site east"):
        fs.send(fitted.exchange, stranger, questions, stranger.answers(questions))
    assert not (fitted.exchange / "answers" / "east").exists()


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", "..", "", "A", "a" * 32, "a\n", ".hidden", "a\x00b", "C:x", "coordinator"]
)
def test_a_site_name_that_could_leave_the_folder_is_refused(tmp_path, here, name):
    with pytest.raises(ValueError, match="site name"):
        coordinator(tmp_path / "exchange", here.study).open("digest", "id", ("north", name))
    assert not (tmp_path / "exchange").exists()


def test_an_answer_is_never_written_outside_the_exchange(fitted):
    stranger = fs.Site("../../evil", fitted.frames["south"], fitted.study.codebook, fitted.study.policy)
    questions = fs.Ledger(fitted.exchange).questions()[:1]
    with pytest.raises((fs.LedgerMismatch, ValueError)):
        fs.send(fitted.exchange, stranger, questions, stranger.answers(questions))
    assert not (fitted.exchange.parent / "evil").exists()


# Links, large files, other things than files --------------------------------------------------------


@pytest.mark.parametrize("where", [answer, question])
def test_a_link_is_not_followed(fitted, where, tmp_path):
    path = where(fitted, 2)
    path.rename(tmp_path / "moved.json")
    path.symlink_to(tmp_path / "moved.json")
    with pytest.raises(fs.LedgerMismatch, match=r"000002\.json is a link or larger"):
        replay(fitted)
    assert faults(fitted)


@pytest.mark.parametrize("where", [answer, question])
def test_a_link_to_nothing_is_refused(fitted, where, tmp_path):
    path = where(fitted, 2)
    path.unlink()
    path.symlink_to(tmp_path / "nothing.json")
    with pytest.raises(fs.LedgerMismatch):
        replay(fitted)


@pytest.mark.parametrize("where", [answer, question])
def test_a_file_larger_than_agreed_is_not_read(fitted, where, monkeypatch):
    path = where(fitted, 2)
    monkeypatch.setattr(envelope, "LARGEST", dict.fromkeys(("question", "answer"), 10_000))
    replay(fitted)
    with path.open("ab") as file:
        file.write(b" " * 10_000)
    with pytest.raises(fs.LedgerMismatch, match=r"000002\.json is a link or larger"):
        replay(fitted)
    assert faults(fitted)


@pytest.mark.parametrize("where", [answer, question])
def test_a_folder_in_place_of_a_file_is_refused(fitted, where):
    path = where(fitted, 2)
    path.unlink()
    path.mkdir()
    with pytest.raises(fs.LedgerMismatch):
        replay(fitted)
    assert faults(fitted)


@pytest.mark.parametrize("where", [answer, question])
def test_a_pipe_in_place_of_a_file_does_not_hang(fitted, where):
    path = where(fitted, 2)
    path.unlink()
    os.mkfifo(path)
    keep_open = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # so that a reader that opens it would only hang
    done = []

    def read():
        try:
            replay(fitted)
        except fs.LedgerMismatch as problem:
            done.append(problem)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(3)
    hung = thread.is_alive()
    os.write(keep_open, b"{}")
    os.close(keep_open)
    thread.join(3)
    assert not hung
    assert len(done) == 1


# Swapped while it is read ---------------------------------------------------------------------------


def bound(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # its name may not be long


SWAPS = {
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to(path.with_name("private")),
    "a larger file": lambda path: path.write_bytes(bytes(10**6)),
    "a folder": Path.mkdir,
    "a socket": bound,
}


@contextmanager
def swapping(monkeypatch, call, when, do):
    """Something else is done right before or after a call of the system."""
    original, done = getattr(os, call), []

    def swapped(*arguments, **options):
        if when == "before" and not done:
            done.append(do())
        result = original(*arguments, **options)
        if when == "after" and not done:
            done.append(do())
        return result

    with monkeypatch.context() as patch:
        patch.setattr(os, call, swapped)
        yield
    assert done


@pytest.fixture
def swapped(tmp_path, monkeypatch):
    """A small file of an exchange, and one that others are not to see."""
    (tmp_path / "private").write_bytes(b"x" * 50)
    (tmp_path / "000001.json").write_bytes(b"small")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "000001.json"


def within_a_second(do):
    """A reader that waits for a pipe is told apart from one that reads."""
    found = []

    def run():
        try:
            found.append(do())
        except fs.LedgerMismatch as problem:
            found.append(problem)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(1)
    assert not thread.is_alive()
    return found[0]


@pytest.mark.parametrize("other", SWAPS)
@pytest.mark.parametrize(
    ("call", "when"), [("open", "before"), ("open", "after"), ("fstat", "before"), ("fstat", "after")]
)
def test_what_is_put_in_a_file_s_place_at_any_moment_is_not_read(swapped, monkeypatch, other, call, when):
    """Whoever writes in the folder may try it thousands of times: places look every few milliseconds."""

    def swap():
        swapped.unlink()
        SWAPS[other](swapped)

    with swapping(monkeypatch, call, when, swap):
        found = within_a_second(lambda: exchange_files.read_whole(swapped, 100))
    if (call, when) == ("open", "before"):
        assert "000001.json is a link or larger than an exchange file may be" in str(found)
    else:
        assert found == b"small"  # what was opened


@pytest.mark.parametrize("size", [0, 6, 10**6])
def test_a_file_that_grows_or_shrinks_while_it_is_read_is_not_used(swapped, monkeypatch, size):
    with swapping(monkeypatch, "fstat", "after", lambda: swapped.write_bytes(b"y" * size)):
        found = within_a_second(lambda: exchange_files.read_whole(swapped, 100))
    assert str(found) == "000001.json was changed while it was read; it was not used."


def test_a_file_that_is_read_leaves_nothing_open(swapped):
    before = os.open(swapped, os.O_RDONLY)
    os.close(before)
    for limit in (100, 1):
        with suppress(fs.LedgerMismatch):
            exchange_files.read_whole(swapped, limit)
    after = os.open(swapped, os.O_RDONLY)
    os.close(after)
    assert after == before


# Disks ------------------------------------------------------------------------------------------


def no_space(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_full_disk_leaves_no_half_file_and_loses_nothing(fitted, monkeypatch, call):
    answer(fitted, 3).unlink()
    before = files(fitted.exchange)
    with monkeypatch.context() as full:
        full.setattr(os, call, no_space)
        with pytest.raises(OSError, match="No space left"):
            attended_pass(fitted.exchange, fitted.sites, fitted.study)
    assert files(fitted.exchange) == before
    assert not list(fitted.exchange.rglob("*.part"))
    attended_pass(fitted.exchange, fitted.sites, fitted.study)
    replay(fitted)
    assert faults(fitted) == []


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_full_disk_at_the_coordinator_loses_nothing(here, monkeypatch, call):
    with monkeypatch.context() as full:
        full.setattr(os, call, no_space)
        with pytest.raises(OSError, match="No space left"):
            fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    assert not [p for p in here.exchange.rglob("*") if p.is_file()]
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_an_error_and_leaves_nothing(tmp_path, here):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(fs.FolderTrouble, match="Permission denied"):
            fs.Folder(here.exchange, study=here.study)
    finally:
        tmp_path.chmod(0o700)
    assert not here.exchange.exists()


def test_a_file_that_cannot_be_written_to_its_end_is_not_there_at_all(fitted):
    answer(fitted, 3).unlink()
    before = files(fitted.exchange)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            attended_pass(fitted.exchange, fitted.sites, fitted.study)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(fitted.exchange) == before
    assert not list(fitted.exchange.rglob("*.part"))
