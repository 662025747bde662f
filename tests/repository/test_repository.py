"""What is committed: notebooks of calls and prose without outputs, no path of one machine, no large file, a true README."""

import ast
import inspect
import io
import json
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import fedstats as fs

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
EXPECTED_NOTEBOOKS = {"1_site.ipynb", "2_coordinator.ipynb", "3_report.ipynb"}

# Put together here, so that this file does not hold what it looks for.
MACHINE_PATHS = ["/" + "work/", "/" + "root/"]
PACKAGE_HOSTS = [
    ".".join(host)
    for host in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("npmjs", "org"),
        ("cran", "r-project", "org"),
        ("cloud", "r-project", "org"),
    )
]
LARGEST = 1_000_000  # bytes

# Steps, not programs: logic lives in fedstats, where it is tested.
NOT_IN_NOTEBOOKS = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar),
)
# The annotations that `papermill --help-notebook` can show; it silently drops others, such as `int | None`.
SIMPLE = r"(int|float|str|bool)"
SHOWN_BY_PAPERMILL = rf"(Optional\[)?({SIMPLE}|list\[{SIMPLE}\]|dict\[str, {SIMPLE}\])\]?"


def committed_files():
    """Every file that is, or would be, committed; without git every file outside the ignored folders."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    git = shutil.which("git") and subprocess.run(
        listing, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if git and git.returncode == 0:
        paths = [REPOSITORY / name for name in git.stdout.split("\0") if name]
    else:
        ignored = {
            ".git",
            ".venv",
            "runs",
            "__pycache__",
            ".pytest_cache",
            ".mypy_cache",
            ".ruff_cache",
            ".hypothesis",
        }
        paths = [
            path for path in REPOSITORY.rglob("*") if not ignored & set(path.relative_to(REPOSITORY).parts)
        ]
    return sorted(path for path in paths if path.is_file())


def notebooks():
    """Every notebook under notebooks/."""
    return sorted(path for path in NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def code_cells(notebook):
    """The code cells of a notebook, each with its source as one text."""
    return [
        {**cell, "source": "".join(cell["source"])}
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def python_of(source):
    """The Python of a cell: lines for IPython (%magic, !command, help?) left out."""
    return "\n".join(
        "" if re.match(r"\s*[%!]|\s*[\w.]+\?+\s*$", line) else line for line in source.splitlines()
    )


def faults_of_notebook(notebook):
    """What is wrong with a notebook, as sentences."""
    for number, cell in enumerate(code_cells(notebook)):
        if cell.get("outputs") or cell.get("execution_count") is not None:
            yield f"code cell {number} has outputs or an execution count"
        for node in ast.walk(ast.parse(python_of(cell["source"]))):
            if isinstance(node, NOT_IN_NOTEBOOKS):
                yield f"code cell {number} has a {type(node).__name__}"
    tagged = [cell for cell in code_cells(notebook) if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells are tagged 'parameters'"
    elif tagged[0] != next(
        (one for one in code_cells(notebook) if is_more_than_imports(one["source"])), None
    ):
        yield "something is computed before the parameters"
    for cell in tagged:
        yield from faults_of_parameters(cell["source"])
    if "papermill" in notebook["metadata"]:
        yield "papermill's traces are left in the metadata"


def is_more_than_imports(source):
    """Whether a cell does anything besides importing."""
    return any(
        not isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(python_of(source)).body
    )


def faults_of_parameters(source):
    """What is wrong with a parameters cell: each is one line, `name: type = literal  # help`."""
    lines = source.splitlines()
    helped = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    for node in ast.parse(source).body:
        line = lines[node.lineno - 1]
        if isinstance(node, ast.ImportFrom) and node.module == "typing":
            continue  # for Optional
        if not isinstance(node, ast.AnnAssign) or node.value is None or node.lineno != node.end_lineno:
            yield f"not one line 'name: type = value  # help': {line}"
            continue
        if not re.fullmatch(SHOWN_BY_PAPERMILL, ast.unparse(node.annotation)):
            yield f"papermill cannot show this type: {line}"
        if not is_literal(node.value):
            yield f"not a literal: {line}"
        if node.lineno not in helped:
            yield f"no comment that helps: {line}"
        if line.count("=") > 1 and "=" in line.split("#")[0].split("=", 1)[1]:
            yield f"papermill loses a parameter with a second '=': {line}"


def is_literal(node):
    """Whether an expression is a plain value."""
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


# --- notebooks --------------------------------------------------------------------------------------


def test_the_notebooks_are_there():
    assert {path.name for path in notebooks()} >= EXPECTED_NOTEBOOKS


def test_notebooks_hold_calls_and_prose_only_without_outputs():
    assert notebooks(), "no notebook was looked at"
    faults = {
        path.name: list(faults_of_notebook(json.loads(path.read_text("utf-8")))) for path in notebooks()
    }
    assert {name: found for name, found in faults.items() if found} == {}


def cell(source, *tags, outputs=(), count=None):
    """A code cell."""
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {"tags": list(tags)},
        "outputs": list(outputs),
        "execution_count": count,
    }


GOOD = "site: str = 'north'  # name of the site\nrounds: Optional[int] = None  # most rounds"


def test_a_good_notebook_has_no_fault():
    cells = [
        cell("from typing import Optional"),
        cell(GOOD, "parameters"),
        cell("%matplotlib inline\nfs.cox(site)"),
    ]
    assert list(faults_of_notebook({"cells": cells, "metadata": {}})) == []


@pytest.mark.parametrize(
    "cells",
    [
        [cell(GOOD, "parameters", count=3)],
        [cell(GOOD, "parameters", outputs=[{"output_type": "stream"}])],
        [cell(GOOD)],
        [cell(GOOD, "parameters"), cell(GOOD, "parameters")],
        [cell("x = 1"), cell(GOOD, "parameters")],
        *(
            [cell(GOOD, "parameters"), cell(source)]
            for source in ("def f(): pass", "class A: pass", "while x: x()")
        ),
        *(
            [cell(GOOD, "parameters"), cell(source)]
            for source in ("for i in x: x()", "try: x()\nfinally: y()")
        ),
        [cell("site: str = 'north'", "parameters")],
        [cell("site = 'north'  # name", "parameters")],
        [cell("site: int | None = None  # name", "parameters")],
        [cell("site: str = other.name  # name", "parameters")],
        [cell("site: str = 'a=b'  # name", "parameters")],
        [cell("sites: list[str] = [\n    'north',  # name\n]", "parameters")],
    ],
)
def test_a_planted_fault_of_a_notebook_is_found(cells):
    assert len(list(faults_of_notebook({"cells": cells, "metadata": {}}))) == 1


# --- files ------------------------------------------------------------------------------------------


def test_there_are_files_to_look_at():
    names = {path.relative_to(REPOSITORY).as_posix() for path in committed_files()}
    assert {"study.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".ci/run"} <= names
    assert not any(name.startswith((".venv/", "runs/")) for name in names)


@pytest.mark.parametrize("place", MACHINE_PATHS + PACKAGE_HOSTS)
def test_no_file_names_a_machine_or_a_package_host(place):
    assert [
        path.relative_to(REPOSITORY).as_posix() for path in committed_files() if names(text_of(path), place)
    ] == []


@pytest.mark.parametrize("place", MACHINE_PATHS + PACKAGE_HOSTS)
def test_a_planted_place_is_found(place):
    assert names(f"see {place}x", place)
    assert names(f"file://{place}x", place)
    assert not names("study.py, net/desk/, ../desk/", place)


def names(text, place):
    """Whether a text names a place; a folder of that name further down in a path is another one."""
    return re.search(("(?<![\\w.~-])" if place in MACHINE_PATHS else "") + re.escape(place), text)


def text_of(path):
    """The text of a file; of a binary one what can be read of it."""
    return path.read_bytes().decode("utf-8", errors="replace")


def test_every_file_is_small():
    large = {path.name: path.stat().st_size for path in committed_files() if path.stat().st_size > LARGEST}
    assert large == {}


def test_line_endings_are_the_same_everywhere():
    """Hashes of files and messages must not depend on the machine."""
    text = {".py", ".ipynb", ".toml", ".md", ".csv", ".json", ".yml", ".txt", ""}
    wrong = [path.name for path in committed_files() if path.suffix in text and b"\r\n" in path.read_bytes()]
    assert wrong == []


def test_the_license_is_complete():
    text = (REPOSITORY / "LICENSE").read_text()
    assert "Apache License" in text
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert all(re.search(rf"^ +{number}\. [A-Z]", text, flags=re.MULTILINE) for number in range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX: How to apply the Apache License to your work." in text


def test_the_starters_can_be_executed():
    for name in ("study.py", ".ci/run"):
        assert (REPOSITORY / name).stat().st_mode & 0o111, name
    assert subprocess.run(["bash", "-n", ".ci/run"], cwd=REPOSITORY, check=False).returncode == 0


# --- README -----------------------------------------------------------------------------------------


def readme():
    """The README's text."""
    return (REPOSITORY / "README.md").read_text(encoding="utf-8")


