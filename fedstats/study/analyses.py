"""A study's analyses by name, each a function of a federation."""

from functools import partial

from fedstats.methods.missing_data import missingness
from fedstats.methods.patient_table import table_one
from fedstats.study.curve_follow_ups import curve_follow_ups, curve_of, incidence_follow_ups, incidence_of
from fedstats.study.follow_ups import Analysis, estimate_of, follow_ups
from fedstats.study.study_file import StudyFile
from fedstats.study.weights_spec import weights_analyses


def analyses_of(content: StudyFile, *, of_one_site: bool = False) -> dict[str, Analysis]:
    """What a study asks, in the order in which it is written; independent of each other.

    ``of_one_site`` leaves out what compares sites.
    """
    found: dict[str, Analysis] = {}
    if (t := content.table_one) is not None:
        found["table_one"] = partial(table_one, by=t.by, variables=t.variables, p_values=t.p_values)
    if (profile := content.missingness) is not None:
        found["missingness"] = partial(missingness, variables=profile.variables, by=profile.by)
    for curve in content.curves:
        found[curve.name] = curve_of(curve)
        found |= {asked.name: asked.analysis for asked in curve_follow_ups(curve)}
    for incidence in content.incidences:
        found[incidence.name] = incidence_of(incidence)
        found |= {asked.name: asked.analysis for asked in incidence_follow_ups(incidence)}
    for name, weights in content.weights.items():
        found |= {asked.name: asked.analysis for asked in weights_analyses(name, weights)}
    for model in content.models:
        found[model.name] = estimate_of(model)
        asked_too = [asked for asked in follow_ups(model) if not (of_one_site and asked.between_sites)]
        found |= {asked.name: asked.analysis for asked in asked_too}
    return found
