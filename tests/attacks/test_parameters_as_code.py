"""Parameters of a notebook as code (C3.33): in their names, their values, their types; through both engines.

papermill pastes a parameter's name into the notebook as it is.  Below stands what then happens, and that it does not.
"""

import ast
import builtins
import keyword
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from papermill.translators import PythonTranslator

from fedstats.running.exit_codes import UsageError
from fedstats.running.parameters import (
    check_injected,
    check_parameters,
    check_values,
    declared_in,
    declared_parameters,
)
from tests.running.conftest import write_notebook

pytestmark = pytest.mark.acceptance(33)

NOTEBOOKS = sorted(Path("notebooks").glob("[123]_*.ipynb"))
DECLARED = (
    'site: str = ""\nwait_seconds: float = 1.0\napprove: bool = False\nfree = None\nfiles: list[str] = []\n'
)
MANY = settings(deadline=None, max_examples=500, suppress_health_check=list(HealthCheck))


def code_in_a_name(planted):
    """Names that are a program, each of which would make the planted file."""
    write = f"open({str(planted)!r}, 'w').close()"
    return {
        "two lines": f"x = 1\n{write}\ny",
        "within declared names": f"approve = True\n{write}\nsite",
        "an expression": f"free = {write}\nsite",
        "a default that is called": f"site = (lambda: {write})()\napprove",
        "an import": f"import builtins\nbuiltins.{write}\nsite",
        "a subscript": f"{{}}[{write}]",
        "a decorator": f"@(lambda f: {write})\ndef g(): pass\nsite",
        "a shadowed builtin": f"{write}\nprint",
        "a semicolon": f"{write}; site",
    }


ATTACKS = list(code_in_a_name("x"))


# With plain papermill: the code runs; the notebook stops at once and says so ---------------------------


@pytest.fixture(scope="module")
def by_papermill(tmp_path_factory):
    """A notebook that declares its parameters, run with a name that is code: by papermill, and by our engine."""
    folder = tmp_path_factory.mktemp("by papermill")
    write_notebook(
        folder / "toy.ipynb", DECLARED, "import fedstats as fs\nfs.check_injected(In)", "print('went on')"
    )
    processes = {}
    for engine in ("nbclient", "fedstats"):
        name = code_in_a_name(folder / f"planted-by-{engine}")["within declared names"]
        command = [
            sys.executable,
            "-m",
            "papermill",
            "toy.ipynb",
            f"{engine}.ipynb",
            "-k",
            "python3",
            "--language",
            "python",
        ]
        if engine == "fedstats":
            command += ["--engine", "fedstats"]
        command += ["-r", name, "a value"]
        processes[engine] = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)  # fmt: skip
    said = {engine: process.communicate(timeout=400)[1] for engine, process in processes.items()}
    codes = {engine: process.returncode for engine, process in processes.items()}
    return folder, codes, said


@pytest.mark.run
def test_plain_papermill_runs_a_name_that_is_code(by_papermill):
    folder, codes, _ = by_papermill
    assert (folder / "planted-by-nbclient").exists()
    assert codes["nbclient"] != 0


@pytest.mark.run
def test_plain_papermill_goes_no_further_and_the_notebook_says_what_happened(by_papermill):
    folder, _, said = by_papermill
    assert "The name of a parameter was code, and papermill has run it" in said["nbclient"]
    assert "went on" not in (folder / "nbclient.ipynb").read_text().replace("print('went on')", "")


@pytest.mark.run
def test_our_engine_starts_nothing(by_papermill):
    folder, codes, said = by_papermill
    assert not (folder / "planted-by-fedstats").exists()
    assert codes["fedstats"] != 0
    assert "This notebook has no parameter " in said["fedstats"]
    assert not (folder / "fedstats.ipynb").exists()


# The doors, without a kernel -------------------------------------------------------------------------------


