"""Sites that remember, asked in one process: what a study asks in an exchange, without its files."""

from fedstats.contract.federation import Answers, Asked, Federation
from fedstats.federations.refusals import outcome


class Remembering(Federation):
    """Sites whose answers leave at once and stand in their memories."""

    def __init__(self, study, sites):
        self.held, self.sites = sites, tuple(sorted(sites))
        self.codebook, self.distinct_values = study.codebook, study.policy.distinct_values
        self.asked: dict[object, Asked] = {}

    def ask(self, query, *, each=False):  # noqa: ARG002 (each site's own are here)
        answers = {name: site.remembered(site.answer(query)).content for name, site in self.held.items()}
        self.asked[query] = outcome(query, answers)
        return Answers(query, answers)

    def history(self):
        return self.asked.values()
