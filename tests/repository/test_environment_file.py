"""environment.yml (conda) asks for what pyproject.toml asks for, with the same bounds."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).resolve().parents[2]

# Where conda-forge calls a package by another name.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
CONDA_ONLY = {"python", "pip"}


@pytest.fixture
def environment():
    """environment.yml as it is read."""
    return yaml.safe_load((REPOSITORY / "environment.yml").read_text())


@pytest.fixture
def project():
    """The [project] table of pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def conda_lines(environment):
    """What conda installs: name and bounds."""
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    split = [re.fullmatch(r"([a-z0-9_.-]+)(?: ([<>=!0-9.,]+))?", line) for line in lines]
    assert all(split), [line for line, match in zip(lines, split, strict=True) if not match]
    return {match[1]: SpecifierSet(match[2] or "") for match in split}


def pip_lines(environment):
    """What pip adds, without the project itself."""
    return [line for block in environment["dependencies"] if isinstance(block, dict) for line in block["pip"]]


def test_it_has_the_shape_conda_expects(environment):
    assert list(environment) == ["name", "channels", "dependencies"]
    assert environment["name"] == "fedstats"
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert all(isinstance(line, str) for line in environment["dependencies"][:-1])
    assert list(environment["dependencies"][-1]) == ["pip"]


def test_pip_itself_is_asked_for_and_the_project_comes_last(environment):
    assert "pip" in conda_lines(environment)
    assert pip_lines(environment)[-1] == "-e ."
    assert not any(line.startswith("-") for line in pip_lines(environment)[:-1])


def test_python_has_the_bounds_of_the_project(environment, project):
    assert conda_lines(environment)["python"] == SpecifierSet(project["requires-python"])


def test_every_dependency_is_in_both_files_with_equal_bounds(environment, project):
    wanted = {}
    for line in project["dependencies"]:
        requirement = Requirement(line)
        wanted[requirement.name] = requirement.specifier
    back = {conda: name for name, conda in CONDA_NAMES.items()}
    there = {
        back.get(name, name): spec
        for name, spec in conda_lines(environment).items()
        if name not in CONDA_ONLY
    }
    for line in pip_lines(environment)[:-1]:
        requirement = Requirement(line)
        assert requirement.name not in there, f"{requirement.name} is asked for twice"
        there[requirement.name] = requirement.specifier
    assert there == wanted
