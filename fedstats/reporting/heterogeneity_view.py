"""Effects by practice or site as a report shows them: forest plots with prediction intervals, and how far the groups differ."""

from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.formula import parse
from fedstats.contract.heterogeneity_results import ALIASED, NARROWER, NO_ESTIMATE, Heterogeneity
from fedstats.reporting import formats
from fedstats.reporting.effects import design_labels, design_steps
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.group_drawing import LIMITS, group_rows
from fedstats.reporting.model_text import p_words
from fedstats.reporting.plots import forest_plot
from fedstats.reporting.tables import Table, table
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec

_METHODS = {"REML": "REML", "DL": "DerSimonian and Laird", "PM": "Paule and Mandel"}


def heterogeneity_title(spec: ModelSpec, term: str, study: Study) -> str:
    """Title of what is compared between groups."""
    plain = term.removeprefix("C(").removesuffix(")")
    name = study.codebook[plain].label or plain if plain in study.codebook else term
    return f"{name}, by group: {spec.title}"


def heterogeneity_method(_: ModelSpec) -> str:
    """How it is worked out, in words."""
    return "Each group's own fit, fixed and random effects; score test of one stage"


def heterogeneity_table(spec: ModelSpec, found: Heterogeneity, study: Study) -> Table:
    """A line a group with its weight, and what all say together."""
    rows, labels = [], _labels(found, study)
    effect = f"{found.effect} ({found.level:.0%} interval)"
    for term, label in labels.items():
        own = found.groups[found.groups["term"] == term]
        sizes = [(formats.count(n), formats.count(events)) for n, events in own[["n", "n_event"]].to_numpy()]
        weights = ["" if np.isnan(w) else f"{w:.1f} %" for w in own["weight_random"]]
        cells = [(*size, weight) for size, weight in zip(sizes, weights, strict=True)] + [("", "", "")] * 3
        for row, (n, events, weight) in zip(_rows(found, term, study).itertuples(), cells, strict=True):
            line = {"term": label, "Group": row.term, "Patients": n, "Events": events}
            rows.append(line | {effect: _words(row), "Weight": weight})
    caption = heterogeneity_title(spec, found.term, study)
    return table(pd.DataFrame(rows), caption=caption, note=_note(found, labels, study), groups="term")


def heterogeneity_pictures(spec: ModelSpec, found: Heterogeneity, study: Study) -> list[Picture]:
    """A forest plot a coefficient, the groups above and what they say together beneath."""
    title, drawn = heterogeneity_title(spec, found.term, study), []
    for term, label in _labels(found, study).items():
        shown = _rows(found, term, study)
        said = "; ".join(f"{row.term} {_words(row)}" for row in shown.iloc[-3:].itertuples())
        i2 = found.statistics.set_index("term").loc[term, "i2"]
        what = f"each group's own {found.effect.lower()} with {found.level:.0%} intervals, and all together"
        drawn.append(
            figure(
                forest_plot(shown, effect=found.effect, level=found.level),
                alt=f"Forest plot of {found.effect.lower()}s of {label} in {len(shown) - 3} groups. {said}.",
                caption=f"{title}, {label}: {what}" + ("." if np.isnan(i2) else f" (I² {i2:.0%})."),
                data=shown,
            )
        )
    return drawn


def _labels(found: Heterogeneity, study: Study) -> dict[str, str]:
    _, design = parse(found.formula, study.codebook, intercept=False)
    labels = design_labels(design, study.codebook)
    return {term: labels.get(term, term) for term in dict.fromkeys(found.groups["term"])}


def _rows(found: Heterogeneity, term: str, study: Study) -> pd.DataFrame:
    """Groups under their names and what they say together, as ratios per the step that the label states."""
    _, design = parse(found.formula, study.codebook, intercept=False)
    names = [_group(row, study) for row in found.groups[found.groups["term"] == term].itertuples()]
    return group_rows(found, term, design_steps(design, study.codebook).get(term, 1.0), names)


def _group(row: Any, study: Study) -> str:
    site = study.site_title(str(row.site))
    own = str(row.group).removeprefix(str(row.site)).removeprefix(": ")
    return f"{site}: {_named(own, str(row.members), int(row.practices))}" if own else site


def _named(own: str, members: str, practices: int) -> str:
    """A group: the practice, or those that are merged, by name where their names are agreed levels."""
    if practices < 2:
        return own
    if not members:
        return f"group {own}, {practices} practices merged"
    *others, last = members.split(", ")
    return f"practices {', '.join(others)} and {last}, merged"


def _words(row: object) -> str:
    values = [float(getattr(row, name)) for name in LIMITS]
    return formats.MISSING if np.isnan(values[0]) else formats.ratio(*values)


def _fewer(found: Heterogeneity, study: Study) -> str:
    """Which groups' fits are without which coefficients; empty: none."""
    rows = found.groups[(found.groups["aliased"] != "") & found.groups["estimate"].notna()]
    _, design = parse(found.formula, study.codebook, intercept=False)
    labels = design_labels(design, study.codebook)
    listed = [
        f"{_group(row, study)} without {', '.join(labels.get(name, name) for name in row.aliased.split(', '))}"
        for row in rows.drop_duplicates("group").itertuples()
    ]
    return f"Fitted as R does, for {ALIASED}: {'; '.join(listed)}." if listed else ""


def _note(found: Heterogeneity, labels: dict[str, str], study: Study) -> str:
    said = [f"Status: {found.status}."]
    for row in found.statistics.itertuples():
        name = f"{labels[row.term]}: " if len(labels) > 1 else ""
        between = (
            ""
            if np.isnan(row.tau2_low)
            else f" ({found.level:.0%} interval {row.tau2_low:.3f} to {row.tau2_high:.3f})"
        )
        said.append(
            f"{name}Q {row.q:.1f} on {row.df} df, p {p_words(row.p_value)}; I² {row.i2:.0%}; variance between groups τ² "
            f"{row.tau2:.3f}{between}, by {_METHODS[found.method]}."
        )
        without = found.without[found.without["term"] == row.term]
        if len(without):
            low, high = np.exp(without["estimate"].min()), np.exp(without["estimate"].max())
            said.append(f"Without one group at a time the mean lies between {low:.2f} and {high:.2f}.")
    statistic, df, p_value = found.test
    if df:
        said.append(
            f"Score test of one stage that the effects do not differ: {statistic:.1f} on {df} df, p {p_words(p_value)}."
        )
    if found.hartung_knapp:
        said.append("Intervals of effects that vary: Hartung and Knapp.")
    if found.groups["estimate"].isna().any():
        said.append(f"Groups without an estimate are in no summary: {NO_ESTIMATE}.")
    said += [fewer] if (fewer := _fewer(found, study)) else []
    if narrower := found.narrower:
        of = f" ({'; '.join(labels[term] for term in narrower)})" if len(labels) > 1 else ""
        said.append(f"{NARROWER}{of}.")
    said.append(
        "Small practices are merged by their site's rules; practices whose names are labels are numbered, the largest first."
    )
    return " ".join(said)
