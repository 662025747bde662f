"""What several questions have read of one cohort: columns that are nearly the same, functions, crossing cells.

Sums of the same patients over two columns differ by those in whom the columns do.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence, Rule
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.federations.hashed_table import HashedTable, Hashes
from fedstats.federations.memory_folder import Line, MemoryFolder
from fedstats.federations.overlay import Flags

Codes = NDArray[np.int64]


class Readings:
    """Columns that were read of the same cohort, laid beside each other.

    Parameters
    ----------
    held : HashedTable       the table that the site holds now
    files : MemoryFolder     keeps columns that questions made of it before a restart
    """

    def __init__(self, held: HashedTable, files: MemoryFolder) -> None:
        self._held = held
        self._files = files

    def evidence(
        self, line: Line, lines: Sequence[Line], members: Mapping[str, Flags], policy: DisclosurePolicy
    ) -> Iterator[Evidence]:
        """Counts of the patients whom two readings of a cohort tell apart.

        Parameters
        ----------
        line : Line                of the answer that is judged
        lines : sequence of Line   of those that have left, or will leave together with it
        members : mapping          of cohorts that are not in the files yet, by name
        policy : DisclosurePolicy
        """
        for name, columns in line.cohorts:
            earlier = [
                set(read)
                for known in lines
                if known.table == line.table
                for cohort, read in known.cohorts
                if cohort == name
            ]
            before = set().union(*earlier)
            fresh, every = sorted(set(columns) - before), sorted({*columns, *before})
            among = members[name] if name in members else self._files.cohort(name, line.table)
            yield from self._nearly_the_same(fresh, every, among, policy)
            yield from self._functions(fresh, every, among)
            yield from self._hidden_levels(fresh, every, among, policy)
            yield from self._in_order(fresh, every, among)
            if set(columns) not in earlier:
                yield from self._crossing_cells(set(columns), earlier, among)

    def _nearly_the_same(
        self, fresh: Sequence[str], every: Sequence[str], among: Flags, policy: DisclosurePolicy
    ) -> Iterator[Evidence]:
        """Patients in whom two columns differ; of levels, those who have one of two and not the other."""
        for one, other in product(fresh, every):
            if one == other or (other in fresh and other < one):
                continue
            levelled = [self._held.is_levelled(name) for name in (one, other)]
            cut = [self._held.cells_of(name) for name in (one, other)]
            if any(self._held.hidden_of(name) or self._held.outcome_of(name) for name in (one, other)):
                continue  # see _hidden_levels and _in_order
            if any(cut) and (not all(cut) or cut[0] == cut[1]):
                continue  # two grids of one column: see _crossing_cells
            if all(levelled):
                rule: Rule = "leavers of a time cell" if all(cut) else "pair of levels"
                apart = _apart(self._codes(one, among), self._codes(other, among), policy.min_pair)
                yield Evidence(rule, apart, f"patients with a level of {one}, or of {other}, alone")
            elif not any(levelled) and self._measured_alike(one, other):
                differ = self._differ(one, other, among)
                about = f"patients in whom {one} and {other} differ"
                yield Evidence("difference between cohorts", np.array([differ]), about)

    def _measured_alike(self, one: str, other: str) -> bool:
        """Whether two columns are both the table's own, or both weights that questions made."""
        return any(of(one) and of(other) for of in (self._held.is_own, self._held.is_made))

    def _differ(self, one: str, other: str, among: Flags) -> int:
        """Patients with another value, or in another group, of two columns."""
        if self._held.is_label(one) and self._held.is_label(other):
            a, b = self._codes(one, among), self._codes(other, among)
            return max(_moved(a, b), _moved(b, a))
        return int((self._column(one) != self._column(other))[among].sum())

    def _functions(self, fresh: Sequence[str], every: Sequence[str], among: Flags) -> Iterator[Evidence]:
        """Patients with each value of a number, where its functions' sums are enough to count them.

        Of f functions of one value 1 + f + f (f + 1) / 2 sums leave at most.
        """
        for number in {self._held.function_of(name) for name in fresh} - {""}:
            f = sum(self._held.function_of(name) == number for name in every)
            _, counts = np.unique(self._codes(number, among), return_counts=True)
            if f > 1 and len(counts) <= 1 + f + f * (f + 1) // 2:
                yield Evidence("level", counts, f"one value of {number}, of which functions were summed")

    def _hidden_levels(
        self, fresh: Sequence[str], every: Sequence[str], among: Flags, policy: DisclosurePolicy
    ) -> Iterator[Evidence]:
        """Patients of levels that a table hides, in parts that a value of another column tells.

        A value that takes every cell which is shown whole or not at all tells, with these, how many of the hidden have it.
        """
        for table, other in product(every, every):
            of = self._held.hidden_of(table)
            if not of or not {table, other} & set(fresh) or self._held.is_made_of(other, of[0]):
                continue
            if self._held.is_levelled(other):
                columns = [self._held.levels_name(of), other]
                cells, values = (self._codes(name, among) for name in columns)
                told = _parts(self._codes(table, among), cells, values, policy.min_level_difference)
                yield Evidence("entry", told, f"patients of a hidden level of {of[0]} told by {other}")

    def _in_order(self, fresh: Sequence[str], every: Sequence[str], among: Flags) -> Iterator[Evidence]:
        """Patients who leave while events happen in either of two outcomes, and are not told the same of by both.

        Scores of one model until two horizons differ by sums over those who leave in between, in their order.
        """
        for one, other in product(fresh, every):
            outcomes = self._held.outcome_of(one), self._held.outcome_of(other)
            if not all(outcomes) or outcomes[0] == outcomes[1]:
                continue
            left = (self._column(one)[among] != 0) | (self._column(other)[among] != 0)
            here, there = (np.column_stack([self._column(c)[among] for c in columns]) for columns in outcomes)
            apart = left if here.shape != there.shape else left & (here != there).any(axis=1)
            about = f"patients who leave between {outcomes[0][-1]} and {outcomes[1][-1]}"
            yield Evidence("events in their order", np.array([apart.sum()]), about)

    def _crossing_cells(
        self, columns: set[str], earlier: Sequence[set[str]], among: Flags
    ) -> Iterator[Evidence]:
        """Patients between the edges of two grids of which neither is a part of the other, by common levels."""
        for read in earlier:
            groups = [name for name in columns & read if not self._held.is_own(name) and self._is_group(name)]
            for one, other in product(columns, read):
                cut = self._held.cells_of(one)
                if not cut or one == other or self._held.cells_of(other) != cut:
                    continue
                a, b = self._codes(one, among), self._codes(other, among)
                both = _together(a, b)
                if len(np.unique(both)) > max(len(np.unique(a)), len(np.unique(b))):
                    for cells in (both, *(_together(both, self._codes(group, among)) for group in groups)):
                        _, counts = np.unique(cells, return_counts=True)
                        yield Evidence(
                            "leavers of a time cell", counts, f"{cut} between the edges of two grids"
                        )

    def _is_group(self, name: str) -> bool:
        return self._held.is_levelled(name) and not self._held.cells_of(name)

    def _column(self, name: str) -> Hashes:
        return (
            self._held.column(name) if self._held.knows(name) else self._files.column(self._held.name, name)
        )

    def _codes(self, name: str, among: Flags) -> Codes:
        """Values of a column within a cohort as numbers from 0; -1 where it is empty."""
        values, codes = np.unique(self._column(name)[among], return_inverse=True)
        codes = codes.reshape(-1)
        return codes - 1 if len(values) and values[0] == 0 else codes  # an empty cell has the hash zero


