"""Predicted survival and baseline hazards as a report shows them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from fedstats.contract.condition import level_name
from fedstats.contract.formula import parse
from fedstats.contract.results import PredictedSurvival
from fedstats.reporting import formats
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.plots import hazard_plot, survival_plot
from fedstats.reporting.tables import Table, table
from fedstats.reporting.ticks import grid_ticks, time_ticks
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec

#: Baseline hazards that have a figure each; of more the tables tell.
MOST_FIGURES = 6
_MOST_TIMES = 4


def predicted_title(spec: ModelSpec) -> str:
    """Title of the survival that a model predicts."""
    return f"Predicted survival: {spec.title}"


def hazard_title(spec: ModelSpec) -> str:
    """Title of the baseline hazard of a model."""
    return f"Baseline hazard: {spec.title}"


def predicted_table(spec: ModelSpec, found: PredictedSurvival, study: Study) -> Table:
    """A line a patient: survival at a few times, with intervals."""
    unit, frame = _unit(spec, study), _by_baseline(spec, found, study)
    times = _times(found.frame, unit)
    rows = []
    for (baseline, name), part in frame.groupby(["baseline", "row"], sort=False):
        line = {"baseline": baseline, "Patient": name}
        for time in times:
            at = _at(part, time)
            line[f"At {formats.precise(time)} {unit}"] = (
                formats.MISSING
                if at is None
                else formats.percent_interval(at["estimate"], at["conf_low"], at["conf_high"], 0)
            )
        rows.append(line)
    note = (
        f"Survival that the model expects of patients with these characteristics, with {found.level:.0%} intervals that "
        f"hold the uncertainty of coefficients and baseline hazard. Status: {found.status}."
    )
    if found.status != "exact":
        note += (
            " Patients censored within a cell count as at risk until its end: survival is a little too high."
        )
    covariates = "; ".join(
        f"{name}: {', '.join(f'{_called(c, study)} {_value(c, v, study)}' for c, v in given.items())}"
        for name, given in spec.predicted_survival.items()
    )
    return table(
        _grouped(pd.DataFrame(rows)),
        caption=predicted_title(spec),
        note=f"{note} {covariates}.",
        groups=_groups(frame),
    )


def predicted_pictures(spec: ModelSpec, found: PredictedSurvival, study: Study) -> list[Picture]:
    """Curves of all patients, a figure for each baseline hazard."""
    unit, title = _unit(spec, study), predicted_title(spec)
    outcome = "Predicted survival"
    drawn = []
    for baseline, part in _few(_by_baseline(spec, found, study)):
        curves = part.rename(columns={"row": "group"})
        time = _times(part, unit)[-1]
        ends = [(name, _at(rows, time)) for name, rows in part.groupby("row", sort=False)]
        said = "; ".join(f"{name} {formats.percent(at['estimate'])}" for name, at in ends if at is not None)
        drawn.append(
            figure(
                survival_plot(curves, unit=unit, risk_table=False, outcome=outcome),
                alt=f"Predicted survival curves. At {formats.precise(time)} {unit}: {said}.",
                caption=f"{title}{_where(baseline)}, with {found.level:.0%} intervals ({found.status}).",
                data=_plain(part),
            )
        )
    return drawn


def hazard_table(spec: ModelSpec, found: PredictedSurvival, study: Study) -> Table:
    """Cumulative hazard at a few times."""
    unit, frame = _unit(spec, study), _by_baseline(spec, found, study)
    rows = []
    for baseline, part in frame.groupby("baseline", sort=False):
        for time in _times(found.frame, unit):
            at = _at(part, time)
            line = {"baseline": baseline, f"Time ({unit})": formats.precise(time)}
            hazard = (np.nan,) * 3 if at is None else _hazard(at)
            rows.append(line | {f"Cumulative hazard ({found.level:.0%} interval)": _in_words(*hazard)})
    note = (
        "Of a patient all of whose numbers are zero and all of whose levels are the reference: with the hazard ratios it gives "
        "every other patient's, and by itself it describes nobody where zero is no value that patients have. "
        f"Status: {found.status}."
    )
    return table(_grouped(pd.DataFrame(rows)), caption=hazard_title(spec), note=note, groups=_groups(frame))


def hazard_pictures(spec: ModelSpec, found: PredictedSurvival, study: Study) -> list[Picture]:
    """All cumulative baseline hazards in one figure."""
    unit, frame = _unit(spec, study), _by_baseline(spec, found, study)
    last = frame.groupby("baseline", sort=False)["cumulative_hazard"].last()
    said = "; ".join(f"{name or 'all sites'} {formats.estimate(value)}" for name, value in last.items())
    picture = figure(
        hazard_plot(frame.rename(columns={"baseline": "group"}), unit=unit),
        alt=f"Cumulative baseline hazard, a rising step curve. At its end: {said}.",
        caption=f"{hazard_title(spec)}, cumulative ({found.status}).",
        data=_plain(frame),
    )
    return [picture]


def _by_baseline(spec: ModelSpec, found: PredictedSurvival, study: Study) -> pd.DataFrame:
    """The frame with the site and stratum in words, in one column; empty where one baseline is everybody's."""
    sites = [study.site_title(site) if site else "" for site in found.frame["site"]]
    strata = [_value(spec.strata_columns[0], s, study) if s else "" for s in found.frame["stratum"]]
    words = [", ".join(p for p in pair if p) for pair in zip(sites, strata, strict=True)]
    return found.frame.assign(baseline=words)


