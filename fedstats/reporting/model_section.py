"""The models of a study as its report shows them, one after the other."""

from collections.abc import Mapping
from html import escape
from typing import Any

from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.methods.proportional_hazards import ProportionalHazardsTest
from fedstats.reporting.analysis_text import paragraph
from fedstats.reporting.effects import effect_labels, effect_name, effects
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.hazards_view import constancy_table, hazards_table, hazards_title
from fedstats.reporting.model_text import effect_table, model_alt, model_title, sizes
from fedstats.reporting.plots import forest_plot
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec


def model_parts(study: Study, found: Mapping[str, Any]) -> list[Any]:
    """Effects as forest plots and tables, with what was asked about each model."""
    return [part for spec in study.models for part in _model(spec, found, study.codebook)]


def _model(spec: ModelSpec, found: Mapping[str, Any], codebook: Codebook) -> list[Any]:
    heading = f"<h3>{escape(model_title(spec))}</h3>"
    fit = found[spec.name]
    if not isinstance(fit, Fit):
        return [heading, fit]
    said = sizes(spec, fit, codebook)
    picture = [_forest(spec, fit, codebook)] if fit.has_std_errors else []
    shown = effect_table(spec, fit, codebook)
    changing = [constancy_table(spec, fit, codebook)] if fit.varying else []
    return [heading, said, *picture, shown, *changing, *_test(spec, found, codebook), paragraph(spec.note)]


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


def _test(spec: ModelSpec, results: Mapping[str, Any], codebook: Codebook) -> list[Any]:
    """Whether hazards are proportional, where the study asks; the rule where a site did not let it out."""
    found = results.get(spec.test_name)
    if found is None or isinstance(found, ProportionalHazardsTest):
        return [] if found is None else [hazards_table(spec, found, codebook)]
    return [paragraph(f"{hazards_title(spec)}."), found]
