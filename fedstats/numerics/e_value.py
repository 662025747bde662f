"""E-values: how strong unmeasured confounding would have to be (VanderWeele & Ding 2017)."""

from typing import Literal

import numpy as np

Measure = Literal["RR", "OR", "HR"]


def as_risk_ratio(ratio: float, measure: Measure, *, rare: bool) -> float:
    """A ratio as one of risks: itself where the outcome is rare, else by the approximations of the paper's Table 2."""
    if measure == "RR" or rare:
        return ratio
    if measure == "OR":
        return float(np.sqrt(ratio))
    return float(-np.expm1(np.sqrt(ratio) * np.log(0.5)) / -np.expm1(np.sqrt(1 / ratio) * np.log(0.5)))


def e_value_of(risk_ratio: float) -> float:
    """RR + sqrt(RR (RR - 1)) of a ratio above one, or of its inverse."""
    above = max(risk_ratio, 1.0 / risk_ratio)
    return float(above + np.sqrt(above * (above - 1.0)))


def e_value_of_limit(risk_ratio: float, low: float, high: float) -> float:
    """Of the end of an interval that is nearer to one; 1 where it holds one."""
    if low <= 1.0 <= high:
        return 1.0
    return e_value_of(low if risk_ratio > 1.0 else high)
