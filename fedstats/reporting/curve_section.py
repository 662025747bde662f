"""The curves of a study as its report shows them, with what was worked out of the same counts."""

from collections.abc import Mapping
from html import escape
from typing import Any

from fedstats.contract.curve import Curve
from fedstats.contract.survival_results import CumulativeIncidence
from fedstats.reporting.analysis_text import curve_alt, median_table, paragraph
from fedstats.reporting.coarsening import grid_words
from fedstats.reporting.counts_view import curve_follow_up_parts
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.plots import survival_plot
from fedstats.reporting.wording import no_part
from fedstats.study.curve_follow_ups import curve_follow_ups, incidence_follow_ups
from fedstats.study.curve_spec import CurveSpec, IncidenceSpec
from fedstats.study.definition import Study


def curve_parts(study: Study, found: Mapping[str, Any]) -> list[Any]:
    """Curves and incidences with numbers at risk, medians, and what each was asked for besides."""
    parts = []
    for spec in study.curves:
        parts += [*_curve(spec, found[spec.name])]
        for asked in curve_follow_ups(spec):
            parts += curve_follow_up_parts(spec, asked, found.get(asked.name))
        parts.append(paragraph(spec.note))
    for incidence in study.incidences:
        parts += _incidence(incidence, found[incidence.name])
        for asked in incidence_follow_ups(incidence):
            parts += curve_follow_up_parts(incidence, asked, found.get(asked.name))
        parts.append(paragraph(incidence.note))
    return parts


def _curve(spec: CurveSpec, curve: Any) -> list[Any]:
    heading = f"<h3>{escape(spec.title)}</h3>"
    if not isinstance(curve, Curve):
        return [heading, curve]
    said = [f"{curve.level:.0%} intervals and numbers at risk"]
    said += [_weights(spec, curve)] if curve.weights else []
    said += [f"of those at risk at {curve.landmark:g} {curve.unit}".rstrip()] if curve.landmark else []
    picture = figure(
        survival_plot(curve.frame, unit=curve.unit or "time", outcome=spec.title.partition(" by ")[0]),
        alt=curve_alt(spec, curve),
        caption=f"{spec.title}, Kaplan–Meier with {', '.join(said)} ({curve.status}).",
        data=curve.frame,
    )
    return [heading, picture, paragraph(grid_words(curve)), median_table(spec, curve)]


def curve_method(spec: CurveSpec) -> str:
    """How a curve is estimated, in words."""
    if spec.weights is None:
        return "Kaplan–Meier"
    made = spec.weighting
    return f"Kaplan–Meier, weighted by {spec.weights if made is None else f'a propensity ({made.estimand})'}"


def _weights(spec: CurveSpec, curve: Curve) -> str:
    if spec.weighting is None:
        return f"weighted by {curve.weights}"
    return f"weighted by a propensity ({spec.weighting.estimand})"


def _incidence(spec: IncidenceSpec, found: Any) -> list[Any]:
    heading = f"<h3>{escape(spec.title)}</h3>"
    if not isinstance(found, CumulativeIncidence):
        return [heading, found]
    words = (
        "The probability of having had each event by a time. Who has had one of them can have no other: one minus a "
        f"Kaplan–Meier curve of each would be too high. Aalen–Johansen. Status: {found.status}.{no_part(found)}"
    )
    return [heading, _incidence_picture(spec, found), paragraph(words)]


def _incidence_picture(spec: IncidenceSpec, found: CumulativeIncidence) -> Picture:
    frame = found.frame
    several = frame["group"].nunique() > 1
    named = frame["group"] + ", " + frame["cause"] if several else frame["cause"]
    drawn = frame.assign(group=named)
    last = drawn.groupby("group", sort=False).last()
    said = "; ".join(
        f"{name} {row.estimate:.0%} by {row.time:g} {found.unit}" for name, row in last.iterrows()
    )
    return figure(
        survival_plot(drawn, unit=found.unit or "time", risk_table=False, outcome="Cumulative incidence"),
        alt=f"{spec.title}: step curves rising from 0 %. {said}.",
        caption=f"{spec.title}, cumulative incidence with {found.level:.0%} intervals ({found.status}).",
        data=frame,
    )
