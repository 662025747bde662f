"""The site's side of an exchange folder: look at open questions, answer, review, send; or serve unattended."""

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fedstats.federations import egress_folder
from fedstats.federations.desk import Desk
from fedstats.federations.egress import ACCOUNT, account_line, sheet, turn_of
from fedstats.federations.folder import POLL_SECONDS, SiteMissing
from fedstats.federations.ledger import Ledger, Question, numbers
from fedstats.federations.site import Answer, Site


def open_questions(exchange: str | Path | Desk, site: Site, *, study: str | None = None) -> list[Question]:
    """Questions that this site has not answered yet.

    Parameters
    ----------
    exchange : path, or the site's desk there
    site : Site
    study : str, optional
        Digest of the study that the site has agreed to; questions about another are refused.

    Raises
    ------
    LedgerMismatch
        The exchange is about another study, or does not know this site.
    """
    return _desk(exchange, site, study).open_questions()


def asked(questions: Sequence[Question], exchange: str | Path = "") -> pd.DataFrame:
    """What the questions ask, one row each, in the questions' own words.

    Parameters
    ----------
    exchange : path
        The folder they were filed in, by which the points of a model are counted; empty: among themselves.

    Returns
    -------
    DataFrame
        question, asked (a sentence), and times: how often this was asked, of a model at whatever point.
    """
    known = Ledger(exchange).questions() if questions and str(exchange) else questions
    turns = [turn_of(question, known) for question in questions]
    rows = [(q.number, q.query.in_words(turn), turn) for q, turn in zip(questions, turns, strict=True)]
    return pd.DataFrame(rows, columns=["question", "asked", "times"])


def review(answers: Sequence[Answer]) -> pd.DataFrame:
    """Everything that would leave, and everything that would not: for the eyes of the site.

    Returns
    -------
    DataFrame
        question kind, released, numbers that leave, and the judgement that came closest to refusing.
    """
    return pd.DataFrame([account_line(answer) for answer in answers], columns=ACCOUNT)


def serving(mode: str) -> bool:
    """Whether a site answers as questions come (``"serve"``) or looks first (``"attended"``).

    Raises
    ------
    ValueError
        Any other word: a slip must neither send nor stay silent.
    """
    if mode not in ("attended", "serve"):
        raise ValueError(f"mode is 'attended' or 'serve', not {mode!r}.")
    return mode == "serve"


def send(
    exchange: str | Path | Desk,
    site: Site,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    *,
    approve: bool = True,
    egress: str | Path = "",
) -> list[Path]:
    """Let the answers leave: one file each, written once.

    An answer that has become one too many since it was judged, because others have left, leaves as a refusal.

    Parameters
    ----------
    approve : bool
        False sends nothing.
    egress : path
        A private folder that keeps a sheet of every answer, written before the answer leaves; empty: none.

    Raises
    ------
    ValueError
        ``approve`` is neither True nor False (papermill reads ``false`` as a text, which would count as
        true), or the answers are not those of the questions.
    """
    if not isinstance(approve, bool):
        raise ValueError(f"approve is True or False, not {approve!r}; nothing was sent.")  # noqa: TRY004
    if not approve:
        return []
    desk = _desk(exchange, site)
    pairs = list(zip(questions, answers, strict=True))
    if any(q.query != a.query for q, a in pairs):
        raise ValueError("The answers do not belong to these questions, in this order; nothing was sent.")
    return [_leave(desk, site, question, judged, egress)[0] for question, judged in pairs]


def _leave(
    desk: Desk, site: Site, question: Question, judged: Answer, egress: str | Path
) -> tuple[Path, Answer]:
    """One answer leaves: where it lies, and what has left."""
    # what somebody else has put there stops it before anything is written down as having left
    desk.has_sent(question)
    answer = site.remembered(judged)
    if judged.released and not answer.released:
        warnings.warn(
            f"Question {question.number} is answered with a refusal, though sums were to leave: another answer has left since "
            "they were judged, and the two together tell of too few patients.",
            stacklevel=3,
        )
    _keep(egress, desk, site, question, answer)  # nothing leaves without its sheet
    return desk.send(question, answer.content), answer


