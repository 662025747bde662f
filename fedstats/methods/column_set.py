"""A column of a model that is set to one value for every patient, and what the gate judges of that."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.coefficient_sizes import terms_of
from fedstats.contract.condition import level_name
from fedstats.contract.design import Design
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.query import QueryError
from fedstats.contract.site_data import SiteData

Array = NDArray[np.float64]

#: Values of a column in one question.
MOST_VALUES = 40


def check_values(values: tuple[float | str, ...]) -> None:
    """As many as a question has.

    Raises
    ------
    QueryError
    """
    if not 1 <= len(values) <= MOST_VALUES:
        raise QueryError(f"A column is set to at least one value, and at most {MOST_VALUES}.")


def require_settable(data: SiteData, design: Design, offset: str | None, column: str) -> None:
    """A column that can be set or moved: one of the model's, and not behind one that the question makes.

    Raises
    ------
    QueryError
    """
    if column not in design.variables:
        raise QueryError(f"{column} is no column of the model.")
    made = [name for name in (*design.variables, offset) if name in data.made]
    if column in data.sources(made) or column in (*made, offset):
        raise QueryError(
            f"{column} is behind another column of the model, or its offset; it cannot be set alone."
        )


def rows_with(
    data: SiteData, frame: pd.DataFrame, design: Design, column: str, value: float | str
) -> tuple[pd.DataFrame, Array]:
    """Rows, and the raw columns of a design, (n, p), were ``column`` this value for all.

    Raises
    ------
    QueryError
        No such level, a text in the place of a number, or a column that is not defined there.
    """
    frame = frame.copy(deep=False)
    frame[column] = _constant(data, frame[column], column, value)
    raw = design.raw(frame)
    if np.isnan(raw).any():  # of complete rows it is the value alone that can be none
        raise QueryError(f"A column is not defined where {column} is {level_name(value)}.")
    return frame, raw


def _constant(data: SiteData, values: pd.Series, column: str, value: float | str) -> object:
    name = level_name(value)
    if isinstance(values.dtype, pd.CategoricalDtype):
        if name not in data.codebook[column].levels:
            raise QueryError(f"{column} has no level {name!r}.")
        return pd.Categorical([name] * len(values), categories=values.cat.categories)
    try:
        return float(value)
    except ValueError:
        raise QueryError(f"{column} is a number; set it to one, not to a text.") from None


def sizes_where_set(
    rows: ModelRows,
    design: Design,
    frame: pd.DataFrame,
    raw: Array,
    x: Array,
    slopes: Array,
    unit: float = 1.0,
) -> tuple[Evidence, ...]:
    """Coefficients that a value of the column leaves to what it is multiplied by; nothing where nobody judges.

    Parameters
    ----------
    frame, raw, x : (n, p)   rows, unscaled and scaled columns with the column set
    slopes : (p,)            coefficients of the scaled columns
    unit : float             what a coefficient counts in
    """
    if not rows.is_judged:
        return ()
    return (terms_of(design, frame, raw, rows.counted).sizes(x, slopes, unit),)
