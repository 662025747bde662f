"""Families of tests as a report shows them: every p-value of a family, raw and adjusted."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fedstats.contract.fit import Fit
from fedstats.reporting import formats
from fedstats.reporting.effects import effect_labels
from fedstats.reporting.tables import Table, table
from fedstats.study.definition import Study
from fedstats.study.families import family_table
from fedstats.study.study_file import FamilySpec

METHODS = {
    "holm": "Holm",
    "hochberg": "Hochberg",
    "bonferroni": "Bonferroni",
    "BH": "Benjamini–Hochberg",
    "BY": "Benjamini–Yekutieli",
}
_KEEPS = {
    "BH": "the expected share of false findings among those below a limit",
    "BY": "the expected share of false findings among those below a limit, however tests depend on each other",
}


def family_parts(study: Study, found: Mapping[str, Any]) -> list[Table]:
    """A table a family."""
    return [_family(family, found, study) for family in study.families]


def adjusted_columns(
    study: Study, found: Mapping[str, Any], model: str, terms: Sequence[str]
) -> dict[str, list[str]]:
    """Of a model's coefficients their p-values as each family adjusts them, under a heading that names it; a dash: not in the family."""
    columns = {}
    for family in study.families:
        if family.joint or model not in {asked.analysis for asked in family.tests}:
            continue
        rows = family_table(family, found, study)
        own = rows[rows["analysis"] == model].set_index("term")["p_adjusted"]
        columns[f"p, {METHODS[family.method]} ({family.name})"] = [
            formats.p_value(own[term]) if term in own.index else formats.MISSING for term in terms
        ]
    return columns


def _family(family: FamilySpec, found: Mapping[str, Any], study: Study) -> Table:
    rows = family_table(family, found, study)
    titles = {model.name: model.title for model in study.models}
    titles |= {
        asked.analysis: curve.title
        for asked in family.tests
        for curve in study.curves
        if curve.name == asked.curve
    }
    labels = {
        name: effect_labels(result, study.codebook)
        for name, result in found.items()
        if isinstance(result, Fit)
    }
    frame = pd.DataFrame(
        {
            "Analysis": [titles[name] for name in rows["analysis"]],
            "Test": [
                labels.get(name, {}).get(term, term) or formats.MISSING
                for name, term in zip(rows["analysis"], rows["term"], strict=True)
            ],
            "p": [formats.p_value(p) for p in rows["p_value"]],
            "p, adjusted": [formats.p_value(p) for p in rows["p_adjusted"]],
        }
    )
    keeps = _KEEPS.get(family.method, "the chance of any false finding in the family")
    note = f"{len(frame)} tests, adjusted by {METHODS[family.method]}: kept is {keeps}."
    if rows["p_value"].isna().any():
        note += " A dash: not released or not estimated; it counts as a test with p = 1."
    return table(frame, caption=f"Family of tests: {family.name}", note=note)
