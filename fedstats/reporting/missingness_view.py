"""Empty cells by variable and group, as a report shows them: a figure and its tables."""

import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.missingness_results import UNSEEN, Missingness
from fedstats.reporting import formats
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.missingness_drawing import MOST_GROUPS, missingness_plot
from fedstats.reporting.tables import Table, table

_BY_VARIABLE = "Patients with an empty cell, and their share of the group."
_TOGETHER = "Expected: how many would be without both if one said nothing of the other."


def missingness_parts(title: str, found: Missingness, codebook: Codebook) -> list[Picture | Table]:
    """The figure and the tables under a title.

    Parameters
    ----------
    title : str
    found : Missingness
    codebook : Codebook    for the labels of the variables
    """
    names = {v.name: v.label or v.name for v in codebook.variables}
    frame = found.tidy().assign(variable=lambda f: f["variable"].map(names))
    note = f"{_BY_VARIABLE} Status: {found.status}."
    if found.hidden:
        note += f" {UNSEEN.capitalize()}: a site does not show a count of a few, or of all but a few, and neither is a total that it would be in."
    wide = _wide(frame)
    parts: list[Picture | Table] = []
    if frame["group"].nunique() <= MOST_GROUPS:
        most = frame.loc[frame["percent"].idxmax()] if frame["percent"].notna().any() else None
        alt = (
            "No share is shown."
            if most is None
            else f"The largest share is {most['percent']:.0f} % ({most['variable']}, {most['group']})."
        )
        parts.append(figure(missingness_plot(found), alt=alt, caption=title))
    parts.append(table(wide, caption=f"{title}: counts", note=note))
    pairs = found.pairs().dropna(subset=["missing_both"])
    if len(pairs):
        lines = pd.DataFrame(
            {
                "Variables": [
                    f"{names[a]} and {names[b]}"
                    for a, b in zip(pairs["variable"], pairs["other"], strict=True)
                ],
                "Without both": [formats.count(round(n)) for n in pairs["missing_both"]],
                "Expected": [formats.count(round(n)) for n in pairs["expected"]],
            }
        )
        parts.append(table(lines, caption=f"{title}: two together", note=_TOGETHER))
    return parts


def _wide(frame: pd.DataFrame) -> pd.DataFrame:
    """One line a variable, one column a group."""
    lines: dict[str, list[str]] = {"Variable": list(dict.fromkeys(frame["variable"]))}
    for group, rows in frame.groupby("group", sort=False):
        of = rows.set_index("variable")
        said = [
            UNSEEN
            if pd.isna(of.loc[name, "missing"])
            else f"{formats.count(round(of.loc[name, 'missing']))} ({of.loc[name, 'percent']:.1f} %)"
            for name in lines["Variable"]
        ]
        lines[f"{group} (n = {formats.count(int(rows['n'].iloc[0]))})"] = said
    return pd.DataFrame(lines)
