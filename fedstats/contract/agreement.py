"""A codebook for frames that one person holds together: levels, centres and scales from all rows."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import level_name
from fedstats.contract.model_cells import few_values
from fedstats.contract.table_checks import is_number
from fedstats.contract.variable import Kind, Variable, power_of_two

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
        pooled deciles.
    """
    tables = list(frames)
    names = dict.fromkeys(name for table in tables for name in table.columns)
    return Codebook(tuple(_variable(str(name), _pooled(tables, name)) for name in names))


def _pooled(tables: list[pd.DataFrame], name: object) -> pd.Series | np.ndarray:
    """One column of all tables, empty where a table does not have it; an array where all of it is numbers."""
    columns = [t[name] if name in t.columns else pd.Series(np.nan, t.index) for t in tables]
    if all(is_number(c) for c in columns):
        arrays = [np.ascontiguousarray(c.to_numpy(dtype=float)) for c in columns]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return pd.concat([c.astype(object) for c in columns], ignore_index=True)


def _variable(name: str, column: pd.Series | np.ndarray) -> Variable:
    if isinstance(column, np.ndarray):
        there = column[~np.isnan(column)] if np.isnan(column.sum()) else column
        if len(there):
            return _number(name, there, missing=len(there) < len(column))
        column = pd.Series(column, dtype=object)
    present = column.dropna()
    missing = len(present) < len(column)
    numbers = pd.to_numeric(present, errors="coerce")
    # digits held as text are levels, whatever they look like
    if numbers.isna().any() or len(present) == 0 or any(isinstance(v, str) for v in present):
        levels = tuple(sorted({level_name(v) for v in present}))
        kind: Kind = "factor" if 2 <= len(levels) <= MOST_LEVELS else "label"
        return Variable(
            name, kind, levels=levels if kind == "factor" else (), level_labels=levels, missing=True
        )
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
    scale = power_of_two(float(np.sqrt(around @ around / len(x))))
    return float(np.round(4 * mean / scale)) * scale / 4, scale
