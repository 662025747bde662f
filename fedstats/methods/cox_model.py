"""A Cox model as sites receive it, at a point, and the score residuals of its patients.

What both designs share, the site's own baseline hazard (``cox_regression``) and one for all sites
(``cox_shared_baseline``).
"""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.design import Design
from fedstats.contract.dominance import dominance_of_residuals, scores_of_clusters
from fedstats.contract.entries import Entries, between, crossed, groups_of, listed, one, options, pairs
from fedstats.contract.formula import Outcome
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.periods import cuts_of, periods_of
from fedstats.contract.query import POINT, Query, QueryError, Spec
from fedstats.contract.site_data import SiteData
from fedstats.methods.cox_periods import Part, meat_over_periods, prepared_parts
from fedstats.methods.cox_rows import CoxRows, prepare
from fedstats.methods.follow_up import TIME_GRID
from fedstats.methods.risk_set_evidence import of_neighbours
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CoxModel(Spec):
    """What is modelled.

    ``grid`` empty: a baseline hazard for each stratum of each site.  Otherwise one baseline on these
    right edges, for each of the agreed ``strata_levels`` (one column of strata at most).  ``event_level`` is the level of ``event`` that
    counts; None: it is 0 or 1.
    """

    entry: str | None
    time: str
    event: str
    design: Design
    strata: tuple[str, ...]
    ties: Literal["efron", "breslow"]
    weights: str | None
    offset: str | None
    offset_centre: float
    cluster: str | None
    grid: tuple[float, ...] = field(default=(), metadata=TIME_GRID)
    strata_levels: tuple[str, ...] = ()
    event_level: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Its left-hand side."""
        return Outcome(self.event, self.time, self.entry, self.event_level)

    def without_grid(self) -> Self:
        """The same model with a baseline hazard for each stratum of each site."""
        return replace(self, grid=(), strata_levels=())

    def in_words(self) -> str:
        """The model as a sentence."""
        followed = f"{self.entry} to {self.time}" if self.entry else self.time
        event = self.event if self.event_level is None else f"{self.event}[{self.event_level}]"
        parts = [f"Cox regression of {followed}/{event} on {listed(self.design.terms)}"]
        parts += [f"strata {listed(self.strata)}"] if self.strata else []
        parts += [f"{self.ties.capitalize()} ties"]
        parts += [f"one baseline hazard on {len(self.grid)} time cells"] if self.grid else []
        cuts = cuts_of(self.design)
        parts += [f"effects that change after {listed([f'{cut:.12g}' for cut in cuts])}"] if cuts else []
        return ", ".join(parts) + options(weights=self.weights, offset=self.offset, cluster=self.cluster)

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cells of a shared baseline, stratum by stratum."""
        strata = groups_of(self.strata[0] if self.strata else None, self.strata_levels)
        return crossed(strata, between(self.grid, beyond=False))


#: Counts that go with every answer of a Cox model.
SIZES = {
    "n": one("patients with a weight"),
    "n_event": one("patients with the event"),
    "event_weight": one("sum of the weights of patients with the event"),
    "dropped": one("rows with an empty cell"),
}


def _relative_risk(model: CoxModel, cox: CoxRows, gamma: Array) -> tuple[Array, Array]:
    """eta - c and r = w exp(eta - c); c is the stratum's largest eta, or agreed where sums of r travel."""
    # of one stratum the columns are the rows' own: what was worked out of them at this point is kept
    eta = cox.rows.at(gamma).product if cox.x is cox.rows.x else cox.x @ gamma
    if cox.rows.offset is not None:
        eta = eta + (cox.rows.offset - model.offset_centre)
    if not model.grid and len(eta):
        eta = eta - _largest(eta, cox.stratum)
    with np.errstate(over="ignore"):
        r = np.exp(eta)
    return eta, r if cox.rows.weights is None else cox.rows.weights * r


def _largest(eta: Array, stratum: NDArray[np.int64]) -> Array | float:
    """The largest eta of each patient's stratum."""
    if not stratum.any():
        return float(eta.max())
    largest = np.full(int(stratum.max()) + 1, -np.inf)
    np.maximum.at(largest, stratum, eta)
    return np.asarray(largest[stratum])


