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
from fedstats.contract.design import Design, Part
from fedstats.contract.entries import Entries, each, one
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.query import QueryError
from fedstats.contract.shapes import OtherUnit
from fedstats.contract.site_data import SiteData
from fedstats.methods.column_set import check_values, require_settable, rows_with, sizes_where_set
from fedstats.methods.glm_model import GlmQuery

Array = NDArray[np.float64]


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
        check_values(self.values)
        family, counted = self.model.distribution, np.array([rows.counted.sum()])
        means, slopes, behind, effects = [], [], [], []
        design, first = self.model.design, int(self.model.design.intercept)
        sizes: list[Evidence] = []
        unit = self._prepared(data).unit
        groups: list[Evidence] = []  # whom the column set to a value leaves alike
        for value in self.values:
            frame, raw, x, eta = self.changed(data, rows, value)
            slopes_set = np.array(self.beta[first:])
            sizes += sizes_where_set(rows, design, frame, raw, x[:, first:], slopes_set, unit)
            if design.intercept:
                raw = np.column_stack([np.ones(rows.n), raw])
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
        return answer.with_evidence(*more, *groups, *sizes)

    def changed(
        self, data: SiteData, rows: ModelRows, value: float | str
    ) -> tuple[pd.DataFrame, Array, Array, Array]:
        """Rows, raw columns, scaled ones, and linear predictors, were the column this value for all."""
        design = self.model.design
        frame, raw = rows_with(data, rows.frame, design, self.column, value)
        x = design.scaled(raw)
        eta = x @ np.array(self.beta)
        if rows.offset is not None:
            eta = eta + rows.offset / self.model.scale
        return frame, raw, x, eta


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
    if query.model.intercepts is not None:
        raise QueryError("Fitted values of practices with intercepts of their own are not answered.")
    require_settable(data, query.model.design, query.model.offset, column)


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
