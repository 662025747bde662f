"""Cox regression with one baseline hazard for all sites, on an agreed time grid.

Round a: the sites send risk-set sums by cell, the coordinator adds them up and evaluates the
likelihood.  Round b: it publishes the hazards, and the sites send their second moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Sum, full_matrix
from fedstats.contract.entries import Entries, each, listed, one, pairs
from fedstats.contract.federation import Federation, Meter, SiteRefused, Total
from fedstats.contract.formula import FormulaError, Outcome
from fedstats.contract.periods import cuts_of, periods_of
from fedstats.contract.query import POINT, QueryError
from fedstats.contract.site_data import SiteData
from fedstats.contract.values import check_choice
from fedstats.methods.cox_model import (
    SIZES,
    CoxMeat,
    CoxModel,
    CoxQuery,
    deaths_of_cells,
    pack_hazards,
)
from fedstats.methods.cox_periods import Part, over_periods
from fedstats.methods.cox_rows import CoxRows
from fedstats.methods.follow_up import GRID_RULES, candidate_grids, on_finest_grid
from fedstats.methods.risk_set_evidence import of_neighbours
from fedstats.methods.stacked_equations import CoxPropensityTerms
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs
from fedstats.numerics.newton import Derivatives

Array = NDArray[np.float64]

#: Risk-set sums can be tiny in the tail: 88 fractional bits, and still 2**32 of head-room.
RISK_SET_EXPONENT = -24

_AGREE = "agree on wider cells in the codebook's [grid]"


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _SharedQuery(CoxQuery):
    """A question about cells; without an agreed grid the cells would be the site's own event times."""

    likelihood = "Cox model with one baseline"

    def remedies(self) -> dict[str, str]:
        """All agreed grids are tried, so wider cells than those have to be agreed on first."""
        efron = (
            "ask with ties='breslow', which sums nothing over them, or " if self.model.ties == "efron" else ""
        )
        return {
            "leavers of a time cell": f"Too few patients leave in a cell of the time grid, or after its end: {_AGREE}, or on a horizon beyond which nobody is followed, or enough are.",
            "events of a time cell": f"Too few patients with the event lie in a cell of the time grid: {efron}{_AGREE}.",
            "pair of levels": f"Too few of those at risk, or with the event, in a cell of the time grid share two levels or are without: {efron}{_AGREE}, merge levels in the codebook, or leave one of the columns out.",
        }

    def on_grid(self, data: SiteData) -> tuple[CoxRows, Array, Array]:
        """The model at its point, on the grid."""
        if not self.model.grid:
            raise QueryError(
                "Sums by time cell are answered on an agreed grid only; the question names none."
            )
        return self.at_point(data)


@dataclass(frozen=True)
class CoxRiskSets(_SharedQuery):
    """Sums over the risk sets of a Cox model, by cell of the agreed time grid."""

    asks = "sums over the patients at risk in each time cell"

    def entries(self) -> dict[str, Entries]:
        """Numbers by cell, and by cell and coefficient."""
        cells, names = self.model.cells, self.model.design.described
        found = {
            "s0": each("sum of the relative risks of patients at risk", cells, count="c"),
            "s1": each("the same times a column", cells, names, count="c p"),
            "deaths": each("patients with the event", cells, count="c"),
            "weight": each("sum of the weights of patients with the event", cells, count="c"),
            "eta_deaths": one("sum of the linear predictors of patients with the event"),
            "x_deaths": each("sum of a column over patients with the event", names, count="p"),
        }
        if self.model.ties == "efron":
            said = "sum of the relative risks of patients with the event"
            found |= {"t0": each(said, cells, count="c")}
            found |= {"t1": each("the same times a column", cells, names, count="c p")}
        return found | SIZES

    def aggregate(self, data: SiteData) -> Aggregate:
        """Sums over the risk set (s0, s1), over tied deaths (t0, t1, Efron only), deaths and their weights."""
        if periods_of(self.model.design):
            return over_periods(self, data)
        cox, eta, r = self.on_grid(data)
        sums = rs.cell_sums(cox.sets, cox.x, r, cox.rows.weights)
        at_risk, with_x, died, died_x = (count.astype(np.int64) for count in cox.behind)
        parts = {
            "s0": Sum(sums.s0, at_risk, RISK_SET_EXPONENT),
            "s1": Sum(sums.s1, with_x, RISK_SET_EXPONENT),
            "deaths": Sum(sums.deaths, at_risk),
            "weight": Sum(sums.weight, at_risk),
            "eta_deaths": Sum(np.array([cox.event_weight @ eta]), np.array([died.sum()])),
            "x_deaths": Sum(cox.event_weight @ cox.x, died_x.sum(axis=0)),
        }
        if self.model.ties == "efron":
            parts |= {
                "t0": Sum(sums.t0, died, RISK_SET_EXPONENT),
                "t1": Sum(sums.t1, died_x, RISK_SET_EXPONENT),
            }
        answer = self.answer(cox, r, parts | cox.counts)
        tied = self.model.ties == "efron"
        return answer.with_evidence(*of_neighbours(cox.rows, cox.sets, r, tied=tied))


