"""Whether one patient, or two, make up most of a sum: the rule of dominance, as counts for the gate.

A sum over many patients tells one of them if his share is large: of the 60th powers of age the oldest
patient's alone is left.  What is judged are shares of sums of absolute deviations from the site's own
median, for a sum of deviations says what the sum itself says beyond the number of patients.
"""

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Design

Array = NDArray[np.float64]

#: A share that cannot exceed this is not worked out to its last digit: its bound is judged instead.
NEGLIGIBLE = 0.01
#: A weight so small leaves no trace in a sum of the finest fixed-point unit, 2^-88, even times a large value.
UNSEEN = 2.0**-120
#: Of more patients than this the median is that of as many, evenly spaced among the rows: within a hundredth of a
#: standard deviation of the other, and found in a tenth of the time.
_MOST_SORTED = 20_000
#: Of them one in so many is sorted first: their median is looked for among the middle tenth of these.
_STRIDE = 20


def deviations(columns: Array, *, in_place: bool = False) -> Array:
    """Absolute deviations of each column from its median, (n, q), by columns; of no rows, none.

    ``in_place`` writes over columns that lie in memory one after the other, for nobody needs them any more.
    """
    if columns.size == 0:
        return np.zeros_like(columns)
    by_column = np.asfortranarray(columns)
    found = by_column if in_place else np.empty_like(by_column)
    every = max(1, len(columns) // _MOST_SORTED)
    for values, away in zip(by_column.T, found.T, strict=True):  # one stays in cache while it is passed over
        np.subtract(values, _upper_median(values[::every]), out=away)
        np.abs(away, out=away)
    return found


def _upper_median(values: Array) -> float:
    """The upper of two medians, by one selection: of many values among those that a few place near it (Floyd & Rivest 1975)."""
    middle = len(values) // 2
    if len(values) >= _MOST_SORTED // 2:
        few = np.sort(values[::_STRIDE])
        low, high = few[[int(0.45 * len(few)), int(0.55 * len(few))]]
        near = values[(values >= low) & (values <= high)]
        below = int(np.count_nonzero(values < low))
        if below <= middle < below + len(near):
            return float(np.partition(near, middle - below)[middle - below])
    return float(np.partition(values, middle)[middle])


def with_floor(contributions: Array) -> Array:
    """Contributions of each column, none below the mean of all but the two largest; (n, q).

    Within a small group a code such as 0, 1, 2 may differ from the median for one patient alone.  That
    is ordinary, and nobody can tell: the typical deviation of a patient is what an observer does not know.
    A patient far out among all the site's rows stays far out.
    """
    n = len(contributions)
    if n <= 2:
        return contributions
    # summed without the two largest rather than by subtraction: 104**60 leaves no digit of the others
    third = np.partition(contributions.T, n - 3, axis=1)[:, n - 3]
    total = np.minimum(contributions, third).sum(axis=0) - 2 * third
    return np.asarray(np.maximum(contributions, np.maximum(total, 0.0) / (n - 2)))


def shares(
    contributions: Array, cells: Array, largest: Array | None = None, *, floor: bool = False
) -> tuple[Array, Array]:
    """The largest patient's share of each sum, and the two largest patients' share.

    Parameters
    ----------
    contributions : (n, q)     not negative
    cells : (n, c)             0/1: who belongs to a cell
    largest : (q,)             of each column, where it is known
    floor : bool               whether contributions count :func:`with_floor`; raised only where it matters

    Returns
    -------
    one, two : (c, q)
        0 where there is nothing to share.  Where both are at most :data:`NEGLIGIBLE` an upper bound
        stands in their place, which costs one product of matrices.
    """
    largest = contributions.max(axis=0, initial=0.0) if largest is None else largest
    totals = cells.T @ contributions
    one = np.where(
        totals > 0, largest / np.where(totals > 0, totals, 1.0), np.where(largest > 0, np.inf, 0.0)
    )
    two = 2 * one
    close = np.nonzero(two > NEGLIGIBLE)
    # a floor makes every share smaller, so that the bound holds with it as well
    exact = with_floor(contributions) if floor and len(close[0]) else contributions
    for cell, column in zip(*close, strict=True):
        inside = exact[cells[:, cell] > 0, column]
        total = inside.sum()
        first, second = _two_largest(inside[:, None])
        one[cell, column] = (
            first[0] / total if total != 0 else 0.0
        )  # of what is no number: no number, refused
        two[cell, column] = (first[0] + second[0]) / total if total != 0 else 0.0
    return one, two


def shares_of_groups(
    contributions: Array, group: NDArray[np.int64], n_groups: int, *, floor: bool = False
) -> tuple[Array, Array]:
    """The same of sums over groups that share nobody, (g, q) each: all to the last digit, by one sorting of each column.

    Parameters
    ----------
    contributions : (n, q)     not negative
    group : (n,) int           0 ... n_groups - 1
    floor : bool               whether contributions count :func:`with_floor`
    """
    if floor:
        contributions = with_floor(contributions)
    one, two = np.zeros((n_groups, contributions.shape[1])), np.zeros((n_groups, contributions.shape[1]))
    size = np.bincount(group, minlength=n_groups)
    somebody, several, ends = size > 0, size > 1, np.cumsum(size)
    for j, column in enumerate(contributions.T):
        values = column[np.lexsort((column, group))]
        first, second = np.zeros(n_groups), np.zeros(n_groups)
        first[somebody] = values[ends[somebody] - 1]
        second[several] = values[ends[several] - 2]
        total = np.bincount(group, column, n_groups)
        with np.errstate(invalid="ignore"):  # of what is no number: no number, refused
            np.divide(first, total, out=one[:, j], where=total != 0)
            np.divide(first + second, total, out=two[:, j], where=total != 0)
    return one, two


def _two_largest(values: Array) -> tuple[Array, Array]:
    """The largest and the second largest of each column; 0 where there are not as many rows."""
    n = len(values)
    if n < 2:
        return values.sum(axis=0), np.zeros(values.shape[1])
    top = np.partition(values, n - 2, axis=0)[n - 2 :]
    return top[1], top[0]


def dominance(
    columns: Array,
    names: tuple[str, ...],
    cells: Array,
    cell_names: tuple[str, ...],
    factors: Array | None = None,
) -> tuple[Evidence, ...]:
    """For the gate: shares of the largest patients in the sums of columns, by cell, and of their products.

    Parameters
    ----------
    columns : (n, q)       contributions, not negative; for a measurement :func:`deviations` of it
    cells : (n, c)         0/1: levels and outcomes, within which sums leave as well
    factors : (n, q)       what is multiplied in the products; None: the columns themselves
    """
    if columns.size == 0:
        return ()
    everyone, largest = np.ones((len(columns), 1)), columns.max(axis=0, initial=0.0)
    found = [(shares(columns, everyone, largest), tuple(names))]
    if cells.shape[1]:
        labels = tuple(f"{name}, {cell}" for cell in cell_names for name in names)
        found.append((shares(columns, cells, largest, floor=True), labels))
    if factors is None:
        found.append(_products(columns, largest, names))
    else:
        found.append(_products(factors, factors.max(axis=0, initial=0.0), names))
    one = np.concatenate([pair[0].ravel() for pair, _ in found])
    two = np.concatenate([pair[1].ravel() for pair, _ in found])
    about = tuple(label for _, labels in found for label in labels)
    return Evidence("dominance", one, about), Evidence("dominance of two", two, about)


def dominance_of_triples(
    columns: Array, names: tuple[str, ...], cells: Array, cell_names: tuple[str, ...]
) -> tuple[Evidence, ...]:
    """For the gate: shares of the largest patients in sums of products of three columns, or of two within a cell.

    Parameters are those of :func:`dominance`.
    """
    if columns.size == 0:
        return ()
    largest = columns.max(axis=0, initial=0.0)
    relative = columns / np.where(largest > 0, largest, 1.0)
    everyone = np.ones((len(columns), 1))
    found: list[Evidence] = []
    for k, j in combinations_with_replacement(range(len(names)), 2):
        of_two = relative[:, [k]] * relative[:, [j]]
        both = f"{names[k]} times {names[j]}"
        of_three, thirds = shares(of_two * relative[:, j:], everyone), names[j:]
        inside = shares(of_two, cells, floor=True)
        for (one, two), about in (
            (of_three, tuple(f"{both} times {third}" for third in thirds)),
            (inside, tuple(f"{both}, {cell}" for cell in cell_names)),
        ):
            found += [
                Evidence("dominance", one.ravel(), about),
                Evidence("dominance of two", two.ravel(), about),
            ]
    return tuple(found)


def dominance_in_two_cells(
    columns: Array, names: tuple[str, ...], cells: Array, cell_names: tuple[str, ...], *, squared: bool
) -> tuple[Evidence, ...]:
    """For the gate: shares of the largest patients in sums of columns over those in two cells.

    Parameters are those of :func:`dominance`; with ``squared`` products of two columns are summed there as well.
    """
    if columns.size == 0:
        return ()
    if squared:  # one patient's share is no smaller among squares
        largest = columns.max(axis=0, initial=0.0)
        relative = columns / np.where(largest > 0, largest, 1.0)
        both = list(combinations_with_replacement(range(len(names)), 2))
        columns = np.column_stack([relative[:, a] * relative[:, b] for a, b in both])
        names = tuple(f"{names[a]} times {names[b]}" for a, b in both)
    found: list[Evidence] = []
    for j in range(1, len(cell_names)):
        here = cells[:, j] > 0
        one, two = shares(columns[here], cells[here, :j], floor=True)
        about = tuple(f"{name}, {cell} and {cell_names[j]}" for cell in cell_names[:j] for name in names)
        found += [Evidence("dominance", one.ravel(), about), Evidence("dominance of two", two.ravel(), about)]
    return tuple(found)


def dominance_in_pairs(effect: Array, levels: Array) -> tuple[Evidence, ...]:
    """For the gate: shares of the largest patients in sums of weights over those with two levels, or one, or neither.

    Of a pair of levels one sum leaves, the sum of its patients' weights: of one patient's weight is left what his
    linear predictor is.

    Parameters
    ----------
    effect : (n,)       weights at the coefficients that are asked for, not negative
    levels : (n, c)     0/1
    """
    about = "weights of patients with a pair of levels"
    if levels.shape[1] < 2:
        return Evidence("dominance", np.zeros(1), about), Evidence("dominance of two", np.zeros(1), about)
    largest = effect.max(initial=0.0)
    inside = (levels * effect[:, None]).T @ levels
    alone, total = np.diag(inside), effect.sum()
    one, two = [0.0], [0.0]
    cells = {
        (1, 1): inside,
        (1, 0): alone[:, None] - inside,
        (0, 1): alone - inside,
        (0, 0): total - alone[:, None] - alone + inside,
    }
    for halves, sums in cells.items():
        rows, columns = (alone if half else total - alone for half in halves)
        # what is hardly anything of what it was subtracted from is rounding: looked at as well
        close = (sums < 4 * largest) | (sums < 1e-6 * np.minimum(rows[:, None], columns))
        for i, j in zip(*np.nonzero(np.tril(close, -1)), strict=True):
            here = effect[(levels[:, i] == halves[0]) & (levels[:, j] == halves[1])]
            first, second = (float(v[0]) for v in _two_largest(here[:, None]))
            if first > UNSEEN:
                one.append(first / here.sum())
                two.append((first + second) / here.sum())
    return Evidence("dominance", np.array(one), about), Evidence("dominance of two", np.array(two), about)


def dominance_of_residuals(residuals: Array, design: Design) -> tuple[Evidence, ...]:
    """For the gate: shares of the largest patients in the sums of squared score residuals, (n, k).

    Effective sizes are those of the information's weights; a residual can be large where its weight is small.
    """
    names = tuple(f"squared score residuals of {name}" for name in design.names)
    return dominance_of_sums(residuals**2, names)


def dominance_of_sums(contributions: Array, names: tuple[str, ...]) -> tuple[Evidence, ...]:
    """For the gate: shares of the largest patients in sums of contributions that are not negative, (n, q)."""
    one, two = shares(contributions, np.ones((len(contributions), 1)))
    return Evidence("dominance", one.ravel(), names), Evidence("dominance of two", two.ravel(), names)


def scores_of_clusters(scores: Array, cluster: NDArray[np.int64]) -> tuple[Array, tuple[Evidence, ...]]:
    """Scores added up by cluster, (g, k), and what the gate judges of the clusters.

    Beside a sum of squares by patient one by clusters tells the products of those who share one; and where
    one cluster makes up most of a sum, that is a sum over its patients.
    """
    added: Array = np.column_stack([np.bincount(cluster, column) for column in scores.T]).astype(float)
    size = np.bincount(cluster, minlength=len(added))
    squares = added**2
    most = (squares > 0.5 * squares.sum(axis=0)).any(axis=1)
    return added, (
        Evidence("level", np.array([size[size > 1].sum()]), "patients who share a cluster with another"),
        Evidence("level", size[most], "patients of a cluster that makes up most of a sum"),
    )


def _products(
    columns: Array, largest: Array, names: tuple[str, ...]
) -> tuple[tuple[Array, Array], tuple[str, ...]]:
    """Shares of sums of products of two columns, squares among them; the bound first, for all pairs at once."""
    # divided where they are huge, for a sum of squares of numbers near 1e200 would not be finite
    huge = largest > 1e100
    relative = columns / np.where(huge, largest, 1.0) if huge.any() else columns
    largest = np.where(huge, 1.0, largest)
    j, k = np.tril_indices(len(names))
    most = largest[j] * largest[k]
    totals = (relative.T @ relative)[j, k]
    negligible = totals * NEGLIGIBLE > 2 * most
    one = np.divide(most, totals, out=np.zeros_like(most), where=negligible)
    two = 2 * one
    everyone = np.ones((len(columns), 1))
    for i in np.flatnonzero(~negligible):
        both = (relative[:, j[i]] * relative[:, k[i]])[:, None]
        one[i : i + 1], two[i : i + 1] = (share[0] for share in shares(both, everyone))
    labels = tuple(f"{names[a]} times {names[b]}" for a, b in zip(j.tolist(), k.tolist(), strict=True))
    return (one, two), labels
