"""How far curves on the agreed grids are from curves on every patient's own day, on the rows of the studies that ship.

    python benchmarks/grid_against_daily.py > benchmarks/grid_against_daily.md

Prints one Markdown table a study: of its curves by group on each agreed width, and on the grid that the study's own profile
lets out, the largest distance from the daily curve at the edges, medians and restricted means beside the daily ones, and whether the
daily values lie where the grid says that they lie.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import fedstats as fs
from fedstats.contract.curve import Curve
from fedstats.study.curve_spec import CurveSpec

STUDIES = Path(__file__).parents[1] / "studies"
#: Rounding of sums of products of a thousand factors.
ROUNDING = 1e-12


def rows_of(study: fs.Study) -> dict[str, pd.DataFrame]:
    """The sites' rows, as the study's own script writes them."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, str(study.rehearsal), "--out", folder], check=True, capture_output=True
        )
        ending = ".csv" if study.cohort is None else ""  # a file a site, or a folder of tables
        return {site: study.rows(Path(folder) / f"{site}{ending}").frame for site in study.sites}


def lines(study: fs.Study, spec: CurveSpec, frames: dict[str, pd.DataFrame]) -> Iterator[str]:
    """One a width and group."""
    exact = fs.InProcess(frames, study.codebook, fs.DisclosurePolicy.none())
    gated = fs.InProcess(frames, study.codebook, study.policy)
    agreed = study.codebook.grid
    assert agreed is not None
    tau = float(spec.restricted_mean or agreed.horizon)
    on_days = fs.kaplan_meier(exact, spec.formula)
    asked = [(f"{width:g}", exact, agreed.edges(width)) for width in agreed.candidates]
    let_out = fs.kaplan_meier(gated, spec.formula)
    asked.append((f"{study.profile}: {let_out.status.removeprefix('exact on the grid of ')}", gated, None))
    for words, sites, grid in asked:
        curve = let_out if grid is None else fs.kaplan_meier(sites, spec.formula, grid=grid)
        until = min(tau, curve.grid[-1])
        means = fs.rmst(sites, spec.formula, tau=until, grid=grid).frame
        means_days = fs.rmst(exact, spec.formula, tau=until).frame
        for number, group in enumerate(dict.fromkeys(curve.frame["group"])):
            own, days = (c.frame[c.frame["group"] == group] for c in (curve, on_days))
            gap, held = distance(curve, own, days)
            median, daily = curve.medians.iloc[number], on_days.medians.iloc[number]
            mean, mean_day = (
                f[(f["group"] == group) & (f["measure"] == "mean")].iloc[0] for f in (means, means_days)
            )
            inside = held and within(daily["median"], median["median_low"], median["median_high"])
            inside = inside and within(mean_day["estimate"], mean["low"], mean["high"])
            cells = [spec.name, words, group, f"{gap:.4f}", f"{curve.grid_error:.4f}"]
            cells += [number_words(median["median"]), number_words(daily["median"])]
            cells += [
                f"{until:g}",
                f"{mean['estimate']:.3f}",
                f"{mean_day['estimate']:.3f}",
                f"{mean['std_error']:.3f}",
            ]
            yield "| " + " | ".join([*cells, "yes" if inside else "NO"]) + " |"


def distance(curve: Curve, own: pd.DataFrame, days: pd.DataFrame) -> tuple[float, bool]:
    """The largest distance at the edges, and whether the daily curve is between the curve and its lowest there."""
    at = np.searchsorted(days["time"].to_numpy(), own["time"].to_numpy() * (1 + 1e-12), side="right") - 1
    daily = days["estimate"].to_numpy()[at]
    upper, lower = own["estimate"].to_numpy(), own["estimate_low"].to_numpy()
    gap = np.abs(upper - daily)
    held = (daily <= upper + ROUNDING).all() and (daily >= lower - ROUNDING).all()
    return float(gap.max()), bool(held and gap.max() <= curve.grid_error + ROUNDING)


def within(value: float, low: float, high: float) -> bool:
    """Whether a value lies where it is said to lie; not reached on days is not reached on a grid, or beyond it."""
    if np.isnan(value):
        return bool(np.isnan(high) or np.isinf(high))
    slack = 1e-9 * abs(value)
    return bool((np.isnan(low) or low - slack <= value) and (np.isnan(high) or value <= high + slack))


def number_words(value: float) -> str:
    """A median; a dash: not reached."""
    return "–" if np.isnan(value) else f"{value:.2f}"


def main() -> None:
    """Print the tables."""
    print("Curves on agreed grids beside those on every patient's own day.\n")
    print(
        "Distance: the largest at an edge of the grid; bound: what the sums that left the sites say it may be at most."
    )
    print(
        "Inside: the daily curve, median and restricted mean lie between the bounds that the result on the grid prints."
    )
    for name in ("lung", "nsclc"):
        study = fs.Study.load(STUDIES / name)
        frames = rows_of(study)
        unit = study.codebook.grid.unit if study.codebook.grid else ""
        print(f"\n## {name} ({sum(map(len, frames.values()))} patients, in {unit})\n")
        heads = [
            "curve",
            f"cells ({unit})",
            "group",
            "distance",
            "bound",
            "median",
            "daily median",
            "tau",
            "mean",
            "daily mean",
            "SE of the mean",
        ]
        print("| " + " | ".join([*heads, "inside"]) + " |")
        print("|" + "---|" * (len(heads) + 1))
        for spec in study.curves:
            for line in lines(study, spec, frames):
                print(line)


if __name__ == "__main__":
    main()
