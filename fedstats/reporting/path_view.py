"""Paths of penalties and their cross-validation as a report shows them."""

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.formula import parse
from fedstats.contract.penalty_results import CrossValidation, PenaltyPath
from fedstats.reporting import formats
from fedstats.reporting.effects import design_labels, design_steps
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.plots import deviance_plot, path_plot
from fedstats.reporting.tables import Table, table
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec

Result = PenaltyPath | CrossValidation

_RATIOS = {"binomial": "Odds ratio", "poisson": "Rate ratio", "cox": "Hazard ratio"}
#: The two strengths that a cross-validation suggests.
_LEAST, _WITHIN = "least deviance", "within 1 SE"


def path_title(spec: ModelSpec) -> str:
    """Title of the path of a model."""
    return f"{_kind(spec).capitalize()} path: {spec.title}"


def path_method(spec: ModelSpec) -> str:
    """How a path is followed, in words."""
    assert spec.penalty_path is not None, "the study asks for a path"
    folds = spec.penalty_path.folds
    how = (
        ""
        if folds is None
        else f", cross-validated in {f'folds by {folds}' if isinstance(folds, str) else f'{folds} folds'}"
    )
    return f"{_kind(spec).capitalize()} from strong to weak{how}"


def path_words(_: ModelSpec, found: Result, study: Study) -> str:
    """What was followed, and what cross-validation says, in sentences."""
    path = _path(found)
    said = (
        f"{len(path.strengths)} strengths from λ = {formats.precise(path.strengths[0])} to "
        f"{formats.precise(path.strengths[-1])} on glmnet's scale, {formats.count(path.n)} patients, equal to the pooled path "
        f"({path.status}) after {path.rounds} rounds."
    )
    if isinstance(found, PenaltyPath):
        return said
    if isinstance(found.folds, str):
        folds = f"The folds are the levels of {study.codebook[found.folds].label or found.folds}."
    else:
        folds = (
            f"Every site draws {found.folds} folds of its own patients in secret, so another exchange would give slightly "
            "other deviances."
        )
    least, within = (_kept(found, strength) for strength in (found.lambda_min, found.lambda_1se))
    return (
        f"{said} {folds} The deviance of patients who were left out is least at λ = {formats.precise(found.lambda_min)} "
        f"({least} of {_slopes(path)} coefficients in the model); the strongest penalty within one standard error of "
        f"that is λ = {formats.precise(found.lambda_1se)} ({within} of {_slopes(path)})."
    )


def path_table(spec: ModelSpec, found: Result, study: Study) -> Table:
    """A line a term: where it enters the path, and its effect at the chosen strengths, or at the weakest."""
    path = _path(found)
    coefficients = _coefficients(path, study.codebook)
    chosen = _chosen(found) or {"weakest": float(path.strengths[-1])}
    shown = np.exp if path.family in _RATIOS else np.asarray
    columns: dict[str, list[str]] = {"Term": list(coefficients)}
    if path.mixing > 0:
        columns["Enters at λ"] = [_enters(coefficients[name]) for name in coefficients]
    for name, strength in chosen.items():
        at = coefficients.loc[strength]
        heading = f"{_RATIOS.get(path.family, 'Difference')} at λ = {formats.precise(strength)} ({name})"
        columns[heading] = [formats.MISSING if b == 0 else formats.estimate(float(shown(b))) for b in at]
    note = (
        "A dash: not in the model. Estimates are shrunk towards no effect and were chosen by the same data: they have no "
        f"intervals and no p-values. Status: {path.status}."
    )
    return table(pd.DataFrame(columns), caption=path_title(spec), note=note)


def path_pictures(spec: ModelSpec, found: Result, study: Study) -> list[Picture]:
    """The coefficients along the path; of a cross-validation first the deviance."""
    path, title = _path(found), path_title(spec)
    coefficients, chosen = _coefficients(path, study.codebook), _chosen(found)
    strength = {name: float(coefficients.index[coefficients[name] != 0].max()) for name in coefficients}
    first = sorted((n for n in strength if np.isfinite(strength[n])), key=lambda n: -strength[n])
    alt = f"Coefficients leave zero as the penalty weakens. First: {', '.join(first[:3]) or 'none'}."
    effect = _RATIOS.get(path.family, "").lower()
    lines = figure(
        path_plot(coefficients, outcome=f"Log {effect}" if effect else "Difference", chosen=chosen),
        alt=alt,
        caption=f"{title}: coefficients, each per the step that its label states.",
        data=coefficients.rename_axis("lambda").reset_index(),
    )
    if isinstance(found, PenaltyPath):
        return [lines]
    unit = "event" if path.family == "cox" else "patient"
    deviances = figure(
        deviance_plot(found.tidy(), outcome=f"Deviance of patients left out, by {unit}", chosen=chosen),
        alt=f"Deviance against the strength of the penalty. Least at {formats.precise(found.lambda_min)}.",
        caption=f"{title}: mean deviance of patients who were left out, with one standard error on each side.",
        data=found.tidy(),
    )
    return [deviances, lines]


def _kind(spec: ModelSpec) -> str:
    assert spec.penalty_path is not None, "the study asks for a path"
    mixing = spec.penalty_path.mixing
    return {0.0: "ridge", 1.0: "lasso"}.get(mixing, f"elastic net (mixing {mixing:g})")


def _path(found: Result) -> PenaltyPath:
    return found.path if isinstance(found, CrossValidation) else found


def _chosen(found: Result) -> dict[str, float]:
    if isinstance(found, PenaltyPath):
        return {}
    if found.lambda_min == found.lambda_1se:
        return {f"{_LEAST}, and {_WITHIN}": found.lambda_min}
    return {_LEAST: found.lambda_min, _WITHIN: found.lambda_1se}


def _kept(found: CrossValidation, strength: float) -> int:
    return int(found.path.n_nonzero[int(np.flatnonzero(found.path.strengths == strength)[0])])


def _slopes(path: PenaltyPath) -> int:
    return sum(name != "Intercept" for name in path.names)


def _coefficients(path: PenaltyPath, codebook: Codebook) -> pd.DataFrame:
    """A row a strength, a column a term under its label and per its step, without the intercept."""
    design = parse(path.formula, codebook, intercept=path.family != "cox")[1]
    steps, labels = design_steps(design, codebook), design_labels(design, codebook)
    slopes = [name for name in path.names if name != "Intercept"]
    frame = path.coef[slopes] * [steps[name] for name in slopes]
    return frame.set_axis([labels[name] for name in slopes], axis=1)


def _enters(along: "pd.Series[float]") -> str:
    inside = along.index[along != 0]
    return formats.precise(float(inside[0])) if len(inside) else formats.MISSING
