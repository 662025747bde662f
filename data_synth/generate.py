"""Write the synthetic lung-cancer network: one CSV file a site, and ``truth.json`` beside them.

Run ``python data_synth/generate.py --out DIR [--seed 20220707] [--scale 1.0]``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.special import logit

if not __package__:  # run as a script, which does not find its own package
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data_synth.patients import LANDMARK, TIME, generate_site
from data_synth.practices import PARAMETERS, SEED, practices

SITES = tuple(PARAMETERS["sites"])


def generate(seed: int = SEED, scale: float = 1.0, sites: Sequence[str] = SITES) -> dict[str, pd.DataFrame]:
    """Make the network.

    Parameters
    ----------
    seed : int
        Same seed, same rows; a site's rows depend on the seed and its own name only.
    scale : float
        Factor on the number of patients of every practice.
    sites : sequence of str
        Names from ``parameters.toml``.

    Returns
    -------
    dict of str to DataFrame
        One frame a site, one row a patient.
    """
    _check(seed, scale)
    return {name: generate_site(name, seed, scale)[0] for name in sites}


def _check(seed: int, scale: float) -> None:
    if seed < 0:
        raise ValueError(f"The seed must be a whole number of 0 or more; it is {seed}.")
    if not 0.05 <= scale <= 1000:
        raise ValueError(f"The scale must lie between 0.05 and 1000; it is {scale}.")


def _raw_intercept(name: str) -> float:
    """Return the log odds of resistance with every numeric covariate at 0 and every factor at its reference."""
    effects = PARAMETERS["effects"]["resistant"]
    shift = sum(
        slope * PARAMETERS["reference"][column]
        for column, slope in effects.items()
        if not isinstance(slope, dict)
    )
    return float(logit(PARAMETERS["sites"][name]["resistance_at_centre"])) - shift


def _site_truth(name: str, seed: int, scale: float) -> dict[str, Any]:
    site, table = PARAMETERS["sites"][name], practices(name, seed, scale)
    return {
        "title": site["title"],
        "patients": int(table["patients"].sum()),
        "weibull": site["weibull"],
        "practices": table.to_dict(orient="index"),
    }


def truth(seed: int = SEED, scale: float = 1.0) -> dict[str, Any]:
    """Say what was planted.

    Parameters
    ----------
    seed : int
        Seed of the network.
    scale : float
        Factor on the number of patients.

    Returns
    -------
    dict
        What ``truth.json`` holds: the stated coefficients, which of them are exact, and the bands.
    """
    effects = PARAMETERS["effects"]
    return {
        "note": "Synthetic data: nothing here is a finding about patients.",
        "kind": "ph",
        "seed": seed,
        "scale": scale,
        "landmark_months": LANDMARK,
        "time": TIME,
        "reference": PARAMETERS["reference"],
        "os": {
            "exact": True,
            "model": "Cox, stratified by practice; log hazard ratios",
            "coefficients": effects["os"],
        },
        "resistant": {
            "exact": True,
            "model": "logistic, complete cases; log odds ratios",
            "coefficients": effects["resistant"],
            "intercept": {name: _raw_intercept(name) for name in SITES},
        },
        "pfs": {
            "exact": False,
            "model": "Cox, stratified by practice; hazards are not proportional, a large sample's fit stands here",
            **PARAMETERS["derived"]["pfs"],
        },
        "sites": {name: _site_truth(name, seed, scale) for name in SITES},
        "bands": {what: dict(zip(SITES, band, strict=True)) for what, band in PARAMETERS["bands"].items()},
    }


def replace_all(texts: dict[Path, str]) -> None:
    """Write several files so that each one is either the old or the whole new one.

    Parameters
    ----------
    texts : dict of Path to str
        What goes where; the folders are made.
    """
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in texts}
    try:
        for path, part in parts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(texts[path], encoding="utf-8", newline="\n")
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def write(out: Path, seed: int = SEED, scale: float = 1.0) -> list[Path]:
    """Write the sites' files and then ``truth.json``.

    Parameters
    ----------
    out : Path
        The folder; made if need be.
    seed : int
        Seed of the network.
    scale : float
        Factor on the number of patients.

    Returns
    -------
    list of Path
        The files.
    """
    frames = generate(seed, scale)
    texts = {
        out / f"{name}.csv": frame.to_csv(index=False, lineterminator="\n") for name, frame in frames.items()
    }
    texts[out / "truth.json"] = json.dumps(truth(seed, scale), indent=2, ensure_ascii=False) + "\n"
    replace_all(texts)
    return list(texts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the command; those of the process by default.

    Returns
    -------
    int
        Exit code.
    """
    parser = argparse.ArgumentParser(description="Write the synthetic lung-cancer network.")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the sites' CSV files and truth.json"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="same seed, same rows")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of patients")
    options = parser.parse_args(arguments)
    try:
        _check(options.seed, options.scale)
    except ValueError as error:
        parser.error(str(error))
    for path in write(options.out, options.seed, options.scale):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
