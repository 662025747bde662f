"""A study's analyses by name, each a function of a federation."""

from functools import partial

from fedstats.methods.descriptives import table_one
from fedstats.methods.survival_curve import kaplan_meier
from fedstats.study.follow_ups import Analysis, estimate_of, follow_ups
from fedstats.study.study_file import StudyFile
from fedstats.study.weights_spec import weights_analyses


def analyses_of(content: StudyFile) -> dict[str, Analysis]:
    """What a study asks, in the order in which it is written; independent of each other."""
    found: dict[str, Analysis] = {}
    if (t := content.table_one) is not None:
        found["table_one"] = partial(table_one, by=t.by, variables=t.variables)
    for curve in content.curves:
        found[curve.name] = partial(kaplan_meier, formula=curve.formula, conf_type=curve.conf_type)
    for name, weights in content.weights.items():
        found |= {asked.name: asked.analysis for asked in weights_analyses(name, weights)}
    for model in content.models:
        found[model.name] = estimate_of(model)
        found |= {asked.name: asked.analysis for asked in follow_ups(model)}
    return found
