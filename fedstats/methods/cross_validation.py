"""Cross-validation of a penalty path: folds are drawn inside the sites, and all of them are fitted in step."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.arguments import check_federation, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.formula import FormulaError
from fedstats.contract.penalty_results import CrossValidation
from fedstats.contract.threads import one_blas_thread
from fedstats.methods.folds import MOST_FOLDS, WithoutFolds, of_all, without
from fedstats.methods.penalised_fit import DesignMoments, weight_and_spread
from fedstats.methods.penalised_model import PenalisedModel, penalised_model
from fedstats.methods.penalised_path import path_result
from fedstats.methods.strengths import Strengths, check_family
from fedstats.methods.weighting import Weighting, weighted
from fedstats.numerics.newton import Derivatives, NotConverged
from fedstats.numerics.path_of_penalties import abreast, path, quadratic
from fedstats.numerics.penalties import Weighted, driven

Array = NDArray[np.float64]


def cross_validate(
    federation: Federation,
    formula: str,
    *,
    folds: int | str = 5,
    family: Literal["binomial", "gaussian", "poisson", "cox"] = "binomial",
    mixing: float = 1.0,
    strengths: Sequence[float] | None = None,
    n_strengths: int = 20,
    smallest: float = 0.001,
    weights: Weighting = None,
    offset: str | None = None,
    strata: str | Sequence[str] | None = None,
    ties: Literal["efron", "breslow"] = "efron",
) -> CrossValidation:
    """A penalty path with the deviance of patients who were left out, and the strengths that it suggests.

    Parameters
    ----------
    federation : Federation
    formula : str
    folds : int or str
        How many: every site draws its own, of equal size, from its patients in the model, with a secret of its own; the same
        patients always fall into the same folds.  Or a factor of the codebook whose levels are the folds, a region for instance.
    family, mixing, strengths, n_strengths, smallest, weights, offset, strata, ties
        As in :func:`penalty_path`; a Cox model has a baseline hazard for each site and stratum.

    Returns
    -------
    CrossValidation

    Raises
    ------
    FormulaError
        Among others, where it would take more points than sites answer one model at: nothing is asked then.
    SiteRefused
        A site's policy applies to each fold of its patients, and to those outside each, as to any model.
    NotConverged

    Notes
    -----
    As ``cv.glmnet`` has it for given strengths: each fold's fit is of the other patients, with their own weights and standard
    deviations.  Of a Cox model the deviance is of the cross-validated partial likelihood, the log-likelihood of all less that
    without the fold (Verweij & van Houwelingen 1993).  Of the other families this difference is the deviance of the fold's
    patients, so nothing about these alone leaves a site.  One message a round holds all folds and all patients.
    """
    check_federation(federation)
    check_family(family, strata)
    asked = Strengths(mixing, strengths, n_strengths, smallest)
    levels = levels_of_folds(folds, federation.codebook)
    asked.check_cost(federation.max_points, family)
    federation, weights, _ = weighted(federation, weights)
    options: dict[str, Any] = {"weights": weights, "offset": offset}
    options |= {"strata": strata, "ties": ties, "baseline": "site"} if family == "cox" else {}
    meter = Meter(federation)
    with one_blas_thread():
        model = penalised_model(meter, formula, family, asked.course, options)
        column, number = (folds, len(levels)) if isinstance(folds, str) else (None, folds)
        evaluate = _Folds(meter, model, WithoutFolds(model.question, number, column, levels))
        moments = evaluate.moments()
        null = evaluate.begin()
        chosen = asked.of(model, *moments[0])
        penalties = [model.penalties(at, *of, mixing, chosen) for at, of in zip(null, moments, strict=True)]
        found, loglik_of_all = _maxima(model, evaluate, null, penalties)
        held_out = [
            [loglik_of_all(k, at.beta) - at.loglik for at in each]
            for k, each in enumerate(found[1:], start=1)
        ]
        deviance = model.deviance(np.array(held_out), evaluate.fold_perfect[:, None])
    result = path_result(model, formula, mixing, chosen, found[0], meter, options)
    return CrossValidation(result, folds, deviance / evaluate.fold_weight[:, None], evaluate.fold_weight)


def _maxima(
    model: PenalisedModel,
    evaluate: "_Folds",
    null: Sequence[Derivatives],
    penalties: Sequence[list[Weighted]],
) -> tuple[list[list[Derivatives]], Callable[[int, Array], float]]:
    """Of all patients, then without each fold, the maximum under each penalty; and all patients' log-likelihood there."""
    searches = [path(model.null.beta, each) for each in penalties]
    if model.family != "gaussian":
        return abreast(searches, evaluate), evaluate.loglik_of_all
    known = [quadratic(at) for at in null]
    found = [driven(search, derivatives) for search, derivatives in zip(searches, known, strict=True)]
    return found, lambda _, beta: known[0](beta).loglik


