"""Standardised risks and average marginal effects of a fit, from sums of fitted values of the sites' own patients.

Every patient is given the same value of a column, or a little more of it; what leaves are the sums of what the model then
expects, and how these change with its coefficients (the delta method).
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum
from fedstats.contract.condition import level_name
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.entries import Entries, each, one
from fedstats.contract.linear_predictor import agreed_spread
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.query import QueryError
from fedstats.contract.shapes import OtherUnit
from fedstats.contract.site_data import SiteData
from fedstats.methods.glm_model import GlmQuery

Array = NDArray[np.float64]

#: Values of a column in one question.
MOST_VALUES = 40


@dataclass(frozen=True)
class StandardisedMeans(GlmQuery):
    """Sums of what a generalised linear model expects of all patients, were a column the same for each of them.

    ``values`` are levels of the column, or numbers.
    """

    column: str
    values: tuple[float | str, ...]

    asks = "sums of fitted values with a column set to given values"
    reads_outcome = False

    def entries(self) -> dict[str, Entries]:
        """A number, and a vector, for each value of the column."""
        settings = tuple(f"{self.column}={level_name(value)}" for value in self.values)
        means = "the same times how a fitted value changes with a coefficient"
        return {
            "mean": each("sum of the fitted values", settings, count="v"),
            "slope": each(means, settings, self.model.design.described, count="v p"),
            "weight": one("sum of the weights"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """1 + v (1 + p) sums over patients, of v values of the column."""
        _require_own(data, self, self.column)
        at = self._at(data)
        rows, w = at.rows, at.w
        if not 1 <= len(self.values) <= MOST_VALUES:
            raise QueryError(f"A column is set to at least one value, and at most {MOST_VALUES}.")
        family, counted = self.model.distribution, np.array([rows.counted.sum()])
        means, slopes, behind, effects = [], [], [], []
        groups: list[Evidence] = []  # whom the column set to a value leaves alike
        for value in self.values:
            raw, x, eta = self.changed(data, rows, value)
            effect = w * family.mean_slope(eta)
            means.append(w @ family.mean(eta))
            slopes.append(effect @ x)
            behind.append(np.count_nonzero(raw * rows.counted[:, None], axis=0))
            effects.append(effect)
            groups += rows.predictor_groups(eta)
            if not family.canonical:  # of risks near one what is left of a sum of ones is a few patients'
                effects.append(w * np.maximum(1.0 - family.mean(eta), 0.0))
        sums = {
            "mean": Sum(np.array(means), np.broadcast_to(counted, len(means))),
            "slope": Sum(np.array(slopes), np.array(behind)),
            "weight": Sum(np.array([w.sum()]), counted),
        }
        answer = self._answer(data, rows, (effects[0],), sums)
        more = [e for effect in effects[1:] for e in rows.effective_sizes(effect)]
        return answer.with_evidence(*more, *groups, self._sizes(data))

    def changed(self, data: SiteData, rows: ModelRows, value: float | str) -> tuple[Array, Array, Array]:
        """Raw columns with the intercept, scaled ones, and linear predictors, were the column this value for all."""
        frame, design = rows.frame.copy(deep=False), self.model.design
        frame[self.column] = self._constant(data, frame[self.column], value)
        raw = design.raw(frame)
        if np.isnan(raw).any():  # of complete rows it is the value alone that can be none
            raise QueryError(f"A column is not defined where {self.column} is {level_name(value)}.")
        x = design.scaled(raw)
        eta = x @ np.array(self.beta)
        if rows.offset is not None:
            eta = eta + rows.offset / self.model.scale
        return (np.column_stack([np.ones(rows.n), raw]) if design.intercept else raw), x, eta

    def _constant(self, data: SiteData, values: pd.Series, value: float | str) -> object:
        name = level_name(value)
        if isinstance(values.dtype, pd.CategoricalDtype):
            if name not in data.codebook[self.column].levels:
                raise QueryError(f"{self.column} has no level {name!r}.")
            return pd.Categorical([name] * len(values), categories=values.cat.categories)
        try:
            return float(value)
        except ValueError:
            raise QueryError(f"{self.column} is a number; set it to one, not to a text.") from None

    def _sizes(self, data: SiteData) -> Evidence:
        """Coefficients that a value of the column leaves to what it is multiplied by."""
        found = [0.0]
        columns, unit = self.model.design.columns, self._outcome_unit(data.codebook)
        for column, beta in zip(columns, self.beta[-len(columns) :], strict=True):
            own = tuple(p for p in column.parts if p.column == self.column)
            others = tuple(p for p in column.parts if p.column != self.column)
            if own and others:
                values = [v for v in self.values if not isinstance(v, str)]
                frame = pd.DataFrame({self.column: np.array(values or [1.0])})
                alone = Design((Column("", tuple(p for p in own if p.level is None)),))
                largest = float(np.abs(alone.raw(frame)).max())
                found.append(abs(beta) * unit / column.scale * largest * agreed_spread(others, data.codebook))
        return Evidence("size of coefficients", np.array(found), f"a coefficient where {self.column} is set")


@dataclass(frozen=True)
class MarginalSlopes(GlmQuery):
    """Sums of how what a generalised linear model expects of each patient changes with a number, and of how that changes."""

    column: str

    asks = "sums of slopes of fitted values in a number"
    reads_outcome = False

    def entries(self) -> dict[str, Entries]:
        """A number and a vector."""
        means = "sum of how that changes with a coefficient"
        return {
            "effect": one(f"sum of the slopes of fitted values in {self.column}"),
            "slope": each(means, self.model.design.described, count="p"),
            "weight": one("sum of the weights"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 + p sums over patients."""
        _require_own(data, self, self.column)
        at = self._at(data)
        rows, w, eta = at.rows, at.w, at.eta
        design, family = self.model.design, self.model.distribution
        raw = np.nan_to_num(
            derivative(design, self.column).raw(rows.frame)
        )  # where not defined: a fault of the rows
        inner = raw * _units_of(design, self.column)
        dx = np.zeros_like(rows.x)
        dx[:, rows.x.shape[1] - inner.shape[1] :] = inner
        s = dx @ np.array(self.beta)
        effect = w * family.mean_slope(eta)
        slope = (w * family.mean_bend(eta) * s) @ rows.x + effect @ dx
        behind = np.count_nonzero((rows.present | (dx != 0)) & rows.counted[:, None], axis=0)
        counted = np.array([rows.counted.sum()])
        sums = {
            "effect": Sum(np.array([effect @ s]), counted),
            "slope": Sum(slope, behind),
            "weight": Sum(np.array([w.sum()]), counted),
        }
        return self._answer(data, rows, (effect,), sums)


