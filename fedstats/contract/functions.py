"""Functions of a number as formulas write them: ``log(x)``, ``I(x/10)``, ``I(x^2)``, ``poly``, ``rcs`` and ``bs``."""

import ast
from collections.abc import Callable
from dataclasses import dataclass

from fedstats.contract.codebook import Codebook
from fedstats.contract.query import QueryError
from fedstats.contract.shapes import (
    BasisSpline,
    Logarithm,
    OtherUnit,
    Power,
    RestrictedCubic,
    Shape,
    counted_from,
)

KNOWN = "log(x), I(x / 10), I(x^2), poly(x, 2), poly(x, 2, raw=TRUE), rcs(x, knots) and bs(x, knots)"


class FunctionError(ValueError):
    """A function that cannot be used, with what to write instead."""


@dataclass(frozen=True)
class Functions:
    """What a call stands for: functions of one column, with what each adds to the name of the term.

    ``text`` is the term's name, where it says more than what was written.
    """

    column: str
    pieces: tuple[tuple[str, Shape], ...]
    text: str = ""


def functions_of(text: str, codebook: Codebook) -> Functions | None:
    """Read a call; None where the text is no call of a function of ours.

    Raises
    ------
    FunctionError
    """
    try:
        call = ast.parse(text.replace("^", "**"), mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    read = _READERS.get(call.func.id)
    if read is None:
        return None
    try:
        return read(call, codebook)
    except QueryError as problem:
        raise FunctionError(f"{text}: {problem}") from None


def _log(call: ast.Call, codebook: Codebook) -> Functions:
    return Functions(_column(call, codebook, 1), (("", Logarithm()),))


def _arithmetic(call: ast.Call, codebook: Codebook) -> Functions:
    """``I(x / 10)``, ``I((x - 60) / 10)`` and ``I(x^2)``."""
    if len(call.args) != 1 or call.keywords:
        raise FunctionError(f"{ast.unparse(call)} needs one expression, such as I(x / 10).")
    inner = call.args[0]
    if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Pow):
        exponent = _number(inner.right)
        if exponent is None or exponent != int(exponent):
            raise FunctionError(f"{ast.unparse(call)}: a power is a whole number.")
        return Functions(_named(inner.left, call, codebook), (("", Power(int(exponent))),))
    column, slope, at_zero = _line(inner, call, codebook)
    if slope == 0:
        raise FunctionError(f"{ast.unparse(call)} does not depend on {column}.")
    return Functions(column, (("", OtherUnit(0.0 - at_zero / slope, 1 / slope)),))


def _line(node: ast.expr, call: ast.Call, codebook: Codebook) -> tuple[str, float, float]:
    """An expression as slope times a column plus a number."""
    if isinstance(node, ast.BinOp):
        left, right = _number(node.left), _number(node.right)
        if right is not None:
            column, slope, at_zero = _line(node.left, call, codebook)
            if isinstance(node.op, ast.Add | ast.Sub):
                return column, slope, at_zero + (right if isinstance(node.op, ast.Add) else -right)
            if isinstance(node.op, ast.Mult):
                return column, slope * right, at_zero * right
            if isinstance(node.op, ast.Div) and right != 0:
                return column, slope / right, at_zero / right
        elif left is not None:
            column, slope, at_zero = _line(node.right, call, codebook)
            if isinstance(node.op, ast.Add):
                return column, slope, at_zero + left
            if isinstance(node.op, ast.Sub):
                return column, -slope, left - at_zero
            if isinstance(node.op, ast.Mult):
                return column, slope * left, at_zero * left
    return _named(node, call, codebook), 1.0, 0.0


def _poly(call: ast.Call, codebook: Codebook) -> Functions:
    """Powers of the distance from an agreed centre, R's ``poly(x - centre, d, raw = TRUE)``; with ``raw=TRUE`` of the number itself.

    Orthogonal ones depend on the rows.  The centre stands in the name of the term, so that nobody has to look it up.
    """
    if len(call.args) != 2 or [k.arg for k in call.keywords] not in ([], ["raw"]):
        raise FunctionError(f"{ast.unparse(call)} cannot be read; functions of a number are {KNOWN}.")
    column, slope, at_zero = _line(call.args[0], call, codebook)
    if slope != 1:
        raise FunctionError(f"{ast.unparse(call)}: give a column, or one less a number, as poly(x - 60, 2).")
    degree = _number(call.args[1])
    if degree is None or degree != int(degree) or degree < 1:
        raise FunctionError(f"{ast.unparse(call)} needs a degree, such as poly(x, 2).")
    raw = [ast.unparse(k.value) for k in call.keywords]
    if raw and raw[0] not in ("TRUE", "True"):
        raise FunctionError(
            f"{ast.unparse(call)}: orthogonal polynomials depend on everybody's rows; leave raw out for powers counted from "
            "an agreed centre, or write raw=TRUE for plain ones."
        )
    is_moved = not isinstance(call.args[0], ast.Name | ast.Attribute)
    centre = 0.0 - at_zero if raw or is_moved else codebook[column].middle
    of = counted_from(column, centre).replace(" ", "") if centre else column
    text = f"poly({of},{int(degree)}{',raw=TRUE' if raw else ''})"
    return Functions(column, tuple((f"[{k}]", Power(k, centre)) for k in range(1, int(degree) + 1)), text)


