"""Machine paths out of what people read: a report travels, and where it was made is nobody's business."""

import re
from pathlib import Path

_STEP = r"[\w.@+%~-]+"
_POSIX = re.compile(rf"(?:file://|(?<![\w./~)\]}}]))(?P<posix>(?:/{_STEP}){{2,}}/?)")
_WINDOWS = re.compile(r"(?<!\w)[A-Za-z]:(?P<windows>(?:\\[^\\\s:*?\"<>|]+)+\\?)")
_TILDE = re.compile(rf"(?<![\w./])~(?P<tilde>(?:/{_STEP})+)")
_PACKAGES = ("site-packages", "dist-packages")
_HOMES = ("home", "Users")


def scrub_paths(text: str) -> str:
    """Shorten absolute paths to what a reader can use: the file, or its place inside an installed package.

    Examples
    --------
    >>> scrub_paths('File "/home/anna/study/cox.py", line 3')
    'File "…/cox.py", line 3'
    """
    for folder, sign in ((Path.cwd(), "."), (Path.home(), "~")):
        if len(folder.parts) > 1:
            text = re.sub(rf"{re.escape(str(folder))}(?![\w.-])", sign, text)
    for pattern in (_POSIX, _WINDOWS, _TILDE):
        text = pattern.sub(_short, text)
    return text


def _short(match: re.Match[str]) -> str:
    steps = [step for step in re.split(r"[/\\]", match[match.lastgroup or 0]) if step]
    if len(steps) == 2 and steps[0] in _HOMES:
        return "~"  # the last step of this path is a person's name
    for marker in _PACKAGES:
        if marker in steps[:-1]:
            return "…/" + "/".join(steps[steps.index(marker) + 1 :])
    return f"…/{steps[-1]}"
