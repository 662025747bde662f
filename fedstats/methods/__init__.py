"""Floor 2: one file a method; the site's half above, the coordinator's half below.

Importing the package registers every query: a site can answer whatever this version knows.
"""

from fedstats.methods import (
    cox_regression,
    cox_shared_baseline,
    cross_validation,
    descriptives,
    firth_correction,
    fitting,
    folds,
    follow_up,
    glm_model,
    glm_regression,
    group_effects,
    own_sums,
    patient_table,
    penalised_fit,
    penalised_path,
    proportional_hazards,
    risk_table,
    standardisation,
    standardised_curves,
    survival_curve,
)

__all__ = [
    "cox_regression",
    "cox_shared_baseline",
    "cross_validation",
    "descriptives",
    "firth_correction",
    "fitting",
    "folds",
    "follow_up",
    "glm_model",
    "glm_regression",
    "group_effects",
    "own_sums",
    "patient_table",
    "penalised_fit",
    "penalised_path",
    "proportional_hazards",
    "risk_table",
    "standardisation",
    "standardised_curves",
    "survival_curve",
]
