"""The egress sheet: every number of an answer, in words, kept at the site before the answer leaves.

One sheet an answer.  A sheet of a release holds nothing of patients beyond what leaves: who stands
behind a number is a band.  A sheet of a refusal holds the counts that did not meet the rule, for the
site's own eyes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from fedstats.contract.aggregate import Aggregate, Release, Rule, Sum
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.query import Query
from fedstats.contract.remedies import remedy
from fedstats.federations.ledger import Question
from fedstats.federations.site import Answer, Site

#: Largest number of patients of every band but the last.
BANDS = (0, 4, 10, 20, 50, 100, 500)
#: Rules that judge the numbers themselves; all others judge what an answer would give away as a whole.
ENTRY_RULES: tuple[Rule, ...] = ("entry", "pair of levels")
#: Columns of the account, one line an answer; it stays at the site.
ACCOUNT = ["query", "leaves", "numbers", "entry", "about", "patients", "rule needs"]
COLUMNS = ["part", "name", "value", "patients", "rule", "needs"]


def band(patients: float) -> str:
    """A number of patients as a sheet shows it.

    Examples
    --------
    >>> band(0), band(3), band(11), band(501)
    ('0', '1 to 4', '11 to 20', 'over 500')

    Notes
    -----
    "1 to 4" and not "1-4", of which a spreadsheet makes the first of April.
    """
    for low, high in zip((-1, *BANDS), BANDS, strict=False):
        if patients <= high:
            return str(high) if low + 1 == high else f"{low + 1} to {high}"
    return f"over {BANDS[-1]}"


@dataclass(frozen=True)
class Sheet:
    """What a person reads before, or after, an answer leaves.

    Attributes
    ----------
    number : int        of the question
    sha256 : str        of the question, so that no sheet is taken for another exchange's
    asked : str         the question in words
    released : bool     whether numbers leave
    frame : DataFrame   part (question, sum, judgement, number, refusal), name, value, patients, rule, needs
    """

    number: int
    sha256: str
    asked: str
    released: bool
    frame: pd.DataFrame

    @property
    def numbers(self) -> pd.DataFrame:
        """The lines of the numbers that leave."""
        return self.frame[self.frame["part"] == "number"]


def sheets(
    site: Site, questions: Sequence[Question], answers: Sequence[Answer], known: Sequence[Question] = ()
) -> list[Sheet]:
    """A sheet of every answer.

    Parameters
    ----------
    site : Site
    questions, answers : sequences of the same length
    known : sequence of Question
        Everything asked so far, by which a model's points are counted; the questions alone if empty.
    """
    pairs = zip(questions, answers, strict=True)
    return [sheet(site, q, a, turn_of(q, known or questions)) for q, a in pairs]


def sheet(site: Site, question: Question, answer: Answer, turn: int = 0) -> Sheet:
    """The sheet of one answer; ``turn`` counts the points at which its model was asked so far."""
    asked = question.query.in_words(turn)
    released = isinstance(answer.content, Release)
    head = [("site", site.name), ("question", question.number), ("sha256", question.sha256)]
    head += [("asked", asked), ("profile", site.policy.name)]
    lines: list[dict[str, object]] = [
        {"part": "question", "name": name, "value": value} for name, value in head
    ]
    if isinstance(answer.content, Release):
        lines += _meanings(question.query, answer.content.values())
        lines += list(_judged(answer, site.policy))
        lines += list(_numbers(question.query, answer, answer.content, site.policy))
    else:
        refusal = answer.content
        found = answer.problem or answer.found or remedy(refusal.rule, answer.query)
        said = {"name": refusal.entry, "value": str(found)}
        lines.append({"part": "refusal", **said, "rule": refusal.rule})
        lines += list(_failures(question.query, answer, site.policy))
        lines += _meanings(question.query, _short(answer, site.policy))
    frame = pd.DataFrame(lines, columns=COLUMNS).astype(object)
    return Sheet(question.number, question.sha256, asked, released, frame.where(frame.notna(), ""))


def turn_of(question: Question, known: Sequence[Question]) -> int:
    """How often the model of a question has been asked, up to and with this time."""
    own = _conversation(question.query)
    return sum(1 for q in known if q.number <= question.number and _conversation(q.query) == own)


@lru_cache(maxsize=8192)
def _conversation(query: Query) -> str:
    return query.conversation()


def account_line(answer: Answer) -> dict[str, object]:
    """One line of the account: a refusal by its worst count, a release by its smallest one."""
    judged = answer.review
    first = None
    if len(judged):
        failed = judged[~judged["passed"].astype(bool)]
        # nobody stands behind an empty cell: of what passes, the smallest group of patients is shown
        passed = judged.assign(count=_smallest_groups(judged, answer.aggregate))
        passed = passed[passed["needed"].str.contains("at least") & (passed["count"] > 0)]
        ranked = failed if len(failed) else passed.sort_values("count", kind="stable")
        first = ranked.iloc[0] if len(ranked) else None
    return {
        "query": type(answer.query).__name__,
        "leaves": answer.released,
        "numbers": answer.content.n_numbers if isinstance(answer.content, Release) else 0,
        "entry": "" if first is None else first["entry"],
        "about": str(answer.problem or "") if first is None else first["about"],
        "patients": np.nan if first is None else first["count"],
        "rule needs": "" if first is None else first["needed"],
    }


def _smallest_groups(judged: pd.DataFrame, aggregate: Aggregate | None) -> list[float]:
    """The counts of judgements, those of entries without the empty cells: the gate names an empty one first."""
    counts = []
    for found in judged.to_dict("records"):
        sums = aggregate.sums if aggregate is not None and found["rule"] == "entry" else {}
        patients = sums[found["entry"]].patients if found["entry"] in sums else np.zeros(0)
        held = patients[patients > 0]
        counts.append(float(held.min()) if held.size else float(found["count"]))
    return counts


def _meanings(query: Query, names: Iterable[str]) -> list[dict[str, object]]:
    """What the numbers of each sum are, in words: a number's own line has the short name of its sum."""
    said = query.entries()
    return [{"part": "sum", "name": name, "value": said[name].means} for name in names if name in said]


