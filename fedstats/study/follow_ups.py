"""What a study asks of a model besides its fit: each an analysis of its own, with a name of its own."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from fedstats.contract.federation import Federation
from fedstats.contract.fit import Fit
from fedstats.methods.cox_regression import cox
from fedstats.methods.cross_validation import cross_validate
from fedstats.methods.glm_regression import glm
from fedstats.methods.group_effects import heterogeneity
from fedstats.methods.marginal_effects import marginal_effects, standardised_risks
from fedstats.methods.penalised_path import penalty_path
from fedstats.methods.proportional_hazards import cox_zph
from fedstats.methods.standardised_curves import standardised_survival
from fedstats.methods.survival_prediction import baseline_hazard, predict_survival
from fedstats.study.imputation_spec import imputed_estimate
from fedstats.study.model_spec import HeterogeneitySpec, ModelSpec, PathSpec
from fedstats.study.weights_spec import weighted_estimate

Analysis = Callable[..., Any]


@dataclass(frozen=True)
class FollowUp:
    """Something asked of a model besides its fit.

    Attributes
    ----------
    name : str             under which the results hold it
    key : str              of the model in study.toml
    analysis : callable    a function of a federation
    column : str           what it is about, where it is one column
    between_sites : bool   whether one site alone cannot be asked
    """

    name: str
    key: str
    analysis: Analysis
    column: str = ""
    between_sites: bool = False


def estimate_of(model: ModelSpec) -> Analysis:
    """The fit of a model, a function of a federation."""
    fit = partial(cox if model.kind == "cox" else glm, formula=model.formula, **model.options)
    if model.weighting is None:
        return fit
    return partial(weighted_estimate, fit=fit, made=model.weighting.made)


def follow_ups(model: ModelSpec) -> list[FollowUp]:
    """What the study asks of a model besides its fit, in the order in which a report shows it."""
    fit = estimate_of(model)
    return [
        FollowUp(f"{model.name}_{suffix}", key, partial(_after, fit=fit, ask=ask), column)
        for suffix, key, ask, column in _asked_of_fit(model)
    ] + _of_the_model(model)


def _of_the_model(model: ModelSpec) -> list[FollowUp]:
    """What begins with a fit of its own."""
    begun = [FollowUp(f"{model.name}_{key}", key, _path(model, spec)) for key, spec in _paths(model)]
    if model.imputation is not None:
        of_copies = partial(imputed_estimate, fit=estimate_of(model), imputation=model.imputation)
        begun.insert(0, FollowUp(f"{model.name}_imputed", "imputed", of_copies))
    return begun + [
        FollowUp(
            f"{model.name}_{key}_{_plain(spec.term)}_{_plain(spec.by)}",
            key,
            _by_group(model, spec),
            spec.term,
            spec.by == "site",
        )
        for key, spec in (("heterogeneity", spec) for spec in model.heterogeneity)
    ]


def _plain(name: str) -> str:
    """A column or term as part of a name."""
    return re.sub(r"\W+", "_", name).strip("_")


def _by_group(model: ModelSpec, spec: HeterogeneitySpec) -> Analysis:
    options: dict[str, Any] = spec.model_dump() | {"weights": model.weights, "offset": model.offset}
    if model.kind == "cox":
        options |= {"strata": model.strata, "ties": model.ties}
    else:
        options |= {"family": model.family}
    return partial(heterogeneity, formula=model.formula, **options)


def profiles_of(patients: Mapping[str, Mapping[str, float | str]]) -> pd.DataFrame:
    """Named patients with their covariates, one row each."""
    return pd.DataFrame(list(patients.values()), index=list(patients))


def _after(federation: Federation, fit: Analysis, ask: Callable[[Federation, Fit], Any]) -> Any:
    """The fit again, of answers that are there: a refusal of what follows leaves the fit, and the other way round."""
    return ask(federation, fit(federation))


def _asked_of_fit(model: ModelSpec) -> Iterator[tuple[str, str, Callable[..., Any], str]]:
    """Suffix of the name, key, function of federation and fit, column."""
    if model.proportional_hazards is not None:
        key = "proportional_hazards"
        yield key, key, partial(cox_zph, transform=model.proportional_hazards), ""
    for spec in model.standardised_risks:
        suffix = f"standardised_{_plain(spec.column)}"
        ask = partial(standardised_risks, column=spec.column, values=spec.values)
        yield suffix, "standardised_risks", ask, spec.column
    if model.marginal_effects:
        key = "marginal_effects"
        yield key, key, partial(marginal_effects, variables=model.marginal_effects), ""
    if model.predicted_survival:
        key = "predicted_survival"
        yield key, key, partial(predict_survival, newdata=profiles_of(model.predicted_survival)), ""
    if model.baseline_hazard:
        yield "baseline_hazard", "baseline_hazard", baseline_hazard, ""
    for spec in model.standardised_survival:
        key = "standardised_survival"
        curves = partial(standardised_survival, column=spec.column, values=spec.values)
        yield f"{key}_{_plain(spec.column)}", key, curves, spec.column


def _paths(model: ModelSpec) -> list[tuple[str, PathSpec]]:
    return [] if model.penalty_path is None else [("penalty_path", model.penalty_path)]


def _path(model: ModelSpec, spec: PathSpec) -> Analysis:
    options: dict[str, Any] = spec.model_dump(exclude={"folds"}) | {"family": path_family(model)}
    options |= {"formula": model.formula, "offset": model.offset}
    if model.kind == "cox":
        options |= {"strata": model.strata, "ties": model.ties}
    path: Any = partial(penalty_path, baseline=model.baseline, **options)
    if spec.folds is not None:
        path = partial(cross_validate, folds=spec.folds, **options)
    if model.weighting is not None:
        return partial(weighted_estimate, fit=path, made=model.weighting.made)
    return partial(path, weights=model.weights)


def path_family(model: ModelSpec) -> str:
    """The family of a path, as the library names it."""
    return "cox" if model.kind == "cox" else model.family
