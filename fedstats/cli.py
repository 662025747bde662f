"""The command line: run a study, look at a run, check a site, an exchange or keys, explore.

Everything heavy is imported inside a command, so that ``--help`` answers at once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from fedstats.running.exit_codes import MEANING, ExitCode, UsageError

DEFAULT_STUDY = "nsclc"
_LATEST = "latest"

_CODES = "; ".join(f"{code.value} {meaning}" for code, meaning in MEANING.items())

app = App(
    name="fedstats",
    help="Federated clinical statistics: patients' rows stay at the site, sums over patients travel.",
    help_epilogue=f"Exit codes: {_CODES}.",
    version_flags=[],
    help_format="plaintext",
)


@app.command
def run(
    *,
    study: str | None = None,
    run_id: str | None = None,
    runs: Path = Path("runs"),
    resume: str | None = None,
    limit_minutes: float = 60.0,
    quiet: bool = False,
) -> int:
    """Run a study: every site and the coordinator side by side, then the report.

    Parameters
    ----------
    study
        A study under studies/, or the path of a study's folder or study.toml. [default: nsclc]
    run_id
        Name of the new run; else the study and the time.
    runs
        The folder of all runs.
    resume
        Redo only what is missing: of the run named, or of the study's latest one.
    limit_minutes
        Time limit of each notebook.
    quiet
        Show no progress.
    """
    from fedstats.running.study_run import run_study  # noqa: PLC0415

    if resume is not None and run_id is not None:
        raise UsageError("Give either --resume or --run-id, not both.")
    named = resume if resume != _LATEST else None
    if study is None:
        study = _study_of(runs, named) if named else DEFAULT_STUDY
    return run_study(
        _load(study),
        runs=runs,
        run_id=named if resume is not None else run_id,
        resume=resume is not None,
        limit_seconds=limit_minutes * 60,
        progress=not quiet,
    )


@app.command(name="list")
def list_() -> int:
    """List the studies, and the notebooks with their parameters."""
    from rich.table import Table  # noqa: PLC0415

    from fedstats.running.parameters import declared_parameters  # noqa: PLC0415

    table = Table("study", "title", "sites", box=None, pad_edge=False)
    for name in _known_studies():
        study = _load(name)
        table.add_row(name, study.title, ", ".join(study.sites))
    _show(table)
    for notebook in sorted((_home() / "notebooks").glob("*.ipynb")):
        table = Table("parameter", "type", "default", "", box=None, pad_edge=False, title_justify="left")
        for parameter in declared_parameters(notebook).values():
            table.add_row(parameter.name, parameter.annotation, parameter.default, parameter.help)
        _show(f"\n{notebook.name}")
        _show(table if table.row_count else "no parameters")
    return ExitCode.OK


@app.command
def status(run_id: str | None = None, /, *, runs: Path = Path("runs")) -> int:
    """Show the steps of a run.

    Parameters
    ----------
    run_id
        The run; the latest one unless given.
    runs
        The folder of all runs.
    """
    from rich.table import Table  # noqa: PLC0415

    from fedstats.running.manifest import all_runs  # noqa: PLC0415
    from fedstats.running.progress import duration  # noqa: PLC0415

    known = all_runs(runs)
    chosen = [content for content in known if run_id in {None, _LATEST, content["run"]}]
    if not chosen:
        names = ", ".join(content["run"] for content in known[:10]) or "none"
        raise UsageError(f"There is no run {run_id or _LATEST} in {runs}; there are: {names}.")
    content = chosen[0]
    _show(f"{content['run']}: {content['status']}, started {content['started']}")
    table = Table("notebook", "status", "time", "", box=None, pad_edge=False)
    for name, step in content["steps"].items():
        why = ": ".join(filter(None, (step.get("error"), step.get("message"))))
        time = duration(step["seconds"]) if "seconds" in step else ""
        table.add_row(step.get("label") or name, step["status"], time, why)
    _show(table)
    return ExitCode.OK


@app.command
def check_model(
    *, study: str, site: str, data: Path, profile: str = "strict", analysis: str | None = None
) -> int:
    """Dry-run a study at one site: every judgement of its gate, for the eyes of the site alone.

    Parameters
    ----------
    study
        A study under studies/, or the path of a study's folder or study.toml.
    site
        The site's name, as study.toml lists it.
    data
        The site's CSV file.
    profile
        The site's disclosure profile: a built-in name, or the path of the site's own .toml file.
    analysis
        One analysis alone.
    """
    from fedstats.contract.table_checks import DataError  # noqa: PLC0415
    from fedstats.study import check_model as room  # noqa: PLC0415

    loaded = _load(study)
    try:
        judgements = room.check_model(loaded, loaded.site(site, data, profile), analysis)
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.DATA_INVALID
    except ValueError as error:  # a site, a profile or an analysis that is not there
        raise UsageError(str(error)) from None
    _show(judgements.to_string(index=False, na_rep="", float_format="{:.4g}".format))
    names = room.refused(judgements)
    _show(f"\nRefused: {', '.join(names)}." if names else "\nEvery analysis passes.")
    return ExitCode.RELEASE_REFUSED if names else ExitCode.OK


@app.command
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
    """Check a finished exchange and rebuild its results, without keys and without patients.

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
    found = check(exchange, _load(study), results, home=home or "")
    _show(str(found))
    return ExitCode.OK if found.ok else ExitCode.RELEASE_REFUSED


