"""Effects by practice or site as a report shows them: forest plots with prediction intervals, and how far the groups differ."""

import numpy as np
import pandas as pd

from fedstats.contract.formula import parse
from fedstats.contract.heterogeneity_results import Heterogeneity
from fedstats.reporting import formats
from fedstats.reporting.effects import design_labels, design_steps
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.plots import forest_plot
from fedstats.reporting.tables import Table, table
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec

FIXED, RANDOM, NEW = "All, one effect", "All, effects that vary", "A new group (prediction)"
_METHODS = {"REML": "REML", "DL": "DerSimonian and Laird", "PM": "Paule and Mandel"}
_LIMITS = ["estimate", "conf_low", "conf_high"]


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
        for group in _groups(found, term, study).itertuples():
            weight = "" if np.isnan(group.weight_random) else f"{group.weight_random:.1f} %"
            sizes = {"Patients": formats.count(group.n), "Events": formats.count(group.n_event)}
            rows.append(
                {"term": label, "Group": group.name} | sizes | {effect: _words(group), "Weight": weight}
            )
        for said, line in _together(found, term, study).iterrows():
            rows.append(
                {"term": label, "Group": said, "Patients": "", "Events": ""}
                | {effect: _words(line), "Weight": ""}
            )
    return table(
        pd.DataFrame(rows),
        caption=heterogeneity_title(spec, found.term, study),
        note=_note(found, labels),
        groups="term",
    )


def heterogeneity_pictures(spec: ModelSpec, found: Heterogeneity, study: Study) -> list[Picture]:
    """A forest plot a coefficient, the groups above and what they say together beneath."""
    title, drawn = heterogeneity_title(spec, found.term, study), []
    for term, label in _labels(found, study).items():
        groups = _groups(found, term, study)[["name", *_LIMITS]].rename(columns={"name": "term"})
        together = _together(found, term, study).rename_axis("term").reset_index()[["term", *_LIMITS]]
        shown = pd.concat([groups, together], ignore_index=True)
        said = "; ".join(f"{row.term} {_words(row)}" for row in together.itertuples())
        drawn.append(
            figure(
                forest_plot(shown, effect=found.effect, level=found.level),
                alt=f"Forest plot of {found.effect.lower()}s of {label} in {len(groups)} groups. {said}.",
                caption=f"{title}, {label}: each group's own {found.effect.lower()} with {found.level:.0%} intervals, and all together.",
                data=shown,
            )
        )
    return drawn


def _labels(found: Heterogeneity, study: Study) -> dict[str, str]:
    _, design = parse(found.formula, study.codebook, intercept=False)
    labels = design_labels(design, study.codebook)
    return {term: labels.get(term, term) for term in dict.fromkeys(found.groups["term"])}


def _step(found: Heterogeneity, term: str, study: Study) -> float:
    _, design = parse(found.formula, study.codebook, intercept=False)
    return design_steps(design, study.codebook).get(term, 1.0)


def _groups(found: Heterogeneity, term: str, study: Study) -> pd.DataFrame:
    """Groups of a coefficient under their names, as ratios per the step that its label states."""
    rows = found.groups[found.groups["term"] == term].reset_index(drop=True)
    names = []
    for row in rows.itertuples():
        site = study.site_title(str(row.site))
        own = str(row.group).removeprefix(str(row.site)).removeprefix(": ")
        merged = f", {row.practices} merged" if row.practices > 1 else ""
        names.append(f"{site}: {own}{merged}" if own else site)
    step = _step(found, term, study)
    return rows.assign(name=names, **{c: np.exp(rows[c] * step) for c in _LIMITS})


def _together(found: Heterogeneity, term: str, study: Study) -> pd.DataFrame:
    """Fixed and random effects and the prediction interval, by their names."""
    fixed, random = (
        found.summaries[(found.summaries["term"] == term) & (found.summaries["effects"] == e)].iloc[0]
        for e in ("fixed", "random")
    )
    prediction = [random["estimate"], random["prediction_low"], random["prediction_high"]]
    frame = pd.DataFrame(
        [fixed[_LIMITS].tolist(), random[_LIMITS].tolist(), prediction],
        index=[FIXED, RANDOM, NEW],
        columns=_LIMITS,
    )
    return np.exp(frame.astype(float) * _step(found, term, study))


def _words(row: object) -> str:
    values = [float(getattr(row, name)) for name in _LIMITS]
    return formats.MISSING if np.isnan(values[0]) else formats.ratio(*values)


def _note(found: Heterogeneity, labels: dict[str, str]) -> str:
    said = [f"Status: {found.status}."]
    for row in found.statistics.itertuples():
        name = f"{labels[row.term]}: " if len(labels) > 1 else ""
        between = (
            ""
            if np.isnan(row.tau2_low)
            else f" ({found.level:.0%} interval {row.tau2_low:.3f} to {row.tau2_high:.3f})"
        )
        said.append(
            f"{name}Q {row.q:.1f} on {row.df} df, p {formats.p_value(row.p_value)}; I² {row.i2:.0%}; variance between groups τ² "
            f"{row.tau2:.3f}{between}, by {_METHODS[found.method]}."
        )
        without = found.without[found.without["term"] == row.term]
        if len(without):
            low, high = np.exp(without["estimate"].min()), np.exp(without["estimate"].max())
            said.append(f"Without one group at a time the mean lies between {low:.2f} and {high:.2f}.")
    statistic, df, p_value = found.test
    if df:
        said.append(
            f"Score test of one stage that the effects do not differ: {statistic:.1f} on {df} df, p {formats.p_value(p_value)}."
        )
    if found.hartung_knapp:
        said.append("Intervals of effects that vary: Hartung and Knapp.")
    said.append(
        "Small practices are merged by their site's rules; practices whose names are labels are numbered, the largest first."
    )
    return " ".join(said)
