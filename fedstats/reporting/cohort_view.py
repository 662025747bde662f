"""How a site's cohort came about, for the eyes of the site: who left at which step, what is missing, how values are spread."""

from html import escape

import numpy as np
import pandas as pd

from fedstats.cohort.builder import Cohort
from fedstats.contract.codebook import Codebook
from fedstats.reporting import formats
from fedstats.reporting.section import Section
from fedstats.reporting.tables import Table, table
from fedstats.study.site_rows import SiteRows


def rows_section(rows: SiteRows, codebook: Codebook) -> Section:
    """What a site's rows are: a file as it stands, or a cohort with its attrition, missing values and distributions.

    Parameters
    ----------
    rows : SiteRows
    codebook : Codebook      of the study: labels, and the columns that analyses see
    """
    if rows.cohort is None:
        return Section(f"<p>A file with {formats.count(len(rows.frame))} rows, one a patient.</p>")
    cohort = rows.cohort
    said = (
        f"<p>{formats.count(len(cohort.frame))} patients screened, {formats.count(len(rows.frame))} eligible. "
        "The tables keep to the study's dictionary. The counts here stay at the site.</p>"
    )
    parts: list[str | Table] = [said, attrition_table(cohort), columns_table(rows.frame, codebook)]
    if rows.warnings:
        listed = "".join(f"<li>{escape(str(finding))}</li>" for finding in rows.warnings)
        parts.append(f"<h3>To be looked at in the tables</h3><ul>{listed}</ul>")
    return Section(*parts)


def attrition_table(cohort: Cohort) -> Table:
    """A line a step: who leaves, and who stays."""
    shown = cohort.attrition()
    left = [
        formats.MISSING if step == "screened" else formats.count(n)
        for step, n in zip(shown["step"], shown["left"], strict=True)
    ]
    frame = pd.DataFrame(
        {"Step": shown["title"], "Leave": left, "Stay": [formats.count(n) for n in shown["stay"]]}
    )
    return table(
        frame,
        caption="From everybody screened to the eligible",
        note="Each patient leaves at the first step that is not met.",
    )


def columns_table(frame: pd.DataFrame, codebook: Codebook) -> Table:
    """Every agreed column of the eligible: how many cells are empty, and how the others are spread."""
    lines = []
    for variable in codebook.variables:
        if variable.name not in frame or variable.kind == "label":
            continue
        column = frame[variable.name]
        lines.append(
            {
                "Column": variable.title,
                "Empty": formats.count(int(column.isna().sum())),
                "Empty (%)": formats.estimate(100 * float(column.isna().mean()))
                if len(column)
                else formats.MISSING,
                "Values": _spread(column),
            }
        )
    return table(
        pd.DataFrame(lines, columns=["Column", "Empty", "Empty (%)", "Values"]),
        caption="Columns of the eligible patients at this site",
    )


def _spread(column: pd.Series) -> str:
    filled = column.dropna()
    numbers = pd.to_numeric(filled, errors="coerce")
    if len(filled) and numbers.notna().all() and numbers.nunique() > 6:
        low, middle, high = np.quantile(numbers.to_numpy(float), [0.25, 0.5, 0.75])
        return f"median {formats.estimate(middle)} [{formats.estimate(low)}, {formats.estimate(high)}]"
    counts = filled.astype(str).value_counts()
    return ", ".join(f"{level}: {formats.count(n)}" for level, n in counts.head(8).items())