def _keep(egress: str | Path, desk: Desk, site: Site, question: Question, answer: Answer) -> None:
    """Write the egress sheet of one answer; nothing without a folder."""
    if str(egress):
        of_answer = sheet(site, question, answer, turn_of(question, desk.ledger.questions()))
        egress_folder.keep(egress, of_answer, account_line(answer))


def egress_sheet(exchange: str | Path | Desk, site: Site, egress: str | Path = "") -> pd.DataFrame:
    """The account of what has left: one line for every answer that this site keeps of the exchange.

    Parameters
    ----------
    egress : path
        The site's folder of egress sheets: its lines are shown.  Answers that have no sheet are judged
        anew on the site's rows, so the account is whole however often the site was stopped and started.
    """
    try:
        desk = _desk(exchange, site)
        done = numbers(desk.outbox)  # and not what lies in the exchange, where anybody may have put it
        known = list(desk.ledger.questions())
    except FileNotFoundError:
        known, done = [], set()
    kept = {int(line["question"]): line for line in egress_folder.summary(egress).to_dict("records")}
    anew = [q for q in known if q.number in done and q.number not in kept]
    lines = [{"question": q.number} | account_line(site.answer(q.query)) for q in anew]
    lines = [
        line | {"asked": q.query.in_words(turn_of(q, known))} for line, q in zip(lines, anew, strict=True)
    ]
    if lines and str(egress):
        egress_folder.summarise(egress, lines)
    shown: dict[int, dict[Any, Any]] = {int(str(line["question"])): line for line in lines} | kept
    return pd.DataFrame([shown[n] for n in sorted(shown)], columns=["question", *ACCOUNT, "asked"])


def serve(
    exchange: str | Path,
    site: Site,
    *,
    study: str | None = None,
    wait_seconds: float = 3600.0,
    egress: str | Path = "",
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Answer questions as they come, until the coordinator closes the exchange.

    Parameters
    ----------
    wait_seconds : float
        How long to wait without any new question.
    egress : path
        As of :func:`send`.
    report : callable, optional
        Told one line for each answered question.

    Returns
    -------
    DataFrame
        The egress sheet: one row an answer, as :func:`review` gives it, with the question's number.

    Raises
    ------
    SiteMissing
        No question and no close within ``wait_seconds``: the coordinator is gone or late.
    """
    desk = _desk(exchange, site, study)
    ledger = desk.ledger
    lines: list[dict[str, object]] = []
    deadline, pause = time.monotonic() + wait_seconds, POLL_SECONDS[0]
    while True:
        # closed is looked at first: a question filed before the close is then never overlooked
        closed = ledger.members.opened and ledger.closed
        questions = desk.open_questions() if ledger.members.opened else []
        for question in questions:
            _, answer = _leave(desk, site, question, site.answer(question.query), egress)
            lines.append({"question": question.number} | account_line(answer))
            if report is not None:
                report(
                    f"question {question.number}: {question.kind} {'answered' if answer.released else 'refused'}"
                )
        if questions:
            deadline, pause = time.monotonic() + wait_seconds, POLL_SECONDS[0]
            continue
        if closed:
            return pd.DataFrame(lines, columns=["question", *ACCOUNT])
        if "coordinator" in ledger.absent():
            raise SiteMissing(
                "The coordinator was reported gone. Answers so far are kept; start again when it runs."
            )
        if time.monotonic() > deadline:
            raise SiteMissing(
                f"No question came within {wait_seconds:g} s. Answers so far are kept; start again when the coordinator runs."
            )
        time.sleep(pause)
        pause = min(pause * 1.3, POLL_SECONDS[1])


def _desk(exchange: str | Path | Desk, site: Site, study: str | None = None) -> Desk:
    return exchange if isinstance(exchange, Desk) else Desk(exchange, site, study)
