"""Standardised risks and average marginal effects as a report shows them."""

from collections.abc import Callable

import pandas as pd

from fedstats.contract.effect_results import MarginalEffects, StandardisedRisks
from fedstats.contract.formula import parse
from fedstats.contract.variable import Variable
from fedstats.reporting import formats
from fedstats.reporting.effects import column_label, step_of
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.plots import forest_plot
from fedstats.reporting.tables import Table, table
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec

_POINTS = 100.0  # differences of risks are printed in percentage points
_CAUTION = (
    "They follow from the model: a difference is what the column does only as far as the model holds all that both "
    "the column and the outcome depend on."
)


def standardised_title(spec: ModelSpec, column: str, study: Study) -> str:
    """Title of what is standardised by a column."""
    what = "risks" if spec.family == "binomial" else "means"
    return f"Standardised {what} by {_name(study.codebook[column])}: {spec.title}"


def effects_title(spec: ModelSpec) -> str:
    """Title of the average marginal effects of a model."""
    return f"Average marginal effects: {spec.title}"


def standardised_table(spec: ModelSpec, found: StandardisedRisks, study: Study) -> Table:
    """A line a value: its risk, its difference to the reference, and its ratio."""
    variable, shown = study.codebook[found.column], found.tidy().groupby("measure", sort=False)
    names = [_value(variable, value) for value in _values(found)]
    at = {measure: rows.reset_index(drop=True) for measure, rows in shown}
    one, in_words = (
        ("Risk", formats.percent_interval) if found.measure == "risk" else ("Mean", formats.interval)
    )
    interval = f"({found.level:.0%} interval)"
    risks, differences = at[found.measure], _scaled(at[f"{found.measure} difference"], found.measure)
    frame = pd.DataFrame(
        {
            _name(variable): names,
            f"{one}{_unit(spec, study) if one == 'Mean' else ''} {interval}": _words(risks, in_words),
            f"Difference{_unit(spec, study)} {interval}": [
                formats.MISSING,
                *_words(differences, formats.interval),
            ],
            "p": [formats.MISSING, *(formats.p_value(p) for p in differences["p_value"])],
        }
    )
    if (ratios := at.get(f"{found.measure} ratio")) is not None and len(ratios):
        frame.insert(3, f"Ratio {interval}", [formats.MISSING, *_words(ratios, formats.ratio)])
    note = (
        f"What the model expects on average of all its patients, were {_name(variable)} the same for each of them and "
        f"all else as it is. A dash: the reference. Intervals by the delta method. p: of the difference. {_CAUTION}"
    )
    return table(frame, caption=standardised_title(spec, found.column, study), note=note)


def standardised_pictures(spec: ModelSpec, found: StandardisedRisks, study: Study) -> list[Picture]:
    """Differences to the reference as a forest plot."""
    variable = study.codebook[found.column]
    reference = _value(variable, _values(found)[0])
    differences = _scaled(found.differences(), found.measure)
    labels = {
        term: f"{_value(variable, value)} (vs {reference})"
        for term, value in zip(differences["term"], _values(found)[1:], strict=True)
    }
    what = f"{found.measure.capitalize()} difference"
    title = standardised_title(spec, found.column, study)
    return [_forest(differences, labels, f"{what}{_unit(spec, study)}", title, f"{what}s", found.level)]


def marginal_table(spec: ModelSpec, found: MarginalEffects, study: Study) -> Table:
    """A line an effect: of a level its difference to the reference, of a number its slope per step."""
    shown, labels = _marginal(spec, found, study)
    frame = pd.DataFrame(
        {
            "Term": [labels[term] for term in shown["term"]],
            f"{_effect(spec, study)} ({found.level:.0%} interval)": _words(shown, formats.interval),
            "p": [formats.p_value(p) for p in shown["p_value"]],
        }
    )
    note = (
        "By how much what the model expects changes, on average of all its patients: of a level, against the reference "
        f"level; of a number, its mean slope, per the step named. Intervals by the delta method. {_CAUTION}"
    )
    return table(frame, caption=effects_title(spec), note=note)


def marginal_pictures(spec: ModelSpec, found: MarginalEffects, study: Study) -> list[Picture]:
    """Effects as a forest plot."""
    shown, labels = _marginal(spec, found, study)
    title = effects_title(spec)
    return [_forest(shown, labels, _effect(spec, study), title, "average marginal effects", found.level)]


def _marginal(spec: ModelSpec, found: MarginalEffects, study: Study) -> tuple[pd.DataFrame, dict[str, str]]:
    """Effects per step, each under a term of its own, with labels."""
    frame, labels = found.tidy(), {}
    terms, steps = [], []
    for column, contrast in zip(frame["term"], frame["contrast"], strict=True):
        variable = study.codebook[column]
        level = None if contrast == "slope" else contrast.removesuffix(f" - {variable.levels[0]}")
        terms.append(f"{column} {contrast}")
        steps.append(step_of(variable) if level is None else 1.0)
        labels[terms[-1]] = column_label(variable, level)
    numbers = ["estimate", "std_error", "conf_low", "conf_high"]
    frame[numbers] = frame[numbers].mul(steps, axis=0)
    return _scaled(frame.assign(term=terms), "risk" if spec.family == "binomial" else "mean"), labels


def _forest(
    found: pd.DataFrame, labels: dict[str, str], effect: str, title: str, what: str, level: float
) -> Picture:
    said = "; ".join(
        f"{labels[term]} {formats.interval(*bounds)}"
        for term, *bounds in found[["term", "estimate", "conf_low", "conf_high"]].itertuples(index=False)
    )
    return figure(
        forest_plot(found, effect=effect, ratios=False, labels=labels, level=level),
        alt=f"Forest plot of {effect[:1].lower()}{effect[1:]}. {said}.",
        caption=f"{title}: {what[:1].lower()}{what[1:]} with {level:.0%} intervals.",
        data=found.assign(term=[labels[term] for term in found["term"]]),
    )


def _effect(spec: ModelSpec, study: Study) -> str:
    return f"{'Risk' if spec.family == 'binomial' else 'Mean'} difference{_unit(spec, study)}"


def _scaled(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    numbers = ["estimate", "std_error", "conf_low", "conf_high"]
    return frame.assign(**{name: frame[name] * _POINTS for name in numbers}) if measure == "risk" else frame


def _words(frame: pd.DataFrame, in_words: Callable[..., str]) -> list[str]:
    return [in_words(*row) for row in frame[["estimate", "conf_low", "conf_high"]].itertuples(index=False)]


def _unit(spec: ModelSpec, study: Study) -> str:
    """Of differences: percentage points of a risk, else the unit of the outcome."""
    if spec.family == "binomial":
        return ", percentage points"
    unit = study.codebook[parse(spec.formula, study.codebook, intercept=True)[0].event].unit
    return f", {unit}" if unit else ""


def _values(found: StandardisedRisks) -> tuple[str, ...]:
    return found.values  # noqa: PD011 (a tuple of ours, no frame's)


def _name(variable: Variable) -> str:
    return variable.label or variable.name


def _value(variable: Variable, value: str) -> str:
    if variable.levels:
        return variable.level_label(value)
    return f"{formats.precise(float(value))} {variable.unit}".rstrip()
