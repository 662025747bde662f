"""A site's own sums, where these are the point: of a permission of their own, and never added up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fedstats.contract.aggregate import Aggregate, Evidence, Sum
from fedstats.contract.entries import Entries
from fedstats.contract.query import Query
from fedstats.contract.site_data import SiteData


@dataclass(frozen=True)
class OwnSums(Query):
    """What a site would answer to a question, to be shown as that site's and not in a total."""

    question: Query

    summable = False
    asks = "the site's own numbers, to be shown by site"

    def subject(self) -> str:
        """That of the question."""
        return self.question.subject()

    def entries(self) -> dict[str, Entries]:
        """Those of the question."""
        return self.question.entries()

    def aggregate(self, data: SiteData) -> Aggregate:
        """The sums of the question, judged as its are, and whether the site shows its own."""
        answer = self.question.aggregate(data)
        return answer.with_evidence(per_site(answer.patients))


def entry_evidence(sums: Mapping[str, Sum]) -> Iterator[Evidence]:
    """How many patients stand behind each entry of sums that leave as a part of others."""
    for name, entries in sums.items():
        counts, about = entries.patients.ravel(), f"entries of {name}"
        diagonal = entries.on_diagonal if entries.pairs else np.ones(len(counts), dtype=bool)
        yield Evidence("entry", counts[diagonal], about)
        yield Evidence("pair of levels", counts[~diagonal], about)


def per_site(patients: int) -> Evidence:
    """What the gate judges of what a site gives on its own."""
    return Evidence("per-site estimate", np.array([patients]), "this site's own numbers")