@dataclass(frozen=True)
class CoxCurvature(_SharedQuery):
    """Second moments of a Cox model with a shared baseline hazard."""

    a: tuple[float, ...] = field(metadata=POINT)
    b: tuple[float, ...] = field(metadata=POINT)

    asks = "second moments with the published hazards"

    def entries(self) -> dict[str, Entries]:
        """One matrix."""
        names = self.model.design.described
        return {"gram": pairs("sum over patients of the product of two columns, weighted by risk", names)}

    def aggregate(self, data: SiteData) -> Aggregate:
        """p (p + 1) / 2 sums over patients."""
        if periods_of(self.model.design):
            return over_periods(self, data)
        cox, _, r = self.on_grid(data)
        v = pl.expected(cox.sets, cox.stratum, np.array(self.a), np.array(self.b))
        # the hazards are the question's own: who stands behind r v is judged, not who stands behind r
        answer = self.answer(cox, r * v, {"gram": cox.rows.matrix(pl.weighted_gram(cox.x, r * v))})
        # and sums are linear in them: a little more hazard in one cell tells who leaves there
        answer = answer.with_evidence(*of_neighbours(cox.rows, cox.sets, r, tied=any(self.b)))
        return answer.with_evidence(deaths_of_cells(cox)) if any(self.b) else answer

    def in_period(self, part: Part) -> Self:
        """With the hazards of the time cells in the period."""
        if len(part.cells) != len(self.a) or len(self.a) != len(self.b):
            raise QueryError("The published hazards do not have the agreed number of cells.")
        a, b = (np.where(part.cells, hazard, 0.0).tolist() for hazard in (self.a, self.b))
        return replace(super().in_period(part), a=tuple(a), b=tuple(b))


# The coordinator's half ------------------------------------------------------------------------


def cells_of_total(total: Total, ties: pl.Ties) -> tuple[rs.CellSums, pl.CellTerms]:
    """Risk-set sums as they were answered, and what the cells contribute.

    Raises
    ------
    FloatingPointError
        A risk set adds up to nothing although an event happened in it.
    """
    none = np.zeros_like(total["s0"])
    t0, t1 = total.get("t0", none), total.get("t1", np.zeros_like(total["s1"]))
    sums = rs.CellSums(total["s0"], total["s1"], t0, t1, np.rint(total["deaths"]), total["weight"])
    return sums, pl.cell_terms(sums, ties)


