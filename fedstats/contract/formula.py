"""Formulas are read here, at the coordinator; sites receive structured terms and no text to evaluate."""

import ast
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from formulaic.parser import DefaultFormulaParser
from numpy.typing import NDArray

from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import level_name
from fedstats.contract.design import Column, Design, Part, level_codes
from fedstats.contract.functions import KNOWN, FunctionError, functions_of
from fedstats.contract.idioms import TERMS, said_here, said_on_the_left, with_plain_names
from fedstats.contract.names import unreadable_column
from fedstats.contract.shapes import Shape, centre_and_scale
from fedstats.contract.variable import AS_FACTOR, Variable

#: Kinds of column that an event is of.
_EVENTS = ("event", "numeric")


class FormulaError(ValueError):
    """A formula that cannot be used, with what to write instead."""


@dataclass(frozen=True)
class Outcome:
    """The left-hand side: a column, or ``Surv(time, event)`` or ``Surv(entry, time, event)``.

    ``event_level`` is the level of the event's column that counts as an event, ``Surv(time, cause == 1)``: all others end follow-up
    without one.  None: the column is 0 or 1.
    """

    event: str
    time: str | None = None
    entry: str | None = None
    event_level: str | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that the outcome needs."""
        return tuple(c for c in (self.entry, self.time, self.event) if c is not None)

    def occurred(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Who had the event, (n,), of complete rows."""
        values = frame[self.event]
        if self.event_level is None:
            return np.asarray(values.to_numpy(dtype=float) == 1.0)
        return np.asarray(level_codes(values, (self.event_level,)) == 0)

    def cuts(self, grid: tuple[float, ...]) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """The follow-up with the edges of the time cells in which it is counted; none without a grid."""
        return tuple((c, grid) for c in (self.entry, self.time) if c is not None and grid)


def parse(formula: str, codebook: Codebook, *, intercept: bool) -> tuple[Outcome, Design]:
    """Split a formula into its outcome and its design.

    Parameters
    ----------
    formula : str
        For instance ``"Surv(time, status) ~ age + C(ecog) + sex:ecog"``.
    codebook : Codebook
        Gives levels, reference levels, centres and scales.
    intercept : bool
        Whether the model has an intercept that is estimated (Cox has none).

    Raises
    ------
    FormulaError
        In one sentence: what was written, and what can be written.
    """
    left, tilde, right = _parts(formula)
    if not tilde or not left.strip() or not right.strip() or "~" in right:
        raise FormulaError(
            f"{formula!r} is not a formula: write 'outcome ~ terms', as in \"Surv(time, event) ~ age\"."
        )
    outcome, terms = _outcome(left.strip(), codebook), design(right, codebook, intercept=intercept)
    of_outcome = {outcome.event, outcome.time}
    alone = [c for c in terms.columns if c.parts and {part.column for part in c.parts} <= of_outcome]
    if both := {part.column for column in alone for part in column.parts}:
        raise FormulaError(
            f"{min(both)} is the outcome of {formula!r}, and no term of it: leave it out on the right."
        )
    return outcome, terms


def parse_again(
    formula: str, names: Sequence[str], codebooks: Iterable[Codebook], *, intercept: bool
) -> tuple[Outcome, Design]:
    """Outcome and design of a formula that was fitted, by the first codebook with whose levels it has the fit's coefficients.

    Raises
    ------
    FormulaError
        There is none.
    """
    parsed = (parse(formula, codebook, intercept=intercept) for codebook in codebooks)
    found = next((both for both in parsed if list(both[1].names) == list(names)), None)
    if found is None:
        raise FormulaError(
            "The fit is of another codebook: its coefficients are not those of its formula here."
        )
    return found


def parse_terms(right: str, codebook: Codebook) -> Design:
    """The design of a right-hand side alone, with its intercept: ``"age + C(ecog)"``.

    Raises
    ------
    FormulaError
    """
    _, _, terms = _parts(f"~ {_text(right)}")
    return design(terms, codebook, intercept=True)


def parse_groups(formula: str, codebook: Codebook, *, causes: bool = False) -> tuple[Outcome, str | None]:
    """Outcome and grouping column of a curve; ``Surv(time, event) ~ 1`` has no groups.

    With ``causes`` the event is a factor, whose levels are counted one by one.
    """
    left, _, right = _parts(formula)
    outcome = _outcome(left.strip(), codebook, ("factor", "numeric", "event") if causes else _EVENTS)
    if outcome.time is None:
        raise FormulaError(f"{formula!r} needs Surv(time, event) on its left.")
    group = right.strip()
    if group in ("", "1"):
        return outcome, None
    column = group[2:-1].strip() if group.startswith("C(") and group.endswith(")") else group
    if re.search(r"[^\w.]", column) and column not in codebook:
        raise FormulaError(
            f"A curve is drawn by one factor, and {group!r} is more: write Surv(time, event) ~ group; for strata of a test ask "
            "fs.logrank(..., strata=...), for combinations make one column of them in the data."
        )
    variable = _known(column, codebook)
    if not variable.levels:
        raise FormulaError(
            f"A curve is drawn by one factor, and {column} {variable.in_words()}: make a factor of it in the codebook."
            if variable.kind != "label"
            else f"A curve is drawn by one factor, and {column} {variable.in_words()}; {variable.remedy(AS_FACTOR)}."
        )
    return outcome, column


