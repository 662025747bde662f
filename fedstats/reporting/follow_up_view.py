"""What was asked of a model besides its fit, as a report shows it: title, method, figures and table of each."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from fedstats.contract.effect_results import MarginalEffects, StandardisedRisks
from fedstats.contract.heterogeneity_results import Heterogeneity
from fedstats.contract.penalty_results import CrossValidation, PenaltyPath
from fedstats.contract.pooled_fit import PooledFit
from fedstats.contract.results import PredictedSurvival
from fedstats.contract.standardised_curves import StandardisedSurvival
from fedstats.methods.proportional_hazards import ProportionalHazardsTest
from fedstats.reporting.analysis_text import paragraph
from fedstats.reporting.curves_view import METHOD, curves_pictures, curves_table, curves_title
from fedstats.reporting.figures import Picture
from fedstats.reporting.hazards_view import hazards_table, hazards_title
from fedstats.reporting.heterogeneity_view import (
    heterogeneity_method,
    heterogeneity_pictures,
    heterogeneity_table,
    heterogeneity_title,
)
from fedstats.reporting.imputed_view import METHOD as OF_COPIES
from fedstats.reporting.imputed_view import imputed_table, imputed_title
from fedstats.reporting.path_view import path_method, path_pictures, path_table, path_title, path_words
from fedstats.reporting.prediction_view import (
    hazard_pictures,
    hazard_table,
    hazard_title,
    predicted_pictures,
    predicted_table,
    predicted_title,
)
from fedstats.reporting.standardised_view import (
    effects_title,
    marginal_pictures,
    marginal_table,
    standardised_pictures,
    standardised_table,
    standardised_title,
)
from fedstats.reporting.tables import Table
from fedstats.study.definition import Study
from fedstats.study.follow_ups import FollowUp
from fedstats.study.model_spec import ModelSpec


@dataclass(frozen=True)
class View:
    """How one kind of follow-up is shown.

    Attributes
    ----------
    kinds : tuple of type         of its results
    title : callable              of model, follow-up and study
    method : callable             of the model: how it is worked out, in words
    table, pictures : callable    of model, result and study
    words : callable              the same, for what needs saying before the figures
    """

    kinds: tuple[type, ...]
    title: Callable[[ModelSpec, FollowUp, Study], str]
    method: Callable[[ModelSpec], str]
    table: Callable[[ModelSpec, Any, Study], Table]
    pictures: Callable[[ModelSpec, Any, Study], list[Picture]] = lambda *_: []
    words: Callable[[ModelSpec, Any, Study], str] = lambda *_: ""


def title_of(spec: ModelSpec, asked: FollowUp, study: Study) -> str:
    """Title of a follow-up."""
    return _VIEWS[asked.key].title(spec, asked, study)


def method_of(spec: ModelSpec, asked: FollowUp) -> str:
    """How a follow-up is worked out, in words."""
    return _VIEWS[asked.key].method(spec)


def follow_up_parts(spec: ModelSpec, asked: FollowUp, found: Any, study: Study) -> list[Any]:
    """Words, figures and table; the rule where a site did not let it out."""
    view = _VIEWS[asked.key]
    if not isinstance(found, view.kinds):
        return [paragraph(f"{title_of(spec, asked, study)}."), found]
    said, pictures = view.words(spec, found, study), view.pictures(spec, found, study)
    heading = [f"<h4>{escape(title_of(spec, asked, study).partition(':')[0])}</h4>"] if pictures else []
    return [*heading, paragraph(said), *pictures, view.table(spec, found, study)]


def follow_up_tables(spec: ModelSpec, asked: FollowUp, found: Any, study: Study) -> list[Table]:
    """The table alone; nothing where there is no result."""
    view = _VIEWS[asked.key]
    return [view.table(spec, found, study)] if isinstance(found, view.kinds) else []


_VIEWS = {
    "imputed": View((PooledFit,), lambda spec, *_: imputed_title(spec), lambda _: OF_COPIES, imputed_table),
    "heterogeneity": View(
        (Heterogeneity,),
        lambda spec, asked, study: heterogeneity_title(spec, asked.column, study),
        heterogeneity_method,
        heterogeneity_table,
        heterogeneity_pictures,
    ),
    "standardised_survival": View(
        (StandardisedSurvival,),
        lambda spec, asked, study: curves_title(spec, asked.column, study),
        lambda _: METHOD,
        curves_table,
        curves_pictures,
    ),
    "proportional_hazards": View(
        (ProportionalHazardsTest,),
        lambda spec, *_: hazards_title(spec),
        lambda spec: f"Score test of Grambsch and Therneau ({spec.proportional_hazards})",
        hazards_table,
    ),
    "standardised_risks": View(
        (StandardisedRisks,),
        lambda spec, asked, study: standardised_title(spec, asked.column, study),
        lambda _: "Standardisation (g-formula), delta method",
        standardised_table,
        standardised_pictures,
    ),
    "marginal_effects": View(
        (MarginalEffects,),
        lambda spec, *_: effects_title(spec),
        lambda _: "Average marginal effects, delta method",
        marginal_table,
        marginal_pictures,
    ),
    "predicted_survival": View(
        (PredictedSurvival,),
        lambda spec, *_: predicted_title(spec),
        lambda _: "Survival that the Cox model predicts, for named patients",
        predicted_table,
        predicted_pictures,
    ),
    "baseline_hazard": View(
        (PredictedSurvival,),
        lambda spec, *_: hazard_title(spec),
        lambda spec: f"Cumulative baseline hazard of the Cox model ({spec.ties.capitalize()})",
        hazard_table,
        hazard_pictures,
    ),
    "penalty_path": View(
        (PenaltyPath, CrossValidation),
        lambda spec, *_: path_title(spec),
        path_method,
        path_table,
        path_pictures,
        path_words,
    ),
}
