"""What a weighted model and the propensity behind its weights have in common at a site, for a variance that accounts for both.

Formulas: :mod:`fedstats.numerics.stacked_variance`.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fedstats.contract.aggregate import Aggregate, Evidence, Sum
from fedstats.contract.dominance import dominance_of_sums, scores_of_clusters
from fedstats.contract.entries import Entries, each, pairs
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.periods import periods_of
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.query import POINT, Query, QueryError
from fedstats.contract.site_data import SiteData
from fedstats.methods.cox_model import CoxMeat
from fedstats.methods.cox_periods import residuals_over_periods
from fedstats.methods.glm_model import GlmMeat

Array = NDArray[np.float64]

#: What the share of the treated, a mean, is called beside the propensity's coefficients.
SHARE = "share of the treated"


@dataclass(frozen=True)
class GlmPropensityTerms(GlmMeat):
    """Products of the scores of a weighted generalised linear model with those of the propensity, and how the first change with it."""

    asks = "products of scores with those of the propensity (stacked variance)"

    def entries(self) -> dict[str, Entries]:
        """Two matrices."""
        return _entries(self, self.model.design.described, self.model.weights)

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 p q sums over patients."""
        judged = super().aggregate(data)
        rows, u = self.scores(data)
        sums, evidence = _products(data, rows, rows.present, u, self.model.weights, self.model.cluster)
        return Aggregate(sums, judged.patients, (*judged.evidence, *evidence), judged.rows, judged.faults)


@dataclass(frozen=True)
class CoxPropensityTerms(CoxMeat):
    """Products of the score residuals of a weighted Cox model with the propensity's scores, and how the first change with it."""

    asks = "products of score residuals with the propensity's scores (stacked variance)"

    def entries(self) -> dict[str, Entries]:
        """Two matrices."""
        return _entries(self, self.model.design.described, self.model.weights)

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 p q sums over patients."""
        judged = super().aggregate(data)
        if periods_of(self.model.design):
            rows, u = residuals_over_periods(self, data)
        else:
            cox, _, u = self.residuals(data)
            rows = cox.rows
        sums, evidence = _products(data, rows, rows.present, u, self.model.weights, self.model.cluster)
        return Aggregate(sums, judged.patients, (*judged.evidence, *evidence), judged.rows, judged.faults)


@dataclass(frozen=True)
class PropensityScores(GlmMeat):
    """Squared scores of a propensity model together with that of the share of the treated, for stabilised weights."""

    share: float = field(default=0.5, metadata=POINT)

    asks = "squared scores of the propensity and of the share of the treated (stacked variance)"

    def entries(self) -> dict[str, Entries]:
        """One matrix."""
        names = (*self.model.design.described, SHARE)
        found = pairs("products of patients' (or clusters') scores", names)
        return {"meat": replace(found, count="(p + 1) (p + 2) / 2")}

    def aggregate(self, data: SiteData) -> Aggregate:
        """q (q + 1) / 2 sums over patients or clusters."""
        judged = super().aggregate(data)
        rows, u = self.scores(data)
        u = np.column_stack([u, self._prepared(data).y - self.share])
        if self.model.cluster is not None:
            u = scores_of_clusters(u, rows.codes((self.model.cluster,)))[0]
        there = np.column_stack([rows.present, rows.counted]).astype(float)
        meat = Sum.triangle(u.T @ u, np.rint(there.T @ there).astype(np.int64))
        return Aggregate({"meat": meat}, judged.patients, judged.evidence, judged.rows, judged.faults)


def _products(
    data: SiteData,
    rows: ModelRows,
    present: NDArray[np.bool_],
    u: Array,
    weights: str | None,
    cluster: str | None,
) -> tuple[dict[str, Sum], tuple[Evidence, ...]]:
    """``slope`` (p, q), sum of u (d log w / d alpha)', and ``cross`` (p, q), sum of u psi' by patient or cluster."""
    weight = data.weight(weights)
    if weight is None:
        raise QueryError("The model is not weighted by a propensity that the question says.")
    psi, slopes = scores_and_slopes(weight, rows)
    everybody = np.ones((rows.n, 1), dtype=bool)
    first, last = (everybody[:, : int(flag)] for flag in (weight.design.intercept, weight.stabilised))
    there = np.column_stack([first, weight.design.raw(rows.frame) != 0, last])
    patients = np.rint(present.astype(float).T @ there.astype(float)).astype(np.int64)
    evidence: list[Evidence] = []
    for factor in (psi, slopes):
        for k, column in enumerate(factor.T):
            parts = np.abs(u * column[:, None])
            about = tuple(f"scores times the propensity's, {k + 1}" for _ in range(parts.shape[1]))
            evidence += dominance_of_sums(parts, about)
    slope = u.T @ slopes
    if cluster is not None:
        codes = rows.codes((cluster,))
        u, psi = (scores_of_clusters(scores, codes)[0] for scores in (u, psi))
    sums = {
        name: Sum(value, patients, pairs=True) for name, value in (("slope", slope), ("cross", u.T @ psi))
    }
    return sums, tuple(evidence)


def scores_and_slopes(weight: PropensityWeight, rows: ModelRows) -> tuple[Array, Array]:
    """Each patient's score of the propensity model, and slope of the logarithm of the weight in its coefficients; (n, q) each."""
    z, treated, found = weight.scaled(rows.frame), weight.treated(rows.frame), weight.weights(rows.frame)
    residual = treated - expit(z @ np.array(weight.gamma))
    psi, slopes = z * residual[:, None], z * found.slope[:, None]
    if weight.stabilised:
        psi = np.column_stack([psi, treated - weight.share])
        slopes = np.column_stack([slopes, found.share_slope])
    return psi, slopes


def _entries(query: Query, names: tuple[str, ...], weights: str | None) -> dict[str, Entries]:
    weight = next((m for m in query.made if isinstance(m, PropensityWeight) and m.name == weights), None)
    of_propensity = None
    if weight is not None:
        of_propensity = (*weight.design.described, *((SHARE,) if weight.stabilised else ()))
    means = "how a score changes with a coefficient of the propensity"
    return {
        "slope": each(means, names, of_propensity, count="p q"),
        "cross": each("products of scores with the propensity's", names, of_propensity, count="p q"),
    }