@app.command
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

    loaded = _load(study)
    if place not in (*loaded.sites, COORDINATOR):
        raise UsageError(
            f"The study {loaded.id} has the places {', '.join((COORDINATOR, *loaded.sites))}; {place!r} is none of them."
        )
    folder = home_of(loaded.id, place, home or "")
    try:
        public = Identity.of(folder, place).public
    except LedgerMismatch as problem:
        raise UsageError(str(problem)) from None
    _show(f"{place} {public.fingerprint}")
    _show(
        f"The keys lie in {folder} and never leave it. Give the fingerprint to the study's authors, who write it"
    )
    _show(f'into study.toml under [keys]: {place} = "{public.fingerprint}"')
    return ExitCode.OK


@app.command
def explore(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Open JupyterLab on the notebooks, on this machine only.

    Parameters
    ----------
    arguments
        Passed on to JupyterLab.
    """
    folder = _home() / "notebooks"
    if not folder.is_dir():
        raise UsageError(f"There is no folder 'notebooks' in {_home()}.")
    from fedstats.running.lab import open_lab  # noqa: PLC0415

    return open_lab(folder, arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those of the process.

    Returns
    -------
    int
        See :mod:`fedstats.running.exit_codes`.
    """
    tokens = _with_latest(list(sys.argv[1:] if arguments is None else arguments))
    try:
        result = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, UsageError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return int(ExitCode.USAGE)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    return int(result or 0)


def _with_latest(tokens: list[str]) -> list[str]:
    """Complete a bare ``--resume``: it means the latest run."""
    completed = []
    for word, following in zip(tokens, [*tokens[1:], "--"], strict=True):
        completed.append(word)
        if word == "--resume" and following.startswith("-"):
            completed.append(_LATEST)
    return completed


def _home() -> Path:
    """The checkout at work: the nearest folder with ``studies`` or ``notebooks``, else our own."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "studies").is_dir() or (folder / "notebooks").is_dir():
            return folder
    return Path(__file__).resolve().parents[1]


def _known_studies() -> list[str]:
    return sorted(path.parent.name for path in (_home() / "studies").glob("*/study.toml"))


def _load(name: str) -> Any:
    """The study of that name or path."""
    known = _known_studies()
    path = _home() / "studies" / name / "study.toml" if name in known else Path(name)
    if path.is_dir():
        path /= "study.toml"
    if not path.is_file():
        raise UsageError(f"There is no study {name!r}; the studies here are: {', '.join(known) or 'none'}.")
    from fedstats.study.definition import Study, StudyError  # noqa: PLC0415

    try:
        return Study.load(path)
    except StudyError as error:
        raise UsageError(str(error)) from None


def _study_of(runs: Path, run_id: str) -> str:
    """The study that a run belongs to."""
    from fedstats.running.manifest import all_runs  # noqa: PLC0415

    known = {content["run"]: content["study"]["id"] for content in all_runs(runs)}
    if run_id not in known:
        raise UsageError(f"There is no run {run_id} in {runs}; there are: {', '.join(known) or 'none'}.")
    return str(known[run_id])


def _show(what: Any) -> None:
    from rich.console import Console  # noqa: PLC0415

    Console().print(what, markup=False, highlight=False, soft_wrap=isinstance(what, str))
