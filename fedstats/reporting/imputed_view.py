"""A model on complete cases and on completed copies, side by side, as a report shows it."""

import numpy as np
import pandas as pd

from fedstats.contract.formula import parse
from fedstats.contract.pooled_fit import PooledFit
from fedstats.reporting import formats
from fedstats.reporting.effects import design_labels, design_steps
from fedstats.reporting.tables import Table, table
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec

METHOD = "Multiple imputation by chained equations, Rubin's rules"


def imputed_title(spec: ModelSpec) -> str:
    """Title of a model on completed copies."""
    return f"Completed copies: {spec.title}"


def imputed_table(spec: ModelSpec, found: PooledFit, study: Study) -> Table:
    """Ratios (or differences of means) per the step of each label, with the share of information that is missing."""
    _, design = parse(spec.formula, study.codebook, intercept=spec.has_intercept)
    labels, steps = design_labels(design, study.codebook), design_steps(design, study.codebook)
    tidy = found.tidy()
    tidy = tidy[tidy["term"] != "Intercept"].reset_index(drop=True)
    step = np.array([steps.get(term, 1.0) for term in tidy["term"]])
    scale = np.exp if found.is_ratio else np.asarray
    shown = {name: scale(tidy[name] * step) for name in ("estimate", "conf_low", "conf_high")}
    level = f"{100 * found.level:g} % interval"
    lines = pd.DataFrame(
        {
            "Term": [labels.get(term, term) for term in tidy["term"]],
            found.effect: [formats.estimate(value) for value in shown["estimate"]],
            level: [
                f"{formats.estimate(low)} to {formats.estimate(high)}"
                for low, high in zip(shown["conf_low"], shown["conf_high"], strict=True)
            ],
            "P": [formats.p_value(p) for p in tidy["p_value"]],
            "Missing information": [f"{100 * value:.0f} %" for value in tidy["missing_information"]],
        }
    )
    return table(lines, caption=imputed_title(spec), note=_note(found))


def _note(found: PooledFit) -> str:
    events = f", {formats.count(found.n_event)} events" if found.n_event else ""
    left = (
        f" {formats.count(found.dropped)} rows keep an empty cell and are left out." if found.dropped else ""
    )
    assumed = (
        f" Assumed: {found.assumption}."
        if found.assumption
        else " Values are taken to be missing at random, given the imputation models."
    )
    return (
        f"{found.m} completed copies of {formats.count(found.n)} patients{events}; the model above is of patients with complete rows.{left}{assumed} "
        f"Intervals are of Student's t (Barnard and Rubin). Status: {found.status}."
    )
