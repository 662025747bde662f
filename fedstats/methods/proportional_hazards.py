"""The test of proportional hazards of Grambsch and Therneau, from sums that each site weights by a function of time."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from fedstats.contract.aggregate import Aggregate, Sum, full_matrix
from fedstats.contract.arguments import check_federation
from fedstats.contract.design import Design
from fedstats.contract.entries import Entries, between, each, pairs
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.printed import Printed, with_heading
from fedstats.contract.query import POINT, QueryError
from fedstats.contract.same_patients import check_information
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_choice, check_flag
from fedstats.methods import trend_evidence
from fedstats.methods.cox_fit import model_of
from fedstats.methods.cox_model import CoxModel, CoxQuery
from fedstats.methods.cox_rows import CoxRows
from fedstats.methods.follow_up import (
    GRID_RULES,
    TIME_GRID,
    candidate_grids,
    cells_of,
    follow_up,
    grid_evidence,
    on_finest_grid,
)
from fedstats.methods.risk_table import RiskTable
from fedstats.methods.weighting import recipe_of, with_weights_of
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs

Array = NDArray[np.float64]
Transform = Literal["km", "rank", "identity", "log"]

#: Of a trend's information, this share must be left when the coefficients are estimated; less is rounding.
LEAST_LEFT = 1e-12


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class CoxTimeTrends(CoxQuery):
    """Score and information of coefficients that change with time, of a Cox model with the site's own baseline.

    ``of_time`` is ``"identity"`` or ``"log"``, or ``"steps"``: then ``steps`` are its values in the agreed cells of
    ``grid``, the last one beyond them.
    """

    of_time: str
    grid: tuple[float, ...] = field(default=(), metadata=TIME_GRID)
    steps: tuple[float, ...] = field(default=(), metadata=POINT)

    asks = "score and information of coefficients that change with time"

    def entries(self) -> dict[str, Entries]:
        """A vector and three matrices."""
        names = self.model.design.described
        return {
            "score": each("slope of the log-likelihood in a coefficient's trend", names, count="p"),
            "information": pairs("curvature of the log-likelihood in a pair of coefficients", names),
            "with_trend": pairs("curvature in a coefficient and another's trend", names),
            "of_trends": pairs("curvature in a pair of trends", names),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """p + 3 p (p + 1) / 2 sums over patients."""
        if self.model.grid:
            raise QueryError("Trends are those of a model with the site's own baseline hazard.")
        cox, _, r = self.at_point(data)
        sums = rs.cell_sums(cox.sets, cox.x, r, cox.rows.weights)
        terms = pl.cell_terms(sums, self.model.ties)
        times = follow_up(cox.rows.frame, self.model.outcome)
        g_death, cell = self._of(times.time[cox.sets.death])
        g = np.zeros(cox.sets.n_cells)
        g[cox.sets.death_cell] = g_death
        w = np.ones(len(g_death)) if cox.rows.weights is None else cox.rows.weights[cox.sets.death]
        xbar = pl.cell_means(sums, terms).xbar
        residuals = w[:, None] * (cox.x[cox.sets.death] - xbar[cox.sets.death_cell])
        matrices = {
            name: cox.rows.matrix(_information(cox, r, sums, terms, weight))
            for name, weight in (("information", np.ones_like(g)), ("with_trend", g), ("of_trends", g**2))
        }
        parts: dict[str, Sum] = {"score": cox.rows.vector(g_death @ residuals)} | matrices
        answer = self.answer(cox, r, parts)
        if not cox.rows.is_judged:
            return answer
        told = trend_evidence.events(cox, r, sums, terms, residuals, self.model.design)
        if self.of_time != "steps":
            return answer.with_evidence(*trend_evidence.of_function(cox, r, terms, told, g_death[told.told]))
        whole = np.zeros(cox.rows.n, dtype=np.int64)
        return answer.with_evidence(
            *grid_evidence(data, times, whole, 1, np.array(self.grid)),
            *trend_evidence.of_cells(cox, r, terms, told, cell[told.told], between(self.grid, beyond=True)),
        )

    def cut_at(self) -> tuple[float, ...]:
        """Edges of the steps."""
        return self.grid

    def _of(self, time: Array) -> tuple[Array, NDArray[np.int64]]:
        """The function at each death, and the cell it lies in."""
        if self.of_time == "steps":
            if len(self.steps) != len(self.grid) + 1:
                raise QueryError("A step function has one value a cell and one beyond.")
            cell = cells_of(time, np.array(self.grid))
            return np.array(self.steps)[cell], cell
        if self.of_time not in ("identity", "log"):
            raise QueryError(f"There is no function {self.of_time!r} of time.")
        g = time if self.of_time == "identity" else np.log(np.maximum(time, 1e-300))
        return g, np.zeros(0, np.int64)


def _information(cox: CoxRows, r: Array, sums: rs.CellSums, terms: pl.CellTerms, g: Array) -> Array:
    """The information with event cell j counted g_j times; of negative weights the part is subtracted."""
    found = np.zeros((cox.x.shape[1],) * 2)
    for sign in (1.0, -1.0):
        h = np.maximum(sign * g, 0.0)
        if h.any():
            weighted = pl.CellTerms(terms.log_terms, *(h * piece for piece in terms[1:]))
            v = pl.expected(cox.sets, cox.stratum, weighted.a, weighted.b)
            found += sign * (pl.weighted_gram(cox.x, r * v) - pl.second_product(sums, weighted))
    return found


# The coordinator's half ------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class ProportionalHazardsTest(Printed):
    """Tests that coefficients do not change with time.

    Attributes
    ----------
    table : DataFrame    term statistic df p_value, the last row ``GLOBAL``
    transform : str      of time
    status : str         how it relates to the pooled test
    """

    table: pd.DataFrame
    transform: str
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """One row a term: term statistic df p_value, the last row ``GLOBAL``."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """One row: what was tested how, and what it cost."""
        row = {"transform": self.transform, "status": self.status, "rounds": self.rounds}
        return pd.DataFrame([row | {"bytes": self.n_bytes, "sites": len(self.sites)}])

    def __str__(self) -> str:
        return with_heading(f"Test of proportional hazards, {self.transform} ({self.status})", self.table)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format="%.4g")


def cox_zph(
    federation: Federation, fit: Fit, *, transform: Transform = "km", terms: bool = True
) -> ProportionalHazardsTest:
    """Test a Cox model for proportional hazards, as R's ``cox.zph`` (survival 3.0 and later) does.

    Parameters
    ----------
    federation : Federation
        The same sites and patients that the model was fitted on.
    fit : Fit
        Of :func:`cox` with ``baseline="site"``.
    transform : {"km", "rank", "identity", "log"}
        The function of time that a coefficient's trend follows: one minus the Kaplan-Meier curve of all
        patients, the rank of its end of follow-up among all patients', time, its logarithm.
    terms : bool
        One test a term, with as many degrees of freedom as it has coefficients, or one a coefficient.

    Returns
    -------
    ProportionalHazardsTest
        ``identity`` and ``log`` are exact.  ``km`` and ``rank``, of the model's own patients, are exact where distinct
        times may leave; else they are steps on the finest agreed grid that every site lets out, and a trend that follows
        these: fewer steps see less of it.  A site asks for as many events in a cell, of every level and outside it, as
        must leave in a cell of a curve.

    Raises
    ------
    FormulaError, SiteRefused
    ArithmeticError
        A trend cannot be told from its coefficient, for instance where all events lie in one step.

    Notes
    -----
    Grambsch & Therneau (1994); the score test of a model with the trend added, with its whole information matrix.
    """
    check_federation(federation)
    federation = with_weights_of(federation, fit)
    check_choice("transform", transform, get_args(Transform))
    check_flag("terms", terms)
    model, gamma = _model_of(federation, fit)
    meter = Meter(federation)
    with one_blas_thread():
        if transform in ("identity", "log"):
            total, status = meter.sum(CoxTimeTrends(model, gamma, of_time=transform)), "exact"
        else:
            recipe = recipe_of(fit)
            behind = () if recipe is None else recipe.variables
            total, status = _on_steps(federation, meter, model, gamma, transform, behind)
    check_information(fit, full_matrix(total["information"]), model.design.unscaling())
    blocks = [full_matrix(total[name]) for name in ("information", "with_trend", "of_trends")]
    groups = _groups(model.design, terms=terms)
    rows = [(name, *_score_test(total["score"], blocks, chosen)) for name, chosen in groups.items()]
    table = pd.DataFrame(rows, columns=["term", "statistic", "df"])
    table["p_value"] = chi2.sf(table["statistic"], table["df"])
    return ProportionalHazardsTest(table, transform, status, meter.rounds, meter.n_bytes, federation.sites)


def _model_of(federation: Federation, fit: Fit) -> tuple[CoxModel, tuple[float, ...]]:
    """The model that was fitted, and its coefficients."""
    model, gamma = model_of(federation, fit)
    if fit.options["baseline"] != "site" or fit.is_penalised:
        raise FormulaError(
            "The test of proportional hazards is that of a Cox model with baseline='site' and without a penalty."
        )
    return model, gamma


def _on_steps(
    federation: Federation,
    meter: Meter,
    model: CoxModel,
    gamma: tuple[float, ...],
    transform: str,
    behind: tuple[str, ...],
) -> tuple[Total, str]:
    """Trends along a curve of all patients: first its counts by cell, then the sums.

    Steps are those of patients with a weight, whatever it is; ``behind`` are the columns of weights that sites make,
    which everybody has one of.
    """
    outcome = model.outcome
    weighted_by = None if behind else model.weights
    others = (*model.strata, *behind, model.offset, model.cluster)
    complete = tuple(dict.fromkeys((*model.design.variables, *(column for column in others if column))))

    def ask(edges: tuple[float, ...]) -> Total:
        # ranks are those of everybody's end of follow-up, whenever he entered
        entry = model.entry if transform == "km" else None
        table = RiskTable(
            entry,
            model.time,
            model.event,
            None,
            (),
            edges,
            complete,
            model.event_level,
            weighted_by=weighted_by,
        )
        counts = meter.sum(table)
        n_risk, n_event = counts["n_risk"].ravel(), counts["n_event"].ravel()
        steps = _curve_steps(n_risk, n_event) if transform == "km" else _rank_steps(n_risk)
        # a course each: the steps of one transform are not the next point at which another is asked
        question = CoxTimeTrends(model, gamma, "steps", edges, tuple(steps.tolist()), course=transform)
        return meter.sum(question)

    candidates = candidate_grids(federation, meter, outcome, None)
    total, _, status = on_finest_grid(candidates, ask, (*GRID_RULES, "dominance", "dominance of two"))
    return total, status


def _curve_steps(n_risk: Array, n_event: Array) -> Array:
    """One minus the Kaplan-Meier curve at the left edge of each cell, and beyond the last."""
    survival = np.cumprod(1.0 - np.divide(n_event, n_risk, out=np.zeros_like(n_event), where=n_risk > 0))
    return np.asarray(1.0 - np.concatenate([[1.0], survival]))


def _rank_steps(n_risk: Array) -> Array:
    """The mean rank of those whose follow-up ends in each cell; who is still there in the last one shares its rank."""
    before = n_risk[0] - n_risk
    leaving = np.append(n_risk[:-1] - n_risk[1:], n_risk[-1])
    ranks = before + (leaving + 1.0) / 2
    return np.append(ranks, ranks[-1])


def _groups(design: Design, *, terms: bool) -> dict[str, NDArray[np.bool_]]:
    """Coefficients of each line of the table; the last holds all."""
    of_each = np.array(design.term_of_each if terms else design.names)
    found = {str(name): of_each == name for name in dict.fromkeys(of_each.tolist())}
    return found | {"GLOBAL": np.ones(len(of_each), dtype=bool)}


def _score_test(score: Array, blocks: list[Array], chosen: NDArray[np.bool_]) -> tuple[float, int]:
    """Of the trends of some coefficients, all coefficients being estimated."""
    information, with_trend, of_trends = blocks
    across = with_trend[:, chosen]
    whole = of_trends[np.ix_(chosen, chosen)]
    left = whole - across.T @ np.linalg.solve(information, across)
    scale = np.sqrt(np.maximum(np.diag(whole), 1e-300))
    if np.linalg.eigvalsh(left / np.outer(scale, scale))[0] < LEAST_LEFT:
        raise ArithmeticError(
            "A trend in time cannot be told from its coefficient: nearly all events lie at one time, or in one step."
        )
    return float(score[chosen] @ np.linalg.solve(left, score[chosen])), int(chosen.sum())
