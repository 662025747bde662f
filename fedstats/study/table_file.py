"""A site's table as a CSV file."""

import csv
import warnings
from pathlib import Path

import pandas as pd

from fedstats.contract.table_checks import DataError


def read_table(data_file: str | Path) -> pd.DataFrame:
    """Rows of a CSV file, with a clear word when it is missing, empty or not a table.

    Raises
    ------
    DataError
    """
    path = Path(data_file)
    if not str(data_file).strip() or not path.is_file():
        raise DataError(
            f"There is no data file {str(data_file)!r}. Give the path of the site's CSV file as data_file."
        )
    try:
        # "NA" and empty cells are missing; texts such as "None" or "null" in a factor are not.
        # index_col=False: a comma too many in every row must not shift the columns
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                keep_default_na=False,
                na_values=["", "NA", "NaN"],
                encoding="utf-8-sig",
                index_col=False,
                compression=None,  # whatever the file is called: an archive is no table
            )
    except pd.errors.EmptyDataError:
        raise DataError(
            f"The data file {path.name} is empty. Export it again with a header and one row a patient."
        ) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError) as problem:
        first = str(problem).splitlines()[0].rstrip(".")
        raise DataError(f"The data file {path.name} is not a CSV table in UTF-8: {first}.") from None
    header = _header(path)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"The data file {path.name} has the column {twice[0]!r} twice. Correct its export.")
    if len(header) == 1 and header[0].count(";") > 0:
        raise DataError(
            f"The data file {path.name} is separated by ; and must be by commas. Export it again as CSV."
        )
    return table


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])
