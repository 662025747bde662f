"""A folder that cannot be read or written is told in one sentence, wherever it is met; nothing half-written stays."""

import errno
import os
from pathlib import Path

import pytest

import fedstats as fs
from fedstats.cli import main
from tests.federations.small_study import attended_pass, files

FAILURES = {
    errno.ENOSPC: "make room on its disk",
    errno.EROFS: "give the account that runs this the right",
    errno.EACCES: "give the account that runs this the right",
    errno.EPERM: "hard link",
    errno.EIO: "see that it can be reached",
}


def failing(number, below):
    """A stand-in for a function of ``os`` that fails for paths below a folder, and for open files."""

    def instead_of(original):
        def fail(path, *arguments, **options):
            if isinstance(path, int) or Path(path).is_relative_to(below):
                raise OSError(number, os.strerror(number), path)
            return original(path, *arguments, **options)

        return fail

    return instead_of


def spoil(patch, call, number, below):
    patch.setattr(os, call, failing(number, below)(getattr(os, call)))


def told(caught, number, *words):
    """One calm sentence with the system's reason, its number kept."""
    text = str(caught.value)
    assert caught.value.errno == number
    assert f"({os.strerror(number)}): " in text
    assert text.endswith(".")
    assert "\n" not in text
    assert "Errno" not in text
    for part in words:
        assert str(part) in text


def half_written(*folders):
    return [path for folder in folders for path in folder.rglob("*") if ".part" in path.name]


@pytest.fixture
def alone(quick, tmp_path, monkeypatch):
    """A study whose places have private folders of this test alone."""
    quick.home = tmp_path / "home"
    monkeypatch.setenv("FEDSTATS_HOME", str(quick.home))
    return quick


@pytest.fixture
def asked(alone):
    """The coordinator has asked its first questions."""
    with pytest.raises(fs.Waiting):
        fs.together(fs.Folder(alone.exchange, study=alone.study), **alone.study.analyses())
    return alone


# Writing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", FAILURES)
@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_coordinator_s_private_folder_that_cannot_be_written(alone, tmp_path, monkeypatch, call, number):
    with monkeypatch.context() as patch:
        spoil(patch, call, number, alone.home)
        with pytest.raises(fs.FolderTrouble) as caught:
            fs.Folder(alone.exchange, study=alone.study)
    told(caught, number, f"private folder {alone.home / 'small' / 'coordinator'} ", FAILURES[number])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("call", ["mkdir", "link"])
def test_an_exchange_folder_that_cannot_be_written(alone, monkeypatch, call):
    with monkeypatch.context() as patch:
        spoil(patch, call, errno.EROFS, alone.exchange)
        with pytest.raises(fs.FolderTrouble) as caught:
            fs.Folder(alone.exchange, study=alone.study)
    told(
        caught, errno.EROFS, f"0001.json in the exchange folder {alone.exchange / 'study'} cannot be written"
    )
    assert half_written(alone.home) == []


def test_a_coordinator_starts_again_over_an_exchange_that_became_read_only(alone, monkeypatch):
    fs.Folder(alone.exchange, study=alone.study).close()
    with monkeypatch.context() as patch:
        spoil(patch, "unlink", errno.EROFS, alone.exchange)
        with pytest.raises(fs.FolderTrouble) as caught:
            fs.Folder(alone.exchange, study=alone.study)
    told(caught, errno.EROFS, f"closed.json in the exchange folder {alone.exchange} ")


