"""The cells of a model at a site: who has which level, and which few value, as the gate counts them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Design, level_codes, levels_of
from fedstats.contract.dominance import deviations, dominance
from fedstats.contract.shapes import Logarithm

Array = NDArray[np.float64]
#: A look at so many rows, or twice the values in question, tells most numbers with many values.
_FIRST = 200
#: Of so few values each is counted on its own, in less time than all are sorted in.
_COUNTED = 8
#: Digits of one sum tell how many patients have each of so many values: of ten patients each they are sixteen digits.
MOST_LOGARITHMS = 15


@dataclass(frozen=True)
class ModelCells:
    """Indicators of levels and of the values of numbers that have few.

    Attributes
    ----------
    indicators : (n, c)
    names : (c,) str        what each indicator is about
    measured : (m,) int     columns of the design that have more than two values
    held : (v,) int         patients with each value of a number that has few
    """

    indicators: Array
    names: tuple[str, ...]
    measured: NDArray[np.int64]
    held: NDArray[np.int64]

    def evidence(self, design: Design, y: Array | None, rarer_outcome: bool) -> tuple[Evidence, ...]:
        """Levels, levels by outcome and pairs of levels, on raw 0/1 columns, their complements and references.

        ``y`` is the 0/1 outcome; None where it is a measurement, which has no levels.
        """
        n, inside = len(self.indicators), self.indicators.sum(axis=0)
        complement = tuple(f"not {name}" for name in self.names)
        scarce, by_outcome = n, tuple[Evidence, ...]()
        if y is not None:
            events = int(y.sum())
            scarce = min(events, n - events) if rarer_outcome else events
            by_outcome = self.by_outcome(y)
        parameters = len(design.names)
        ratio = parameters / scarce if scarce else (np.inf if parameters else 0.0)
        return (
            Evidence("patients", np.array([n]), "patients in the model"),
            Evidence("parameters per event", np.array([ratio]), "coefficients by events"),
            Evidence("level", np.concatenate([inside, n - inside]), self.names + complement),
            Evidence("level", self.held, "one value of a number that has few"),
            *by_outcome,
            self._pairs(inside, complement),
        )

    def by_outcome(self, y: Array) -> tuple[Evidence, ...]:
        """Patients with an outcome and without it, in all, in every level and outside it."""
        inside, complement = self.indicators.sum(axis=0), tuple(f"not {name}" for name in self.names)
        n, events = len(y), int(y.sum())
        with_event = y @ self.indicators
        counts = [
            with_event,
            inside - with_event,
            events - with_event,
            n - inside - (events - with_event),
        ]
        names = tuple(
            f"{name}, outcome {o}" for group in (self.names, complement) for o in (1, 0) for name in group
        )
        return (
            Evidence("level by outcome", np.array([events, n - events]), ("with the event", "without it")),
            Evidence("level by outcome", np.concatenate(counts), names),
        )

    def _pairs(self, inside: Array, complement: tuple[str, ...]) -> Evidence:
        n, both = len(self.indicators), self.indicators.T @ self.indicators
        lower = np.tril_indices(len(self.names), -1)
        counts = [
            both,
            inside[:, None] - both,
            inside[None, :] - both,
            n - inside[:, None] - inside[None, :] + both,
        ]
        halves = (self.names, complement)
        names = tuple(
            f"{one[i]} and {other[j]}"
            for one in halves
            for other in halves
            for i, j in zip(*lower, strict=True)
        )
        return Evidence("pair of levels", np.concatenate([count[lower] for count in counts]), names)

    def evidence_within(self, differs: NDArray[np.bool_], y: Array | None) -> tuple[Evidence, ...]:
        """The same counts of the patients in whose group a level ``differs`` (n, c), of pairs in whose both do.

        The complement of a level is counted there as well: what is the same for a whole group is neither.
        """
        halves = self.indicators * differs, (1 - self.indicators) * differs
        named = self.names, tuple(f"not {name}" for name in self.names)
        where = "in groups where it differs"
        labels = tuple(f"{name} {where}" for half in named for name in half)
        found = [Evidence("level", np.concatenate([half.sum(axis=0) for half in halves]), labels)]
        for said, who in () if y is None else ((1, y), (0, 1 - y)):
            counts = np.concatenate([who @ half for half in halves])
            about = tuple(f"{label}, outcome {said}" for label in labels)
            found.append(Evidence("level by outcome", counts, about))
        i, j = np.tril_indices(len(self.names), -1)
        both = list(product((0, 1), repeat=2))
        together = [(halves[a].T @ halves[b])[i, j] for a, b in both]
        pairs = tuple(
            f"{named[a][m]} and {named[b][k]} {where}" for a, b in both for m, k in zip(i, j, strict=True)
        )
        return (*found, Evidence("pair of levels", np.concatenate(together), pairs))

    def of_other_codes(
        self,
        measurements: "Measurements",
        values: pd.Series,
        code: str,
        differs: NDArray[np.bool_] | None = None,
    ) -> Iterator[Evidence]:
        """Of an event that is one of several codes, the others: what is asked of all but one is told of that one."""
        for other in levels_of(values):
            if other != code:
                y = (level_codes(values, (other,)) == 0).astype(float)
                yield from self.by_outcome(y)
                yield from self.dominance(measurements, y)
                if differs is not None:
                    yield from self.evidence_within(differs, y)

    def measurements(
        self, design: Design, raw: Array, weights: Array | None, offset: Array | None, *, once: bool = False
    ) -> "Measurements":
        """How far patients are from the medians of measurements.  They stand in place of ``raw``, for a further matrix costs as much as they do.

        An offset counts as one: it is added up in a log-likelihood, and with every column where the response is measured.
        ``once`` says that a weight multiplies a product of two columns once, as it does; else it counts with each of them.
        """
        columns = raw if len(self.measured) == raw.shape[1] else raw.T[self.measured].T
        columns = deviations(columns, in_place=True)
        about = [design.columns[j].name for j in self.measured]
        if offset is not None:
            columns = np.column_stack([columns, deviations(offset[:, None])])
            about.append("the offset")
        factors = None
        if weights is not None:
            if once:
                factors = np.sqrt(weights)[:, None] * np.column_stack([columns, np.ones(len(columns))])
            columns = np.column_stack([columns * weights[:, None], weights])
            about.append("the weights")
        return Measurements(columns, factors, tuple(about))

    def dominance(self, measurements: "Measurements", y: Array | None) -> tuple[Evidence, ...]:
        """Shares of single patients in the sums of measurements, overall, by level and by outcome."""
        columns, factors, about = measurements
        by_outcome = np.zeros((len(columns), 0)) if y is None else np.column_stack([y, 1 - y])
        within = np.column_stack([by_outcome, self.indicators, 1 - self.indicators])
        where = (*self.names, *(f"not {name}" for name in self.names))
        where = where if y is None else ("with the event", "without it", *where)
        return dominance(columns, about, within, where, factors)


class Measurements(NamedTuple):
    """What patients contribute to sums of measurements: see :func:`fedstats.contract.dominance.dominance`."""

    columns: Array
    factors: Array | None
    names: tuple[str, ...]


def model_cells(design: Design, frame: pd.DataFrame, raw: Array, order: int = 2) -> ModelCells:
    """The cells of complete rows.

    Notes
    -----
    Sums of a number's powers up to d determine how many patients have each of up to d + 1 values: so few
    values are levels.  A column leaves with its square, and once with each of the others: ``order`` columns are multiplied.
    """
    cells, names = design.indicators(frame)
    some = seems_few(raw, order + 1)  # most columns have many values, whatever their last rows
    numbers = [(c.name, raw[:, j], order, order - 1) for j, c in enumerate(design.columns) if some[j]]
    numbers += [
        (name, frame[name].to_numpy(dtype=float), *powers) for name, powers in design.powers(order).items()
    ]
    held: list[int] = []
    for name, x, alone, with_others in numbers:
        values, counts = few_values(x, max(alone, with_others) + 1)
        if len(values) <= alone + 1:
            held += counts.tolist()
        if 2 <= len(values) <= with_others + 1:
            kept = values[1:] if len(values) == 2 else values  # of two, the complement is the other
            cells = np.column_stack([cells, *(x == v for v in kept)])
            names = (*names, *(f"{name} = {v:g}" for v in kept))
    held += _values_behind_logarithms(design, frame)
    shaped = {p.column for c in design.columns for p in c.parts if p.shape is not None}
    held += _values_behind_functions(raw, [frame[name].to_numpy(dtype=float) for name in sorted(shaped)])
    measured = [
        j for j, few in enumerate(seems_few(raw, 2)) if not few or len(few_values(raw[:, j], 2)[0]) > 2
    ]
    return ModelCells(cells, names, np.array(measured, dtype=np.int64), np.array(held, dtype=np.int64))


def varies_within(columns: Array, group: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a column has more than one value in a row's group, (n, k)."""
    first = np.zeros(int(group.max(initial=-1)) + 1, dtype=np.int64)
    first[group] = np.arange(len(group))  # any row of the group
    other = columns != columns[first[group]]
    return np.column_stack(
        [np.zeros((len(group), 0), dtype=bool), *((np.bincount(group, o) > 0)[group] for o in other.T)]
    )


