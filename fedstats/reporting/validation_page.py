"""The page on which a site's data manager reads what is wrong with the tables; it holds cells and stays at the site."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

import pandas as pd

from fedstats.cohort.findings import Finding
from fedstats.cohort.validation import Validation
from fedstats.reporting import formats
from fedstats.reporting.tables import Table, table

_STAYS = (
    "<p><strong>This page stays at the site.</strong> It shows cells of patients' rows. Do not send it, and do not put it "
    "into the exchange folder.</p>"
)


def validation_parts(found: Validation, title: str, source: str) -> list[str | Table]:
    """The page's parts: what was read, then every table with its errors and, apart from them, its warnings.

    Parameters
    ----------
    found : Validation
    title : str       of the study
    source : str      the folder that was read
    """
    errors, warnings = len(found.errors), len(found.warnings)
    read = (
        f"<p>The tables of the folder {escape(Path(source).name)} against the data dictionary of the study “{escape(title)}”. "
        f"<strong>{verdict(found)}</strong></p>"
    )
    parts: list[str | Table] = [_STAYS, read, "<h2>What was read</h2>", _read_table(found)]
    for name, here in groupby(found.findings, key=lambda f: f.table):
        parts += _table_parts(found, name, list(here))
    if errors or warnings:
        parts += ["<h2>How to go on</h2>", _how_to_go_on()]
    return parts


def verdict(found: Validation) -> str:
    """One sentence: what must be mended, and what should be looked at."""
    errors, warnings = len(found.errors), len(found.warnings)
    if not errors and not warnings:
        return f"Nothing was found to be wrong in the tables of {formats.count(found.patients)} patients."
    mended = f"{_counted(errors, 'error')} must be mended" if errors else "Nothing must be mended"
    return f"{mended}; {_counted(warnings, 'warning')} should be looked at." if warnings else f"{mended}."


def _counted(n: int, word: str) -> str:
    return f"{formats.count(n)} {word}{'' if n == 1 else 's'}"


def _read_table(found: Validation) -> Table:
    rows = []
    for name, agreed in found.dictionary.tables.items():
        frame = found.tables.get(name)
        here = [f for f in found.findings if f.table == name]
        rows.append(
            {
                "Table": agreed.title,
                "File": name,
                "Rows": formats.count(len(frame)) if frame is not None else "not there",
                "Patients": formats.count(frame["patient_id"].nunique())
                if frame is not None
                else formats.MISSING,
                "Errors": formats.count(sum(f.severity == "error" for f in here)),
                "Warnings": formats.count(sum(f.severity == "warning" for f in here)),
            }
        )
    return table(pd.DataFrame(rows), caption="Tables, rows and what was found in them")


def _table_parts(found: Validation, name: str, findings: Sequence[Finding]) -> list[str | Table]:
    agreed = found.dictionary.tables.get(name)
    parts: list[str | Table] = [f"<h2>{escape(agreed.title if agreed is not None else name)}</h2>"]
    for severity, words in (("error", "must be mended"), ("warning", "should be looked at")):
        here = [f for f in findings if f.severity == severity]
        if here:
            parts.append(_findings_table(here, f"{name}: what {words}"))
    return parts


def _findings_table(findings: Sequence[Finding], caption: str) -> Table:
    frame = pd.DataFrame(
        {
            "Column": [f.column or "whole table" for f in findings],
            "What was found": [f.what for f in findings],
            "Rows": [formats.count(f.rows) if f.rows else formats.MISSING for f in findings],
            "Examples": ["; ".join(f.examples) for f in findings],
            "What to do": [f.remedy for f in findings],
        }
    )
    return table(frame, caption=caption)


def _how_to_go_on() -> str:
    return (
        "<p>Mend the export, or say in the site's own mapping.toml how the site's names, codes, units and dates become the "
        "agreed ones; then validate again. What is only doubted can be confirmed there. The mapping stays at the site.</p>"
    )


def write_validation_page(found: Validation, title: str, source: str, out: Path) -> Path:
    """Write the page as one HTML file that opens offline.

    Parameters
    ----------
    out : Path      outside any exchange folder; it is made readable for its owner alone
    """
    from nbformat.v4 import new_code_cell, new_notebook, new_output  # noqa: PLC0415 (takes a second)

    from fedstats.reporting.html import export_html  # noqa: PLC0415

    parts = validation_parts(found, title, source)
    outputs = [
        new_output("display_data", data={"text/html": part if isinstance(part, str) else part.markup})
        for part in parts
    ]
    notebook = new_notebook(cells=[new_code_cell("", outputs=outputs)])
    page = export_html(notebook, out, title=f"Validation: {title}")
    page.chmod(0o600)
    return page
