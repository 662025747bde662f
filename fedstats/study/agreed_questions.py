"""What a study's analyses ask of a site: the list that the study's signers have agreed on, worked out beforehand."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import triangle_size
from fedstats.contract.federation import Answers, Federation, Total
from fedstats.contract.query import Query
from fedstats.federations.in_process import InProcess
from fedstats.federations.site import Site

#: What is asked once a fit has ended, if it is to be robust: rows on which it does not end would leave it out.
_AT_THE_END = {"CoxRiskSets": "CoxMeat", "CoxDerivatives": "CoxMeat", "GlmDerivatives": "GlmMeat"}
#: The same of weights by a propensity, whose scores are asked for besides.
_STACKED = {"CoxMeat": ("CoxPropensityTerms",), "GlmMeat": ("GlmPropensityTerms", "PropensityScores")}


class _Listener(Federation):
    """A federation of one site, without a gate, that keeps the topics of what it is asked.

    ``still`` answers of derivatives that there is no slope, that coefficients are known by one patient each, and that there
    is an event: a fit ends at once where it begins, whatever the rows, and what follows it is asked.
    """

    rehearses = True

    def __init__(self, site: Site, *, still: bool) -> None:
        self.sites, self.codebook = (site.name,), site.data.codebook
        self.distinct_values = site.policy.distinct_values
        self._alone, self._still = InProcess.alone(site), still
        self.topics: set[str] = set()

    def ask(self, query: Query, *, each: bool = False) -> Answers:
        self.topics.add(query.topic())
        return self._alone.ask(query, each=each)

    def sum(self, query: Query) -> Total:
        total = super().sum(query)
        return _stilled(total) if self._still else total


def _stilled(total: Total) -> Total:
    values = dict(total)
    if {"score", "information"} <= set(values):
        values |= {"score": np.zeros_like(values["score"]), "information": _identity(values["information"])}
    if (
        "x_deaths" in values
    ):  # of a shared baseline hazard the coordinator makes the derivatives: of columns that are zero
        values |= {k: np.zeros_like(values[k]) for k in ("s1", "t1", "x_deaths") if k in values}
    if set(values) == {"gram"}:
        values["gram"] = _identity(values["gram"])
    sizes = (k for k in ("n_event", "event_weight") if k in values and len(values[k]) == 1)
    values |= {k: np.maximum(values[k], 1.0) for k in sizes}  # of a model, and not by cell of a curve
    return Total(total.query, values, total.n_bytes)


def _identity(triangle: NDArray[np.float64]) -> NDArray[np.float64]:
    p = triangle_size(len(triangle))
    return np.asarray(np.eye(p)[np.tril_indices(p)])


def agreed_topics(analyses: Mapping[str, Callable[..., Any]], site: Site) -> frozenset[str]:
    """Topics of everything that a study's analyses ask, from a run of each on the site's rows alone.

    What is asked follows from ``study.toml`` and the codebook; the rows decide only at which coefficients.  Of an
    analysis that these rows alone cannot bear (no event, no such level) what follows a fit is asked all the same.

    Parameters
    ----------
    analyses : mapping of name to callable
        As :meth:`Study.analyses` gives them.
    site : Site
    """
    topics: set[str] = set()
    for analysis in analyses.values():
        for still in (False, True):
            listener = _Listener(site, still=still)
            ended = _run(_without_profile(analysis) if still else analysis, listener)
            topics |= listener.topics
            if ended:
                break
        else:
            topics |= _at_the_end(analysis, listener.topics)
    return frozenset(topics)


def _run(analysis: Callable[..., Any], listener: _Listener) -> bool:
    """Whether an analysis comes to its end."""
    try:
        analysis(listener)
    except Exception:  # noqa: BLE001 (whatever it was, the network's fit may go on)
        return False
    return True


def _without_profile(analysis: Any) -> Any:
    """An analysis that looks for no ends of intervals: a likelihood that is still has none, and they take the fit's own questions."""
    if not isinstance(analysis, partial):
        return analysis
    options = {key: _without_profile(value) for key, value in analysis.keywords.items() if key != "profile"}
    return partial(analysis.func, *map(_without_profile, analysis.args), **options)


def _at_the_end(analysis: Callable[..., Any], topics: set[str]) -> set[str]:
    options = getattr(analysis, "keywords", {})
    weighted = "made" in options  # by a propensity
    options = getattr(options.get("fit"), "keywords", {}) if weighted else options
    is_stacked = weighted and options.get("robust") in (None, "stacked")
    if not (is_stacked or options.get("robust") or options.get("cluster")):
        return set()
    asked = [topic.split() for topic in topics]
    at_the_end = [(_AT_THE_END[kind], digest) for kind, digest in asked if kind in _AT_THE_END]
    found = {f"{kind} {digest}" for kind, digest in at_the_end}
    if is_stacked:
        found |= {f"{more} {digest}" for kind, digest in at_the_end for more in _STACKED[kind]}
    return found
