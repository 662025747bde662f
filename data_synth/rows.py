"""One row a patient: what a faultless cohort builder makes of the records, and with all switches off the truth itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data_synth.assumptions import CALENDAR, MONTH, Columns
from data_synth.hazards import NEVER
from data_synth.people import EXCLUDING, SITES_OF_METASTASES
from data_synth.records import PANEL
from data_synth.treatment import IMMUNOTHERAPY

COPIED = (
    *(
        "site_id",
        "practice_id",
        "patient_id",
        "practice_type",
        "region",
        "payer",
        "ses_q",
        "sex",
        "histology",
    ),
    *("de_novo", "regimen", *SITES_OF_METASTASES, "n_met", "steroids", "antibiotics", "ppi", "rt_palliative"),
    *("autoimmune", "cci"),
)
WHERE_KNOWN = {  # column: the variable that must be recorded
    "race": "race",
    "smoking": "smoking",
    "pack_years": "pack_years",
    "bmi": "bmi",
    "ecog": "ecog",
    "pdl1_tps": "pdl1",
    "pdl1_cat": "pdl1",
    "albumin": "albumin",
    "neutrophils": "neutrophils",
    "nlr": "neutrophils",
    "dnlr": "neutrophils",
    "crp": "crp",
    "hemoglobin": "hemoglobin",
    "platelets": "platelets",
    "driver": "driver",
    "ldh_ratio": "ldh",
}


def rows(found: Columns) -> pd.DataFrame:
    """Lay out the analysis-ready rows.

    Parameters
    ----------
    found : dict of str to (n,) array
        From ``records``.

    Returns
    -------
    DataFrame
        One row for every first-line patient; ``eligible`` says who belongs to the analyses.  Times are months of
        30.4375 days from the first dose, ``entry`` the report of the gene panel (0 if before the first dose).
    """
    table = {name: found[name] for name in COPIED}
    table["index_year"] = found["year"]
    table["age"] = np.minimum(found["age"], found["age_recorded"])
    table["dx_to_1l_days"] = found["dx_to_start"]
    source = found | {"ldh_ratio": found["ldh"] / found["uln_ldh"]}
    for column, variable in WHERE_KNOWN.items():
        table[column] = _where(source[column], found[f"has_{variable}"])
    for column in PANEL:
        table[column] = _where(found[column], found["has_panel"])
    for column, gene in (("braf_v600e", "BRAF"), ("met_exon14", "MET")):
        table[column] = _where((found["driver"] == gene).astype(float), found["has_driver"])
    table["kras_g12c"] = _where(found["g12c"], found["has_panel"])
    table["entry_months"] = _where(np.maximum(found["panel_day"], 0) / MONTH, found["has_panel"])
    positive = np.isin(found["driver"], EXCLUDING) & found["has_driver"]
    table["eligible"] = ~positive & np.isin(found["regimen"], IMMUNOTHERAPY)
    # whether the patient died within follow-up, recorded or not: nothing that a site could know
    table["died"] = found["death_day"] <= found["end_day"]
    return pd.DataFrame(table | _outcomes(found))


def _where(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    if known.all():
        return values
    if values.dtype.kind in "US":
        return np.where(known, values.astype(object), None)
    return np.where(known, values.astype(float), np.nan)


def _outcomes(found: Columns) -> Columns:
    death = np.where(found["dead"], found["death_day"], NEVER)
    alive = np.where(found["dead"], NEVER, np.maximum(found["last_day"], 1))
    progression = np.minimum(found["progression_seen"], death)
    pfs = np.minimum(progression, alive)
    event = progression <= alive
    landmark = CALENDAR["resistance_days"]
    unknown = ~event & (pfs <= landmark)
    resistant = np.where(unknown, np.nan, (event & (pfs <= landmark)).astype(float))
    stopped = np.minimum(found["stop_day"], death)
    best = np.where(found["complete"], "CR", np.where(found["responded"], "PR", "SD"))
    first_scan = found["scan_days"] <= np.minimum(progression, found["last_day"])
    best = np.where(
        first_scan | found["responded"], best, np.where(found["progression_seen"] < NEVER, "PD", "NE")
    )
    return {
        "os_months": np.minimum(death, alive) / MONTH,
        "os_event": found["dead"].astype(int),
        "pfs_months": pfs / MONTH,
        "pfs_event": event.astype(int),
        "resistant": resistant,
        "best_response": best,
        "ttd_months": np.maximum(np.minimum(stopped, alive), 1) / MONTH,
        "ttd_event": (stopped <= alive).astype(int),
        "irae": (found["irae_day"] <= found["last_day"]).astype(int),
        "irae_months": _where(found["irae_day"] / MONTH, found["irae_day"] <= found["last_day"]),
    }
