"""Firth's penalty in a federation: the slope of the penalty as a sum over patients."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, full_matrix
from fedstats.contract.design import Design
from fedstats.contract.dominance import dominance_of_sums
from fedstats.contract.entries import Entries, each
from fedstats.contract.federation import Meter
from fedstats.contract.query import POINT, Query, QueryError
from fedstats.contract.shapes import Power
from fedstats.contract.site_data import SiteData
from fedstats.methods.cox_model import CoxQuery
from fedstats.methods.glm_evaluation import Evaluation
from fedstats.methods.glm_model import GlmQuery
from fedstats.methods.third_moments import of_threes
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs
from fedstats.numerics.newton import Derivatives, NotConverged
from fedstats.numerics.risk_set_leverages import leverages

Array = NDArray[np.float64]

#: Of a slope, in standard errors, where the penalised log-likelihood is within 1e-14 of its maximum.
CLOSE = 1e-7


@dataclass(frozen=True)
class FirthCorrection(GlmQuery):
    """The slope of Firth's penalty in every coefficient of a logistic or Poisson model.

    With ``inverse``, the lower triangle of the inverse information of all sites, a site forms its patients' leverages;
    p numbers leave.  They are third moments of the columns, chosen by whoever names the inverse, and are judged as such.
    """

    inverse: tuple[float, ...] = field(metadata=POINT)

    asks = "correction of the score by Firth's penalty"

    def entries(self) -> dict[str, Entries]:
        """One vector."""
        return _entries(self.model.design)

    def aggregate(self, data: SiteData) -> Aggregate:
        """P sums over patients.  Firth (1993), equation 3.

        Raises
        ------
        QueryError
            A family that has no such penalty, or an inverse of another size.
        """
        tilt, p = self.model.distribution.tilt, len(self.model.design.names)
        if tilt is None or self.model.intercepts or len(self.inverse) != p * (p + 1) // 2:
            raise QueryError(
                "Firth's penalty needs a logistic or Poisson model with one intercept, and its inverse information."
            )
        rows, _, _, w, eta, _ = self._at(data)
        inverse = full_matrix(np.array(self.inverse))
        leverage = w * self.model.distribution.expected(eta) * np.einsum("ij,ij->i", rows.x @ inverse, rows.x)
        u = rows.x * (leverage * tilt(eta) / 2)[:, None]
        # of the inverse any multiple is subtracted: who weighs without it is judged as well
        effects = np.abs(leverage), w * np.abs(self.model.distribution.expected(eta) * tilt(eta))
        answer = self._answer(data, rows, effects, {"correction": rows.vector(u.sum(axis=0))})
        who = rows.counted
        weights = None if rows.weights is None else rows.weights[who]
        threes = data.prepared(_asked(self), lambda: of_threes(rows.judged, rows.frame[who], weights))
        return _judged(answer, u, self.model.design, (*threes, *rows.predictor_groups(eta, rows.levels)))


@dataclass(frozen=True)
class CoxFirthCorrection(CoxQuery):
    """The slope of Firth's penalty in every coefficient of a Cox model with the site's own baseline hazard.

    As of a logistic model: with ``inverse`` a site forms the leverages of its patients in their risk sets, and p numbers leave.
    """

    inverse: tuple[float, ...] = field(metadata=POINT)

    asks = "correction of the score by Firth's penalty"

    def entries(self) -> dict[str, Entries]:
        """One vector."""
        return _entries(self.model.design)

    def aggregate(self, data: SiteData) -> Aggregate:
        """P sums over patients.  Heinze & Schemper (2001), section 2.

        Raises
        ------
        QueryError
            A shared baseline, or an inverse of another size.
        """
        model, p = self.model, len(self.model.design.names)
        if model.grid or len(self.inverse) != p * (p + 1) // 2:
            raise QueryError(
                "Firth's penalty needs baselines of the site's own, and the inverse information."
            )
        cox, _, r = self.at_point(data)
        sums = rs.cell_sums(cox.sets, cox.x, r, cox.rows.weights)
        terms = pl.cell_terms(sums, model.ties)
        means, inverse = pl.cell_means(sums, terms), full_matrix(np.array(self.inverse))
        found = leverages(cox.sets, cox.stratum, cox.x, r, sums, terms, means, model.ties, inverse)
        u = found.slope / 2
        answer = self.answer(cox, np.abs(found.leverage), {"correction": cox.rows.vector(u.sum(axis=0))})
        effect = r * pl.expected(cox.sets, cox.stratum, terms.a, terms.b)
        answer = answer.with_evidence(*cox.rows.effective_sizes(effect, ", whatever the inverse"))
        who = cox.rows.counted & cox.informative
        weights = None if cox.rows.weights is None else cox.rows.weights[who]
        threes = data.prepared(_asked(self), lambda: of_threes(cox.rows.judged, cox.rows.frame[who], weights))
        alike = cox.rows.predictor_groups(
            cox.rows.at(np.array(self.beta)).predictor, cox.rows.levels
        )  # a third level in each
        return _judged(answer, u, model.design, (*threes, *alike))


def _entries(design: Design) -> dict[str, Entries]:
    means = "slope of Firth's penalty in a coefficient"
    return {"correction": each(means, design.described, count="p")}


def _asked(question: FirthCorrection | CoxFirthCorrection) -> Query:
    """The question whatever its point, under which its evidence is kept."""
    return replace(question, beta=(), inverse=())


def _judged(answer: Aggregate, parts: Array, design: Design, threes: tuple[Evidence, ...]) -> Aggregate:
    """An answer with what is judged of sums of three columns, and of the patients' ``parts`` (n, p) in this one."""
    names = tuple(f"the correction in {name}" for name in design.names)
    whole, *others = answer.rows
    judged = answer.with_evidence(*threes, *dominance_of_sums(np.abs(parts), names))
    return replace(judged, rows=(_with_threes(whole), *others))


