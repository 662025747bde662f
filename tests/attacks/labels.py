"""Labels that an attacker would like to see in a page, a sheet or a file, and questions that bear them."""

import numpy as np

import fedstats as fs
from fedstats.federations.answering import review
from fedstats.reporting.formats import is_number
from tests.attacks.targets import BOOK, STRICT, cohort, column, logistic

MARKUP = {
    "a script": "<script>alert(1)</script>",
    "an image": '"><img src=x onerror=alert(1)>',
    "an attribute": "' onmouseover='alert(1)",
    "a link": "<a href=javascript:alert(1)>press</a>",
    "an entity": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "the end of a table": "</td></tr></table><script>alert(1)</script>",
    "a comment": "<!-- --><svg onload=alert(1)>",
    "LaTeX": r"$\href{javascript:alert(1)}{x}$",
    "LaTeX that reads a file": r"\input{/etc/passwd}",
    "Markdown": "[press](javascript:alert(1)) ![x](x) `code` **bold** # heading",
    "a template": "{{ 7 * 7 }}{% include 'x' %}",
}
FORMULAS = {
    "equals": '=HYPERLINK("http://x.example","press")',
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "minus and a name": "-HYPERLINK(1)",
    "at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "tab": "\t=1+1",
    "carriage return": "\r=1+1",
    "line feed": "\n=1+1",
    "blank": "  =1+1",
    "byte order mark": "\ufeff=1+1",
    "full width": "＝1+1",
    "full width plus": "＋cmd|' /C calc'!A0",
    "semicolon": 'age;=HYPERLINK("http://x.example")',
}
UNSEEN = {
    "right to left": "age \u202egnp.exe",
    "isolate": "\u2066age\u2069",
    "embedding": "\u202bage",
    "bell": "age\x07",
    "escape": "\x1b[2Jage",
    "nul": "age\x00",
    "line separator": "age\u2028=1",
}
EVERY = MARKUP | FORMULAS | UNSEEN


def crafted(label):
    """A question whose columns bear the label, two of whose values make the gate speak of it."""
    return logistic(column(label, "a"), column("lab"))


def what_a_site_reviews(label):
    here = fs.Site("north", cohort(a=(np.arange(360) < 4).astype(float)), BOOK, STRICT)
    return review([here.answer(crafted(label))])


def runs_in_a_spreadsheet(cell):
    """Whether a spreadsheet would calculate a cell: by its first character that shows, unless it is a number."""
    start = cell.lstrip(" \t\r\n\x00\xa0\ufeff\u200b")
    calls = any(sign in start for sign in "(|!=")
    return start[:1] in set("=@＝＠") or (start[:1] in set("+-＋－") and not is_number(start) and calls)
