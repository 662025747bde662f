"""A file imports only from its own floor or the floors below, and nothing that runs text or bytes as code.

The floors are those of the design: arrays; the contract; methods; federations, which know not one statistical word;
people. The checker reads the source, so an import inside a function or under TYPE_CHECKING counts as well.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "fedstats"
PEOPLE = "people"  # every module that is not in one of the four packages below

# What of fedstats each floor may use, besides itself.
BELOW = {
    "numerics": (),
    "contract": ("fedstats.numerics",),
    "methods": ("fedstats.contract", "fedstats.numerics"),
    "federations": ("fedstats.contract", "fedstats.numerics.exact_sum"),
    PEOPLE: ("fedstats",),
}
# The two lowest floors also say which libraries they stand on.
LIBRARIES = {
    "numerics": {"numpy", "scipy"},
    "contract": {"numpy", "scipy", "pandas", "pandera", "pydantic", "formulaic", "threadpoolctl"},
}
# No code travels, nothing is unpickled, no engine is imported by the core.
NEVER_IMPORTED = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "nvflare"}
NEVER_CALLED = {"eval", "exec", "__import__", "compile", "read_pickle", "to_pickle", "read_hdf", "pinv"}
NEVER_CALLED |= {
    "system",
    "popen",
    "getoutput",
    "getstatusoutput",
    "create_subprocess_shell",
    "run_path",
    "run_module",
}
NEVER_CALLED |= {"extractall", "unpack_archive", "mktemp"}  # an archive's members may lie anywhere
RISKY_WITH_KEYWORDS = {"Popen", "run", "check_output", "check_call", "call"}
HEAVY = ("papermill", "nbconvert", "lifelines")


def floor_of(module):
    """The floor of a dotted module name within fedstats."""
    second = [*module.split("."), ""][1]
    return second if second in BELOW else PEOPLE


def imports(tree, module, is_package):
    """Every module that is imported, dotted, and where; `from a import b` counts as a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            up = parts[: len(parts) - node.level + is_package] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def within(name, allowed):
    """Whether a dotted name is one of the allowed modules, or inside one."""
    return any(name == one or name.startswith(one + ".") for one in allowed)


def name_of(function):
    """`f` for a call of f(...) or of anything.f(...)."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def forbidden_calls(tree):
    """Calls that run text or bytes as code, or invert what cannot be inverted."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, keywords = name_of(node.func), {keyword.arg: keyword.value for keyword in node.keywords}
        harmless = isinstance(node.func, ast.Attribute) and (
            name == "compile" or ast.unparse(node.func) == "platform.system"
        )  # re.compile
        loads_yaml = name in {"load", "load_all", "full_load", "unsafe_load"} and "yaml" in ast.unparse(
            node.func
        )
        # A pickle within an array, and a shell, are asked for by name; so is a dictionary that may hold either.
        asks = {"allow_pickle", "shell"} & set(keywords) or (None in keywords and name in RISKY_WITH_KEYWORDS)
        if (name in NEVER_CALLED and not harmless) or loads_yaml or asks:
            yield f"calls {ast.unparse(node.func)}", node.lineno


def violations(source, module, *, is_package=False):
    """What one file does against the rules, as sentences."""
    tree, floor = ast.parse(source), floor_of(module)
    own = (f"fedstats.{floor}",) if floor != PEOPLE else ()
    for name, line in imports(tree, module, is_package):
        top = name.split(".")[0]
        parts = set(name.split("."))
        if top == "fedstats" and not within(name, (*own, *BELOW[floor])):
            yield f"{module}:{line} ({floor}) imports {name}"
        elif parts & NEVER_IMPORTED or "pinv" in parts:
            yield f"{module}:{line} imports {name}"
        elif floor != PEOPLE and within(name, ("importlib.import_module", "importlib.util", "runpy")):
            yield f"{module}:{line} ({floor}) imports modules by text"
        elif floor in LIBRARIES and top not in LIBRARIES[floor] | {"fedstats"} | sys.stdlib_module_names:
            yield f"{module}:{line} ({floor}) imports {name}"
    for what, line in forbidden_calls(tree):
        yield f"{module}:{line} {what}"


