"""A codebook for frames that one person holds together: levels, centres and scales from all rows."""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import level_name
from fedstats.contract.model_cells import few_values
from fedstats.contract.table_checks import is_complex, is_number
from fedstats.contract.variable import Variable, power_of_two

#: A numeric column with at most this many values may also be used as ``C(column)``.
MOST_LEVELS = 40
#: Of more values than this the inner deciles are those of as many, evenly spaced among the rows.
_MOST_SORTED = 20_000


def codebook_of(frames: Iterable[pd.DataFrame]) -> Codebook:
    """What the frames agree on when pooled.

    Parameters
    ----------
    frames : iterable of DataFrame
        All sites' tables; only ``InProcess`` may look at them together.  Histogram edges are the
        pooled deciles.  A column of pandas' categories is a factor, its levels in their order (those that occur; Table 1 lists the others with 0); where the
        tables' orders contradict each other, levels are sorted, as those of a column of texts are.

    Raises
    ------
    ValueError
        Categories that are ordered, and differently so in two tables.
    """
    tables = list(frames)
    names = dict.fromkeys(name for table in tables for name in table.columns)
    return Codebook(
        tuple(_variable(str(name), _pooled(tables, name), _categories(tables, name)) for name in names)
    )


def _categories(tables: list[pd.DataFrame], name: object) -> list[str] | None:
    """Categories in an order that all tables' allow, by name where they contradict; None: no table has categories."""
    held = [t[name] for t in tables if name in t.columns]
    columns = [column for column in held if isinstance(column.dtype, pd.CategoricalDtype)]
    if not columns:
        return None
    orders = [list(dict.fromkeys(map(level_name, column.cat.categories))) for column in columns]
    try:
        return _merged(orders)
    except CycleError:
        # a file's categories are often in the order of its rows; those that say they are ordered mean it
        if not any(column.cat.ordered for column in columns):
            return sorted({level for order in orders for level in order})
    raise ValueError(
        f"The tables order the categories of {name} differently: {_listed(orders)}. Give all tables one order, or pass a codebook."
    )


def _listed(orders: list[list[str]]) -> str:
    return ", and ".join(" < ".join(order) for order in dict.fromkeys(map(tuple, orders)))


def _merged(orders: list[list[str]]) -> list[str]:
    """One order that keeps all; of levels that none compares the first by name."""
    graph: TopologicalSorter[str] = TopologicalSorter()
    for order in orders:
        for level in order:
            graph.add(level)
        for before, after in pairwise(order):
            graph.add(after, before)
    graph.prepare()
    ready: list[str] = []
    found: list[str] = []
    while graph.is_active():
        ready = sorted([*ready, *graph.get_ready()])
        found.append(ready.pop(0))
        graph.done(found[-1])
    return found


def _pooled(tables: list[pd.DataFrame], name: object) -> pd.Series | np.ndarray:
    """One column of all tables, empty where a table does not have it; an array where all of it is numbers."""
    columns = [t[name] if name in t.columns else pd.Series(np.nan, t.index) for t in tables]
    if all(is_number(c) for c in columns):
        arrays = [np.ascontiguousarray(c.to_numpy(dtype=float)) for c in columns]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return pd.concat([c.astype(object) for c in columns], ignore_index=True)


def _variable(name: str, column: pd.Series | np.ndarray, categories: list[str] | None) -> Variable:
    if isinstance(column, np.ndarray):
        there = column[~np.isnan(column)] if np.isnan(column.sum()) else column
        if len(there):
            return _number(name, there, missing=len(there) < len(column))
        column = pd.Series(column, dtype=object)
    present = column.dropna()
    missing = len(present) < len(column)
    numbers = pd.to_numeric(present, errors="coerce")
    # digits held as text are levels, whatever they look like, and so are categories
    if (
        categories is not None
        or numbers.isna().any()
        or len(present) == 0
        or any(isinstance(v, str) for v in present)
    ):
        known = {level_name(v) for v in present}
        named = (*(categories or ()), *sorted(known - set(categories or ())))
        levels = tuple(level for level in named if level in known)
        if not 2 <= len(levels) <= MOST_LEVELS:
            return Variable(name, "label", level_labels=levels, missing=True)
        return Variable(name, "factor", levels=levels, level_labels=levels, missing=True, categories=named)
    if is_complex(present):  # no number that an analysis takes, and no level
        return Variable(name, "label", level_labels=tuple(sorted(map(str, set(present)))), missing=True)
    return _number(name, numbers.to_numpy(dtype=float), missing=missing)


def _number(name: str, x: np.ndarray, *, missing: bool) -> Variable:
    values, _ = few_values(x, MOST_LEVELS)  # of more, those of the first rows
    levels = tuple(level_name(v) for v in values) if len(values) <= MOST_LEVELS else ()
    zero_one = set(values) <= {0.0, 1.0}
    # 0/1 columns and small codes stay as they are: nothing is gained by moving them
    centre, scale = (0.0, 1.0) if zero_one else _centre_and_scale(x)
    some = x[:: max(1, len(x) // _MOST_SORTED)]
    inner = np.quantile(some, np.linspace(0.1, 0.9, 9))
    edges = np.unique([x.min(), *inner, x.max()])
    return Variable(
        name,
        "numeric",
        levels=levels,
        level_labels=levels,
        centre=centre if np.isfinite(centre) else 0.0,
        scale=scale,
        edges=tuple(float(e) for e in edges),
        missing=missing,
    )


def _centre_and_scale(x: np.ndarray) -> tuple[float, float]:
    """The mean to a quarter of the scale, so that a term that is counted from it has a name that can be read."""
    mean = float(x.mean())
    around = x - mean
    with np.errstate(
        over="ignore"
    ):  # no scale of what has no squares: a fit says that its sums are not finite
        scale = power_of_two(float(np.sqrt(around @ around / len(x))))
    return float(np.round(4 * mean / scale)) * scale / 4, scale
