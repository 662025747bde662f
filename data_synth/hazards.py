"""The truth `ph`: proportional hazards of death, logistic resistance, proportional hazards after the landmark, all exact.

Death time first; then resistance from the logistic model, made coherent with it; then progression given both.
README.md derives why the three models hold at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from data_synth.assumptions import BIASES, CALENDAR, COURSE, MONTH, Columns
from data_synth.groups import EFFECTS, Practice
from data_synth.plan import Plan, Streams
from data_synth.predictor import covariates, linear_predictor

PH = COURSE["ph"]
LANDMARK = CALENDAR["resistance_days"]
CROSSING = BIASES["crossing"]
NEVER = 10**6  # days: beyond every follow-up


@dataclass(frozen=True)
class Risks:
    """Risks of the patients of a chunk; cumulative hazards are factor * days**shape."""

    shape: float
    death: np.ndarray  # (n,) factor of death, up to the day on which the effect of treatment changes
    death_after: np.ndarray  # (n,) from that day on; the same unless hazards cross
    late: np.ndarray  # (n,) factor of progression or death after the landmark
    resistant: np.ndarray  # (n,) P(resistant)

    @property
    def dead_by_landmark(self) -> np.ndarray:
        """P(dead by the landmark)."""
        return -np.expm1(-self.death_hazard(LANDMARK))

    def death_hazard(self, day: float) -> np.ndarray:
        """Cumulative hazard of death at a day after the change."""
        change = CROSSING["change_day"] ** self.shape
        return self.death * change + self.death_after * (day**self.shape - change)

    @property
    def contradictory(self) -> np.ndarray:
        """Patients whose stated risks cannot all be true."""
        return (self.dead_by_landmark > self.resistant) | (self.late < self.death_after)


def risks(patients: Columns, practice: Practice, plan: Plan) -> Risks:
    """Work out what the stated models say of each patient.

    Parameters
    ----------
    patients : dict of str to (n,) array
        From ``people``, with ``regimen``.
    practice, plan
        Where, and under what.

    Returns
    -------
    Risks
    """
    given = covariates(patients)
    base = PH["weibull"][practice.site]
    log_hazard = linear_predictor(given, PH["os"]) + practice.log_hazard + _own_slopes(given, practice)

    def factor(months: float, eta: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(2) / (months * MONTH) ** base["shape"] * np.exp(eta))

    early, later = np.zeros_like(log_hazard), np.zeros_like(log_hazard)
    if plan.switches.crossing:
        stated = PH["os"]["regimen"]["io_mono"]
        early, later = (
            (given["regimen"] == "io_mono") * (CROSSING[when] - stated) for when in ("early", "late")
        )
    odds = logit(PH["resistance_at_reference"]) + linear_predictor(given, PH["resistant"]) + practice.log_odds
    late = linear_predictor(given, PH["late"]) + practice.log_hazard
    return Risks(
        shape=base["shape"],
        death=factor(base["death"], log_hazard + early),
        death_after=factor(base["death"], log_hazard + later),
        late=factor(base["late"], late),
        resistant=expit(odds),
    )


def _own_slopes(given: Columns, practice: Practice) -> np.ndarray:
    """What a practice's effects of some covariates add to the stated ones."""
    total = np.zeros(len(given["age"]))
    for name, slope in zip(EFFECTS["slopes"], practice.slopes, strict=True):
        total += slope * (given["regimen"] == "io_mono" if name == "alone" else given[name])
    return total


def course(patients: Columns, practice: Practice, plan: Plan, streams: Streams) -> Columns:
    """Draw days of death and progression.

    Parameters
    ----------
    patients, practice, plan, streams
        As for ``risks``; none of the patients contradictory.

    Returns
    -------
    dict of str to (n,) array
        ``death_day`` and ``progression_day`` (``NEVER``: not within any follow-up), ``class``.
    """
    risk, number = risks(patients, practice, plan), len(patients["age"])
    rng = streams("course")
    draws = {name: rng.random(number) for name in ("death", "resistant", "late", "only death", "durable")}
    early = rng.beta(*PH["early"], number)
    death = _death_day(risk, -np.log1p(-draws["death"]))
    died_early = death <= LANDMARK
    p, q = risk.resistant, risk.dead_by_landmark
    resistant = died_early | (draws["resistant"] < (p - q) / (1 - q))
    within = np.ceil(early * np.minimum(death, LANDMARK))
    within = np.where(died_early & (draws["only death"] < PH["death_only_early"]), NEVER, within)
    further = LANDMARK**risk.shape - np.log1p(-draws["late"]) / (risk.late - risk.death_after)
    progression = np.where(resistant, within, np.ceil(further ** (1 / risk.shape)))
    if plan.switches.durable:
        durable = draws["durable"] < BIASES["durable"]["share"]
        death, progression = np.where(durable, NEVER, death), np.where(durable, NEVER, progression)
        resistant &= ~durable
    progression = np.maximum(progression, CALENDAR["quiet_days"] + 1)
    progression = np.where(progression < death, progression, NEVER)
    free = np.minimum(death, progression) > COURSE["response"]["long"] * MONTH
    return {
        "death_day": np.minimum(death, NEVER).astype(int),
        "progression_day": np.minimum(progression, NEVER).astype(int),
        "class": np.where(resistant, "resistant", np.where(free, "durable", "transient")),
    }


def _death_day(risk: Risks, exposure: np.ndarray) -> np.ndarray:
    """Invert the cumulative hazard, whose factor changes once."""
    change = CROSSING["change_day"] ** risk.shape
    first = exposure / risk.death
    second = change + (exposure - risk.death * change) / risk.death_after
    return np.ceil(np.where(first <= change, first, second) ** (1 / risk.shape)).clip(1, NEVER)
