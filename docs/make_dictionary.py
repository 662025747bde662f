"""Write ``data-dictionary.md``: the tables of the NSCLC study for whoever exports them, from its ``tables.toml``.

python docs/make_dictionary.py            writes the page
python docs/make_dictionary.py --check    says whether it is up to date
"""

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fedstats.cohort.dictionary import read_dictionary
from fedstats.cohort.dictionary_entries import Amount, Column, Dictionary, Table

SOURCE = ROOT / "studies" / "nsclc" / "tables.toml"
PAGE = Path(__file__).with_name("data-dictionary.md")
HEAD = """# Data dictionary of the NSCLC study

Written by `docs/make_dictionary.py` from `studies/nsclc/tables.toml`; do not edit. A site exports one file a table, CSV in UTF-8 with commas
or Parquet, into one folder: `patient.csv` and so on. Dates are YYYY-MM-DD, empty cells (or NA) are missing. What a site calls otherwise it maps in
its own `mapping.toml`; `python3 study.py validate --study nsclc --data FOLDER --report page.html` says everything that is wrong.

A code marked *unverified* was written from memory: compare it with your vocabulary's release before use.
"""
KINDS = {"id": "identifier", "flag": "true or false", "integer": "whole number"}


def page(dictionary: Dictionary) -> str:
    """The whole page."""
    return "\n".join(_lines(dictionary)) + "\n"


def _lines(dictionary: Dictionary) -> Iterator[str]:
    rules = dictionary.deidentification
    yield HEAD
    yield f"**Nobody can be told from the tables.** No names, addresses or hospital numbers; no free text (a code has a pattern and at most {rules.longest_text} signs);"
    yield f"a patient older than {rules.top_age - 1} at his last date has that date's year less {rules.top_age} as year of birth. Dates may be shifted by patient."
    yield ""
    for name, table in dictionary.tables.items():
        yield from _table(name, table)


def _table(name: str, table: Table) -> Iterator[str]:
    yield f"## {table.title}: `{name}`\n"
    facts = [
        table.note,
        "Every site has it." if table.required else "A site that does not record it leaves it out.",
    ]
    if table.key:
        facts.append(
            f"No two rows share {', '.join(table.key)}." if len(table.key) > 1 else "One row a patient."
        )
    facts += [f"{later} is not before {earlier}." for earlier, later in table.order]
    yield " ".join(filter(None, facts)) + "\n"
    yield _row("column", "what", "kind", "values", "empty?")
    yield _row(*["---"] * 5)
    for column, entry in table.columns.items():
        what = ". ".join(filter(None, (entry.label, entry.note.rstrip("."))))
        yield _row(
            f"`{column}`",
            what,
            KINDS.get(entry.kind, entry.kind),
            _values(entry),
            "yes" if entry.missing else "no",
        )
    yield ""
    if table.measures:
        yield _row("measure", "what", "codes", "unit", "values")
        yield _row(*["---"] * 5)
        for measure, agreed in table.measures.items():
            codes = ", ".join(agreed.codes) + ("" if agreed.verified else " (unverified)")
            vocabulary = f"{agreed.vocabulary} " if agreed.codes else ""
            what = ". ".join(filter(None, (agreed.label, agreed.note.rstrip("."))))
            yield _row(f"`{measure}`", what, vocabulary + codes, _unit(agreed), _range(agreed))
        yield ""


def _values(entry: Column) -> str:
    if entry.levels:
        listed = ", ".join(
            f"{level} ({entry.labels[level]})" if level in entry.labels else level for level in entry.levels
        )
        return f"{listed}; {', '.join(entry.unknown)} counts as missing" if entry.unknown else listed
    if entry.pattern:
        return f"{entry.vocabulary}, as `{entry.pattern.replace('|', chr(92) + '|')}`"
    return ", ".join(filter(None, (_unit(entry), _range(entry))))


def _unit(amount: Amount) -> str:
    also = f" (or {', '.join(amount.accepts)}: converted)" if amount.accepts else ""
    return amount.unit + also


def _range(amount: Amount) -> str:
    return f"{amount.range[0]:g} to {amount.range[1]:g}" if amount.range is not None else ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it."""
    text = page(read_dictionary(SOURCE)[1])
    if arguments == ["--check"]:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        sys.stdout.write("up to date\n" if same else "out of date: run python docs/make_dictionary.py\n")
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
