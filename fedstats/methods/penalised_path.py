"""A path of ridge, lasso or elastic-net fits, from the penalty that lets no coefficient in to a weak one."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.penalty_results import PenaltyPath
from fedstats.contract.threads import one_blas_thread
from fedstats.methods.penalised_fit import DesignMoments, weight_and_spread
from fedstats.methods.penalised_model import PenalisedModel, penalised_model
from fedstats.methods.strengths import Strengths, check_family
from fedstats.methods.weighting import Weighting, weighted
from fedstats.numerics.newton import Derivatives
from fedstats.numerics.path_of_penalties import path
from fedstats.numerics.penalties import driven

Array = NDArray[np.float64]


def penalty_path(
    federation: Federation,
    formula: str,
    *,
    family: Literal["binomial", "gaussian", "poisson", "cox"] = "binomial",
    mixing: float = 1.0,
    strengths: Sequence[float] | None = None,
    n_strengths: int = 20,
    smallest: float = 0.001,
    weights: Weighting = None,
    offset: str | None = None,
    strata: str | Sequence[str] | None = None,
    ties: Literal["efron", "breslow"] = "efron",
    baseline: Literal["site", "shared"] = "site",
    grid: float | Sequence[float] | None = None,
) -> PenaltyPath:
    """Fits under penalties from strong to weak, each begun at the one before; equal to the pooled fits.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"outcome ~ terms"``; of a Cox model ``"Surv(time, event) ~ terms"``.
    family : {"binomial", "gaussian", "poisson", "cox"}
        Each with its canonical link.
    mixing : float
        glmnet's alpha: 1 is the lasso, 0 the ridge.
    strengths : sequence of float, optional
        glmnet's lambda (see :func:`glm` and :func:`cox`).  None: ``n_strengths`` of them, evenly on the log scale, from the
        smallest that keeps every coefficient at zero (of a ridge, that of a mixing of 0.001) to its share ``smallest``.
    n_strengths : int
    smallest : float
    weights, offset : str, optional
        Columns: case weights; a term of the linear predictor with coefficient one.
    strata, ties, baseline, grid
        Of a Cox model, as in :func:`cox`.

    Returns
    -------
    PenaltyPath

    Raises
    ------
    FormulaError
        Among others, where the path would take more points than sites answer one model at: nothing is asked then.
    SiteRefused, NotConverged

    Notes
    -----
    Friedman, Hastie & Tibshirani (2010); Simon, Friedman, Hastie & Tibshirani (2011) for Cox.  About three points a strength
    (of a shared baseline hazard each is two questions);
    of a Gaussian outcome two points for the whole path, as its log-likelihood is a quadratic.
    """
    check_federation(federation)
    check_family(family, strata, baseline)
    asked = Strengths(mixing, strengths, n_strengths, smallest)
    asked.check_cost(federation.max_points, family, baseline)
    federation, weights, _ = weighted(federation, weights)
    options: dict[str, Any] = {"weights": weights, "offset": offset}
    options |= {"strata": strata, "ties": ties, "baseline": baseline, "grid": grid} if family == "cox" else {}
    meter = Meter(federation)
    with one_blas_thread():
        model = penalised_model(meter, formula, family, asked.course, options)
        weight, spread = weight_and_spread(meter.sum(DesignMoments(model.question)), model.design)
        chosen = asked.of(model, weight, spread)
        penalties = model.penalties(model.null, weight, spread, mixing, chosen)
        found = driven(path(model.null.beta, penalties), model.derivatives)
    return path_result(model, formula, mixing, chosen, found, meter, options)


def path_result(
    model: PenalisedModel,
    formula: str,
    mixing: float,
    strengths: Array,
    found: Sequence[Derivatives],
    meter: Meter,
    options: Mapping[str, object],
) -> PenaltyPath:
    """The maxima as a result."""
    chosen = {name: value for name, value in options.items() if name != "grid"}
    return PenaltyPath(
        formula,
        model.family,
        model.design.names,
        mixing,
        strengths,
        model.as_written(found),
        model.deviance(np.array([at.loglik for at in found]), model.perfect),
        float(model.deviance(model.null.loglik, model.perfect)),
        model.counts["n"],
        model.counts["n_event"],
        model.counts["dropped"],
        meter.rounds,
        meter.n_bytes,
        meter.federation.sites,
        chosen | ({"grid": model.grid} if model.grid else {}),
        model.status,
    )
