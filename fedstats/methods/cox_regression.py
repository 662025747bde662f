"""Cox regression by summed derivatives of the partial likelihood.

Each site keeps its own baseline hazard by default: risk sets and event times stay there, and a
site sends 1 + p + p (p + 1) / 2 numbers a round.  With a shared baseline the sites send risk-set
sums by cell of an agreed grid; the same functions then run in the other order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum, full_matrix
from fedstats.contract.design import Design, level_codes
from fedstats.contract.federation import Federation, Meter, SiteRefused
from fedstats.contract.formula import FormulaError, Outcome, parse
from fedstats.contract.model_rows import ModelRows, model_rows
from fedstats.contract.query import POINT, Query, QueryError, Spec
from fedstats.contract.results import Fit
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread
from fedstats.methods.fitting import fitted, pooled_start
from fedstats.methods.follow_up import (
    candidate_grids,
    cells_of,
    follow_up,
    grid_evidence,
    leavers,
    on_finest_grid,
)
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics.newton import Derivatives, newton

Array = NDArray[np.float64]

#: Risk-set sums can be tiny in the tail: 88 fractional bits, and still 2**32 of head-room.
RISK_SET_EXPONENT = -24


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class CoxModel(Spec):
    """What is modelled.

    ``grid`` empty: a baseline hazard for each stratum of each site.  Otherwise one baseline on these
    right edges, for each of the agreed ``strata_levels`` (one column of strata at most).
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
    grid: tuple[float, ...] = ()
    strata_levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class CoxRows:
    """A prepared model at a site: rows, strata, risk sets."""

    rows: ModelRows
    x: Array
    stratum: NDArray[np.int64]
    sets: pl.RiskSets
    event_weight: Array
    counts: dict[str, Sum]
    evidence: tuple[Evidence, ...]


def _prepare(model: CoxModel, data: SiteData) -> CoxRows:
    outcome = Outcome(model.event, model.time, model.entry)
    groups = model.strata + ((model.cluster,) if model.cluster else ())
    rows = model_rows(
        data,
        model.design,
        outcome.variables,
        model.event,
        model.weights,
        model.offset,
        groups,
        rarer_outcome=False,
    )
    times = follow_up(rows.frame, outcome)
    shared = np.array(model.grid) if model.grid else None
    if shared is None:
        stratum, n_strata = rows.codes(model.strata), None
        evidence: tuple[Evidence, ...] = ()
        x = _centred_by_stratum(rows.x, stratum)
    else:
        stratum = _agreed_strata(model, rows)
        n_strata = max(1, len(model.strata_levels))
        evidence = _cell_evidence(model, times.time, times.event, stratum, n_strata, shared)
        times, x = times.on_grid(shared), rows.x
    sets = pl.risk_sets(stratum, times.entry, times.time, times.event, rows.weights, shared, n_strata)
    events = np.zeros(rows.n)
    events[sets.death] = 1.0 if rows.weights is None else rows.weights[sets.death]
    n_event = len(sets.death)
    counts = {
        "n": Sum(np.array([rows.n]), np.array([rows.n])),
        "n_event": Sum(np.array([n_event]), np.array([n_event])),
        "dropped": Sum(np.array([rows.dropped]), np.array([rows.n + rows.dropped])),
    }
    return CoxRows(rows, x, stratum, sets, events, counts, evidence)


def _centred_by_stratum(x: Array, stratum: NDArray[np.int64]) -> Array:
    """Columns minus their stratum's mean: the partial likelihood does not change, nothing cancels later."""
    if x.shape[0] == 0:
        return x
    size = np.bincount(stratum)
    means = (
        np.column_stack([np.bincount(stratum, column) for column in x.T]) / size[:, None]
        if x.shape[1]
        else x[:0]
    )
    return x - means[stratum] if x.shape[1] else x


def _agreed_strata(model: CoxModel, rows: ModelRows) -> NDArray[np.int64]:
    if not model.strata:
        return np.zeros(rows.n, dtype=np.int64)
    levels = level_codes(rows.frame[model.strata[0]], model.strata_levels)
    if (levels < 0).any():
        raise QueryError(f"{model.strata[0]} has a level outside the agreed strata.")
    return levels


def _cell_evidence(
    model: CoxModel,
    time: Array,
    event: NDArray[np.bool_],
    stratum: NDArray[np.int64],
    n_strata: int,
    grid: Array,
) -> tuple[Evidence, ...]:
    cell = cells_of(time, grid)
    evidence = [grid_evidence(leavers(stratum, n_strata, cell, len(grid)), grid)]
    if model.ties == "efron":
        events = leavers(stratum[event], n_strata, cell[event], len(grid))[:, :-1]
        evidence.append(
            Evidence("events of a time cell", events.ravel(), "events in a cell, for Efron's ties")
        )
    return tuple(evidence)