def _rcs(call: ast.Call, codebook: Codebook) -> Functions:
    column = _column(call, codebook, None)
    knots = _knots(call, column, codebook)
    pieces = range(1, max(len(knots), 3))
    return Functions(column, tuple((f"[{k}]", RestrictedCubic(knots, k)) for k in pieces))


def _bs(call: ast.Call, codebook: Codebook) -> Functions:
    column = _column(call, codebook, None, ("degree", "low", "high"))
    given = {str(k.arg): _number(k.value) for k in call.keywords}
    variable = codebook[column]
    low, high = given.get("low", variable.low), given.get("high", variable.high)
    if low is None or high is None:
        raise FunctionError(
            f"{ast.unparse(call)} needs its ends: a range of {column} in the codebook, or low= and high=."
        )
    degree = given.get("degree", 3)
    if degree is None or degree != int(degree):
        raise FunctionError(f"{ast.unparse(call)}: a degree is a whole number.")
    knots = _knots(call, column, codebook)
    pieces = range(1, len(knots) + int(degree) + 1)
    return Functions(column, tuple((f"[{k}]", BasisSpline(knots, low, high, int(degree), k)) for k in pieces))


_READERS: dict[str, Callable[[ast.Call, Codebook], Functions]] = {
    "log": _log,
    "I": _arithmetic,
    "poly": _poly,
    "rcs": _rcs,
    "bs": _bs,
}


def _column(call: ast.Call, codebook: Codebook, arguments: int | None, keywords: tuple[str, ...] = ()) -> str:
    """The first argument, a number of the codebook; how many arguments there may be."""
    unknown = [str(k.arg) for k in call.keywords if k.arg not in keywords]
    if not call.args or unknown or (arguments is not None and len(call.args) != arguments):
        raise FunctionError(f"{ast.unparse(call)} cannot be read; functions of a number are {KNOWN}.")
    return _named(call.args[0], call, codebook)


def _named(node: ast.expr, call: ast.Call, codebook: Codebook) -> str:
    name = ast.unparse(node)
    if name not in codebook:
        if isinstance(node, ast.Name | ast.Attribute):
            raise FunctionError(f"{ast.unparse(call)}: {codebook.has_no(name)}")
        raise FunctionError(
            f"{ast.unparse(call)}: there is no column {name!r}; make it in the data, or take a function of a number: {KNOWN}."
        )
    if codebook[name].kind == "label":
        raise FunctionError(f"{ast.unparse(call)}: {name} {codebook[name].in_words()}, and no number.")
    if codebook[name].kind not in ("numeric", "time"):
        raise FunctionError(
            f"{ast.unparse(call)}: {name} is a {codebook[name].kind} in the codebook, not a number."
        )
    return name


def _knots(call: ast.Call, column: str, codebook: Codebook) -> tuple[float, ...]:
    """Knots that are written, else those of the codebook."""
    written = call.args[1:]
    if len(written) == 1 and isinstance(written[0], ast.List | ast.Tuple):
        written = written[0].elts
    if len(written) == 1 and isinstance(written[0], ast.Call) and ast.unparse(written[0].func) == "c":
        written = written[0].args  # as R writes several numbers
    numbers = [_number(node) for node in written]
    if any(number is None for number in numbers):
        raise FunctionError(f"{ast.unparse(call)}: knots are numbers.")
    knots = tuple(float(number) for number in numbers if number is not None) or codebook[column].knots
    if not knots:
        raise FunctionError(
            f"{ast.unparse(call)} needs knots: write them, or give {column} knots in the codebook."
        )
    return knots


def _number(node: ast.expr) -> float | None:
    """A number as it is written; None where it is something else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inside = _number(node.operand)
        return None if inside is None else -inside
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    return None
