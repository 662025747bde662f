"""What the gate judges of sums of products of three columns, such as leverages times columns, or squared residuals."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Design
from fedstats.contract.dominance import deviations, dominance_in_two_cells, dominance_of_triples
from fedstats.contract.model_cells import levels_in_threes, model_cells

Array = NDArray[np.float64]


def of_threes(
    design: Design,
    frame: pd.DataFrame,
    weights: Array | None,
    *,
    squared: bool = False,
    event: Array | None = None,
) -> tuple[Evidence, ...]:
    """Levels in threes, and numbers by their cubes, and within two levels.

    Parameters
    ----------
    frame : DataFrame   rows with a weight
    weights : (n,)      of these rows
    squared : bool      whether a number leaves with its square and two other columns, as a residual of a measured outcome does
    event : (n,)        a 0/1 outcome that is multiplied with three columns
    """
    raw = np.nan_to_num(design.raw(frame), nan=0.0)
    cells = model_cells(design, frame, raw, order=3)
    columns = deviations(raw[:, cells.measured])
    if weights is not None:
        columns = columns * np.cbrt(weights)[:, None]
    names = tuple(design.columns[j].name for j in cells.measured)
    within = np.column_stack([cells.indicators, 1 - cells.indicators])
    where = (*cells.names, *(f"not {name}" for name in cells.names))
    found = (
        *cells.evidence(design, None, False),
        *levels_in_threes(cells),
        *dominance_of_triples(columns, names, within, where),
        *dominance_in_two_cells(columns, names, within, where, squared=squared),
    )
    for half in () if event is None else (event, 1 - event):
        found += levels_in_threes(replace(cells, indicators=cells.indicators[half > 0]))
    if squared and names:
        counts = np.rint(within.T @ within)[np.tril_indices(len(where), -1)]
        found += (Evidence("level", counts, "patients with two levels, in whom a number is summed"),)
    return found
