"""What follows from a model, federated against pooled: fitted values by statsmodels, curves and paths with all rows at one site."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.condition import level_name
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.effect_results import MarginalEffects, StandardisedRisks
from fedstats.contract.fit import Fit
from fedstats.contract.formula import parse
from fedstats.contract.heterogeneity_results import Heterogeneity
from fedstats.contract.penalty_results import CrossValidation, PenaltyPath
from fedstats.contract.results import NotAvailable, PredictedSurvival
from fedstats.contract.standardised_curves import StandardisedSurvival
from fedstats.contract.variable import Variable
from fedstats.federations.in_process import InProcess
from fedstats.methods.cox_regression import cox
from fedstats.methods.group_effects import heterogeneity
from fedstats.methods.patient_groups import SITE as PLAIN_SITE
from fedstats.methods.penalised_path import penalty_path
from fedstats.methods.standardised_curves import standardised_survival
from fedstats.methods.survival_prediction import baseline_hazard, predict_survival
from fedstats.methods.weighting import recipe_of
from fedstats.reporting.pooled_fits import SITE, glm_by_statsmodels, with_made_weights
from fedstats.study.definition import Study
from fedstats.study.follow_ups import follow_ups, profiles_of
from fedstats.study.model_spec import ModelSpec

Array = NDArray[np.float64]

ONE_SITE = "fedstats, all rows at one site"
#: Of the larger of standard error and estimate: what follows from coefficients is as near as they are.
NEAR = 1e-9
#: A slope is compared with a difference quotient, whose own error is of this order.
NEAR_A_SLOPE = 1e-7
_BASELINE = "(baseline)"


def follow_up_rows(study: Study, results: Mapping[str, Any], pooled: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for everything that a study asks of its models besides their fits and that can be compared."""
    checks: dict[str, Callable[..., dict[str, Any] | None]] = {
        "standardised_risks": _standardised,
        "marginal_effects": _marginal,
        "predicted_survival": _predicted,
        "baseline_hazard": _hazard,
        "penalty_path": _path,
        "standardised_survival": _mean_survival,
        "heterogeneity": _by_group,
    }
    found = []
    for spec in study.models:
        for asked in follow_ups(spec):
            fit, result = results.get(spec.name), results.get(asked.name)
            if asked.key in checks and result is not None and not isinstance(result, NotAvailable):
                rows = with_made_weights(fit, pooled) if isinstance(fit, Fit) else pooled
                row = checks[asked.key](study, spec, fit, result, rows)
                found += [{"analysis": asked.name} | row] if row is not None else []
    return found


def comparison(
    compared: str, software: str, n: float, gap: Array, allowed: Array, error: Array | None = None
) -> dict[str, Any]:
    """A line of the table: the largest of the gaps, and whether each is within what is allowed."""
    return {
        "compared": compared,
        "software": software,
        "patients": n,
        "largest difference": float(gap.max()),
        "in standard errors": np.nan
        if error is None
        else float((gap[error > 0] / error[error > 0]).max(initial=0)),
        "kept": bool((gap <= allowed).all()),
    }


# Fitted values, by statsmodels ------------------------------------------------------------------


def _standardised(
    study: Study, _: ModelSpec, fit: Any, found: StandardisedRisks, pooled: pd.DataFrame
) -> dict[str, Any] | None:
    if not isinstance(fit, Fit) or fit.is_penalised:
        return None
    model = glm_by_statsmodels(study, fit, pooled)
    values = found.values  # noqa: PD011 (a tuple of ours, no frame's)
    expected = np.array([model.mean(_set(study, model.frame, found.column, value)) for value in values])
    error = np.sqrt(np.diag(found.covariance))
    gap, allowed = np.abs(found.estimates - expected), NEAR * np.fmax(error, np.abs(expected))
    return comparison("standardised risks", model.software, fit.n, gap, allowed, error)


