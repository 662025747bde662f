"""A federation of some of the sites, for what is fitted without one of them and then held against that one."""

from collections.abc import Iterable, Sequence

from fedstats.contract.federation import Answers, Asked, Federation
from fedstats.contract.query import Query, QueryError


class SomeSites(Federation):
    """The same federation, adding up the answers of some sites alone; every site is asked, and the others' answers are left."""

    def __init__(self, whole: Federation, sites: Sequence[str]) -> None:
        if not sites or not set(sites) <= set(whole.sites):
            raise QueryError(f"The sites are {', '.join(whole.sites)}; name some of these.")
        self.whole, self.sites = whole, tuple(site for site in whole.sites if site in set(sites))
        self.codebook, self.hint, self.distinct_values = whole.codebook, whole.hint, whole.distinct_values
        self.max_points, self.made_columns, self.rehearses = (
            whole.max_points,
            whole.made_columns,
            whole.rehearses,
        )

    def __repr__(self) -> str:
        return f"{self.whole!r}, of {', '.join(self.sites)} alone"

    def ask(self, query: Query, *, each: bool = False) -> Answers:
        """Ask all, and keep the answers of these."""
        answers = self.whole.ask(query, each=each)
        return Answers(answers.query, {site: answers.by_site[site] for site in self.sites})

    def history(self) -> Iterable[Asked]:
        """What has been asked of the whole: one account."""
        return self.whole.history()