def _few(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    groups = list(frame.groupby("baseline", sort=False))
    return ((str(name), part) for name, part in groups[:MOST_FIGURES])


def _times(frame: pd.DataFrame, unit: str) -> list[float]:
    """A few times that people count in, at edges where there is a grid, up to the end of the longest curve."""
    times = sorted({0.0, *frame["time"].astype(float)})
    ticks = grid_ticks(times, unit) if len(times) <= 60 else time_ticks(times[-1], unit)
    after = [tick for tick in ticks if tick > 0]
    every = -(-len(after) // _MOST_TIMES)
    return after[every - 1 :: every]


def _at(rows: pd.DataFrame, time: float) -> "pd.Series[float] | None":
    """The row of a step curve at a time; None after its end."""
    if time > rows["time"].max() + 1e-9:
        return None
    return rows[rows["time"] <= time + 1e-9].iloc[-1]


def _hazard(at: "pd.Series[float]") -> tuple[float, float, float]:
    """Cumulative hazard with the interval of the survival probability."""
    with np.errstate(divide="ignore"):
        return at["cumulative_hazard"], -float(np.log(at["conf_high"])), -float(np.log(at["conf_low"]))


def _in_words(value: float, low: float, high: float) -> str:
    return formats.MISSING if np.isnan(value) else formats.interval(value, low, high)


def _grouped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if (frame["baseline"] != "").any() else frame.drop(columns="baseline")


def _groups(frame: pd.DataFrame) -> str | None:
    return "baseline" if (frame["baseline"] != "").any() else None


def _where(baseline: str) -> str:
    return f", {baseline}" if baseline else ""


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind a figure, without columns that say nothing."""
    return frame.drop(columns=["site", "stratum"] + ["baseline"] * (not frame["baseline"].any()))


def _unit(spec: ModelSpec, study: Study) -> str:
    time = parse(spec.formula, study.codebook, intercept=False)[0].time
    grid = study.codebook.grid
    return study.codebook[str(time)].unit or (grid.unit if grid else "") or "time"


def _called(column: str, study: Study) -> str:
    return study.codebook[column].label or column


def _value(column: str, value: float | str, study: Study) -> str:
    variable = study.codebook[column]
    if variable.levels:
        return variable.level_label(level_name(value))
    return f"{value:g} {variable.unit}".rstrip() if isinstance(value, float) else str(value)
