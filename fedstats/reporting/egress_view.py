"""Egress sheets as a site's notebook shows them: one folded table a question, refusals unfolded."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from fedstats.federations.egress import Sheet
from fedstats.federations.egress import sheets as sheets_of
from fedstats.federations.ledger import Ledger, Question
from fedstats.federations.site import Answer, Site
from fedstats.reporting.tables import Table, table

_PARTS = {
    "judgement": "Judged as a whole: the count that came closest to refusing",
    "number": "Numbers that leave",
    "sum": "What the numbers are",
    "refusal": "Refused; what would make it pass",
}
_REFUSED = {
    "judgement": "Counts that did not meet the rule; they stay here",
    "sum": "What they are counts of",
}


class SheetsView:
    """Sheets for the eyes of the site.

    Parameters
    ----------
    sheets : sequence of Sheet
    """

    def __init__(self, sheets: Sequence[Sheet]) -> None:
        self.sheets = tuple(sheets)

    def _repr_html_(self) -> str:
        if not self.sheets:
            return "<p>There is nothing to look at: no question is open.</p>"
        return "\n".join(_folded(sheet) for sheet in self.sheets)

    def __repr__(self) -> str:
        return "\n".join(_heading(sheet) for sheet in self.sheets) or "No question is open."


def sheets(
    exchange: str | Path | Ledger, site: Site, questions: Sequence[Question], answers: Sequence[Answer]
) -> SheetsView:
    """Every number that would leave, question by question, with the patients behind it: look first.

    Parameters
    ----------
    exchange : path, or a ledger that has been opened
    site : Site
    questions, answers : sequences of the same length
        As :func:`open_questions` and ``site.answers`` give them; nothing leaves by looking.
    """
    if not questions:
        return SheetsView(())
    ledger = exchange if isinstance(exchange, Ledger) else Ledger(exchange)
    return SheetsView(sheets_of(site, questions, answers, ledger.questions()))


def asked_table(asked: pd.DataFrame) -> Table:
    """What is asked as a table to read.

    Parameters
    ----------
    asked : DataFrame      as :func:`fedstats.asked` gives it
    """
    labels = {"question": "No.", "asked": "What is asked", "times": "Times asked"}
    return table(asked, caption="Open questions", labels=labels)


def account_table(account: pd.DataFrame, caption: str = "What has left this site") -> Table:
    """The account of what has left as a table to read.

    Parameters
    ----------
    account : DataFrame      as :func:`fedstats.egress_sheet` gives it
    """
    closest = [": ".join(filter(None, pair)) for pair in zip(account["entry"], account["about"], strict=True)]
    shown = account.assign(closest=closest, numbers=account["numbers"].where(account["leaves"], "refused"))
    note = "Closest: of a refusal the count that was too small, otherwise the smallest group of patients that was counted."
    return table(
        shown[["question", "asked", "numbers", "closest", "patients", "rule needs"]],
        caption=caption,
        labels={
            "question": "No.",
            "asked": "What was asked",
            "numbers": "Numbers",
            "closest": "Closest to refusing",
        },
        note=note,
    )


def _heading(sheet: Sheet) -> str:
    leaves = (
        f"{len(sheet.numbers)} numbers would leave" if sheet.released else "refused, no number would leave"
    )
    return f"Question {sheet.number}. {sheet.asked}: {leaves}."


def _folded(sheet: Sheet) -> str:
    shown = sheet.frame[sheet.frame["part"] != "question"]
    titles = _PARTS if sheet.released else _PARTS | _REFUSED
    shown = shown.assign(part=shown["part"].map(titles))[
        ["name", "value", "patients", "rule", "needs", "part"]
    ]
    numbers = table(
        shown,
        caption=f"Question {sheet.number}: what would leave"
        if sheet.released
        else f"Question {sheet.number}: refused",
        labels={"name": "What", "patients": "Patients behind it", "needs": "What the rule needs"},
        formats=dict.fromkeys(("value", "patients"), _text),
        groups="part",
    )
    opened = "" if sheet.released else " open"
    return f"<details{opened}><summary>{escape(_heading(sheet))}</summary>{numbers.markup}</details>"


def _text(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