def _relative_risk(model: CoxModel, cox: CoxRows, gamma: Array) -> tuple[Array, Array]:
    """eta - c and r = w exp(eta - c); c is the stratum's largest eta, or agreed where sums of r travel."""
    eta = cox.x @ gamma
    if cox.rows.offset is not None:
        eta = eta + (cox.rows.offset - model.offset_centre)
    if not model.grid and len(eta):
        largest = np.full(int(cox.stratum.max()) + 1, -np.inf)
        np.maximum.at(largest, cox.stratum, eta)
        eta = eta - largest[cox.stratum]
    with np.errstate(over="ignore"):
        r = np.exp(eta)
    return eta, r if cox.rows.weights is None else cox.rows.weights * r


@dataclass(frozen=True)
class _CoxQuery(Query):
    """A Cox model at a point: ``beta`` are coefficients of the scaled columns."""

    model: CoxModel
    beta: tuple[float, ...] = field(metadata=POINT)

    def _at(self, data: SiteData) -> tuple[CoxRows, Array, Array]:
        cox = data.prepared(self.model, lambda: _prepare(self.model, data))
        eta, r = _relative_risk(self.model, cox, np.array(self.beta))
        return cox, eta, r

    def _answer(self, cox: CoxRows, r: Array, sums: dict[str, Sum]) -> Aggregate:
        evidence = cox.rows.evidence_at(np.array(self.beta), False, r)
        return Aggregate(sums, cox.rows.n, (*evidence, *cox.evidence))


@dataclass(frozen=True)
class CoxDerivatives(_CoxQuery):
    """Log-likelihood, score and information matrix of a Cox model with the site's own baseline hazard."""

    def aggregate(self, data: SiteData) -> Aggregate:
        """1 + p + p (p + 1) / 2 sums over patients, and three counts."""
        cox, eta, r = self._at(data)
        sums = pl.cell_sums(cox.sets, cox.x, r, cox.rows.weights)
        terms = pl.cell_terms(sums, self.model.ties)
        v = pl.expected(cox.sets, cox.stratum, terms.a, terms.b)
        score = cox.x.T @ (cox.event_weight - r * v)
        information = pl.weighted_gram(cox.x, r * v) - pl.second_product(sums, terms)
        loglik = float(cox.event_weight @ eta) - terms.log_terms
        parts = {"loglik": Sum(np.array([loglik]), np.array([cox.rows.n]))}
        parts |= {"score": cox.rows.vector(score), "information": cox.rows.matrix(information)}
        return self._answer(cox, r, parts | cox.counts)


@dataclass(frozen=True)
class CoxRiskSets(_CoxQuery):
    """Sums over the risk sets of a Cox model, by cell of the agreed time grid."""

    def aggregate(self, data: SiteData) -> Aggregate:
        """Sums over the risk set (s0, s1), over tied deaths (t0, t1, Efron only), deaths and their weights."""
        cox, eta, r = self._at(data)
        sums = pl.cell_sums(cox.sets, cox.x, r, cox.rows.weights)
        here = pl.cell_sums(cox.sets, cox.rows.present.astype(float), np.ones(cox.rows.n), None)
        at_risk, with_x = np.rint(here.s0).astype(np.int64), np.rint(here.s1).astype(np.int64)
        died, died_x = np.rint(here.t0).astype(np.int64), np.rint(here.t1).astype(np.int64)
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
        return self._answer(cox, r, parts | cox.counts)


@dataclass(frozen=True)
class CoxCurvature(_CoxQuery):
    """Second moments of a Cox model with a shared baseline hazard."""

    a: tuple[float, ...] = field(metadata=POINT)
    b: tuple[float, ...] = field(metadata=POINT)

    def aggregate(self, data: SiteData) -> Aggregate:
        """p (p + 1) / 2 sums over patients."""
        cox, _, r = self._at(data)
        v = pl.expected(cox.sets, cox.stratum, np.array(self.a), np.array(self.b))
        return self._answer(cox, r, {"gram": cox.rows.matrix(pl.weighted_gram(cox.x, r * v))})


@dataclass(frozen=True)
class CoxMeat(_CoxQuery):
    """Sum of squared score residuals of a Cox model, for robust standard errors.

    Outer products by patient or cluster; clusters lie within a site.

    ``hazards`` are the published pieces of a shared baseline (a, b, xbar, c, d, flattened); empty for
    a site's own baseline.
    """

    hazards: tuple[float, ...] = field(default=(), metadata=POINT)

    def aggregate(self, data: SiteData) -> Aggregate:
        """p (p + 1) / 2 sums over patients or clusters."""
        cox, _, r = self._at(data)
        if self.hazards:
            a, b, means = _unpack_hazards(np.array(self.hazards), cox.sets.n_cells, cox.x.shape[1])
        else:
            sums = pl.cell_sums(cox.sets, cox.x, r, cox.rows.weights)
            terms = pl.cell_terms(sums, self.model.ties)
            a, b, means = terms.a, terms.b, pl.cell_means(sums, terms)
        v = pl.expected(cox.sets, cox.stratum, a, b)
        u = pl.score_residuals(cox.sets, cox.stratum, cox.x, r, cox.rows.weights, v, means)
        if self.model.cluster:
            group = cox.rows.codes((self.model.cluster,))
            u = np.column_stack([np.bincount(group, column) for column in u.T])
        return self._answer(cox, r, {"meat": cox.rows.matrix(u.T @ u)})


