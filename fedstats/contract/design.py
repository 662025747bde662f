"""Design columns as structured terms: products of numbers and level indicators, agreed beforehand."""

from collections import Counter
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.condition import level_name
from fedstats.contract.query import QueryError, Spec
from fedstats.contract.shapes import Shape

Array = NDArray[np.float64]

#: Levels multiplied in one column.
MOST_LEVELS = 4
_ROWS = 4096


@dataclass(frozen=True)
class Part(Spec):
    """One factor of a product: a number, a function of it (``shape``), or the indicator of a level."""

    column: str
    level: str | None = None
    shape: Shape | None = None

    @property
    def is_linear(self) -> bool:
        """Whether a number counts as it is, up to its unit."""
        return self.shape is None or self.shape.is_linear

    def in_words(self) -> str:
        """``age``, ``log(age)``, ``ecog[2]``."""
        if self.shape is not None:
            return self.shape.in_words(self.column)
        return self.column if self.level is None else f"{self.column}[{self.level}]"


@dataclass(frozen=True)
class Period(Spec):
    """Follow-up from ``after`` (not with it) to ``until`` (with it); None: to the end."""

    after: float
    until: float | None

    @property
    def end(self) -> float:
        """Infinity where it goes to the end."""
        return np.inf if self.until is None else self.until

    def in_words(self) -> str:
        """``up to 6``, ``6 to 12``, ``after 12``."""
        if self.until is None:
            return f"after {self.after:.12g}"
        return f"{self.after:.12g} to {self.until:.12g}" if self.after else f"up to {self.until:.12g}"


@dataclass(frozen=True)
class Column(Spec):
    """One column of the design matrix, ``(product of parts - centre) / scale``.

    Centre and scale are agreed, change no result and keep products of large numbers from cancelling.  ``term`` is
    what was written: ``C(ecog)`` of the column ``C(ecog)[2]``.  In a ``period`` alone it counts at the deaths of a
    Cox model in that part of follow-up: see :mod:`fedstats.contract.periods`.
    """

    name: str
    parts: tuple[Part, ...]
    centre: float = 0.0
    scale: float = 1.0
    term: str = ""
    period: Period | None = None

    @property
    def levels(self) -> tuple[Part, ...]:
        """The levels that are multiplied."""
        return tuple(sorted({p for p in self.parts if p.level is not None}, key=Part.in_words))

    @property
    def is_of_table(self) -> bool:
        """Whether it is a column of the table in another unit, or the indicator of a level: a number wherever that has a value."""
        agreed = np.isfinite(self.centre) and np.isfinite(self.scale)
        return bool(agreed and len(self.parts) == 1 and self.parts[0].shape is None)

    @property
    def multiplies_a_number(self) -> bool:
        """Whether a number is among the parts."""
        return any(p.level is None for p in self.parts)


