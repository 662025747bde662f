"""What was refused, by which rule, and what would make it pass: the coordinator's view, without a number."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pandas as pd

from fedstats.contract.aggregate import Release
from fedstats.contract.arguments import check_federation
from fedstats.contract.disclosure import Refusal
from fedstats.contract.federation import NOT_FINITE, TOO_LARGE, Asked, Federation
from fedstats.contract.query import Query, Spec, canonical_json
from fedstats.contract.refusal import SUM_TOO_LARGE
from fedstats.contract.remedies import remedy

COLUMNS = ["kind", "asked", "site", "entry", "rule", "remedy", "then"]
#: Refusals that are no decision of the gate.
_REMEDIES = {
    "question": "The question does not fit the site's table: compare the study files of the coordinator and the site.",
    SUM_TOO_LARGE: f"Where a fit does not go on with a smaller step: {TOO_LARGE}",
    NOT_FINITE: "The sums are not finite at these coefficients; a fit goes on with a smaller step.",
}


def refusals(asked: Federation | Iterable[Asked]) -> pd.DataFrame:
    """Every refusal so far, one row each.

    Parameters
    ----------
    asked : Federation, or what has been asked
        A federation remembers what it was asked; a folder reads it from its ledger.

    Returns
    -------
    DataFrame
        kind, asked (the question in words), site, entry, rule, remedy (what would make it pass) and then:
        what the coordinator did instead where that was answered by every site, for instance "answered with
        a coarser time grid"; empty where the question is still refused.
    """
    if not isinstance(asked, Iterable):
        check_federation(asked)
    history = list(asked.history() if isinstance(asked, Federation) else asked)
    rows = [
        {
            "kind": type(one.query).__name__,
            "asked": one.query.in_words(),
            "site": site,
            "entry": refusal.entry,
            "rule": refusal.rule,
            "remedy": _REMEDIES.get(refusal.rule)
            or _REMEDIES.get(refusal.entry)
            or remedy(refusal.rule, one.query),
            "then": _then(one, history[number + 1 :]),
        }
        for number, one in enumerate(history)
        for site, refusal in one.refused.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def outcome(query: Query, by_site: Mapping[str, Release | Refusal | None]) -> Asked:
    """A question with its refusals."""
    refused = {site: answer for site, answer in by_site.items() if isinstance(answer, Refusal)}
    return Asked(query, refused, all(isinstance(answer, Release) for answer in by_site.values()))


def _then(refused: Asked, later: Sequence[Asked]) -> str:
    """What was asked afterwards in place of a refused question, and answered by every site."""
    query = refused.query
    answered = [one.query for one in later if one.answered and type(one.query) is type(query)]
    versions = _versions(query)
    if versions:
        same = _apart(query, "candidate", "point")
        others = (q for q in answered if _apart(q, "point") != _apart(query, "point"))
        if any(_apart(q, "candidate", "point") == same for q in others):
            return f"answered with {versions}"
    conversation = query.conversation()
    return "answered at another point" if any(q.conversation() == conversation for q in answered) else ""


def _versions(spec: Spec) -> str:
    """What the coordinator tries in several versions, in words; empty if nothing is."""
    for f in fields(spec):
        value = getattr(spec, f.name)
        if value and (words := str(f.metadata.get("candidate", ""))):
            return words
        if isinstance(value, Spec) and (words := _versions(value)):
            return words
    return ""


def _apart(spec: Spec, *marks: str) -> str:
    """What a question asks apart from the fields marked so."""
    return canonical_json(_without(spec, marks))


def _without(value: Any, marks: tuple[str, ...]) -> Any:
    if isinstance(value, Spec):
        kept = (f for f in fields(value) if not any(f.metadata.get(mark) for mark in marks))
        return {"is": type(value).__name__} | {f.name: _without(getattr(value, f.name), marks) for f in kept}
    return [_without(v, marks) for v in value] if isinstance(value, tuple) else value
