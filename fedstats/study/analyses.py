"""A study's analyses by name, each a function of a federation."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fedstats.contract.federation import Federation
from fedstats.methods.cox_regression import cox
from fedstats.methods.descriptives import table_one
from fedstats.methods.glm_regression import glm
from fedstats.methods.proportional_hazards import ProportionalHazardsTest, Transform, cox_zph
from fedstats.methods.survival_curve import kaplan_meier
from fedstats.study.study_file import StudyFile

Analysis = Callable[..., Any]


def analyses_of(content: StudyFile) -> dict[str, Analysis]:
    """What a study asks, in the order in which it is written; independent of each other."""
    found: dict[str, Analysis] = {}
    if (t := content.table_one) is not None:
        found["table_one"] = partial(table_one, by=t.by, variables=t.variables)
    for curve in content.curves:
        found[curve.name] = partial(kaplan_meier, formula=curve.formula, conf_type=curve.conf_type)
    for model in content.models:
        estimate: Analysis = cox if model.kind == "cox" else glm
        found[model.name] = partial(estimate, formula=model.formula, **model.options)
        if (transform := model.proportional_hazards) is not None:
            # the fit again, of answers that are there: a refusal of the one leaves the other
            found[model.test_name] = partial(_tested, fit=found[model.name], transform=transform)
    return found


def _tested(federation: Federation, fit: Analysis, transform: Transform) -> ProportionalHazardsTest:
    """The test of proportional hazards of a model of the study."""
    return cox_zph(federation, fit(federation), transform=transform)
