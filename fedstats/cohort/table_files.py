"""The files of a site's tables, CSV or Parquet, read a number of rows at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from pyarrow import ArrowInvalid
from pyarrow.parquet import ParquetFile

from fedstats.cohort.mapping import TableMapping
from fedstats.contract.table_checks import DataError
from fedstats.federations.files import explained
from fedstats.study.table_file import check_header, numbered_lines, whole_row

#: Rows that are in memory as texts at once.
CHUNK = 50_000
_SUFFIXES = (".csv", ".parquet")


def file_of(folder: Path, name: str, mapping: TableMapping) -> Path | None:
    """The file of a table in a site's folder, under its agreed name or that of the mapping; None where there is none.

    Raises
    ------
    DataError
        It is there as CSV and as Parquet, and which one counts cannot be told; or a mapped file is not there.
    """
    if mapping.file:
        path = folder / mapping.file
        if not path.is_file():
            raise DataError(f"There is no file {mapping.file}, which the mapping names. Correct its name.")
        return path
    found = [folder / (name + suffix) for suffix in _SUFFIXES if (folder / (name + suffix)).is_file()]
    if len(found) > 1:
        raise DataError(f"There are {found[0].name} and {found[1].name}. Leave the one that counts.")
    return found[0] if found else None


def columns_of(path: Path, mapping: TableMapping) -> list[str]:
    """Names of the columns of a file, as it has them.

    Raises
    ------
    DataError
        The file is empty, or cannot be a table.
    """
    with explained("folder of the data", path, "read"):
        if path.suffix == ".parquet":
            return list(_parquet(path).schema_arrow.names)
        return _header(path, mapping.separator)[1]


def chunks(path: Path, columns: Sequence[str], mapping: TableMapping) -> Iterator[pd.DataFrame]:
    """Rows of a file, some at a time, with the columns named and no others: what is ignored is never kept.

    Yields
    ------
    DataFrame
        Its index is the number of the line (of the row, in Parquet).  Cells of a CSV file are texts, empty ones "".

    Raises
    ------
    DataError
        A line has too many or too few fields; it is named.
    """
    with explained("folder of the data", path, "read"):
        read = _parquet_chunks if path.suffix == ".parquet" else _csv_chunks
        yield from read(path, columns, mapping)


def _header(path: Path, separator: str) -> tuple[list[str], list[str]]:
    for _, fields in numbered_lines(path, separator):
        header = [name.strip() for name in fields]
        check_header(path, fields, header, separator)
        return fields, header
    raise DataError(f"The file {path.name} is empty. Export it again; its first line names the columns.")


def _csv_chunks(path: Path, columns: Sequence[str], mapping: TableMapping) -> Iterator[pd.DataFrame]:
    _, header = _header(path, mapping.separator)
    at = [header.index(name) for name in columns]
    lines: list[int] = []
    rows: list[list[str]] = []
    source = numbered_lines(path, mapping.separator)
    next(source)
    for number, fields in source:
        cells = whole_row(path, number, fields, len(header))
        lines.append(number)
        rows.append([cells[i] for i in at])
        if len(rows) == CHUNK:
            yield _frame(columns, lines, rows)
            lines, rows = [], []
    yield _frame(columns, lines, rows)


def _frame(columns: Sequence[str], lines: list[int], rows: list[list[str]]) -> pd.DataFrame:
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    index = pd.Index(lines, dtype="int64", name="line")
    return pd.DataFrame(
        {
            name: pd.Series(list(column), index=index, dtype=object)
            for name, column in zip(columns, cells, strict=True)
        },
        index=index,
    )


def _parquet_chunks(path: Path, columns: Sequence[str], mapping: TableMapping) -> Iterator[pd.DataFrame]:  # noqa: ARG001
    start, rows = 1, _parquet(path).iter_batches(batch_size=CHUNK, columns=list(columns))
    empty = True
    for batch in rows:
        frame, empty = batch.to_pandas(date_as_object=False), False
        frame.index = pd.RangeIndex(start, start + len(frame), name="row")
        start += len(frame)
        yield frame[list(columns)]
    if empty:
        yield _frame(columns, [], [])


def _parquet(path: Path) -> ParquetFile:
    try:
        return ParquetFile(path)
    except ArrowInvalid:
        raise DataError(f"The file {path.name} is not a Parquet table. Export it again.") from None