def around_mean(columns: Array, group: NDArray[np.int64]) -> Array:
    """Columns (n, k) less the mean of each row's group."""
    size = np.maximum(np.bincount(group), 1)[:, None]
    sums = [np.bincount(group, column, len(size)) for column in columns.T]
    return np.asarray(columns - (np.column_stack(sums) / size)[group]) if sums else columns


def levels_by_group(group: NDArray[np.int64], levels: Array) -> Array:
    """Of each group, 0 ... G - 1, how many there are, and have one level, two of them, the one and not the other, or neither.

    Parameters
    ----------
    group : (n,) int
    levels : (n, c)    0/1
    """
    k, n = int(group.max(initial=-1)) + 1, len(group)
    members = sparse.csr_matrix((np.ones(n), group, np.arange(n + 1)), shape=(n, k)).T
    all_of_group = np.asarray(members.sum(axis=1)).reshape(-1, 1)
    one = members @ levels  # (k, c)
    counts = [all_of_group, one, all_of_group - one]
    for j in range(1, levels.shape[1]):
        both = members @ (levels[:, :j] * levels[:, [j]])
        neither = all_of_group - one[:, :j] - one[:, [j]] + both
        counts += [both, one[:, :j] - both, one[:, [j]] - both, neither]
    return np.asarray(np.rint(np.concatenate([count.ravel() for count in counts])))


