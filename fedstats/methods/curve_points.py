"""Milestones and quantiles of a curve as results of their own, which a study asks for."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import pandas as pd

from fedstats.contract.curve import Curve
from fedstats.contract.survival_results import CountedResult, CumulativeIncidence, CurvePoints


def milestones(curve: Curve | CumulativeIncidence, times: Iterable[float]) -> CurvePoints:
    """Survival, or incidences, at given times: see :meth:`fedstats.Curve.at`."""
    return _points(curve, curve.at(times))


def quantiles(curve: Curve, probabilities: Iterable[float]) -> CurvePoints:
    """Times by which so many have had the event: see :meth:`fedstats.Curve.quantiles`."""
    return _points(curve, curve.quantiles(probabilities))


def _points(curve: Curve | CumulativeIncidence, frame: pd.DataFrame) -> CurvePoints:
    known: dict[str, Any] = {f.name: getattr(curve, f.name) for f in fields(CountedResult)}
    return CurvePoints(**known | {"frame": frame}, level=curve.level)
