"""Draw the patients of one synthetic site: covariates, regimen, resistance, progression, death, follow-up.

The numbers that are planted stand in ``parameters.toml``; why it is built this way stands in ``README.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from data_synth.practices import PARAMETERS, SEED, practices, streams

NUMERIC = ("age", "albumin", "nlr")
FACTORS = ("sex", "smoking", "histology", "ecog", "pdl1", "liver_mets", "brain_mets", "bone_mets", "steroids")
COLUMNS = [
    "patient_id",
    "practice",
    "practice_type",
    "age",
    "sex",
    "smoking",
    "histology",
    "ecog",
    "pdl1",
    "liver_mets",
    "brain_mets",
    "bone_mets",
    "albumin",
    "nlr",
    "steroids",
    "regimen",
    "index_year",
    "resistant",
    "pfs_months",
    "pfs_event",
    "os_months",
    "os_event",
]
TIME = PARAMETERS["time"]
QUIET = TIME["quiet_days"] / TIME["days_per_month"]
LANDMARK = int(100 * TIME["resistance_days"] / TIME["days_per_month"]) / 100  # 6.01: times have two decimals


def linear_predictor(frame: pd.DataFrame, effects: dict[str, Any]) -> np.ndarray:
    """Add up stated effects; numeric columns count from the reference patient.

    Parameters
    ----------
    frame : DataFrame
        Covariates.
    effects : dict
        Column to a slope, or column to effects by level (levels that are not named: 0).

    Returns
    -------
    ndarray
        One number a patient.
    """
    total = np.zeros(len(frame))
    for column, effect in effects.items():
        if isinstance(effect, dict):
            total += frame[column].map(effect).fillna(0.0).to_numpy(float)
        else:
            total += effect * (frame[column].to_numpy(float) - PARAMETERS["reference"][column])
    return total


def _copula_root() -> np.ndarray:
    names = NUMERIC + FACTORS
    matrix = np.eye(len(names))
    for pair, spearman in PARAMETERS["correlation"].items():
        i, j = (names.index(name) for name in pair.split())
        matrix[i, j] = matrix[j, i] = 2 * np.sin(np.pi * spearman / 6)
    return np.linalg.cholesky(matrix)


def _covariates(number: int, marginals: dict[str, Any], rng: np.random.Generator) -> pd.DataFrame:
    """Draw correlated covariates; a level `unknown` is laid over ECOG and PD-L1 at random."""
    normal = rng.standard_normal((number, len(NUMERIC + FACTORS))) @ _copula_root().T
    latent = pd.DataFrame(normal, columns=list(NUMERIC + FACTORS))
    age, albumin, nlr = (marginals[name] for name in NUMERIC)
    value = {
        "age": np.round(age["mean"] + age["sd"] * latent["age"]),
        "albumin": np.round(albumin["mean"] + albumin["sd"] * latent["albumin"], 1),
        "nlr": np.round(nlr["median"] * np.exp(nlr["sd_log"] * latent["nlr"]), 1),
    }
    frame = pd.DataFrame({name: value[name].clip(*PARAMETERS["limits"][name]) for name in NUMERIC})
    for name in FACTORS:
        levels, share = zip(*marginals[name].items(), strict=True)
        cut = norm.ppf(np.cumsum(share)[:-1])
        frame[name] = np.array(levels, dtype=object)[np.searchsorted(cut, latent[name])]
    for name in ("ecog", "pdl1"):
        frame.loc[rng.random(number) < marginals[f"{name}_unknown"], name] = "unknown"
    return frame.astype({"age": int})


def _treated(number: int, site: dict[str, Any], rng: np.random.Generator) -> pd.DataFrame:
    frame = _covariates(number, site["marginals"], rng)
    alone = linear_predictor(frame, PARAMETERS["effects"]["regimen"]) + site["regimen_shift"]
    frame["regimen"] = np.where(rng.random(number) < expit(alone), "io_mono", "chemo_io")
    return frame


def _hazard(frame: pd.DataFrame, effect: np.ndarray, site: dict[str, Any]) -> np.ndarray:
    """Return each patient's factor on the cumulative hazard of death, (months after the quiet days)^shape."""
    base = np.log(2) / site["weibull"]["median"] ** site["weibull"]["shape"]
    return base * np.exp(linear_predictor(frame, PARAMETERS["effects"]["os"]) + effect)


