"""Who gets which first line: by calendar, driver and PD-L1, and by prognosis where choice is confounded."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from data_synth.assumptions import BIASES, COURSE, Columns
from data_synth.groups import Practice
from data_synth.people import EXCLUDING
from data_synth.plan import Plan, Streams

RULES = COURSE["assignment"]
CONFOUNDING = BIASES["confounding"]
IMMUNOTHERAPY = ("io_mono", "chemo_io", "io_io", "io_io_chemo")
CHEMOTHERAPY = ("chemo_io", "io_io_chemo", "chemo")


def regimen(patients: Columns, practice: Practice, plan: Plan, streams: Streams) -> np.ndarray:
    """Draw the first line.

    Parameters
    ----------
    patients : dict of str to (n,) array
        From ``people``.
    practice, plan, streams
        Where, under what, and from which streams.

    Returns
    -------
    (n,) array of str
        Levels of ``line_of_therapy.regimen``.
    """
    draws = streams("regimen").random((5, len(patients["age"])))
    driven = np.isin(patients["driver"], EXCLUDING) & (draws[0] < RULES["targeted"])
    by_year = np.array([RULES["immunotherapy"][str(year)] for year in patients["year"]])
    alone = draws[1] < _alone(patients, practice, plan)
    of_two = RULES["two_immunotherapies"], RULES["two_and_chemotherapy"]
    chosen = np.where(alone, "io_mono", "chemo_io")
    chosen = np.where(draws[2] < sum(of_two), np.where(draws[2] < of_two[0], "io_io", "io_io_chemo"), chosen)
    if practice.single_regimen:
        chosen = np.full(len(chosen), "chemo_io")
    without = np.where(draws[4] < RULES["other"], "other", "chemo")
    return np.where(driven, "targeted", np.where(draws[3] < by_year, chosen, without))


def _alone(patients: Columns, practice: Practice, plan: Plan) -> np.ndarray:
    """Return P(immunotherapy alone); PD-L1 decides, and with the switch `confounding` prognosis and practice too."""
    category = patients["pdl1_cat"]
    chance = np.select([category == level for level in RULES["alone"]], list(RULES["alone"].values()))
    if not plan.switches.confounding:
        return chance
    push = (
        CONFOUNDING["pdl1_90"] * (category == "90+")
        + CONFOUNDING["age10"] * (patients["age"] - COURSE["reference"]["age"]) / 10
        + CONFOUNDING["ecog2"] * (patients["ecog"] >= 2)
        + CONFOUNDING["never"] * (patients["smoking"] == "never")
        + CONFOUNDING["liver"] * patients["liver"]
        + CONFOUNDING["n_met"] * (patients["n_met"] - CONFOUNDING["n_met_centre"])
        + CONFOUNDING["year"] * (patients["year"] - COURSE["reference"]["year"])
        + logit(practice.preference)
    )
    return np.asarray(expit(logit(chance) + push))