def commands_in(text):
    """The first word after study.py in every code block and code span of a text."""
    return set(re.findall(r"python3? study\.py +([a-z][a-z-]*)", text))


def test_the_readme_names_the_two_commands():
    assert {"run", "test"} <= commands_in(readme())


def test_every_command_in_the_readme_exists():
    for command in sorted(commands_in(readme()) - {"test", "env"}):
        asked = [sys.executable, "-m", "fedstats", command, "--help"]
        done = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"


def test_commands_are_written_as_they_work_in_a_fresh_clone():
    """Nothing puts ``fedstats`` on the PATH of whoever has only started study.py."""
    texts = [readme(), (REPOSITORY / "docs" / "threat-model.md").read_text(encoding="utf-8")]
    assert [found for text in texts for found in re.findall(r"`fedstats [^`]*`", text)] == []


def test_the_readme_counts_the_numbers_of_a_round_as_the_documentation_does():
    part = (REPOSITORY / "docs" / "disclosure.md").read_text(encoding="utf-8")
    part = part.split("### CoxDerivatives\n")[1].split("\n### ")[0]
    numbers = {"1": 1, "p": 3, "p (p + 1) / 2": 6}
    total = sum(numbers[count] for count in re.findall(r"^\| `.*\| (.+?) \| [^|]* \|$", part, re.MULTILINE))
    assert f"({total} numbers for p = 3)" in readme()


def test_every_file_that_the_readme_links_to_exists():
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", readme())
    missing = [link for link in links if "://" not in link and not (REPOSITORY / link).exists()]
    assert missing == []


def test_what_the_readme_weighs_by_a_propensity_takes_weights():
    """And nothing else does: every function whose weights may be those of propensity_weights is named."""
    listed = re.search(r"for `weights=w` of (.*?) \(log-rank tests take none", readme())
    assert listed is not None
    named = set(re.findall(r"`fs\.(\w+)`", listed[1]))
    taken = {
        name
        for name in dir(fs)
        if inspect.isfunction(asked := getattr(fs, name))
        and "weights" in (given := inspect.signature(asked).parameters)
        and "PropensityWeights" in str(given["weights"].annotation)
        and given["weights"].default is None
    }
    assert named == taken