def _with_threes(cohort: Cohort) -> Cohort:
    """Beside what a model reads: levels of two columns together, and squares of numbers."""
    factors = sorted({c for names in cohort.levels for c in names})
    squares = ((name, Power(2).in_words(name)) for name, _ in cohort.functions)
    return replace(
        cohort,
        levels=tuple(sorted({*cohort.levels, *combinations(factors, 2)})),
        functions=tuple(sorted({*cohort.functions, *squares})),
    )


class Correction:
    """The slope of the penalty, as the sites' sum.

    Parameters
    ----------
    meter : Meter
    ask : callable     ``(beta, lower triangle of the inverse information) ->`` the question at that point
    """

    def __init__(
        self,
        meter: Meter,
        ask: Callable[[tuple[float, ...], tuple[float, ...]], FirthCorrection | CoxFirthCorrection],
    ) -> None:
        self.meter, self.ask = meter, ask

    def __call__(self, at: Derivatives, inverse: Array) -> Array:
        """At derivatives without the penalty, with their inverse information; (p,)."""
        lower = inverse[np.tril_indices(len(inverse))]
        question = self.ask(tuple(at.beta.tolist()), tuple(lower.tolist()))
        return np.asarray(self.meter.sum(question)["correction"])


def penalised_value(at: Derivatives) -> float:
    """The log-likelihood with the penalty, half the log determinant of the information."""
    return at.loglik + 0.5 * float(np.linalg.slogdet(at.information)[1])


def penalised_null(evaluate: Evaluation, null: Derivatives, correction: Correction | None) -> float:
    """The largest penalised log-likelihood of an intercept alone, under the penalty of all columns, as in ``logistf``.

    Parameters
    ----------
    evaluate : Evaluation
    null : Derivatives         at the intercept that makes the likelihood largest
    correction : Correction    needed where patients have an offset: some four points of two rounds; without one all follows from
                               the null model, as its patients have one predictor

    Raises
    ------
    NotConverged

    Notes
    -----
    Heinze & Schemper (2002), section 2: of one predictor eta the information is a multiple b''(eta) of one matrix, so that
    the slope is sum of w (y - b'(eta)) + (p / 2) d log b''(eta) / d eta.
    """
    family, p, eta = evaluate.model.distribution, len(null.beta), float(null.beta[0])
    if correction is None and family.tilt is not None:
        tilt, events = family.tilt, evaluate.weight * _at(family.mean, eta)

        def slope(value: float) -> float:
            return events - evaluate.weight * _at(family.mean, value) + p / 2 * _at(tilt, value)

        return penalised_value(evaluate.moved(null, eta, float(brentq(slope, -40.0, 40.0, xtol=1e-13))))
    at, curvature, before, step = null, float(null.information[0, 0]), np.nan, 0.0
    for _ in range(20):
        inverse = np.asarray(np.linalg.inv(at.information))
        found = float(at.score[0] + correction(at, inverse)[0]) if correction is not None else 0.0
        if abs(found) <= CLOSE * np.sqrt(float(at.information[0, 0])):
            return penalised_value(at)
        if np.isfinite(before):  # the penalty bends it too: a secant
            curvature = (before - found) / step
        step, before = found / curvature, found
        at = evaluate(at.beta + step * np.eye(p)[0])
    raise NotConverged(
        "The penalised fit of the intercept alone did not converge. Leave the offset out, or centre it."
    )


def _at(function: Callable[[Array], Array], value: float) -> float:
    return float(function(np.array([value]))[0])
