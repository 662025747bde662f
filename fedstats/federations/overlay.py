"""Cohorts laid over each other: whom their sums single out when they are put together.

Sums over several cohorts can be added and subtracted with any factors.  What comes out is again a sum over
patients, with a factor for each; where all factors but those of a few patients are zero, the few are
singled out.  Patients who are in exactly the same cohorts always have the same factor: they are an *atom*.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fedstats.federations.elementary_vectors import elementary_vectors

Flags = NDArray[np.bool_]

#: Coefficients of combinations smaller than this part of the largest are rounding.
_ZERO = 1e-9
#: Directions that agree to so many decimals are one; a split by rounding errs on the safe side.
_DECIMALS = 6


@dataclass(frozen=True)
class Overlay:
    """Several cohorts of the same rows.

    Attributes
    ----------
    atom : (n,) int        of each row
    table : (m, a) bool    which cohort holds which atom
    """

    atom: NDArray[np.int64]
    table: Flags

    @classmethod
    def of(cls, cohorts: Sequence[Flags]) -> Self:
        """Lay cohorts, (n,) bool each, over each other."""
        members = np.stack(cohorts)
        packed = np.packbits(members, axis=0)
        keys = np.ascontiguousarray(packed.T).view(np.dtype((np.void, packed.shape[0]))).ravel()
        _, first, atom = np.unique(keys, return_index=True, return_inverse=True)
        return cls(atom.reshape(-1), members[:, first])

    def singled_out(self, least: int, within: Flags | None = None) -> dict[frozenset[int], int]:
        """Groups of fewer than ``least`` patients whom some combination of the cohorts' sums tells of.

        Parameters
        ----------
        least : int
        within : (n,) bool, optional
            Sums over these rows alone, such as those of one level.

        Returns
        -------
        dict
            Of a group, as the set of its rows, to its size: of those who are added and those who are
            subtracted, the larger number.

        Notes
        -----
        The audit of Chin & Ozsoyoglu (1982), for cohorts.  Combinations whose factors are zero on every atom of
        ``least`` patients or more are a linear space; every one is made of the space's elementary vectors, and
        tells of no fewer patients than one of them.  Where a space is too large to try all of these, the
        atoms whose factors are proportional throughout it are named one by one: nobody is overlooked, and
        groups that never come alone may be named.
        """
        rows = np.arange(len(self.atom)) if within is None else np.flatnonzero(within)
        atom = self.atom[rows]
        sizes = np.bincount(atom, minlength=self.table.shape[1])
        few = np.flatnonzero((sizes > 0) & (sizes < least) & self.table.any(axis=0))
        if not few.size:
            return {}
        space = _vanishing(self.table[:, sizes >= least].astype(float))
        factors = space.T @ self.table[:, few]
        length = np.linalg.norm(factors, axis=0)
        there = length > _ZERO
        if not there.any():
            return {}
        few, factors = few[there], factors[:, there] / length[there]
        classes, group, sign = _proportional(factors)
        added, taken = (
            np.bincount(group[sign == s], sizes[few[sign == s]], minlength=classes.shape[1]) for s in (1, -1)
        )
        found = {}
        for vector in _smallest(classes):
            size = max(
                added[vector > 0].sum() + taken[vector < 0].sum(),
                taken[vector > 0].sum() + added[vector < 0].sum(),
            )
            if size < least:
                own = few[(vector != 0)[group]]
                found[frozenset(rows[np.isin(atom, own)].tolist())] = int(size)
        return found


def _proportional(
    factors: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Directions (d, k) that columns (d, a) of length one share; which each has, and whether it is turned round."""
    first = np.argmax(np.abs(factors) > 1e-3, axis=0)
    sign = np.sign(factors[first, np.arange(factors.shape[1])])
    turned = factors * sign
    _, one, group = np.unique(
        np.round(turned, _DECIMALS) + 0.0, axis=1, return_index=True, return_inverse=True
    )
    return turned[:, one], group.reshape(-1), sign.astype(np.int64)


def _smallest(directions: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Elementary vectors over the directions, (k,) each; alone, each direction that not all can be tried of."""
    left, values, _ = np.linalg.svd(directions, full_matrices=False)
    rank = int((values > _ZERO * values[0]).sum())
    vectors, untried = elementary_vectors(left[:, :rank].T @ directions)
    yield from vectors
    yield from np.eye(directions.shape[1])[untried]


def _vanishing(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Combinations of the rows of a table (m, b) that are zero in every column: (m, d), orthonormal."""
    if not table.shape[1]:
        return np.eye(len(table))
    left, values, _ = np.linalg.svd(table, full_matrices=True)
    return np.asarray(left[:, int((values > _ZERO * values[0]).sum()) :])
