"""Whom an answer singles out together with the earlier ones: in all, and within a level."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence, Rule
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.federations.hashed_table import HashedTable, Hashes
from fedstats.federations.memory_folder import Line, MemoryFolder
from fedstats.federations.overlay import Flags, Overlay


@dataclass(frozen=True)
class _Asked:
    """A cohort with columns that were read of it together."""

    cohort: str
    table: str
    columns: tuple[str, ...]


@dataclass
class _Found:
    """Groups of too few patients, and what each is about."""

    sizes: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def add(self, sizes: Sequence[int], label: str) -> None:
        self.sizes += sizes
        self.labels += [label] * len(sizes)

    def evidence(self, rule: Rule) -> Evidence:
        if not self.sizes:
            return Evidence(rule, np.zeros(1), "patients whom this and earlier answers single out together")
        return Evidence(rule, np.array(self.sizes), tuple(self.labels))


class Differences:
    """Cohorts that were asked about, laid over each other column by column.

    Sums add up and subtract where the same was read of each cohort, and a sum by levels is a sum over the
    patients of each.

    Parameters
    ----------
    held : HashedTable       the table that the site holds now
    files : MemoryFolder     keeps the cohorts of earlier answers, of earlier tables too
    """

    def __init__(self, held: HashedTable, files: MemoryFolder) -> None:
        self._held = held
        self._files = files
        self._overlays: dict[object, Overlay] = {}

    def evidence(
        self, line: Line, lines: Sequence[Line], members: Mapping[str, Flags], policy: DisclosurePolicy
    ) -> Iterator[Evidence]:
        """Counts for the two rules about differences.

        Parameters
        ----------
        line : Line                of the answer that is judged
        lines : sequence of Line   of those that have left, or will leave together with it
        members : mapping          of cohorts that are not in the files yet, by name
        policy : DisclosurePolicy
        """
        earlier = {_Asked(name, a.table, columns) for a in lines for name, columns in a.cohorts}
        new = {_Asked(name, line.table, columns) for name, columns in line.cohorts} - earlier
        read = sorted({c for asked in new for c in asked.columns if not self._held.function_of(c)})
        self._overlays.clear()
        whole, parts = _Found(), _Found()
        for column in read:
            laid = self._laid(earlier, new, column, members)
            if laid is None:
                continue
            before, after, values = laid
            sizes = _new_groups(before, after, policy.min_difference)
            whole.add(sizes, f"patients whom answers about {column} single out together")
            if self._held.is_levelled(column):
                for level in range(values.max(initial=-1) + 1):
                    sizes = _new_groups(before, after, policy.min_level_difference, values == level)
                    parts.add(sizes, f"of a level of {column}, patients whom answers single out together")
        yield whole.evidence("difference between cohorts")
        yield parts.evidence("level of a difference")

    def _laid(
        self,
        earlier: set[_Asked],
        new: set[_Asked],
        column: str,
        members: Mapping[str, Flags],
    ) -> tuple[Overlay | None, Overlay, NDArray[np.int64]] | None:
        """Cohorts of which a column was read, before and after, and the column's values as codes.

        None where the question adds no cohort, or there is but one.
        """
        old = {(a.table, a.cohort) for a in earlier if column in a.columns}
        fresh = {(a.table, a.cohort) for a in new if column in a.columns} - old
        if not fresh or len(old | fresh) < 2:
            return None
        names = [*sorted(old), *sorted(fresh)]
        tables = sorted({table for table, _ in names})
        element, values = self.elements(tables, column)

        def overlay(count: int) -> Overlay:
            """The first cohorts laid over each other; those of one table are the same for all columns."""
            key = (tuple(names[:count]), column if len(tables) > 1 else "")
            if key not in self._overlays:
                flags = [
                    self.spread(members.get(name), name, table, element) for table, name in names[:count]
                ]
                self._overlays[key] = Overlay.of(flags)
            return self._overlays[key]

        return overlay(len(old)) if old else None, overlay(len(names)), values

    def elements(
        self, tables: list[str], column: str
    ) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
        """The patients of all tables with their values: which is whose, by table, and each one's values as a code.

        A patient whose value has moved from one table to the next is another element there.
        """
        if tables == [self._held.name]:
            return {self._held.name: np.arange(len(self._held.patients))}, self._held.codes(column)
        sizes = [len(self._hashes(table, "")) for table in tables]
        keys = np.column_stack(
            [np.concatenate([self._hashes(table, of) for table in tables]) for of in ("", column)]
        )
        found, element = np.unique(keys, axis=0, return_inverse=True)
        _, values = np.unique(found[:, 1], return_inverse=True)
        parts = np.split(element.reshape(-1), np.cumsum(sizes)[:-1])
        return dict(zip(tables, parts, strict=True)), values.reshape(-1)

    def _hashes(self, table: str, column: str) -> Hashes:
        """Of a table that is held or was, the patients (``""``) or the values of a column."""
        if table != self._held.name:
            return self._files.column(table, column)
        return self._held.column(column) if column else self._held.patients

    def spread(
        self, known: Flags | None, name: str, table: str, element: Mapping[str, NDArray[np.int64]]
    ) -> Flags:
        """Which elements are in a cohort."""
        members = self._files.cohort(name, table) if known is None else known
        n = max(int(part.max(initial=-1)) for part in element.values()) + 1
        flags = np.zeros(n, dtype=bool)
        flags[element[table][members]] = True
        return flags


def _new_groups(before: Overlay | None, after: Overlay, least: int, within: Flags | None = None) -> list[int]:
    """Sizes of the groups that are singled out now and were not before."""
    known = before.singled_out(least, within) if before is not None else {}
    return [size for group, size in after.singled_out(least, within).items() if group not in known]
