"""Write the lung study's files: the NCCTG lung cancer data that lifelines ships, split into three sites.

Run ``python studies/lung/make_data.py --out DIR``. What is done to the data stands in ``README.md``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines.datasets import load_lung

SITES = {
    "site-a": (1, 3, 13),
    "site-b": (6, 11, 12, 16, 22),
    "site-c": (2, 4, 5, 7, 10, 15, 21, 26, 32, 33),
}
WHOLE = ["inst", "time", "status", "age", "ph.ecog", "ph.karno", "pat.karno", "meal.cal", "wt.loss"]


def died_by(time: pd.Series, status: pd.Series, day: int) -> pd.Series:
    """Say who had died by a day.

    Parameters
    ----------
    time : Series
        Days of follow-up.
    status : Series
        1 = died, 0 = censored.
    day : int
        The day.

    Returns
    -------
    Series
        1, 0, or empty for those who were censored before that day.
    """
    died = (status == 1) & (time <= day)
    return pd.Series(np.where(died, 1, 0), index=time.index, dtype="Int64").where(died | (time >= day))


def frames() -> dict[str, pd.DataFrame]:
    """Split the lung data by institution.

    Returns
    -------
    dict of str to DataFrame
        One frame a site, one row a patient; who has no institution or no ECOG status is left out.
    """
    lung = load_lung()
    lung.insert(0, "patient_id", [f"p{row + 1:03d}" for row in range(len(lung))])
    lung[WHOLE] = lung[WHOLE].astype("Int64")
    lung["sex"] = lung["sex"].map({1: "male", 2: "female"})
    lung = lung[lung["ph.ecog"].notna()].copy()
    lung["died_180"] = died_by(lung["time"], lung["status"], 180)
    return {name: lung[lung["inst"].isin(group)].reset_index(drop=True) for name, group in SITES.items()}


def write(out: Path) -> list[Path]:
    """Write one CSV file a site; each is either the old or the whole new one.

    Parameters
    ----------
    out : Path
        The folder; made if need be.

    Returns
    -------
    list of Path
        The files.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, frame in frames().items():
        path = out / f"{name}.csv"
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            frame.to_csv(part, index=False, lineterminator="\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        paths.append(path)
    return paths


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
    parser = argparse.ArgumentParser(description="Write the lung study's files, one a site.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the sites' CSV files")
    for path in write(parser.parse_args(arguments).out):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
