"""A dry run of a study's analyses at one site: every judgement of its gate, before anybody asks."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from fedstats.contract.federation import Answers, Federation, SiteRefused
from fedstats.contract.query import Query, point_fields
from fedstats.contract.refusal import Refusal
from fedstats.contract.remedies import remedy
from fedstats.federations.in_process import InProcess
from fedstats.federations.site import Answer, Site
from fedstats.methods.follow_up import GRID_RULES
from fedstats.numerics.newton import NotConverged
from fedstats.study.definition import Study
from fedstats.study.toml_file import StudyError

COLUMNS = ["analysis", "question", "round", "entry", "rule", "about", "count", "needed", "passed", "remedy"]

#: What the column ``round`` says of a time grid after which a coarser one was tried.
TRIED = "tried"


def check_model(study: Study, site: Site, analysis: str | None = None) -> pd.DataFrame:
    """Every judgement of a site's gate on a study's analyses, with its numbers: for the eyes of the site alone.

    Parameters
    ----------
    study : Study
    site : Site
        Its memory, where it has one, is neither asked nor written.
    analysis : str, optional
        One analysis by its name; all of them unless given.

    Returns
    -------
    DataFrame
        analysis, question, round, entry, rule, about, count, needed, passed, remedy.  ``round`` is ``first`` or
        ``last`` of a fit on this site's rows alone, or ``tried`` of a time grid that was given up for a coarser one.
        A rule that passes shows its closest count.

    Raises
    ------
    StudyError
        The study has no such analysis.

    Notes
    -----
    The last round of a network's fit is at other coefficients than this site's own: sizes of coefficients
    and effective sample sizes may differ from what is shown.
    """
    analyses = study.analyses()
    if analysis is not None and analysis not in analyses:
        raise StudyError(f"The study {study.id} has no analysis {analysis!r}; it has {', '.join(analyses)}.")
    chosen = [analysis] if analysis is not None else list(analyses)
    frames = [_judgements(name, _rehearse(site, analyses[name])) for name in chosen]
    return pd.concat(frames, ignore_index=True)


def refused(judgements: pd.DataFrame) -> list[str]:
    """Analyses of which something would be refused at the site; a grid that was given up for a coarser one is not."""
    failed = judgements[~judgements["passed"].astype(bool) & (judgements["round"] != TRIED)]
    return list(dict.fromkeys(failed["analysis"]))


@dataclass
class _Rehearsal(Federation):
    """A federation of one site that keeps every answer; ``gated`` False goes on with sums that were refused."""

    site: Site
    gated: bool
    asked: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sites, self.codebook = (self.site.name,), self.site.data.codebook
        self.distinct_values = self.site.policy.distinct_values
        self.rehearses = True
        self._open = InProcess.alone(self.site)

    def ask(self, query: Query, *, each: bool = False) -> Answers:  # noqa: ARG002 (one site: both are the same)
        """The site's answer, judged; without the gate its sums all the same."""
        answer = self.site.answer(query)
        self.asked.append(answer)
        if self.gated or answer.released:
            return Answers(query, {self.site.name: answer.content})
        return self._open.ask(query)


def _rehearse(site: Site, analysis: Callable[..., Any]) -> list[Answer]:
    """The questions of an analysis with the site's answers, to its last round even where the gate refuses."""
    site = site.without_memory(site.policy)
    gated = _Rehearsal(site, gated=True)
    try:
        analysis(gated)
    except NotConverged:
        return gated.asked  # of this site's rows alone; the network's fit may well converge
    except SiteRefused as refusal:
        if refusal.rule in GRID_RULES and len(gated.asked) > 1:
            return gated.asked
        whole = _Rehearsal(site, gated=False)
        with suppress(NotConverged, SiteRefused):  # as far as it goes
            analysis(whole)
        return whole.asked
    return gated.asked


def _judgements(name: str, answers: list[Answer]) -> pd.DataFrame:
    """Lines of the first and the last answer of every course of questions."""
    courses: dict[str, list[Answer]] = {}
    for answer in answers:
        courses.setdefault(answer.query.conversation(), []).append(answer)
    frames = []
    for course in courses.values():
        rounds = {"first": course[0], "last": course[-1]} if len(course) > 1 else {"first": course[0]}
        if not course[-1].released and _superseded(course[-1], answers):
            rounds = {TRIED: course[-1]}
        frames += [_lines(name, label, answer) for label, answer in rounds.items()]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def _superseded(refusal: Answer, answers: list[Answer]) -> bool:
    """Whether the same was asked again later, on another grid."""
    if not isinstance(refusal.content, Refusal):
        return False
    later = answers[next(i for i, a in enumerate(answers) if a is refusal) + 1 :]
    same = _without_grid(_what(refusal.query))
    return any(
        a.query.conversation() != refusal.query.conversation() and _without_grid(_what(a.query)) == same
        for a in later
    )


def _what(query: Query) -> dict[str, Any]:
    """What is asked, at whatever point."""
    return {k: v for k, v in query.to_dict().items() if k not in point_fields(type(query))}


def _without_grid(question: Any) -> Any:
    """A question as plain values, whatever its time grid."""
    if isinstance(question, dict):
        return {k: _without_grid(v) for k, v in question.items() if k != "grid"}
    return [_without_grid(v) for v in question] if isinstance(question, list) else question


def _lines(name: str, label: str, answer: Answer) -> pd.DataFrame:
    variable = getattr(answer.query, "variable", "")
    kind = f"{type(answer.query).__name__} {variable}".strip()
    lines = answer.review.copy()
    if isinstance(answer.content, Refusal) and bool(lines.get("passed", pd.Series(dtype=bool)).all()):
        told = {"entry": answer.content.entry, "rule": answer.content.rule, "about": "", "needed": ""}
        lines = pd.concat([lines, pd.DataFrame([told | {"count": float("nan"), "passed": False}])])
    lines = lines.assign(analysis=name, question=kind, round=label)
    lines["remedy"] = [
        "" if passed else remedy(rule, answer.query)
        for passed, rule in zip(lines["passed"], lines["rule"], strict=True)
    ]
    return lines[COLUMNS]
