"""What the gate judges of sums of products of three columns, such as leverages times columns, or squared residuals."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Design
from fedstats.contract.dominance import deviations, dominance_of_triples
from fedstats.contract.model_cells import levels_in_threes, model_cells

Array = NDArray[np.float64]


def of_threes(design: Design, frame: pd.DataFrame, weights: Array | None) -> tuple[Evidence, ...]:
    """Levels in threes, and numbers by their cubes.

    Parameters
    ----------
    frame : DataFrame   rows with a weight
    weights : (n,)      of these rows
    """
    raw = np.nan_to_num(design.raw(frame), nan=0.0)
    cells = model_cells(design, frame, raw, order=3)
    columns = deviations(raw[:, cells.measured])
    if weights is not None:
        columns = columns * np.cbrt(weights)[:, None]
    names = tuple(design.columns[j].name for j in cells.measured)
    within = np.column_stack([cells.indicators, 1 - cells.indicators])
    where = (*cells.names, *(f"not {name}" for name in cells.names))
    return (
        *cells.evidence(design, None, False),
        *levels_in_threes(cells),
        *dominance_of_triples(columns, names, within, where),
    )
