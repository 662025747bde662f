"""The planted numbers, the random streams and the practices of each synthetic site."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

PARAMETERS: dict[str, Any] = tomllib.loads(
    (Path(__file__).parent / "parameters.toml").read_text(encoding="utf-8")
)
SEED = 20220707


def practice_sizes(total: int, number: int, spread: float) -> list[int]:
    """Share out patients over practices like the quantiles of a log-normal distribution, largest first.

    Parameters
    ----------
    total : int
        Patients at the site.
    number : int
        Practices at the site.
    spread : float
        Standard deviation of the logarithm of the size.

    Returns
    -------
    list of int
        One size a practice; they add up to `total`.
    """
    weight = np.exp(spread * norm.ppf((np.arange(number, 0, -1) - 0.5) / number))
    sizes = np.floor(total * weight / weight.sum()).astype(int)
    sizes[0] += total - sizes.sum()
    return [int(size) for size in sizes]


def streams(name: str, seed: int) -> list[np.random.Generator]:
    """Return a site's own random streams: the key is its name, so no other site can change them."""
    root = np.random.SeedSequence(seed, spawn_key=tuple(name.encode()))
    return [np.random.default_rng(child) for child in root.spawn(5)]


def practices(name: str, seed: int = SEED, scale: float = 1.0) -> pd.DataFrame:
    """List a site's practices.

    Parameters
    ----------
    name : str
        A site of ``parameters.toml``.
    seed : int
        Seed of the practices' own effects.
    scale : float
        Factor on the number of patients.

    Returns
    -------
    DataFrame
        One row a practice: patients, type, log_hazard (its effect on the hazard of death).
    """
    site = PARAMETERS["sites"][name]
    spec = site["practices"]
    sizes = practice_sizes(round(site["patients"] * scale), spec["number"], spec["spread"])
    table = pd.DataFrame(
        {"patients": sizes}, index=[f"{spec['prefix']}-{i + 1:02d}" for i in range(len(sizes))]
    )
    table["type"] = ["academic" if i + 1 in spec["academic"] else "community" for i in range(len(sizes))]
    table["log_hazard"] = streams(name, seed)[0].normal(
        0, PARAMETERS["practice"]["sd_log_hazard"], len(sizes)
    )
    return table
