"""Cox regression by summed derivatives of the partial likelihood.

Each site keeps its own baseline hazard by default: risk sets and event times stay there, and a
site sends 1 + p + p (p + 1) / 2 numbers a round.  With a shared baseline the sites send risk-set
sums by cell of an agreed grid; the same functions then run in the other order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum, full_matrix, leavers_of
from fedstats.contract.arguments import (
    check_federation,
    check_patients,
    check_terms_left,
    known_column,
    number_column,
)
from fedstats.contract.entries import Entries, derivatives
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.periods import Varying, agreed_cuts, periods_of, with_periods
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_choice, check_level, shown
from fedstats.methods.cox_model import SIZES, CoxMeat, CoxModel, CoxQuery
from fedstats.methods.cox_periods import over_periods
from fedstats.methods.cox_rows import CoxRows
from fedstats.methods.cox_shared_baseline import SharedBaseline, check_baseline, with_grid
from fedstats.methods.firth_correction import Correction, CoxFirthCorrection, penalised_value
from fedstats.methods.fitting import (
    check_cost,
    check_profile,
    fitted,
    naming_groups,
    pooled_start,
    profile_limits,
)
from fedstats.methods.penalised_fit import check_penalty, check_penalty_or_firth, course_of, maximum
from fedstats.methods.stacked_equations import CoxPropensityTerms
from fedstats.methods.weighting import Robust, Weighting, check_cohort, made_weights, variance_of, weighted
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs
from fedstats.numerics.firth import Firth, Penalised, firth
from fedstats.numerics.newton import Derivatives
from fedstats.numerics.penalties import ElasticNet

Array = NDArray[np.float64]


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class CoxDerivatives(CoxQuery):
    """Log-likelihood, score and information matrix of a Cox model with the site's own baseline hazard."""

    asks = "log-likelihood, score and information"

    def entries(self) -> dict[str, Entries]:
        """A number, a vector and a matrix, and their sizes."""
        return derivatives(self.model.design.described) | SIZES

    def aggregate(self, data: SiteData) -> Aggregate:
        """1 + p + p (p + 1) / 2 sums over patients, and their sizes."""
        if periods_of(self.model.design):
            return over_periods(self, data)
        return self._in_order(self.exact(data), self.at_point(data)[0])

    def exact(self, data: SiteData) -> Aggregate:
        """The same, without what its last digits tell."""
        cox, eta, r = self.at_point(data)
        terms = pl.cell_terms(rs.cell_sizes(cox.sets, r, cox.rows.weights), self.model.ties)
        v = pl.expected(cox.sets, cox.stratum, terms.a, terms.b)
        score = cox.x.T @ (cox.event_weight - r * v)
        information = pl.weighted_gram(cox.x, r * v)
        information -= pl.second_product_at_site(cox.sets, cox.x, r, terms)
        loglik = float(cox.event_weight @ eta) - terms.log_terms
        parts = {"loglik": Sum(np.array([loglik]), np.array([cox.informative.sum()]))}
        parts |= {"score": cox.rows.vector(score), "information": cox.rows.matrix(information)}
        answer = self.answer(cox, r, parts | cox.counts)
        return answer.with_evidence(*cox.rows.effective_sizes(r * v, ", while events happen"))

    def _in_order(self, answer: Aggregate, cox: CoxRows) -> Aggregate:
        """With how many leave while events happen: at zero the score is linear in who of them has a level, in their order."""
        rows = cox.rows
        if not (rows.is_judged and rows.levels.shape[1]):
            return answer
        about = "patients who leave while events happen"
        leaves = np.where(cox.leaves[rows.counted], 1.0, np.nan)  # of the others the cell is empty
        left = leavers_of(self.model.outcome.variables), leaves, False
        whole = replace(answer.rows[0], made=(*answer.rows[0].made, left))
        told = Evidence("events in their order", np.array([cox.leaves.sum()]), about)
        return replace(answer, rows=(whole, *answer.rows[1:])).with_evidence(told)


