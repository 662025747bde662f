"""What a study's analyses ask of a site: the list that the study's signers have agreed on, worked out beforehand."""

from collections.abc import Callable, Mapping
from typing import Any

from fedstats.contract.federation import Answers, Federation
from fedstats.contract.query import Query, query_kinds
from fedstats.federations.in_process import InProcess
from fedstats.federations.site import Site


class _Listener(Federation):
    """A federation of one site, without a gate, that keeps the topics of what it is asked."""

    def __init__(self, site: Site) -> None:
        self.sites, self.codebook = (site.name,), site.data.codebook
        self.distinct_values = site.policy.distinct_values
        self._alone = InProcess.alone(site)
        self.topics: set[str] = set()

    def ask(self, query: Query, *, each: bool = False) -> Answers:
        self.topics.add(query.topic())
        return self._alone.ask(query, each=each)


def agreed_topics(analyses: Mapping[str, Callable[..., Any]], site: Site) -> frozenset[str]:
    """Topics of everything that a study's analyses ask, from a run of each on the site's rows alone.

    What is asked follows from ``study.toml`` and the codebook; the rows decide only at which coefficients.  Of an
    analysis that these rows alone cannot bear (no event, no such level) every kind of question about its model counts.

    Parameters
    ----------
    analyses : mapping of name to callable
        As :meth:`Study.analyses` gives them.
    site : Site
    """
    topics: set[str] = set()
    for analysis in analyses.values():
        listener = _Listener(site)
        try:
            analysis(listener)
        except Exception:  # noqa: BLE001 (whatever it was, the network's fit may go on)
            digests = {topic.split()[1] for topic in listener.topics}
            topics |= {f"{kind} {digest}" for kind in query_kinds() for digest in digests}
        topics |= listener.topics
    return frozenset(topics)
