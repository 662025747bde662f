"""Who answered what, and what left: from the exchange, and from the coordinator's archive where it is at hand."""

from collections import Counter
from functools import cached_property

import pandas as pd

from fedstats.federations.archive import Archive, Opened
from fedstats.federations.ledger import Ledger, Question
from fedstats.reporting.tables import Table, table
from fedstats.reporting.wording import question_words
from fedstats.study.definition import Study

NO_ARCHIVE = (
    "How many numbers left, and which answers are refusals, is written in the coordinator's archive alone; this report "
    "was made without it (home: the coordinator's private folder)."
)


class ExchangeAccount:
    """Counts answers, which anyone can see, and numbers, which only the coordinator's archive tells.

    Parameters
    ----------
    study : Study
    ledger : Ledger
    archive : Archive     may be empty
    """

    def __init__(self, study: Study, ledger: Ledger, archive: Archive) -> None:
        self.study, self.ledger, self.archive = study, ledger, archive

    @cached_property
    def opened(self) -> dict[int, Opened]:
        """What the archive holds, by the number of the question; of a question of both kinds the sum."""
        found = {
            q.number: self.archive.opened(q) or self.archive.opened(q, each=True)
            for q in self.ledger.questions()
        }
        return {number: opened for number, opened in found.items() if opened is not None}

    @property
    def took_part(self) -> list[str]:
        """Between whom the exchange is, in the study's order; whom the study does not know comes last."""
        agreed = list(self.study.sites)
        return sorted(
            self.ledger.head.sites, key=lambda s: (agreed.index(s) if s in agreed else len(agreed), s)
        )

    @cached_property
    def archived(self) -> bool:
        """Whether the archive is at hand, with every question that all sites have answered."""
        return set.intersection(*(self.ledger.answered(s) for s in self.took_part)) <= self.opened.keys()

    def answered(self, site: str) -> list[Question]:
        """The questions that a site has answered."""
        answered = self.ledger.answered(site)
        return [q for q in self.ledger.questions() if q.number in answered]

    def sites(self) -> Table:
        """One row a site: its answers, the refusals among them where that is known, its keys."""
        rows = []
        for site in self.took_part:
            join = self.ledger.members.join(site, self.ledger.head.number)
            refused = sum(site in opened.refused for opened in self.opened.values())
            rows.append(
                {"Site": self.study.site_title(site), "Answers": len(self.answered(site))}
                | ({"of which refusals": refused} if self.archived else {})
                | {"Fingerprint of its keys": join.keys.fingerprint if join else ""}
            )
        return table(pd.DataFrame(rows), caption="Sites")

    def egress(self) -> Table:
        """By site and kind of question: how many answers, and how many numbers left where that is known."""
        rows = []
        for site in self.took_part:
            asked: Counter[str] = Counter()
            numbers: Counter[str] = Counter()
            for question in self.answered(site):
                words = question_words(type(question.query))
                asked[words] += 1
                opened = self.opened.get(question.number)
                numbers[words] += 0 if opened is None or site in opened.refused else opened.n_numbers
            rows += [
                {"site": self.study.site_title(site), "What was asked": words, "Answers": asked[words]}
                | (
                    {"Numbers that left": numbers[words], "Bytes": 16 * numbers[words]}
                    if self.archived
                    else {}
                )
                for words in asked
            ]
        columns = None if rows else ["site", "What was asked", "Answers"]
        note = "Every number is a sum over patients that the site's policy has let out; refusals hold none."
        return table(
            pd.DataFrame(rows, columns=columns), caption="What left each site", note=note, groups="site"
        )
