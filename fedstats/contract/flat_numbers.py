"""Coefficients at which a model's numbers do not tell patients apart, and hide the joint table of its levels no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Column
from fedstats.contract.joint_cells import MANY, Codes, is_number, where_numbers_are_flat
from fedstats.contract.model_cells import seems_few, varies_within

Array = NDArray[np.float64]

#: Of larger slopes everything is worked out: squares of what they add may be no number, which is a refusal of its own.
_ORDINARY = 1e60
#: Where terms of a predictor are so many times as large as a spread, rounding may pass for it.
_ROUNDED = 1e9
#: Variances so many times as large as that of flat numbers are larger whatever is rounded: below the bound above, a hundred thousandth of it.
_SURELY = 1.01


@dataclass(frozen=True)
class FlatNumbers:
    """Of a model's rows what is the same at every point.

    Attributes
    ----------
    x : (n, p)                columns without the intercept
    number : (p,) bool        those that multiply numbers with many values
    few : (p,) bool           those that multiply numbers with few: levels
    offset : (n,) or None
    number_offset : bool      whether the offset has many values
    who : (n,) bool           rows with a weight
    cell : (m,) int           of these, in the joint table of all levels, as 0 ... G - 1
    halves : (m, c)           0/1 of these: levels that multiply numbers, which may be flat within one of them or outside it
    flat : float              so far numbers may spread in predictors and hide nothing
    """

    x: Array
    number: NDArray[np.bool_]
    few: NDArray[np.bool_]
    offset: Array | None
    number_offset: bool
    who: NDArray[np.bool_]
    cell: Codes
    halves: Array
    flat: float

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        x: Array,
        offset: Array | None,
        who: NDArray[np.bool_],
        cell: Codes,
        levels: Array,
        flat: float,
    ) -> "FlatNumbers":
        """Of columns x (n, p), an offset, cells (n,) and levels (n, c)."""
        there = x if who.all() else x[who]
        numeric = np.array([c.multiplies_a_number for c in columns], dtype=bool)
        some = zip(there.T, seems_few(there, MANY), strict=True)
        many = np.array([not few or is_number(v) for v, few in some], dtype=bool)
        mixed = any(c.multiplies_a_number and c.levels for c in columns)
        return cls(
            x,
            numeric & many,
            numeric & ~many,
            offset,
            offset is not None and is_number(offset[who]),
            who,
            cell[who],
            levels[who] if mixed else np.zeros((int(who.sum()), 0)),
            flat,
        )

    @classmethod
    def nowhere(cls, p: int) -> "FlatNumbers":
        """Of rows with a table that is hidden at every point, or at none."""
        nobody = np.zeros(0, dtype=bool)
        return cls(
            np.zeros((0, p)),
            np.zeros(p, dtype=bool),
            np.zeros(p, dtype=bool),
            None,
            False,
            nobody,
            nobody.astype(np.int64),
            np.zeros((0, 0)),
            0.0,
        )

    def at(self, slopes: Array, product: Array) -> tuple[Evidence, ...]:
        """The joint table of levels at slopes, (p,), where the model's numbers do not hide it; ``product`` (n,): x slopes, plus an intercept."""
        if not (self.number.any() and self.who.any()):
            return ()
        ordinary = np.abs(slopes).max() < _ORDINARY
        if ordinary and (self._all_in_one_cell(slopes) or self._surely_differ(slopes, product)):
            return ()
        eta, by_number = self.x @ slopes, self.x @ np.where(self.number, slopes, 0.0)
        if self.offset is not None:
            eta += self.offset
            by_number += self.offset if self.number_offset else 0.0
        return where_numbers_are_flat(eta[self.who], by_number[self.who], self.cell, self.halves, self.flat)

    def _all_in_one_cell(self, slopes: Array) -> bool:
        """Whether nothing but numbers weighs and there are no levels that these could follow from, or nothing weighs at all."""
        if slopes[~self.number].any() or (self.offset is not None and not self.number_offset):
            return False
        alone = not self.cell.any() and not self.halves.shape[1]
        return alone or (self.offset is None and not slopes.any())

    def _surely_differ(self, slopes: Array, product: Array) -> bool:
        """Whether numbers spread within the cells of all levels, by one pass: what levels add is the same within each, and may stay in."""
        if self.halves.shape[1] or not self._levels_are_of_cells:
            return False
        seen = product + self.offset if self.number_offset and self.offset is not None else product
        seen = seen if self.who.all() else seen[self.who]
        with np.errstate(over="ignore", invalid="ignore"):
            terms = np.abs(slopes).sum() * self._largest + np.abs(seen).max()
        if not terms < _ROUNDED * self.flat:
            return False
        left = seen - (np.bincount(self.cell, seen) / np.maximum(np.bincount(self.cell), 1))[self.cell]
        return bool(left @ left > _SURELY * self.flat**2 * len(left))

    @cached_property
    def _largest(self) -> float:
        """The largest value of all columns, whatever its sign."""
        return float(max(self.x.max(), -self.x.min()))

    @cached_property
    def _levels_are_of_cells(self) -> bool:
        """Whether columns of few values, too, have one in each cell: scaled they could have fewer than the table."""
        return not varies_within(self.x[:, self.few][self.who], self.cell).any()
