"""One pandera schema a table of the data dictionary."""

import re
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pandera.pandas as pa

from fedstats.cohort.dictionary_entries import ID_PATTERN, Column, Deidentification, Dictionary, Table
from fedstats.cohort.findings import Findings

_EMPTY = "not_nullable"
_DATES = (pd.Timestamp("1900-01-01"), pd.Timestamp("2199-12-31"))

#: What to do about a cell that fails its check.
REMEDIES = {
    "date": "Write the date, or leave the cell empty where it is not known.",
    "number": "Correct the values, or leave the cells empty where none was measured; another unit, and numbers that stand for a missing value, are named in mapping.toml.",
    "integer": "Correct the values, or leave the cells empty; numbers that stand for a missing value are listed under missing in mapping.toml.",
    "category": "Translate the site's own values under codes in mapping.toml.",
    "code": "Correct the codes; free text has no place in this column.",
    "id": "Give every patient a pseudonym of letters, digits, _, -, . and : made for this study.",
    "flag": "Write true or false, or translate the site's own values under codes in mapping.toml.",
}


def schema_of(table: Table, rules: Deidentification) -> pa.DataFrameSchema:
    """A table of the dictionary as a pandera schema: of cells that have been read, texts as texts.

    Parameters
    ----------
    table : Table
    rules : Deidentification      the longest text is one of its rules
    """
    columns = {
        name: pa.Column(nullable=column.missing, checks=_checks(column, rules), title=column.label)
        for name, column in table.columns.items()
    }
    return pa.DataFrameSchema(columns, strict=True, unique=list(table.key) or None, title=table.title)


def schemas(dictionary: Dictionary) -> dict[str, pa.DataFrameSchema]:
    """The pandera schema of every table."""
    return {name: schema_of(table, dictionary.deidentification) for name, table in dictionary.tables.items()}


def _checks(column: Column, rules: Deidentification) -> list[pa.Check]:
    if column.kind == "category":
        more = " …" if len(column.levels) > 12 else ""
        levels = f"is none of {', '.join(column.levels[:12])}{more}"
        return [pa.Check.isin(list(column.levels), error=levels)]
    if column.kind in ("id", "code"):
        pattern = re.compile(f"(?=.{{1,{rules.longest_text}}}$)(?:{column.pattern or ID_PATTERN})")
        of = f" of {column.vocabulary}" if column.vocabulary else ""
        told = f"is no code{of}" if column.kind == "code" else "is no identifier (one word)"
        said = f"{told} with {rules.longest_text} signs or fewer"
        return [pa.Check(lambda texts: texts.map(lambda t: pattern.fullmatch(t) is not None), error=said)]
    if column.kind == "date":
        return [pa.Check.in_range(*_DATES, error=f"is not from {_DATES[0]:%Y} to {_DATES[1]:%Y}")]
    if column.kind in ("number", "integer") and column.range is not None:
        low, high = column.range
        unit = f" {column.unit}" if column.unit else ""
        return [pa.Check.in_range(low, high, error=f"is not from {low:g} to {high:g}{unit}")]
    return []


def check_cells(
    name: str,
    frame: pd.DataFrame,
    table: Table,
    schema: pa.DataFrameSchema,
    unread: Mapping[str, np.ndarray],
    findings: Findings,
) -> None:
    """Hold a chunk of a table against its schema, and note every cell that fails.

    Parameters
    ----------
    frame : DataFrame      as :func:`fedstats.cohort.cells.read_cells` reads it; its index are lines
    unread : mapping       column to (n,) bool: cells that could not be read, which are said already
    """
    try:
        with warnings.catch_warnings():  # pandera joins its reports in a way that pandas will change
            warnings.simplefilter("ignore", FutureWarning)
            schema_of_cells(schema).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        for (column, check), failed in cases.groupby(["column", "check"], sort=False):
            lines = failed["index"].to_numpy()
            if check == _EMPTY:
                bad = frame.index.to_numpy()[unread[column]]
                lines = lines[~np.isin(lines, bad)]
                if len(lines):
                    findings.add(
                        name, column, "is empty, and every row must have it",
                        "Fill the cells, or leave the rows out of the export if they are no patients of the study.",
                        lines=list(lines),
                    )  # fmt: skip
                continue
            kind = table.columns[column].kind
            values = [_shown(v) for v in failed["failure_case"]]
            findings.add(name, column, str(check), REMEDIES[kind], lines=list(lines), values=values)


def schema_of_cells(schema: pa.DataFrameSchema) -> pa.DataFrameSchema:
    """The schema without what holds between rows: a chunk does not see all of them."""
    return pa.DataFrameSchema(schema.columns, strict=schema.strict)


def _shown(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return f"{value:g}" if isinstance(value, float) else str(value)
