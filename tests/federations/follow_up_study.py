"""The small study with everything that may be asked of a model besides its fit."""

from tests.federations.small_study import STUDY

FOLLOW_UPS = (
    STUDY[: STUDY.index("[table_one]")]
    + """
[[models]]
name = "by_practice"
title = "Response within practices"
kind = "logistic"
formula = "response ~ age + sex"
intercepts = "practice"
profile = ["age"]

[[models]]
name = "response"
title = "Response"
kind = "logistic"
formula = "response ~ age + sex + ecog"
profile = ["age"]
standardised_risks = [{ column = "ecog" }, { column = "age", values = [50, 70] }]
marginal_effects = ["age", "ecog"]
penalty_path = { n_strengths = 4, folds = 2 }

[[models]]
name = "survival"
title = "Survival"
kind = "cox"
formula = "Surv(time, status) ~ age + sex"
baseline_hazard = true
heterogeneity = [{ term = "sex", by = "practice" }]
[models.predicted_survival]
"Woman of 50" = { age = 50, sex = "F" }
"Man of 70" = { age = 70, sex = "M" }

[[models]]
name = "survival_shared"
title = "The same formula, one baseline"
kind = "cox"
formula = "Surv(time, status) ~ age + sex"
baseline = "shared"

[[models]]
name = "shared"
title = "Survival, one baseline"
kind = "cox"
formula = "Surv(time, status) ~ age + ecog"
strata = "sex"
baseline = "shared"
predicted_survival = { "ECOG 2 or more" = { age = 60, ecog = "2+" } }
penalty_path = { n_strengths = 3, mixing = 0.5 }
standardised_survival = [{ column = "ecog" }]

[[families]]
name = "Effects of sex"
method = "holm"
tests = [{ model = "survival", terms = ["sex"] }, { model = "response", terms = ["sex"] }, { model = "shared" }]
"""
)

#: By name what each is asked of, and its key in study.toml.
NAMES = {
    "response_standardised_ecog": ("response", "standardised_risks"),
    "response_standardised_age": ("response", "standardised_risks"),
    "response_marginal_effects": ("response", "marginal_effects"),
    "response_penalty_path": ("response", "penalty_path"),
    "survival_predicted_survival": ("survival", "predicted_survival"),
    "survival_baseline_hazard": ("survival", "baseline_hazard"),
    "shared_predicted_survival": ("shared", "predicted_survival"),
    "shared_penalty_path": ("shared", "penalty_path"),
    "survival_heterogeneity_sex_practice": ("survival", "heterogeneity"),
    "shared_standardised_survival_ecog": ("shared", "standardised_survival"),
}
