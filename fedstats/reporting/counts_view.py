"""What was worked out of the counts of a curve, as a report shows it: milestones, means, tests, ratios, follow-up."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.curve import Curve
from fedstats.contract.survival_results import (
    CurvePoints,
    LogRankTest,
    MaxComboTest,
    PeriodHazardRatios,
    RestrictedMeans,
)
from fedstats.reporting import formats
from fedstats.reporting.analysis_text import median_table, paragraph
from fedstats.reporting.coarsening import spans
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.model_text import p_words
from fedstats.reporting.plots import forest_plot
from fedstats.reporting.tables import Table, table
from fedstats.reporting.wording import no_part
from fedstats.study.curve_spec import CurveSpec, IncidenceSpec
from fedstats.study.follow_ups import FollowUp

Spec = CurveSpec | IncidenceSpec
_MOVED = " On the grid times count at the right edges of their cells, for both groups alike."


@dataclass(frozen=True)
class CountsView:
    """How one of them is shown.

    Attributes
    ----------
    kind : type                   of its results
    title, method : str           its title before that of the curve, and how it is worked out
    table, pictures : callable    of the entry in study.toml, the result and the title
    """

    kind: type
    title: str
    method: str
    table: Callable[[Any, Any, str], Table]
    pictures: Callable[[Any, Any, str], list[Picture]] = lambda *_: []


#: What a one-sided test looks for, in words.
_FEWER_OR_MORE = {"less": "fewer", "greater": "more"}


def curve_title_of(spec: Spec, asked: FollowUp) -> str:
    """Title of what was asked of a curve."""
    return f"{_VIEWS[asked.key].title}: {spec.title}"


def curve_method_of(asked: FollowUp) -> str:
    """How it is worked out, in words."""
    return _VIEWS[asked.key].method


def curve_follow_up_parts(spec: Spec, asked: FollowUp, found: Any) -> list[Any]:
    """Figures and table; the rule where a site did not let it out; nothing where it was not asked."""
    view, title = _VIEWS[asked.key], curve_title_of(spec, asked)
    if found is None:
        return []
    if not isinstance(found, view.kind):
        return [paragraph(f"{title}."), found]
    pictures = view.pictures(spec, found, title)
    heading = [f"<h4>{escape(view.title)}</h4>"] if pictures else []
    return [*heading, *pictures, view.table(spec, found, title)]


def curve_follow_up_tables(spec: Spec, asked: FollowUp, found: Any) -> list[Table]:
    """The table alone; nothing where there is no result."""
    view = _VIEWS[asked.key]
    return [view.table(spec, found, curve_title_of(spec, asked))] if isinstance(found, view.kind) else []


def _points(_: Spec, found: CurvePoints, title: str) -> Table:
    return _quantiles(found, title) if "probability" in found.frame else _milestones(found, title)


def _milestones(found: CurvePoints, title: str) -> Table:
    frame, unit = found.frame, found.unit or "time"
    rows = list(zip(frame["estimate"], frame["conf_low"], frame["conf_high"], strict=True))
    columns: dict[str, list[Any]] = {"Group": list(frame["group"])}
    columns |= {"Event": list(frame["cause"])} if "cause" in frame else {}
    columns |= {
        f"Time ({unit})": [f"{t:g}" for t in frame["time"]],
        f"Probability ({found.level:.0%} interval)": [
            formats.MISSING if np.isnan(row[0]) else formats.percent_interval(*row) for row in rows
        ],
    }
    note = f"A dash: beyond what is known of the group. Status: {found.status}.{no_part(found)}"
    if found.grid:
        columns["On exact times"] = [
            formats.MISSING if np.isnan(low) else f"{formats.percent(low)} to {formats.percent(high)}"
            for low, high in zip(frame["low"], frame["high"], strict=True)
        ]
        note += " On exact times: between which values the estimate lies, by the sums that left the sites."
    return table(pd.DataFrame(columns), caption=title, note=note)


def _quantiles(found: CurvePoints, title: str) -> Table:
    frame, unit = found.frame, found.unit or "time"
    note = f"Times by which so many have had the event. Status: {found.status}.{no_part(found)}"
    if found.grid:
        times, limits = spans(frame["low"], frame["high"]), spans(frame["conf_low"], frame["conf_high"])
        note += " Between which edges of the grid the quantile on exact times, and its interval, lie."
    else:
        times = [formats.estimate(t) for t in frame["estimate"]]
        ends = zip(frame["conf_low"], frame["conf_high"], strict=True)
        limits = [f"{formats.estimate(a)} to {formats.estimate(b)}" for a, b in ends]
        note += " A dash: not reached."
    columns = {"Group": list(frame["group"]), "Share": [formats.percent(p, 0) for p in frame["probability"]]}
    columns |= {f"Time ({unit})": times, f"{found.level:.0%} interval": limits}
    return table(pd.DataFrame(columns), caption=title, note=note)


def _follow_up(spec: CurveSpec, found: Curve, title: str) -> Table:
    return median_table(spec, found, title)


def _means(_: CurveSpec, found: RestrictedMeans, title: str) -> Table:
    frame, ratio = found.frame, found.frame["measure"] == "ratio"
    words = [
        (formats.ratio if is_ratio else formats.interval)(*row)
        for is_ratio, row in zip(
            ratio, frame[["estimate", "conf_low", "conf_high"]].itertuples(index=False), strict=True
        )
    ]
    columns = {"Group": _against(frame), "Measure": [m.capitalize() for m in frame["measure"]]}
    columns |= {
        f"Estimate ({found.level:.0%} interval)": words,
        "P": [formats.p_value(p) for p in frame["p_value"]],
    }
    unit = f" {found.unit}" if found.unit else ""
    since = f" after the landmark at {found.landmark:g}" if found.landmark else ""
    note = f"Mean time without the event{since} up to {found.tau:g}{unit}, in the unit of time. Status: {found.status}.{no_part(found)}"
    if found.grid:
        columns["On exact times"] = [
            f"{formats.precise(low)} to {formats.precise(high)}"
            for low, high in zip(frame["low"], frame["high"], strict=True)
        ]
        note += (
            " On the grid the curve is drawn straight between edges; on exact times the estimate lies between the values in the last "
            "column, by the sums that left the sites."
        )
    return table(pd.DataFrame(columns), caption=title, note=note)


def _mean_pictures(_: CurveSpec, found: RestrictedMeans, title: str) -> list[Picture]:
    differences = found.frame[found.frame["measure"] == "difference"]
    if differences.empty:
        return []
    shown = differences.assign(term=_against(differences))
    unit = f", {found.unit}" if found.unit else ""
    said = "; ".join(
        f"{term} {formats.interval(*bounds)}"
        for term, *bounds in shown[["term", "estimate", "conf_low", "conf_high"]].itertuples(index=False)
    )
    return [
        figure(
            forest_plot(shown, effect=f"Difference{unit}", ratios=False, level=found.level),
            alt=f"Forest plot of differences of restricted means. {said}.",
            caption=f"{title}: differences with {found.level:.0%} intervals.",
            data=shown,
        )
    ]


def _against(frame: pd.DataFrame) -> list[str]:
    """Groups, of a comparison with what they are compared with."""
    pairs = zip(frame["group"], frame["reference"], strict=True)
    return [f"{group} (vs {reference})" if reference else group for group, reference in pairs]


def _log_rank(_: CurveSpec, found: LogRankTest, title: str) -> Table:
    frame = found.frame
    columns = {"Group": list(frame["group"]), "Patients": [formats.count(n) for n in frame["n"]]}
    columns |= {
        name.capitalize(): [formats.estimate(v) for v in frame[name]] for name in ("observed", "expected")
    }
    weights = (
        f" Events are weighted by S^{found.rho:g} (1 − S)^{found.gamma:g}."
        if found.rho or found.gamma
        else ""
    )
    strata = f" Within strata of {', '.join(found.strata)}." if found.strata else ""
    note = (
        f"χ² = {formats.estimate(found.statistic)} on {found.df} df, P {p_words(found.p_value)}.{strata}{weights} "
        f"Status: {found.status}.{no_part(found)}{_MOVED if found.grid else ''}"
    )
    return table(pd.DataFrame(columns), caption=title, note=note)


def _max_combo(_: CurveSpec, found: MaxComboTest, title: str) -> Table:
    frame = found.frame
    names = [f"ρ = {rho:g}, γ = {gamma:g}" for rho, gamma in zip(frame["rho"], frame["gamma"], strict=True)]
    columns = {"Weight": names, "Z": [formats.estimate(z) for z in frame["statistic"]]}
    columns |= {"P alone": [formats.p_value(p) for p in frame["p_value"]]}
    strata = f" Within strata of {', '.join(found.strata)}." if found.strata else ""
    sides = (
        ""
        if found.alternative == "two-sided"
        else f" One-sided: {_FEWER_OR_MORE[found.alternative]} events of the second group."
    )
    note = (
        f"Weights S^ρ (1 − S)^γ. The most extreme of the tests: P {p_words(found.p_value)}, their correlation taken account of.{sides}{strata} Z above zero: "
        f"more events of the second group than expected. It says that the curves differ somewhere, and not how. Status: {found.status}.{no_part(found)}"
        f"{_MOVED if found.grid else ''}"
    )
    return table(pd.DataFrame(columns), caption=title, note=note)


def _ratios(_: CurveSpec, found: PeriodHazardRatios, title: str) -> Table:
    shown = found.tidy(exponentiate=True)
    columns = {"Group": list(shown["term"]), "Period": list(shown["period"])}
    columns |= {"Events": [formats.count(n) for n in shown["n_event"]]}
    ends = shown[["estimate", "conf_low", "conf_high"]].itertuples(index=False)
    columns |= {f"Hazard ratio ({found.level:.0%} interval)": [formats.ratio(*row) for row in ends]}
    columns |= {"P": [formats.p_value(p) for p in shown["p_value"]]}
    tests = found.constancy.iloc[-1]
    note = (
        f"Against the first group; events of all groups. That the ratio is the same in all periods: P {p_words(tests['p_value'])} "
        f"(Wald). {found.ties.capitalize()} ties. Status: {found.status}.{no_part(found)}"
    )
    return table(pd.DataFrame(columns), caption=title, note=note)


def _ratio_pictures(_: CurveSpec, found: PeriodHazardRatios, title: str) -> list[Picture]:
    shown = found.tidy(exponentiate=True)
    several = len(set(shown["term"])) > 1
    shown["term"] = shown["term"] + ", " + shown["period"] if several else shown["period"]
    said = "; ".join(
        f"{term} {formats.ratio(*bounds)}"
        for term, *bounds in shown[["term", "estimate", "conf_low", "conf_high"]].itertuples(index=False)
    )
    return [
        figure(
            forest_plot(shown, effect="Hazard ratio", level=found.level),
            alt=f"Forest plot of hazard ratios by period. {said}.",
            caption=f"{title}: hazard ratios with {found.level:.0%} intervals.",
            data=shown,
        )
    ]


_VIEWS = {
    "milestones": CountsView(CurvePoints, "Milestones", "Read off the curve", _points),
    "quantiles": CountsView(CurvePoints, "Quantiles", "Read off the curve (Brookmeyer and Crowley)", _points),
    "follow_up": CountsView(Curve, "Median follow-up", "Reverse Kaplan–Meier", _follow_up),
    "restricted_mean": CountsView(
        RestrictedMeans, "Restricted mean", "Area under the Kaplan–Meier curve", _means, _mean_pictures
    ),
    "log_rank": CountsView(
        LogRankTest, "Log-rank test", "Log-rank test (hypergeometric variance)", _log_rank
    ),
    "max_combo": CountsView(
        MaxComboTest, "MaxCombo test", "Most extreme of weighted log-rank tests", _max_combo
    ),
    "period_hazard_ratios": CountsView(
        PeriodHazardRatios,
        "Hazard ratios by period",
        "Cox regression on the group, by period",
        _ratios,
        _ratio_pictures,
    ),
}
