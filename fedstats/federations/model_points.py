"""At how many points a site has answered a model, and with how many numbers.

Whoever has as many equations as unknowns may solve them (Dinur & Nissim 2003): a few levels, multiplied out by as many
coefficients as they have cells, lay open who is alone in a cell, though every single answer is harmless.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence, Rule
from fedstats.federations.hashed_table import HashedTable
from fedstats.federations.memory_folder import Line

#: Points of a fit, of which no account by numbers is kept: most take five, one that is hardly separated takes ten.
OF_A_FIT = 10
#: Those of each further model of the same patients and columns, and how many such there may be.
OF_ANOTHER, OTHERS = 5, 3
#: A fit that is made again of a later cut, whose patients are nearly the same, is as free as the first: a correction of the data takes one.
CUTS = 2
#: Recipes of a weight (estimands, ends, coefficients) that are answered of one cohort: a study has one, and a few beside it.
RECIPES = 8

Columns = tuple[str, tuple[str, ...]]


class ModelPoints:
    """Points at which models of the same columns were asked of each cohort of a line, the line's own among them.

    Parameters
    ----------
    line : Line               of the question that is judged
    lines : sequence of Line  of all that has left
    patients : mapping        how many there are in each of the line's cohorts, by its name
    akin : mapping            of each of these cohorts itself and those of other cuts that are nearly the same, by name
    """

    def __init__(
        self,
        line: Line,
        lines: Sequence[Line],
        patients: Mapping[str, int],
        akin: Mapping[str, frozenset[str]],
    ) -> None:
        self._line, self._lines, self._patients, self._akin = line, lines, patients, akin
        points = [known for known in lines if known.has_point]
        self._of_columns = [
            [
                line,
                *(
                    known
                    for known in points
                    if any((other, columns) in modelled(known) for other in akin[name])
                ),
            ]
            for name, columns in modelled(line)
        ]
        self._of_kind = [[p for p in known if p.kind == line.kind] for known in self._of_columns]

    def evidence(self, numbers: int, most_points: int | None, limit: int) -> list[Evidence]:
        """What the gate judges.

        Parameters
        ----------
        numbers : int               sums that leave with the line
        most_points : int or None   of this kind of question, where it is less than the policy's
        limit : int                 the policy's number of points: what has another is counted in parts of it
        """
        rule: Rule = "number of coefficients"
        found = [
            Evidence(rule, _questions(self._of_columns), "points of one model"),
            self._numbers(numbers),
        ]
        if (recipes := self._recipes()) > 0:
            found.append(Evidence(rule, np.array([recipes * limit / RECIPES]), "recipes of a weight"))
        if draws := self._draws(numbers):
            found.append(
                Evidence(
                    "points of a difference",
                    np.array(draws),
                    "sums of all draws of a column, for each value of a patient whose cells were filled in",
                )
            )
        if most_points is not None:
            counted = np.array([len({_told_at(point) for point in of_cohort}) for of_cohort in self._of_kind])
            parts = counted * (limit / (most_points or 1))
            found.append(Evidence(rule, parts, "points of one kind of question"))
        return found

    def _numbers(self, numbers: int) -> Evidence:
        """Sums of one kind about the same columns beyond those of a few fits, by the patients of each cohort."""
        patients = np.array([max(self._patients[name], 1) for name, _ in modelled(self._line)])
        others = [min(len({point.topic for point in of_cohort}) - 1, OTHERS) for of_cohort in self._of_kind]
        cuts = [min(len({point.table for point in of_cohort}), CUTS) for of_cohort in self._of_kind]
        free = np.array(cuts) * (OF_A_FIT + OF_ANOTHER * np.array(others))
        beyond = np.maximum(_questions(self._of_kind) - free, 0)
        return Evidence(
            "numbers of a model", beyond * numbers / patients, "sums for each patient, beyond a fit's"
        )

    def _draws(self, numbers: int) -> list[float]:
        """Of each column whose empty cells the question fills in, sums of all draws so far by what is unknown: each patient's values and draws."""
        told = []
        own = set(HashedTable.draws_among(c for _, columns in self._line.cohorts for c in columns))
        known = {
            draw
            for line in self._lines
            if not line.refused and line.table == self._line.table
            for _, columns in line.cohorts
            for draw in HashedTable.draws_among(columns)
        }
        columns = {c for _, names in self._line.cohorts for c in names}
        read = sum(not HashedTable.is_derived(name) for name in columns)
        for column in {draw[0] for draw in own}:
            of_column = {draw for draw in own | known if draw[0] == column}
            draws, smallest = len({draw[2] for draw in of_column}), min(draw[1] for draw in of_column)
            told.append(draws * numbers / (smallest * (read + draws)))
        return told

    def _recipes(self) -> int:
        """Weights that questions made for the line's cohorts, each a point of its own in the propensity; 0 where it has none."""
        wanted = HashedTable.weights_among(c for _, columns in self._line.cohorts for c in columns)
        if not wanted:
            return 0
        names = {other for name, _ in self._line.cohorts for other in self._akin[name]}
        cohorts = [c for line in self._lines if not line.refused for c in line.cohorts if c[0] in names]
        return len(wanted | HashedTable.weights_among(c for _, columns in cohorts for c in columns))


def sums_of_cohorts(
    line: Line, lines: Sequence[Line], patients: Mapping[str, int], akin: Mapping[str, frozenset[str]]
) -> list[Evidence]:
    """Sums of questions without points that left about a line's cohorts, whatever was read of them, by patients.

    Log-rank tests of one factor until several horizons, or under several weights, are as many equations for the order of its levels.
    """
    if not line.numbers:
        return []
    told = []
    for name, _ in line.cohorts:
        about = {
            (known.question, known.table): known.numbers
            for known in lines
            if not akin[name].isdisjoint(c for c, _ in known.cohorts)
        }
        about[line.question, line.table] = line.numbers
        told.append(sum(about.values()) / max(patients[name], 1))
    return [Evidence("numbers of a model", np.array(told), "sums of tests for each patient")]


def _questions(points: Sequence[Sequence[Line]]) -> NDArray[np.int64]:
    return np.array([len({(point.question, point.table) for point in of_cohort}) for of_cohort in points])


def _told_at(point: Line) -> str | frozenset[str]:
    """What a point tells of: of cells of a propensity that propensity, for all agreed edges together tell what the finest do."""
    return (
        frozenset(HashedTable.propensities_among(c for _, columns in point.cohorts for c in columns))
        or point.question
    )


def modelled(line: Line) -> list[Columns]:
    """Cohorts with what was read of them, but for what depends on a question's coefficients."""
    return [(name, tuple(c for c in columns if not HashedTable.is_made(c))) for name, columns in line.cohorts]