def cells_run(parameters):
    """IPython's ``In`` below papermill's own cell."""
    return ["", DECLARED, PythonTranslator.codify(parameters), "fs.check_injected(In)"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_without_a_check_the_cell_that_papermill_writes_makes_the_file(tmp_path, attack):
    name = code_in_a_name(tmp_path / "planted")[attack]
    written = PythonTranslator.codify({name: "x"})
    run_as_a_notebook_would(written)
    assert (tmp_path / "planted").exists()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_runner_and_our_engine_refuse_a_name_that_is_code(tmp_path, attack, notebook):
    with pytest.raises(UsageError, match="has no parameter"):
        check_parameters(notebook, {code_in_a_name(tmp_path / "planted")[attack]: "x"})
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_notebook_sees_that_a_name_was_code(tmp_path, attack):
    """Names that it declares do not help: 'approve = True, then anything, then site' passed without a word."""
    with pytest.raises(UsageError):
        check_injected(cells_run({code_in_a_name(tmp_path / "planted")[attack]: "x"}))


@pytest.mark.parametrize(
    "name", ["print", "open", "In", "__builtins__", "__import__", "fs", "study", "_", "self", "class"]
)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_builtin_and_nothing_of_the_notebook_itself_is_shadowed(notebook, name):
    with pytest.raises(UsageError, match="has no parameter"):
        check_parameters(notebook, {name: "x"})


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_our_notebooks_declare_is_a_name_and_no_builtin(notebook):
    for name, parameter in declared_parameters(notebook).items():
        assert name.isidentifier()
        assert not keyword.iskeyword(name)
        assert not hasattr(builtins, name)
        assert parameter.annotation


NAN = float("nan")


@pytest.mark.parametrize(
    "value", [NAN, [NAN], {"a": NAN}, [[1.0, NAN]]], ids=["NaN", "in a list", "in a table", "deeper"]
)
@pytest.mark.parametrize("name", ["wait_seconds", "free"])
def test_no_parameter_is_nan(name, value):
    """A limit that is NaN was taken for a float, and is no limit: nothing is later than it."""
    with pytest.raises(UsageError, match=f"Parameter '{name}' of this notebook is not a number"):
        check_values(declared_in(DECLARED), {name: value}, "this notebook")
    with pytest.raises(UsageError, match=f"'{name}' of this notebook"):
        check_injected(cells_run({name: value}))


def test_infinity_is_a_limit_that_is_none_and_is_read_as_such():
    check_injected(cells_run({"wait_seconds": float("inf")}))
    check_injected(cells_run({"wait_seconds": float("-inf")}))
    with pytest.raises(UsageError, match="must be str"):
        check_injected(cells_run({"site": float("inf")}))


WRONG = {
    "site": [1, None, True, ["a"], {"a": "b"}, 1.5],
    "wait_seconds": ["1", True, None, [1.0], "nan", "1e309"],
    "approve": ["True", "true", 1, 0, None, "yes", []],
    "files": ["a", [1], [None], [["a"]], {"a": "b"}, None],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_type_is_refused_before_and_within_the_notebook(name, value):
    with pytest.raises(UsageError, match=f"^Parameter '{name}' of this notebook must be"):
        check_values(declared_in(DECLARED), {name: value}, "this notebook")
    with pytest.raises(UsageError, match=f"^Parameter '{name}' of this notebook must be"):
        check_injected(cells_run({name: value}))


# Values: whatever they are, papermill writes a literal ---------------------------------------------------

TEXT = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(['"', "'", "\\", "\n", "\r", '"""', "#", "\x00", "\u2028", "{", "x=1", ";", "$(id)"])
    ).map("".join),
)
VALUES = st.recursive(
    st.one_of(
        TEXT, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


@MANY
@given(VALUES)
def test_a_value_comes_out_as_it_went_in_and_as_nothing_else(value):
    check_values(declared_in(DECLARED), {"free": value}, "this notebook")
    (line,) = ast.parse(PythonTranslator.codify({"free": value})).body
    assert ast.literal_eval(line.value) == value
    check_injected(cells_run({"free": value}))


@MANY
@given(TEXT, VALUES)
def test_a_name_is_one_of_the_declared_or_refused(name, value):
    declared = declared_in(DECLARED)
    if name not in declared:
        with pytest.raises(UsageError, match="has no parameter"):
            check_values(declared, {name: value}, "this notebook")


def run_as_a_notebook_would(source):
    """Stand-in for a kernel, which runs a cell without looking."""
    exec(compile(source, "cell", "exec"), {})
