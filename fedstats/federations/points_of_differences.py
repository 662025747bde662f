"""At how many points a model was answered of two cohorts, against how many patients they differ by.

The same model of two cohorts at one point tells, by subtraction, sums over those who are in one of them alone.
Each further point tells as many sums of the same patients: with as many sums as they have values, the values follow.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.federations.differences import Differences
from fedstats.federations.hashed_table import HashedTable
from fedstats.federations.memory_folder import Line
from fedstats.federations.overlay import Flags

#: A cohort by the name of its table and its own.
_Cohort = tuple[str, str]
_Questions = dict[_Cohort, dict[str, frozenset[str]]]


class PointsOfDifferences:
    """Sums told of the patients by whom two cohorts differ, for each of their values.

    Parameters
    ----------
    held : HashedTable          the table that the site holds now
    differences : Differences   finds the same patients in several tables
    """

    def __init__(self, held: HashedTable, differences: Differences) -> None:
        self._held = held
        self._differences = differences
        self._sizes: dict[tuple[_Cohort, _Cohort, str], tuple[int, int]] = {}

    def evidence(self, line: Line, lines: Sequence[Line], members: Mapping[str, Flags]) -> Iterator[Evidence]:
        """Of every earlier cohort of a model of this kind, by whatever question: the sums of the difference by the values they are of.

        A point of a model with q columns tells q (q + 1) / 2 sums, of q values a patient; within a level q of them.
        So many points may be told of both cohorts as their difference holds patients for (q + 1) / 2, or for 1.
        """
        if not line.has_point:
            return
        of_this = [one for one in lines if one.has_point and one.likelihood in ("", line.likelihood)]
        asked = self._questions(of_this)
        new = self._questions([line])
        found = [0.0]
        for cohort, questions in new.items():
            together = asked.get(cohort, {}) | questions
            own = next(iter(questions.values()))
            for other, known in asked.items():
                if other == cohort:
                    continue
                for common in {own & columns for columns in known.values()} - {frozenset()}:
                    points = min(_points(together, common), _points(known, common))
                    found += [points * self._per_value(cohort, other, common, members)]
        yield Evidence("points of a difference", np.array([max(found)]), "sums for each value they tell of")

    def _questions(self, lines: Sequence[Line]) -> _Questions:
        """Of each cohort, the questions about it with the columns that they read."""
        found: _Questions = {}
        for line in lines:
            for name, columns in line.cohorts:
                own = frozenset(c for c in columns if self._held.is_own(c) and not self._held.is_label(c))
                questions = found.setdefault((line.table, name), {})
                questions[line.question] = questions.get(line.question, frozenset()) | own
        return found

    def _per_value(
        self, one: _Cohort, other: _Cohort, common: frozenset[str], members: Mapping[str, Flags]
    ) -> float:
        """Sums that a point tells of the patients of a difference, for each of their values; the most of any column."""
        found = [0.0]
        for column in sorted(common):
            whole, level = self._differ(one, other, column, members)
            found += [(len(common) + 1) / (2 * whole)] if whole else []
            found += [1 / level] if level else []
        return max(found)

    def _differ(
        self, one: _Cohort, other: _Cohort, column: str, members: Mapping[str, Flags]
    ) -> tuple[int, int]:
        """By how many patients two cohorts differ, and by how few within a level of a column; zero for nobody."""
        key = (min(one, other), max(one, other), column)
        if key not in self._sizes:
            element, values = self._differences.elements(sorted({one[0], other[0]}), column)
            here, there = (
                self._differences.spread(members.get(name), name, table, element)
                for table, name in (one, other)
            )
            whole = _larger(here, there, np.zeros(len(here), dtype=np.int64))
            levels = _larger(here, there, values) if self._held.is_levelled(column) else whole
            self._sizes[key] = int(whole.max()), int(min(levels[levels > 0], default=0))
        return self._sizes[key]


def _points(questions: Mapping[str, frozenset[str]], common: frozenset[str]) -> int:
    """Of how many questions the sums tell of all the columns."""
    return sum(columns >= common for columns in questions.values())


def _larger(here: Flags, there: Flags, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """In each group those who are in the one cohort alone or in the other alone, the larger number."""
    size = int(group.max(initial=-1)) + 1
    alone = (np.bincount(group[a & ~b], minlength=size) for a, b in ((here, there), (there, here)))
    return np.maximum(*alone)
