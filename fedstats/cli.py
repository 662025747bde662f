"""The command line: run a study, look at a run, check a site, an exchange or keys, explore.

Everything heavy is imported inside a command, so that ``--help`` answers at once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from fedstats.cli_checks import check_model, keys, sbom, verify
from fedstats.cli_data import cohort, feasibility, validate
from fedstats.cli_studies import home, known_studies, load, show
from fedstats.federations.files import FolderTrouble
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
        Redo only what is missing: of the run named, of the latest one of --study, or of the latest one that
        has not finished.
    limit_minutes
        Time limit of each notebook.
    quiet
        Show no progress.
    """
    from fedstats.running.study_run import run_study  # noqa: PLC0415

    if resume is not None and run_id is not None:
        raise UsageError("Give either --resume or --run-id, not both.")
    named = resume if resume != _LATEST else None
    if study is None and resume == _LATEST:
        named = _unfinished(runs)
        sys.stderr.write(f"Going on with the run {named}.\n")
    if study is None:
        study = _study_of(runs, named) if named else DEFAULT_STUDY
    return run_study(
        load(study),
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
    for name in known_studies():
        study = load(name)
        table.add_row(name, study.title, ", ".join(study.sites))
    show(table)
    for notebook in sorted((home() / "notebooks").glob("*.ipynb")):
        table = Table("parameter", "type", "default", "", box=None, pad_edge=False, title_justify="left")
        for parameter in declared_parameters(notebook).values():
            table.add_row(parameter.name, parameter.annotation, parameter.default, parameter.help)
        show(f"\n{notebook.name}")
        show(table if table.row_count else "no parameters")
    return ExitCode.OK


@app.command
def status(run_id: str | None = None, /, *, runs: Path = Path("runs")) -> int:
    """Show the steps of a run; the exit code is the run's own.

    Parameters
    ----------
    run_id
        The run; the latest one unless given.
    runs
        The folder of all runs.
    """
    from rich.table import Table  # noqa: PLC0415

    from fedstats.running.progress import duration  # noqa: PLC0415
    from fedstats.running.runs import all_runs, resume_command  # noqa: PLC0415

    known = all_runs(runs)
    chosen = [content for content in known if run_id in {None, _LATEST, content["run"]}]
    if not chosen:
        names = ", ".join(content["run"] for content in known[:10]) or "none"
        raise UsageError(f"There is no run {run_id or _LATEST} in {runs}; there are: {names}.")
    content = chosen[0]
    show(f"{content['run']}: {content['status']}, started {content['started']}")
    table = Table("notebook", "status", "time", "", box=None, pad_edge=False)
    for name, step in content["steps"].items():
        why = ": ".join(filter(None, (step.get("error"), step.get("message"))))
        time = duration(step["seconds"]) if "seconds" in step else ""
        table.add_row(step.get("label") or name, step["status"], time, why)
    show(table)
    if content["exit_code"] == ExitCode.DIFFERS:
        show(f"Differs from the pooled rows by more than the tolerance: {'; '.join(content['differing'])}")
    elif content["exit_code"]:
        show(f"Go on with: {resume_command(content, runs)}")
    return content["exit_code"] or ExitCode.OK


for command in (check_model, validate, cohort, feasibility, verify, keys, sbom):
    app.command(command)


@app.command
def explore(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Open JupyterLab on the notebooks, on this machine only.

    Parameters
    ----------
    arguments
        Passed on to JupyterLab.
    """
    folder = home() / "notebooks"
    if not folder.is_dir():
        raise UsageError(f"There is no folder 'notebooks' in {home()}.")
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
    except (CycloptsError, UsageError, FolderTrouble) as error:
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


def _unfinished(runs: Path) -> str:
    """The newest run, of whatever study, that has neither finished nor is at work."""
    from fedstats.running.runs import all_runs  # noqa: PLC0415

    for content in all_runs(runs):
        if content["status"] not in {"ok", "differs", "running"}:
            return str(content["run"])
    raise UsageError(f"There is no unfinished run in {runs}; name the run to look at again: --resume RUN.")


def _study_of(runs: Path, run_id: str) -> str:
    """The study that a run belongs to: its file as the run remembers it, else its name."""
    from fedstats.running.manifest import remembered_study  # noqa: PLC0415
    from fedstats.running.runs import all_runs  # noqa: PLC0415

    known = {content["run"]: content["study"] for content in all_runs(runs)}
    if run_id not in known:
        raise UsageError(f"There is no run {run_id} in {runs}; there are: {', '.join(known) or 'none'}.")
    return remembered_study(known[run_id])
