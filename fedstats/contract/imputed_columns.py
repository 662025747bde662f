"""Columns with their empty cells filled in by chained equations: a site makes them of its own rows, and they never leave.

What travels is a recipe: every step of the chain with the parameters that were drawn for it.  A site that has the recipe makes
the completed columns from the question alone, whatever it was asked before; what is random in them is drawn with the site's
secret and a digest of the recipe, so the same question has the same answer, and nobody else can tell a draw.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.codebook import Codebook
from fedstats.contract.cumulative_hazard import CumulativeHazard
from fedstats.contract.design import Design, level_codes
from fedstats.contract.entries import listed
from fedstats.contract.query import POINT, QueryError, Spec
from fedstats.numerics.imputation_draws import drawn_levels, drawn_numbers

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Of one chain: variables, cycles, copies.
MOST_VARIABLES, MOST_CYCLES, MOST_COPIES = 6, 5, 20
#: A level that too few would be drawn for is drawn anew so often, and then not at all.
_TRIES = 25


@dataclass(frozen=True)
class ImputationStep(Spec):
    """One variable filled in once, from the others as they are at that step.

    Attributes
    ----------
    variable : str
    design : Design            with an intercept
    coefficients : (k, p)      of the scaled columns: of a number one row; of a factor, for each level but the last, of its logit among
                               those with it or a later level
    spread : float             residual standard deviation of a number
    between : float            standard deviation of intercepts between sites, for one where the variable is empty in every row
    shift : float              added to what is drawn, in units of a number or logits of the event: what a sensitivity analysis assumes
    """

    variable: str
    design: Design
    coefficients: tuple[tuple[float, ...], ...] = field(metadata=POINT)
    spread: float = field(default=0.0, metadata=POINT)
    between: float = field(default=0.0, metadata=POINT)
    shift: float = 0.0

    def check(self, codebook: Codebook) -> None:
        """Whether it fits the codebook.

        Raises
        ------
        QueryError
        """
        kind, levels = codebook[self.variable].kind, levels_of_variable(self.variable, codebook)
        if kind not in ("numeric", "factor", "event"):
            raise QueryError(f"{self.variable} is neither a number nor a factor; it is not imputed.")
        rows = len(levels) - 1 if levels else 1
        if len(self.coefficients) != rows or {len(row) for row in self.coefficients} != {
            len(self.design.names)
        }:
            raise QueryError(
                f"The imputation of {self.variable} has other coefficients than its model has columns."
            )
        if not self.design.intercept or self.variable in self.design.variables:
            raise QueryError(
                f"The imputation model of {self.variable} has an intercept, and not itself as a term."
            )
        if self.spread < 0 or self.between < 0:
            raise QueryError("A standard deviation is not below zero.")
        if not all(c.scale > 0 and c.period is None for c in self.design.columns):
            raise QueryError("A column of an imputation model has no scale above zero, or a period.")


def levels_of_variable(name: str, codebook: Codebook) -> tuple[str, ...]:
    """Of a factor its agreed levels, of an event 0 and 1, of a number none."""
    variable = codebook[name]
    return ("0", "1") if variable.kind == "event" else variable.levels


@dataclass(frozen=True)
class ImputedColumns(Spec):
    """The columns ``completed``, with their empty cells filled in by the last of the ``steps`` for each.

    Attributes
    ----------
    completed : tuple of str     columns that the question reads as completed; others of the chain it reads as they are
    steps : tuple of ImputationStep
    imputed : tuple of str       variables of the whole chain, those that are still to be filled in among them
    others : tuple of str        columns that its models read and that are not filled in
    draws : int                  how often the values of a variable are drawn in all: copies times cycles
    copy : int                   which copy it is, from 1
    hazard : CumulativeHazard or None   the column of a cumulative hazard, where the models read one
    """

    completed: tuple[str, ...]
    steps: tuple[ImputationStep, ...]
    imputed: tuple[str, ...]
    others: tuple[str, ...]
    draws: int
    copy: int = field(metadata=POINT)
    hazard: CumulativeHazard | None = None

    @property
    def name(self) -> str:
        """What stands for it among the columns of a question; it is no column."""
        return "imputed columns"

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that it is made of."""
        of_hazard = () if self.hazard is None else self.hazard.variables
        return tuple(dict.fromkeys((*self.imputed, *self.others, *of_hazard)))

    def showing(self, *names: str) -> Self:
        """The same chain with other columns shown as completed."""
        return replace(self, completed=names)

    def in_words(self) -> str:
        """What it is made of: ``albumin completed from age, sex (copy 2)``."""
        parts = []
        for name in self.completed:
            step = next(step for step in reversed(self.steps) if step.variable == name)
            shifted = f", shifted by {step.shift:g}" if step.shift else ""
            parts.append(f"{name} completed from {listed(step.design.terms)}{shifted}")
        return f"{'; '.join(parts)} (copy {self.copy})"

    def check(self, codebook: Codebook) -> None:
        """Whether every step fits the codebook, and reads nothing before it is filled in.

        Raises
        ------
        QueryError
        """
        stepped = {step.variable for step in self.steps}
        if not self.completed or not set(self.completed) <= stepped or not stepped <= {*self.imputed}:
            raise QueryError("Completed columns are those of the steps of their chain.")
        if (
            len(self.imputed) > MOST_VARIABLES
            or len(self.steps) > MOST_VARIABLES * MOST_CYCLES
            or self.draws < 1
        ):
            raise QueryError(
                f"A chain has at most {MOST_VARIABLES} variables and {MOST_CYCLES} cycles, and a number of draws."
            )
        if not 1 <= self.copy <= MOST_COPIES:
            raise QueryError(f"There are at most {MOST_COPIES} copies.")
        for name in self.variables:
            if name not in codebook:
                raise QueryError(f"The column {name!r} is not in the codebook that this site keeps to.")
            if codebook[name].kind == "label":
                raise QueryError(f"{name} groups patients inside a site; nothing is imputed from it.")
        filled: set[str] = set()
        for step in self.steps:
            step.check(codebook)
            made = set() if self.hazard is None else {self.hazard.name}
            if unsaid := set(step.design.variables) - {*self.imputed, *self.others} - made:
                raise QueryError(
                    f"{min(unsaid)} is read by the imputation of {step.variable}, and not named among its columns."
                )
            if early := (set(step.design.variables) & {*self.imputed}) - filled:
                raise QueryError(
                    f"{min(early)} is read by the imputation of {step.variable} before it is filled in."
                )
            filled.add(step.variable)

    def digests(self) -> Iterator[bytes]:
        """One a step, of all that comes before it and itself: what its draws are keyed with."""
        known = hashlib.sha256(replace(self, completed=(), steps=()).digest().encode()).digest()
        for step in self.steps:
            known = hashlib.sha256(known + step.digest().encode()).digest()
            yield known


