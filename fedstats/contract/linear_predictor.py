"""A linear predictor as a column: a site makes it of its own rows for one question, and it never leaves.

What a question reads of such a column it reads of the columns that it is made of: a sum over patients of the
predictor is a combination of sums of these.  So the gate judges them as if they stood in the question themselves.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.entries import listed
from fedstats.contract.model_cells import model_cells
from fedstats.contract.query import QueryError, Spec
from fedstats.contract.shapes import centre_and_scale
from fedstats.contract.variable import Variable

Array = NDArray[np.float64]

#: Coefficients travel to so many digits: a fit that is replayed on another machine names the same column.
DIGITS = 12


@dataclass(frozen=True)
class Addend(Spec):
    """A coefficient times a product of numbers and level indicators."""

    parts: tuple[Part, ...]
    coefficient: float

    def spread(self, codebook: Codebook) -> float:
        """The agreed spread of the product in units of what is added up: a standardised coefficient."""
        return abs(self.coefficient) * agreed_spread(self.parts, codebook)


@dataclass(frozen=True)
class LinearPredictor(Spec):
    """The column ``name``, ``intercept`` plus coefficients times products of the codebook's columns."""

    name: str
    intercept: float
    addends: tuple[Addend, ...]

    @classmethod
    def of(cls, name: str, design: Design, beta: Array, offset: str | None) -> "LinearPredictor":
        """Of a fit's design and its coefficients on the scale of the columns as written."""
        found = [float(f"{b:.{DIGITS}g}") for b in beta]
        intercept = found.pop(0) if design.intercept else 0.0
        addends = [Addend(c.parts, b) for c, b in zip(design.columns, found, strict=True)]
        addends += [Addend((Part(offset),), 1.0)] if offset else []
        return cls(name, intercept, tuple(addends))

    @property
    def design(self) -> Design:
        """The products as columns of a design."""
        return Design(tuple(Column("", addend.parts) for addend in self.addends))

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that it is made of."""
        return self.design.variables

    def in_words(self) -> str:
        """What it is made of: ``lp is the linear predictor of age, sex``."""
        return f"{self.name} is the linear predictor of {listed(self.design.terms)}"

    def values(self, frame: pd.DataFrame) -> Array:
        """The column at a site, (n,); not a number where a column that it is made of is empty."""
        if not self.addends:
            return np.full(len(frame), self.intercept)
        eta = self.intercept + self.design.raw(frame) @ np.array([a.coefficient for a in self.addends])
        return np.where(frame[list(self.variables)].notna().all(axis=1), eta, np.nan)

    def variable(self, codebook: Codebook) -> Variable:
        """The column as a codebook has it: centre and spread follow from those agreed of what it is made of.

        The spread is the power of two above the norm of the standardised coefficients, so that a cap on a coefficient
        of this column caps those of the columns behind it.
        """
        check_made_name(self.name, codebook, "linear predictor")
        unknown = [name for name in self.variables if name not in codebook]
        if unknown:
            raise QueryError(f"The column {unknown[0]!r} is not in the codebook that this site keeps to.")
        centre = self.intercept
        for addend in self.addends:
            if all(part.level is None for part in addend.parts):
                agreed = [centre_and_scale(p.shape, codebook[p.column])[0] for p in addend.parts]
                centre += addend.coefficient * float(np.prod(agreed))
        norm = float(np.sqrt(sum(addend.spread(codebook) ** 2 for addend in self.addends)))
        scale = 2.0 ** float(np.ceil(np.log2(norm))) if 1e-100 < norm < 1e100 else 1.0
        return Variable(self.name, "numeric", centre=centre, scale=scale, missing=True)

    def evidence(self, codebook: Codebook) -> Evidence:
        """Its standardised coefficients: a huge one makes the column tell of a few patients alone."""
        sizes = np.array([addend.spread(codebook) for addend in self.addends])
        return Evidence("size of coefficients", sizes, f"a standardised coefficient within {self.name}")

    def evidence_within(self, frame: pd.DataFrame, group: NDArray[np.int64]) -> Iterator[Evidence]:
        """For a sum and a sum of squares of it by group: those of the columns behind it, in every group."""
        design = self.design
        for g in np.unique(group):
            rows = frame[group == g]
            raw = design.raw(rows)
            cells = model_cells(design, rows, raw)
            counts = cells.evidence(design, None, rarer_outcome=False)
            yield from (e for e in counts if e.rule in ("level", "pair of levels"))
            yield from cells.dominance(cells.measurements(design, raw, None, None), None)

    def behind(self, column: Column) -> Iterator[Column]:
        """The columns that a product with this one is a combination of.

        Raises
        ------
        QueryError
            A function of the predictor that is not linear: that would be none of these.
        """
        mine = next(p for p in column.parts if p.column == self.name)
        if mine.level is not None or not mine.is_linear:
            raise QueryError(
                f"{self.name} is a linear predictor; it enters a model as it is, without a function."
            )
        rest = list(column.parts)
        rest.remove(mine)
        for addend in self.addends:
            parts = (*addend.parts, *rest)
            yield replace(column, name=":".join(p.in_words() for p in parts), parts=parts)


def check_made_name(name: str, codebook: Codebook, what: str) -> None:
    """A column that a question makes is named by a word, and by none that is taken.

    Raises
    ------
    QueryError
    """
    if not re.fullmatch(r"[^\W\d]\w{0,39}", name):
        raise QueryError("A column is named by one word of up to forty letters and digits.")
    if name in codebook:
        raise QueryError(f"There is a column {name!r} already; give the {what} another name.")


def agreed_spread(parts: tuple[Part, ...], codebook: Codebook) -> float:
    """The agreed spread of a product of numbers and level indicators."""
    return float(
        np.prod([1.0 if p.level else centre_and_scale(p.shape, codebook[p.column])[1] for p in parts])
    )
