"""Which field of a policy each rule is judged by, and how: one line a rule."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Rule

if TYPE_CHECKING:
    from fedstats.contract.disclosure import DisclosurePolicy

#: Nobody, or at least so many patients.
ZERO_OR_AT_LEAST: dict[Rule, str] = {
    "entry": "min_patients",
    "level": "min_patients",
    "level by outcome": "min_patients",
    "pair of levels": "min_pair",
    "joint cell of levels": "min_joint_cell",
    "patients of one predictor": "min_pair",
    "leavers of a time cell": "min_leavers",
    "events of a time cell": "min_leavers",
    "events in their order": "min_in_order",
    "dropped rows": "min_difference",
    "complement of the subset": "min_difference",
    "difference between cohorts": "min_difference",
    "level of a difference": "min_level_difference",
    "effective size of a level": "min_effective_level",
}
#: At least so much; nothing is too little as well.
AT_LEAST: dict[Rule, str] = {
    "patients": "min_model_patients",
    "patients of the subset": "min_patients",
    "effective sample size": "min_effective",
}
AT_MOST: dict[Rule, str] = {
    "parameters per event": "max_parameters_per_event",
    "size of coefficients": "max_coefficient",
    "number of coefficients": "max_points",
    "numbers of a model": "max_numbers_per_patient",
    "number of refusals": "max_refusals",
    "points of a difference": "max_sums_per_value",
    "dominance": "max_top_share",
    "dominance of two": "max_top_two_share",
}
#: Permitted or not, whatever the count; with the words of what would do instead.
PERMITTED: dict[Rule, tuple[str, str]] = {
    "distinct values": ("distinct_values", "an agreed grid or agreed edges"),
    "agreed grid": ("distinct_values", "an agreed grid or agreed edges"),
    "per-site estimate": ("per_site_estimates", "permission for per-site estimates"),
    "bounded model": ("bounded_models", "a model with a likelihood at every coefficient"),
    "analysis of the study": ("beyond_study", "a question that one of the study's analyses asks"),
}
#: Judged by the site before anything is computed: see :meth:`DisclosurePolicy.answers`.
BEFORE: tuple[Rule, ...] = ("kind of question",)


def threshold(
    policy: "DisclosurePolicy", rule: Rule, counts: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], str, bool]:
    """Which counts pass (what is no number never does), what is needed in words, whether small counts are worse."""
    if rule in ZERO_OR_AT_LEAST:
        k = getattr(policy, ZERO_OR_AT_LEAST[rule])
        return (counts == 0) | (counts >= k), f"0 or at least {k:g}", True
    if rule in AT_LEAST:
        k = getattr(policy, AT_LEAST[rule])
        return counts >= k, f"at least {k:g}", True
    if rule in AT_MOST:
        k = getattr(policy, AT_MOST[rule])
        return counts <= k, f"at most {k:g}", False
    if rule in BEFORE:
        return np.ones(counts.shape, dtype=bool), "a kind of question that the site answers", True
    field, words = PERMITTED[rule]
    return np.full(counts.shape, getattr(policy, field)), words, True
