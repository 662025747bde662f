"""What of the truth gets into the records: everything, unless a bias is switched on."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from data_synth.assumptions import BIASES, CUT_OFF, MONTH, Columns
from data_synth.groups import Practice
from data_synth.hazards import NEVER
from data_synth.plan import Plan, Streams

MISSING = BIASES["missing"]
DELAY, DEPENDENT = BIASES["delayed_entry"], BIASES["dependent_entry"]
VARIABLES = tuple(name for name, entry in MISSING.items() if isinstance(entry, dict))
PANEL = ("kras", "stk11", "keap1", "tp53", "tmb")


def records(patients: Columns, practice: Practice, plan: Plan, streams: Streams) -> Columns:
    """Add what is recorded.

    Parameters
    ----------
    patients : dict of str to (n,) array
        The truth, from ``people`` to ``care``.
    practice, plan, streams
        Where, under which switches, and from which streams.

    Returns
    -------
    dict of str to (n,) array
        The truth, with ``end_day`` (end of follow-up), ``dead`` and ``last_day`` as recorded, ``progression_seen``,
        ``panel_day`` (report of the gene panel), and ``has_`` and a variable's name: whether its value is recorded
        (``collected_``: whether the site records it of anybody).
    """
    found = patients | {"end_day": _end(patients, plan, streams("lost"))}
    found |= _vital_status(found, practice, plan, streams("vital status"))
    found["progression_seen"] = _progression(found, plan, streams("scans"))
    found["panel_day"] = _panel(found, practice, plan, streams("panel"))
    found["has_panel"] = (found["panel_day"] < found["death_day"]) & (found["panel_day"] <= found["last_day"])
    return found | _known(found, practice, plan, streams("missing"))


def _end(patients: Columns, plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Return the day on which follow-up ends: the cut-off, or for who is lost before it the last visit."""
    cut_off = (CUT_OFF - patients["start"]).astype(int)
    last_visit = 1 + np.floor(rng.exponential(BIASES["lost"]["mean_months"] * MONTH, len(cut_off))).astype(
        int
    )
    return np.minimum(cut_off, last_visit) if plan.switches.lost else cut_off


def _vital_status(patients: Columns, practice: Practice, plan: Plan, rng: np.random.Generator) -> Columns:
    """Missed deaths leave a patient alive at the last activity."""
    end, death = patients["end_day"], patients["death_day"]
    draws = rng.random(len(end))
    lag = np.ceil(rng.exponential(BIASES["missed_deaths"]["activity_lag"], len(end))).astype(int)
    died = death <= end
    caught = (draws < practice.death_sensitivity) | (not plan.switches.missed_deaths)
    last = np.where(died, np.where(caught, death - 1, np.maximum(death - lag, 0)), end)
    return {"dead": died & caught, "last_day": last}


def _progression(found: Columns, plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Return the day on which progression is seen: its own, or with the switch `interval` the next scan's."""
    true, scan = found["progression_day"], found["scan_days"]
    late = rng.integers(0, BIASES["interval"]["jitter"] + 1, len(true))
    seen = np.ceil(true / scan).astype(int) * scan + late if plan.switches.interval else true
    return np.where((true < NEVER) & (seen <= found["last_day"]), seen, NEVER)


def _panel(found: Columns, practice: Practice, plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Return the day of the gene panel's report; negative before the first dose."""
    number = len(found["age"])
    tested = rng.random(number) < DELAY["tested"][practice.marginals]
    early = rng.random(number) < DELAY["before_start"]
    late = 1 + np.floor(rng.exponential(DELAY["delay_mean"] * MONTH, number)).astype(int)
    triggered = rng.random(number) < DEPENDENT["by_progression"]
    before = -np.minimum(found["dx_to_start"] // 2, 30)
    if not plan.switches.delayed_entry:
        return before
    if plan.switches.dependent_entry:
        after = np.minimum(found["progression_day"], NEVER) + DEPENDENT["days_after_progression"]
        late = np.where(triggered, after, late)
    return np.where(tested, np.where(early, before, late), NEVER)


def _known(found: Columns, practice: Practice, plan: Plan, rng: np.random.Generator) -> Columns:
    number = len(found["age"])
    traits = {
        "community": np.full(number, practice.kind == "community"),
        "early_year": found["year"] <= MISSING["early_years"],
        "ecog2": found["ecog"] >= 2,
        "bone": found["bone"],
        "urgent": found["dx_to_start"] < MISSING["urgent_days"],
        "below_1": found["pdl1_tps"] < 1,
        "early_death": found["death_day"] <= MISSING["early_death_days"],
        "squamous": found["histology"] == "sq",
    }
    gone = BIASES["systematic"].get(practice.site, []) if plan.switches.systematic else []
    known = {}
    for name in VARIABLES:
        effects = MISSING[name]
        log_odds = effects[practice.marginals] + sum(
            (size * traits[trait] for trait, size in effects.items() if trait in traits),
            start=np.zeros(number),
        )
        lost = (rng.random(number) < expit(log_odds)) & plan.switches.missing
        known[f"has_{name}"] = ~lost & (name not in gone)
        known[f"collected_{name}"] = np.full(number, name not in gone)
    return known
