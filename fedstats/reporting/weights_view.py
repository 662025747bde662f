"""A propensity, its weights, and what follows from them, as a report shows it."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.effect_results import StandardisedRisks
from fedstats.contract.entries import listed
from fedstats.contract.fit import Fit
from fedstats.contract.formula import parse
from fedstats.contract.weight_results import ALL_SITES, Balance, EffectiveSizes, Overlap
from fedstats.reporting import formats
from fedstats.reporting.analysis_text import paragraph
from fedstats.reporting.balance_drawing import LIMIT
from fedstats.reporting.figures import figure
from fedstats.reporting.model_text import effect_table, sizes
from fedstats.reporting.plots import love_plot, overlap_plot
from fedstats.reporting.tables import Table, table
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec
from fedstats.study.weights_spec import WeightsAnalysis, WeightsSpec, weights_analyses

_WHOM = {
    "ATE": "all patients",
    "ATT": "patients like the treated",
    "overlap": "patients for whom both treatments are given",
}


def weights_title(spec: WeightsSpec, study: Study, asked: WeightsAnalysis | None = None) -> str:
    """Title of weights, or of what was asked of them."""
    outcome = parse(spec.formula, study.codebook, intercept=True)[0].event
    title = spec.title or f"Propensity of {study.codebook[outcome].label or outcome}"
    if asked is None or asked.key == "propensity":
        return title
    if asked.key == "augmented":
        outcome = parse(asked.formula, study.codebook, intercept=True)[0].event
        return f"Doubly robust effect on {study.codebook[outcome].label or outcome}: {title}"
    return f"{_WHAT[asked.key]}: {title}"


_WHAT = {
    "sizes": "Effective sample sizes",
    "overlap": "Overlap of propensities",
    "balance": "Balance of covariates",
}


def weights_method(spec: WeightsSpec, asked: WeightsAnalysis) -> str:
    """How it is worked out, in words."""
    kind = f"{'stabilised ' if spec.stabilised else ''}{spec.estimand}"
    return {
        "propensity": f"Logistic regression of the treatment, for {kind} weights{_cut(spec)}",
        "sizes": "Kish's effective sample size",
        "overlap": "Counts between agreed edges",
        "balance": "Standardised mean differences, unweighted standard deviations",
        "augmented": "Augmented inverse probability weighting",
    }[asked.key]


def _cut(spec: WeightsSpec) -> str:
    said = [f"propensities cut at {spec.truncate[0]:g} and {spec.truncate[1]:g}"] if spec.truncate else []
    said += [f"weights cut at {spec.bounds[0]:g} and {spec.bounds[1]:g}"] if spec.bounds else []
    return "".join(f", {part}" for part in said)


def weights_parts(study: Study, found: Mapping[str, Any], *, drawn: bool = True) -> Iterator[Any]:
    """Of all weights of a study the model, figures and tables; the rule where a site did not let one out."""
    for name, spec in study.weights.items():
        asks = [asked for asked in weights_analyses(name, spec) if asked.name in found]
        if not asks:
            continue
        yield f"<h3>{escape(weights_title(spec, study))}</h3>"
        if drawn:
            yield paragraph(_about(spec, study))
        for asked in asks:
            result, title = found[asked.name], weights_title(spec, study, asked)
            kind, show = _VIEWS[asked.key]
            if not isinstance(result, kind):
                yield paragraph(f"{title}.")
                yield result
            else:
                yield from (
                    p for p in show(spec, asked, result, study, title) if drawn or isinstance(p, Table)
                )
        yield paragraph(spec.note if drawn else "")


def _about(spec: WeightsSpec, study: Study) -> str:
    outcome = parse(spec.formula, study.codebook, intercept=True)[0].event
    name = study.codebook[outcome].label or outcome
    return (
        f"{spec.estimand} weights: models that are weighted by them compare {name} as if it had been given by a coin among "
        f"{_WHOM[spec.estimand]}, as far as the model of the propensity holds all that both treatment and outcome depend on. "
        f"Sites make the weights of their own rows and keep them.{_among(spec, study)}"
    )


def _among(spec: WeightsSpec, study: Study) -> str:
    if not spec.complete:
        return ""
    known = listed([study.codebook[column].title for column in spec.complete])
    return f" The propensity is of the patients of whom {known} is known; curves and models of other outcomes weigh everybody by it."


def _propensity(spec: WeightsSpec, asked: WeightsAnalysis, fit: Fit, study: Study, title: str) -> list[Any]:
    model = ModelSpec(
        name=asked.name, title=title, kind="logistic", formula=spec.formula, penalty=spec.penalty
    )
    return [sizes(model, fit, study.codebook), effect_table(model, fit, study.codebook)]


def _sizes(_: WeightsSpec, __: WeightsAnalysis, found: EffectiveSizes, study: Study, title: str) -> list[Any]:
    rows = found.tidy()
    frame = pd.DataFrame(
        {
            "Site": [_site(study, site) for site in rows["site"]],
            "Group": rows["group"],
            "Patients": [formats.count(n) for n in rows["n"]],
            "Effective": [formats.count(round(n)) for n in rows["effective"]],
        }
    )
    note = "Effective: as many equally weighted patients would give as precise a mean, (sum of weights)² / sum of their squares."
    return [table(frame, caption=title, note=note)]


def _overlap(spec: WeightsSpec, _: WeightsAnalysis, found: Overlap, study: Study, title: str) -> list[Any]:
    whole = found.frame[found.frame["site"] == ALL_SITES]
    outcome = parse(spec.formula, study.codebook, intercept=True)[0].event
    variable, groups = study.codebook[outcome], list(dict.fromkeys(whole["group"]))
    both = whole.groupby("low")["n"].agg(lambda n: int((n > 0).all()))
    edges = whole.groupby("low")["high"].first()
    common = [(low, edges[low]) for low in both.index[both > 0]]
    said = (
        f"Patients of both groups from {common[0][0]:g} to {common[-1][1]:g}."
        if common
        else "Both groups share no cell."
    )
    picture = figure(
        overlap_plot(
            whole, treatment=variable.level_label(variable.levels[-1]) if variable.levels else groups[-1]
        ),
        alt=f"Mirrored histogram of propensities, {groups[0]} above and {groups[-1]} below. {said}",
        caption=f"{title}, all sites.",
        data=found.frame.assign(site=[_site(study, s) for s in found.frame["site"]]),
    )
    return [picture]


def _balance(_: WeightsSpec, __: WeightsAnalysis, found: Balance, study: Study, title: str) -> list[Any]:
    shown = found.frame.assign(
        label=[
            _label(study.codebook, v, level)
            for v, level in zip(found.frame["variable"], found.frame["level"], strict=True)
        ]
    )
    if not len(shown):
        return [paragraph(f"{title}: not released.")]
    largest = found.largest().set_index("site").loc[ALL_SITES]
    said = (
        f"Of all sites together the largest absolute difference is {largest['smd']:.2f} before weighting and "
        f"{largest['weighted_smd']:.2f} after."
    )
    refused = "".join(
        f" Not released: {study.codebook[name].title} ({rule})." for name, rule in found.refused
    )
    picture = figure(
        love_plot(shown, whole=ALL_SITES),
        alt=f"Love plot of {shown['label'].nunique()} covariates. {said}",
        caption=f"{title}: large marks all sites, small marks each; the line is at {LIMIT:g}.",
        data=shown.assign(site=[_site(study, s) for s in shown["site"]]).drop(columns=["variable", "level"]),
    )
    return [picture, paragraph(said + refused), _balance_table(shown, found, study.codebook, title)]


def _balance_table(shown: pd.DataFrame, found: Balance, codebook: Codebook, title: str) -> Table:
    whole = shown[shown["site"] == ALL_SITES]
    groups = found.groups
    columns = {
        "Covariate": [codebook[v].title for v in whole["variable"]],
        "Level": [
            codebook[v].level_label(level) if level else "Mean"
            for v, level in zip(whole["variable"], whole["level"], strict=True)
        ],
    }
    pairs = (
        ("mean_control", "weighted_control"),
        ("mean_treated", "weighted_treated"),
        ("smd", "weighted_smd"),
    )
    for heading, (before, after) in zip((*groups, "SMD"), pairs, strict=True):
        show = formats.standardised if before == "smd" else formats.estimate
        columns[heading] = [
            f"{show(a)} → {show(b)}" for a, b in zip(whole[before], whole[after], strict=True)
        ]
    note = (
        f"All sites, without weights → weighted. Means, and shares of a level. SMD: difference over the {found.denominator} standard deviation without weights, "
        "before and after."
    )
    return table(pd.DataFrame(columns), caption=title, note=note, groups="Covariate")


def _augmented(
    _: WeightsSpec, __: WeightsAnalysis, found: StandardisedRisks, study: Study, title: str
) -> list[Any]:
    rows = found.tidy()
    words = [
        (formats.ratio if m.endswith("ratio") else formats.percent_interval)(*bounds)
        for m, bounds in zip(
            rows["measure"], rows[["estimate", "conf_low", "conf_high"]].to_numpy(), strict=True
        )
    ]
    variable = study.codebook[found.column]
    frame = pd.DataFrame(
        {
            "Measure": [m.capitalize() for m in rows["measure"]],
            "Group": [_arms(variable, term) for term in rows["term"]],
            f"Estimate ({found.level:.0%} interval)": words,
            "p": [formats.MISSING if pd.isna(p) else formats.p_value(p) for p in rows["p_value"]],
        }
    )
    note = "Right where the model of the outcome or that of the treatment is; intervals by the influence function, right where both are."
    return [table(frame, caption=title, note=note)]


def _arms(variable: Any, term: str) -> str:
    for level in variable.levels:
        term = term.replace(level, variable.level_label(level))
    return term


def _label(codebook: Codebook, column: str, level: str) -> str:
    variable = codebook[column]
    return f"{variable.label or column}: {variable.level_label(level)}" if level else variable.title


def _site(study: Study, site: str) -> str:
    return "All sites" if site == ALL_SITES else study.site_title(site)


_VIEWS: dict[str, tuple[type, Any]] = {
    "propensity": (Fit, _propensity),
    "sizes": (EffectiveSizes, _sizes),
    "overlap": (Overlap, _overlap),
    "balance": (Balance, _balance),
    "augmented": (StandardisedRisks, _augmented),
}


def weighted_tables(
    spec: ModelSpec, fit: Fit, labels: Mapping[str, str], steps: Mapping[str, float]
) -> list[Table]:
    """Standard errors that account for the propensity beside those that do not, and E-values where they are asked for.

    ``labels`` are those of terms, and ``steps`` the units that these say a ratio is of.
    """
    found = []
    if fit.variance == "stacked":
        errors = fit.std_errors()
        errors = errors[errors["term"] != "Intercept"]
        frame = pd.DataFrame({"Term": [labels[t] for t in errors["term"]]})
        for key, heading in (("stacked", "With the propensity's estimation"), ("robust", "Robust alone")):
            frame[heading] = [formats.estimate(v) for v in errors[key]]
        note = (
            f"{'On the log scale. ' if fit.is_ratio else ''}Intervals and p are of the first: stacked estimating equations of both models. "
            "The second takes the weights as if they were known."
        )
        found.append(table(frame, caption=f"Standard errors: {spec.title}", note=note))
    if spec.e_values is not None and fit.is_ratio and fit.has_std_errors:
        values = fit.e_values(rare=spec.e_values == "rare", steps=steps)
        frame = pd.DataFrame(
            {
                "Term": [labels[t] for t in values["term"]],
                "E-value": [f"{v:.2f}" for v in values["e_value"]],
                "of the interval's nearer end": [f"{v:.2f}" for v in values["e_value_limit"]],
            }
        )
        note = (
            "An unmeasured confounder would have to go with both treatment and outcome by a risk ratio of so much each, beyond what is "
            f"in the models, to explain the estimate away (VanderWeele & Ding 2017; the outcome taken as {spec.e_values})."
        )
        found.append(table(frame, caption=f"E-values: {spec.title}", note=note))
    return found