def modules():
    """Every file of the package: path, dotted name, and whether it is a package's __init__."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        yield path, ".".join(parts[:-1] if is_package else parts), is_package


def test_every_floor_is_there():
    found = {floor_of(module) for _, module, _ in modules()}
    assert found == set(BELOW)


def test_every_file_keeps_to_its_floor():
    broken = [
        sentence
        for path, module, is_package in modules()
        for sentence in violations(path.read_text(encoding="utf-8"), module, is_package=is_package)
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("fedstats.numerics.newton", "import pandas as pd"),
        ("fedstats.numerics.newton", "from fedstats.contract import query"),
        ("fedstats.numerics.newton", "from ..contract.query import Query"),
        ("fedstats.numerics.newton", "from numpy.linalg import pinv"),
        ("fedstats.numerics.newton", "x = np.linalg.pinv(a)"),
        ("fedstats.contract.query", "import lifelines"),
        ("fedstats.contract.query", "from fedstats import Fit"),
        ("fedstats.contract.query", "import fedstats"),
        ("fedstats.contract.query", "from importlib import import_module"),
        ("fedstats.contract.query", "def f():\n    from fedstats.methods import cox_regression"),
        ("fedstats.contract.query", "if TYPE_CHECKING:\n    from fedstats.federations.folder import Folder"),
        ("fedstats.methods.cox_regression", "from fedstats.federations.folder import Folder"),
        ("fedstats.methods.cox_regression", "from ..federations import folder"),
        ("fedstats.methods.cox_regression", "from fedstats.study import protocol"),
        ("fedstats.federations.folder", "from fedstats.methods import cox_regression"),
        ("fedstats.federations.folder", "from fedstats.numerics import newton"),
        ("fedstats.federations.folder", "from fedstats import numerics"),
        ("fedstats.federations.folder", "import nvflare.client"),
        ("fedstats.running.engine", "import pickle"),
        ("fedstats.running.engine", "from joblib import load"),
        ("fedstats.running.engine", "y = eval(text)"),
        ("fedstats.running.engine", "exec(text)"),
        ("fedstats.running.engine", "frame.eval(text)"),
        ("fedstats.running.engine", "a = np.load(path, allow_pickle=True)"),
        ("fedstats.running.engine", "a = yaml.load(text)"),
        ("fedstats.running.engine", "a = yaml.unsafe_load(text)"),
        ("fedstats.running.engine", "a = np.lib.npyio.NpzFile(path, allow_pickle=False)"),
        ("fedstats.running.engine", "import shelve"),
        ("fedstats.running.engine", "from shelve import open as opened"),
        ("fedstats.running.engine", "from multiprocessing.connection import pickle"),
        ("fedstats.running.engine", "os.system(text)"),
        ("fedstats.running.engine", "os.popen(text)"),
        ("fedstats.running.engine", "subprocess.getoutput(text)"),
        ("fedstats.running.engine", "subprocess.run(text, shell=True)"),
        ("fedstats.running.engine", "subprocess.Popen(text, shell=flag)"),
        ("fedstats.running.engine", "subprocess.run(text, **options)"),
        ("fedstats.running.engine", "runpy.run_path(text)"),
        ("fedstats.running.engine", "tarfile.open(path).extractall(folder)"),
        ("fedstats.running.engine", "pd.read_hdf(path)"),
        ("fedstats.running.engine", "a = pandas.read_pickle(path)"),
    ],
)
def test_a_planted_violation_is_found(module, line):
    assert len(list(violations(line, module))) == 1


@pytest.mark.parametrize(
    ("module", "is_package", "line"),
    [
        (
            "fedstats.numerics.newton",
            False,
            "from scipy import linalg\nimport math\nfrom .families import logit",
        ),
        ("fedstats.numerics", True, "from .newton import newton"),
        ("fedstats.contract.design", False, "import pandas\nfrom fedstats.numerics.exact_sum import add"),
        (
            "fedstats.methods.cox_regression",
            False,
            "from fedstats import contract\nfrom ..numerics import newton",
        ),
        ("fedstats.federations.folder", False, "from fedstats.numerics.exact_sum import add"),
        ("fedstats.federations.folder", False, "from fedstats.numerics import exact_sum"),
        (
            "fedstats",
            True,
            "from importlib import import_module\nfrom fedstats.methods import cox_regression",
        ),
        (
            "fedstats.cli",
            False,
            "from .running import runner\nimport re\nre.compile('a')\nyaml.safe_load('a')",
        ),
    ],
)
def test_what_is_allowed_is_not_reported(module, is_package, line):
    assert list(violations(line, module, is_package=is_package)) == []


def test_importing_fedstats_imports_nothing_heavy():
    """The command line answers at once, and a site that only counts needs no notebook machinery."""
    code = (
        f"import sys, fedstats; print([name for name in {HEAVY!r} if name in sys.modules], fedstats.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("[] ")
    assert str(PACKAGE) in done.stdout  # and not an empty folder of that name
