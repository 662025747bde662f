"""Unknown names, code in names and wrong types are refused before anything starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fedstats.running.exit_codes import UsageError
from fedstats.running.parameters import INJECTED, check_injected, check_parameters, declared_parameters

DECLARED = """
site: str = ""              # which site; "a # b"
seconds: float = 10.0
steps: int = 3  # how many
quick: bool = False
level: int | None = None
name: Optional[str] = None
mode: Literal["serve", "draft"] = "serve"
files: list[str] = []
table: "dict[str, float]" = {}
free = "a # b"
derived.attribute = 1
"""


@pytest.fixture
def notebook(tmp_path, make_notebook) -> Path:
    return make_notebook(tmp_path / "toy.ipynb", DECLARED)


def test_declaration_is_read_with_every_kind_of_annotation(notebook):
    found = declared_parameters(notebook)
    names = ["site", "seconds", "steps", "quick", "level", "name", "mode", "files", "table", "free"]
    assert list(found) == names
    assert found["steps"].annotation == "int"
    assert found["steps"].default == "3"
    assert found["steps"].help == "how many"
    assert found["level"].annotation == "int | None"
    assert found["site"].help == 'which site; "a # b"'
    assert found["free"].help == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("site", "north"),
        ("seconds", 3),
        ("seconds", 3.5),
        ("steps", 4),
        ("quick", True),
        ("level", None),
        ("level", 2),
        ("name", None),
        ("name", "x"),
        ("mode", "draft"),
        ("files", ["a", "b"]),
        ("files", []),
        ("table", {"a": 1.5}),
        ("free", 12),
    ],
)
def test_a_fitting_value_passes(notebook, name, value):
    check_parameters(notebook, {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("site", 3),
        ("site", None),
        ("seconds", "soon"),
        ("seconds", True),
        ("steps", 2.5),
        ("steps", True),
        ("quick", 1),
        ("level", "2"),
        ("name", 1),
        ("mode", "other"),
        ("files", "a"),
        ("files", [1]),
        ("table", {"a": "b"}),
        ("free", Path("a")),
        ("free", {1: 2}),
    ],
)
def test_a_wrong_type_is_refused_by_name(notebook, name, value):
    with pytest.raises(UsageError, match=rf"^Parameter '{name}' of notebook toy\.ipynb .*\.$"):
        check_parameters(notebook, {name: value})


@pytest.mark.parametrize(
    "name", ["sites", "x=1\nopen('planted', 'w')\ny", "derived", "site ", "__builtins__"]
)
def test_an_unknown_name_is_refused_with_the_known_ones(notebook, name):
    with pytest.raises(
        UsageError, match=r"has no parameter .*its parameters are: site, seconds, steps"
    ) as caught:
        check_parameters(notebook, {name: "1"})
    assert "\n" not in str(caught.value)


def test_no_notebook_no_parameters_cell_no_python(tmp_path, make_notebook):
    with pytest.raises(UsageError, match="There is no notebook"):
        check_parameters(tmp_path / "none.ipynb", {})
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(UsageError, match="is not a notebook"):
        check_parameters(tmp_path / "broken.ipynb", {})
    magic = make_notebook(tmp_path / "magic.ipynb", "%matplotlib inline")
    with pytest.raises(UsageError, match="not plain Python"):
        check_parameters(magic, {})


def test_the_step_process_refuses_code_in_a_name(tmp_path, notebook):
    """It checks for itself: a specification may come from elsewhere than the runner."""
    spec = tmp_path / "spec.json"
    planted = tmp_path / "planted"
    content = {
        "notebook": str(notebook),
        "parameters": {f"x=1\nopen({str(planted)!r}, 'w')\ny": 1},
        "output": str(tmp_path / "out.ipynb"),
        "events": str(tmp_path / "events.jsonl"),
        "result": str(tmp_path / "result.json"),
    }
    spec.write_text(json.dumps(content))
    done = subprocess.run(
        [sys.executable, "-m", "fedstats.running.step", str(spec)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64
    assert done.stderr.count("\n") == 1
    assert "has no parameter" in done.stderr
    assert not planted.exists()
    assert not list(tmp_path.glob("out*"))
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "failed"


# What a notebook itself sees of papermill's parameters: the cells run so far ---------------------------


def cells_run(**values):
    """IPython's ``In`` in the cell after papermill's own."""
    from papermill.translators import PythonTranslator

    return ["", DECLARED, PythonTranslator.codify(values), "fs.check_injected(In)"]


def test_papermill_still_writes_the_heading_that_is_looked_for():
    assert cells_run(steps=1)[2].startswith(f"{INJECTED}\n")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"site": "north", "steps": -4, "quick": True, "level": None, "files": ["a"], "table": {"a": 1.5}},
        {"seconds": float("inf")},
    ],
)
def test_what_a_notebook_declares_passes_in_the_notebook(values):
    check_injected(cells_run(**values))


def test_a_notebook_opened_by_hand_has_nothing_to_check():
    check_injected(["", DECLARED, "fs.check_injected(In)"])
    check_injected(["", f"{INJECTED}\nfirst = 1"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stpes": 4}, "This notebook has no parameter 'stpes'; its parameters are: site, seconds,"),
        ({"steps": 4.5}, "Parameter 'steps' of this notebook must be int, not 4.5"),
        ({"seconds": "soon"}, "Parameter 'seconds' of this notebook must be float, not 'soon'"),
        ({"quick": "maybe"}, "Parameter 'quick' of this notebook must be bool, not 'maybe'"),
    ],
)
def test_what_a_notebook_does_not_declare_is_named_in_the_notebook(values, words):
    with pytest.raises(UsageError, match=f"^{words}"):
        check_injected(cells_run(**values))


def test_of_two_runs_of_the_cells_the_last_counts():
    """In JupyterLab a person corrects the cell and runs it again."""
    wrong, right = cells_run(stpes=4), cells_run(steps=4)
    check_injected([*wrong, *right[1:]])
