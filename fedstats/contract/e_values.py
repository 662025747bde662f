"""E-values of estimates and of tables of them: see :mod:`fedstats.numerics.e_value`."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from fedstats.contract.values import check_choice, check_flag, is_number
from fedstats.numerics.e_value import Measure, as_risk_ratio, e_value_of, e_value_of_limit


def e_value(
    estimate: float,
    conf_low: float | None = None,
    conf_high: float | None = None,
    *,
    measure: Measure = "RR",
    rare: bool = False,
) -> tuple[float, float]:
    """The E-value of a ratio and of the end of its interval that is nearer to one.

    Parameters
    ----------
    estimate : float
        Above zero.
    conf_low, conf_high : float, optional
        Ends of its interval; without them the second number is missing.
    measure : {"RR", "OR", "HR"}
        A ratio of risks (or rates), odds or hazards.
    rare : bool
        Whether fewer than some 15 % have the outcome: odds and hazard ratios are those of risks then.

    Returns
    -------
    float, float
        An unmeasured confounder would have to go with both treatment and outcome by a risk ratio of so much each, beyond
        what was measured, to explain the estimate away (the first), or to move the interval to one (the second).

    Raises
    ------
    ValueError

    Notes
    -----
    VanderWeele & Ding (2017), Ann Intern Med 167:268.

    Examples
    --------
    >>> tuple(round(v, 2) for v in e_value(3.9, 1.8, 8.7))
    (7.26, 3.0)
    """
    check_choice("measure", measure, get_args(Measure))
    check_flag("rare", rare)
    ends = [end for end in (conf_low, conf_high) if end is not None]
    given: tuple[Any, ...] = (estimate, *ends)
    if len(ends) == 1 or not all(is_number(v) and v > 0 for v in given):
        raise ValueError(
            "An E-value is that of a ratio above zero, with both ends of its interval or with none."
        )
    if ends and not ends[0] <= estimate <= ends[1]:
        raise ValueError("The estimate lies outside its interval; give conf_low, then conf_high.")
    ratio, *limits = (as_risk_ratio(float(v), measure, rare=rare) for v in (estimate, *ends))
    return e_value_of(ratio), e_value_of_limit(ratio, *limits) if limits else float("nan")


def e_value_table(table: pd.DataFrame, measure: Measure, *, rare: bool) -> pd.DataFrame:
    """E-values of a table of ratios with their intervals, one row each, the intercept left out."""
    kept = table[table["term"] != "Intercept"][["term", "estimate", "conf_low", "conf_high"]]
    ratios: Sequence[Sequence[float]] = kept[["estimate", "conf_low", "conf_high"]].to_numpy(float).tolist()
    found = [_of(*ratio, measure=measure, rare=rare) for ratio in ratios]
    return kept.assign(
        e_value=[value for value, _ in found], e_value_limit=[limit for _, limit in found]
    ).reset_index(drop=True)


def _of(estimate: float, low: float, high: float, *, measure: Measure, rare: bool) -> tuple[float, float]:
    """Without an interval (of a lasso) that of the estimate alone."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return e_value(estimate, measure=measure, rare=rare)
    return e_value(estimate, low, high, measure=measure, rare=rare)
