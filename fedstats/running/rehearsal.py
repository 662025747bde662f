"""Data for a rehearsal: made by a script of the study, one CSV file a site, or one folder of tables."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fedstats.running.child import child_environment
from fedstats.running.exit_codes import DataNotMade
from fedstats.running.files import sha256_of
from fedstats.running.manifest import Manifest
from fedstats.running.outcome import first_line


def site_folder(run: Path, site: str) -> Path:
    """The folder of a site within a run."""
    return run / "sites" / site


def site_data(study: Any, run: Path, site: str) -> Path:
    """Where a site's data lie, in its private folder: a folder of tables where the study builds a cohort, else a file."""
    return site_folder(run, site) / "private" / ("data.csv" if study.cohort is None else "tables")


def make_data(
    study: Any,
    run: Path,
    manifest: Manifest,
    limit_seconds: float | None = None,
    again: bool = False,
) -> bool:
    """Run the study's script unless its data are there already, with the recorded hashes.

    Parameters
    ----------
    study : Study
        Its ``rehearsal`` script is called with ``--out FOLDER`` and writes ``<site>.csv`` there, or a folder ``<site>`` of
        tables where the study has a ``cohort``.
    run : Path
        The run's folder.
    manifest : Manifest
        Receives the hashes.
    limit_seconds : float or None
        How long the script may take.
    again : bool
        Run it even though its data are there.

    Returns
    -------
    bool
        Whether the script was run.

    Raises
    ------
    DataNotMade
        One sentence: the script failed, took too long or left a site without a file.
    """
    recorded = manifest.content["data"]
    script = study.rehearsal
    if (
        not again
        and recorded.get("script_sha256") == sha256_of(script) is not None
        and all(
            recorded["sites"].get(site) == sha256_of(site_data(study, run, site)) is not None
            for site in study.sites
        )
    ):
        return False
    temporary = run / "sites-data-tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _call(script, temporary, run / "logs" / "rehearsal.log", limit_seconds)
        ending = site_data(study, run, "").suffix
        missing = [site for site in study.sites if not (temporary / f"{site}{ending}").exists()]
        if missing:
            raise DataNotMade(f"The script {script.name} wrote no data for {', '.join(missing)}.")
        for site in study.sites:
            _hand_over(temporary / f"{site}{ending}", site_data(study, run, site))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    manifest.content["data"] = {
        "script": script.name,
        "script_sha256": sha256_of(script),
        "sites": {site: sha256_of(site_data(study, run, site)) for site in study.sites},
    }
    manifest.save()
    return True


def _hand_over(made: Path, target: Path) -> None:
    """Move a site's data into its private folder, closed to other users."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if made.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        for table in made.iterdir():
            table.chmod(0o600)
    made.replace(target)
    target.chmod(0o700 if target.is_dir() else 0o600)


def _call(script: Path, out: Path, log: Path, limit_seconds: float | None) -> None:
    if not script.is_file():
        raise DataNotMade(
            f"The study's data are made by {script.name}, which is not in {script.parent.name}."
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    before = log.stat().st_size if log.exists() else 0
    with log.open("ab") as file:
        try:
            code = subprocess.run(  # noqa: S603 (the study's own script, in our own interpreter)
                [sys.executable, str(script.resolve()), "--out", str(out.resolve())],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=script.resolve().parent,
                env=child_environment(),
                timeout=limit_seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise DataNotMade(
                f"The script {script.name} took longer than its limit of {limit_seconds:g} s."
            ) from None
    if code != 0:
        said = log.read_bytes()[before:].decode(errors="replace").strip().splitlines()
        last = first_line(said[-1]) if said else f"it ended with code {code}"
        raise DataNotMade(f"The script {script.name} could not make the data: {last}")
