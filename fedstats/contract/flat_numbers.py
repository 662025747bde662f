"""Coefficients at which a model's numbers do not tell patients apart, and hide the joint table of its levels no more."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Column
from fedstats.contract.joint_cells import FLAT, MANY, is_number, where_numbers_are_flat
from fedstats.contract.model_cells import seems_few

Array = NDArray[np.float64]

#: So many rows show whether numbers differ, but where they hardly do.
_LOOKED_AT = 4096
#: Of larger slopes all rows are looked at: squares of what they add may be no number, which is a refusal of its own.
_ORDINARY = 1e60


@dataclass(frozen=True)
class FlatNumbers:
    """Of a model's rows what is the same at every point.

    Attributes
    ----------
    number : (p,) bool        columns that multiply numbers with many values
    offset : (n,) or None
    number_offset : bool      whether the offset has many values
    who : (n,) bool           rows with a weight
    halves : (m, c)           0/1 of these: levels that multiply numbers, which may be flat within one of them or outside it
    """

    number: NDArray[np.bool_]
    offset: Array | None
    number_offset: bool
    who: NDArray[np.bool_]
    halves: Array

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        x: Array,
        offset: Array | None,
        who: NDArray[np.bool_],
        levels: Array,
    ) -> "FlatNumbers":
        """Of columns x (n, p), an offset, and levels (n, c)."""
        there = x if who.all() else x[who]
        some = zip(columns, there.T, seems_few(there, MANY), strict=True)
        number = [c.multiplies_a_number and (not few or is_number(v)) for c, v, few in some]
        mixed = any(c.multiplies_a_number and c.levels for c in columns)
        return cls(
            np.array(number, dtype=bool),
            offset,
            offset is not None and is_number(offset[who]),
            who,
            levels[who] if mixed else np.zeros((int(who.sum()), 0)),
        )

    @classmethod
    def nowhere(cls, p: int) -> "FlatNumbers":
        """Of rows with a table that is hidden at every point, or at none."""
        nobody = np.zeros(0, dtype=bool)
        return cls(np.zeros(p, dtype=bool), None, False, nobody, np.zeros((0, 0)))

    def at(self, x: Array, slopes: Array) -> tuple[Evidence, ...]:
        """The joint table of levels at slopes, (p,), where the model's numbers do not hide it."""
        if not (self.number.any() and self.who.any()):
            return ()
        of_numbers = np.where(self.number, slopes, 0.0)
        ordinary = np.abs(slopes).max() < _ORDINARY
        if ordinary and (not self._levels_weigh(slopes) or self._surely_differ(x, of_numbers)):
            return ()
        by_number, by_level = x @ of_numbers, x @ np.where(self.number, 0.0, slopes)
        if self.offset is not None:
            part = by_number if self.number_offset else by_level
            part += self.offset
        return where_numbers_are_flat(by_level[self.who], by_number[self.who], self.halves)

    def _levels_weigh(self, slopes: Array) -> bool:
        """Whether anything but a number makes patients differ: where nothing does, all are in one cell."""
        return bool(slopes[~self.number].any()) or (self.offset is not None and not self.number_offset)

    def _surely_differ(self, x: Array, of_numbers: Array) -> bool:
        """Whether a few rows suffice to know: squares of deviations of all are no less than those of some from their own mean."""
        if self.halves.shape[1]:
            return False
        some = slice(None, None, max(1, len(x) // _LOOKED_AT))
        seen = x[some] @ of_numbers
        if self.offset is not None and self.number_offset:
            seen += self.offset[some]
        seen = seen[self.who[some]]
        return bool(len(seen) and len(seen) * seen.var() > 4 * FLAT**2 * len(x))
