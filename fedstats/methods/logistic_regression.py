"""Logistic regression by summed scores and information matrices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum, full_matrix
from fedstats.contract.arguments import check_federation, check_level, check_patients, known_column
from fedstats.contract.design import Design
from fedstats.contract.dominance import scores_of_clusters
from fedstats.contract.entries import Entries, derivatives, listed, one, options, pairs
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.model_rows import ModelRows, model_rows
from fedstats.contract.query import POINT, Query, Spec
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread
from fedstats.methods.fitting import check_cost, check_profile, fitted, pooled_start, profile_limits
from fedstats.methods.penalised_fit import check_penalty, maximum
from fedstats.numerics.families import BINOMIAL
from fedstats.numerics.newton import Derivatives, NotConverged, newton
from fedstats.numerics.partial_likelihood import weighted_gram
from fedstats.numerics.penalties import ElasticNet

Array = NDArray[np.float64]
Evaluate = Callable[[Array], Derivatives]


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class LogisticModel(Spec):
    """What is modelled: a 0/1 column by a design."""

    outcome: str
    design: Design
    weights: str | None
    offset: str | None
    cluster: str | None

    def in_words(self) -> str:
        """The model as a sentence."""
        others = options(weights=self.weights, offset=self.offset, cluster=self.cluster)
        return f"Logistic regression of {self.outcome} on {listed(self.design.terms)}{others}"


@dataclass(frozen=True)
class _LogisticQuery(Query):
    """A logistic model at a point: ``beta`` are coefficients of the scaled columns."""

    model: LogisticModel
    beta: tuple[float, ...] = field(metadata=POINT)

    def subject(self) -> str:
        """The model in words."""
        return self.model.in_words()

    def model_rows(self, data: SiteData) -> ModelRows:
        """The rows of the model at a site."""
        m = self.model
        groups = (m.cluster,) if m.cluster is not None else ()
        return data.prepared(
            m,
            lambda: model_rows(
                data, m.design, (m.outcome,), m.outcome, m.weights, m.offset, groups, rarer_outcome=True
            ),
        )

    def _at(self, data: SiteData) -> tuple[ModelRows, Array, Array, Array]:
        m, rows = self.model, self.model_rows(data)
        y = rows.frame[m.outcome].to_numpy(dtype=float)
        w = np.ones(rows.n) if rows.weights is None else rows.weights
        return rows, y, w, rows.linear_predictor(np.array(self.beta))

    def _answer(self, rows: ModelRows, curvature: Array, sums: dict[str, Sum]) -> Aggregate:
        evidence = rows.evidence_at(np.array(self.beta), self.model.design.intercept, curvature)
        return Aggregate(sums, rows.n, evidence, (rows.cohort,), rows.faults)


@dataclass(frozen=True)
class LogisticDerivatives(_LogisticQuery):
    """Log-likelihood, score and information matrix of a logistic model."""

    asks = "log-likelihood, score and information"

    def entries(self) -> dict[str, Entries]:
        """A number, a vector and a matrix, and their sizes."""
        sizes = {"n": one("patients"), "weight": one("sum of their weights"), "n_event": one("events")}
        return derivatives(self.model.design.described) | sizes | {"dropped": one("rows with an empty cell")}

    def aggregate(self, data: SiteData) -> Aggregate:
        """1 + p + p (p + 1) / 2 sums over patients, and their sizes."""
        rows, y, w, eta = self._at(data)
        curvature = w * BINOMIAL.curvature(eta)
        score = rows.x.T @ (w * BINOMIAL.residual(y, eta))
        n_event = int(y.sum())
        return self._answer(
            rows,
            curvature,
            {
                "loglik": Sum(np.array([w @ BINOMIAL.loglik(y, eta)]), np.array([rows.n])),
                "score": rows.vector(score),
                "information": rows.matrix(weighted_gram(rows.x, curvature)),
                "n": Sum(np.array([rows.n]), np.array([rows.n])),
                "weight": Sum(np.array([w.sum()]), np.array([rows.n])),
                "n_event": Sum(np.array([n_event]), np.array([n_event])),
                "dropped": Sum(np.array([rows.dropped]), np.array([rows.n + rows.dropped])),
            },
        )


@dataclass(frozen=True)
class LogisticMeat(_LogisticQuery):
    """Sum of squared scores of a logistic model, for robust standard errors.

    Outer products by patient or cluster; clusters lie within a site.
    """

    asks = "squared scores (robust variance)"

    def entries(self) -> dict[str, Entries]:
        """One matrix."""
        return {"meat": pairs("products of patients' (or clusters') scores", self.model.design.described)}

    def aggregate(self, data: SiteData) -> Aggregate:
        """p (p + 1) / 2 sums over patients or clusters."""
        rows, y, w, eta = self._at(data)
        u = rows.x * (w * BINOMIAL.residual(y, eta))[:, None]
        of_clusters: tuple[Evidence, ...] = ()
        if self.model.cluster is not None:
            u, of_clusters = scores_of_clusters(u, rows.codes((self.model.cluster,)))
        answer = self._answer(rows, w * BINOMIAL.curvature(eta), {"meat": rows.matrix(u.T @ u)})
        return answer.with_evidence(*of_clusters)


# The coordinator's half ------------------------------------------------------------------------


def logistic(
    federation: Federation,
    formula: str,
    *,
    weights: str | None = None,
    offset: str | None = None,
    robust: bool = False,
    cluster: str | None = None,
    start: Literal["zero", "pooled"] = "zero",
    level: float = 0.95,
    profile: str | Sequence[str] = (),
    penalty: ElasticNet | None = None,
) -> Fit:
    """Logistic regression, equal to the pooled fit.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"outcome ~ terms"`` with a 0/1 outcome.
    weights, offset : str, optional
        Columns: case weights; a term of the linear predictor with coefficient one.
    robust : bool
        The sandwich HC0 of ``sandwich::sandwich`` in place of the inverse information.
    cluster : str, optional
        Column whose groups the sandwich adds up, without small-sample factor; implies ``robust``.
    start : {"zero", "pooled"}
        Begin at zero or at the inverse-variance mean of the sites' own fits.
    level : float
        Coverage of the intervals.
    profile : str or sequence of str
        Coefficients whose intervals are those of the profile likelihood, at some five rounds an end.
    penalty : ElasticNet, optional
        ``fs.Ridge(strength)`` or ``fs.ElasticNet(strength, mixing)``, on glmnet's scale; the intercept is not
        penalised.  Standard errors of a ridge are those of the penalised information; a lasso has none.

    Returns
    -------
    Fit

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    McCullagh & Nelder (1989), section 4.4.  ``loglik_null`` is of the intercept (with the offset)
    alone, or of a linear predictor of zero where the model has no intercept.
    """
    check_federation(federation)
    check_level(level)
    outcome, design = parse(formula, federation.codebook, intercept=True)
    if outcome.time is not None:
        raise FormulaError("A logistic model needs one 0/1 column on the left of its formula, not Surv().")
    for column in (weights, offset, cluster):
        if column is not None:
            known_column(column, federation.codebook, "weights, offset or cluster")
    model = LogisticModel(outcome.event, design, weights, offset, cluster)
    names = check_profile(profile, design, robust=bool(robust or cluster))
    penalty = check_penalty(penalty, robust=bool(robust or cluster), profile=names)
    check_cost(federation, names)
    meter = Meter(federation)
    counts: dict[str, int] = {}

    def evaluate(gamma: Array) -> Derivatives:
        total = meter.finite_sum(LogisticDerivatives(model, tuple(gamma.tolist()), course=start))
        if total is None:
            return Derivatives.not_finite(gamma)
        counts.update({k: round(float(total[k][0])) for k in ("n", "n_event", "dropped")})
        check_patients(counts["n"], counts["n_event"], formula)
        information, at = full_matrix(total["information"]), np.array(total.query.beta)
        unit = float(total["weight"][0]) / max(counts["n"], 1)
        return Derivatives(float(total["loglik"][0]), total["score"], information, at, unit)

    with one_blas_thread():
        null = _null_model(evaluate, design, has_offset=offset is not None)
        begin = null.beta
        if start == "pooled":
            begin = pooled_start(meter, LogisticDerivatives(model, (0.0,) * len(design.names)))
        question = LogisticDerivatives(model, (0.0,) * len(design.names), course=start)
        solution, weighted = maximum(evaluate, begin, design, penalty, meter, question)
        meat = None
        if robust or cluster:
            meat = full_matrix(meter.sum(LogisticMeat(model, tuple(solution.beta.tolist())))["meat"])
        limits = profile_limits(evaluate, solution, design, names, level)
    options = {"weights": weights, "offset": offset, "robust": bool(robust or cluster), "cluster": cluster}
    return fitted(
        "logistic",
        formula,
        design,
        solution,
        null,
        meat,
        counts,
        meter,
        federation,
        options,
        level=level,
        limits=limits,
        status="exact",
        penalty=penalty,
        weighted=weighted,
    )


def _null_model(evaluate: Evaluate, design: Design, *, has_offset: bool) -> Derivatives:
    """The fit of the intercept alone, where Newton then starts: the score test and the null likelihood."""
    zero = evaluate(np.zeros(len(design.names)))
    if not design.intercept:
        return zero
    total = 4 * zero.information[0, 0]  # at zero every weight is w / 4 and every residual w (y - 1/2)
    events = zero.score[0] + total / 2
    slack = 1e-12 * total  # both are rounded sums of weights
    if not has_offset and not slack < events < total - slack:
        raise NotConverged(
            "The outcome is the same for every patient of the model; there is nothing to regress on."
        )
    if not has_offset:
        return evaluate(_at_intercept(float(np.log(events / (total - events))), len(design.names)))

    def intercept_only(value: Array) -> Derivatives:
        whole = evaluate(_at_intercept(float(value[0]), len(design.names)))
        return Derivatives(
            whole.loglik, whole.score[:1], whole.information[:1, :1], whole.beta[:1], whole.unit
        )

    maximum = newton(intercept_only, np.zeros(1), ("Intercept",)).beta
    return evaluate(_at_intercept(float(maximum[0]), len(design.names)))


def _at_intercept(value: float, p: int) -> Array:
    return np.concatenate([[value], np.zeros(p - 1)])
