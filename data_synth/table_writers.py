"""The files of a table, CSV or Parquet, to which rows are added block by block."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

ROW_GROUP = 20_000  # rows written at once, whatever the block: so blocks change no byte

DATES = (
    *("first_activity", "last_activity", "dx_date", "advanced_date", "ordered", "collected", "resulted"),
    *("start", "end", "date", "first_seen", "onset", "death_date", "last_contact"),
)
INTEGERS = ("birth_year", "ses_q", "ajcc_edition", "line_no", "grade")
NUMBERS = ("pack_years", "value", "uln", "dose")
FLAGS = ("de_novo", "is_io", "has_chemo", "immune", "dead")
TEXTS_ALL_THE_SAME = {("response", "value")}  # a level there, a number in other tables


class TableWriter(Protocol):
    """A file of one table."""

    def __enter__(self) -> Self:
        """Open it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, and close it."""

    def add(self, table: pd.DataFrame) -> None:
        """Add rows."""


class CsvTable:
    """A CSV file: numbers, dates, codes and levels, which need no quotes.

    Parameters
    ----------
    folder : Path
    name : str
        Of the table.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.csv"

    def __enter__(self) -> Self:
        """Open the file."""
        self._file = self._path.open("w", encoding="utf-8", newline="")
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def add(self, table: pd.DataFrame) -> None:
        """Add rows; the first ones bring the header."""
        if self._file.tell() == 0:
            self._file.write(",".join(table) + "\n")
        cells = zip(*(_texts(table[name]) for name in table), strict=True)
        self._file.writelines(",".join(row) + "\n" for row in cells)


def _texts(column: pd.Series) -> list[str]:
    values = column.tolist()
    if column.dtype == bool:
        return ["true" if value else "false" for value in values]
    if column.dtype.kind == "f":
        return ["" if isnan(value) else repr(value) for value in values]
    return ["" if value is None else str(value) for value in values]


class ParquetTable:
    """A Parquet file whose columns have the types of the data dictionary, a row group at a time.

    Parameters
    ----------
    folder : Path
    name : str
        Of the table.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path, self._name = folder / f"{name}.parquet", name
        self._held: list[pa.Table] = []
        self._writer: ParquetWriter | None = None

    def __enter__(self) -> Self:
        """Wait for the first rows, which bring the columns."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the rows that fill no row group, and close the file."""
        if self._writer is not None:
            if kind is None:
                self._write(pa.concat_tables(self._held))
            self._writer.close()

    def add(self, table: pd.DataFrame) -> None:
        """Hold rows, and write full row groups."""
        schema = pa.schema([(name, arrow_type(self._name, name)) for name in table])
        columns = [_arrow(table[name], field.type) for name, field in zip(table, schema, strict=True)]
        if self._writer is None:
            self._writer = ParquetWriter(self._path, schema)
        self._held.append(pa.Table.from_arrays(columns, schema=schema))
        rows = sum(part.num_rows for part in self._held)
        full = rows - rows % ROW_GROUP
        if full:
            held = pa.concat_tables(self._held)
            for first in range(0, full, ROW_GROUP):
                self._write(held.slice(first, ROW_GROUP))
            self._held = [held.slice(full)]

    def _write(self, rows: pa.Table) -> None:
        assert self._writer is not None, "add has opened the file"
        if rows.num_rows:
            self._writer.write_table(rows.combine_chunks(), row_group_size=ROW_GROUP)


def arrow_type(table: str, column: str) -> pa.DataType:
    """Return the type of a column of a table in its Parquet file."""
    if (table, column) in TEXTS_ALL_THE_SAME:
        return pa.string()
    kinds = ((DATES, pa.date32()), (INTEGERS, pa.int64()), (NUMBERS, pa.float64()), (FLAGS, pa.bool_()))
    return next((kind for names, kind in kinds if column in names), pa.string())


def _arrow(column: pd.Series, kind: pa.DataType) -> pa.Array:
    """Turn a column into one of its type; no value of a cell is a null, not a NaN."""
    if kind == pa.date32():
        return pa.array(
            pd.to_datetime(column, format="%Y-%m-%d").astype("datetime64[s]"), pa.date32(), from_pandas=True
        )
    return pa.array(column, kind, from_pandas=True)


WRITERS: dict[str, type[CsvTable | ParquetTable]] = {"csv": CsvTable, "parquet": ParquetTable}