def _marginal(
    study: Study, _: ModelSpec, fit: Any, found: MarginalEffects, pooled: pd.DataFrame
) -> dict[str, Any] | None:
    if not isinstance(fit, Fit) or fit.is_penalised:
        return None
    model = glm_by_statsmodels(study, fit, pooled)
    terms = zip(found.frame["term"], found.frame["contrast"], strict=True)
    effects = []
    for column, contrast in terms:
        if contrast == "slope":
            x = model.frame[column].to_numpy(dtype=float)
            step = 1e-4 * (x.std() or 1.0)
            up, down = (model.mean(model.frame.assign(**{column: x + s * step})) for s in (1, -1))
            effects.append((up - down) / (2 * step))
        else:
            reference = study.codebook[column].levels[0]
            pair = (contrast.removesuffix(f" - {reference}"), reference)
            at, without = (model.mean(_set(study, model.frame, column, value)) for value in pair)
            effects.append(at - without)
    expected, error = np.array(effects), found.frame["std_error"].to_numpy(dtype=float)
    near = np.where(found.frame["contrast"] == "slope", NEAR_A_SLOPE, NEAR)
    gap = np.abs(found.frame["estimate"].to_numpy(dtype=float) - expected)
    allowed = near * np.fmax(error, np.abs(expected))
    return comparison("average marginal effects", model.software, fit.n, gap, allowed, error)


