"""A site's table as its memory keeps it: keyed hashes of patients and values, no value."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import HIDDEN, LEAVERS
from fedstats.contract.codebook import Codebook
from fedstats.contract.query import QueryError

Hashes = NDArray[np.uint64]

#: A number with so few values is as good as a factor: sums of its first powers count each of them.
_FEW_VALUES = 3
#: How the names of columns begin that a question makes of the table's own.
_CELLS, _LEVELS, _FUNCTION, _TOGETHER = "cells of ", "levels of ", "function of ", "told by "
#: The same of columns that a question makes at coefficients of its own, counted one by one or not.
_MADE_LEVELS, _MADE = "levels of made ", "made "


class HashedTable:
    """A table of the site as hashes, its patients in the order of theirs.

    Attributes
    ----------
    patients : (n,) uint64     of the unique column of the codebook, else of the whole row
    known_by : str             which of them, in words that change with it
    name : str                 keyed digest of all rows, whatever their order
    place : (n,) int           where each row of the frame stands
    """

    def __init__(self, frame: pd.DataFrame, codebook: Codebook, key: bytes) -> None:
        self._frame, self._codebook, self._key = frame, codebook, key
        rows = row_hashes(frame, key)
        self.name = hashlib.blake2b(np.sort(rows).tobytes(), key=key, digest_size=16).hexdigest()
        unique = [v.name for v in codebook.variables if v.unique]
        patients = cell_hashes(frame[unique[0]], key) if unique else rows
        whole_rows = ", ".join(sorted(map(str, frame.columns)))
        self.known_by = f"the column {unique[0]}" if unique else f"their whole rows of {whole_rows}"
        self._order = np.argsort(patients)
        self.patients = patients[self._order]
        self.place = np.argsort(self._order)
        self._columns: dict[str, Hashes] = {}
        self._codes: dict[str, NDArray[np.int64]] = {}

    def knows(self, name: str) -> bool:
        """Whether a column is the table's own, or has been made of it since."""
        return name in self._codebook or name in self._columns

    def column(self, name: str) -> Hashes:
        """A hash of every patient's value, of a column or of one that was made of it."""
        if name not in self._columns:
            self._columns[name] = cell_hashes(self._frame[name], self._key)[self._order]
        return self._columns[name]

    def cut(self, column: str, edges: tuple[float, ...]) -> str:
        """Cells (left, right] of a number as a column of its own; its name."""
        name = f"{_CELLS}{column} at {', '.join(map(repr, edges))}"
        if name not in self._columns:
            values = self._frame[column]
            cells = pd.Series(np.searchsorted(np.array(edges), values, side="left")).where(values.notna())
            self._columns[name] = cell_hashes(cells, self._key)[self._order]
        return name

    def levels(self, columns: tuple[str, ...]) -> str:
        """Levels, of several columns together, as a column of its own; its name."""
        return self._together(self.levels_name(columns), columns)

    def told_by(self, columns: tuple[str, ...]) -> str:
        """Several columns that are read as one; its name."""
        return self._together(f"{_TOGETHER}{', '.join(sorted(columns))}", columns)

    def function(self, column: str, words: str) -> str:
        """A function of a number as a column of its own; its name."""
        name = f"{_FUNCTION}{column}: {words}"
        self._columns[name] = self.column(column)
        return name

    def made(self, name: str, rows: NDArray[np.int64], values: NDArray[np.float64], *, levelled: bool) -> str:
        """A column that a question made for some rows (k,) of the frame, with their values (k,); its name.

        Raises
        ------
        QueryError
            The name is that of another grouping of the same rows: the two would never be laid beside each other.
        """
        name = f"{_MADE_LEVELS if levelled else _MADE}{name}"
        whole = pd.Series(np.full(len(self._frame), np.nan))
        whole.iloc[rows] = values
        hashes = cell_hashes(whole, self._key)[self._order]
        # groups alone: a weight may differ in its last digit with the rows that it is computed among
        if levelled and name in self._columns and (self._columns[name] != hashes).any():
            raise QueryError("A question makes groups of a name that other groups of the same patients have.")
        self._columns[name] = hashes
        return name

    def grouped(self, name: str, groups: NDArray[np.int64]) -> str:
        """Groups of all rows of the frame (n,), that a question made, whatever the cohort; their name."""
        return self.made(name, np.arange(len(groups)), groups.astype(float), levelled=True)

    @staticmethod
    def draws_among(names: Iterable[str]) -> Iterator[tuple[str, int, str]]:
        """Of columns with filled-in cells: the column, how many have the rarest set of cells filled in, and the draw."""
        begins = f"{_MADE}draw of "
        for name in names:
            if name.startswith(begins):
                column, size, draw = (
                    name.removeprefix(begins).split(" of ")[0].replace(" among ", " ").rsplit(" ", 2)
                )
                yield column, int(size), draw

    @staticmethod
    def is_made(name: str) -> bool:
        """Whether a column was made at coefficients of a question's own."""
        return name.startswith((_MADE, _MADE_LEVELS))

    @staticmethod
    def is_derived(name: str) -> bool:
        """Whether a column is none of the table's own, but was made of such."""
        return name.startswith((_CELLS, _LEVELS, _FUNCTION, _TOGETHER, _MADE, _MADE_LEVELS))

    @staticmethod
    def hidden_of(name: str) -> tuple[str, ...]:
        """Of a column that says who has a level which a table does not show, the table's column and groups; else nothing."""
        return _columns_after(f"{_MADE}{HIDDEN}", name)

    @staticmethod
    def outcome_of(name: str) -> tuple[str, ...]:
        """Of a column that says who leaves while events happen, the columns of the outcome; else nothing."""
        return _columns_after(f"{_MADE}{LEAVERS}", name)

    @staticmethod
    def levels_name(columns: Iterable[str]) -> str:
        """The name of levels of several columns together."""
        return f"{_LEVELS}{', '.join(sorted(columns))}"

    @staticmethod
    def is_made_of(name: str, column: str) -> bool:
        """Whether a column is another one, or its levels with those of others."""
        return name == column or (
            name.startswith(_LEVELS) and column in name.removeprefix(_LEVELS).split(", ")
        )

    @staticmethod
    def weights_among(names: Iterable[str]) -> set[str]:
        """Those of the columns that are weights which a question made."""
        return {name for name in names if name.startswith(f"{_MADE}weight ")}

    @staticmethod
    def propensities_among(names: Iterable[str]) -> set[str]:
        """Propensities of which cells are among the columns, whatever the edges of the cells."""
        begins = f"{_MADE_LEVELS}propensity cells of "
        return {name.rsplit(" at ", 1)[0] for name in names if name.startswith(begins)}

    def _together(self, name: str, columns: tuple[str, ...]) -> str:
        if name not in self._columns:
            together = np.column_stack([self.column(column) for column in sorted(columns)])
            self._columns[name] = _rows_of(together, self._key)
        return name

    def codes(self, name: str) -> NDArray[np.int64]:
        """Every patient's value as a number from 0."""
        if name not in self._codes:
            self._codes[name] = np.unique(self.column(name), return_inverse=True)[1].reshape(-1)
        return self._codes[name]

    def is_own(self, name: str) -> bool:
        """Whether a column is one of the codebook's."""
        return name in self._codebook

    def is_label(self, name: str) -> bool:
        """Whether a column groups patients, whatever its groups are called."""
        return name in self._codebook and self._codebook[name].kind == "label"

    def is_levelled(self, name: str) -> bool:
        """Whether the values of a column are counted one by one."""
        return name in self._levelled if name in self._codebook else name.startswith((_CELLS, _LEVELS))

    @staticmethod
    def cells_of(name: str) -> str:
        """The column of which cells were made, or nothing."""
        return name.removeprefix(_CELLS).rsplit(" at ", 1)[0] if name.startswith(_CELLS) else ""

    @staticmethod
    def function_of(name: str) -> str:
        """The number of which a function was made, or nothing."""
        return name.removeprefix(_FUNCTION).split(": ", 1)[0] if name.startswith(_FUNCTION) else ""

    @cached_property
    def _levelled(self) -> set[str]:
        """Factors, events, and numbers with few values."""
        numbers = [v.name for v in self._codebook.variables if v.kind in ("numeric", "time")]
        few = {name for name in numbers if self.codes(name).max(initial=-1) < _FEW_VALUES}
        return few | {v.name for v in self._codebook.variables if v.kind in ("factor", "event")}


