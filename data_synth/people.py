"""Who a patient is at the start of the first line: age, habits, tumour, metastases, blood, drugs, genes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

from data_synth.assumptions import CALENDAR, MONTH, PEOPLE, Columns
from data_synth.copula import scores
from data_synth.groups import TINY, Practice
from data_synth.plan import Streams

SHARED = PEOPLE["shared"]
SITES_OF_METASTASES = ("brain", "liver", "bone", "adrenal", "pleura", "lung", "node", "other")
EXCLUDING = ("EGFR", "ALK", "ROS1", "RET")  # positive: no immunotherapy in the first line


def pick(score: np.ndarray, shares: dict[str, float]) -> np.ndarray:
    """Turn normal scores into levels; the last level has the highest scores."""
    cuts = norm.ppf(np.cumsum(list(shares.values()))[:-1])
    return np.array(list(shares))[np.searchsorted(cuts, score)]


def pick_at_random(number: int, shares: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Draw levels that go with nothing else."""
    chance = np.array(list(shares.values()))
    return np.array(list(shares))[np.searchsorted(np.cumsum(chance)[:-1], rng.random(number) * chance.sum())]


def _yes(score: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    return score > norm.ppf(1 - np.asarray(share))


def _value(name: str, score: np.ndarray, spec: dict[str, float], digits: int = 0) -> np.ndarray:
    """Turn normal scores into a number, normal or log-normal, within its limits and rounded as it is recorded."""
    raw = (
        spec["median"] * np.exp(spec["sd_log"] * score)
        if "median" in spec
        else spec["mean"] + spec["sd"] * score
    )
    return np.round(np.clip(raw, *PEOPLE["limits"].get(name, (0, np.inf))), digits)


def people(practice: Practice, number: int, streams: Streams) -> Columns:
    """Draw the patients of one chunk of a practice.

    Parameters
    ----------
    practice : Practice
        Where they are treated.
    number : int
        How many.
    streams : Streams
        Their random streams.

    Returns
    -------
    dict of str to (number,) array
        Everything known at the first dose, complete and as it is recorded (rounded).
    """
    score = scores(number, streams("scores"), practice.case_mix)
    own = PEOPLE[practice.marginals]
    found = _dates(score, own, streams("dates"))
    found |= _person(score, own, streams("person"))
    found |= _tumour(score, own, streams("tumour"), found["smoking"])
    found |= _blood(score, own, streams("blood"))
    found |= _drugs(score, own, streams("drugs"))
    for column, value in TINY["constant"].get(str(practice.number), {}).items():
        found[column] = np.full(number, value)
    return found


def _dates(score: Columns, own: dict[str, Any], rng: np.random.Generator) -> Columns:
    number = len(score["age"])
    year = pick_at_random(number, CALENDAR["years"], rng).astype(int)
    start = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + np.floor(
        rng.random(number) * 365
    ).astype(int)
    # at most 90 years old at his last date: the birth year is set back in the tables where need be
    age = _value("age", score["age"], own["age"]).astype(int)
    days = np.maximum(1, _value("", -score["urgency"], SHARED["dx_to_start"])).astype(int)
    de_novo = rng.random(number) < own["de_novo"]
    months = _value("", rng.standard_normal(number), SHARED["recurrence_months"], 1)
    first = np.where(de_novo, days, days + np.round(months * MONTH).astype(int))
    return {
        "year": year,
        "start": start,
        "age": age,
        "dx_to_start": days,
        "first_dx": first,
        "de_novo": de_novo,
        "recurrent": ~de_novo,
    }


def _person(score: Columns, own: dict[str, Any], rng: np.random.Generator) -> Columns:
    number = len(score["age"])
    sex, smoking = pick(score["sex"], own["sex"]), pick(score["smoking"], own["smoking"])
    packs = np.maximum(1, _value("pack_years", rng.standard_normal(number), SHARED["pack_years"]))
    mean, sd = (np.where(sex == "F", *pair) for pair in zip(*SHARED["height"].values(), strict=True))
    height = np.round(mean + sd * rng.standard_normal(number))
    weight = np.round(_value("bmi", score["bmi"], SHARED["bmi"], 4) * (height / 100) ** 2, 1)
    return {
        "sex": sex,
        "smoking": smoking,
        "pack_years": np.where(smoking == "never", 0.0, packs),
        "height": height,
        "weight": weight,
        "bmi": np.round(weight / (height / 100) ** 2, 1),
        "race": pick_at_random(number, own["race"], rng),
        "ethnicity": pick_at_random(number, own["ethnicity"], rng),
        "payer": pick_at_random(number, own["payer"], rng),
        "ses_q": rng.integers(1, 6, number),
        "cci": pick(score["comorbidity"], SHARED["comorbidity"]).astype(int),
        "autoimmune": rng.random(number) < SHARED["autoimmune"],
        "ecog": pick(score["ecog"], own["ecog"]).astype(int),
    }


def _tumour(score: Columns, own: dict[str, Any], rng: np.random.Generator, smoking: np.ndarray) -> Columns:
    number = len(score["age"])
    squamous = _yes(score["squamous"], own["squamous"])
    mets = {site: _yes(score[site], SHARED[site]) for site in SITES_OF_METASTASES}
    mets["lung"] |= ~np.any(list(mets.values()), axis=0)  # metastatic disease has a site
    tps = _tumour_proportion(score["pdl1"])
    tmb = np.where(
        rng.random(number) < SHARED["tmb_zero"], 0.0, _value("tmb", score["tmb"], SHARED["tmb"], 1)
    )
    driver = _driver(squamous, smoking, rng)
    kras_share = np.where(squamous, SHARED["kras"]["squamous"], SHARED["kras"]["other"])
    kras = _yes(-score["u_kras"], kras_share) & (driver == "none")
    return {
        "histology": np.where(squamous, "sq", "nonsq"),
        "adenocarcinoma": rng.random(number) < SHARED["adenocarcinoma"],
        **mets,
        "n_met": np.sum(list(mets.values()), axis=0),
        "pdl1_tps": tps,
        "pdl1_cat": np.array(["<1", "1-49", "50-89", "90+"])[np.searchsorted([1, 50, 90], tps, side="right")],
        "tmb": tmb,
        "driver": driver,
        "kras": kras,
        "g12c": kras & (rng.random(number) < SHARED["g12c"]),
        "stk11": _yes(-score["u_stk11"], SHARED["stk11"]),
        "keap1": _yes(-score["u_keap1"], SHARED["keap1"]),
        "tp53": _yes(-score["u_tp53"], SHARED["tp53"]),
    }


def _tumour_proportion(score: np.ndarray) -> np.ndarray:
    """Turn scores into the tumour proportion score, per cent: uniform within the four categories."""
    ends = np.cumsum([0, *SHARED["pdl1"].values()])
    return np.floor(np.interp(norm.cdf(score), ends, [0, 1, 50, 90, 101]) - 1e-9).clip(0, 100)


def _driver(squamous: np.ndarray, smoking: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.random(len(squamous))
    found = np.full(len(squamous), "none", dtype="<U4")
    for habit, shares in PEOPLE["drivers"].items():
        levels = np.array([*shares, "none"])[np.searchsorted(np.cumsum(list(shares.values())), drawn)]
        found = np.where((smoking == "never") == (habit == "never"), levels, found)
    return np.where(squamous, "none", found)


def _blood(score: Columns, own: dict[str, Any], rng: np.random.Generator) -> Columns:
    number = len(score["age"])
    lymphocytes = _value("alc", score["alc"], SHARED["alc"], 2)
    neutrophils = np.round(_value("nlr", score["nlr"], SHARED["nlr"], 4) * lymphocytes, 2)
    monocytes = _value("", rng.standard_normal(number), SHARED["monocytes"], 2)
    leukocytes = np.round(neutrophils + lymphocytes + monocytes, 2)
    ldh = np.round(_value("ldh", score["ldh"], SHARED["ldh"], 4) * own["uln_ldh"])
    return {
        "albumin": _value("albumin", score["albumin"], SHARED["albumin"], 1),
        "lymphocytes": lymphocytes,
        "neutrophils": neutrophils,
        "leukocytes": leukocytes,
        "nlr": neutrophils / lymphocytes,
        "dnlr": neutrophils / np.maximum(leukocytes - neutrophils, 0.01),
        "hemoglobin": _value("hgb", score["hgb"], SHARED["hgb"], 1),
        "platelets": _value("plt", score["plt"], SHARED["plt"]),
        "ldh": ldh,
        "uln_ldh": np.full(number, float(own["uln_ldh"])),
        "ldh_high": ldh > own["uln_ldh"],
        "crp": _value("crp", score["crp"], SHARED["crp"]),
    }


def _drugs(score: Columns, own: dict[str, Any], rng: np.random.Generator) -> Columns:
    number = len(score["age"])
    steroids = _yes(score["steroids"], own["steroids"])
    return {
        "steroids": steroids,
        "palliative_steroids": steroids & (rng.random(number) < SHARED["steroid_reason"]),
        "low_dose_steroids": ~steroids & (rng.random(number) < SHARED["low_dose_steroids"]),
        "antibiotics": _yes(score["antibiotics"], own["antibiotics"]),
        "ppi": _yes(score["ppi"], own["ppi"]),
        "rt_palliative": _yes(score["rt_palliative"], SHARED["rt_palliative"]),
        "assay": pick_at_random(number, own["assay"], rng),
    }
