"""What agreed cells cost: curves on a time grid, medians on a codebook's edges, against the rows' own values."""

import math
from collections.abc import Callable, Iterator, Mapping
from html import escape
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.curve import Curve
from fedstats.contract.formula import parse_groups
from fedstats.contract.results import OVERALL, Table
from fedstats.contract.survival_results import CountedResult
from fedstats.methods.follow_up import follow_up
from fedstats.methods.patient_groups import PatientGroups
from fedstats.numerics.survival_table import quantile_time
from fedstats.reporting import formats
from fedstats.reporting.characteristics import plain
from fedstats.reporting.pooled_fits import SITE
from fedstats.reporting.tables import table
from fedstats.study.definition import Study

_QUANTILES = (("q1", "lower quartile", 0.25), ("median", "median", 0.5), ("q3", "upper quartile", 0.75))


def grid_words(curve: Curve) -> str:
    """How far a curve on a grid may be from the one on exact times, as a sentence; nothing for an exact one."""
    if curve.status == "exact":
        return ""
    said = (
        "Times are known to the cell of the grid only: patients censored within a cell count as at risk until its end, "
        "so the curve is drawn a little too high. "
    )
    if np.isnan(curve.grid_error):
        return said + "How much cannot be told from the sums at hand."
    known = curve.frame[curve.frame["n_censor"].notna()]
    until = (
        f" (up to {formats.estimate(known['time'].max())} {curve.unit})"
        if len(known) < len(curve.frame)
        else ""
    )
    return (
        f"{said}At the edges of the grid{until} the curve on exact times is nowhere above it, "
        f"and at most {math.ceil(1000 * curve.grid_error) / 1000:g} below it."
    )


def spans(low: "pd.Series[float]", high: "pd.Series[float]") -> list[str]:
    """Between which edges of the grid something lies, row by row; "above" the last one that is known."""
    return [
        f"above {formats.precise(a)}" if pd.isna(b) else f"{formats.precise(a)} to {formats.precise(b)}"
        for a, b in zip(low, high, strict=True)
    ]


def cell_effects(
    study: Study, results: Mapping[str, Any], pooled: pd.DataFrame, title_of: Callable[[str], str]
) -> list[Any]:
    """What agreed cells change, which adding up over sites has no part in, as parts of a report."""
    curves, medians = grid_effects(study, results, pooled), edge_effects(study, results, pooled)
    parts: list[Any] = []
    if len(curves):
        curves["analysis"] = [title_of(name) for name in curves["analysis"]]
        note = "At the edges of the grid. From the sums alone: what the report can say where no rows are at hand."
        digits = dict.fromkeys((c for c in curves if "at most" in c), lambda v: formats.precise(v, 2))
        parts.append(
            table(curves, caption="Effect of the grid", note=note, groups="analysis", formats=digits)
        )
    if len(medians):
        caption = "Effect of the codebook's edges on medians and quartiles"
        digits = dict.fromkeys(("interpolated", "of the rows"), plain)
        parts.append(table(medians, caption=caption, groups="variable", formats=digits))
    said = (
        "The table above compares like with like: both sides in the agreed cells. What the cells themselves change, "
        "which adding up over sites has no part in, is the distance to the rows' own times and values:"
    )
    return [f"<p>{escape(said)}</p>", *parts] if parts else []


def grid_effects(study: Study, results: Mapping[str, Any], pooled: pd.DataFrame) -> pd.DataFrame:
    """One row a curve on a grid and group: how far it is from the curve on the pooled rows' own times.

    Parameters
    ----------
    study : Study
    results : mapping of name to result
    pooled : DataFrame        all sites' rows: only for public or synthetic data
    """
    rows = []
    for name, curve in results.items():
        if isinstance(curve, Curve) and curve.is_plain and curve.status != "exact":
            rows += [{"analysis": name} | effect for effect in _effects_of_a_grid(study, curve, pooled)]
    return pd.DataFrame(rows)


def _effects_of_a_grid(study: Study, curve: Curve, pooled: pd.DataFrame) -> list[dict[str, Any]]:
    import lifelines  # noqa: PLC0415 (three seconds to import, and only this page needs it)

    frame, labels, outcome = curve_rows(study, curve, pooled)
    medians = curve.medians
    within = dict(zip(medians["group"], spans(medians["median_low"], medians["median_high"]), strict=True))
    found = []
    for name, rows in curve.frame.groupby("group", sort=False):
        part = follow_up(frame[labels == name], outcome)
        exact = lifelines.KaplanMeierFitter().fit(part.time, part.event, entry=part.entry).survival_function_
        drawn = rows["estimate"].to_numpy()
        place = np.searchsorted(exact.index.to_numpy(), rows["time"].to_numpy() + 1e-9, side="right") - 1
        gap = drawn - exact.iloc[:, 0].to_numpy()[place]
        found.append(
            {
                "group": name,
                "curve too high by at most": float(gap.max()),
                "at most, from the sums alone": curve.grid_error,
                "median within": within[str(name)],
                "median on exact times": quantile_time(
                    exact.index.to_numpy(), exact.iloc[:, 0].to_numpy(), 0.5
                ),
            }
        )
    return found


def curve_rows(
    study: Study, curve: Curve | CountedResult, pooled: pd.DataFrame
) -> tuple[pd.DataFrame, "pd.Series[Any]", Any]:
    """Pooled rows that a curve or a test is about, the name of each one's group, and the outcome."""
    outcome, group = parse_groups(curve.formula, study.codebook)
    frame = pooled.dropna(subset=[*outcome.variables, *([group] if group else [])])
    if group is None:
        return frame, pd.Series("all", frame.index), outcome
    return frame, frame[group].map(study.codebook[group].level_label).astype(str), outcome


def edge_effects(study: Study, results: Mapping[str, Any], pooled: pd.DataFrame) -> pd.DataFrame:
    """One row an interpolated median or quartile: what the codebook's edges change.

    Parameters
    ----------
    study : Study
    results : mapping of name to result
    pooled : DataFrame        all sites' rows: only for public or synthetic data
    """
    rows = []
    for found in (r for r in results.values() if isinstance(r, Table)):
        for group, frame in groups_of(study, found.by, pooled):
            for row in found.frame[
                (found.frame["group"] == group) & (found.frame["level"] == "")
            ].itertuples():
                values = frame[row.variable].dropna().astype(float)
                rows += [
                    {
                        "variable": study.codebook[str(row.variable)].title,
                        "group": group,
                        "quantile": words,
                        "interpolated": getattr(row, name),
                        "cell": f"{low:g} to {high:g}",
                        "of the rows": float(values.quantile(share)),
                    }
                    for name, words, share in _QUANTILES
                    if (low := getattr(row, f"{name}_low")) < (high := getattr(row, f"{name}_high"))
                ]
    return pd.DataFrame(rows).sort_values("variable", kind="stable") if rows else pd.DataFrame()


def groups_of(
    study: Study, by: str | tuple[str, ...] | None, pooled: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The groups of a Table 1 by their names, and everyone who is in one."""
    groups = PatientGroups.of(by, study.codebook, study.sites)
    axes = [(f.column, f.levels) for f in groups.factors]
    axes = [(SITE, study.sites), *axes] if groups.by_site else axes
    pooled = pooled[pooled[[column for column, _ in axes]].notna().all(axis=1)]
    for name, levels in zip(groups.names, product(*(levels for _, levels in axes)), strict=False):
        chosen = [pooled[column] == level for (column, _), level in zip(axes, levels, strict=True)]
        yield name, pooled[np.logical_and.reduce(chosen)]
    yield OVERALL, pooled
