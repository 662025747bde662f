"""The study tables of a chunk of patients: who they are, their disease, their values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from data_synth import treatment_tables
from data_synth.assumptions import BIASES, CODES, Columns
from data_synth.dates import iso, kept, stacked
from data_synth.people import EXCLUDING, SITES_OF_METASTASES
from data_synth.plan import Plan

DAYS, UNITS = CODES["days"], BIASES["units"]
MARKERS = (*EXCLUDING, "BRAF", "MET")


def tables(found: Columns, plan: Plan) -> dict[str, pd.DataFrame]:
    """Lay out the study tables of some patients.

    Parameters
    ----------
    found : dict of str to (n,) array
        From ``network.chunks``.
    plan : Plan
        Whether faults of units are on.

    Returns
    -------
    dict of str to DataFrame
        By name of the table, with the columns of the study's data dictionary; dates as YYYY-MM-DD.
    """
    made: dict[str, Callable[[Columns], pd.DataFrame]] = {
        "patient": _patient,
        "diagnosis": _diagnosis,
        "biomarker": _biomarker,
        "lab": lambda patients: _lab(patients, plan),
        "vital": lambda patients: _vital(patients, plan),
        "metastasis": _metastasis,
        "comorbidity": _comorbidity,
        "vital_status": _vital_status,
        **treatment_tables.TABLES,
    }
    if plan.switches.units:
        found = found | {"pack_years": _wrong(found, "pack_years", 3, UNITS["pack_years_999"], 999.0)}
    return {name: make(found) for name, make in made.items()}


def _wrong(found: Columns, column: str, stream: int, share: float, value: float) -> np.ndarray:
    """Write a code for missing in the place of some values; by the patient's own draw, so that no other changes."""
    return np.where(found["fault_draws"][:, stream] < share, value, found[column])


def _patient(found: Columns) -> pd.DataFrame:
    columns = ("birth_year", "ethnicity", "practice_id", "practice_type", "region", "payer", "ses_q")
    table = kept(found, columns)
    table["sex"] = found["sex"]
    for column, unknown in (("race", "unknown"), ("smoking", "unk")):
        value = np.where(found[f"has_{column}"], found[column], unknown).astype(object)
        table[column] = np.where(found[f"collected_{column}"], value, None)
    table["pack_years"] = np.where(found["has_pack_years"], found["pack_years"], np.nan)
    table["first_activity"] = iso(found["start"] - found["first_dx"])
    table["last_activity"] = iso(found["start"] + found["last_day"])
    return table


