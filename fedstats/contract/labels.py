"""Texts from elsewhere (study files, questions, data) on their way to people's eyes."""

import re

# Controls other than tab and line feeds, separators, lone surrogates, and the characters that turn the
# direction of what follows: with U+202E, "exe.txt" reads "txt.exe".  The marks that Hebrew and Arabic need stay.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb]"
)

_LINES = re.compile(r"[\t\r\n]+")  # a line break within a cell could begin another one
# Signs that begin a formula, in both widths, at the start or where spreadsheets split at semicolons.
_FORMULA = re.compile("(?:^|(?<=;))(?=[\\s\u200b-\u200f\ufeff]*[=@+＝＠＋－-])")


def unseen(text: str) -> str:
    """The first character that cannot be seen, by name; empty if there is none.

    Examples
    --------
    >>> unseen("age \\u202e"), unseen("age")
    ('U+202E', '')
    """
    found = _UNSEEN.search(text)
    return _name(found) if found else ""


def visible(text: str) -> str:
    """The text with its unseen characters named in their place.

    Examples
    --------
    >>> visible("a\\u202eb")
    'a⟨U+202E⟩b'
    """
    return _UNSEEN.sub(lambda found: f"⟨{_name(found)}⟩", text)


def harmless(text: str) -> str:
    """A text of one line that no spreadsheet runs as a formula, with its unseen characters named.

    Examples
    --------
    >>> harmless("=HYPERLINK(1)"), harmless("age"), harmless("a;+1")
    ("'=HYPERLINK(1)", 'age', "a;'+1")
    """
    line = _LINES.sub(" ", visible(text))
    return _FORMULA.sub("'", line)


def _name(found: re.Match[str]) -> str:
    return f"U+{ord(found[0]):04X}"
