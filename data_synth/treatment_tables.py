"""The study tables of treatment and its outcome: lines, drugs, radiotherapy, response, progression, adverse events."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from data_synth.assumptions import CODES, COURSE, Columns
from data_synth.dates import iso, kept, stacked
from data_synth.hazards import NEVER
from data_synth.treatment import CHEMOTHERAPY, IMMUNOTHERAPY

SUPPORT, DAYS = CODES["supportive"], CODES["days"]
INDUCTION_DAYS = COURSE["therapy"]["cycle"] * (COURSE["therapy"]["induction"] - 1)


def _end(found: Columns, day: np.ndarray) -> np.ndarray:
    """Write last doses; empty where treatment goes on at the last contact."""
    over = day <= found["last_day"]
    return np.where(over, iso(found["start"] + np.minimum(day, found["last_day"])), None)


def _line_of_therapy(found: Columns) -> pd.DataFrame:
    again = found["second_day"] <= found["last_day"]
    second = np.where(np.isin(found["regimen"], CHEMOTHERAPY), "chemo", "chemo_io")
    second = np.where(np.isin(found["regimen"], IMMUNOTHERAPY), "chemo", second)
    everybody = np.ones(len(again), dtype=bool)
    parts = []
    for number, chosen, start, end, regimen in (
        (1, everybody, np.zeros(len(again), dtype=int), found["stop_day"], found["regimen"]),
        (2, again, found["second_day"], found["second_stop_day"], second),
    ):
        table = kept(found, (), chosen)
        table["line_no"] = number
        table["start"] = iso((found["start"] + np.minimum(start, found["last_day"]))[chosen])
        table["end"] = _end(found, end)[chosen]
        table["regimen"] = regimen[chosen]
        table["is_io"] = np.isin(regimen, IMMUNOTHERAPY)[chosen]
        table["has_chemo"] = np.isin(regimen, CHEMOTHERAPY)[chosen]
        table["setting"] = "advanced"
        parts.append(table)
    return stacked(parts)


def _episode(
    found: Columns,
    drug: str,
    kind: str,
    chosen: np.ndarray,
    first: np.ndarray | int,
    last: np.ndarray | int,
    dose: float | None = None,
) -> pd.DataFrame:
    code, number = CODES["drugs"][drug], len(chosen)
    table = kept(found, (), chosen)
    table["drug"], table["rxnorm"], table["atc"] = drug, code["rxnorm"] or None, code["atc"] or None
    table["start"] = iso(
        (found["start"] + np.minimum(np.zeros(number, dtype=int) + first, found["last_day"]))[chosen]
    )
    table["end"] = _end(found, np.zeros(number, dtype=int) + last)[chosen]
    table["dose"], table["route"], table["kind"] = code["dose"] if dose is None else dose, code["route"], kind
    return table


def _drug(found: Columns) -> pd.DataFrame:
    parts = []
    for regimen, plan in CODES["first_line"].items():
        on_it = found["regimen"] == regimen
        parts += [
            _episode(found, drug, "antineoplastic", on_it, 0, found["stop_day"]) for drug in plan["all"]
        ]
        end = np.minimum(found["stop_day"], INDUCTION_DAYS)
        for histology, drugs in plan["induction"].items():
            chosen = on_it & (found["histology"] == histology)
            parts += [_episode(found, drug, "antineoplastic", chosen, 0, end) for drug in drugs]
    again = found["second_day"] <= found["last_day"]
    second = np.where(np.isin(found["regimen"], IMMUNOTHERAPY), "docetaxel", "pembrolizumab")
    for drug in ("docetaxel", "pembrolizumab"):
        chosen = again & (second == drug)
        parts.append(
            _episode(found, drug, "antineoplastic", chosen, found["second_day"], found["second_stop_day"])
        )
    return stacked(parts + _supportive(found))


def _supportive(found: Columns) -> list[pd.DataFrame]:
    steroids, low = SUPPORT["steroids"], SUPPORT["low_dose_steroids"]
    palliative = found["palliative_steroids"]
    parts = [
        _episode(
            found, drug, "steroid", chosen, steroids["start"], np.minimum(steroids["end"], found["last_day"])
        )
        for drug, chosen in (("dexamethasone", palliative), ("prednisone", found["steroids"] & ~palliative))
    ]
    parts.append(
        _episode(
            found, low["drug"], "steroid", found["low_dose_steroids"], low["start"], low["end"], low["dose"]
        )
    )
    for name, kind in (("antibiotics", "antibiotic"), ("ppi", "ppi")):
        spec = SUPPORT[name]
        parts.append(_episode(found, spec["drug"], kind, found[name], spec["start"], spec["end"]))
    return parts


def _radiotherapy(found: Columns) -> pd.DataFrame:
    chosen = found["rt_palliative"]
    table = kept(found, (), chosen)
    table["start"] = iso((found["start"] + DAYS["radiotherapy"])[chosen])
    table["site"] = np.where(found["brain"], "brain", np.where(found["bone"], "bone", "thorax"))[chosen]
    table["intent"] = "palliative"
    return table


def _response(found: Columns) -> pd.DataFrame:
    """First scan, second scan where the first was good, and the scan of a progression."""
    scan, seen = found["scan_days"], found["progression_seen"]
    best = np.where(found["complete"], "CR", np.where(found["responded"], "PR", "SD"))
    before = np.minimum(seen, found["death_day"])
    parts = []
    for day in (scan, 2 * scan):
        chosen = (day < before) & (day <= found["last_day"])
        parts.append(_assessed(found, chosen, day, best))
    parts.append(_assessed(found, seen < NEVER, seen, np.full(len(scan), "PD")))
    return stacked(parts)


def _assessed(found: Columns, chosen: np.ndarray, day: np.ndarray, value: np.ndarray) -> pd.DataFrame:
    table = kept(found, (), chosen)
    table["date"] = iso((found["start"] + np.minimum(day, found["last_day"]))[chosen])
    table["value"], table["source"] = value[chosen], "scan"
    return table


def _progression(found: Columns) -> pd.DataFrame:
    chosen = found["progression_seen"] < NEVER
    table = kept(found, (), chosen)
    table["date"] = iso((found["start"] + np.minimum(found["progression_seen"], found["last_day"]))[chosen])
    table["anchor"] = np.where(found["community"], "clinician", "radiology")[chosen]
    return table


def _adverse(found: Columns) -> pd.DataFrame:
    chosen = found["irae_day"] <= found["last_day"]
    table = kept(found, (), chosen)
    table["term"], table["grade"] = found["irae_term"][chosen], found["irae_grade"][chosen]
    table["onset"] = iso((found["start"] + np.minimum(found["irae_day"], found["last_day"]))[chosen])
    table["immune"] = True
    return table


TABLES: dict[str, Callable[[Columns], pd.DataFrame]] = {
    "line_of_therapy": _line_of_therapy,
    "drug": _drug,
    "radiotherapy": _radiotherapy,
    "response": _response,
    "progression": _progression,
    "ae": _adverse,
}
