"""What a report says about a model: its method, its sizes, its effects, its figure in words."""

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.fit import Fit
from fedstats.methods.glm_model import model_kind
from fedstats.numerics.firth import Firth
from fedstats.numerics.penalties import ElasticNet
from fedstats.reporting import formats
from fedstats.reporting.effects import effect_labels, effect_name, effects
from fedstats.reporting.tables import Table, table
from fedstats.study.model_spec import ModelSpec


def model_title(spec: ModelSpec) -> str:
    """Title of a model; the primary one says so."""
    return spec.title + (" (primary analysis)" if spec.primary else "")


def method(spec: ModelSpec, codebook: Codebook) -> str:
    """How a model is estimated, in words."""
    penalty = _penalty(spec.asked_penalty)
    if spec.weighting is not None:
        penalty += f", weighted by a propensity ({spec.weighting.estimand})"
    if spec.kind != "cox":
        by = f", an intercept by site and {_called(spec.intercepts, codebook)}" if spec.intercepts else ""
        return model_kind(*spec.distribution) + by + penalty
    strata = [_called(c, codebook) for c in spec.strata_columns]
    own = ["site", *strata] if spec.baseline == "site" else strata
    stratified = f", baseline hazard by {' and '.join(own)}" if own else ", one baseline hazard"
    changing = ", effects that change with time" if spec.time_varying else ""
    return f"Cox regression ({spec.ties.capitalize()} ties{stratified}{changing}){penalty}"


def _called(column: str, codebook: Codebook) -> str:
    return (codebook[column].label or column).lower()


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
        + f". {_groups(fit)}{_overall(fit)} Equal to the pooled fit ({fit.status}) after {fit.rounds} rounds."
    )
    return f"<p>{escape(text)}</p>"


def _overall(fit: Fit) -> str:
    """The test of all coefficients; of a penalised fit, which has none, what it uses of its columns."""
    facts = fit.glance().iloc[0]
    if fit.variance != "model":  # a weighted or clustered likelihood has no such test
        p = p_words(facts["wald_p_value"])
        return f"Wald test {facts['wald_statistic']:.1f} on {facts['df']:.0f} df, p {p}."
    if np.isfinite(facts["lr_statistic"]):  # of Firth's penalty too, which has one
        p = p_words(facts["lr_p_value"])
        name = "Penalised likelihood ratio test" if fit.is_penalised else "Likelihood ratio test"
        return f"{name} {facts['lr_statistic']:.1f} on {facts['df']:.0f} df, p {p}."
    if not fit.has_std_errors:
        slopes = [beta for name, beta in zip(fit.names, fit.beta, strict=True) if name != "Intercept"]
        kept = formats.count(int(np.count_nonzero(slopes)))
        return f"{kept} of {formats.count(len(slopes))} coefficients are other than zero."
    return f"Degrees of freedom of the penalised fit: {facts['df']:.1f}."


def _groups(fit: Fit) -> str:
    """How many intercepts were profiled out at the sites, and of whom the coefficients learn nothing."""
    if not fit.intercepts:
        return ""
    said = f"{formats.count(fit.intercepts)} intercepts, which were estimated at the sites and stay there"
    if fit.uninformative:
        said += f"; {formats.count(fit.uninformative)} patients of groups with one outcome alone tell nothing of the coefficients"
    return f"{said}. "


def _left_out(n: int) -> str:
    return "1 patient left out" if n == 1 else f"{formats.count(n)} patients left out"


def p_words(value: float) -> str:
    """A p-value as it stands in a sentence."""
    text = formats.p_value(value)
    return text if text[0] in "<>" else f"= {text}"


def effect_table(
    spec: ModelSpec,
    fit: Fit,
    codebook: Codebook,
    *,
    std_error: bool = False,
    more: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Table:
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
    frame = frame.assign(**more)  # columns that stand beside the p-values
    if fit.kind != "cox":
        what = fit.effect.removesuffix(" ratio").removesuffix(" difference").lower()
        frame.loc[found["term"] == "Intercept", "Term"] = f"Intercept ({what})"
    if not fit.has_std_errors:
        frame = frame.drop(columns="p").rename(columns={frame.columns[1]: effect_name(fit, codebook)})
    return table(
        frame,
        caption=spec.title,
        note=" ".join([f"Status: {fit.status}.", _about_intervals(fit, labels), *fit.notes]),
    )


def _about_intervals(fit: Fit, labels: Mapping[str, str]) -> str:
    test = "Wald" if np.isinf(fit.df_residual) else "t"
    if not fit.has_std_errors:
        return "Estimates are shrunk towards no effect, some of them wholly; under this penalty they have no intervals."
    said = f"p: {test} test."
    if fit.profile_limits:
        named = "; ".join(labels[name] for name in fit.profile_limits)
        said = f"Intervals from the profile likelihood: {named}. {said}"
    if fit.is_penalised and fit.options["penalty"] != Firth().in_words():
        said = f"Estimates are shrunk towards no effect, and intervals are around them. {said}"
    return said


def _in_words(fit: Fit, found: pd.DataFrame) -> list[str]:
    if not fit.has_std_errors:
        return [formats.estimate(value) for value in found["estimate"]]
    bounds = zip(found["estimate"], found["conf_low"], found["conf_high"], strict=True)
    return [(formats.ratio if fit.is_ratio else formats.interval)(*row) for row in bounds]


def model_alt(fit: Fit, found: pd.DataFrame, labels: dict[str, str]) -> str:
    """What a forest plot shows, for those who do not see it."""
    clear = found[found["p_value"] < 1 - fit.level]
    ratios = (text.partition(" (")[0] for text in _in_words(fit, clear))
    said = "; ".join(f"{labels[t]} {ratio}" for t, ratio in zip(clear["term"], ratios, strict=True))
    return f"Forest plot of {len(found)} {fit.effect.lower()}s. Intervals that exclude {1 if fit.is_ratio else 0}: {said or 'none'}."