def pairs_by_outcome(
    levels: Array, y: Array, who: NDArray[np.bool_], own: NDArray[np.bool_] | None = None
) -> Evidence:
    """How many patients share two levels, have one of them, or neither, by a 0/1 outcome: squared residuals may weigh it alone.

    ``own`` (c,) says which levels a sum multiplies by any other; None: all.
    """
    lower = np.tril_indices(levels.shape[1], -1)
    if own is not None:
        chosen = own[lower[0]] | own[lower[1]]
        lower = lower[0][chosen], lower[1][chosen]
    counts = [np.zeros(0)]
    for outcome in (who * y, who * (1 - y)):
        halves = levels * outcome[:, None], (1 - levels) * outcome[:, None]
        counts += [(one.T @ other)[lower] for one in halves for other in (levels, 1 - levels)]
    return Evidence("pair of levels", np.rint(np.concatenate(counts)), "pairs of levels, by the outcome")


def levels_in_threes(cells: ModelCells) -> tuple[Evidence, ...]:
    """How many patients have three levels together, or two of them and not the third, and so on: all eight cells."""
    halves = np.stack([cells.indicators, 1 - cells.indicators])  # (2, n, c)
    named = (cells.names, tuple(f"not {name}" for name in cells.names))
    both_ways = list(product((0, 1), repeat=2))
    counts: list[Array] = [np.zeros(0)]
    labels: list[str] = []
    for i, j in combinations(range(len(cells.names) - 1), 2):
        of_two = np.stack([halves[a][:, i] * halves[b][:, j] for a, b in both_ways])
        counts.append(np.rint(of_two @ halves[:, :, j + 1 :]).ravel())  # (2, 4, c - j - 1)
        labels += [
            f"{named[a][i]}, {named[b][j]} and {third}"
            for half in named
            for a, b in both_ways
            for third in half[j + 1 :]
        ]
    return (Evidence("pair of levels", np.concatenate(counts), tuple(labels)),)


