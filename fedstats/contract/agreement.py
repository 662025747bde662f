"""A codebook for frames that one person holds together: levels, centres and scales from all rows."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import level_name
from fedstats.contract.variable import Kind, Variable, power_of_two

#: A numeric column with at most this many values may also be used as ``C(column)``.
MOST_LEVELS = 40


def codebook_of(frames: Iterable[pd.DataFrame]) -> Codebook:
    """What the frames agree on when pooled.

    Parameters
    ----------
    frames : iterable of DataFrame
        All sites' tables; only ``InProcess`` may look at them together.  Histogram edges are the
        pooled deciles.
    """
    pooled = pd.concat([f.astype(object) for f in frames], ignore_index=True)
    return Codebook(tuple(_variable(str(name), pooled[name]) for name in pooled.columns))


def _variable(name: str, column: pd.Series) -> Variable:
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
    x = numbers.to_numpy(dtype=float)
    values = np.unique(x)
    levels = tuple(level_name(v) for v in values) if len(values) <= MOST_LEVELS else ()
    zero_one = set(values) <= {0.0, 1.0}
    # 0/1 columns and small codes stay as they are: nothing is gained by moving them
    centre, scale = (0.0, 1.0) if zero_one else (float(np.mean(x)), power_of_two(float(np.std(x))))
    edges = np.unique(np.quantile(x, np.linspace(0, 1, 11)))
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
