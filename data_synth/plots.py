"""Draw generated against published marginals and curves: ``python -m data_synth.plots --out DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from data_synth.measures import curve, measure, population, targets
from data_synth.network import network_rows
from data_synth.plan import Plan

CURVES = {
    "Overall survival": (
        "os",
        (
            "alone, PD-L1 50+",
            "with chemotherapy, ECOG 0-1, PD-L1 50+",
            "with chemotherapy, ECOG 0-1, PD-L1 1-49",
            "with chemotherapy, ECOG 0-1, PD-L1 below 1",
        ),
    ),
    "Progression-free survival": ("pfs", ("alone, PD-L1 50+", "with chemotherapy, ECOG 0-1")),
    "Hazards that cross (PD-L1 1-49)": ("pfs", ("alone, PD-L1 1-49", "chemotherapy, PD-L1 1-49")),
}
OF_CURVES = {"os_median", "os_60", "pfs_median"}
YEARS = 6 * 12


def draw_marginals(rows: pd.DataFrame) -> Figure:
    """Draw every share, mean and correlation of both sites inside its band, each band stretched to one length.

    Parameters
    ----------
    rows : DataFrame
        One row a patient, of both sites, all switches off.

    Returns
    -------
    Figure
    """
    chosen = [t for t in targets() if "switches" not in t and t.get("truth", "clinical") == "clinical"]
    chosen = [t for t in chosen if t["measure"] != "number"]
    figure = Figure(figsize=(8, 0.19 * len(chosen) + 1), layout="constrained")
    axes = figure.add_subplot()
    for place, target in enumerate(reversed(chosen)):
        held = rows if target["site"] == "both" else rows[rows["site_id"] == target["site"]]
        low, high = target["band"]
        at = (measure(held, target["measure"], target["of"]) - low) / (high - low)
        axes.plot([0, 1], [place, place], color="0.8", linewidth=5, solid_capstyle="butt")
        axes.plot(at, place, "o", color="C0" if 0 <= at <= 1 else "C3", markersize=4)
    names = [
        f"{t['measure'].replace('_', ' ')}, {t['of']}, {t['site']} ({t['published']})"
        for t in reversed(chosen)
    ]
    axes.set_yticks(range(len(chosen)), names, fontsize=6)
    axes.set_xticks([0, 1], ["lower end of the band", "upper end"])
    axes.set_title("Generated values in the bands of published ones")
    return figure


def draw_curves(rows: pd.DataFrame) -> Figure:
    """Draw Kaplan-Meier curves with the bands of published medians and five-year survival.

    Parameters
    ----------
    rows : DataFrame
        One row a patient, of both sites, all switches off, truth `clinical`.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    for axes, (title, (outcome, of)) in zip(figure.subplots(1, len(CURVES)), CURVES.items(), strict=True):
        for number, part in enumerate(of):
            fitted = curve(population(rows, part), outcome)
            months = np.linspace(0, YEARS, 300)
            axes.plot(months, fitted.predict(months), color=f"C{number}", label=part)
            for target in targets():
                if (
                    target["of"] != part
                    or target["measure"] not in OF_CURVES
                    or target["measure"][:2] != outcome[:2]
                ):
                    continue
                band = target["band"]
                ends = ((60, 60), band) if target["measure"] == "os_60" else (band, (0.5, 0.5))
                axes.plot(*ends, color=f"C{number}", linewidth=5, alpha=0.35, solid_capstyle="butt")
        axes.set(title=title, xlabel="Months", ylim=(0, 1))
        axes.legend(fontsize=7)
    return figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the command; those of the process by default.

    Returns
    -------
    int
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m data_synth.plots", description="Draw generated against published."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for marginals.png and curves.png")
    parser.add_argument("--scale", type=float, default=4.0, help="factor on the number of patients")
    given = parser.parse_args(arguments)
    rows = pd.concat(network_rows(Plan(scale=given.scale)).values(), ignore_index=True)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, figure in (("marginals", draw_marginals(rows)), ("curves", draw_curves(rows))):
        path = given.out / f"{name}.png"
        figure.savefig(path, dpi=120)
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
