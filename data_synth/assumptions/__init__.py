"""The planted numbers, read from the TOML files of this folder, where each has its source."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

Columns = dict[str, np.ndarray]  # one array a column, one entry a patient


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))


PEOPLE, COURSE, BIASES, CODES = (_read(name) for name in ("people", "course", "biases", "codes"))
SITES, NETWORK, CALENDAR = (_read("sites")[part] for part in ("sites", "network", "calendar"))
MONTH: float = CALENDAR["days_per_month"]
CUT_OFF = np.datetime64(CALENDAR["cut_off"], "D")
