"""A generalised linear model at a site: its rows, derivatives and squared scores."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design
from fedstats.contract.dominance import (
    deviations,
    dominance_of_residuals,
    dominance_of_sums,
    scores_of_clusters,
)
from fedstats.contract.entries import Entries, derivatives, listed, one, options, pairs
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.point_evidence import PointEvidence
from fedstats.contract.query import POINT, Query, QueryError, Spec
from fedstats.contract.site_data import SiteData
from fedstats.contract.variable import power_of_two
from fedstats.methods.glm_rows import GlmRows, prepare
from fedstats.methods.practice_intercepts import Practices, told
from fedstats.methods.third_moments import of_threes
from fedstats.numerics.families import FAMILIES, Family
from fedstats.numerics.group_intercepts import centred, with_intercepts
from fedstats.numerics.partial_likelihood import weighted_gram

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GlmModel(Spec):
    """What is modelled: a column by a design, with the distribution of the one given the other, and its link.

    A Gaussian outcome (and its offset) is worked on as ``(outcome - centre) / scale``, agreed as those of a column of the
    design are: sums of squares of 1e9 copies in a litre, or of 1e-9 moles, keep their digits in fixed point.
    Groups of the column ``intercepts`` have intercepts of their own, which a site finds at each point and keeps; of no column
    (an empty text) the site as a whole has one.
    ``event_level`` is the level of a factor of two that is the event; None: the outcome is 0 or 1, or a measurement.
    """

    outcome: str
    design: Design
    weights: str | None
    offset: str | None
    cluster: str | None
    family: str = "binomial"
    link: str = "logit"
    centre: float = 0.0
    scale: float = 1.0
    intercepts: str | None = None
    event_level: str | None = None

    @property
    def distribution(self) -> Family:
        """The family of functions.

        Raises
        ------
        QueryError
            There is none of that name and link.
        """
        if (self.family, self.link) not in FAMILIES:
            raise QueryError(f"There is no family {self.family!r} with the link {self.link!r}.")
        return FAMILIES[self.family, self.link]

    def begin(self, codebook: Codebook) -> Array:
        """Where a fit may begin, (p,): no slope, and an intercept that takes back the agreed centre of the offset.

        A number added to an offset moves the intercept alone, and where all risks are 0 or 1 to the last digit there is no
        curvature to go by.  The centre is the codebook's, so this point tells no more than zero does.
        """
        beta = np.zeros(len(self.design.names))
        if self.design.intercept:
            beta[0] = self.distribution.intercept
            if self.offset is not None and self.distribution.canonical:
                beta[0] -= codebook[self.offset].centre / self.scale
        return beta

    def in_words(self) -> str:
        """The model as a sentence."""
        others = options(weights=self.weights, offset=self.offset, cluster=self.cluster)
        others += "" if self.intercepts is None else f", an intercept for each {self.intercepts or 'site'}"
        outcome = self.outcome if self.event_level is None else f"{self.outcome}[{self.event_level}]"
        return f"{model_kind(self.family, self.link)} of {outcome} on {listed(self.design.terms)}{others}"


def model_kind(family: str, link: str) -> str:
    """What people call a model of a family and link."""
    return {
        ("binomial", "logit"): "Logistic regression",
        ("binomial", "log"): "Log-binomial regression",
        ("poisson", "log"): "Poisson regression",
        ("gaussian", "identity"): "Linear regression",
    }.get((family, link), "Regression")


@dataclass(frozen=True)
class GlmQuery(Query):
    """A generalised linear model at a point: ``beta`` are coefficients of the scaled columns."""

    model: GlmModel
    beta: tuple[float, ...] = field(metadata=POINT)

    likelihood = "generalised linear model"

    #: Whether columns are multiplied by the outcome in what leaves.
    reads_outcome: ClassVar[bool] = True

    def subject(self) -> str:
        """The model in words."""
        return self.model.in_words()

    def model_rows(self, data: SiteData) -> ModelRows:
        """The rows of the model at a site."""
        return self._prepared(data).rows

    def _prepared(self, data: SiteData) -> GlmRows:
        return data.prepared(self.model, lambda: prepare(self.model, data))

    def _at(self, data: SiteData) -> "_Point":
        prepared, m = self._prepared(data), self.model
        rows, y, inside, family = prepared.rows, prepared.y, prepared.practices, m.distribution
        w = np.ones(rows.n) if rows.weights is None else rows.weights
        eta = self._predictor(data)
        if not family.canonical:
            eta = np.where(rows.counted, eta, -1.0)  # rows without a weight may lie where they like
            if not family.reaches(eta):
                raise FloatingPointError("a mean of one or more")
        if inside is None:
            return _Point(rows, rows.x, y, w, eta)
        known, w = inside.estimable, np.where(inside.estimable, w, 0.0)
        among = np.unique(inside.group[known], return_inverse=True)[1]
        eta = np.where(known, eta, 0.0)  # whose intercept is infinite has a likelihood of one
        eta[known] = with_intercepts(family, among, y[known], w[known], eta[known])
        return _Point(rows, centred(rows.x, inside.group, w * family.expected(eta)), y, w, eta, inside)

    def _predictor(self, data: SiteData) -> Array:
        """Of each row, without an intercept of its practice."""
        eta, offset = self._judged(data).product, self.model_rows(data).offset
        return eta if offset is None else eta + offset / self.model.scale

    def _judged(self, data: SiteData) -> PointEvidence:
        """What the gate judges at the point."""
        prepared = self._prepared(data)
        return prepared.rows.at(np.array(self.beta), prepared.unit)

    def is_bounded(self) -> bool:
        """Of a log-binomial model, whose risks end at one."""
        return not self.model.distribution.canonical

    def beforehand(self, data: SiteData) -> tuple[Evidence, ...]:
        """Of the rows and the coefficients."""
        return self._judged(data).beforehand()

    def _answer(
        self, data: SiteData, rows: ModelRows, effects: tuple[Array, ...], sums: dict[str, Sum]
    ) -> Aggregate:
        """Sums with what is judged of the weights of patients in them."""
        m = self.model
        evidence = self._judged(data).evidence(*effects)
        if rows.made and self.reads_outcome and rows.event is not None:
            evidence += rows.by_outcome(rows.event, rows.counted)
        inside = self._prepared(data).practices
        cohorts = (rows.cohort,) if inside is None else (rows.cohort, told(rows, m.outcome, inside))
        return Aggregate(sums, rows.n, evidence, cohorts, rows.faults)


class _Point(NamedTuple):
    """Rows of a model at a point: their columns (within practices where these have intercepts), outcome, weight, predictor."""

    rows: ModelRows
    x: Array
    y: Array
    w: Array
    eta: Array
    practices: Practices | None = None


@dataclass(frozen=True)
class GlmDerivatives(GlmQuery):
    """Log-likelihood, score and information matrix of a generalised linear model.

    The information is the curvature of the log-likelihood; where the link is not canonical its expectation leaves as
    well, for standard errors are those of ``glm``.  A response that is not 0 or 1 has a deviance besides.  Past a gate the addends
    of the log-likelihood and the deviance of counts that no coefficient changes, and the logarithms of weights, have three digits.
    """

    asks = "log-likelihood, score and information"

    def entries(self) -> dict[str, Entries]:
        """A number, a vector and a matrix, and their sizes."""
        names, family = self.model.design.described, self.model.distribution
        sizes = {"n": one("patients with a weight"), "weight": one("sum of their weights")}
        if family.counts_outcomes:
            sizes["n_event"] = one("events")
        else:
            sizes["deviance"] = one("deviance")
            sizes["log_weight"] = one("sum of the logarithms of the weights")
        found = derivatives(names) | sizes | {"dropped": one("rows with an empty cell")}
        if self.model.intercepts is not None:
            found["intercepts"] = one("groups with an intercept of their own")
            found["uninformative"] = one("patients of groups that say nothing of the coefficients")
        if not family.canonical:
            found["expected"] = pairs("expected curvature in a pair of coefficients", names)
        return found

    def aggregate(self, data: SiteData) -> Aggregate:
        """1 + p + p (p + 1) / 2 sums over patients, and their sizes."""
        rows, x, y, w, eta, inside = self._at(data)
        family = self.model.distribution
        curvature, everybody = w * family.curvature(y, eta), np.array([rows.n])
        n = np.array([rows.counted.sum()])
        blurred = _blurred(family, y, w) if data.is_gated else (0.0, 0.0)
        sums = {
            "loglik": Sum(np.array([w @ family.loglik(y, eta) + blurred[0]]), everybody),
            "score": rows.vector(x.T @ (w * family.residual(y, eta))),
            "information": rows.matrix(weighted_gram(x, curvature)),
            "n": Sum(n, n),
            "weight": Sum(np.array([w.sum()]), everybody),
        }
        if family.counts_outcomes:
            n_event = np.array([int(y[rows.counted].sum())])
            sums["n_event"] = Sum(n_event, n_event)
        else:
            logs = float(np.log(w[w > 0]).sum())
            sums["deviance"] = Sum(np.array([w @ family.deviance(y, eta) + blurred[1]]), everybody)
            sums["log_weight"] = Sum(np.array([three_digits(logs) if data.is_gated else logs]), everybody)
        sums["dropped"] = Sum(np.array([rows.dropped]), everybody + rows.dropped)
        effects: tuple[Array, ...] = (curvature,)
        if not family.canonical:
            effects = (curvature, w * family.expected(eta))
            sums["expected"] = rows.matrix(weighted_gram(x, effects[1]))
        if inside is not None:
            silent = np.array([(rows.counted & ~inside.informative).sum()])
            sums["intercepts"] = Sum(np.array([inside.count]), everybody)
            sums["uninformative"] = Sum(silent, silent)
        answer = self._answer(data, rows, effects, sums)
        if not family.canonical:
            answer = answer.with_evidence(*rows.predictor_groups(eta, by_outcome(rows)))
        return answer if family.counts_outcomes else answer.with_evidence(*self._dominance(x, y, w, eta))

    def _dominance(self, x: Array, y: Array, w: Array, eta: Array) -> tuple[Evidence, ...]:
        """Of a measured response one patient may be far off: then the deviance is his alone."""
        family = self.model.distribution
        u = x * (w * family.residual(y, eta))[:, None]
        # without an intercept a patient whose columns are all zero has a part in the deviance and in no score
        alone = dominance_of_sums((w * family.deviance(y, eta))[:, None], ("the deviance",))
        logs = deviations(np.log(w[w > 0])[:, None])
        small = dominance_of_sums(logs, ("the logarithms of the weights",))
        return (*dominance_of_residuals(u, self.model.design), *alone, *small)


def three_digits(value: float) -> float:
    """A number rounded to a power of two near its thousandth."""
    unit = power_of_two(abs(value) / 1000)
    return unit * round(value / unit)


def _blurred(family: Family, y: Array, w: Array) -> tuple[float, float]:
    """What to add to a log-likelihood and a deviance so that their constants have three digits.

    Logarithms of factorials, of whole numbers and of weights add up to a number whose digits tell how many patients have each
    value.  No coefficient changes these sums, and no estimate or comparison of models of the same patients needs them.
    """
    if family.constants is None:
        return 0.0, 0.0
    loglik, deviance = (float(w @ constant) for constant in family.constants(y))
    return three_digits(loglik) - loglik, three_digits(deviance) - deviance


@dataclass(frozen=True)
class GlmMeat(GlmQuery):
    """Sum of squared scores of a generalised linear model, for robust standard errors.

    Outer products by patient or cluster; clusters lie within a site.
    """

    asks = "squared scores (robust variance)"
    most_points = 2

    def entries(self) -> dict[str, Entries]:
        """One matrix."""
        return {"meat": pairs("products of patients' (or clusters') scores", self.model.design.described)}

    def scores(self, data: SiteData) -> tuple[ModelRows, Array]:
        """The rows and each patient's score, (n, p)."""
        rows, x, y, w, eta, _ = self._at(data)
        return rows, x * (w * self.model.distribution.residual(y, eta))[:, None]

    def aggregate(self, data: SiteData) -> Aggregate:
        """p (p + 1) / 2 sums over patients or clusters."""
        rows, _, _, w, eta, _ = self._at(data)
        family = self.model.distribution
        u = self.scores(data)[1]
        more = dominance_of_residuals(u, self.model.design)
        if rows.event is not None:
            more += rows.by_outcome(rows.event, rows.counted)
        if not family.counts_outcomes:
            asked = replace(self, beta=())
            more += data.prepared(asked, lambda: _of_squares(rows))
        more += rows.predictor_groups(self._predictor(data), by_outcome(rows))
        if self.model.cluster is not None:
            u, of_clusters = scores_of_clusters(u, rows.codes((self.model.cluster,)))
            more += of_clusters
        answer = self._answer(data, rows, (w * family.expected(eta),), {"meat": rows.matrix(u.T @ u)})
        return answer.with_evidence(*more)


def by_outcome(rows: ModelRows) -> Array:
    """A 0/1 outcome as the only column, (n, 1); none of a measured one."""
    return np.zeros((rows.n, 0)) if rows.event is None else rows.event[:, None]


def _of_squares(rows: ModelRows) -> tuple[Evidence, ...]:
    """Of a squared residual two columns leave times the outcome, its square, and two columns which the coefficients choose."""
    if not rows.is_judged:
        return ()
    who = rows.counted
    weights, event = (None if v is None else v[who] for v in (rows.weights, rows.event))
    return of_threes(
        rows.summed,
        rows.frame[who],
        weights,
        squared=event is None,
        event=None if rows.curved else event,
    )
