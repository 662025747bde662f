"""A site's folder of tables, read as the dictionary has them; what is wrong is noted and reading goes on."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from fedstats.cohort.cells import read_cells
from fedstats.cohort.dictionary_entries import Dictionary, Table
from fedstats.cohort.findings import Findings
from fedstats.cohort.mapping import Mapping, TableMapping
from fedstats.cohort.measurements import in_agreed_units
from fedstats.cohort.schemas import check_cells, schema_of
from fedstats.cohort.table_files import chunks, columns_of, file_of
from fedstats.contract.table_checks import DataError

#: What a column of persons' names, addresses or numbers is often called.
_OF_PERSONS = re.compile(
    r"(^|_)(name|nom|surname|forename|vorname|nachname|firstname|lastname|initials|mrn|ssn|nhs|insurance_no|address|street|"
    r"zip|zipcode|postcode|plz|city|phone|telephone|email|birth_?date|date_of_birth|dob|geburtsdatum|photo)($|_)",
    re.IGNORECASE,
)

#: Called with the name of a table and the rows that have been read of it.
Watcher = Callable[[str, int], None]


def read_tables(
    folder: Path, dictionary: Dictionary, mapping: Mapping, findings: Findings, watch: Watcher | None = None
) -> dict[str, pd.DataFrame]:
    """The tables of a site's folder, with agreed columns, kinds, levels and units; a table that is not there is left out.

    Parameters
    ----------
    folder : Path
    mapping : Mapping          an empty one where the site's files are as agreed
    findings : Findings        filled with what is wrong
    watch : callable, optional

    Returns
    -------
    dict of str to DataFrame
        Rows keep the number of their line as index.  Texts are categories; flags are nullable booleans.
    """
    tables: dict[str, pd.DataFrame] = {}
    practice_of: pd.Series | None = None
    for name in sorted(
        dictionary.tables, key=lambda name: name != dictionary.patients
    ):  # they tell the practice
        table = dictionary.tables[name]
        try:
            found = _read_table(folder, name, dictionary, mapping.table(name), findings, practice_of, watch)
        except DataError as problem:
            said, _, remedy = str(problem).partition(". ")
            findings.add(name, "", said.rstrip("."), remedy or "Export the table again.")
            continue
        if found is not None:
            tables[name] = found
            if name == dictionary.patients and dictionary.practices:
                practice_of = practices(found, dictionary)
                _note_strange_practices(mapping, set(practice_of), findings)
        elif table.required:
            findings.add(
                name, "", f"the table ({table.title.lower()}) is missing",
                f"Export {name}.csv or {name}.parquet, or name the site's own file under [tables.{name}] in mapping.toml.",
            )  # fmt: skip
    _note_other_files(folder, dictionary, mapping, findings)
    return {name: tables[name] for name in dictionary.tables if name in tables}


def practices(patients: pd.DataFrame, dictionary: Dictionary) -> pd.Series:
    """The practice of each patient, by patient."""
    rows = patients.dropna(subset=["patient_id"]).drop_duplicates("patient_id")
    return pd.Series(
        rows[dictionary.practices].astype(object).to_numpy(), index=rows["patient_id"].astype(object)
    )


def _note_strange_practices(mapping: Mapping, there: set[object], findings: Findings) -> None:
    for name, table in mapping.tables.items():
        for measure, given in table.measures.items():
            if strange := sorted(set(given.practices) - there):
                findings.add(
                    name, measure, f"has a unit for {', '.join(map(repr, strange))} in mapping.toml, where nobody is treated",
                    f"Write the practice as the table of patients does; it has {', '.join(sorted(map(repr, there - {None}))[:12])}.",
                )  # fmt: skip


def _read_table(
    folder: Path,
    name: str,
    dictionary: Dictionary,
    mapped: TableMapping,
    findings: Findings,
    practice_of: pd.Series | None,
    watch: Watcher | None,
) -> pd.DataFrame | None:
    table = dictionary.tables[name]
    path = None if mapped.absent else file_of(folder, name, mapped)
    if path is None:
        return None
    sources = _sources(name, table, mapped, columns_of(path, mapped), findings)
    schema, parts, rows = schema_of(table, dictionary.deidentification), [], 0
    for raw in chunks(path, list(dict.fromkeys(sources.values())), mapped):
        frame, unread = _read_chunk(name, raw, table, sources, mapped, findings)
        check_cells(name, frame, table, schema, unread, findings)
        frame = _without_unknown(name, frame, table, findings)
        frame = in_agreed_units(name, frame, table, mapped, findings, practice_of)
        parts.append(_compact(frame, table))
        rows += len(frame)
        if watch is not None:
            watch(name, rows)
    return _joined(parts)


def _sources(
    name: str, table: Table, mapped: TableMapping, there: list[str], findings: Findings
) -> dict[str, str]:
    """Which column of the file each agreed column is; what is missing and what nobody has agreed on is noted."""
    wanted = {column: mapped.source_of(column) for column in table.columns}
    sources = {column: source for column, source in wanted.items() if source is not None and source in there}
    for column, source in wanted.items():
        if source is not None and source not in there:
            near = next((c for c in there if _plain(c) == _plain(source)), None)
            told = f"the column {source!r} is missing" + (f" (found {near!r})" if near else "")
            absent = (
                f'{column} = {{ absent = true }} or {{ constant = "…" }}'
                if table.columns[column].missing
                else f'{column} = {{ from = "…" }}'
            )
            findings.add(
                name,
                column,
                told,
                f"Export it, or say in mapping.toml under [tables.{name}.columns]: {absent}.",
            )
    known = {*filter(None, wanted.values()), *mapped.ignore}
    for column in there:
        persons = _OF_PERSONS.search(column) is not None and column not in filter(None, wanted.values())
        if persons:
            findings.add(
                name, column, f"the column {column!r} looks like one of names, addresses or numbers of persons",
                "Take it out of the export: no table of the study holds what tells who a patient is.",
                severity="warning" if column in mapped.ignore else "error",
            )  # fmt: skip
        elif column not in known:
            findings.add(
                name, column, f"nobody has agreed on the column {column!r}",
                f"Take it out of the export, or list it under ignore in [tables.{name}] of mapping.toml: then it is not read.",
            )  # fmt: skip
    return sources


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()


def _read_chunk(
    name: str,
    raw: pd.DataFrame,
    table: Table,
    sources: dict[str, str],
    mapped: TableMapping,
    findings: Findings,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    columns, unread = {}, {}
    for column, entry in table.columns.items():
        given = mapped.column(column)
        if column in sources:
            cells = raw[sources[column]]
        else:
            cells = pd.Series([given.constant] * len(raw), index=raw.index, dtype=object)
        read = read_cells(cells, entry, given, mapped.decimal)
        columns[column], unread[column] = read.cells, read.unread
        if column not in sources and given.constant is None:
            unread[column] = np.ones(len(raw), dtype=bool)  # said once, of the column
        elif read.unread.any():
            findings.add(
                name, column, f"is not {read.expected}",
                "Correct the cells; the site's own format of dates, decimal sign and codes are named in mapping.toml.",
                lines=list(raw.index[read.unread]), values=list(cells[read.unread]),
            )  # fmt: skip
    return pd.DataFrame(columns, index=raw.index), unread


def _without_unknown(name: str, frame: pd.DataFrame, table: Table, findings: Findings) -> pd.DataFrame:
    """Empty the cells whose level says that nobody knows, once they have passed as filled."""
    for column, entry in table.columns.items():
        bad = frame[column].isin(entry.unknown) if entry.unknown else None
        if bad is not None and bad.any():
            findings.add(
                name, column, f"is {' or '.join(entry.unknown)}, which counts as missing",
                "Look it up where the record has it. Patients without it are described, and are in no model that needs it.",
                severity="warning", lines=list(frame.index[bad]),
            )  # fmt: skip
            frame = frame.assign(**{column: frame[column].mask(bad, None)})
    return frame


def _compact(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Texts as categories: of a category the agreed levels, of other texts those of the chunk."""
    for column in frame.columns:
        entry = table.columns.get(column)
        if frame[column].dtype == object:
            levels = list(entry.levels) if entry is not None and entry.kind == "category" else None
            frame[column] = pd.Categorical(frame[column], categories=levels)
    return frame


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The chunks of a table as one; categories of texts are those of all chunks."""
    if len(parts) == 1:
        return parts[0]
    columns = {}
    for column in parts[0].columns:
        pieces = [part[column] for part in parts]
        if isinstance(pieces[0].dtype, pd.CategoricalDtype):
            both = pd.api.types.union_categoricals(pieces)
            columns[column] = pd.Series(both, index=np.concatenate([piece.index for piece in pieces]))
        else:
            columns[column] = pd.concat(pieces)
    return pd.DataFrame(columns)


def _note_other_files(folder: Path, dictionary: Dictionary, mapping: Mapping, findings: Findings) -> None:
    """Tables that lie in the folder under a name that nobody has agreed on may be what a missing one is."""
    known = {mapping.table(name).file for name in dictionary.tables}
    known |= {name + suffix for name in dictionary.tables for suffix in (".csv", ".parquet")}
    for path in sorted(folder.iterdir()):
        if (
            path.suffix.lower() in (".csv", ".parquet", ".xlsx", ".xls", ".tsv", ".txt")
            and path.name not in known
        ):
            findings.add(
                path.name, "", f"nobody has agreed on a table of this name; the study has {', '.join(dictionary.tables)}",
                "It was not read. Move it elsewhere, or name it as the file of a table in mapping.toml.", severity="warning",
            )  # fmt: skip