@dataclass(frozen=True)
class Design(Spec):
    """The right-hand side of a model, as sites receive it.

    Attributes
    ----------
    columns : tuple of Column
    intercept : bool           a leading column of ones (named ``Intercept``)
    """

    columns: tuple[Column, ...]
    intercept: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return (("Intercept",) if self.intercept else ()) + tuple(c.name for c in self.columns)

    @property
    def described(self) -> tuple[str, ...]:
        """Each coefficient by what it is made of: unlike its name, that is no free text of whoever asks."""
        made_of = (":".join(part.in_words() for part in c.parts) or "1" for c in self.columns)
        when = ("" if c.period is None else f" ({c.period.in_words()})" for c in self.columns)
        return (("Intercept",) if self.intercept else ()) + tuple(
            map("".join, zip(made_of, when, strict=True))
        )

    @property
    def terms(self) -> tuple[str, ...]:
        """What the model regresses on, levels apart: ``age``, ``sex``, ``sex:age``."""
        return tuple(dict.fromkeys(":".join(p.column for p in c.parts) or "1" for c in self.columns))

    @property
    def term_of_each(self) -> tuple[str, ...]:
        """Of each coefficient the term as it was written, without its levels: ``C(ecog)`` of ``C(ecog)[2]``."""
        return (("Intercept",) if self.intercept else ()) + tuple(c.term or c.name for c in self.columns)

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that the design needs."""
        return tuple(dict.fromkeys(p.column for c in self.columns for p in c.parts))

    @property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """Columns that are read by their levels, alone or multiplied, once each."""
        by_column = [tuple(sorted({p.column for p in c.parts if p.level is not None})) for c in self.columns]
        alone = {(name,) for names in by_column for name in names}
        # a number within one level, summed with another level's column, is a sum over the patients of both
        of_numbers = [
            names for names, c in zip(by_column, self.columns, strict=True) if c.multiplies_a_number
        ]
        both = {tuple(sorted({*one, *other})) for one in of_numbers if one for other in by_column if other}
        return tuple(sorted(alone | both | {names for names in by_column if names}))

    @property
    def functions(self) -> tuple[tuple[str, str], ...]:
        """Numbers with each function of them that is summed, in words; another unit is no other function."""
        parts = (p for c in self.columns for p in c.parts if p.level is None)
        return tuple(sorted({(p.column, p.column if p.is_linear else p.in_words()) for p in parts}))

    def powers(self, order: int = 2) -> dict[str, tuple[int, int]]:
        """Up to which power sums of a number leave, alone and together with others; of those in a product.

        ``order`` is how many columns are multiplied in a sum: two, but for Firth's penalty.
        """
        counted = [Counter(p.column for p in c.parts if p.level is None) for c in self.columns]
        found = {}
        for name in self.variables:
            highest = max(c[name] for c in counted)
            multiplied = any(p.column == name for c in self.columns if len({*c.parts}) > 1 for p in c.parts)
            if highest > 1 or (highest and multiplied):
                found[name] = (order * highest, (order if multiplied else order - 1) * highest)
        return found

    def raw(self, frame: pd.DataFrame) -> Array:
        """Uncentred, unscaled columns without the intercept, (n, p); the gate judges these."""
        out = np.empty((len(frame), len(self.columns)), order="F")
        for j, column in enumerate(self.columns):
            out[:, j] = _part(frame[column.parts[0].column], column.parts[0]) if column.parts else 1.0
            for part in column.parts[1:]:
                out[:, j] *= _part(frame[part.column], part)
        return out

    def scaled(self, raw: Array) -> Array:
        """Columns as they are multiplied, intercept included, (n, p)."""
        k = int(self.intercept)
        out = np.empty((len(raw), len(self.columns) + k))
        out[:, :k] = 1.0
        centre, scale = (np.array([getattr(c, what) for c in self.columns]) for what in ("centre", "scale"))
        # by blocks that stay in cache: one matrix is by columns, the other by rows
        for a in range(0, len(raw), _ROWS):
            block = out[a : a + _ROWS, k:]
            np.subtract(raw[a : a + _ROWS], centre, out=block)
            block /= scale
        return out

    def scaled_of(self, frame: pd.DataFrame) -> Array:
        """The same as ``scaled(raw(frame))`` without the raw columns in between: half the memory."""
        k = int(self.intercept)
        out = np.empty((len(frame), len(self.columns) + k))
        out[:, :k] = 1.0
        factors = [[_part(frame[p.column], p) for p in c.parts] for c in self.columns]
        for a in range(0, len(out), _ROWS):  # columns go into rows by blocks that stay in cache
            block = out[a : a + _ROWS, k:]
            for j, (column, parts) in enumerate(zip(self.columns, factors, strict=True)):
                value = parts[0][a : a + _ROWS] if parts else np.ones(len(block))
                for part in parts[1:]:
                    value = value * part[a : a + _ROWS]
                block[:, j] = (value - column.centre) / column.scale
        return out

    def unscaling(self) -> Array:
        """The matrix T with ``beta = T gamma``: from scaled coefficients to those of the raw columns."""
        k = int(self.intercept)
        transform = np.eye(len(self.columns) + k)
        for j, column in enumerate(self.columns):
            transform[j + k, j + k] = 1.0 / column.scale
            if k:
                transform[0, j + 1] = -column.centre / column.scale
        return transform

    def indicators(self, frame: pd.DataFrame) -> tuple[Array, tuple[str, ...]]:
        """Every level of every factor, the reference too, as 0/1 columns for the gate; of levels that are multiplied all cells.

        Which levels there are is the frame's own knowledge: a question is not believed to list them.  Of two
        levels multiplied, with a number or without, the sums tell of those who have both, and less the one's own sums of
        those who have it alone: so each of the 2^m cells is one.

        Raises
        ------
        QueryError
            More than :data:`MOST_LEVELS` levels multiplied in one column.
        """
        columns, names = [], []
        with_levels = {p.column for c in self.columns for p in c.parts if p.level is not None}
        for name in self.variables:
            values = frame[name]
            if isinstance(values.dtype, pd.CategoricalDtype) or name in with_levels:
                for level in levels_of(values):
                    columns.append(_part(values, Part(name, level)))
                    names.append(f"{name} = {level}")
        for parts in dict.fromkeys(c.levels for c in self.columns if len(c.levels) > 1):
            if len(parts) > MOST_LEVELS:
                raise QueryError(f"A column multiplies {len(parts)} levels; {MOST_LEVELS} are the most.")
            inside = np.column_stack([_part(frame[p.column], p) for p in parts])
            for signs in product((True, False), repeat=len(parts)):
                columns.append(np.where(signs, inside, 1 - inside).prod(axis=1))
                cell = (
                    f"{'' if sign else 'not '}{p.in_words()}" for sign, p in zip(signs, parts, strict=True)
                )
                names.append(" and ".join(cell))
        return (np.column_stack(columns) if columns else np.zeros((len(frame), 0))), tuple(names)


def levels_of(values: pd.Series) -> list[str]:
    """Agreed levels of a factor, or the distinct values of a number that is used as one."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return list(values.cat.categories)
    return sorted({level_name(v) for v in values.dropna()})


def _part(values: pd.Series, part: Part) -> Array:
    if part.level is None:
        x = np.asarray(values.to_numpy(dtype=float))
        return x if part.shape is None else part.shape.of(x)
    if isinstance(values.dtype, pd.CategoricalDtype):
        return np.asarray((values == part.level).to_numpy(dtype=float))
    wanted = np.array([v for v in values.dropna().unique() if level_name(v) == part.level], dtype=float)
    return np.isin(values.to_numpy(dtype=float), wanted).astype(float)


def level_codes(values: pd.Series, levels: tuple[str, ...]) -> NDArray[np.int64]:
    """Position of each value among agreed levels, (n,); -1 where it is none of them."""
    position = {level: i for i, level in enumerate(levels)}
    return np.array([position.get(level_name(v), -1) for v in values], dtype=np.int64)