# The coordinator's half ------------------------------------------------------------------------


def cox(
    federation: Federation,
    formula: str,
    *,
    strata: str | Sequence[str] | None = None,
    baseline: Literal["site", "shared"] = "site",
    ties: Literal["efron", "breslow"] = "efron",
    weights: Weighting = None,
    offset: str | None = None,
    robust: Robust = None,
    cluster: str | None = None,
    grid: float | Sequence[float] | None = None,
    start: Literal["zero", "pooled"] = "zero",
    level: float = 0.95,
    profile: str | Sequence[str] = (),
    penalty: ElasticNet | Firth | None = None,
    time_varying: Varying | None = None,
) -> Fit:
    """Proportional hazards regression, equal to the pooled fit.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"Surv(time, event) ~ terms"`` or ``"Surv(entry, time, event) ~ terms"``.  ``"Surv(time, cause == 1) ~ terms"`` is the
        cause-specific hazard of one level of a factor: all other causes end follow-up as censoring does.
    strata : str or sequence of str, optional
        Columns whose groups have baseline hazards of their own.
    baseline : {"site", "shared"}
        Whether the site joins the strata (then nothing per event time leaves) or all sites share the
        baseline hazard, on the agreed time grid.
    ties : {"efron", "breslow"}
    weights, offset : str, optional
        Columns: case weights; a term of the linear predictor with coefficient one.  Weights may be the result of
        :func:`propensity_weights`, which sites make.  A column of weights leaves standard errors model-based, as of so many patients:
        ``coxph`` turns ``robust`` on by itself where a weight is not whole, which the coordinator does not see.
    robust : bool or "stacked", optional
        The sandwich of ``coxph(robust=TRUE)`` in place of the inverse information; ``"stacked"``, and of weights by an
        estimated propensity what is done unless another is asked for: the sandwich of the equations of both models, with the
        other beside it (``fit.std_errors()``).
    cluster : str, optional
        Column whose groups the sandwich adds up; implies ``robust``.  Clusters never span sites: one label at two sites,
        agreed in the codebook or not, is two clusters.
    grid : number or sequence, optional
        Cell width or right edges for a shared baseline; None: the codebook's grid.  Its last edge is the end of follow-up: who is
        followed longer is censored there, and how many these are does not leave.
    start : {"zero", "pooled"}
        Begin at zero or at the inverse-variance mean of the sites' own fits (one round more, two fewer).
    level : float
        Coverage of the intervals.
    profile : str or sequence of str
        Coefficients whose intervals are those of the profile likelihood, at some five rounds an end (with Firth's penalty of the
        penalised one, at twice as many).
    penalty : ElasticNet or Firth, optional
        ``fs.Ridge(strength)`` or ``fs.ElasticNet(strength, mixing)``, on glmnet's scale.
        Standard errors of a ridge are those of the penalised information; a lasso has none.
        ``fs.Firth()`` with baselines of the sites' own: finite coefficients where the likelihood is monotone,
        standard errors from the information there, as ``coxphf`` has them, and its likelihood-ratio test.
    time_varying : str, sequence of str, or mapping of str to times, optional
        Terms, as they stand in the formula, whose effect is another after each of the cuts that the codebook agrees on
        (``cuts`` of its ``[grid]``), or after times of their own: ``{"arm": [6, 12]}``.  Each has a coefficient a period,
        ``arm[B]: 0-6 months``; ``fit.constancy_tests()`` asks whether they differ.

    Returns
    -------
    Fit

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    Efron (1977), Breslow (1974); sums as in Therneau & Grambsch (2000); Firth's penalty, half the log determinant of the
    information, as in Heinze & Schemper (2001), with tied and weighted deaths as in the information.  With ``baseline="site"`` and
    no strata the pooled fit it equals is ``coxph(... + strata(site))``; with effects that change, that of the rows that
    ``survSplit(cut = cuts, episode = "period")`` makes, on ``x:strata(period)``, with the patient as cluster.
    """
    check_federation(federation)
    check_level(level)
    federation, weights, propensity = weighted(federation, weights)
    variance = variance_of(robust, cluster, propensity, likelihood=bool(penalty is not None or profile))
    constant = parse(formula, federation.codebook, intercept=False)[1]
    cuts = agreed_cuts(time_varying, federation.codebook, constant)
    model = cox_model(federation, formula, strata, ties, weights, offset, cluster, cuts)
    if cuts and penalty is not None:
        raise FormulaError(
            "Effects that change with time are not penalised: ask without penalty, or without time_varying."
        )
    check_choice("start", start, ("zero", "pooled"))
    if grid is not None and baseline == "site":
        raise FormulaError(
            "grid is of a baseline hazard that sites share: where each has its own, follow-up is not divided. Leave it out, or ask for "
            'baseline="shared".'
        )
    check_baseline(federation, baseline, model.strata)
    design = model.design
    names = check_profile(profile, design, robust=variance != "model")
    check = check_penalty_or_firth if baseline == "site" else check_penalty
    penalty = check(penalty, robust=variance != "model", profile=names)
    check_cost(federation.max_points, names)
    meter, course = Meter(federation), course_of("" if baseline == "shared" else start, penalty)
    model, evaluate, status = cox_evaluation(meter, model, baseline, grid, course)
    objective: Callable[[Array], Derivatives] = evaluate
    of_sites = ("site",) if baseline == "site" and len(federation.sites) > 1 else ()
    fewer = "ask without the strata that hold it fixed" + (
        ' (for the site, baseline="shared")' if of_sites else ""
    )
    strata_named = naming_groups(
        (*of_sites, *model.strata), "the baseline hazards", fewer, design, federation.codebook
    )
    with one_blas_thread(), strata_named:
        zero = np.zeros(len(design.names))
        null = evaluate(zero)  # the meter asks it no second time
        if evaluate.counts:  # none where the sums are not finite at zero
            check_patients(evaluate.counts, formula, model.weights)
        if start == "pooled" and baseline == "site":
            zero = pooled_start(meter, CoxDerivatives(model, tuple(zero.tolist())))
        if isinstance(penalty, Firth):
            correction = Correction(meter, partial(CoxFirthCorrection, model, course=course))
            objective = with_firth = Penalised(evaluate, correction)
            solution, weighting = firth(with_firth, zero, design.names), None
        else:
            question = evaluate.question(null.beta)
            solution, weighting = maximum(evaluate, zero, design, penalty, meter, question)
        meat = None if variance == "model" else evaluate.meat(solution.beta)
        other_meats, how = dict[str, Array](), dict[str, str]()
        if variance == "stacked" and propensity is not None and meat is not None:
            check_cohort(propensity, evaluate.counts["n"])
            terms = evaluate.propensity_terms(solution.beta)
            other_meats = {"robust": meat}
            meat, how = propensity.stacked(meter, meat, terms, cluster)
        limits = profile_limits(objective, solution, design, names, level)
    options: dict[str, object] = {
        "ties": ties,
        "baseline": baseline,
        "strata": model.strata,
        "weights": weights,
        "offset": offset,
    }
    options |= {"robust": variance if variance == "stacked" else variance == "robust", "cluster": cluster}
    options |= made_weights(propensity) | how
    options |= {"grid": model.grid} if model.grid else {}
    options |= {"time_varying": cuts} if cuts else {}
    return fitted(
        "cox",
        formula,
        design,
        solution,
        null,
        meat,
        evaluate.counts,
        meter,
        federation,
        options,
        level=level,
        limits=limits,
        status=status,
        penalty=penalty,
        weighted=weighting,
        other_meats=other_meats,
        weight=solution.at.unit * evaluate.counts["n_event"],
        penalised_null=penalised_value(null) if isinstance(penalty, Firth) else float("nan"),
    )


