"""Combinations of coefficients as a person writes them: weights by name, or ``"age - sex[m] = 0"``."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: What a combination may be given as.
Combination = str | Mapping[str, float]

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WRITE = 'write coefficients by name, as in "age = 0", "age - sex[m] = 0" or {"age": 1, "sex[m]": -1}'


def combinations_of(
    given: Combination | Sequence[Combination], value: float | Sequence[float], names: Sequence[str]
) -> tuple[tuple[str, ...], Array, Array]:
    """What was given as words, weights (k, p), and values under the hypothesis (k,).

    Parameters
    ----------
    given : str, mapping of name to weight, or a sequence of these
    value : float or sequence of float    under the hypothesis; of a text with ``=`` that side of it
    names : sequence of str, (p,)         of the coefficients

    Raises
    ------
    TypeError, ValueError
        A name that is no coefficient, weights or values that are no numbers, or combinations of which one follows from the others.
    """
    several = [given] if isinstance(given, str | Mapping) else given
    if not isinstance(several, Sequence):
        raise TypeError(f"A hypothesis is {given!r}; {_WRITE}.")
    try:
        values = np.broadcast_to(np.asarray(value, dtype=float), (len(several),))
    except (TypeError, ValueError):
        raise ValueError(
            f"value is {value!r}; give a number, or one for each of the {len(several)} combinations."
        ) from None
    read = [_weights(one, own, names) for one, own in zip(several, values.tolist(), strict=True)]
    matrix = np.array([[weights.get(name, 0.0) for name in names] for weights, _ in read])
    if not len(matrix) or np.linalg.matrix_rank(matrix) < len(matrix):
        raise ValueError("Give at least one combination, and none that is zero or follows from the others.")
    return (
        tuple(combination_in_words(weights) for weights, _ in read),
        matrix,
        np.array([null for _, null in read]),
    )


def combination_in_words(weights: Mapping[str, float]) -> str:
    """``C(ecog)[2] - 2 age``, of weights by name."""
    text = ""
    for name, weight in weights.items():
        size = "" if abs(weight) == 1 else f"{abs(weight):g} "
        sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
        text += f"{sign}{size}{name}"
    return text


def _weights(given: Combination, value: float, names: Sequence[str]) -> tuple[dict[str, float], float]:
    if isinstance(given, str):
        return _read(given, value, names)
    if not isinstance(given, Mapping):
        raise TypeError(f"A combination is {given!r}; {_WRITE}.")
    for name, weight in given.items():
        if name not in names:
            raise ValueError(f"There is no coefficient {name!r}; the model has {', '.join(names)}.")
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.number):
            raise TypeError(f"The weight of {name} is {weight!r}; give a number.")
    return {name: float(weight) for name, weight in given.items()}, value


def _read(text: str, value: float, names: Sequence[str]) -> tuple[dict[str, float], float]:
    """Weights and value of a text; coefficients are named as the fit names them, whose signs are none of the sum's."""
    written = {name.replace(" ", ""): name for name in names} | {name: name for name in names}
    written |= {"(Intercept)": "Intercept"} if "Intercept" in names else {}
    longest = sorted(written, key=len, reverse=True)
    weights: dict[str, float] = {}
    null, side, sign, factor, at = 0.0, 1.0, 1.0, None, 0
    wants_term, has_value = True, False

    def cannot(rest: str) -> ValueError:
        here = f" at {rest!r}" if rest and rest != text else ""
        return ValueError(f"{text!r} cannot be read{here}: {_WRITE}; the model has {', '.join(names)}.")

    while rest := text[at:].lstrip():
        at = len(text) - len(rest)
        named = next((w for w in longest if rest.startswith(w) and _ends(rest[len(w) :])), None)
        number = _NUMBER.match(rest)
        if named is not None and (wants_term or factor is not None):
            name = written[named]
            weights[name] = weights.get(name, 0.0) + side * sign * (1.0 if factor is None else factor)
            factor, wants_term, at = None, False, at + len(named)
        elif number and wants_term:
            factor, wants_term, at = float(number.group()), False, at + number.end()
        elif rest[0] == "*" and factor is not None:
            at += 1
        elif rest[0] in "+-=":
            if rest[0] == "=" and (wants_term or has_value):
                raise cannot(rest)
            null -= side * sign * (factor or 0.0)
            sign = -1.0 if rest[0] == "-" else 1.0
            if rest[0] == "=":
                side, has_value = -1.0, True
            factor, wants_term, at = None, True, at + (2 if rest.startswith("==") else 1)
        else:
            raise cannot(rest)
    if wants_term:
        raise cannot("")
    null -= side * sign * (factor or 0.0)
    if has_value and value:
        raise ValueError(f"{text!r} says what it is under the hypothesis: leave out value.")
    return weights, null if has_value else null + value


def _ends(rest: str) -> bool:
    """Whether a name ends here."""
    return not rest or re.match(r"[\w.:\[(]", rest) is None