def _together(a: Codes, b: Codes) -> Codes:
    return a * (int(b.max(initial=0)) + 2) + b


def _apart(a: Codes, b: Codes, least: int) -> Codes:
    """For every two levels that ``least`` patients share: who have one of them alone, the larger number."""
    sizes = np.bincount(a[a >= 0]), np.bincount(b[b >= 0])
    there = (a >= 0) & (b >= 0)
    shape = len(sizes[0]), len(sizes[1])
    both = np.bincount(a[there] * shape[1] + b[there], minlength=shape[0] * shape[1]).reshape(shape)
    apart = np.maximum(sizes[0][:, None] - both, sizes[1] - both)
    return np.asarray(apart[both >= max(least, 1)])


def _parts(hidden: Codes, cells: Codes, values: Codes, least: int) -> Codes:
    """How many of the hidden (by group; -1: shown) have a value, and how many of the same groups do not, where cells that are shown tell it."""
    told, shown = [], hidden < 0
    for value in np.unique(values[~shown & (values >= 0)]):
        has = values == value
        size = np.bincount(cells[shown & (cells >= 0)], minlength=int(cells.max(initial=0)) + 1)
        inside = np.bincount(cells[shown & has & (cells >= 0)], minlength=len(size))
        if np.minimum(inside, size - inside).sum() < max(least, 1):
            told += [np.sum(~shown & has), np.sum(np.isin(hidden, hidden[~shown & has]) & ~has)]
    return np.array(told, dtype=np.int64)


def _moved(a: Codes, b: Codes) -> int:
    """Patients outside the group of b in which most of their group of a are."""
    pairs, counts = np.unique(np.stack([a, b]), axis=1, return_counts=True)
    most = np.zeros(int(a.max(initial=-1)) + 2, dtype=np.int64)
    np.maximum.at(most, pairs[0], counts)
    return int(len(a) - most.sum())
