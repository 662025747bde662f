"""What leaves in place of sums, and what stays at the site of a refusal."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from fedstats.contract.aggregate import Rule
from fedstats.contract.query import Query, Spec


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