def _short(answer: Answer, policy: DisclosurePolicy) -> list[str]:
    """Sums of a refused answer with an entry that does not meet its rule."""
    sums = answer.aggregate.sums if answer.aggregate is not None else {}
    return [
        name
        for name, found in sums.items()
        if not all(map(policy.meets, _rules(found), found.patients.ravel().tolist()))
    ]


def _numbers(
    query: Query, answer: Answer, release: Release, policy: DisclosurePolicy
) -> Iterator[dict[str, object]]:
    """A line for every number, in the order in which they travel."""
    sums = answer.aggregate.sums if answer.aggregate is not None else {}
    for name, values in release.values().items():
        rules = _rules(sums[name])
        needs = {rule: policy.needs(rule) for rule in set(rules)}
        patients = sums[name].patients.ravel().tolist()
        for i, entry in enumerate(_names(query, name, values.shape)):
            yield {
                "part": "number",
                "name": entry,
                "value": float(values.ravel()[i]),
                "patients": band(patients[i]),
                "rule": rules[i],
                "needs": needs[rules[i]],
            }


def _names(query: Query, name: str, shape: tuple[int, ...]) -> list[str]:
    entries = query.entries().get(name)
    if entries is not None:
        return entries.names(name, shape)
    return [f"{name}[{', '.join(str(i + 1) for i in at)}]" for at in np.ndindex(shape)]


def _rules(entries: Sum) -> list[Rule]:
    """The rule that judges each entry."""
    if not entries.pairs:
        return ["entry"] * entries.patients.size
    return ["entry" if own else "pair of levels" for own in entries.on_diagonal.ravel()]


def _judged(answer: Answer, policy: DisclosurePolicy) -> Iterator[dict[str, object]]:
    """Of every rule that judged the answer as a whole, the count that came closest to refusing, as a band."""
    for found in answer.review.to_dict("records"):
        if found["rule"] not in ENTRY_RULES:
            line = {"part": "judgement", "name": f"closest: {found['about']}", "rule": found["rule"]}
            line["needs"] = policy.needs(found["rule"])
            if "at least" in found["needed"]:
                line["patients"] = band(found["count"])
            elif "at most" in found["needed"]:
                line["value"] = float(found["count"])
            yield line


def _failures(query: Query, answer: Answer, policy: DisclosurePolicy) -> Iterator[dict[str, object]]:
    """Every count that did not meet its rule, as it is: for the site's own eyes."""
    for found in answer.review.to_dict("records"):
        if found["rule"] not in ENTRY_RULES and not found["passed"]:
            counts = "patients" if "at least" in found["needed"] else "value"
            yield {"part": "judgement", "name": found["about"], counts: float(found["count"])} | {
                "rule": found["rule"],
                "needs": found["needed"],
            }
    sums = answer.aggregate.sums if answer.aggregate is not None else {}
    for name, entries in sums.items():
        patients = entries.patients.ravel()
        for i, (entry, rule) in enumerate(
            zip(_names(query, name, entries.patients.shape), _rules(entries), strict=True)
        ):
            if not policy.meets(rule, patients[i]):
                yield {"part": "judgement", "name": entry, "patients": int(patients[i])} | {
                    "rule": rule,
                    "needs": policy.needs(rule),
                }
