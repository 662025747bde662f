"""What leaves in place of sums, and what stays at the site of a refusal."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import pandas as pd

from fedstats.contract.aggregate import Rule
from fedstats.contract.query import Query, QueryError, Spec, spec_from_dict

#: What stands in place of a rule where a sum cannot travel.
SUM_TOO_LARGE = "the sums are within the fixed-point range"
SUM_NOT_FINITE = "the sums are finite at these coefficients"
#: A question that does not fit is refused in a sentence of the protocol, of so many characters at most.
LONGEST_SENTENCE = 2_000
#: Names of kinds of question, of sums and of rules.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,59}")


@dataclass(frozen=True)
class Refusal(Spec):
    """What leaves in place of sums: the query, the kind of entry and the rule; never a number."""

    query: str
    entry: str
    rule: str

    @property
    def why(self) -> str:
        """What did not meet which rule; of a rule that judges the answer as a whole, the rule alone."""
        what = "it" if self.entry == self.rule else f"the {self.entry}"
        return f"{what} did not meet the rule '{self.rule}'."

    def __str__(self) -> str:
        return f"{self.query} was refused: {self.why}"


def received(content: object) -> Refusal:
    """A refusal as a site has sent it, which may be anybody's text.

    Raises
    ------
    QueryError
        It is none that this version would send: another rule, or a sentence that is too long or no single line.
    """
    refusal: Refusal = spec_from_dict(content, Refusal)
    if not all(_NAME.fullmatch(name) for name in (refusal.query, refusal.entry)):
        raise QueryError("it names a question or a sum by what is no name.")
    known = refusal.rule in (*get_args(Rule), SUM_TOO_LARGE, SUM_NOT_FINITE)
    sentence = refusal.entry == "question" and refusal.rule.isprintable()
    if not known and not (sentence and len(refusal.rule) <= LONGEST_SENTENCE):
        raise QueryError(
            "it refuses by a rule that this version does not know; ask the site which version it runs, and what its log says."
        )
    return refusal


def not_answered(query: Query) -> Refusal:
    """The refusal of a kind of question that a site does not answer."""
    return Refusal(type(query).__name__, "question as such", "kind of question")


class DisclosureRefused(PermissionError):  # noqa: N818 (a decision, not an error)
    """Raised at a site; ``refusal`` may leave, ``findings`` may not."""

    def __init__(self, refusal: Refusal, review: Callable[[], pd.DataFrame]) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self._review = review

    @property
    def findings(self) -> pd.DataFrame:
        """Every judgement with its counts; stays at the site."""
        return self._review()


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement: what was counted, what the rule needs, and whether it passed (stays at the site)."""

    entry: str
    rule: Rule
    about: str
    count: float
    needed: str
    passed: bool