def _require_own(data: SiteData, query: GlmQuery, column: str) -> None:
    """A column that can be set or moved: one of the model's, and not behind one that the question makes."""
    design = query.model.design
    if query.model.intercepts is not None:
        raise QueryError("Fitted values of practices with intercepts of their own are not answered.")
    if column not in design.variables:
        raise QueryError(f"{column} is no column of the model.")
    made = [name for name in (*design.variables, query.model.offset) if name in data.made]
    if column in data.sources(made) or column in (*made, query.model.offset):
        raise QueryError(
            f"{column} is behind another column of the model, or its offset; it cannot be set alone."
        )


def derivative(design: Design, column: str) -> Design:
    """The columns by which each column of a design is multiplied by a number, once for those without it.

    Raises
    ------
    QueryError
        A column holds a function of the number, or the number twice.
    """
    found = []
    for c in design.columns:
        own = [part for part in c.parts if part.column == column]
        if any(part.level is not None or not part.is_linear for part in own) or len(own) > 1:
            raise QueryError(
                f"{c.name} holds a function or a level of {column}; a slope is that of a number that enters as it is."
            )
        found.append(replace(c, parts=tuple(part for part in c.parts if part.column != column)))
    return Design(tuple(found))


def _units_of(design: Design, column: str) -> Array:
    """What one more of the number adds to each scaled column, beside what multiplies it; zero without it."""
    return np.array(
        [sum(_per_unit(p) for p in c.parts if p.column == column) / c.scale for c in design.columns]
    )


def _per_unit(part: Part) -> float:
    return 1.0 / part.shape.unit if isinstance(part.shape, OtherUnit) else 1.0