def _set(study: Study, frame: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """The rows with a column the same for all."""
    if levels := study.codebook[column].levels:
        return frame.assign(**{column: pd.Categorical([value] * len(frame), categories=list(levels))})
    return frame.assign(**{column: float(value)})


# Curves and paths, by fedstats with all rows at one site ------------------------------------------


def _predicted(
    study: Study, spec: ModelSpec, fit: Any, found: PredictedSurvival, pooled: pd.DataFrame
) -> dict[str, Any] | None:
    patients = profiles_of(spec.predicted_survival)
    if not isinstance(fit, Fit) or (spec.baseline == "site" and set(spec.strata_columns) & {*patients}):
        return None  # each patient is predicted in one stratum of every site
    here, again, grid = _cox_at_one_site(study, spec, fit, found, pooled)
    theirs = predict_survival(here, again, patients, grid=grid).frame
    return _curves(found.frame, theirs, "estimate", "predicted survival", again.n)


def _hazard(
    study: Study, spec: ModelSpec, fit: Any, found: PredictedSurvival, pooled: pd.DataFrame
) -> dict[str, Any] | None:
    if not isinstance(fit, Fit):
        return None
    here, again, grid = _cox_at_one_site(study, spec, fit, found, pooled)
    theirs = baseline_hazard(here, again, grid=grid).frame
    return _curves(found.frame, theirs, "cumulative_hazard", "baseline hazards", again.n)


def _mean_survival(
    study: Study, spec: ModelSpec, fit: Any, found: StandardisedSurvival, pooled: pd.DataFrame
) -> dict[str, Any] | None:
    if not isinstance(fit, Fit):
        return None
    here, again, _ = _cox_at_one_site(study, spec, fit, None, pooled)
    values = tuple(dict.fromkeys(found.frame["value"]))
    variable = study.codebook[found.column]
    asked = values if variable.levels else tuple(float(v) for v in values)
    theirs = standardised_survival(here, again, found.column, values=asked).frame
    gap = np.abs(found.frame["estimate"] - theirs["estimate"]).to_numpy()
    error = theirs["std_error"].to_numpy()
    return comparison("standardised survival", ONE_SITE, again.n, gap, NEAR * np.fmax(error, 1e-3), error)


def _by_group(
    study: Study, spec: ModelSpec, _: Any, found: Heterogeneity, pooled: pd.DataFrame
) -> dict[str, Any] | None:
    """Every group's estimate with its rows alone; not where labels were merged, for which ones is not known."""
    if found.by not in pooled and found.by != PLAIN_SITE:
        return None
    whose = pooled[SITE] if found.by not in pooled else pooled[SITE] + " " + pooled[found.by].astype(str)
    if (found.groups["practices"] > 1).any():
        return None
    asked = next(a for a in spec.heterogeneity if (a.term, a.by) == (found.term, found.by))
    options: dict[str, Any] = {
        "weights": spec.weights,
        "offset": spec.offset,
        "term": asked.term,
        "method": asked.method,
    }
    options |= {"strata": spec.strata, "ties": spec.ties} if spec.kind == "cox" else {"family": spec.family}
    own = whose if found.by not in pooled else whose.where(pooled[found.by].notna(), None)
    here = _at_one_site(study, pooled.assign(**{_BASELINE: own}), Variable(_BASELINE, "label", missing=True))
    theirs = heterogeneity(here, found.formula, by=_BASELINE, **options).groups
    ours = found.groups
    order = ["term", "n", "n_event", "estimate"]
    ours, theirs = (
        f.dropna(subset=["estimate"]).sort_values(order).reset_index(drop=True) for f in (ours, theirs)
    )
    if ours[order[:3]].to_numpy().tolist() != theirs[order[:3]].to_numpy().tolist():
        raise ValueError("The pooled groups are others than the federated ones.")
    error, expected = theirs["std_error"].to_numpy(), theirs["estimate"].to_numpy()
    gap = np.abs(ours["estimate"].to_numpy() - expected)
    allowed = NEAR * np.fmax(error, np.abs(expected))
    return comparison("effects by group", ONE_SITE, int(theirs["n"].sum()), gap, allowed, error)


def _cox_at_one_site(
    study: Study, spec: ModelSpec, fit: Fit, found: PredictedSurvival | None, pooled: pd.DataFrame
) -> tuple[InProcess, Fit, tuple[float, ...] | None]:
    """The model with all rows at one site; the sites' own hazards, in each of their strata, are those of strata there."""
    options = {k: fit.options[k] for k in ("ties", "weights", "offset", "cluster")}
    options["robust"] = bool(fit.options["robust"])
    recipe = recipe_of(fit)
    made = [] if recipe is None else [Variable(recipe.name, "numeric", missing=True)]
    if spec.baseline == "shared":
        here = _at_one_site(study, pooled, *made)
        shared = {"strata": spec.strata, "baseline": "shared", "grid": fit.options["grid"]}
        return here, cox(here, fit.formula, **options, **shared), None
    parts = [
        pooled[c].map(level_name, na_action="ignore").astype(object) for c in (SITE, *spec.strata_columns)
    ]
    of_each = sum((" " + part for part in parts[1:]), parts[0])
    agreed = Variable(_BASELINE, "factor", levels=tuple(sorted(of_each.dropna().unique())), missing=True)
    here = _at_one_site(study, pooled.assign(**{_BASELINE: of_each}), agreed, *made)
    assert found is not None  # a site's own hazards are those of a prediction
    grid = tuple(sorted({*found.frame["time"]} - {0.0}))
    return here, cox(here, fit.formula, **options, strata=_BASELINE), grid


def _curves(ours: pd.DataFrame, theirs: pd.DataFrame, what: str, compared: str, n: int) -> dict[str, Any]:
    by_stratum = ours.assign(stratum=(ours["site"] + " " + ours["stratum"]).str.strip())
    both = by_stratum.merge(theirs, on=["row", "stratum", "time"], suffixes=("", "_pooled"), validate="1:1")
    if len(both) < len(ours):
        raise ValueError("The pooled curves are not at the times of the federated ones.")
    error, expected = both["std_error"].to_numpy(), both[f"{what}_pooled"].to_numpy()
    gap = np.abs(both[what].to_numpy() - expected)
    return comparison(compared, ONE_SITE, n, gap, NEAR * np.fmax(error, np.abs(expected)), error)


def _path(
    study: Study, spec: ModelSpec, _: Any, found: PenaltyPath | CrossValidation, pooled: pd.DataFrame
) -> dict[str, Any] | None:
    """At the same strengths, of all patients: folds that sites draw are their own."""
    if spec.weighting is not None:
        return None  # a path holds no recipe of its weights
    path = found.path if isinstance(found, CrossValidation) else found
    options = {k: v for k, v in path.options.items() if v is not None}
    if options.get("baseline") == "site":
        options["strata"] = (SITE, *spec.strata_columns)
    strengths = {"mixing": path.mixing, "strengths": path.strengths.tolist()}
    here: Any = _at_one_site(study, pooled, Variable(SITE, "label"))
    again = penalty_path(here, path.formula, family=cast("Any", path.family), **strengths, **options)
    design = parse(path.formula, study.codebook, intercept=path.family != "cox")[1]
    spread = np.nanstd(design.raw(pooled), axis=0)
    spread = np.append(1.0, spread) if design.intercept else spread
    gap = np.abs(path.beta - again.beta)
    allowed = NEAR * np.fmax(np.abs(again.beta), 1 / spread)  # a path has no standard errors
    return comparison("coefficients along a path", ONE_SITE, again.n, gap, allowed)


def _at_one_site(study: Study, pooled: pd.DataFrame, *more: Variable) -> InProcess:
    codebook = replace(study.codebook, variables=(*study.codebook.variables, *more))
    return InProcess({"pooled": pooled}, codebook, DisclosurePolicy.none())
