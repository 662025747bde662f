"""The practices of a site: sizes, types, and what makes them differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from data_synth.assumptions import BIASES, SITES
from data_synth.plan import Plan, Streams

EFFECTS = BIASES["practice_effects"]
TINY = BIASES["tiny_practices"]


@dataclass(frozen=True)
class Practice:
    """A practice group of a site."""

    site: str
    number: int  # from 1 within the site
    name: str
    size: int  # patients
    kind: str  # community or academic
    region: str
    marginals: str  # whose distributions of covariates: us or eu
    preference: float  # share on immunotherapy alone among PD-L1 50+, where choice is confounded
    death_source: str
    death_sensitivity: float
    scan_weeks: int
    log_hazard: float  # what makes it differ; all 0 with the switch `practice_effects` off
    log_odds: float
    slopes: tuple[float, ...]
    case_mix: float

    @property
    def single_regimen(self) -> bool:
        """Whether it knows one regimen only."""
        return self.number == TINY["single_regimen"]


def practice_sizes(total: int, number: int, spread: float) -> list[int]:
    """Share out patients over practices like the quantiles of a log-normal distribution, largest first.

    Parameters
    ----------
    total, number : int
        Patients and practices of the site.
    spread : float
        Standard deviation of the logarithm of the size.

    Returns
    -------
    list of int
        One size a practice; they add up to `total`.
    """
    weight = np.exp(spread * norm.ppf((np.arange(number, 0, -1) - 0.5) / number))
    sizes = np.floor(total * weight / weight.sum()).astype(int)
    sizes[0] += total - sizes.sum()
    return [int(size) for size in sizes]


def practices(plan: Plan, site: str) -> list[Practice]:
    """List the practices of a site under a plan."""
    entry = SITES[site]
    sizes = practice_sizes(round(entry["patients"] * plan.scale), entry["practices"], entry["spread"])
    listed = [_practice(plan, site, i + 1, i, size) for i, size in enumerate(sizes)]
    if plan.switches.tiny_practices and site == TINY["site"]:
        listed += [_practice(plan, site, TINY["first"] + i, i, size) for i, size in enumerate(TINY["sizes"])]
    return [one for one in listed if one.size]


def _practice(plan: Plan, site: str, number: int, place: int, size: int) -> Practice:
    entry: dict[str, Any] = SITES[site]
    draws = Streams(plan.seed, site, number, -1 % 2**32)("practice").standard_normal(
        3 + len(EFFECTS["slopes"])
    )
    draws = draws * plan.switches.practice_effects

    def of_practice(what: str) -> Any:
        return entry[what][place % len(entry[what])]

    return Practice(
        site=site,
        number=number,
        name=f"{entry['prefix']}-{number:02d}",
        size=size,
        kind="academic" if number in entry["academic"] else "community",
        region=of_practice("regions"),
        marginals=entry["marginals"],
        preference=of_practice("preference"),
        death_source=of_practice("death_source"),
        death_sensitivity=of_practice("death_sensitivity"),
        scan_weeks=of_practice("scan_weeks"),
        log_hazard=float(draws[0] * EFFECTS["log_hazard"]),
        log_odds=float(draws[1] * EFFECTS["log_odds"]),
        case_mix=float(draws[2] * EFFECTS["case_mix"]),
        slopes=tuple(float(draw) * EFFECTS["slope"] for draw in draws[3:]),
    )
