"""Two arms of patients at a site: how many there are, what their weights add up to, their covariates, their propensities."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fedstats.contract.aggregate import Aggregate, Sum
from fedstats.contract.design import Design, level_codes
from fedstats.contract.dominance import dominance_of_sums
from fedstats.contract.entries import Entries, between, each, listed
from fedstats.contract.model_rows import ModelRows, model_rows
from fedstats.contract.query import Query, QueryError, candidate
from fedstats.contract.site_data import SiteData

Array = NDArray[np.float64]

#: The only edges between which propensities are counted; each set, but for the last two, is a part of the one before.
EDGES: tuple[tuple[float, ...], ...] = (
    tuple(round(k / 20, 2) for k in range(21)),
    tuple(round(k / 10, 1) for k in range(11)),
    (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0),
    (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0),
    (0.0, 0.4, 0.5, 0.6, 1.0),
    (0.0, 0.4, 0.6, 1.0),
    (0.0, 0.4, 1.0),
    (0.0, 0.6, 1.0),
)


@dataclass(frozen=True)
class _Arms(Query):
    """Patients by a treatment of two levels; ``level`` is the one that counts as treated, None: it is 0 or 1."""

    treatment: str
    level: str | None
    weights: str | None

    def _groups(self) -> tuple[str, str]:
        given = self.treatment if self.level is None else f"{self.treatment}={self.level}"
        return f"not {given}", given

    def _rows(self, data: SiteData, design: Design) -> tuple[ModelRows, Array]:
        """The rows, and 0/1 columns (n, 2) of who is in which arm."""
        rows = model_rows(
            data,
            design,
            (self.treatment,),
            self.treatment,
            self.weights,
            None,
            (),
            rarer_outcome=True,
            code=self.level,
        )
        values = rows.frame[self.treatment]
        treated = (
            values.to_numpy(dtype=float) == 1.0
            if self.level is None
            else level_codes(values, (self.level,)) == 0
        )
        return rows, np.column_stack([~treated, treated]).astype(float) * rows.counted[:, None]


@dataclass(frozen=True)
class ArmSums(_Arms):
    """Patients of two arms with sums and sums of squares of columns, weighted as well where there are weights."""

    design: Design

    asks = "patients, weights, sums and sums of squares by arm"

    def subject(self) -> str:
        """The columns."""
        weighted = f", weights {self.weights}" if self.weights else ""
        return f"{listed(self.design.terms)} by {self.treatment}{weighted}"

    def entries(self) -> dict[str, Entries]:
        """By arm, and by arm and column."""
        arms, names = self._groups(), self.design.described
        found = {"n": each("patients", arms, count="2")}
        found |= {"sum": each("sum of a column", arms, names, count="2 p")}
        found |= {"squares": each("sum of its squares", arms, names, count="2 p")}
        if self.weights is not None:
            found |= {"weight": each("sum of the weights", arms, count="2")}
            found |= {"weight_squares": each("sum of their squares", arms, count="2")}
            found |= {"weighted_sum": each("weighted sum of a column", arms, names, count="2 p")}
        return found

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 (1 + 2 p) sums over patients, and 2 (2 + p) with weights."""
        rows, arms = self._rows(data, self.design)
        n = np.rint(arms.sum(axis=0)).astype(np.int64)
        behind = np.rint(arms.T @ rows.present.astype(float)).astype(np.int64)
        x = rows.x
        evidence = rows.evidence
        sums = {"n": Sum(n, n), "sum": Sum(arms.T @ x, behind), "squares": Sum(arms.T @ x**2, behind)}
        if rows.weights is not None:
            weighted = arms * rows.weights[:, None]
            sums |= {"weight": Sum(weighted.sum(axis=0), n)}
            sums |= {"weight_squares": Sum((weighted**2).sum(axis=0), n)}
            sums |= {"weighted_sum": Sum(weighted.T @ x, behind)}
            if rows.is_judged:
                names = tuple(f"squared weights, {arm}" for arm in self._groups())
                evidence += dominance_of_sums(weighted**2, names)
        return Aggregate(sums, rows.n, evidence, (rows.cohort,), rows.faults)


@dataclass(frozen=True)
class PropensityHistogram(_Arms):
    """Patients of two arms between the agreed edges of their propensity; the recipe says nothing else."""

    edges: tuple[float, ...] = field(metadata=candidate("coarser cells of the propensity"))

    asks = "patients between the agreed edges"
    most_points = 2

    def subject(self) -> str:
        """The column."""
        return f"propensity of {self.treatment}"

    def entries(self) -> dict[str, Entries]:
        """Counts by arm and cell."""
        cells = between(self.edges[1:], beyond=False)
        return {"counts": each("patients with a propensity in the cell", self._groups(), cells, count="2 c")}

    def aggregate(self, data: SiteData) -> Aggregate:
        """(2, cells) counts."""
        weight = data.weight(self.weights)
        if weight is None or (weight.treatment, weight.level) != (self.treatment, self.level):
            raise QueryError(
                "Propensities are counted of a weight that the question says, by its own treatment."
            )
        if weight != weight.of_propensity:
            raise QueryError(
                "Propensities are counted of the overlap weight by them, not cut: all weights by one have the same."
            )
        if self.edges not in EDGES:
            raise QueryError("Propensities are counted between the agreed edges alone.")
        rows, arms = self._rows(data, Design(()))
        cell = np.searchsorted(np.array(self.edges[1:-1]), expit(weight.logit(rows.frame)), side="left")
        inside = (cell[:, None] == np.arange(len(self.edges) - 1)).astype(float)
        counts = np.rint(arms.T @ inside).astype(np.int64)
        codes = (cell + len(self.edges) * arms[:, 1])[rows.counted]
        edges = ", ".join(map(repr, self.edges))
        cells = (f"propensity cells of {weight.digest()} at {edges}", codes, True)
        cohort = replace(rows.cohort, made=(*rows.cohort.made, cells))
        return Aggregate({"counts": Sum(counts, counts)}, rows.n, rows.evidence, (cohort,), rows.faults)
