"""The models of a study as its report shows them, one after the other."""

from collections.abc import Mapping
from html import escape
from typing import Any

from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.contract.periods import design_of
from fedstats.reporting.analysis_text import paragraph
from fedstats.reporting.effects import design_steps, effect_labels, effect_name, effects
from fedstats.reporting.families_view import adjusted_columns, family_parts
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.follow_up_view import follow_up_parts
from fedstats.reporting.hazards_view import constancy_table
from fedstats.reporting.model_text import effect_table, model_alt, model_title, sizes
from fedstats.reporting.plots import forest_plot
from fedstats.reporting.weights_view import weighted_tables, weights_parts
from fedstats.study.definition import Study
from fedstats.study.follow_ups import follow_ups
from fedstats.study.model_spec import ModelSpec


def model_parts(study: Study, found: Mapping[str, Any]) -> list[Any]:
    """Effects as forest plots and tables, with what was asked about each model; weights before the models that have them."""
    models = [part for spec in study.models for part in _model(spec, found, study)]
    return [*weights_parts(study, found), *models, *family_parts(study, found)]


def _model(spec: ModelSpec, found: Mapping[str, Any], study: Study) -> list[Any]:
    heading, fit, codebook = f"<h3>{escape(model_title(spec))}</h3>", found[spec.name], study.codebook
    besides = [
        part
        for asked in follow_ups(spec)
        if asked.name in found
        for part in follow_up_parts(spec, asked, found[asked.name], study)
    ]
    if not isinstance(fit, Fit):
        return [heading, fit, *besides]
    said = sizes(spec, fit, codebook)
    picture = [_forest(spec, fit, codebook)] if fit.has_std_errors else []
    adjusted = adjusted_columns(study, found, spec.name, fit.names)
    shown = effect_table(spec, fit, codebook, more=adjusted)
    changing = [constancy_table(spec, fit, codebook)] if fit.varying else []
    steps = design_steps(design_of(fit, codebook), codebook)
    beside = weighted_tables(spec, fit, effect_labels(fit, codebook), steps)
    return [heading, said, *picture, shown, *beside, *changing, *besides, paragraph(spec.note)]


def _forest(spec: ModelSpec, fit: Fit, codebook: Codebook) -> Picture:
    labels = effect_labels(fit, codebook)
    found = effects(fit, codebook)
    found = found[found["term"] != "Intercept"]
    return figure(
        forest_plot(
            found, effect=effect_name(fit, codebook), ratios=fit.is_ratio, labels=labels, level=fit.level
        ),
        alt=model_alt(fit, found, labels),
        caption=f"{spec.title}: {fit.effect.lower()}s with {fit.level:.0%} intervals.",
        data=found.assign(term=[labels[t] for t in found["term"]]),
    )
