"""What a report says about an analysis: its method, its sizes, its effects, its figures in words."""

from html import escape

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.contract.results import Curve
from fedstats.contract.results import Table as Description
from fedstats.methods.glm_model import model_kind
from fedstats.methods.proportional_hazards import ProportionalHazardsTest
from fedstats.numerics.firth import Firth
from fedstats.numerics.penalties import ElasticNet
from fedstats.reporting import formats
from fedstats.reporting.characteristics import characteristics, group_sizes, has_interpolated
from fedstats.reporting.coarsening import spans
from fedstats.reporting.effects import effect_labels, effect_name, effects
from fedstats.reporting.tables import Table, table
from fedstats.study.study_file import CurveSpec, ModelSpec


def paragraph(text: str) -> str:
    """A paragraph, or nothing."""
    return f"<p>{escape(text)}</p>" if text else ""


def model_title(spec: ModelSpec) -> str:
    """Title of a model; the primary one says so."""
    return spec.title + (" (primary analysis)" if spec.primary else "")


def method(spec: ModelSpec, codebook: Codebook) -> str:
    """How a model is estimated, in words."""
    penalty = _penalty(spec.asked_penalty)
    if spec.kind != "cox":
        return model_kind(*spec.distribution) + penalty
    columns = [spec.strata] if isinstance(spec.strata, str) else list(spec.strata or ())
    strata = [(codebook[c].label or c).lower() for c in columns]
    own = ["site", *strata] if spec.baseline == "site" else strata
    stratified = f", baseline hazard by {' and '.join(own)}" if own else ", one baseline hazard"
    changing = ", effects that change with time" if spec.time_varying else ""
    return f"Cox regression ({spec.ties.capitalize()} ties{stratified}{changing}){penalty}"


def _penalty(penalty: ElasticNet | Firth | None) -> str:
    """``, lasso with lambda 0.05``; the number as it was written."""
    if penalty is None:
        return ""
    if isinstance(penalty, Firth):
        return ", Firth's penalty"
    kind = {0.0: "ridge", 1.0: "lasso"}.get(penalty.mixing, f"elastic net of mixing {penalty.mixing!r}")
    return f", {kind} with lambda {penalty.strength!r}"


def sizes(spec: ModelSpec, fit: Fit, codebook: Codebook) -> str:
    """Patients, events, the overall test, and what the fit cost."""
    text = (
        f"{method(spec, codebook)}: {formats.count(fit.n)} patients"
        + (
            f", {formats.count(fit.n_event)} events"
            if spec.family == "binomial" or spec.kind == "cox"
            else ""
        )
        + (f", {_left_out(fit.dropped)} because a value is missing" if fit.dropped else "")
        + f". {_overall(fit)} Equal to the pooled fit ({fit.status}) after {fit.rounds} rounds."
    )
    return f"<p>{escape(text)}</p>"


def _overall(fit: Fit) -> str:
    """The test of all coefficients; of a penalised fit, which has none, what it uses of its columns."""
    facts = fit.glance().iloc[0]
    if not fit.is_penalised:
        p = p_words(facts["lr_p_value"])
        return f"Likelihood ratio test {facts['lr_statistic']:.1f} on {facts['df']:.0f} df, p {p}."
    if not fit.has_std_errors:
        slopes = [beta for name, beta in zip(fit.names, fit.beta, strict=True) if name != "Intercept"]
        kept = formats.count(int(np.count_nonzero(slopes)))
        return f"{kept} of {formats.count(len(slopes))} coefficients are other than zero."
    return f"Degrees of freedom of the penalised fit: {facts['df']:.1f}."


def _left_out(n: int) -> str:
    return "1 patient left out" if n == 1 else f"{formats.count(n)} patients left out"


def p_words(value: float) -> str:
    """A p-value as it stands in a sentence."""
    text = formats.p_value(value)
    return text if text.startswith("<") else f"= {text}"


def patient_tables(title: str, found: Description, codebook: Codebook) -> list[Table | str]:
    """Table 1 under its title, and what of it a site's policy did not let out."""
    note = "Numbers are n (%), mean (SD) and median [quartiles]. SMD: absolute standardised mean difference. "
    parts: list[Table | str] = []
    if len(found.frame):
        note += f"Status: {found.status}."
        if has_interpolated(found.frame):
            note += " ≈: median and quartiles interpolated; the true values lie in the same cells of the codebook."
        wide = characteristics(codebook, found.frame)
        sizes = group_sizes(found.frame)
        parts.append(table(wide, caption=title, note=note, groups="variable", labels=sizes))
    if found.refused:
        named = ((codebook[n].label or n if n in codebook else n, rule) for n, rule in found.refused)
        listed = "; ".join(f"{name} ({rule})" for name, rule in named)
        parts.append(paragraph(f"Not released by a site's policy: {listed}."))
    return parts