class SharedBaseline:
    """Derivatives of the summed risk sets; two rounds a point."""

    def __init__(self, meter: Meter, model: CoxModel, course: str = "") -> None:
        self.meter, self.model, self.course = meter, model, course
        self.counts: dict[str, int] = {}

    def question(self, gamma: Array) -> CoxRiskSets:
        """What is asked at a point, in its first round."""
        return CoxRiskSets(self.model, tuple(gamma.tolist()), course=self.course)

    def __call__(self, gamma: Array) -> Derivatives:
        total = self.meter.finite_sum(self.question(gamma))
        if total is None:
            return Derivatives.not_finite(gamma)
        try:
            sums, terms = cells_of_total(total, self.model.ties)
        except FloatingPointError:
            return Derivatives.not_finite(gamma)
        self.counts = {k: round(float(total[k][0])) for k in ("n", "n_event", "dropped")}
        at = total.query.beta
        hazards = tuple(terms.a.tolist()), tuple(terms.b.tolist())
        curvature = CoxCurvature(self.model, at, *hazards, course=self.course)
        gram = full_matrix(self.meter.sum(curvature)["gram"])
        return Derivatives(
            float(total["eta_deaths"][0]) - terms.log_terms,
            pl.score_from_cells(total["x_deaths"], sums, terms),
            gram - pl.second_product(sums, terms),
            np.array(at),
            float(total["event_weight"][0]) / max(self.counts["n_event"], 1),
        )

    def meat(self, gamma: Array) -> Array:
        """Sum of outer products of score residuals, with the shared hazards and means published."""
        return full_matrix(self.meter.sum(CoxMeat(self.model, *self._published(gamma)))["meat"])

    def propensity_terms(self, gamma: Array) -> Total:
        """Products of score residuals with the scores of the propensity behind the weights."""
        return self.meter.sum(CoxPropensityTerms(self.model, *self._published(gamma)))

    def _published(self, gamma: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Coefficients, and the hazards and means there."""
        total = self.meter.sum(self.question(gamma))
        sums, terms = cells_of_total(total, self.model.ties)
        return total.query.beta, pack_hazards(terms.a, terms.b, pl.cell_means(sums, terms))


def with_grid(
    federation: Federation,
    meter: Meter,
    model: CoxModel,
    outcome: Outcome,
    grid: float | Sequence[float] | None,
) -> tuple[CoxModel, str]:
    """The model on the finest grid that every site lets out."""
    levels, cuts = federation.codebook[model.strata[0]].levels if model.strata else (), cuts_of(model.design)
    zero = (0.0,) * len(model.design.names)

    def ask(edges: tuple[float, ...]) -> CoxModel:
        candidate = replace(model, grid=edges, strata_levels=levels)
        meter.sum(CoxRiskSets(candidate, zero))
        return candidate

    candidates = [
        (tuple(sorted({*edges, *cuts})), words) if words == "exact" else (edges, words)
        for edges, words in candidate_grids(federation, meter, outcome, grid)
    ]
    candidates = [(edges, words) for edges, words in candidates if set(cuts) <= set(edges)]
    if not candidates:
        raise FormulaError(
            f"Effects change after {listed([f'{cut:g}' for cut in cuts])}; with a shared baseline these are edges of the time cells."
        )
    try:
        rules = (*GRID_RULES, "pair of levels", "patients of one predictor")
        chosen, _, status = on_finest_grid(candidates, ask, rules)
    except SiteRefused as refused:
        if refused.rule == "events of a time cell":
            refused.args = (
                f"{refused.args[0]} Efron's ties need more events a cell: ask for ties='breslow'.",
            )
        raise
    return chosen, status


def check_baseline(federation: Federation, baseline: str, strata: tuple[str, ...]) -> None:
    """Whose baseline hazards there are, and whether these can be shared.

    Raises
    ------
    FormulaError
    """
    check_choice("baseline", baseline, ("site", "shared"))
    if baseline == "shared" and len(strata) > 1:
        raise FormulaError(
            "A shared baseline takes one column of strata; join the columns into one in the data."
        )
    if baseline == "shared" and strata and not federation.codebook[strata[0]].levels:
        raise FormulaError(
            f"A shared baseline needs agreed levels for the strata {strata[0]!r}; make it a factor."
        )
