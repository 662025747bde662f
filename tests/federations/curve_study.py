"""The small study with everything that may be worked out of the counts of a curve."""

import pandas as pd

from tests.federations.small_study import CODEBOOK, STUDY, tables

CURVES = (
    STUDY[: STUDY.index("[table_one]")].replace('profile = "none"', 'profile = "teaching"')
    + """
[[curves]]
name = "survival"
title = "Survival by sex"
formula = "Surv(time, status) ~ sex"
milestones = [6, 9, 12]
quantiles = [0.25, 0.5]
follow_up = true
restricted_mean = 18
log_rank = true
max_combo = true
period_hazard_ratios = { cuts = [12] }

[[curves]]
name = "later"
title = "Survival from 6 months on"
formula = "Surv(time, status) ~ sex"
landmark = 6
log_rank = { rho = 1, strata = "arm" }
max_combo = { weights = [[0, 0], [0, 1]], alternative = "greater" }
restricted_mean = 18

[[curves]]
name = "within"
title = "Survival by sex, within practices"
formula = "Surv(time, status) ~ sex"
log_rank = { strata = "practice" }
max_combo = { strata = "practice", weights = [[0, 0], [0, 1]] }

[[curves]]
name = "weighted"
title = "Survival by ECOG, weighted"
formula = "Surv(time, status) ~ ecog"
weights = "weight"
robust = true
restricted_mean = 12
milestones = [12]

[[incidences]]
name = "causes"
title = "Incidence of causes by sex"
formula = "Surv(time, cause) ~ sex"
milestones = [12]
"""
)
BOOK = (
    CODEBOOK.replace(
        "[grid]",
        '[columns.weight]\nkind = "numeric"\n[columns.arm]\nkind = "factor"\nlevels = ["A", "B"]\n[columns.cause]\nkind = "factor"\nlevels = ["none", "disease", "other"]\n[grid]',
    )
    .replace('levels = ["F", "M"]', 'levels = ["F", "M"]\nlabels = { F = "Female", M = "Male" }')
    .replace("horizon = 24", "horizon = 24\ncuts = [12]")
)

#: By name what each is asked of, and its key in study.toml.
NAMES = {
    **{
        f"survival_{key}": key
        for key in (
            "milestones", "quantiles", "follow_up", "restricted_mean", "log_rank", "max_combo", "period_hazard_ratios",
        )
    },
    **{f"later_{key}": key for key in ("restricted_mean", "log_rank", "max_combo")},
    **{f"weighted_{key}": key for key in ("milestones", "restricted_mean")},
    **{f"within_{key}": key for key in ("log_rank", "max_combo")},
    "causes_milestones": "milestones",
}  # fmt: skip


def patients(n: int = 900) -> dict[str, pd.DataFrame]:
    """Rows of three sites, with weights and causes that follow from the age."""
    found = {}
    for name, frame in tables(n).items():
        cause = frame["status"].map({0: "none", 1: "disease"}).where(frame["age"] % 1 < 0.7, "other")
        half = frame["age"].rank().to_numpy() % 2
        found[name] = frame.assign(
            arm=["A" if even else "B" for even in half],
            weight=0.5 + frame["age"] / 60,
            cause=cause.where(frame["status"] == 1, "none"),
        )
    return found
