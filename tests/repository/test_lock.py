"""requirements/lock.txt pins everything by hash, names no address, and fits pyproject.toml on every Python we support."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK = (REPOSITORY / "requirements" / "lock.txt").read_text()
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())

# The corners of what is supported; 3.11.4 and 3.11.9 differ in one pin.
PLACES = [
    {"python_version": version, "python_full_version": full, "sys_platform": system, "platform_system": name}
    for version, full in [
        ("3.11", "3.11.4"),
        ("3.11", "3.11.9"),
        ("3.12", "3.12.1"),
        ("3.13", "3.13.0"),
        ("3.14", "3.14.0"),
    ]
    for system, name in [("linux", "Linux"), ("darwin", "Darwin")]
]


def entries():
    """Every pin of the lock: the requirement and its hashes."""
    joined = LOCK.replace("\\\n", " ")
    for line in joined.splitlines():
        if line.strip() and not line.startswith("#"):
            requirement, *hashes = line.split("--hash=")
            yield Requirement(requirement.strip()), [value.strip() for value in hashes]


def pins(place):
    """Name and version of what the lock installs at one place."""
    place = {
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        **place,
    }
    chosen = {}
    for requirement, _ in entries():
        if requirement.marker is None or requirement.marker.evaluate(place):
            name = canonicalize_name(requirement.name)
            assert name not in chosen, f"{name} is pinned twice for {place}"
            chosen[name] = Version(str(requirement.specifier).removeprefix("=="))
    return chosen


def asked_for():
    """Every bound of pyproject.toml: dependencies, extras, dependency groups, build requirements."""
    groups = [
        line for group in PROJECT["dependency-groups"].values() for line in group if isinstance(line, str)
    ]
    extras = [
        line for extra in PROJECT["project"].get("optional-dependencies", {}).values() for line in extra
    ]
    locked_extras = [line for line in extras if canonicalize_name(Requirement(line).name) in pins(PLACES[0])]
    lines = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["build-system"]["requires"],
        *groups,
        *locked_extras,
    ]
    return [Requirement(line) for line in lines]


def test_every_pin_is_exact_and_has_hashes():
    assert len(list(entries())) > 100
    for requirement, hashes in entries():
        assert re.fullmatch(r"==[^=*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


def test_the_lock_names_no_address():
    assert "://" not in LOCK
    assert " @ " not in LOCK
    assert not re.search(
        r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)", LOCK, flags=re.MULTILINE
    )


@pytest.mark.parametrize(
    "place", PLACES, ids=lambda place: f"{place['python_full_version']}-{place['sys_platform']}"
)
def test_the_lock_satisfies_every_bound(place):
    chosen = pins(place)
    for requirement in asked_for():
        if requirement.marker is None or requirement.marker.evaluate(place):
            name = canonicalize_name(requirement.name)
            assert name in chosen, requirement
            assert requirement.specifier.contains(chosen[name], prereleases=True), (requirement, chosen[name])


@pytest.mark.parametrize(
    "place", PLACES, ids=lambda place: f"{place['python_full_version']}-{place['sys_platform']}"
)
def test_pandas_and_lifelines_are_a_pair_that_works(place):
    """lifelines 0.30.3 needs pandas below 3; resolvers left alone walk back to a lifelines that fails at run time."""
    chosen = pins(place)
    assert chosen["pandas"] < Version("3")
    assert chosen["lifelines"] >= Version("0.30.3")


def test_what_builds_the_project_is_locked_too():
    """Without them the editable installation would fetch its build tools without a hash."""
    assert {"hatchling", "editables"} <= set(pins(PLACES[0]))


def test_the_supported_pythons_are_said_once():
    study = (REPOSITORY / "study.py").read_text()
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.15"
    assert "OLDEST, NEWEST = (3, 11), (3, 14)" in study
