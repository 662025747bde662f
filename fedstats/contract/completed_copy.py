"""A federation in which some columns have their empty cells filled in: one completed copy of the data."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from fedstats.contract.codebook import Codebook
from fedstats.contract.federation import Answers, Asked, Federation, Total
from fedstats.contract.imputed_columns import ImputedColumns
from fedstats.contract.query import Query, canonical_json

T = TypeVar("T")


class CompletedCopy(Federation):
    """The same sites, with the empty cells of imputed columns filled in wherever a question reads one of these.

    Every analysis runs on it as on the sites themselves; a question that reads no such column is that of the sites.

    Parameters
    ----------
    whole : Federation
    chain : ImputedColumns    with all columns shown that may be read as completed
    but : str              a column of the chain that is read as it was observed; empty: none
    """

    def __init__(self, whole: Federation, chain: ImputedColumns, but: str = "") -> None:
        self.whole, self.chain, self._but = whole, chain, but
        self.sites, self.codebook, self.hint = whole.sites, whole.codebook, whole.hint
        self.distinct_values, self.max_points = whole.distinct_values, whole.max_points
        self.made_columns, self.rehearses = whole.made_columns, whole.rehearses

    @property
    def agreed(self) -> Codebook:
        """As the whole has it."""
        return self.whole.agreed

    def __repr__(self) -> str:
        return f"{self.whole!r}, {self.chain.in_words()}"

    def ask(self, query: Query, *, each: bool = False) -> Answers:
        """Ask of completed columns where the question names them."""
        return self.whole.ask(self._completed(query), each=each)

    def sum(self, query: Query) -> Total:
        """As the whole adds up, which may not be as every federation does."""
        return self.whole.sum(self._completed(query))

    def _completed(self, query: Query) -> Query:
        text = canonical_json(query.to_dict())
        named = [name for name in self.chain.completed if name != self._but and f'"{name}"' in text]
        return query.completed(self.chain.showing(*named)) if named else query

    def history(self) -> Iterable[Asked]:
        """What has been asked of the whole: one account."""
        return self.whole.history()

    def lockstep(self, analyses: Sequence[Callable[[], T]]) -> list[T]:
        """As the whole does."""
        return self.whole.lockstep(analyses)
