"""Small helpers of the tables: dates as text, rows of some patients, parts on top of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data_synth.assumptions import Columns


def iso(days: np.ndarray) -> np.ndarray:
    """Write dates as YYYY-MM-DD."""
    return np.datetime_as_string(days.astype("datetime64[D]")).astype(object)


def kept(found: Columns, columns: Sequence[str], chosen: np.ndarray | None = None) -> pd.DataFrame:
    """Start a table with the site, the patient and more columns of the chosen patients, whose places are its index."""
    places = np.arange(len(found["patient_id"])) if chosen is None else np.flatnonzero(chosen)
    names = ("site_id", "patient_id", *columns)
    return pd.DataFrame({name: found[name][places] for name in names}, index=places)


def stacked(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Lay parts of one table on top of each other; a patient's rows come together."""
    filled = [part for part in parts if len(part)] or [parts[0]]
    return pd.concat(filled).sort_index(kind="stable")
