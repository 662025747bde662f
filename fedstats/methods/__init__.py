"""Floor 2: one file a method; the site's half above, the coordinator's half below.

Importing the package registers every query: a site can answer whatever this version knows.
"""

from fedstats.methods import (
    covariate_balance,
    cox_regression,
    cox_shared_baseline,
    cross_validation,
    descriptives,
    doubly_robust,
    firth_correction,
    fitting,
    folds,
    follow_up,
    glm_model,
    glm_regression,
    penalised_fit,
    penalised_path,
    propensity,
    proportional_hazards,
    stacked_equations,
    standardisation,
    survival_curve,
    weighted_arms,
)

__all__ = [
    "covariate_balance",
    "cox_regression",
    "cox_shared_baseline",
    "cross_validation",
    "descriptives",
    "doubly_robust",
    "firth_correction",
    "fitting",
    "folds",
    "follow_up",
    "glm_model",
    "glm_regression",
    "penalised_fit",
    "penalised_path",
    "propensity",
    "proportional_hazards",
    "stacked_equations",
    "standardisation",
    "survival_curve",
    "weighted_arms",
]
