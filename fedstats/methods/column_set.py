"""A column of a model that is set to one value for every patient, and what the gate judges of that."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import level_name
from fedstats.contract.design import Column, Design
from fedstats.contract.linear_predictor import agreed_spread
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


def raw_with(data: SiteData, frame: pd.DataFrame, design: Design, column: str, value: float | str) -> Array:
    """The raw columns of a design, (n, p), were ``column`` this value for all.

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
    return raw


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
    design: Design,
    beta: tuple[float, ...],
    column: str,
    values: tuple[float | str, ...],
    codebook: Codebook,
    unit: float = 1.0,
) -> Evidence:
    """Coefficients that a value of the column leaves to what it is multiplied by.

    Parameters
    ----------
    beta : (p,)     of the scaled columns, with the intercept's first where there is one
    unit : float    what a coefficient counts in
    """
    found = [0.0]
    for c, coefficient in zip(design.columns, beta[-len(design.columns) :], strict=True):
        own = tuple(p for p in c.parts if p.column == column)
        others = tuple(p for p in c.parts if p.column != column)
        if own and others:
            numbers = [v for v in values if not isinstance(v, str)]
            frame = pd.DataFrame({column: np.array(numbers or [1.0])})
            alone = Design((Column("", tuple(p for p in own if p.level is None)),))
            largest = float(np.abs(alone.raw(frame)).max())
            found.append(abs(coefficient) * unit / c.scale * largest * agreed_spread(others, codebook))
    return Evidence("size of coefficients", np.array(found), f"a coefficient where {column} is set")
