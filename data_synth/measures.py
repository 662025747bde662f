"""Measure on generated rows what ``truth.json`` has target bands for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter

from data_synth.assumptions import CALENDAR, MONTH

EARLY = CALENDAR["early_days"] / MONTH


def targets() -> list[dict[str, Any]]:
    """Return the target bands of ``truth.json``."""
    text = (Path(__file__).parent / "truth.json").read_text(encoding="utf-8")
    return list(json.loads(text)["targets"])


Rows = pd.DataFrame
_PARTS: dict[str, Callable[[Rows], pd.Series]] = {
    "all": lambda r: r["regimen"].notna(),
    "eligible": lambda r: r["eligible"],
    "ever smokers": lambda r: r["smoking"].isin(["former", "current"]),
    "non-squamous": lambda r: r["histology"] != "sq",
    "squamous": lambda r: r["histology"] == "sq",
    "alone": lambda r: r["eligible"] & (r["regimen"] == "io_mono"),
    "with chemotherapy": lambda r: r["eligible"] & (r["regimen"] == "chemo_io"),
    "with chemotherapy v alone": lambda r: r["eligible"] & r["regimen"].isin(["io_mono", "chemo_io"]),
    "chemotherapy": lambda r: r["regimen"] == "chemo",
    "alone v chemotherapy": lambda r: r["regimen"].isin(["io_mono", "chemo"]),
    "ECOG 0-1": lambda r: r["ecog"] <= 1,
    "PD-L1 50+": lambda r: r["pdl1_tps"] >= 50,
    "PD-L1 1-49": lambda r: r["pdl1_tps"].between(1, 49),
    "PD-L1 below 1": lambda r: r["pdl1_tps"] < 1,
}


def population(rows: Rows, of: str) -> Rows:
    """Return the rows of a population of ``truth.json``, such as ``"alone, PD-L1 50+"``."""
    chosen = np.logical_and.reduce([_PARTS[part](rows).to_numpy(bool) for part in of.split(", ")])
    return rows[chosen]


def curve(rows: Rows, outcome: str) -> KaplanMeierFitter:
    """Kaplan-Meier curve of ``"os"`` or ``"pfs"``."""
    return KaplanMeierFitter().fit(rows[f"{outcome}_months"], rows[f"{outcome}_event"])


def _hazard_ratio(rows: Rows, outcome: str, treated: str, start: float = 0.0, end: float = np.inf) -> float:
    at_risk = rows[rows[f"{outcome}_months"] > start]
    time = at_risk[f"{outcome}_months"]
    table = pd.DataFrame(
        {
            "x": (at_risk["regimen"] == treated).astype(float),
            "t": np.minimum(time, end) - start,
            "e": at_risk[f"{outcome}_event"] * (time <= end),
        }
    )
    return float(np.exp(CoxPHFitter().fit(table, "t", "e").params_["x"]))


def _responded(rows: Rows) -> float:
    return float(rows["best_response"].isin(["CR", "PR"]).mean())


def _early_progression(rows: Rows) -> float:
    return 1 - float(curve(rows, "pfs").predict(EARLY))


_MEASURES: dict[str, Callable[[Rows], float]] = {
    "number": len,
    "age_median": lambda r: r["age"].median(),
    "age_sd": lambda r: r["age"].std(),
    "male": lambda r: (r["sex"] == "M").mean(),
    "white": lambda r: (r["race"] == "white").mean(),
    "black": lambda r: (r["race"] == "black").mean(),
    "never_smoker": lambda r: (r["smoking"] == "never").mean(),
    "pack_years_median": lambda r: r["pack_years"].median(),
    "squamous": lambda r: (r["histology"] == "sq").mean(),
    "de_novo": lambda r: r["de_novo"].mean(),
    "ecog_2plus": lambda r: (r["ecog"] >= 2).mean(),
    "pdl1_50plus": lambda r: (r["pdl1_tps"] >= 50).mean(),
    "pdl1_below_1": lambda r: (r["pdl1_tps"] < 1).mean(),
    "pdl1_90_of_50plus": lambda r: (r.loc[r["pdl1_tps"] >= 50, "pdl1_tps"] >= 90).mean(),
    "tmb_q1": lambda r: r["tmb"].astype(float).quantile(0.25),
    "tmb_median": lambda r: r["tmb"].astype(float).median(),
    "tmb_q3": lambda r: r["tmb"].astype(float).quantile(0.75),
    "g12c_of_kras": lambda r: r.loc[r["kras"].astype(bool), "kras_g12c"].mean(),
    "egfr": lambda r: (r["driver"] == "EGFR").mean(),
    "alk": lambda r: (r["driver"] == "ALK").mean(),
    "ros1": lambda r: (r["driver"] == "ROS1").mean(),
    "ret": lambda r: (r["driver"] == "RET").mean(),
    "braf_v600e": lambda r: r["braf_v600e"].mean(),
    "met_exon14": lambda r: r["met_exon14"].mean(),
    "n_met_mean": lambda r: r["n_met"].mean(),
    "n_met_sd": lambda r: r["n_met"].std(),
    "nlr_q1": lambda r: r["nlr"].quantile(0.25),
    "nlr_median": lambda r: r["nlr"].median(),
    "nlr_q3": lambda r: r["nlr"].quantile(0.75),
    "ldh_high": lambda r: (r["ldh_ratio"] > 1).mean(),
    "crp_median": lambda r: r["crp"].median(),
    "comorbidity_0": lambda r: (r["cci"] == 0).mean(),
    "comorbidity_1": lambda r: (r["cci"] == 1).mean(),
    "comorbidity_2plus": lambda r: (r["cci"] >= 2).mean(),
    "dx_to_start_median": lambda r: r["dx_to_1l_days"].median(),
    "response": _responded,
    "pfs_median": lambda r: curve(r, "pfs").median_survival_time_,
    "os_median": lambda r: curve(r, "os").median_survival_time_,
    "os_60": lambda r: float(curve(r, "os").predict(60)),
    "early_progression": _early_progression,
    "resistant": lambda r: r["resistant"].mean(),
    "deaths": lambda r: r["os_event"].mean(),
    "os_hazard_ratio": lambda r: _hazard_ratio(r, "os", "chemo_io"),
    "pfs_hazard_ratio": lambda r: _hazard_ratio(r, "pfs", "chemo_io"),
    "pfs_hazard_ratio_first_3_months": lambda r: _hazard_ratio(r, "pfs", "io_mono", 0, EARLY),
    "pfs_hazard_ratio_after_3_months": lambda r: _hazard_ratio(r, "pfs", "io_mono", EARLY),
    "deaths_recorded": lambda r: r["os_event"].sum() / r["died"].sum(),
    "pdl1_missing": lambda r: r["pdl1_tps"].isna().mean(),
    "ldh_missing": lambda r: r["ldh_ratio"].isna().mean(),
}
_COLUMN_OF = {"hgb": "hemoglobin", "plt": "platelets"}


def measure(rows: Rows, name: str, of: str) -> float:
    """Measure one target.

    Parameters
    ----------
    rows : DataFrame
        From ``network.site_rows``, of the sites that the target names.
    name, of : str
        The target's ``measure`` and population.

    Returns
    -------
    float
    """
    chosen = population(rows, of)
    if name in _MEASURES:
        return float(_MEASURES[name](chosen))
    kind, _, rest = name.partition("_")
    if kind == "phi":
        first, second = rest.split("_")
        return float(np.corrcoef(chosen[first].astype(float), chosen[second].astype(float))[0, 1])
    if kind == "spearman":
        first, second = (_COLUMN_OF.get(part, part) for part in rest.split("_"))
        return float(chosen[first].corr(chosen[second], method="spearman"))
    column, _, statistic = name.rpartition("_")
    if statistic in ("mean", "sd", "missing"):
        values = chosen[_COLUMN_OF.get(column, column)]
        return float({"mean": values.mean, "sd": values.std, "missing": values.isna().mean}[statistic]())
    return float(chosen[name].astype(float).mean())
