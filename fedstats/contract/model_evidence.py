"""Counts of a model's rows that the gate judges beside their levels: sizes of coefficients, who weighs, who is left out."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design
from fedstats.contract.dominance import UNSEEN

Array = NDArray[np.float64]

#: So many numbers multiplied in one column are no polynomial made to single somebody out.
MOST_NUMBERS = 3
#: Of rows that nobody judges, for every rule is off: to a gate with any rule on it says that there are no patients.
UNJUDGED: tuple[Evidence, ...] = (
    Evidence("patients", np.zeros(1), "rows that were prepared with every rule off"),
)


def left_out(
    dropped: int, counted: NDArray[np.bool_], frame: pd.DataFrame, extra: tuple[str, ...]
) -> tuple[Evidence, ...]:
    """Rows without a part in a model, and patients with another weight or offset than most."""
    counts = np.array([dropped, (~counted).sum()])
    return (
        Evidence("dropped rows", counts, ("empty cells", "weight zero")),
        *(_unusual(column, frame[column]) for column in extra),
    )


def of_own_site(names: Iterable[str], codebook: Codebook) -> tuple[Evidence, ...]:
    """Where the site's own name is read: what is summed by it is this site's alone, whoever else is in the total."""
    own = [name for name in names if name in codebook and codebook[name].of_site]
    return tuple(
        Evidence("per-site estimate", np.ones(1), f"sums by {name}, which is the site") for name in own
    )


def effective_size(total: Array, squares: Array) -> Array:
    """Kish's (sum w)^2 / sum w^2; 0 where nobody has a weight that any sum could show."""
    there = squares > UNSEEN**2
    return np.where(there, total**2 / np.where(there, squares, 1.0), 0.0)


def effective_sizes(effect: Array, levels: Array, among: str = "") -> tuple[Evidence, ...]:
    """What the gate judges of rows that are weighted: how many they are worth, in all, within a level and outside.

    Parameters
    ----------
    effect : (n,)    weights
    levels : (n, c)  0/1
    among : str      of whom, where sums over some of the rows leave on their own
    """
    return effective_sizes_of_many(effect[:, None], levels, (among,))


def effective_sizes_of_many(effects: Array, levels: Array, among: tuple[str, ...]) -> tuple[Evidence, ...]:
    """The same of rows that are weighted in several ways, (n, b)."""
    squared = effects**2
    sizes = effective_size(effects.sum(axis=0), squared.sum(axis=0))
    of_levels = effective_size(
        *(np.concatenate(_within_and_outside(heft, levels)) for heft in (effects, squared))
    )
    found = []
    for whom, size, of_level in zip(among, sizes, of_levels.T, strict=True):
        within = f"weighted patients within a level, or outside it{whom}"
        found += [
            Evidence("effective sample size", np.array([size]), f"patients behind the weighted sums{whom}"),
            Evidence("effective size of a level", of_level, within),
        ]
    return tuple(found)


def _within_and_outside(heft: Array, levels: Array) -> tuple[Array, Array]:
    """Sums over those within each level and over those outside, (c, b) each.

    Subtracted, but where hardly anything is left: there the difference is rounding, and a patient can still be read.
    """
    total, within = heft.sum(axis=0), levels.T @ heft
    outside = total - within
    close = outside < 1e-3 * total
    for j in np.flatnonzero(close.any(axis=1)):
        outside[j, close[j]] = heft[levels[:, j] == 0][:, close[j]].sum(axis=0)
    return within, outside


def _unusual(name: str, values: pd.Series) -> Evidence:
    """A weight or offset that all but a few share singles those few out by subtraction."""
    others = len(values) - int(values.value_counts().max()) if len(values) else 0
    return Evidence("level", np.array([others]), f"{name} is another than the usual")


def knots(design: Design, codebook: Codebook) -> tuple[Evidence, ...]:
    """Where a spline's knots are the question's own, or a polynomial's zeros: sliding one tells one patient after the other."""
    parts = [p for c in design.columns for p in c.parts if p.shape is not None]
    own = sum(not p.shape.agreed_with(codebook[p.column]) for p in parts if p.shape is not None)
    for column in design.columns:
        moved = [p.column for p in column.parts if p.shape is not None and p.shape.is_moved]
        own += len(moved) - len(set(moved))
        own += max(0, sum(p.level is None for p in column.parts) - MOST_NUMBERS)
    return (
        (Evidence("agreed grid", np.array([own]), "pieces with knots of the question's own"),) if own else ()
    )