def _pack_hazards(terms: pl.CellTerms, means: pl.CellMeans) -> tuple[float, ...]:
    pieces = (terms.a, terms.b, means.xbar, means.c, means.d)
    return tuple(np.concatenate([piece.ravel() for piece in pieces]).tolist())


def _unpack_hazards(flat: Array, cells: int, p: int) -> tuple[Array, Array, pl.CellMeans]:
    if len(flat) != cells * (2 + 3 * p):
        raise QueryError("The published hazards do not have the agreed number of cells.")
    a, b, rest = flat[:cells], flat[cells : 2 * cells], flat[2 * cells :].reshape(3, cells, p)
    return a, b, pl.CellMeans(rest[0], rest[1], rest[2])


# The coordinator's half ------------------------------------------------------------------------


def cox(
    federation: Federation,
    formula: str,
    *,
    strata: str | Sequence[str] | None = None,
    baseline: Literal["site", "shared"] = "site",
    ties: Literal["efron", "breslow"] = "efron",
    weights: str | None = None,
    offset: str | None = None,
    robust: bool = False,
    cluster: str | None = None,
    grid: float | Sequence[float] | None = None,
    start: Literal["zero", "pooled"] = "zero",
    level: float = 0.95,
) -> Fit:
    """Proportional hazards regression, equal to the pooled fit.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"Surv(time, event) ~ terms"`` or ``"Surv(entry, time, event) ~ terms"``.
    strata : str or sequence of str, optional
        Columns whose groups have baseline hazards of their own.
    baseline : {"site", "shared"}
        Whether the site joins the strata (then nothing per event time leaves) or all sites share the
        baseline hazard, on the agreed time grid.
    ties : {"efron", "breslow"}
    weights, offset : str, optional
        Columns: case weights; a term of the linear predictor with coefficient one.
    robust : bool
        The sandwich of ``coxph(robust=TRUE)`` in place of the inverse information.
    cluster : str, optional
        Column whose groups the sandwich adds up; implies ``robust``.  Clusters never span sites.
    grid : number or sequence, optional
        Cell width or right edges for a shared baseline; None: the codebook's grid.
    start : {"zero", "pooled"}
        Begin at zero or at the inverse-variance mean of the sites' own fits (one round more, two fewer).
    level : float
        Coverage of the intervals.

    Returns
    -------
    Fit

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    Efron (1977), Breslow (1974); sums as in Therneau & Grambsch (2000).  With ``baseline="site"`` and
    no strata the pooled fit it equals is ``coxph(... + strata(site))``.
    """
    outcome, design = parse(formula, federation.codebook, intercept=False)
    if outcome.time is None:
        raise FormulaError("A Cox model needs Surv(time, event) on the left of its formula.")
    if not design.columns:
        raise FormulaError(
            "A Cox model needs at least one term; for a curve without covariates ask kaplan_meier."
        )
    columns = _columns(strata)
    _check_options(federation, baseline, ties, start, columns, (weights, offset, cluster))
    centre = federation.codebook[offset].centre if offset else 0.0
    model = CoxModel(
        outcome.entry, outcome.time, outcome.event, design, columns, ties, weights, offset, centre, cluster
    )
    meter = Meter(federation)
    status = "exact"
    if baseline == "shared":
        model, status = _with_grid(federation, meter, model, outcome, grid)
    evaluate = _SharedBaseline(meter, model) if baseline == "shared" else _SiteBaseline(meter, model)
    with one_blas_thread():
        zero = np.zeros(len(design.names))
        null = None
        if start == "pooled" and baseline == "site":
            null, zero = evaluate(zero), pooled_start(meter, CoxDerivatives(model, tuple(zero.tolist())))
        solution = newton(evaluate, zero, design.names)
        meat = evaluate.meat(solution.beta) if robust or cluster else None
    options: dict[str, object] = {
        "ties": ties,
        "baseline": baseline,
        "strata": columns,
        "weights": weights,
        "offset": offset,
    }
    options |= {"robust": robust or cluster is not None, "cluster": cluster}
    return fitted(
        "cox",
        formula,
        design,
        solution,
        null or solution.first,
        meat,
        evaluate.counts,
        meter,
        federation,
        options,
        level=level,
        status=status,
    )


