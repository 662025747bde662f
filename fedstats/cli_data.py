"""Commands that a site's data manager uses: are the tables as the study needs them?"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from fedstats.cli_studies import load, show
from fedstats.running.exit_codes import ExitCode, UsageError

#: Seconds after which a command that reads says what it is doing.
_QUIET = 2.0


class _Reading:
    """Says which table is being read, once reading has taken more than two seconds."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled, self._started, self._said = enabled, time.monotonic(), ""
        self._status: Any = None

    def __call__(self, table: str, rows: int) -> None:
        if not self._enabled or time.monotonic() - self._started < _QUIET:
            return
        text = f"Reading {table}: {rows:,} rows"
        if sys.stderr.isatty():
            self._shown().update(text)
        elif table != self._said:
            sys.stderr.write(f"{text} so far\n")
        self._said = table

    def _shown(self) -> Any:
        if self._status is None:
            from rich.console import Console  # noqa: PLC0415

            self._status = Console(stderr=True).status("")
            self._status.start()
        return self._status

    def stop(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()


def validate(
    *, study: str, data: Path, mapping: Path | None = None, report: Path | None = None, quiet: bool = False
) -> int:
    """Check a site's tables against the study: everything that is wrong, at once, and what to do.

    Parameters
    ----------
    study
        A study under studies/, or the path of a study's folder or study.toml.
    data
        The folder that holds the site's tables, CSV or Parquet; of a study without tables.toml the site's CSV file.
    mapping
        The site's own mapping.toml: its names, codes, units and date formats.
    report
        Write a page here as well. It shows cells of patients' rows and stays at the site.
    quiet
        Show no progress.
    """
    from fedstats.contract.table_checks import DataError  # noqa: PLC0415
    from fedstats.study.toml_file import StudyError  # noqa: PLC0415

    loaded = load(study)
    try:
        if loaded.dictionary is None or data.is_file():
            return _validate_file(loaded, data, mapping, report)
        return _validate_folder(loaded, data, mapping, report, quiet=quiet)
    except StudyError as error:
        raise UsageError(str(error)) from None
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.DATA_INVALID


def _validate_file(study: Any, data: Path, mapping: Path | None, report: Path | None) -> int:
    from fedstats.contract.table_checks import harmonised  # noqa: PLC0415
    from fedstats.study.table_file import read_table  # noqa: PLC0415

    if mapping is not None or report is not None:
        raise UsageError(
            f"A mapping and a report are for a folder of tables; {data.name or data} is checked as one file with one row a patient."
        )
    table = read_table(data)
    asked = [v for v in study.codebook.variables if not v.of_site or v.name in table.columns]
    harmonised(table, asked, data.name)
    show(f"{data.name} keeps to the codebook of {study.id}: {len(table):,} patients.")
    return ExitCode.OK


def _validate_folder(
    study: Any, data: Path, mapping: Path | None, report: Path | None, *, quiet: bool
) -> int:
    from fedstats.cohort.mapping import read_mapping  # noqa: PLC0415
    from fedstats.cohort.validation import validate as check  # noqa: PLC0415
    from fedstats.reporting.validation_page import verdict, write_validation_page  # noqa: PLC0415

    mapped = read_mapping(mapping, study.dictionary) if mapping is not None else None
    reading = _Reading(enabled=not quiet)
    try:
        found = check(data, study.dictionary, mapped, reading)
    finally:
        reading.stop()
    for title, findings in (("Must be mended", found.errors), ("Should be looked at", found.warnings)):
        if findings:
            show(f"{title}:")
        for finding in findings:
            show(f"  {finding}")
    show(verdict(found))
    if report is not None:
        page = write_validation_page(found, study.title, str(data), report)
        show(f"The page {page} shows cells of patients' rows: it stays at the site.")
    return ExitCode.DATA_INVALID if found.errors else ExitCode.OK


def cohort(*, study: str, data: Path, out: Path, mapping: Path | None = None, quiet: bool = False) -> int:
    """Build the study's cohort of a site's tables: one row a screened patient, with the step at which each left.

    Parameters
    ----------
    study
        A study under studies/, or the path of a study's folder or study.toml.
    data
        The folder that holds the site's tables.
    out
        Where to write the rows as CSV, readable for its owner alone. They are patients' rows and stay at the site.
    mapping
        The site's own mapping.toml.
    quiet
        Show no progress.
    """
    from fedstats.contract.table_checks import DataError  # noqa: PLC0415
    from fedstats.federations.files import write_private  # noqa: PLC0415
    from fedstats.study.toml_file import StudyError  # noqa: PLC0415

    loaded, reading = load(study), _Reading(enabled=not quiet)
    if loaded.cohort is None or not data.is_dir():
        raise UsageError("A cohort is built of a folder of tables, for a study with a cohort.toml.")
    try:
        rows = loaded.rows(data, mapping or "", reading)
    except StudyError as error:
        raise UsageError(str(error)) from None
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.DATA_INVALID
    finally:
        reading.stop()
    part = out.with_name(f".{out.name}.{os.getpid()}.part")  # what lay there may have been for others to read
    write_private(part, rows.cohort.frame.to_csv(index=False, lineterminator="\n").encode())
    part.replace(out)
    show(rows.cohort.attrition().drop(columns="step").to_string(index=False))
    show(f"{out} holds patients' rows: it stays at the site.")
    return ExitCode.OK


def feasibility(
    *,
    study: str,
    data: tuple[str, ...] = (),
    exchange: Path | None = None,
    home: Path | None = None,
    wait_seconds: float = 0.0,
    profile: str = "strict",
    nagelkerke: float = 0.15,
) -> int:
    """Count eligible patients and events by site, through the gate, and compare them with what each model needs (Riley 2020).

    Parameters
    ----------
    study
        A study under studies/, or the path of a study's folder or study.toml.
    data
        Sites on this machine, each as site=PATH of its file or folder of tables; once a site.
    exchange
        Instead: the exchange folder through which the sites answer; one of its own, not that of the analyses to come.
    home
        With an exchange: the coordinator's private folder.
    wait_seconds
        With an exchange: how long to wait for answers.
    profile
        With data: the disclosure profile of these sites.
    nagelkerke
        The Nagelkerke R squared that models are expected to have.
    """
    from fedstats.contract.federation import Waiting  # noqa: PLC0415
    from fedstats.contract.table_checks import DataError  # noqa: PLC0415
    from fedstats.federations.folder import Folder, SiteMissing  # noqa: PLC0415
    from fedstats.study.feasibility import feasibility as counted  # noqa: PLC0415

    if bool(data) == (exchange is not None):
        raise UsageError("Give either --data site=PATH for sites on this machine, or --exchange.")
    loaded = load(study)
    try:
        if exchange is not None:
            federation: Any = Folder(exchange, study=loaded, wait_seconds=wait_seconds, home=home or "")
        else:
            federation = _on_this_machine(loaded, data, profile)
        found = counted(loaded, federation, nagelkerke=nagelkerke)
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.DATA_INVALID
    except (SiteMissing, Waiting) as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.SITE_MISSING
    show(found.to_string(index=False, na_rep="", float_format="{:.6g}".format))
    return ExitCode.OK


def _on_this_machine(study: Any, data: tuple[str, ...], profile: str) -> Any:
    from fedstats.contract.table_checks import DataError  # noqa: PLC0415
    from fedstats.federations.in_process import InProcess  # noqa: PLC0415
    from fedstats.study.definition import site_policy  # noqa: PLC0415

    paths = dict(one.partition("=")[::2] for one in data)
    if missing := [name for name, path in paths.items() if name not in study.sites or not path]:
        raise UsageError(
            f"--data is site=PATH of {', '.join(study.sites)}; {', '.join(map(repr, missing))} is none of them."
        )
    try:
        sites = {
            name: study.site(name, path, profile, remember=False).data.frame for name, path in paths.items()
        }
        policy = site_policy(profile).tightened_by(study.policy)
    except DataError:
        raise
    except ValueError as error:  # a profile or a study's rule that cannot be read
        raise UsageError(str(error)) from None
    return InProcess(sites, study.codebook, policy)
