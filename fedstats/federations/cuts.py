"""Cohorts of earlier cuts of the data that are nearly the same patients: what was told of these adds up with what is told now."""

from collections.abc import Mapping, Sequence

import numpy as np

from fedstats.federations.hashed_table import HashedTable, Hashes
from fedstats.federations.memory_folder import Line, MemoryFolder
from fedstats.federations.overlay import Flags

#: Of all patients of two cohorts, how many are in both where they are nearly the same.
NEARLY_ALL = 0.9


class Cuts:
    """Finds the cohorts of other tables that share nearly all patients with one of the table that is held.

    Parameters
    ----------
    held : HashedTable
    files : MemoryFolder     keeps the cohorts of earlier answers, of earlier tables too
    """

    def __init__(self, held: HashedTable, files: MemoryFolder) -> None:
        self._held = held
        self._files = files
        self._known: dict[tuple[str, str], bool] = {}

    def akin(self, members: Mapping[str, Flags], lines: Sequence[Line]) -> dict[str, frozenset[str]]:
        """Of each cohort of the held table, by name, itself and those of other tables that are nearly the same patients."""
        earlier = {(name, line.table) for line in lines for name, _ in line.cohorts}
        others = sorted((name, table) for name, table in earlier if table != self._held.name)
        return {
            name: frozenset(
                {name, *(other for other, table in others if self._same(name, flags, other, table))}
            )
            for name, flags in members.items()
        }

    def _same(self, name: str, flags: Flags, other: str, table: str) -> bool:
        if (name, other) not in self._known:
            here, there = self._held.patients[flags], self._patients(other, table)
            shared = len(np.intersect1d(here, there))
            self._known[name, other] = shared >= NEARLY_ALL * (len(here) + len(there) - shared)
        return self._known[name, other]

    def _patients(self, name: str, table: str) -> Hashes:
        patients = self._files.column(table, "")
        return np.asarray(patients[self._files.cohort(name, table)])
