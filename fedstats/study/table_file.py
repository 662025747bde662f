"""A site's table as a CSV file."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fedstats.contract.table_checks import DataError
from fedstats.federations.files import explained

#: Cells that are missing; texts such as "None" or "null" in a factor are not.
MISSING = ("", "NA", "NaN")
_TRUTH = {"True": 1, "TRUE": 1, "true": 1, "False": 0, "FALSE": 0, "false": 0}
_SEPARATORS = {";": ";", "\t": "tabs", "|": "|"}


def read_table(data_file: str | Path) -> pd.DataFrame:
    """Rows of a CSV file, with a clear word when it is missing, empty or not a table.

    Raises
    ------
    DataError
    FolderTrouble
        It cannot be read.
    """
    path = Path(data_file)
    with explained("folder of the data", path, "read"):
        if not str(data_file).strip() or not path.is_file():
            raise DataError(
                f"There is no data file {str(data_file)!r}. Give the path of the site's CSV file as data_file."
            )
        lines = _lines(path)
    if not lines:
        raise DataError(
            f"The data file {path.name} is empty. Export it again with a header and one row a patient."
        )
    header = [name.strip() for name in lines[0][1]]
    check_header(path, lines[0][1], header)
    rows = [whole_row(path, number, cells, len(header)) for number, cells in lines[1:]]
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return pd.DataFrame({name: _column(cells) for name, cells in zip(header, columns, strict=True)})


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that hold something, as fields, each with its number in the file."""
    return list(numbered_lines(path))


def numbered_lines(path: Path, separator: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file that hold something, as fields, each with its number in the file.

    Raises
    ------
    DataError
        It is not text in UTF-8, or not a CSV table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True, delimiter=separator)
            for fields in reader:
                if fields:
                    yield reader.line_num, fields
    except UnicodeDecodeError:
        raise DataError(
            f"The data file {path.name} is not text in UTF-8. Export it again as CSV in UTF-8 (a workbook will not do)."
        ) from None
    except csv.Error as problem:
        raise DataError(
            f"The data file {path.name} is not a CSV table: {problem} (near line {reader.line_num}). Correct its export."
        ) from None


def check_header(path: Path, fields: list[str], header: list[str], separator: str = ",") -> None:
    """Raise a DataError where the first line is no header, is separated otherwise, or has a name twice."""
    first = separator.join(fields)
    if first.lstrip().startswith("#"):
        raise DataError(
            f"The data file {path.name} begins with a comment ({first.strip()[:40]!r}). Its first line must be the names of the columns."
        )
    other = next((s for s in _SEPARATORS if first.count(s) > first.count(",")), None)
    if other is not None and separator == ",":
        raise DataError(
            f"The data file {path.name} is separated by {_SEPARATORS[other]} and must be by commas. Export it again as CSV."
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"The data file {path.name} has the column {twice[0]!r} twice. Correct its export.")


def whole_row(path: Path, number: int, cells: list[str], width: int) -> list[str]:
    """A line's fields; empty ones beyond the last column are left out, for they shift nothing.

    Raises
    ------
    DataError
        It has too many, or too few.
    """
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        cells = cells[:width]
    if len(cells) != width:
        hint = " It looks like a comment." if cells[0].lstrip().startswith("#") else ""
        raise DataError(
            f"Line {number} of {path.name} has {len(cells)} of {width} fields.{hint} Correct the line or its export."
        )
    return cells


def _column(cells: tuple[str, ...]) -> pd.Series:
    """Numbers where every cell is one, truth values likewise, else texts."""
    column = pd.Series([None if cell.strip() in MISSING else cell for cell in cells], dtype=object)
    if column.notna().any() and column.dropna().isin(list(_TRUTH)).all():
        return column.map(_TRUTH, na_action="ignore")
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column