def cox_model(
    federation: Federation,
    formula: str,
    strata: str | Sequence[str] | None,
    ties: Literal["efron", "breslow"],
    weights: str | None = None,
    offset: str | None = None,
    cluster: str | None = None,
    cuts: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
) -> CoxModel:
    """What is modelled, as the arguments say it, with a baseline hazard for each stratum of each site.

    ``cuts`` are those of each term whose effect changes with time.

    Raises
    ------
    FormulaError
    """
    outcome, design = parse(formula, federation.codebook, intercept=False)
    check_terms_left(federation, formula, design)
    if outcome.time is None:
        raise FormulaError("A Cox model needs Surv(time, event) on the left of its formula.")
    design = with_periods(design, cuts, federation.codebook, outcome.time)
    if not design.columns:
        raise FormulaError(
            "A Cox model needs at least one term; for a curve without covariates ask kaplan_meier."
        )
    columns = strata_columns(strata)
    check_choice("ties", ties, ("efron", "breslow"))
    for column in columns:
        known_column(column, federation.codebook, "strata")
    if cluster is not None:
        known_column(cluster, federation.codebook, "cluster")
    for what, numbers in (("weights", weights), ("offset", offset)):
        if numbers is not None:
            number_column(numbers, federation.codebook, what)
    centre = federation.codebook[offset].centre if offset else 0.0
    return CoxModel(
        outcome.entry,
        outcome.time,
        outcome.event,
        design,
        columns,
        ties,
        weights,
        offset,
        centre,
        cluster,
        event_level=outcome.event_level,
    )


