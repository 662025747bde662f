"""The stated coefficients of the truth `ph`, and the columns in which a fit recovers them."""

from __future__ import annotations

import pandas as pd

from data_synth.assumptions import COURSE, MONTH
from data_synth.hazards import LANDMARK
from data_synth.predictor import TOP_NLR

#: Outcome: the model that is true, as formula without its right side.
OUTCOMES = {
    "os": "Surv(os_months, os_event)",
    "late": "Surv(landmark, pfs_months, pfs_event)",  # among those free of progression at the landmark
    "resistant": "resistant",
}
SIGNS = str.maketrans({"+": "p", "-": "_", "<": "b", "/": "_"})


def _terms() -> list[tuple[str, str, str | None]]:
    """Return (name of the column, covariate, level) of every stated effect."""
    listed = []
    for column, effect in COURSE["ph"]["os"].items():
        for level in effect if isinstance(effect, dict) else [None]:
            name = column if level is None else f"{column}_{level}".translate(SIGNS)
            listed.append((name, column, level))
    return listed


def coefficients(outcome: str) -> pd.Series:
    """Return the stated log hazard ratios or log odds ratios of the regimens of the study and all covariates.

    Parameters
    ----------
    outcome : {"os", "late", "resistant"}
        Death; progression or death after the landmark; primary resistance.

    Returns
    -------
    Series
        By name of the column of ``design``.
    """
    effects = COURSE["ph"][outcome]
    found = {
        name: effects[column] if level is None else effects[column][level] for name, column, level in _terms()
    }
    return pd.Series(
        {name: size for name, size in found.items() if not _not_immunotherapy(name)}, name=outcome
    )


def _not_immunotherapy(name: str) -> bool:
    return name in ("regimen_chemo", "regimen_targeted", "regimen_other")


def design(rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out the eligible patients with complete covariates in the columns that have stated effects.

    Parameters
    ----------
    rows : DataFrame
        From ``network.site_rows``.

    Returns
    -------
    DataFrame
        0/1 columns for levels, numbers as they are (the neutrophil-to-lymphocyte ratio up to 25), outcomes, practice.
    """
    kept = rows[rows["eligible"]].copy()
    kept["nlr"] = kept["nlr"].clip(upper=TOP_NLR)
    kept["ecog3"] = kept["ecog"].map({0: "0", 1: "1", 2: "2+", 3: "2+", 4: "2+"})
    names = {name: (column, level) for name, column, level in _terms() if not _not_immunotherapy(name)}
    columns = {
        name: kept[column].astype(float) if level is None else (kept[column] == level).astype(float)
        for name, (column, level) in names.items()
    }
    outcomes = ["os_months", "os_event", "pfs_months", "pfs_event", "resistant", "practice_id"]
    table = pd.DataFrame(columns)
    table[outcomes] = kept[outcomes]
    table["landmark"] = LANDMARK / MONTH
    known = kept[sorted({column for column, _ in names.values()})].notna().all(axis=1)
    return table[known].reset_index(drop=True)
