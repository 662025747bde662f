"""Which recorded question a query is: the same text, or the same turn of a conversation at the same point."""

from collections import Counter
from typing import Any

from fedstats.contract.query import Query, point_fields
from fedstats.federations.files import LedgerMismatch
from fedstats.federations.ledger import Ledger, Question
from fedstats.federations.membership import first_that_counts

#: Recorded and recomputed coefficients may differ by the last digits of another machine's arithmetic.
SAME_POINT = 1e-9


class Course:
    """The questions of an exchange as one run meets them again.

    Parameters
    ----------
    ledger : Ledger

    Attributes
    ----------
    turns : Counter    how often each conversation has been taken up in this run
    met : set          numbers of the questions that this run has asked
    """

    def __init__(self, ledger: Ledger) -> None:
        self.turns: Counter[str] = Counter()
        self.met: set[int] = set()
        self._by_digest: dict[str, Question] = {}
        self._courses: dict[str, list[Question]] = {}
        since = first_that_counts(ledger.members.versions())
        for question in ledger.questions():
            if question.version >= since:  # answers about earlier rows do not mix with later ones
                self.remember(question)

    def remember(self, question: Question) -> None:
        """A question has been filed."""
        self._by_digest[question.query.digest()] = question
        self._courses.setdefault(question.query.conversation(), []).append(question)

    def recorded(self, query: Query) -> Question | None:
        """The filed question that this is, or None for a new one.

        Raises
        ------
        LedgerMismatch
            The model was asked about at other coefficients in this turn.
        """
        found = self._found(query)
        if found is not None:
            self.met.add(found.number)
        return found

    def _found(self, query: Query) -> Question | None:
        conversation = query.conversation()
        turn = self.turns[conversation]
        self.turns[conversation] += 1
        known = self._by_digest.get(query.digest())
        if known is not None:
            return known
        course = self._courses.get(conversation, [])
        # by turn, not by nearness alone: the last two points of a fit are closer than that to each other
        if not course:
            return None
        recorded = course[turn % len(course)]  # a second fit of the same model goes through the same turns
        if _same_point(query, recorded.query):
            return recorded
        if turn < len(course):
            raise LedgerMismatch(
                f"Question {recorded.number} ({recorded.kind}) was recorded at other coefficients than this run "
                f"has reached for round {turn + 1} of the same model. The options of the fit, or the software, have "
                "changed: use a new exchange folder, or what the exchange was begun with."
            )
        return None


def _same_point(query: Query, recorded: Query) -> bool:
    return all(_close(getattr(query, name), getattr(recorded, name)) for name in point_fields(type(query)))


def _close(a: Any, b: Any) -> bool:
    if len(a) != len(b):
        return False
    return all(
        _close(x, y) if isinstance(x, tuple) else abs(x - y) <= SAME_POINT * max(abs(x), abs(y), 1e-3)
        for x, y in zip(a, b, strict=True)
    )
