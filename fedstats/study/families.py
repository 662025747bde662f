"""Families of tests that a study names beforehand, with raw and adjusted p-values from its results."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse, parse_groups
from fedstats.methods.multiple_tests import COLUMNS, COMPARISONS, adjusted_p_values
from fedstats.numerics.multiplicity import adjusted
from fedstats.study.planned_tests import planned_tests
from fedstats.study.study_file import FamilySpec, FamilyTests, StudyFile

if TYPE_CHECKING:
    from fedstats.study.definition import Study


def check_family(family: FamilySpec, content: StudyFile, codebook: Codebook) -> None:
    """Models and curves that the study has, each test once in a family, with p-values, and terms that they have.

    Raises
    ------
    FormulaError
    """
    names = [asked.analysis for asked in family.tests]
    if len(set(names)) < len(names) or [f.name for f in content.families].count(family.name) > 1:
        raise FormulaError("a family, or a test within one, is named twice.")
    for asked in family.tests:
        if asked.curve is not None:
            _check_curve(asked, content, codebook)
        else:
            _check_model(asked, content, codebook)


def _check_model(asked: FamilyTests, content: StudyFile, codebook: Codebook) -> None:
    models = {model.name: model for model in content.models}
    model = models.get(asked.model or "")
    if model is None:
        raise FormulaError(f"there is no model {asked.model!r}; there are {', '.join(models)}.")
    if model.penalty is not None and model.penalty.kind in ("lasso", "elastic net"):
        raise FormulaError(f"{asked.model} has no p-values under its penalty.")
    if model.time_varying is None:  # these have a name a part of follow-up
        design = parse(model.formula, codebook, intercept=False)[1]
        _check_terms(asked, (*design.term_of_each, *design.names))


def _check_curve(asked: FamilyTests, content: StudyFile, codebook: Codebook) -> None:
    curves = {curve.name: curve for curve in content.curves}
    curve = curves.get(asked.curve or "")
    if curve is None:
        raise FormulaError(f"there is no curve {asked.curve!r}; there are {', '.join(curves) or 'none'}.")
    if not getattr(curve, str(asked.test)):
        raise FormulaError(f"the curve {curve.name} has no {asked.test}: ask for it there first.")
    group = parse_groups(curve.formula, codebook)[1]
    if group is None:
        raise FormulaError(f"{asked.analysis} compares groups, and {curve.formula!r} has none.")
    if asked.test in ("log_rank", "max_combo"):
        if asked.terms is not None:
            raise FormulaError(f"{asked.analysis} is one test: leave out terms.")
        return
    variable = codebook[group]
    groups = [variable.level_label(level) for level in variable.levels[1:]]
    _check_terms(asked, (*groups, *(("difference", "ratio") if asked.test == "restricted_mean" else ())))


def _check_terms(asked: FamilyTests, there: Sequence[str]) -> None:
    known = dict.fromkeys(there)
    if strange := [term for term in asked.terms or () if term not in known]:
        raise FormulaError(f"{asked.analysis} has no term {strange[0]!r}; it has {', '.join(known)}.")


def family_table(family: FamilySpec, results: Mapping[str, Any], study: "Study") -> pd.DataFrame:
    """Raw and adjusted p-values: family analysis term p_value p_adjusted method.

    What was not released, or not estimated, stands with p-values that are missing.  Each test that it would have had counts, with a p-value of
    one: what is missing makes no other test easier.
    """
    there = {
        asked.analysis: results[asked.analysis]
        for asked in family.tests
        if isinstance(results.get(asked.analysis), (Fit, *COMPARISONS))
    }
    terms = {asked.analysis: asked.terms for asked in family.tests if asked.terms and asked.analysis in there}
    lost = [
        {"analysis": asked.analysis, "term": term, "p_value": np.nan}
        for asked in family.tests
        if asked.analysis not in there
        for term in planned_tests(asked, study.models, study.curves, study.codebook, joint=family.joint)
    ]
    found = pd.DataFrame(columns=list(COLUMNS))
    if there:
        found = adjusted_p_values(there, terms=terms, method=family.method, joint=family.joint)
    frame = pd.DataFrame([*found.to_dict("records"), *lost], columns=list(COLUMNS))
    p = frame["p_value"].to_numpy(dtype=float)
    frame["p_adjusted"] = np.where(np.isnan(p), np.nan, adjusted(np.nan_to_num(p, nan=1.0), family.method))
    return frame.assign(family=family.name, method=family.method)
