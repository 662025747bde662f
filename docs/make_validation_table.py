"""Write ``validation-table.md``: every option of the regressions, beside R's answer, at 1, 2, 5 and 17 sites.

Nothing of the table is typed in.  pytest collects the tests of ``tests/reference``; the cases of those that say what
they compare fill the cells, row by row of ``tests/reference/options.py``.

    python docs/make_validation_table.py            writes the page
    python docs/make_validation_table.py --check    says whether it is up to date, and which cells are empty
"""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.reference.comparison import SITES
from tests.reference.options import OF_COUNTS, OPTIONS, Comparison, Option, comparisons, shows

PAGE = Path(__file__).with_name("validation-table.md")
HEAD = """# What is compared with R

Written by `docs/make_validation_table.py` from the tests that pytest collects; do not edit. A number is how many models with the
option are fitted to public data at so many sites and compared, by tests that fail where anything differs, with the
answer of R on all rows in one table: `Rscript tests/reference/make_<script>_reference.R` makes it. An empty cell fails.

The rows are dealt unevenly and shuffled: the first site has about half of all, and of 5 or 17 sites the last has nobody
with the event where rows may go anywhere. Strata, clusters and practices stay whole, and a data set with fewer of them than
sites is not dealt to so many. Coefficients agree to 1e-9 of the larger of R's standard error and themselves, standard
errors and log-likelihoods to 1e-9 relative, penalised fits to 1e-6, curves to 1e-12; other tolerances and
the reason of each stand in the tests. What no site takes part in is compared
once: adjusted p-values with `p.adjust`, and fixed and random effects of every method with `metafor`.
"""


class Collected:
    """A plugin that keeps what pytest has found."""

    items: tuple[pytest.Item, ...] = ()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Called once, with every test."""
        self.items = tuple(session.items)


def collected() -> list[Comparison]:
    """What the tests against R compare, without running them."""
    plugin, said = Collected(), io.StringIO()
    quiet = [
        "--quiet",
        "--no-showlocals",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]
    with contextlib.redirect_stdout(said):
        status = pytest.main(["--collect-only", *quiet, str(ROOT / "tests" / "reference")], [plugin])
    if status != 0:
        raise SystemExit(said.getvalue())
    return comparisons(plugin.items)


def page(found: list[Comparison]) -> str:
    """The whole page."""
    return "\n".join(_lines(found)) + "\n"


def empty_cells(found: list[Comparison]) -> list[str]:
    """Options that no test compares at some number of sites, in words."""
    return [
        f"{option.model}, {option.name}: no test at {k} sites"
        for option in OPTIONS
        for k in SITES
        if not _cell(found, option, k)
    ]


def _lines(found: list[Comparison]) -> Iterator[str]:
    yield HEAD
    for model in dict.fromkeys(option.model for option in OPTIONS):
        yield f"## {_title(model)}\n"
        yield _row("option", "R", "script", "data", *(f"{k} site{'s' * (k > 1)}" for k in SITES))
        yield _row("---", "---", "---", "---", *["--:"] * len(SITES))
        for option in OPTIONS:
            if option.model == model:
                yield _option_row(found, option)
        yield ""
    yield f"{len(found)} comparisons, {len({(c.layout.source, c.layout.kind, c.layout.name) for c in found})} models."


def _title(model: str) -> str:
    return model if model in {*OF_COUNTS.values(), "Table 1"} else f"{model} regression"


def _option_row(found: list[Comparison], option: Option) -> str:
    cells = [_cell(found, option, k) for k in SITES]
    shown = [c for cell in cells for c in cell]
    scripts = sorted({c.layout.source for c in shown})
    data = sorted({c.layout.case["data"] for c in shown})
    return _row(
        option.name, option.r, ", ".join(scripts), ", ".join(data), *(str(len(c) or "") for c in cells)
    )


def _cell(found: list[Comparison], option: Option, k: int) -> list[Comparison]:
    return [c for c in found if c.layout.k == k and shows(c, option)]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it."""
    found = collected()
    empty = empty_cells(found)
    sys.stdout.writelines(f"{words}\n" for words in empty)
    if arguments == ["--check"]:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page(found)
        sys.stdout.write(
            "up to date\n" if same else "out of date: run python docs/make_validation_table.py\n"
        )
        return 0 if same and not empty else 1
    PAGE.write_text(page(found), encoding="utf-8", newline="\n")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