def _columns_after(start: str, name: str) -> tuple[str, ...]:
    """Columns of the table in the name of one that was made of them for a cohort."""
    if not name.startswith(start):
        return ()
    return tuple(name.removeprefix(start).rsplit(" of ", 1)[0].split(" | "))


def row_hashes(frame: pd.DataFrame, key: bytes) -> Hashes:
    """A keyed 64-bit hash of every row, in the frame's order; identical rows are told apart by a count."""
    cells = np.column_stack([cell_hashes(frame[name], key) for name in sorted(frame.columns)])
    whole = _bytes_of_rows(cells, key)
    counts = pd.Series(whole).groupby(whole).cumcount().tolist()
    told_apart = [
        _hash(one + count.to_bytes(8, "little"), key) if count else one
        for one, count in zip(whole, counts, strict=True)
    ]
    return np.frombuffer(b"".join(told_apart), dtype="<u8").astype(np.uint64)


def _rows_of(cells: Hashes, key: bytes) -> Hashes:
    """A hash of each row of hashes (n, c)."""
    return np.frombuffer(b"".join(_bytes_of_rows(cells, key)), dtype="<u8").astype(np.uint64)


def _bytes_of_rows(cells: Hashes, key: bytes) -> list[bytes]:
    width = cells.shape[1] * 8
    raw = cells.astype("<u8").tobytes()
    return [_hash(raw[i : i + width], key) for i in range(0, len(raw), width)]


def cell_hashes(column: pd.Series, key: bytes) -> Hashes:
    """A keyed 64-bit hash of every cell; equal values have equal hashes, empty cells have zero."""
    codes, values = pd.factorize(column)
    if pd.api.types.is_numeric_dtype(column.dtype):
        raw = (np.asarray(values, dtype="<f8") + 0.0).tobytes()  # -0.0 is 0.0
        texts = [raw[i : i + 8] for i in range(0, len(raw), 8)]
    else:
        texts = [str(value).encode() for value in values]
    known = b"".join(_hash(text, key) for text in texts) + bytes(8)
    return np.frombuffer(known, dtype="<u8").astype(np.uint64)[codes]  # the code -1 takes the last


def _hash(content: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(content, key=key, digest_size=8).digest()
