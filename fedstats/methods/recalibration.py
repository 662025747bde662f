"""Calibration in the large and slope of a prediction, and fits that are brought in line with other patients.

No question of its own: the linear predictor of the fit is a column that sites make, and one regression more is fitted on it.
"""

from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation
from fedstats.contract.federation import Federation, SiteRefused
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import QueryError
from fedstats.contract.values import check_choice
from fedstats.methods import cox_regression, glm_regression
from fedstats.numerics.newton import NotConverged

Array = NDArray[np.float64]
Change = Literal["intercept", "slope"]
#: The column of the linear predictor.
SCORE = "predicted_score"
#: What a recalibrated fit has of the regression on its predictor, and not of the fit.
OF_THE_LINE = (
    "loglik",
    "n",
    "n_event",
    "dropped",
    "steps",
    "rounds",
    "n_bytes",
    "sites",
    "deviance",
    "weight",
    "level",
    "status",
)


class Line(NamedTuple):
    """Intercept and slope of the linear predictor with their standard errors; NaN where there is none, and why."""

    in_the_large: tuple[float, float]
    slope: tuple[float, float]
    notes: tuple[str, ...]
    rounds: int = 0
    n_bytes: int = 0


def without_line(n: int, events: int) -> Line:
    """Of patients who all have the event, or none: why there is neither intercept nor slope."""
    who = "have the event" if events else "are without the event"
    note = f"All {n} patients {who}: calibration in the large and slope have no finite estimate."
    return Line((np.nan, np.nan), (np.nan, np.nan), (note,))


def calibration_line(federation: Federation, fit: Fit, level: float) -> Line:
    """Calibration in the large (of a logistic model) and slope.

    What cannot be estimated, or is not released, is said, and no error: the predictor of all patients may be the same.
    """
    found: dict[str, tuple[float, float]] = {}
    notes, rounds, n_bytes = [], 0, 0
    for change in ("intercept", "slope") if fit.kind != "cox" else ("slope",):
        try:
            on_it = _on_predictor(federation, fit, change, level)  # type: ignore[arg-type]
            rounds, n_bytes = rounds + on_it.rounds, n_bytes + on_it.n_bytes
            found[change] = float(on_it.beta[-1]), float(np.sqrt(on_it.covariance[-1, -1]))
        except (NotConverged, QueryError) as problem:
            notes.append(f"There is no calibration {change}: {problem}")
        except SiteRefused as refused:
            notes.append(f"The calibration {change} is not released: {refused.rule} ({refused.site}).")
    nothing = (np.nan, np.nan)
    return Line(found.get("intercept", nothing), found.get("slope", nothing), tuple(notes), rounds, n_bytes)


def recalibrate(federation: Federation, fit: Fit, *, change: Change = "slope", level: float = 0.95) -> Fit:
    """A fit brought in line with the patients of a federation: its intercept, or its intercept and the size of all coefficients.

    Parameters
    ----------
    federation : Federation
        Of the patients whom the prediction is to be right for.
    fit : Fit
        Of :func:`logistic` on the codebook's columns, or with ``change="slope"`` of :func:`cox`; penalised or not.
    change : {"intercept", "slope"}
        The intercept alone, with the predicted logit as an offset; or a slope of the linear predictor beside it (of a Cox model,
        whose baseline hazard is none of its coefficients, the slope).
    level : float
        Coverage of the intervals.

    Returns
    -------
    Fit
        The same model with a + b times its intercept and b times its other coefficients.  It predicts and is evaluated as any other;
        standard errors it has none, for the fit that it was made of is taken as given (those of a and b are in
        :func:`calibration` of that fit).

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    Steyerberg, Clinical Prediction Models (2nd ed. 2019), section 20.3.
    """
    check_federation(federation)
    check_choice("change", change, get_args(Change))
    if getattr(fit, "kind", None) not in ("cox", "logistic"):
        raise FormulaError("A recalibration is that of a prediction of fs.logistic or fs.cox.")
    if change == "intercept" and fit.kind == "cox":
        raise FormulaError("A Cox model has no intercept to change: ask for change='slope'.")
    if fit.options.get("offset") or fit.options.get("weights"):
        raise FormulaError("A recalibration is that of a fit without an offset and without weights.")
    line = _on_predictor(federation, fit, change, level)
    of_slope, of_intercept = np.asarray(fit.beta, dtype=float), np.eye(1, len(fit.beta))[0]
    moved = {
        "cox": [of_slope],
        "logistic": [of_intercept] if change == "intercept" else [of_intercept, of_slope],
    }[fit.kind]
    jacobian = np.column_stack(moved)
    beta = jacobian @ line.beta + (of_slope if change == "intercept" else 0.0)
    own = {name: getattr(line, name) for name in OF_THE_LINE}
    options = {**fit.options, "recalibrated": change}
    return replace(
        fit,
        beta=beta,
        covariance=np.full_like(fit.covariance, np.nan),
        loglik_null=np.nan,
        score_test=np.nan,
        options=options,
        other_covariances={},
        profile_limits={},
        **own,
    )


def _on_predictor(federation: Federation, fit: Fit, change: Change, level: float) -> Fit:
    """The outcome on the linear predictor, as a term or as an offset."""
    left = fit.formula.split("~")[0].strip()
    sites, cluster = federation.with_linear_predictor(SCORE, fit), fit.options.get("cluster")
    if fit.kind == "cox":
        strata = tuple(fit.options["strata"])
        return cox_regression.cox(
            sites,
            f"{left} ~ {SCORE}",
            strata=strata or None,
            ties=fit.options["ties"],
            level=level,
            cluster=cluster,
        )
    if change == "intercept":
        return glm_regression.logistic(sites, f"{left} ~ 1", offset=SCORE, level=level, cluster=cluster)
    return glm_regression.logistic(sites, f"{left} ~ {SCORE}", level=level, cluster=cluster)


def line_table(line: Line, z: float) -> pd.DataFrame:
    """Rows measure estimate std_error conf_low conf_high."""
    rows = [("in the large", *line.in_the_large), ("slope", *line.slope)]
    table = pd.DataFrame(rows, columns=["measure", "estimate", "std_error"])
    table["conf_low"] = table["estimate"] - z * table["std_error"]
    table["conf_high"] = table["estimate"] + z * table["std_error"]
    return table
