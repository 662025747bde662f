"""What a run says of the code that made it."""

import subprocess

import pytest

from fedstats.running import provenance


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of which everything is committed."""
    module = tmp_path / "fedstats" / "running" / "old.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    (tmp_path / "README.md").write_text("")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "x")
    monkeypatch.setattr(provenance, "HOME", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "dirty"),
    [
        ("out/site.ipynb", False),
        ("notes.py", False),
        ("fedstats/running/notes.md", False),
        ("fedstats/running/new.py", True),
        ("fedstats/running/old.py", True),
        ("README.md", True),
    ],
)
def test_changes_are_those_of_committed_files_and_new_modules(checkout, path, dirty):
    assert provenance.provenance()["git"]["dirty"] is False
    (checkout / path).parent.mkdir(exist_ok=True)
    (checkout / path).write_text("changed")
    assert provenance.provenance()["git"]["dirty"] is dirty


def test_without_git_changes_are_not_denied(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.provenance()["git"] == {"commit": None, "dirty": True}
