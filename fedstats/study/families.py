"""Families of tests that a study names beforehand, with raw and adjusted p-values from its results."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse
from fedstats.methods.multiple_tests import COLUMNS, adjusted_p_values
from fedstats.numerics.multiplicity import adjusted
from fedstats.study.study_file import FamilySpec, StudyFile


def check_family(family: FamilySpec, content: StudyFile, codebook: Codebook) -> None:
    """Models that the study has, each once in a family, with p-values, and terms that they have.

    Raises
    ------
    FormulaError
    """
    models = {model.name: model for model in content.models}
    names = [asked.model for asked in family.tests]
    if len(set(names)) < len(names) or [f.name for f in content.families].count(family.name) > 1:
        raise FormulaError("a family, and a model within one, is named twice.")
    for asked in family.tests:
        if asked.model not in models:
            raise FormulaError(f"there is no model {asked.model!r}; there are {', '.join(models)}.")
        penalty = models[asked.model].penalty
        if penalty is not None and penalty.kind in ("lasso", "elastic net"):
            raise FormulaError(f"{asked.model} has no p-values under its penalty.")
        if models[asked.model].time_varying is None:  # these have a name a part of follow-up
            design = parse(models[asked.model].formula, codebook, intercept=False)[1]
            known = dict.fromkeys((*design.term_of_each, *design.names))
            if strange := [term for term in asked.terms or () if term not in known]:
                raise FormulaError(f"{asked.model} has no term {strange[0]!r}; it has {', '.join(known)}.")


def family_table(family: FamilySpec, results: Mapping[str, Any]) -> pd.DataFrame:
    """Raw and adjusted p-values: family analysis term p_value p_adjusted method.

    A model that was not released, or not estimated, stands with p-values that are missing.  Each of the terms named of it (one test, where none are)
    counts as a test with a p-value of one: what is missing makes no other test easier.
    """
    fits = {
        asked.model: results[asked.model]
        for asked in family.tests
        if isinstance(results.get(asked.model), Fit)
    }
    terms = {asked.model: asked.terms for asked in family.tests if asked.terms and asked.model in fits}
    lost = [
        {"analysis": asked.model, "term": term, "p_value": np.nan}
        for asked in family.tests
        if asked.model not in fits
        for term in asked.terms or ("",)
    ]
    found = pd.DataFrame(columns=list(COLUMNS))
    if fits:
        found = adjusted_p_values(fits, terms=terms, method=family.method, joint=family.joint)
    frame = pd.DataFrame([*found.to_dict("records"), *lost], columns=list(COLUMNS))
    p = frame["p_value"].to_numpy(dtype=float)
    frame["p_adjusted"] = np.where(np.isnan(p), np.nan, adjusted(np.nan_to_num(p, nan=1.0), family.method))
    return frame.assign(family=family.name, method=family.method)
