"""Commands that look and change nothing of an analysis: a dry run at a site, an exchange, a place's keys."""

import sys
from pathlib import Path

from fedstats.cli_studies import home, load, show
from fedstats.running.exit_codes import ExitCode, UsageError


def check_model(
    *,
    study: str,
    site: str,
    data: Path,
    profile: str = "strict",
    analysis: str | None = None,
    mapping: Path | None = None,
) -> int:
    """Dry-run a study at one site: every judgement of its gate, for the eyes of the site alone.

    Parameters
    ----------
    study
        A study under studies/, or the path of a study's folder or study.toml.
    site
        The site's name, as study.toml lists it.
    data
        The site's CSV file, or its folder of tables.
    profile
        The site's disclosure profile: a built-in name, or the path of the site's own .toml file.
    analysis
        One analysis alone.
    mapping
        With a folder of tables: the site's own mapping.toml.
    """
    from fedstats.contract.table_checks import DataError  # noqa: PLC0415
    from fedstats.study import check_model as room  # noqa: PLC0415

    loaded = load(study)
    try:
        rows = loaded.rows(data, mapping or "")
        judgements = room.check_model(loaded, loaded.site(site, rows, profile, remember=False), analysis)
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.DATA_INVALID
    except ValueError as error:  # a site, a profile or an analysis that is not there
        raise UsageError(str(error)) from None
    show(judgements.to_string(index=False, na_rep="", float_format="{:.4g}".format))
    names = room.refused(judgements)
    show(f"\nRefused: {', '.join(names)}." if names else "\nEvery analysis passes.")
    return ExitCode.RELEASE_REFUSED if names else ExitCode.OK


def verify(
    run_id: str | None = None,
    /,
    *,
    runs: Path = Path("runs"),
    exchange: Path | None = None,
    study: str | None = None,
    home: Path | None = None,
    results: Path | None = None,
) -> int:
    """Check a finished exchange and rebuild its results, without patients; with the coordinator's keys, every sum too.

    Parameters
    ----------
    run_id
        A run of this machine; the latest one unless given.
    runs
        The folder of all runs.
    exchange
        Instead of a run: the exchange folder.
    study
        With an exchange: the study's name, folder or study.toml.
    home
        With an exchange: the coordinator's private folder, or a copy of its archive.
    results
        With an exchange: the results file to compare with.
    """
    from fedstats.running.plan import COORDINATOR_HOME, RESULTS, run_folder  # noqa: PLC0415
    from fedstats.study.verification import verify as check  # noqa: PLC0415

    if exchange is None:
        folder, name = run_folder(runs, run_id)
        exchange, home, results = folder / "exchange", folder / COORDINATOR_HOME, folder / RESULTS
        study = study or name
    if study is None:
        raise UsageError("Name the study that the exchange is about: --study.")
    found = check(exchange, load(study), results, home=home or "")
    show(str(found))
    return ExitCode.OK if found.ok else ExitCode.RELEASE_REFUSED


def keys(study: str, place: str, /, *, home: Path | None = None) -> int:
    """Make the keys of a place, once, and show their fingerprint; the keys stay where they are.

    Parameters
    ----------
    study
        The study's name, folder or study.toml.
    place
        A site's name, or coordinator.
    home
        The place's private folder; one below your own unless given.
    """
    from fedstats.federations.files import LedgerMismatch  # noqa: PLC0415
    from fedstats.federations.keys import COORDINATOR, Identity, home_of  # noqa: PLC0415

    loaded = load(study)
    if place not in (*loaded.sites, COORDINATOR):
        raise UsageError(
            f"The study {loaded.id} has the places {', '.join((COORDINATOR, *loaded.sites))}; {place!r} is none of them."
        )
    folder = home_of(loaded.id, place, home or "")
    try:
        public = Identity.of(folder, place).public
    except LedgerMismatch as problem:
        raise UsageError(str(problem)) from None
    show(f"{place} {public.fingerprint}")
    show(
        f"The keys lie in {folder} and never leave it. Give the fingerprint to the study's authors, who write it"
    )
    show(f'into study.toml under [keys]: {place} = "{public.fingerprint}"')
    return ExitCode.OK


def sbom(*, lock: Path | None = None) -> int:
    """Print the software bill of materials (CycloneDX JSON): every package of the lock, its version and hashes.

    Parameters
    ----------
    lock
        A hashed lock; requirements/lock.txt of this checkout unless given.
    """
    from fedstats.running.bill_of_materials import bill_of_materials  # noqa: PLC0415

    sys.stdout.write(bill_of_materials(lock or home() / "requirements" / "lock.txt"))
    return ExitCode.OK
