"""What a report says about patients and curves: tables, and figures in words."""

from html import escape

import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.curve import Curve
from fedstats.contract.results import NOT_SHOWN
from fedstats.contract.results import Table as Description
from fedstats.methods.table_layout import IN_A_CELL, names_a_cell, without_group
from fedstats.reporting import formats
from fedstats.reporting.characteristics import THREE, characteristics, group_headings, has_interpolated
from fedstats.reporting.coarsening import spans
from fedstats.reporting.tables import Table, table
from fedstats.reporting.wording import no_part
from fedstats.study.curve_spec import CurveSpec


def paragraph(text: str) -> str:
    """A paragraph, or nothing."""
    return f"<p>{escape(text)}</p>" if text else ""


def patient_tables(title: str, found: Description, codebook: Codebook) -> list[Table | str]:
    """Table 1 under its title, and what of it a site's policy did not let out."""
    note = "Numbers are n (%), mean (SD) and median [quartiles]. SMD: absolute standardised mean difference. "
    parts: list[Table | str] = []
    if len(found.frame):
        note += f"Status: {found.status}."
        if has_interpolated(found.frame):
            note += " ≈: median and quartiles interpolated; the true values lie in the same cells of the codebook."
        if names_a_cell(found.frame):
            note += f" {IN_A_CELL}"
        tests = getattr(found, "tests", pd.DataFrame())
        p_values = dict(zip(tests.get("variable", []), tests.get("p_value", []), strict=True))
        note += " Of several groups the mean over pairs." if found.frame["group"].nunique() > THREE else ""
        if p_values:
            note += " p: that groups do not differ, by chi-square of counts, and of means by Student's t or analysis of variance."
        if (found.frame["level"] == NOT_SHOWN).any():
            note += (
                f" {NOT_SHOWN[1:-1].capitalize()}: levels with a cell too small to be seen at a site, and others with "
                f"them, so that it follows from no total; {NOT_SHOWN} counts all of them, and as one in the SMD."
            )
        if ungrouped := getattr(found, "ungrouped", 0):
            note += f" {without_group(ungrouped)}"
        wide = characteristics(codebook, found.frame, p_values)
        sizes = group_headings(found.frame)
        parts.append(table(wide, caption=title, note=note, groups="variable", labels=sizes))
    if found.refused:
        listed = "; ".join(f"{_called(name, codebook)} ({rule})" for name, rule in found.refused)
        parts.append(paragraph(f"Not released by a site's policy: {listed}."))
    return parts


def _called(name: str, codebook: Codebook) -> str:
    """What was refused, by its label: ``age (by group)``."""
    column, *more = name.split(" ", 1)
    return " ".join([codebook[column].label or column if column in codebook else column, *more])


def curve_alt(spec: CurveSpec, curve: Curve) -> str:
    """What a survival figure shows, for those who do not see it."""
    groups = zip(curve.medians["group"], _medians(curve), strict=True)
    medians = ", ".join(
        f"{g} not reached" if m == formats.MISSING else f"{g} {m} {curve.unit}" for g, m in groups
    )
    return f"{spec.title}: step curves falling from 100 %. Medians: {medians}."


def _medians(curve: Curve) -> list[str]:
    """Medians as print has them: on a grid the edges between which the median on exact times lies."""
    if curve.status == "exact":
        return [formats.estimate(m) for m in curve.medians["median"]]
    return spans(curve.medians["median_low"], curve.medians["median_high"])


def median_table(spec: CurveSpec, curve: Curve, title: str = "") -> Table:
    """Medians with intervals; on a grid those on exact times lie within what is printed (but for robust standard errors)."""
    unit, medians = curve.unit or "time", curve.medians
    note = f"Status: {curve.status}.{no_part(curve)}"
    if curve.status == "exact":
        intervals = [
            f"{formats.estimate(a)} to {formats.estimate(b)}"
            for a, b in zip(medians["conf_low"], medians["conf_high"], strict=True)
        ]
        note += " A dash: not reached."
    else:
        intervals = spans(medians["conf_low"], medians["conf_high"])
        note += (
            " The median on exact times is not known to the coordinator; the sums that left the sites say between "
            "which edges of the grid it lies. The interval runs, edge to edge, from the lower confidence bound of the "
            "lowest curve that the sums allow to an upper bound for the highest, so it contains the interval on exact times."
            if not curve.robust
            else " The median on exact times lies between these edges of the grid; the interval is that of the curve on the grid."
        )
    columns = {
        "Group": list(medians["group"]),
        f"Median ({unit})": _medians(curve),
        f"{curve.level:.0%} interval": intervals,
    }
    return table(pd.DataFrame(columns), caption=title or f"Median: {spec.title}", note=note)
