"""Subsets of patients as structured conditions, never as text that a site would evaluate."""

import ast
import re
import sys
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.names import unreadable_comparison
from fedstats.contract.query import QueryError, Spec
from fedstats.contract.variable import Variable

Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "in"]

_OPERATORS: dict[type[ast.cmpop], Comparison] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
}


@dataclass(frozen=True)
class Condition(Spec):
    """Patients whose ``column`` compares so with the values; a patient with a missing value is not among them."""

    column: str
    comparison: Comparison
    values: tuple[float | str, ...]

    def __post_init__(self) -> None:
        if not self.values or (self.comparison != "in" and len(self.values) != 1):
            raise QueryError(
                f"A condition on {self.column} compares it with one value, or with several by 'in'."
            )

    def in_words(self) -> str:
        """As it was written: ``ecog >= 2``."""
        values = [v if isinstance(v, str) else f"{v:.12g}" for v in self.values]
        return f"{self.column} {self.comparison} {', '.join(values)}"

    def among(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows of a harmonised frame meet the condition, (n,) bool."""
        column = frame[self.column]
        if isinstance(column.dtype, pd.CategoricalDtype):
            return self._among_levels(column)
        if any(isinstance(v, str) for v in self.values):
            raise QueryError(f"{self.column} is a number; compare it with a number, not with a text.")
        x = column.to_numpy(dtype=float)
        with np.errstate(invalid="ignore"):
            return np.asarray(self._compare(x) & ~np.isnan(x))

    def check(self, variable: Variable) -> None:
        """Whether it can be met in a column that is agreed, before any site is asked.

        Raises
        ------
        QueryError
            Levels that are not agreed, or put in an order; a number compared with a text.
        """
        if variable.kind == "label":
            raise QueryError(f"{self.column} {variable.in_words()}; its values are not for questions.")
        if variable.kind != "factor":
            if any(isinstance(v, str) for v in self.values):
                raise QueryError(f"{self.column} is a number; compare it with a number, not with a text.")
            return
        if self.comparison not in ("==", "!=", "in"):
            raise QueryError(f"{self.column} is a factor; compare its levels with ==, != or in.")
        unknown = [name for name in map(level_name, self.values) if name not in variable.levels]
        if unknown:
            raise QueryError(
                f"{self.column} has no level {unknown[0]!r} in the codebook; it has {', '.join(variable.levels)}."
            )

    def leaves(self, variable: Variable) -> Variable:
        """The column as it is of those who meet the condition: with the levels that they may have."""
        if variable.name != self.column or not variable.levels:
            return variable
        if variable.kind == "factor":
            named = {level_name(value) for value in self.values}
            kept = [(level in named) != (self.comparison == "!=") for level in variable.levels]
        else:  # a number with agreed values, which are in an order
            kept = self._compare(np.array([float(level) for level in variable.levels])).tolist()
        if not any(kept):  # nobody meets it
            return variable
        both = variable.levels, variable.level_labels
        levels, labels = (tuple(v for v, keep in zip(of, kept, strict=False) if keep) for of in both)
        return replace(variable, levels=levels, level_labels=labels)

    def _compare(self, x: NDArray[np.float64]) -> NDArray[np.bool_]:
        value = float(self.values[0])
        match self.comparison:
            case "==":
                return np.asarray(x == value)
            case "!=":
                return np.asarray(x != value)
            case "<":
                return x < value
            case "<=":
                return x <= value
            case ">":
                return x > value
            case ">=":
                return x >= value
            case "in":
                return np.isin(x, np.array([float(v) for v in self.values]))

    def _among_levels(self, column: pd.Series) -> NDArray[np.bool_]:
        if self.comparison not in ("==", "!=", "in"):
            raise QueryError(f"{self.column} is a factor; compare its levels with ==, != or in.")
        wanted = [level_name(v) for v in self.values]
        unknown = sorted(set(wanted) - set(column.cat.categories))
        if unknown:
            # the levels at hand are not named: of a label column they would be the site's own
            raise QueryError(f"{self.column} has no level {unknown}.")
        chosen = column.isin(wanted).to_numpy()
        return np.asarray(~chosen & column.notna().to_numpy() if self.comparison == "!=" else chosen)


def level_name(value: object) -> str:
    """The text under which a level travels: 2.0 and 2 are both ``"2"``."""
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, int | float | np.number) and float(value).is_integer():
        return str(int(value))
    return str(value)


def conditions(text: str) -> tuple[Condition, ...]:
    """Parse ``"ecog >= 2 and sex == 'F' and site in ('a', 'b')"``; parsed here, sent as structure.

    Raises
    ------
    QueryError
        Anything but comparisons of a column with constants, joined by ``and``.
    """
    if not isinstance(text, str):
        raise QueryError(
            f"A condition is a text such as \"ecog >= 2 and sex == 'F'\"; this one is {type(text).__name__}."
        )
    text = unicodedata.normalize("NFC", text)
    hint = unreadable_comparison(text) or f"Cannot read the condition {text!r}: {_remedy(text)}."
    wrong = QueryError(hint)
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise wrong from None
    parts = body.values if isinstance(body, ast.BoolOp) and isinstance(body.op, ast.And) else [body]  # noqa: PD011
    return tuple(_condition(part, wrong) for part in parts)


def _remedy(text: str) -> str:
    """What to write in place of a condition that cannot be read."""
    if re.search(r"\|\|?|\bor\b", text):
        return "there is no 'or'; of one column's values write in, as in ecog in (1, 2), or else make a column in the data"
    if re.search(r"&|%in%|\bc\(", text):
        return "write 'and' between comparisons, and \"sex in ('F', 'M')\" for several values"
    if re.search(r"is\.na|isna|isnull|missing|None\b|\bNA\b", text):
        return "an empty cell meets no condition; whoever has one in a column of a model is left out anyway"
    if re.search(r"(?<![=!<>])=(?!=)", text):
        return "write two signs for equal, as in sex == 'F'"
    if re.search(r"[<>]=?[^<>=]+[<>]", text):
        return 'write two comparisons, as in "age > 60 and age < 70"'
    if found := re.search(r"(==|!=)\s*([^\W\d]\w*)\s*$", text):
        return f"write a text in quotes, as in {text[: found.start(2)]}{found.group(2)!r}"
    return "write column comparisons joined by 'and', as in \"ecog >= 2 and sex == 'F'\""


def _condition(node: ast.expr, wrong: QueryError) -> Condition:
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in _OPERATORS:
        raise wrong
    if not isinstance(node.left, ast.Name | ast.Attribute):
        raise wrong
    column = ast.unparse(node.left)
    if not re.fullmatch(r"[^\W\d][\w.]*", column):
        raise wrong
    try:
        value = ast.literal_eval(node.comparators[0])
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise wrong from None
    if isinstance(value, set):
        value = sorted(value, key=str)  # the same question in every process
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    comparison = _OPERATORS[type(node.ops[0])]
    if not values or (comparison != "in" and len(values) != 1):
        raise wrong
    if not all(
        isinstance(v, str) or (isinstance(v, int | float) and abs(v) <= sys.float_info.max) for v in values
    ):
        raise wrong
    return Condition(column, comparison, tuple(v if isinstance(v, str) else float(v) for v in values))