def levels_of_folds(folds: object, codebook: Codebook) -> tuple[str, ...]:
    """The folds that a column names; none where sites draw them.

    Raises
    ------
    FormulaError
    """
    if isinstance(folds, str):
        levels = known_column(folds, codebook, "folds").levels
        if not 2 <= len(levels) <= MOST_FOLDS:
            raise FormulaError(f"folds is {folds!r}; give a factor with 2 to {MOST_FOLDS} levels.")
        return levels
    if isinstance(folds, bool) or not isinstance(folds, int) or not 2 <= folds <= MOST_FOLDS:
        raise FormulaError(
            f"folds is {folds!r}; give a whole number from 2 to {MOST_FOLDS}, or the name of a factor."
        )
    return ()


class _Folds:
    """Derivatives of all patients and of those outside each fold, each at a point of its own, in one message."""

    def __init__(self, meter: Meter, model: PenalisedModel, question: WithoutFolds) -> None:
        self.meter, self.model, self.question = meter, model, question
        self._of_all: dict[tuple[int, tuple[float, ...]], float] = {}

    def _named(self, name: str, k: int) -> str:
        return without(name, k) if k else name

    def moments(self) -> list[tuple[float, Array]]:
        """Weight and spread of the columns, of all patients and outside each fold."""
        total = self.meter.sum(replace(self.question, question=DesignMoments(self.model.question)))
        return [
            weight_and_spread(
                {name: total[self._named(name, k)] for name in ("sum", "squares", "weight")},
                self.model.design,
            )
            for k in range(self.question.folds + 1)
        ]

    def __call__(self, points: Array) -> list[Derivatives]:
        total = self.meter.finite_sum(self._question(points))
        if total is None:
            return [Derivatives.not_finite(point) for point in points]
        recorded: tuple[tuple[float, ...], ...] = total.query.points
        for k in range(1, len(recorded)):
            self._of_all[k, recorded[k]] = float(total[of_all(k)][0])
        return [self._derivatives(total, k, np.array(point)) for k, point in enumerate(recorded)]

    def _derivatives(self, total: Total, k: int, at: Array) -> Derivatives:
        loglik, score, information = (total[self._named(n, k)] for n in ("loglik", "score", "information"))
        return Derivatives(float(loglik[0]), score, full_matrix(information), at)

    def begin(self) -> list[Derivatives]:
        """At the null model: of each fold also the weight, and twice the log-likelihood of a perfect fit."""
        points = np.tile(self.model.null.beta, (self.question.folds + 1, 1))
        found = self(points)
        total = self.meter.sum(self._question(points))
        name = "event_weight" if self.model.family == "cox" else "weight"
        weight = np.array([total[self._named(name, k)][0] for k in range(len(found))])
        perfect = np.zeros(len(found))
        if "deviance" in total:
            perfect = np.array(
                [total[self._named("deviance", k)][0] + 2 * at.loglik for k, at in enumerate(found)]
            )
        self.fold_weight, self.fold_perfect = weight[0] - weight[1:], perfect[0] - perfect[1:]
        if not (self.fold_weight > 1e-9 * weight[0]).all():
            raise NotConverged("A fold has no patients, or no event: ask for fewer folds.")
        return found

    def _question(self, points: Array) -> WithoutFolds:
        return replace(self.question, points=tuple(tuple(point) for point in points.tolist()))

    def loglik_of_all(self, k: int, beta: Array) -> float:
        """Of all patients at a point of the k-th fold."""
        return self._of_all[k, tuple(beta.tolist())]
