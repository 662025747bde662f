"""The bill of materials names what the lock installs, with its hashes, and nothing else."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.markers import Marker

from fedstats.cli import main
from fedstats.running.bill_of_materials import bill_of_materials
from fedstats.running.exit_codes import ExitCode, UsageError

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK = REPOSITORY / "requirements" / "lock.txt"


def applies(component):
    markers = [p["value"] for p in component.get("properties", [])]
    return all(Marker(marker).evaluate() for marker in markers)


@pytest.mark.acceptance(40)
def test_what_is_installed_here_is_in_the_bill_with_its_version():
    document = json.loads(bill_of_materials(LOCK))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    here = [c for c in document["components"] if applies(c)]
    assert {c["name"]: version(c["name"]) for c in here} == {c["name"]: c["version"] for c in here}
    assert {"numpy", "cryptography", "pandas"} <= {c["name"] for c in here}


@pytest.mark.acceptance(40)
def test_every_pin_and_every_hash_of_the_lock_is_there_once():
    text = bill_of_materials(LOCK)
    components = json.loads(text)["components"]
    hashes = [h["content"] for c in components for h in c["hashes"]]
    assert sorted(hashes) == sorted(part.split()[0] for part in LOCK.read_text().split("--hash=sha256:")[1:])
    assert len({c["bom-ref"] for c in components}) == len(components)
    assert "://" not in text


def test_the_same_lock_gives_the_same_bytes_on_the_command_line(capsys):
    assert main(["sbom"]) == ExitCode.OK
    assert capsys.readouterr().out == bill_of_materials(LOCK)


@pytest.mark.parametrize("line", ["numpy>=2\n", "numpy==2.4.0\n", "numpy==2.4,<3 --hash=sha256:00\n"])
def test_a_pin_without_version_or_hash_is_named(tmp_path, line):
    (tmp_path / "lock.txt").write_text(line)
    with pytest.raises(UsageError, match="numpy is not pinned"):
        bill_of_materials(tmp_path / "lock.txt")
    with pytest.raises(UsageError, match="There is no none"):
        bill_of_materials(tmp_path / "none")
