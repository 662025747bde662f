"""The truth `clinical`: latent classes of resistant, transient and durable patients, so that hazards cross."""

from __future__ import annotations

import numpy as np

from data_synth.assumptions import CALENDAR, COURSE, MONTH, Columns
from data_synth.groups import EFFECTS, Practice
from data_synth.hazards import NEVER
from data_synth.plan import Streams
from data_synth.predictor import covariates, linear_predictor
from data_synth.treatment import IMMUNOTHERAPY

CLINICAL = COURSE["clinical"]
CLASSES = CLINICAL["classes"]
NAMES = np.array(list(CLASSES))


def _of_class(drawn: np.ndarray, what: str) -> np.ndarray:
    return np.array([entry[what] for entry in CLASSES.values()])[drawn]


def shift(given: Columns, practice: Practice) -> np.ndarray:
    """Return each patient's shift of log P(resistant) / P(transient), 0 for an average patient."""
    eta = linear_predictor(given, CLINICAL["shift"]) - CLINICAL["centre"]
    on_it = np.isin(given["regimen"], IMMUNOTHERAPY)
    eta += on_it * linear_predictor(given, CLINICAL["shift_immunotherapy"])
    slopes = dict(zip(EFFECTS["slopes"], practice.slopes, strict=True))
    own = practice.log_hazard + slopes["ecog2"] * given["ecog2"] + slopes["liver"] * given["liver"]
    own += slopes["alone"] * (given["regimen"] == "io_mono")
    return np.asarray(eta + CLINICAL["practice"] * own)


def class_chances(given: Columns, eta: np.ndarray) -> np.ndarray:
    """Return P(resistant, transient, durable), shape (n, 3)."""
    level = np.where(np.isin(given["pdl1_cat"], ("50-89", "90+")), "50+", given["pdl1_cat"])
    log_odds = np.zeros((len(eta), 3))
    for regimen, cells in CLINICAL["cells"].items():
        for category, chances in cells.items():
            log_odds[(given["regimen"] == regimen) & (level == category)] = np.log(chances)
    log_odds[:, 0] += eta
    log_odds[:, 2] += CLINICAL["durable_share"] * eta
    odds = np.exp(log_odds)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def course(patients: Columns, practice: Practice, streams: Streams) -> Columns:
    """Draw the class, then progression or death, then survival after progression.

    Parameters
    ----------
    patients : dict of str to (n,) array
        From ``people``, with ``regimen``.
    practice, streams
        Where, and from which streams.

    Returns
    -------
    dict of str to (n,) array
        ``death_day`` and ``progression_day`` (``NEVER``: not within any follow-up), ``class``.
    """
    given, rng = covariates(patients), streams("course")
    draws = {name: rng.random(len(given["age"])) for name in ("class", "first", "kind", "after")}
    chances = class_chances(given, shift(given, practice))
    drawn = (draws["class"][:, None] > np.cumsum(chances, axis=1)[:, :2]).sum(axis=1)
    first = _of_class(drawn, "scale") * (-np.log1p(-draws["first"])) ** (1 / _of_class(drawn, "shape"))
    first_day = np.maximum(1, np.ceil(first * MONTH))
    rate = np.exp(linear_predictor(given, CLINICAL["after"]) + practice.log_hazard)
    after = np.maximum(1, np.ceil(-np.log1p(-draws["after"]) * _of_class(drawn, "after") / rate * MONTH))
    dies = draws["kind"] < _of_class(drawn, "deaths")
    progression = np.where(dies, NEVER, np.maximum(first_day, CALENDAR["quiet_days"] + 1))
    death = np.where(dies, first_day, progression + after)
    return {
        "death_day": np.minimum(death, NEVER).astype(int),
        "progression_day": np.minimum(progression, NEVER).astype(int),
        "class": NAMES[drawn],
    }