def effect_table(spec: ModelSpec, fit: Fit, codebook: Codebook, *, std_error: bool = False) -> Table:
    """Effects with intervals and p-values, and their standard errors if wanted: those of ratios are on the log scale."""
    found, labels = effects(fit, codebook), effect_labels(fit, codebook)
    frame = pd.DataFrame(
        {
            "Term": [labels[t] for t in found["term"]],
            f"{effect_name(fit, codebook)} ({fit.level:.0%} interval)": _in_words(fit, found),
            f"Standard error{' (log scale)' if fit.is_ratio else ''}": [
                formats.estimate(s) for s in found["std_error"]
            ],
            "p": [formats.p_value(p) for p in found["p_value"]],
        }
    )
    if not std_error:
        frame = frame.drop(columns=frame.columns[2])
    if fit.kind != "cox":
        what = fit.effect.removesuffix(" ratio").removesuffix(" difference").lower()
        frame.loc[found["term"] == "Intercept", "Term"] = f"Intercept ({what})"
    if not fit.has_std_errors:
        frame = frame.drop(columns="p").rename(columns={frame.columns[1]: effect_name(fit, codebook)})
    return table(
        frame,
        caption=spec.title,
        note=" ".join([f"Status: {fit.status}.", _about_intervals(fit), *fit.notes]),
    )


def _about_intervals(fit: Fit) -> str:
    test = "Wald" if np.isinf(fit.df_residual) else "t"
    if not fit.has_std_errors:
        return "Estimates are shrunk towards no effect, some of them wholly; under this penalty they have no intervals."
    if fit.is_penalised and fit.options["penalty"] != Firth().in_words():
        return f"Estimates are shrunk towards no effect, and intervals are around them. p: {test} test."
    return f"p: {test} test."


#: Along what a change of an effect was looked for.
_ALONG = {
    "identity": "time",
    "log": "the logarithm of time",
    "km": "one minus the Kaplan–Meier curve of all patients",
    "rank": "the rank of a patient's end of follow-up",
}


def hazards_title(spec: ModelSpec) -> str:
    """Title of the test of proportional hazards of a model."""
    return f"Proportional hazards: {spec.title}"


def hazards_table(spec: ModelSpec, found: ProportionalHazardsTest, codebook: Codebook) -> Table:
    """The test of proportional hazards, term by term, with one sentence how to read it."""
    frame = pd.DataFrame(
        {
            "term": [_term_words(term, codebook) for term in found.table["term"]],
            "statistic": [formats.estimate(value) for value in found.table["statistic"]],
            "df": [formats.count(df) for df in found.table["df"]],
            "p_value": [formats.p_value(p) for p in found.table["p_value"]],
        }
    )
    note = (
        f"A small p says that the hazard ratio of a term changes along {_ALONG[found.transform]}, so that the one above "
        "is an average over follow-up; a large p says that these data show no such change, not that there is none. "
        f"Score test of Grambsch and Therneau. Status: {found.status}."
    )
    if found.status != "exact":
        note += " Time was followed in steps as wide as the cells: changes within one are not seen."
    return table(frame, caption=hazards_title(spec), note=note, labels={"statistic": "χ²"})


def constancy_table(spec: ModelSpec, fit: Fit, codebook: Codebook) -> Table:
    """Tests that effects which may change do not, term by term."""
    found = fit.constancy_tests()
    frame = pd.DataFrame(
        {
            "term": [_term_words(term, codebook) for term in found["term"]],
            "statistic": [formats.estimate(value) for value in found["statistic"]],
            "df": [formats.count(df) for df in found["df"]],
            "p_value": [formats.p_value(p) for p in found["p_value"]],
        }
    )
    note = (
        "A small p says that the hazard ratio of a term is not the same in all periods; a large p says that these data show "
        f"no change, not that there is none. Wald test. Status: {fit.status}."
    )
    return table(frame, caption=f"Change with time: {spec.title}", note=note, labels={"statistic": "χ²"})


def _term_words(term: str, codebook: Codebook) -> str:
    """A term by the labels of its columns; a function as it was written."""
    if term == "GLOBAL":
        return "All terms together"
    columns = [part.removeprefix("C(").removesuffix(")") for part in term.split(":")]
    if not all(column in codebook for column in columns):
        return term
    return " × ".join(codebook[column].label or column for column in columns)


def _in_words(fit: Fit, found: pd.DataFrame) -> list[str]:
    if not fit.has_std_errors:
        return [formats.estimate(value) for value in found["estimate"]]
    bounds = zip(found["estimate"], found["conf_low"], found["conf_high"], strict=True)
    return [(formats.ratio if fit.is_ratio else formats.interval)(*row) for row in bounds]


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


def median_table(spec: CurveSpec, curve: Curve) -> Table:
    """Medians with intervals; on a grid those on exact times lie within what is printed."""
    unit, medians = curve.unit or "time", curve.medians
    note = f"Status: {curve.status}."
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
        )
    columns = {
        "Group": list(medians["group"]),
        f"Median ({unit})": _medians(curve),
        f"{curve.level:.0%} interval": intervals,
    }
    return table(pd.DataFrame(columns), caption=f"Median: {spec.title}", note=note)


def model_alt(fit: Fit, found: pd.DataFrame, labels: dict[str, str]) -> str:
    """What a forest plot shows, for those who do not see it."""
    clear = found[found["p_value"] < 1 - fit.level]
    ratios = (text.partition(" (")[0] for text in _in_words(fit, clear))
    said = "; ".join(f"{labels[t]} {ratio}" for t, ratio in zip(clear["term"], ratios, strict=True))
    return f"Forest plot of {len(found)} {fit.effect.lower()}s. Intervals that exclude {1 if fit.is_ratio else 0}: {said or 'none'}."