def _parts(formula: object) -> tuple[str, str, str]:
    try:
        text = unicodedata.normalize("NFC", _text(formula))
        left, tilde, right = with_plain_names(text).partition("~")
    except ValueError as problem:
        raise FormulaError(str(problem)) from None
    return left, tilde, right


def _text(formula: object) -> str:
    if not isinstance(formula, str):
        raise FormulaError(
            f'A formula is a text such as "Surv(time, event) ~ age"; this one is {type(formula).__name__}.'
        )
    return formula


def design(right: str, codebook: Codebook, *, intercept: bool) -> Design:
    """Structured columns of a right-hand side such as ``"age + C(ecog) + sex:ecog"``."""
    if re.search(r"(?<![\w.])\.(?![\w.])", right):
        raise FormulaError(
            f"Write out the terms in place of the dot in {right.strip()!r}: there is no 'all columns'."
        )
    if hint := said_here(right):
        raise FormulaError(hint)
    try:
        terms = [
            [f.expr for f in t.factors]
            for t in DefaultFormulaParser(include_intercept=True).get_terms(right.strip())
        ]
    except (FormulaicError, SyntaxError, AttributeError) as problem:
        if hint := unreadable_column(right, codebook.names):
            raise FormulaError(hint) from None
        said = "" if isinstance(problem, AttributeError) else f": {str(problem).splitlines()[0].rstrip('.')}"
        raise FormulaError(
            f"Cannot read the terms {right.strip()!r}{said}. Write terms with + between them."
        ) from None
    terms = [[] if t == ["1"] else t for t in terms]
    keep_intercept = intercept and [] in terms
    # A Cox model has its intercept in the baseline hazard: factors are coded as if it were there.
    resolved = [tuple(_factor(e, codebook) for e in t) for t in terms if t]
    present: set[frozenset[_Used]] = {frozenset(t) for t in resolved}
    if keep_intercept or not intercept:
        present.add(frozenset())
    columns: list[Column] = []
    for term in resolved:
        columns += _columns(term, present, codebook, shift=keep_intercept or not intercept)
        if len(term) == 1 and term[0].levels:
            present.add(frozenset())  # without an intercept the first factor alone keeps its reference
    names = [c.name for c in columns]
    if len(set(names)) < len(names):
        raise FormulaError(f"The terms {right.strip()!r} name a column twice.")
    return Design(tuple(columns), intercept=keep_intercept)


@dataclass(frozen=True)
class _Used:
    """A variable as a formula uses it: with levels, as a number, or by functions of it; ``text`` is how it was written."""

    text: str
    column: str
    levels: tuple[str, ...]
    pieces: tuple[tuple[str, Shape], ...] = ()


def _factor(expression: str, codebook: Codebook) -> _Used:
    text = expression.replace(" ", "")
    try:
        functions = functions_of(expression, codebook)
    except FunctionError as problem:
        raise FormulaError(str(problem)) from None
    if functions is not None:
        return _Used(functions.text or text, functions.column, (), functions.pieces)
    wrapped = text.startswith("C(") and text.endswith(")")
    column = text[2:-1] if wrapped else text
    if "(" in column or column in ("0", "-1"):
        raise FormulaError(f"{expression!r} cannot be used as a term; write {TERMS}: {KNOWN}.")
    variable = _known(column, codebook)
    if variable.kind == "label":
        raise FormulaError(f"{column} {variable.in_words()}; {variable.remedy()}.")
    if wrapped and not variable.levels:
        raise FormulaError(
            f"C({column}) needs levels: {column} is numeric in the codebook; make it a factor there."
        )
    return _Used(text, column, variable.levels if wrapped or variable.kind == "factor" else ())


def _columns(
    term: tuple[_Used, ...], present: set[frozenset[_Used]], codebook: Codebook, *, shift: bool
) -> list[Column]:
    """All columns of a term; a factor is coded without its reference where the margin is in the model, as in R."""
    columns = [Column("", (), centre=1.0, scale=1.0)]
    for used in term:
        margin = frozenset(term) - {used}
        columns = [
            _times(c, piece, codebook[used.column])
            for c in columns
            for piece in _pieces(used, margin in present)
        ]
    has_level = any(u.levels for u in term)
    return [
        replace(c, centre=0.0 if has_level or not shift else c.centre, term=":".join(u.text for u in term))
        for c in columns
    ]


