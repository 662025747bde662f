"""Ticks at round numbers: times that people count in, ratios that people remember."""

import math

import numpy as np

_STEPS = {
    "days": (7, 14, 30, 60, 90, 180, 365, 730),
    "weeks": (1, 2, 4, 8, 13, 26, 52, 104),
    "months": (1, 2, 3, 6, 12, 24, 36, 60, 120),
    "years": (0.25, 0.5, 1, 2, 5, 10),
}
_MOST_TICKS = 8


def time_ticks(end: float, unit: str) -> list[float]:
    """Ticks at times that people count in: 6 or 12 months, 30 or 90 days.

    Examples
    --------
    >>> time_ticks(31, "months")
    [0.0, 6.0, 12.0, 18.0, 24.0, 30.0]
    """
    known = _STEPS.get(unit, ())
    step = next((step for step in known if end / step <= _MOST_TICKS), None)
    if step is None or end / step < 2:
        power = 10.0 ** math.floor(math.log10(end / _MOST_TICKS))
        step = next(power * factor for factor in (1, 2, 5, 10) if end / (power * factor) <= _MOST_TICKS)
    return [float(step * i) for i in range(int(end / step + 1e-9) + 1)] if step < end else [0.0, float(end)]


def grid_ticks(edges: list[float], unit: str) -> list[float]:
    """Ticks at edges of a grid, at times that people count in where edges lie there.

    Parameters
    ----------
    edges : list of float
        In order, the first 0.
    unit : str

    Examples
    --------
    >>> grid_ticks([0, 3, 6, 9, 12, 15], "months"), grid_ticks([0, 30.5, 61, 91.5], "days")
    ([0.0, 3.0, 6.0, 9.0, 12.0, 15.0], [0.0, 30.5, 61.0, 91.5])
    """
    end, known = edges[-1], np.asarray(edges)
    for step in _STEPS.get(unit, ()):
        ticks = [float(step * i) for i in range(int(end / step + 1e-9) + 1)]
        if 2 < len(ticks) <= _MOST_TICKS + 1 and all(np.abs(known - tick).min() < 1e-9 for tick in ticks):
            return ticks
    every = next(n for n in (1, 2, 3, 4, 6, 12, len(edges)) if (len(edges) - 1) / n <= _MOST_TICKS)
    return [float(edge) for edge in edges[::every]]


def ratio_ticks(low: float, high: float) -> list[float]:
    """Three to eight round ratios between two limits.

    Examples
    --------
    >>> ratio_ticks(0.3, 4), ratio_ticks(0.82, 1.3)
    ([0.5, 1.0, 2.0], [0.9, 1.0, 1.1, 1.2, 1.3])
    """
    steps: tuple[tuple[float, ...], ...] = (
        (1,),
        (1, 2, 5),
        (1, 1.5, 2, 3, 4, 6, 8),
    )
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for step in steps:
        ticks = [float(f"{factor * 10.0**power:.6g}") for power in decades for factor in step]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= 3:
            return inside[:: math.ceil(len(inside) / 8)] if 1.0 not in inside else _around_one(inside)
    # of a narrow range even steps, or tenths would stand close on one side of 1 and far apart on the other
    inside = difference_ticks(low, high)
    return inside if len(inside) >= 3 else [float(f"{tick:.3g}") for tick in np.geomspace(low, high, 5)[1:-1]]


def difference_ticks(low: float, high: float) -> list[float]:
    """Three to eight round differences between two limits, zero among them.

    Examples
    --------
    >>> difference_ticks(-0.7, 1.2), difference_ticks(-3000, 12000)
    ([-0.5, 0.0, 0.5, 1.0], [-2000.0, 0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10000.0, 12000.0])
    """
    power = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= _MOST_TICKS)
    return [
        float(f"{step * i:.12g}") for i in range(math.ceil(low / step - 1e-9), int(high / step + 1e-9) + 1)
    ]


def _around_one(ticks: list[float]) -> list[float]:
    """Thin out ticks so that 1, the ratio of no effect, stays."""
    every, one = math.ceil(len(ticks) / 8), ticks.index(1.0)
    return ticks[one % every :: every]
