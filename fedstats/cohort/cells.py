"""Cells of a site's table as the dictionary has them: dates, numbers, flags and texts, whatever the file held.

What cannot be read is counted with its lines and left empty, so that every other fault is found as well.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fedstats.cohort.dictionary_entries import Column, Kind
from fedstats.cohort.mapping import ColumnMapping
from fedstats.contract.condition import level_name

#: Cells that are missing; texts such as "None", "null" or "UNK" are not, unless a mapping says so.
EMPTY = ("", "NA", "NaN")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_MIDNIGHT = re.compile(r"[ T]00:00(:00(\.0+)?)?$")
_ISO = "%Y-%m-%d"
_EXPECTED: dict[Kind, str] = {
    "date": "a date written YYYY-MM-DD",
    "number": "a number",
    "integer": "a whole number",
    "flag": "true or false",
}


@dataclass(frozen=True)
class Cells:
    """A column that has been read.

    Attributes
    ----------
    cells : Series        dates, floats, booleans or texts, empty where nothing was, or could be, read
    unread : (n,) bool    where something stood that could not be read
    expected : str        what should have stood there
    """

    cells: pd.Series
    unread: np.ndarray
    expected: str = ""


def read_cells(raw: pd.Series, column: Column, mapped: ColumnMapping, decimal: str = ".") -> Cells:
    """A column of a file as its kind has it.

    Parameters
    ----------
    raw : Series          texts of a CSV file, or what a Parquet file holds
    column : Column       what was agreed
    mapped : ColumnMapping
    decimal : str         the decimal sign of the file
    """
    if not _is_typed(raw, column.kind, mapped):
        raw = _texts(raw, mapped)
    filled = raw.notna().to_numpy()
    if column.kind == "date":
        values, expected = _dates(raw, mapped.format), _EXPECTED["date"]
        if mapped.format:
            expected = f"a date written {mapped.format}, as the mapping says"
    elif column.kind in ("number", "integer"):
        values, expected = _numbers(raw, mapped.decimal or decimal), _EXPECTED[column.kind]
        absent = values.isin(_as_numbers(mapped.missing))  # 999 is 999.0
        values, filled = values.mask(absent), filled & ~absent.to_numpy()
        if column.kind == "integer":
            values = values.where(values == np.floor(values))
        values = values * column.accepts.get(mapped.unit, 1.0)
    elif column.kind == "flag":
        values, expected = _flags(raw), _EXPECTED["flag"]
    else:
        return Cells(raw.astype(object), np.zeros(len(raw), dtype=bool))
    return Cells(values, filled & values.isna().to_numpy(), expected)


def _is_typed(raw: pd.Series, kind: Kind, mapped: ColumnMapping) -> bool:
    """Whether a Parquet column already is what the kind says and nothing of it is translated."""
    if mapped.codes or mapped.missing:
        return False
    if kind == "date":
        return pd.api.types.is_datetime64_any_dtype(raw)
    return kind in ("number", "integer") and pd.api.types.is_numeric_dtype(raw) and raw.dtype != bool


def _texts(raw: pd.Series, mapped: ColumnMapping) -> pd.Series:
    """Cells as trimmed texts, empty ones as None, the site's own codes translated."""
    if pd.api.types.is_datetime64_any_dtype(raw):
        raw = raw.dt.strftime("%Y-%m-%d %H:%M:%S")
    missing = {*EMPTY, *(level_name(value) for value in mapped.missing)}
    codes = {code: level_name(value) for code, value in mapped.codes.items()}
    known: dict[object, str | None] = {}
    for value in pd.unique(raw.astype(object)):
        text = None if value is None or value is pd.NA or value is pd.NaT or value != value else _text(value)  # noqa: PLR0124 (NaN)
        known[value] = None if text is None or text in missing else codes.get(text, text)
    found = [None if v != v else known[v] for v in raw.astype(object).where(raw.notna(), None)]  # noqa: PLR0124
    return pd.Series(found, index=raw.index, dtype=object)


def _text(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return (
        str(level_name(value)).strip() if isinstance(value, int | float | np.number) else str(value).strip()
    )


def _dates(raw: pd.Series, written: str) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(raw):
        plain = raw.dt.tz_localize(None) if raw.dt.tz is not None else raw
        return plain.where(plain == plain.dt.normalize()).astype("datetime64[ns]")
    texts = raw if written else raw.str.replace(_MIDNIGHT, "", regex=True)
    if len(texts) == 0 or texts.isna().all():
        return pd.Series(pd.NaT, index=raw.index, dtype="datetime64[ns]")
    return pd.to_datetime(texts, format=written or _ISO, errors="coerce", exact=True).dt.normalize()


def _numbers(raw: pd.Series, decimal: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(raw):
        numbers = raw.astype(float)
    else:
        texts = raw.str.replace(",", ".", regex=False) if decimal == "," else raw
        numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    return numbers.where(np.isfinite(numbers))


def _as_numbers(missing: tuple[object, ...]) -> list[float]:
    return [float(value) for value in missing if isinstance(value, int | float)]


def _flags(raw: pd.Series) -> pd.Series:
    return raw.map(lambda text: _FLAGS.get(str(text).lower()), na_action="ignore").astype("boolean")
