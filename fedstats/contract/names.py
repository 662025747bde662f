"""Names of columns that cannot be read where a formula or a condition does more than name them."""

import re
from collections.abc import Iterable
from keyword import iskeyword

#: A word as texts of formulas and conditions have it, and no number.
_WORD = r"(?<![\w.])(?![\d.]+(?![\w.]))\w[\w.]*"
#: What stands left of a comparison.
_COMPARED = re.compile(rf"(?:^|\band\b)\s*({_WORD})\s*(?:[<>]|[!=]=|in\b)")


def is_readable(name: str) -> bool:
    """Whether a name is one inside a call: a word of Python's own is none, nor what begins with a digit."""
    return all(part.isidentifier() and not iskeyword(part) for part in name.split("."))


def unreadable_column(text: str, columns: Iterable[str]) -> str:
    """A sentence about the first of these columns that a text names and cannot be read there; empty where there is none."""
    known = {*columns}
    found = [word for word in re.findall(_WORD, text) if word in known and not is_readable(word)]
    return _rename(found[0]) if found else ""


def unreadable_comparison(condition: str) -> str:
    """The same of a condition, of whatever it compares."""
    found = [word for word in _COMPARED.findall(condition.strip()) if not is_readable(word)]
    return _rename(found[0]) if found else ""


def _rename(name: str) -> str:
    kind = "a word of the language" if iskeyword(name) else "no name there"
    return (
        f"The column {name!r} can be a term by itself, but not stand in Surv(), in a function or in a condition, for it is {kind}: "
        f"rename it in every site's data, for instance to {'x_' + name!r}."
    )