def _two_risks(
    frame: pd.DataFrame, effect: np.ndarray, site: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the hazard factor, P(resistant) and P(dead by day 183)."""
    factor = _hazard(frame, effect, site)
    log_odds = logit(site["resistance_at_centre"]) + linear_predictor(
        frame, PARAMETERS["effects"]["resistant"]
    )
    dead = -np.expm1(-factor * (LANDMARK - QUIET) ** site["weibull"]["shape"])
    return factor, expit(log_odds), dead


def _population(
    site: dict[str, Any], effect: np.ndarray, rng: np.random.Generator
) -> tuple[pd.DataFrame, int]:
    """Draw patients, and draw again those whose two truths contradict each other: P(dead) > P(resistant)."""
    frame, redrawn = _treated(len(effect), site, rng), 0
    while True:
        _, resistant, dead = _two_risks(frame, effect, site)
        bad = np.flatnonzero(dead > resistant)
        if not len(bad):
            return frame, redrawn
        frame.loc[bad] = _treated(len(bad), site, rng).set_axis(bad, axis=0)
        redrawn += len(bad)


def _up(months: np.ndarray) -> np.ndarray:
    return np.ceil(np.round(months * 100, 6)) / 100


def _event_times(
    frame: pd.DataFrame, effect: np.ndarray, site: dict[str, Any], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return months to death, months to progression or death, and resistance, before any censoring."""
    factor, p_resistant, p_dead = _two_risks(frame, effect, site)
    number, shape = len(frame), PARAMETERS["progression"]
    death = _up(QUIET + (rng.exponential(size=number) / factor) ** (1 / site["weibull"]["shape"]))
    early_death = death <= LANDMARK
    resistant = early_death | (rng.random(number) < (p_resistant - p_dead) / (1 - p_dead))
    end = np.where(early_death, death, LANDMARK)
    early = QUIET + (end - QUIET) * rng.beta(*shape["early"], number)
    late = LANDMARK + (death - LANDMARK) * rng.beta(*shape["late"], number)
    only_death = rng.random(number) < np.where(resistant, shape["death_only_early"], shape["death_only_late"])
    only_death &= early_death | ~resistant
    progression = np.where(resistant, _up(early), np.maximum(_up(late), LANDMARK + 0.01))
    return death, np.where(only_death, death, np.minimum(progression, death)), resistant


def _censoring(year: np.ndarray, site: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """Return months to the end of follow-up: an early loss, drop-out after day 183, or the cut-off."""
    number = len(year)
    cut_off = 12 * (TIME["cut_off_year"] - year - rng.random(number))
    dropout = LANDMARK + 0.01 + rng.exponential(site["dropout_mean"], number)
    lost = rng.random(number) < site["lost_early"]
    return _up(np.where(lost, rng.uniform(0.01, QUIET - 0.01, number), np.minimum(cut_off, dropout)))


def generate_site(name: str, seed: int = SEED, scale: float = 1.0) -> tuple[pd.DataFrame, int]:
    """Make one site.

    Parameters
    ----------
    name : str
        A site of ``parameters.toml``.
    seed : int
        Same seed, same rows.
    scale : float
        Factor on the number of patients of every practice.

    Returns
    -------
    rows : DataFrame
        One row a patient.
    redrawn : int
        Patients drawn again because their two truths contradicted each other.
    """
    site, table = PARAMETERS["sites"][name], practices(name, seed, scale)
    _, people, events, ends, order = streams(name, seed)
    practice = np.repeat(table.index.to_numpy(), table["patients"])
    effect = table["log_hazard"].loc[practice].to_numpy()
    frame, redrawn = _population(site, effect, people)
    death, pfs, resistant = _event_times(frame, effect, site, events)
    years = np.array([int(year) for year in PARAMETERS["index_year"]])
    frame["index_year"] = ends.choice(years, len(frame), p=list(PARAMETERS["index_year"].values()))
    end = _censoring(frame["index_year"].to_numpy(), site, ends)
    frame["practice"], frame["practice_type"] = practice, table["type"].loc[practice].to_numpy()
    known = pd.Series(resistant.astype(int), dtype="Int64")
    frame["resistant"] = known.where(np.minimum(pfs, end) > QUIET)
    for column, time in (("pfs", pfs), ("os", death)):
        frame[f"{column}_months"] = np.minimum(time, end)
        frame[f"{column}_event"] = (time <= end).astype(int)
    frame = frame.iloc[order.permutation(len(frame))].reset_index(drop=True)
    frame["patient_id"] = [f"{table.index[0][:2]}{i + 1:06d}" for i in range(len(frame))]
    return frame[COLUMNS], redrawn
