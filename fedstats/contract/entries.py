"""What the numbers of an answer are called, so that a person can read them one by one.

A query says it of itself, from its own fields alone: no row is looked at, and a sheet can be written
for any answer.  Names are made of columns and levels; the free text of a question is not believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Ordinals of the points at which a model is evaluated.
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True)
class Entries:
    """The entries of one sum.

    Attributes
    ----------
    means : str             what one entry is, in words
    axes : tuple of tuples  names along each axis; None where the rows of a site decide how many there are
    triangle : bool         the lower triangle of a symmetric matrix, named by the one axis given
    count : str             how many numbers, in the letters of ``docs/disclosure.md``
    """

    means: str
    axes: tuple[tuple[str, ...] | None, ...] = ()
    triangle: bool = False
    count: str = "1"

    def names(self, name: str, shape: tuple[int, ...]) -> list[str]:
        """The name of every entry in the order in which they travel: ``score[age]``, ``n_risk[arm=A, up to 3]``.

        An axis of another length than agreed is numbered: a sheet is written whatever was asked.
        """
        if self.triangle:
            p = len(self.axes[0] or ())
            if shape == (p * (p + 1) // 2,):
                rows, columns = np.tril_indices(p)
                along = self.axes[0] or ()
                return [f"{name}[{along[i]}, {along[j]}]" for i, j in zip(rows, columns, strict=True)]
        axes = self.axes if len(self.axes) == len(shape) else (None,) * len(shape)
        if shape == (1,) and not self.axes:
            return [name]
        along_each = [
            axis if axis is not None and len(axis) == size else tuple(str(i + 1) for i in range(size))
            for axis, size in zip(axes, shape, strict=True)
        ]
        return [_named(name, [a[i] for a, i in zip(along_each, at, strict=True)]) for at in np.ndindex(shape)]


def _named(name: str, parts: Sequence[str]) -> str:
    said = ", ".join(part for part in parts if part)
    return f"{name}[{said}]" if said else name


def one(means: str) -> Entries:
    """A single number."""
    return Entries(means)


def each(means: str, *axes: tuple[str, ...] | None, count: str) -> Entries:
    """One number for each combination of the names along the axes."""
    return Entries(means, axes, count=count)


def pairs(means: str, names: tuple[str, ...]) -> Entries:
    """One number for each pair of columns."""
    return Entries(means, (names,), triangle=True, count="p (p + 1) / 2")


def derivatives(names: tuple[str, ...]) -> dict[str, Entries]:
    """Log-likelihood, score and information of a model by its coefficients."""
    return {
        "loglik": one("log-likelihood"),
        "score": each("slope of the log-likelihood in a coefficient", names, count="p"),
        "information": pairs("curvature of the log-likelihood in a pair of coefficients", names),
    }


def options(**columns: str | None) -> str:
    """The columns that a model uses besides its terms: ``", weights w, cluster practice"``."""
    return "".join(f", {said} {column}" for said, column in columns.items() if column)


def groups_of(column: str | None, levels: tuple[str, ...]) -> tuple[str, ...]:
    """Names of groups: ``arm=A``; nothing where everyone is one group."""
    return tuple(f"{column}={level}" for level in levels) if column and levels else ("",)


def between(edges: tuple[float, ...], *, beyond: bool) -> tuple[str, ...]:
    """Names of the cells that right edges make, with an open last one if ``beyond``."""
    cells = tuple(f"up to {edge:.12g}" for edge in edges)
    return (*cells, f"above {edges[-1]:.12g}" if edges else "all") if beyond else cells


def crossed(*axes: tuple[str, ...]) -> tuple[str, ...]:
    """Names along one axis that runs through every combination, the last one fastest."""
    names = axes[0]
    for axis in axes[1:]:
        names = tuple(", ".join(part for part in (a, b) if part) for a in names for b in axis)
    return names


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th ... 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else _ORDINALS.get(number % 10, "th")
    return f"{number}{ending}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them, each once."""
    return ", ".join(dict.fromkeys(names)) or "nothing"