def _values_behind_logarithms(design: Design, frame: pd.DataFrame) -> list[int]:
    """How many patients have each value of a number of whose few values logarithms are summed.

    Logarithms of different numbers have no common measure: one sum with its digits counts every value.
    """
    logged = {p.column for c in design.columns for p in c.parts if isinstance(p.shape, Logarithm)}
    found: list[int] = []
    for name in sorted(logged):
        values, counts = few_values(frame[name].to_numpy(dtype=float), MOST_LOGARITHMS)
        if len(values) <= MOST_LOGARITHMS:
            found += counts.tolist()
    return found


def _values_behind_functions(raw: Array, numbers: list[Array]) -> list[int]:
    """How many patients have each value of a number of which columns are functions, if these tell it.

    A codebook may hold a number and its square, and a model a spline of it.  Of f functions of one value
    1 + f + f (f + 1) / 2 sums leave: so many values are counted by them, whatever the functions.

    Parameters
    ----------
    raw : (n, p)                 columns of the design; each may be what others are functions of
    numbers : list of (n,)       others that some columns are functions of
    """
    most = 1 + raw.shape[1] + raw.shape[1] * (raw.shape[1] + 1) // 2
    codes = {}
    some = np.append(seems_few(raw, most), np.ones(len(numbers), dtype=bool))
    for j, x in enumerate([*raw.T, *numbers]):
        if not some[j]:
            continue
        values, counts = few_values(x, most)
        if 2 < len(values) <= most and len(values) < len(x):
            codes[j] = np.searchsorted(values, x), counts
    columns = [code for j, (code, _) in codes.items() if j < raw.shape[1]]
    found: list[int] = []
    for code, counts in codes.values():
        first = np.empty(len(counts), dtype=np.int64)
        first[code] = np.arange(len(code))  # any patient with the value
        f = sum(np.array_equal(other[first][code], other) for other in columns)
        if f > 1 and len(counts) <= 1 + f + f * (f + 1) // 2:
            found += counts.tolist()
    return found


def few_values(x: Array, most: int) -> tuple[Array, NDArray[np.int64]]:
    """The distinct values of a number and how many have each, or, beyond ``most``, those of the first rows."""
    found = np.unique(x[: _first(most)], return_counts=True)
    if len(found[0]) > most:
        return found
    if len(found[0]) <= _COUNTED:
        each = np.array([np.count_nonzero(x == value) for value in found[0]], dtype=np.int64)
        if each.sum() == len(x):  # nobody has another
            return found[0], each
    values, counts = np.unique(x, return_counts=True)
    return values, counts


def seems_few(columns: Array, most: int) -> NDArray[np.bool_]:
    """Which columns, (n, p), have no more than so many values among their first rows: of the others :func:`few_values` finds more."""
    first = np.sort(columns[: _first(most)], axis=0)
    another = (first[1:] != first[:-1]) & ~np.isnan(first[:-1])
    return np.asarray(another.sum(axis=0) < most)


def _first(most: int) -> int:
    """How many rows a look is at."""
    return max(_FIRST, 2 * most)