def cox_evaluation(
    meter: Meter,
    model: CoxModel,
    baseline: str,
    grid: float | Sequence[float] | None,
    course: str,
) -> "tuple[CoxModel, SharedBaseline | SiteBaseline, str]":
    """The model with the grid that a shared baseline hazard is on, its derivatives, and how exact they are."""
    if baseline == "site":
        return model, SiteBaseline(meter, model, course), "exact"
    model, status = with_grid(meter.federation, meter, model, model.outcome, grid)
    return model, SharedBaseline(meter, model, course), status


class SiteBaseline:
    """Derivatives as sums of the sites' derivatives."""

    def __init__(self, meter: Meter, model: CoxModel, start: str) -> None:
        self.meter, self.model, self.start = meter, model, start
        self.counts: dict[str, int] = {}

    def __call__(self, gamma: Array) -> Derivatives:
        total = self.meter.finite_sum(self.question(gamma))
        if total is None:
            return Derivatives.not_finite(gamma)
        self.counts = {k: round(float(total[k][0])) for k in ("n", "n_event", "dropped")}
        information, at = full_matrix(total["information"]), np.array(total.query.beta)
        unit = float(total["event_weight"][0]) / max(self.counts["n_event"], 1)
        return Derivatives(float(total["loglik"][0]), total["score"], information, at, unit)

    def question(self, gamma: Array) -> CoxDerivatives:
        """What is asked at a point."""
        return CoxDerivatives(self.model, tuple(gamma.tolist()), course=self.start)

    def meat(self, gamma: Array) -> Array:
        """Sum of outer products of score residuals."""
        return full_matrix(self.meter.sum(CoxMeat(self.model, tuple(gamma.tolist())))["meat"])

    def propensity_terms(self, gamma: Array) -> Total:
        """Products of score residuals with the scores of the propensity behind the weights."""
        return self.meter.sum(CoxPropensityTerms(self.model, tuple(gamma.tolist())))


def strata_columns(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Columns of strata: none, one, or several.

    Raises
    ------
    FormulaError
    """
    if names is None:
        return ()
    if isinstance(names, str):
        return (names,)
    if not isinstance(names, Sequence):
        raise FormulaError(f"strata is {shown(names)}; give the name of a column, or several in a list.")
    return tuple(names)
