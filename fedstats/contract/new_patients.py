"""Covariates for which a fit is to predict: a table at the coordinator, of nobody's patients."""

import pandas as pd

from fedstats.contract.codebook import Codebook


def new_patients(table: object, columns: tuple[str, ...], codebook: Codebook) -> pd.DataFrame:
    """The columns that a model needs, with the codebook's types and levels; the table's own row names are kept.

    Raises
    ------
    TypeError
        No DataFrame.
    DataError
        A column that is missing, a level that the codebook does not have, or an empty cell.
    """
    if not isinstance(table, pd.DataFrame):
        raise TypeError(
            f"Give the covariates as a DataFrame, one row a prediction, and not as a {type(table).__name__}."
        )
    known = tuple(v for v in codebook.variables if v.name in columns)
    frame = Codebook(known).harmonise(table, "The table of covariates") if known else table[[]]
    empty = [name for name in columns if frame[name].isna().any()]
    if empty:
        raise ValueError(f"The table of covariates has an empty cell in {empty[0]!r}.")
    return frame.set_axis(table.index)