def _diagnosis(found: Columns) -> pd.DataFrame:
    codes = CODES["diagnosis"]
    table = kept(found, ())
    table["diag_id"] = "d1"
    table["dx_date"] = iso(found["start"] - found["first_dx"])
    table["advanced_date"] = iso(found["start"] - found["dx_to_start"])
    table["icd10"] = codes["icd10"]
    kind = np.where(
        found["adenocarcinoma"], codes["morphology"]["adenocarcinoma"], codes["morphology"]["large"]
    )
    table["icdo3_morph"] = np.where(found["histology"] == "sq", codes["morphology"]["sq"], kind)
    table["icdo3_topo"] = codes["topography"]
    first, second = codes["stages"]["de_novo"]
    advanced = np.where(found["n_met"] > 2, second, first)
    early = np.array(codes["stages"]["recurrent"])[found["ses_q"] % 3]
    table["stage_group"] = np.where(found["de_novo"], advanced, early)
    table["ajcc_edition"] = np.where(found["year"] - found["first_dx"] // 365 >= 2018, 8, 7)
    table["de_novo"] = found["de_novo"]
    table["histology"] = found["histology"]
    return table


def _biomarker(found: Columns) -> pd.DataFrame:
    parts = [_pdl1(found)]
    parts += [
        _gene(found, name, found["driver"] == name, found["has_driver"], _before(found)) for name in MARKERS
    ]
    panel = found["has_panel"]
    for name in ("KRAS", "STK11", "KEAP1", "TP53"):
        parts.append(_gene(found, name, found[name.lower()].astype(bool), panel, found["panel_day"]))
    parts.append(_gene(found, "TMB", np.zeros(len(panel), dtype=bool), panel, found["panel_day"]))
    parts[-1]["result"], parts[-1]["value"], parts[-1]["unit"] = "pos", found["tmb"][panel], "mut/Mb"
    g12c = (parts[1 + len(MARKERS)]["result"] == "pos") & found["g12c"][panel]
    parts[1 + len(MARKERS)].loc[g12c, "variant"] = "G12C"
    return stacked(parts)


def _before(found: Columns) -> np.ndarray:
    return -np.minimum(found["dx_to_start"], DAYS["pdl1_before"])


def _gene(
    found: Columns, name: str, positive: np.ndarray, known: np.ndarray, day: np.ndarray
) -> pd.DataFrame:
    table = kept(found, (), known)
    table["gene_or_marker"] = name
    table["hgnc"] = CODES["hgnc"].get(name)
    table["variant"] = np.where(positive[known], CODES["variants"].get(name), None)
    table["result"] = np.where(positive[known], "pos", "neg")
    table["value"], table["unit"], table["assay"], table["specimen"] = np.nan, None, "NGS", "tissue"
    taken = np.maximum(day - DAYS["panel_takes"], -found["dx_to_start"])
    table["ordered"] = table["collected"] = iso((found["start"] + taken)[known])
    table["resulted"] = iso((found["start"] + day)[known])
    return table


def _pdl1(found: Columns) -> pd.DataFrame:
    known = found["has_pdl1"]
    table = _gene(found, "PDL1", found["pdl1_tps"] >= 1, known, _before(found))
    table["value"], table["unit"], table["assay"] = found["pdl1_tps"][known], "%", found["assay"][known]
    return table


def _lab(found: Columns, plan: Plan) -> pd.DataFrame:
    parts = []
    for name, code in CODES["laboratory"].items():
        known = found[f"has_{CODES['recorded_with'].get(name, name)}"]
        parts += [
            _measured(found, name, code, known & (found["last_day"] >= day), day)
            for day in (DAYS["laboratory"], DAYS["later_laboratory"])
        ]
    table = stacked(parts)
    return _faulty(table, found) if plan.switches.units else table


def _measured(found: Columns, name: str, code: dict[str, str], known: np.ndarray, day: int) -> pd.DataFrame:
    table = kept(found, (), known)
    table["loinc"], table["unit"] = code["loinc"], code["unit"]
    table["date"] = iso((found["start"] + day)[known])
    table["value"] = found[name][known].astype(float)
    table["uln"] = found["uln_ldh"][known] if name == "ldh" else np.nan
    return table[[*table.columns[:3], "date", "value", "unit", "uln"]]


def _faulty(table: pd.DataFrame, found: Columns) -> pd.DataFrame:
    """Write values in other units, declared and not, and some rows twice."""
    site, practice = found["site_id"][table.index], found["practice_id"][table.index]
    for name, code in CODES["laboratory"].items():
        of_name = (table["loinc"] == code["loinc"]).to_numpy()
        for where, declared in UNITS["declared"].items():
            if name in declared:
                rows = of_name & (site == where)
                _convert(table, rows, declared[name])
                table.loc[rows, "unit"] = declared[name]
        for where, undeclared in UNITS["undeclared"].items():
            if name in undeclared:
                rows = of_name & (site == where) & (practice == undeclared["practice"])
                _convert(table, rows, undeclared[name])
    doubled = found["fault_draws"][table.index, 0] < UNITS["doubled"]
    return stacked([table, table[doubled]])


def _convert(table: pd.DataFrame, rows: np.ndarray, unit: str) -> None:
    """Write values and limits of normal in another unit, rounded as laboratories do."""
    other, numbers = CODES["other_units"][unit], ["value", "uln"]
    table.loc[rows, numbers] = (table.loc[rows, numbers] * other["factor"]).round(other["digits"])


def _vital(found: Columns, plan: Plan) -> pd.DataFrame:
    ecog, bmi = found["ecog"].astype(float), found["bmi"]
    if plan.switches.units:
        ecog = _wrong(found | {"ecog": ecog}, "ecog", 1, UNITS["ecog_99"], 99.0)
        bmi = _wrong(found, "bmi", 2, UNITS["bmi_zero"], 0.0)
    worse = np.minimum(found["ecog"] + 1, 4)  # after the first dose: not a baseline value
    listed = (
        ("ecog", ecog, found["has_ecog"], DAYS["ecog"]),
        ("ecog", worse, found["has_ecog"] & (found["last_day"] >= DAYS["later_ecog"]), DAYS["later_ecog"]),
        ("weight", found["weight"], found["has_bmi"], DAYS["body"]),
        ("height", found["height"], found["has_bmi"], DAYS["body"]),
        ("bmi", bmi, found["has_bmi"], DAYS["body"]),
    )
    parts = []
    for kind, values, known, day in listed:
        table = kept(found, (), known)
        table["kind"] = kind
        table["date"] = iso((found["start"] + day)[known])
        table["value"] = values[known].astype(float)
        parts.append(table)
    return stacked(parts)


def _metastasis(found: Columns) -> pd.DataFrame:
    parts = []
    for site in SITES_OF_METASTASES:
        table = kept(found, (), found[site])
        table["site"] = site
        table["first_seen"] = iso(
            (found["start"] - np.minimum(-DAYS["metastases"], found["dx_to_start"]))[found[site]]
        )
        parts.append(table)
    return stacked(parts)


def _comorbidity(found: Columns) -> pd.DataFrame:
    codes, system = CODES["comorbidity"], np.where(found["region"] == "europe", "ICD10", "ICD10CM")
    present = [(code, found["cci"] > point) for point, code in enumerate(codes["points"])]
    parts = []
    for code, chosen in (*present, (codes["autoimmune"], found["autoimmune"])):
        table = kept(found, (), chosen)
        table["code"], table["system"] = code, system[chosen]
        table["date"] = iso((found["start"] + DAYS["comorbidity"])[chosen])
        parts.append(table)
    return stacked(parts)


def _vital_status(found: Columns) -> pd.DataFrame:
    dead = found["dead"]
    table = kept(found, ())
    table["dead"] = dead
    table["death_date"] = np.where(
        dead, iso(found["start"] + np.minimum(found["death_day"], found["end_day"])), None
    )
    table["precision"] = np.where(dead, "day", None)
    table["source"] = found["death_source"]
    table["last_contact"] = iso(found["start"] + found["last_day"])
    return table