@pytest.mark.parametrize("call", ["fsync", "link"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_site_that_cannot_send(asked, monkeypatch, call, number):
    """First its keys, then what it has kept: each is told, nothing has left, and afterwards all goes on."""
    site = asked.sites["south"]
    for do in (
        lambda: fs.open_questions(asked.exchange, site),
        lambda: attended_pass(asked.exchange, {"south": site}, asked.study),
        lambda: fs.serve(asked.exchange, site, wait_seconds=1),
    ):
        with monkeypatch.context() as patch:
            spoil(patch, call, number, asked.home / "small" / "south")
            with pytest.raises(fs.FolderTrouble) as caught:
                do()
        told(caught, number, f"private folder {asked.home / 'small' / 'south'}", FAILURES[number])
        fs.open_questions(asked.exchange, site)  # with keys from here on, so that the next one comes further
    assert not (asked.exchange / "answers").exists()
    assert half_written(asked.home, asked.exchange) == []
    assert attended_pass(asked.exchange, asked.sites, asked.study)


def test_a_site_whose_exchange_is_full(asked, monkeypatch):
    before = files(asked.exchange)
    with monkeypatch.context() as patch:
        spoil(patch, "link", errno.ENOSPC, asked.exchange)
        with pytest.raises(fs.FolderTrouble) as caught:
            attended_pass(asked.exchange, asked.sites, asked.study)
    told(caught, errno.ENOSPC, f"exchange folder {asked.exchange}")
    assert files(asked.exchange) == before
    assert half_written(asked.home, asked.exchange) == []


def test_a_folder_of_egress_sheets_that_is_full(asked, tmp_path, monkeypatch):
    site = asked.sites["south"]
    questions = fs.open_questions(asked.exchange, site)
    with monkeypatch.context() as patch:
        spoil(patch, "link", errno.ENOSPC, tmp_path / "egress")
        with pytest.raises(fs.FolderTrouble) as caught:
            fs.send(asked.exchange, site, questions, site.answers(questions), egress=tmp_path / "egress")
    told(caught, errno.ENOSPC, f"000001.csv in the folder of egress sheets {tmp_path / 'egress'} ")
    assert not (asked.exchange / "answers").exists()
    assert half_written(tmp_path) == []


def test_a_memory_that_cannot_be_made_is_told_by_the_study(alone, monkeypatch):
    with monkeypatch.context() as patch:
        spoil(patch, "mkdir", errno.EROFS, alone.home)
        with pytest.raises(fs.FolderTrouble) as caught:
            alone.study.site("south", alone.data["south"])
    told(caught, errno.EROFS, f"memory in the private folder {alone.home / 'small' / 'south'} ")


def test_a_memory_that_is_full_lets_nothing_leave(asked, monkeypatch):
    site = asked.study.site("south", asked.data["south"], "none")
    questions = fs.open_questions(asked.exchange, site)
    answers = site.answers(questions)
    with monkeypatch.context() as patch:
        spoil(patch, "fsync", errno.ENOSPC, asked.home)
        with pytest.raises(fs.FolderTrouble) as caught:
            fs.send(asked.exchange, site, questions, answers)
    told(caught, errno.ENOSPC, f"in the private folder {asked.home / 'small' / 'south' / 'memory'}")
    assert not (asked.exchange / "answers").exists()


# A file in place of a folder --------------------------------------------------------------------------


def test_a_home_that_is_a_file(asked, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    site = fs.Site("south", asked.frames["south"], asked.study.codebook, asked.study.policy, home=file)
    for do in (
        lambda: fs.Folder(asked.exchange, study=asked.study, home=file),
        lambda: fs.open_questions(asked.exchange, site),
        lambda: fs.serve(asked.exchange, site, wait_seconds=1),
        lambda: asked.study.site("south", asked.data["south"], home=file),
    ):
        with pytest.raises(fs.FolderTrouble) as caught:
            do()
        told(caught, errno.ENOTDIR, f"private folder {file} ", "is a file or lies below one")
    assert file.read_text() == "mine"


def test_an_exchange_that_is_a_file(alone, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(fs.FolderTrouble) as caught:
        fs.Folder(file, study=alone.study)
    told(caught, errno.ENOTDIR, "is a file or lies below one")


def test_results_in_a_folder_that_is_a_file(alone, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(fs.FolderTrouble) as caught:
        fs.save_results({}, tmp_path / "file" / "results.json")
    told(caught, errno.ENOTDIR, f"results.json in the folder of the results {tmp_path / 'file'} ")


# Reading ----------------------------------------------------------------------------------------------


def test_an_exchange_that_may_not_be_read_is_not_an_empty_one(asked, monkeypatch):
    """Or a site would wait for an hour for questions that are there."""
    site = asked.sites["south"]
    for do in (
        lambda: fs.open_questions(asked.exchange, site),
        lambda: fs.serve(asked.exchange, site, wait_seconds=3600),
        lambda: fs.Folder(asked.exchange, study=asked.study),
        lambda: fs.verify(asked.exchange, asked.study),
    ):
        with monkeypatch.context() as patch:
            spoil(patch, "lstat", errno.EACCES, asked.exchange)
            with pytest.raises(fs.FolderTrouble) as caught:
                do()
        told(caught, errno.EACCES, asked.exchange, "cannot be read")


@pytest.mark.parametrize("name", ["study.toml", "codebook.toml", "south.csv"])
def test_a_file_of_the_study_or_the_site_that_may_not_be_read(alone, monkeypatch, name):
    original = Path.open

    def closed(path, *arguments, **options):
        if path.name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return original(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", closed)
        with pytest.raises(fs.FolderTrouble) as caught:
            fs.Study.load(alone.study.file).site("south", alone.data["south"])
    told(caught, errno.EACCES, f"{name} in the folder of the ", "cannot be read")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'"coordinator"', b"\xff"])
def test_a_broken_note_of_the_coordinator_s_keys_is_named(asked, content):
    site = asked.sites["south"]
    fs.open_questions(asked.exchange, site)
    note = asked.home / "small" / "south" / "known.json"
    note.write_bytes(content)
    with pytest.raises(fs.LedgerMismatch, match=r"known\.json does not say which coordinator") as caught:
        fs.open_questions(asked.exchange, site)
    fingerprint = fs.Ledger(asked.exchange).head.keys.fingerprint
    assert f"compare the fingerprint {fingerprint}" in str(caught.value)
    note.unlink()
    assert fs.open_questions(asked.exchange, site)


# The command line ---------------------------------------------------------------------------------------


@pytest.fixture
def typed(asked, tmp_path):
    """Commands by name, and what is wrong where they look."""
    study, file = str(asked.study.file), tmp_path / "file"
    file.write_text("mine")
    check = ["check-model", "--study", study, "--site", "south", "--data", str(asked.data["south"])]
    return {
        "keys": (["keys", study, "south", "--home", str(file)], "keys.json in the private folder"),
        "verify": (
            ["verify", "--study", study, "--exchange", str(asked.exchange)],
            "questions in the folder",
        ),
        "check-model": (check, "south.csv in the folder of the data"),
    }


@pytest.mark.parametrize("command", ["keys", "verify", "check-model"])
def test_the_command_line_says_it_in_one_sentence_and_64(asked, typed, monkeypatch, capsys, command):
    arguments, words = typed[command]
    spoil(monkeypatch, "lstat", errno.EACCES, asked.exchange)
    spoil(monkeypatch, "stat", errno.EACCES, asked.data["south"])
    assert main(arguments) == 64
    said = capsys.readouterr().err
    assert said.startswith(words)
    assert said.count("\n") == 1