class _SiteBaseline:
    """Derivatives as sums of the sites' derivatives."""

    def __init__(self, meter: Meter, model: CoxModel) -> None:
        self.meter, self.model = meter, model
        self.counts: dict[str, int] = {}

    def __call__(self, gamma: Array) -> Derivatives:
        total = self.meter.sum(CoxDerivatives(self.model, tuple(gamma.tolist())))
        self.counts = {k: round(float(total[k][0])) for k in ("n", "n_event", "dropped")}
        information = full_matrix(total["information"])
        return Derivatives(float(total["loglik"][0]), total["score"], information, np.array(total.query.beta))

    def meat(self, gamma: Array) -> Array:
        """Sum of outer products of score residuals."""
        return full_matrix(self.meter.sum(CoxMeat(self.model, tuple(gamma.tolist())))["meat"])


class _SharedBaseline:
    """Derivatives of the summed risk sets; two rounds a point."""

    def __init__(self, meter: Meter, model: CoxModel) -> None:
        self.meter, self.model = meter, model
        self.counts: dict[str, int] = {}

    def _cells(self, gamma: Array) -> tuple[pl.CellSums, pl.CellTerms, float, Array, Array]:
        total = self.meter.sum(CoxRiskSets(self.model, tuple(gamma.tolist())))
        self.counts = {k: round(float(total[k][0])) for k in ("n", "n_event", "dropped")}
        none = np.zeros_like(total["s0"])
        t1 = total.get("t1", np.zeros_like(total["s1"]))
        sums = pl.CellSums(
            total["s0"], total["s1"], total.get("t0", none), t1, np.rint(total["deaths"]), total["weight"]
        )
        terms = pl.cell_terms(sums, self.model.ties)
        loglik = float(total["eta_deaths"][0]) - terms.log_terms
        score = pl.score_from_cells(total["x_deaths"], sums, terms)
        return sums, terms, loglik, score, np.array(total.query.beta)

    def __call__(self, gamma: Array) -> Derivatives:
        sums, terms, loglik, score, at = self._cells(gamma)
        curvature = CoxCurvature(
            self.model, tuple(at.tolist()), tuple(terms.a.tolist()), tuple(terms.b.tolist())
        )
        gram = full_matrix(self.meter.sum(curvature)["gram"])
        return Derivatives(loglik, score, gram - pl.second_product(sums, terms), at)

    def meat(self, gamma: Array) -> Array:
        """Sum of outer products of score residuals, with the shared hazards and means published."""
        sums, terms, _, _, at = self._cells(gamma)
        hazards = _pack_hazards(terms, pl.cell_means(sums, terms))
        return full_matrix(self.meter.sum(CoxMeat(self.model, tuple(at.tolist()), hazards))["meat"])


def _with_grid(
    federation: Federation,
    meter: Meter,
    model: CoxModel,
    outcome: Outcome,
    grid: float | Sequence[float] | None,
) -> tuple[CoxModel, str]:
    """The model on the finest grid that every site lets out."""
    levels = federation.codebook[model.strata[0]].levels if model.strata else ()
    zero = (0.0,) * len(model.design.names)

    def ask(edges: tuple[float, ...]) -> CoxModel:
        candidate = replace(model, grid=edges, strata_levels=levels)
        meter.sum(CoxRiskSets(candidate, zero))
        return candidate

    candidates = candidate_grids(federation, meter, outcome, grid)
    try:
        chosen, _, status = on_finest_grid(candidates, ask)
    except SiteRefused as refused:
        if refused.rule == "events of a time cell":
            refused.args = (
                f"{refused.args[0]} Efron's ties need more events a cell: ask for ties='breslow'.",
            )
        raise
    return chosen, status


def _columns(names: str | Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def _check_options(
    federation: Federation,
    baseline: str,
    ties: str,
    start: str,
    strata: tuple[str, ...],
    others: tuple[str | None, ...],
) -> None:
    for name, value, allowed in (
        ("baseline", baseline, ("site", "shared")),
        ("ties", ties, ("efron", "breslow")),
        ("start", start, ("zero", "pooled")),
    ):
        if value not in allowed:
            raise FormulaError(f"{name} is {value!r}; choose one of {list(allowed)}.")
    for column in (*strata, *(c for c in others if c)):
        if column not in federation.codebook:
            known = ", ".join(v.name for v in federation.codebook.variables)
            raise FormulaError(f"There is no column {column!r} in the codebook; it has {known}.")
    if baseline == "shared" and len(strata) > 1:
        raise FormulaError(
            "A shared baseline takes one column of strata; join the columns into one in the data."
        )
    if baseline == "shared" and strata and not federation.codebook[strata[0]].levels:
        raise FormulaError(
            f"A shared baseline needs agreed levels for the strata {strata[0]!r}; make it a factor."
        )
