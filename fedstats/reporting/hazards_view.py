"""Whether hazard ratios change with time, as a report shows it."""

import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.methods.proportional_hazards import ProportionalHazardsTest
from fedstats.reporting import formats
from fedstats.reporting.tables import Table, table
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec

#: Along what a change of an effect was looked for.
_ALONG = {
    "identity": "time",
    "log": "the logarithm of time",
    "km": "one minus the Kaplan–Meier curve of all patients",
    "rank": "the rank of a patient's end of follow-up",
}


def hazards_title(spec: ModelSpec) -> str:
    """Title of the test of proportional hazards of a model."""
    return f"Proportional hazards: {spec.title}"


def hazards_table(spec: ModelSpec, found: ProportionalHazardsTest, study: Study) -> Table:
    """The test of proportional hazards, term by term, with one sentence how to read it."""
    note = (
        f"A small p says that the hazard ratio of a term changes along {_ALONG[found.transform]}, so that the one above "
        "is an average over follow-up; a large p says that these data show no such change, not that there is none. "
        f"Score test of Grambsch and Therneau. Status: {found.status}."
    )
    if found.status != "exact":
        note += " Time was followed in steps as wide as the cells: changes within one are not seen."
    return _table(found.table, study.codebook, hazards_title(spec), note)


def constancy_table(spec: ModelSpec, fit: Fit, codebook: Codebook) -> Table:
    """Tests that effects which may change do not, term by term."""
    note = (
        "A small p says that the hazard ratio of a term is not the same in all periods; a large p says that these data show "
        f"no change, not that there is none. Wald test. Status: {fit.status}."
    )
    return _table(fit.constancy_tests(), codebook, f"Change with time: {spec.title}", note)


def _table(tests: pd.DataFrame, codebook: Codebook, caption: str, note: str) -> Table:
    frame = pd.DataFrame(
        {
            "term": [_term_words(term, codebook) for term in tests["term"]],
            "statistic": [formats.estimate(value) for value in tests["statistic"]],
            "df": [formats.count(df) for df in tests["df"]],
            "p_value": [formats.p_value(p) for p in tests["p_value"]],
        }
    )
    return table(frame, caption=caption, note=note, labels={"statistic": "χ²", "p_value": "P"})


def _term_words(term: str, codebook: Codebook) -> str:
    """A term by the labels of its columns; a function as it was written."""
    if term == "GLOBAL":
        return "All terms together"
    columns = [part.removeprefix("C(").removesuffix(")") for part in term.split(":")]
    if not all(column in codebook for column in columns):
        return term
    return " × ".join(codebook[column].label or column for column in columns)
