"""The cumulative hazard as a column: a site makes it of its own rows for one question, and it never leaves."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Column, Part
from fedstats.contract.linear_predictor import check_made_name
from fedstats.contract.query import QueryError, Spec
from fedstats.contract.variable import Variable
from fedstats.numerics.own_hazard import own_cumulative_hazard

Array = NDArray[np.float64]

#: It is rounded to so much: as a term of an imputation model no digit is missed, and sums of it tell less of the order of events.
UNIT = 1 / 64


@dataclass(frozen=True)
class CumulativeHazard(Spec):
    """The column ``name``: the Nelson-Aalen estimate of the site's own rows at the time of each, in steps of :data:`UNIT`."""

    name: str
    time: str
    event: str
    entry: str | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that it is made of."""
        return tuple(c for c in (self.entry, self.time, self.event) if c is not None)

    def in_words(self) -> str:
        """What it is made of: ``cumhaz is the cumulative hazard of time, status``."""
        return f"{self.name} is the site's own cumulative hazard of {', '.join(self.variables)}"

    def variable(self, codebook: Codebook) -> Variable:
        """The column as a codebook has it.

        Raises
        ------
        QueryError
            A name that is taken, or columns that are no time and no event.
        """
        check_made_name(self.name, codebook, "cumulative hazard")
        for column in self.variables:
            if column not in codebook:
                raise QueryError(f"The column {column!r} is not in the codebook that this site keeps to.")
            if codebook[column].kind not in ("time", "event", "numeric"):
                raise QueryError(
                    f"{column} is neither a time nor an event; no cumulative hazard is made of it."
                )
        return Variable(self.name, "numeric", centre=0.0, scale=0.5, missing=True)

    def values(self, frame: pd.DataFrame) -> Array:
        """The column at a site, (n,); not a number where a time or an event is empty."""
        there = frame[list(self.variables)].notna().all(axis=1).to_numpy()
        columns = {name: frame.loc[there, name].to_numpy(dtype=float) for name in self.variables}
        found = np.full(len(frame), np.nan)
        entry = None if self.entry is None else columns[self.entry]
        hazard = own_cumulative_hazard(columns[self.time], (columns[self.event] == 1.0).astype(float), entry)
        found[there] = np.round(hazard / UNIT) * UNIT
        return found

    def behind(self, column: Column) -> Column:
        """What a product with it is judged as besides: the same with the event in its place."""
        parts = tuple(Part(self.event) if p.column == self.name else p for p in column.parts)
        return replace(column, name=":".join(p.in_words() for p in parts), parts=parts)
