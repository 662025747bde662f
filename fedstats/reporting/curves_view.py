"""Standardised survival as a report shows it: a curve for each value of a column, and their differences."""

import numpy as np
import pandas as pd

from fedstats.contract.formula import parse
from fedstats.contract.standardised_curves import StandardisedSurvival
from fedstats.contract.variable import Variable
from fedstats.reporting import formats
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.plots import survival_plot
from fedstats.reporting.tables import Table, table
from fedstats.reporting.ticks import grid_ticks, time_ticks
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec

_MOST_TIMES = 4
_POINTS = 100  # differences are printed in percentage points
METHOD = "Standardised survival (g-computation), delta method"


def curves_title(spec: ModelSpec, column: str, study: Study) -> str:
    """Title of what is standardised by a column."""
    return f"Standardised survival by {_name(study.codebook[column])}: {spec.title}"


def curves_table(spec: ModelSpec, found: StandardisedSurvival, study: Study) -> Table:
    """A line a value and time: survival, and the difference to the first value."""
    variable, unit = study.codebook[found.column], _unit(spec, study)
    parts = dict(list(found.contrasts.groupby("contrast", sort=False)))
    apart: list[pd.DataFrame | None] = [None, *parts.values()]
    rows = []
    for (value, part), contrast in zip(found.frame.groupby("value", sort=False), apart, strict=True):
        for time in _times(found.frame, unit):
            at = _at(part, time)
            ends = (at["estimate"], at["conf_low"], at["conf_high"])
            beyond = formats.MISSING
            if contrast is not None:
                beyond = formats.interval(
                    *(_at(contrast, time)[["estimate", "conf_low", "conf_high"]] * _POINTS)
                )
            rows.append(
                {
                    _name(variable): _value(variable, str(value), study),
                    f"Time ({unit})": formats.precise(time),
                    f"Survival ({found.level:.0%} interval)": formats.percent_interval(*ends, 0),
                    "Difference, percentage points": beyond,
                }
            )
    note = (
        f"What the model expects on average of all its patients, were {_name(variable)} the same for each of them and all else as it "
        f"is. Intervals by the delta method, for the patients at hand. Status: {found.status}. A difference is what {_name(variable)} does only as "
        "far as hazards are proportional and the model holds all that both it and survival depend on."
    )
    frame = pd.DataFrame(rows)
    return table(frame, caption=curves_title(spec, found.column, study), note=note, groups=_name(variable))


def curves_pictures(spec: ModelSpec, found: StandardisedSurvival, study: Study) -> list[Picture]:
    """All curves in one figure."""
    variable, unit = study.codebook[found.column], _unit(spec, study)
    shown = found.frame.assign(group=[_value(variable, str(v), study) for v in found.frame["value"]])
    time = _times(found.frame, unit)[-1]
    ends = [(name, _at(part, time)["estimate"]) for name, part in shown.groupby("group", sort=False)]
    said = "; ".join(f"{name} {formats.percent(value)}" for name, value in ends)
    title = curves_title(spec, found.column, study)
    picture = figure(
        survival_plot(shown, unit=unit, risk_table=False, outcome="Standardised survival"),
        alt=f"Standardised survival curves. At {formats.precise(time)} {unit}: {said}.",
        caption=f"{title}, with {found.level:.0%} intervals ({found.status}).",
        data=shown.drop(columns="value"),
    )
    return [picture]


def _times(frame: pd.DataFrame, unit: str) -> list[float]:
    """A few times that people count in, at edges where there is a grid."""
    times = sorted({0.0, *frame["time"].astype(float)})
    ticks = grid_ticks(times, unit) if len(times) <= 60 else time_ticks(times[-1], unit)
    after = [tick for tick in ticks if tick > 0]
    every = -(-len(after) // _MOST_TIMES)
    return after[every - 1 :: every]


def _at(rows: pd.DataFrame, time: float) -> "pd.Series[float]":
    return rows[rows["time"] <= time + 1e-9].iloc[-1]


def _unit(spec: ModelSpec, study: Study) -> str:
    time = parse(spec.formula, study.codebook, intercept=False)[0].time
    grid = study.codebook.grid
    return study.codebook[str(time)].unit or (grid.unit if grid else "") or "time"


def _name(variable: Variable) -> str:
    return variable.label or variable.name


def _value(variable: Variable, value: str, study: Study) -> str:
    if variable.of_site:
        return study.site_title(value)
    if variable.levels:
        return variable.level_label(value)
    return f"{formats.precise(float(np.float64(value)))} {variable.unit}".rstrip()