class Completion:
    """A site's rows while a chain fills them in.

    Parameters
    ----------
    chain : ImputedColumns
    frame : DataFrame      the site's rows, with the column of the hazard where the chain reads one
    codebook : Codebook    which knows it
    open_cells : mapping of variable to (n,) bool   whose empty cells are filled in
    uniform : callable     ``(label, rows (n,) bool) -> (k,)`` between 0 and 1, drawn with the site's secret
    cell : (n,) int        patients with the same cells empty
    enough : callable      of counts (k,), whether so many of one cell may be drawn for a level
    """

    def __init__(
        self,
        chain: ImputedColumns,
        frame: pd.DataFrame,
        codebook: Codebook,
        open_cells: dict[str, Flags],
        uniform: Callable[[bytes, Flags], Array],
        cell: NDArray[np.int64],
        enough: Callable[[NDArray[np.int64]], Flags],
    ) -> None:
        self._chain, self._codebook, self._open = chain, codebook, open_cells
        self._uniform, self._cell, self._enough = uniform, cell, enough
        self.frame = frame

    def run(self, drawn: dict[bytes, Array]) -> pd.DataFrame:
        """All steps in turn; ``drawn`` keeps what a step has drawn by its digest, so that no step is taken twice."""
        for step, digest in zip(self._chain.steps, self._chain.digests(), strict=True):
            rows = self._open[step.variable]
            if digest not in drawn:
                drawn[digest] = self._drawn(step, digest, rows)
            self.frame[step.variable] = filled(
                self.frame[step.variable], rows, drawn[digest], step.variable, self._codebook
            )
        return self.frame

    def _drawn(self, step: ImputationStep, digest: bytes, rows: Flags) -> Array:
        """Values of the open cells, (k,); of a factor the positions of its levels."""
        if not rows.any():
            return np.zeros(0)
        x = step.design.scaled_of(self.frame[rows])
        moved = step.shift + self._of_the_site(step, digest)
        predictors = x @ np.array(step.coefficients).T  # (k, rows of coefficients)
        if not levels_of_variable(step.variable, self._codebook):
            uniform = self._uniform(digest, rows)
            return drawn_numbers(predictors[:, 0] + moved, step.spread, uniform)
        predictors = (
            predictors - moved
        )  # of a logit of the first level, so that a shift is towards the others
        return self._levels(predictors, digest, rows).astype(float)

    def _of_the_site(self, step: ImputationStep, digest: bytes) -> float:
        """The site's own intercept, where it has not observed the variable at all."""
        if not step.between or self.frame[step.variable][~self._open[step.variable]].notna().any():
            return 0.0
        anybody = np.zeros(len(self.frame), dtype=bool)
        anybody[:1] = True
        return float(
            drawn_numbers(np.zeros(1), step.between, self._uniform(digest + b"site", anybody)[:1])[0]
        )

    def _levels(self, predictors: Array, digest: bytes, rows: Flags) -> NDArray[np.int64]:
        cell, found = self._cell[rows], np.full(len(predictors), -1)
        for turn in range(_TRIES):
            again = found < 0
            uniform = self._uniform(digest + turn.to_bytes(1, "big"), rows)
            found[again] = drawn_levels(predictors[again], uniform[again])
            for one in np.unique(cell[again]):
                counts = np.bincount(found[cell == one])
                if not self._enough(counts).all():
                    found[cell == one] = -1
            if (found >= 0).all():
                return found
        for one in np.unique(cell[found < 0]):  # a level that is hardly ever drawn, and never for enough
            inside = cell == one
            found[inside] = np.bincount(drawn_levels(predictors[inside], np.full(inside.sum(), 0.5))).argmax()
        return found


def filled(values: pd.Series, rows: Flags, drawn: Array, name: str, codebook: Codebook) -> pd.Series:
    """A column with what was drawn in some rows."""
    completed = values.copy()
    if codebook[name].kind == "factor":
        levels = codebook[name].levels
        codes = level_codes(values, levels)
        codes[rows] = drawn.astype(np.int64)
        return pd.Series(
            pd.Categorical.from_codes(codes, dtype=values.dtype), index=values.index, name=values.name
        )
    completed[rows] = drawn
    return completed