@dataclass(frozen=True)
class CoxQuery(Query):
    """A Cox model at a point: ``beta`` are coefficients of the scaled columns."""

    model: CoxModel
    beta: tuple[float, ...] = field(metadata=POINT)

    likelihood = "Cox model"

    def subject(self) -> str:
        """The model in words."""
        return self.model.in_words()

    def cut_at(self) -> tuple[float, ...]:
        """Edges of the time cells, or the cuts between periods, by which the sums are told apart."""
        return self.model.grid or cuts_of(self.model.design)

    def in_period(self, part: Part) -> Self:
        """The same question of the patients of a period, with the columns that count there, each as of an ordinary model."""
        return replace(self, model=part.model, beta=tuple(np.array(self.beta)[part.columns].tolist()))

    def model_rows(self, data: SiteData) -> ModelRows:
        """The rows of the model at a site."""
        return self._prepared(data).rows

    def beforehand(self, data: SiteData) -> tuple[Evidence, ...]:
        """Of the rows and the coefficients; where effects change, in every period."""
        if not periods_of(self.model.design):
            return self.model_rows(data).at(np.array(self.beta)).beforehand()
        whole = prepared_parts(self, data)
        found = (*whole.rows.evidence, *whole.evidence)
        for part in whole.parts:
            own = self.in_period(part).beforehand(part.data)
            found += tuple(e.of(part.period.in_words()) for e in own)
        return found

    def _prepared(self, data: SiteData) -> CoxRows:
        if periods_of(self.model.design):
            raise QueryError("This is not asked of a model whose effects change with time.")
        return data.prepared(self.model, lambda: prepare(self.model, data))

    def at_point(self, data: SiteData) -> tuple[CoxRows, Array, Array]:
        cox = self._prepared(data)
        eta, r = _relative_risk(self.model, cox, np.array(self.beta))
        return cox, eta, r

    def answer(self, cox: CoxRows, r: Array, sums: dict[str, Sum]) -> Aggregate:
        evidence = cox.rows.at(np.array(self.beta)).evidence(np.where(cox.informative, r, 0.0))
        evidence += cox.evidence
        if cox.rows.made:
            died = np.zeros(cox.rows.n)
            died[cox.sets.death] = 1.0
            evidence += cox.rows.by_outcome(died, cox.rows.counted & cox.informative)
        outcome = self.model.outcome
        cuts = outcome.cuts(self.cut_at())
        whole = replace(cox.rows.cohort, cuts=cuts)
        # strata that set one patient alone leave him out of the sums, and other strata of the same outcome do not
        told = Cohort(whole.rows[cox.informative[cox.rows.counted]], (), told_by=outcome.variables)
        return Aggregate(sums, cox.rows.n, evidence, (whole, told), cox.faults)


@dataclass(frozen=True)
class CoxMeat(CoxQuery):
    """Sum of squared score residuals of a Cox model, for robust standard errors.

    Outer products by patient or cluster; clusters lie within a site.

    ``hazards`` are the published pieces of a shared baseline (a, b, xbar, c, d, flattened); empty for
    a site's own baseline.
    """

    hazards: tuple[float, ...] = field(default=(), metadata=POINT)

    asks = "squared score residuals (robust variance)"
    most_points = 2

    def entries(self) -> dict[str, Entries]:
        """One matrix."""
        return {
            "meat": pairs("products of patients' (or clusters') score residuals", self.model.design.described)
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """p (p + 1) / 2 sums over patients or clusters."""
        if self.hazards and not self.model.grid:  # the site's own number of event times is not for guessing
            raise QueryError("Published hazards belong to an agreed grid; the question names none.")
        if periods_of(self.model.design):
            return meat_over_periods(self, data)
        cox, r, u = self.residuals(data)
        parts = dominance_of_residuals(u, self.model.design)
        if self.model.cluster is not None:
            u, more = scores_of_clusters(u, cox.rows.codes((self.model.cluster,)))
            parts += more
        if self.hazards:
            parts += (
                *of_neighbours(cox.rows, cox.sets, r, tied=True),
                deaths_of_cells(cox),
            )
        y = np.zeros(cox.rows.n)
        y[cox.sets.death] = 1.0
        parts += cox.rows.by_outcome(y, cox.rows.counted & cox.informative)
        parts += cox.rows.predictor_groups(cox.rows.at(np.array(self.beta)).predictor, y[:, None])
        return self.answer(cox, r, {"meat": cox.rows.matrix(u.T @ u)}).with_evidence(*parts)

    def residuals(self, data: SiteData) -> tuple[CoxRows, Array, Array]:
        """The rows, their relative risks and their score residuals, (n, p)."""
        cox, _, r = self.at_point(data)
        if self.hazards:
            a, b, means = unpack_hazards(np.array(self.hazards), cox.sets.n_cells, cox.x.shape[1])
        else:
            sums = rs.cell_sums(cox.sets, cox.x, r, cox.rows.weights)
            terms = pl.cell_terms(sums, self.model.ties)
            a, b, means = terms.a, terms.b, pl.cell_means(sums, terms)
        v = pl.expected(cox.sets, cox.stratum, a, b)
        return cox, r, pl.score_residuals(cox.sets, cox.stratum, cox.x, r, cox.rows.weights, v, means)

    def in_period(self, part: Part) -> Self:
        """With the hazards, and the means of the columns, of the time cells in the period."""
        asked = super().in_period(part)
        if not self.hazards:
            return asked
        pieces = unpack_hazards(np.array(self.hazards), len(part.cells), len(self.beta))
        a, b = (np.where(part.cells, hazard, 0.0) for hazard in pieces[:2])
        means = (np.where(part.cells[:, None], mean[:, part.columns], 0.0) for mean in pieces[2])
        return replace(asked, hazards=pack_hazards(a, b, pl.CellMeans(*means)))


def deaths_of_cells(cox: CoxRows) -> Evidence:
    """For sums that published hazards or means can narrow to the deaths of one cell, whatever the ties."""
    events = np.bincount(cox.sets.death_cell, minlength=cox.sets.n_cells)
    return Evidence("events of a time cell", events, "events in a cell, told apart from the others")


def pack_hazards(a: Array, b: Array, means: pl.CellMeans) -> tuple[float, ...]:
    return tuple(np.concatenate([piece.ravel() for piece in (a, b, *means)]).tolist())


def unpack_hazards(flat: Array, cells: int, p: int) -> tuple[Array, Array, pl.CellMeans]:
    if len(flat) != cells * (2 + 3 * p):
        raise QueryError("The published hazards do not have the agreed number of cells.")
    a, b, rest = flat[:cells], flat[cells : 2 * cells], flat[2 * cells :].reshape(3, cells, p)
    return a, b, pl.CellMeans(rest[0], rest[1], rest[2])
