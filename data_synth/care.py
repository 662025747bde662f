"""What care brings: response, the end of treatment, a second line, immune-related adverse events, scans."""

from __future__ import annotations

import numpy as np

from data_synth.assumptions import COURSE, MONTH, Columns
from data_synth.groups import Practice
from data_synth.hazards import NEVER
from data_synth.people import pick_at_random
from data_synth.plan import Plan, Streams
from data_synth.treatment import CHEMOTHERAPY, IMMUNOTHERAPY

RESPONSE, THERAPY, ADVERSE = COURSE["response"], COURSE["therapy"], COURSE["adverse"]
DAYS_A_WEEK = 7


def care(patients: Columns, practice: Practice, plan: Plan, streams: Streams) -> Columns:
    """Draw what follows from the course of the disease.

    Parameters
    ----------
    patients : dict of str to (n,) array
        With ``regimen``, ``class``, ``death_day`` and ``progression_day``.
    practice, plan, streams
        Where, under what, and from which streams.

    Returns
    -------
    dict of str to (n,) array
        Days count from the first dose; ``NEVER`` is not within any follow-up.
    """
    found = _therapy(patients, streams("therapy"))
    found["scan_days"] = np.full(len(patients["age"]), practice.scan_weeks * DAYS_A_WEEK)
    found |= _response(patients, found["scan_days"], streams("response"))
    return found | _adverse(patients, found["stop_day"], plan, streams("adverse"))


def _exponential(rng: np.random.Generator, number: int, mean: float) -> np.ndarray:
    return np.ceil(rng.exponential(mean, number)).astype(int)


def _therapy(patients: Columns, rng: np.random.Generator) -> Columns:
    number, progression, death = len(patients["age"]), patients["progression_day"], patients["death_day"]
    beyond = progression + rng.integers(0, THERAPY["beyond_progression"] + 1, number)
    toxic = _exponential(rng, number, THERAPY["toxicity_mean"] * MONTH)
    stop = np.min([beyond, toxic, np.full(number, THERAPY["longest"]), death - 1], axis=0)
    again = rng.random(number) < THERAPY["second_line"]
    second = (
        progression + THERAPY["beyond_progression"] + _exponential(rng, number, THERAPY["second_line_delay"])
    )
    second = np.where(again & (second < death), second, NEVER)
    ends = np.minimum(second + _exponential(rng, number, THERAPY["second_line_length"]), death - 1)
    return {"stop_day": np.maximum(stop, 0), "second_day": second, "second_stop_day": np.minimum(ends, NEVER)}


def _response(patients: Columns, scan: np.ndarray, rng: np.random.Generator) -> Columns:
    number = len(scan)
    how = np.where(np.isin(patients["regimen"], CHEMOTHERAPY), "with_chemotherapy", "alone")
    chance = np.zeros(number)
    for name in COURSE["clinical"]["classes"]:
        for kind in ("alone", "with_chemotherapy"):
            chance[(patients["class"] == name) & (how == kind)] = RESPONSE[name][kind]
    first = np.minimum(patients["progression_day"], patients["death_day"])
    responded = (rng.random(number) < chance) & (first > scan)  # it takes a scan without progression
    return {"responded": responded, "complete": responded & (rng.random(number) < RESPONSE["complete"])}


def _adverse(patients: Columns, stop: np.ndarray, plan: Plan, rng: np.random.Generator) -> Columns:
    """With the switch `immortal_time` an event needs time on treatment; without it, it is known from the start on."""
    number = len(stop)
    prone = (rng.random(number) < ADVERSE["susceptible"]) & np.isin(patients["regimen"], IMMUNOTHERAPY)
    onset = _exponential(rng, number, ADVERSE["onset_mean"] * MONTH)
    if not plan.switches.immortal_time:
        onset = np.zeros(number, dtype=int) + ADVERSE["known_on_day"] * (patients["death_day"] > 1)
    occurs = prone & ((onset <= stop) | (not plan.switches.immortal_time))
    return {
        "irae_day": np.where(occurs, onset, NEVER),
        "irae_term": pick_at_random(number, ADVERSE["terms"], rng),
        "irae_grade": pick_at_random(number, ADVERSE["grades"], rng).astype(int),
    }
