"""A value as it was given: how a message shows it, and whether it is a number, one of several words, or a flag."""

import numpy as np

from fedstats.contract.formula import FormulaError

#: Signs of a value that a message repeats.
_SHORT = 60


def shown(value: object) -> str:
    """A value in a message: as it is written, or its kind where that is long, as of a table."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    if len(text) <= _SHORT and "\n" not in text:
        return text
    return kind_of(value)


def kind_of(value: object) -> str:
    """``a DataFrame``, ``an int``."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def is_number(value: object) -> bool:
    """Whether it is one finite number, and no truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return bool(np.isfinite(value))


def check_level(level: object) -> None:
    """The coverage of an interval lies between 0 and 1.

    Raises
    ------
    ValueError
    """
    if isinstance(level, bool) or not isinstance(level, int | float | np.floating) or not 0 < level < 1:
        raise ValueError(
            f"level is {shown(level)}; the coverage of an interval lies between 0 and 1, as 0.95 does."
        )


def check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """One of several words.

    Raises
    ------
    FormulaError
    """
    if not isinstance(value, str) or value not in allowed:
        raise FormulaError(f"{name} is {shown(value)}; choose one of {list(allowed)}.")


def check_flag(name: str, value: object) -> None:
    """True or False; another value would count as one of them unasked, as the text "no" does.

    Raises
    ------
    FormulaError
    """
    if not isinstance(value, bool | np.bool_):
        raise FormulaError(f"{name} is {shown(value)}; give True or False.")
