"""Names of terms, groups and questions as a reader of a report meets them."""

from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design, Part
from fedstats.contract.formula import parse
from fedstats.contract.query import Query
from fedstats.contract.variable import Variable


def term_labels(formula: str, codebook: Codebook, *, intercept: bool) -> dict[str, str]:
    """Labels of a model's terms: ``sex[female]`` reads "Sex: female (vs male)"."""
    _, design = parse(formula, codebook, intercept=intercept)
    return {"Intercept": "Intercept"} | _labels(design, codebook)


def _labels(design: Design, codebook: Codebook) -> dict[str, str]:
    return {c.name: " × ".join(_part(p, codebook[p.column]) for p in c.parts) for c in design.columns}


def _part(part: Part, variable: Variable) -> str:
    name = variable.label or variable.name
    if part.level is None:
        return f"{name}, per {_singular(variable.unit)}" if variable.unit else f"{name}, per unit"
    return f"{name}: {variable.level_label(part.level)} (vs {variable.level_label(variable.levels[0])})"


def _singular(unit: str) -> str:
    return unit[:-1] if unit in ("years", "months", "weeks", "days") else unit


def question_words(kind: type[Query]) -> str:
    """What a kind of query asks for: the first sentence of its documentation."""
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")
