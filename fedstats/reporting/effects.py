"""Ratios and differences as a report prints them: of numbers per a stated step, "per 10 years" and not per one."""

import math

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.fit import Fit
from fedstats.contract.formula import parse
from fedstats.contract.periods import design_of
from fedstats.contract.variable import Variable
from fedstats.reporting.formats import precise


def effects(fit: Fit, codebook: Codebook) -> pd.DataFrame:
    """Ratios (or differences of means) with intervals, one row a term, each per the step that its label states.

    The columns are those of ``fit.tidy``, which is per unit of the columns as written; ``std_error`` of a ratio stays
    on the log scale, per step too.
    """
    steps = design_steps(design_of(fit, codebook), codebook)
    tidy = fit.tidy()
    step = np.array([steps.get(term, 1.0) for term in tidy["term"]])
    shown = np.exp if fit.is_ratio else np.asarray
    scaled = {name: shown(tidy[name] * step) for name in ("estimate", "conf_low", "conf_high")}
    return tidy.assign(std_error=tidy["std_error"] * step, **scaled)


def effect_labels(fit: Fit, codebook: Codebook) -> dict[str, str]:
    """Labels of a model's terms: ``sex[female]`` reads "Sex: female (vs male)", ``age`` "Age, per 10 years"."""
    return design_labels(design_of(fit, codebook), codebook)


def design_labels(design: Design, codebook: Codebook) -> dict[str, str]:
    """The same of the columns of a design."""
    return {"Intercept": "Intercept"} | {c.name: _of_column(c, codebook) for c in design.columns}


def design_steps(design: Design, codebook: Codebook) -> dict[str, float]:
    """Of every column the step that its label states."""
    return {c.name: math.prod(_step(p, codebook[p.column]) for p in c.parts) for c in design.columns}


def step_of(variable: Variable) -> float:
    """The number among 1, 5, 10, 50 ... (0.5, 0.1 ...) that is nearest to the spread of a column.

    The spread is a guess at the standard deviation: a quarter of the way between the outermost inner edges
    of the codebook, a fifth of the range where there are none.
    """
    inner = variable.edges[1:-1]
    if len(inner) > 1:
        spread = (inner[-1] - inner[0]) / 4
    elif variable.low is not None and variable.high is not None:
        spread = (variable.high - variable.low) / 5
    else:
        return 1.0
    decade = math.floor(math.log10(spread))
    found = (float(f"{digit}e{k}") for k in (decade, decade + 1) for digit in (1, 5))
    return min(found, key=lambda step: abs(math.log(step / spread)))


def effect_name(fit: Fit, codebook: Codebook) -> str:
    """``Hazard ratio``; of a difference of means with the unit of the outcome: ``Mean difference, kg``."""
    unit = "" if fit.is_ratio else codebook[parse(fit.formula, codebook, intercept=True)[0].event].unit
    return f"{fit.effect}, {unit}" if unit else fit.effect


def _of_column(column: Column, codebook: Codebook) -> str:
    """A column of a design by its parts, and by its period where it counts in one."""
    said = " × ".join(column_label(codebook[p.column], p.level) for p in column.parts)
    return said if column.period is None else f"{said}, {column.name.rpartition(': ')[2]}"


def _step(part: Part, variable: Variable) -> float:
    return step_of(variable) if part.level is None else 1.0


def column_label(variable: Variable, level: str | None = None) -> str:
    """A number with the step that effects are per, or a level and what it is compared with."""
    name = variable.label or variable.name
    if level is not None:
        return f"{name}: {variable.level_label(level)} (vs {variable.level_label(variable.levels[0])})"
    step = step_of(variable)
    if step == 1:
        return f"{name}, per {_singular(variable.unit) or 'unit'}"
    return f"{name}, per {precise(step)} {variable.unit}".rstrip()


def _singular(unit: str) -> str:
    return unit[:-1] if unit in ("years", "months", "weeks", "days") else unit
