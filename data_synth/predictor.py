"""Add up stated effects of covariates."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_synth.assumptions import COURSE, Columns

REFERENCE = COURSE["reference"]
TOP_NLR = 25  # the published slope of the neutrophil-to-lymphocyte ratio holds up to here


def covariates(patients: Columns) -> Columns:
    """Return what effects are stated for: the patients' columns and those derived from them."""
    ecog, seats = patients["ecog"], patients["ses_q"]
    return patients | {
        "nlr": np.minimum(patients["nlr"], TOP_NLR),
        "hgb": patients["hemoglobin"],
        "tmb_log2": np.log2(patients["tmb"] + 1),
        "ecog3": np.array(["0", "1", "2+"])[np.minimum(ecog, 2)],
        "ecog2": ecog >= 2,
        "low_ses": seats <= 2,
        "kras_stk11": patients["kras"] & patients["stk11"],
    }


def linear_predictor(given: Columns, effects: dict[str, Any]) -> np.ndarray:
    """Add up effects.

    Parameters
    ----------
    given : dict of str to (n,) array
        What ``covariates`` returns, with ``regimen``.
    effects : dict
        Column to a slope (numbers count from ``reference`` of course.toml, flags from no), or to effects by level
        (0 for levels that are not named).

    Returns
    -------
    (n,) array
    """
    total = np.zeros(len(next(iter(given.values()))))
    for column, effect in effects.items():
        if isinstance(effect, dict):
            for level, size in effect.items():
                total += size * (given[column] == level)
        else:
            total += effect * (given[column] - REFERENCE.get(column, 0))
    return total