def _pieces(used: _Used, contrasts: bool) -> list[tuple[str, Part]]:
    """The columns that a variable stands for, each with its name."""
    if used.pieces:
        return [(used.text + suffix, Part(used.column, shape=shape)) for suffix, shape in used.pieces]
    if not used.levels:
        return [(used.text, Part(used.column))]
    levels = used.levels[1:] if contrasts else used.levels
    return [(f"{used.text}[{level}]", Part(used.column, level)) for level in levels]


def _times(column: Column, piece: tuple[str, Part], variable: Variable) -> Column:
    name, part = piece
    centre, scale = (0.0, 1.0) if part.level is not None else centre_and_scale(part.shape, variable)
    return Column(
        f"{column.name}:{name}" if column.name else name,
        (*column.parts, part),
        centre=column.centre * centre,
        scale=column.scale * scale,
    )


def _outcome(left: str, codebook: Codebook, events: tuple[str, ...] = _EVENTS) -> Outcome:
    if not re.match(r"Surv\s*\(", left):
        if left in codebook and codebook[left].kind == "factor" and len(codebook[left].levels) == 2:
            return Outcome(left)  # the second level is the event
        if left not in codebook and (hint := said_on_the_left(left)):
            raise FormulaError(hint)
        wanted = "the outcome of a model is a number, 0 or 1, or a factor of two levels, the second the event"
        return Outcome(_measured(left, _EVENTS, wanted, codebook))
    try:
        call = ast.parse(left, mode="eval").body
    except SyntaxError:
        call = None
    if not isinstance(call, ast.Call) or len(call.args) not in (2, 3) or call.keywords:
        hint = unreadable_column(left, codebook.names) or said_on_the_left(left)
        raise FormulaError(
            hint or f"{left!r} cannot be read: write Surv(time, event) or Surv(entry, time, event)."
        )
    times = [ast.unparse(a) for a in call.args[:-1]]
    if any(name not in codebook for name in times) and (hint := said_on_the_left(left)):
        raise FormulaError(hint)
    for name in times:
        _measured(name, ("time", "numeric"), "follow-up is a column of times or numbers", codebook)
    event, code = _event(call.args[-1], codebook, events)
    return Outcome(event, times[-1], times[0] if len(times) == 2 else None, code)


def _event(node: ast.expr, codebook: Codebook, kinds: tuple[str, ...]) -> tuple[str, str | None]:
    """The event's column, and the code that counts where one is named: ``cause == 1``."""
    if isinstance(node, ast.BinOp):
        raise FormulaError(
            f"{ast.unparse(node)!r} is no column: name the code of the event, as {ast.unparse(node.left)} == 2."
        )
    if not isinstance(node, ast.Compare):
        column = ast.unparse(node)
        variable = _known(column, codebook)
        if variable.kind == "factor" and "factor" not in kinds:
            raise FormulaError(
                f"{column} has the levels {', '.join(variable.levels)}: say which of them is the event, as "
                f"{column} == {variable.levels[-1]!r}."
            )
        wanted = "an event is 0 or 1" + (", or a factor of causes" if "factor" in kinds else "")
        return _measured(column, kinds, wanted, codebook), None
    column, right = ast.unparse(node.left), node.comparators[0]
    if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Eq) or not isinstance(right, ast.Constant):
        said, value = ast.unparse(node), ast.unparse(right)
        if isinstance(node.ops[0], ast.Eq) and isinstance(right, ast.Name):
            code = {"TRUE": "1", "T": "1", "FALSE": "0", "F": "0"}.get(value, repr(value))
            raise FormulaError(
                f"{said!r} compares with no code: write {column} == {code}; a text stands in quotes."
            )
        raise FormulaError(
            f"{said!r} cannot be read: name one code of a column, as cause == 1; for several, make a column of 0 and 1 in the data."
        )
    variable, code = _known(column, codebook), level_name(right.value)
    if variable.kind == "event" and code == "1":
        return column, None
    if variable.kind == "label":
        raise FormulaError(f"{column} {variable.in_words()}; {variable.remedy()}.")
    if code not in variable.levels:
        held = (
            f"it has {', '.join(variable.levels)}" if variable.levels else "it has none, so give them there"
        )
        raise FormulaError(f"{column} has no level {code!r} in the codebook; {held}.")
    return column, code


def _measured(column: str, kinds: tuple[str, ...], wanted: str, codebook: Codebook) -> str:
    variable = _known(column, codebook)
    if variable.kind not in kinds:
        remedy = f" ({variable.remedy()})" if variable.kind == "label" else ""
        raise FormulaError(f"{column} {variable.in_words()}{remedy}; {wanted}.")
    return column


def _known(column: str, codebook: Codebook) -> Variable:
    if column not in codebook:
        raise FormulaError(codebook.has_no(column))
    return codebook[column]
