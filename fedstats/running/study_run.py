"""A whole study: its data, sites and coordinator side by side, the report, the page of the run."""

import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fedstats.running import plan
from fedstats.running.exit_codes import DataNotMade, ExitCode, UsageError, exit_code
from fedstats.running.files import sha256_of, write_json
from fedstats.running.guards import only_one, signals_interrupt
from fedstats.running.index_page import write_index
from fedstats.running.manifest import NAME, Manifest, check_run_id, new_run_id, point_latest
from fedstats.running.outcome import Outcome, Step
from fedstats.running.parameters import check_parameters
from fedstats.running.progress import Progress, duration
from fedstats.running.rehearsal import make_data
from fedstats.running.runs import resume_command
from fedstats.running.steps import run_together

#: An hour: a notebook that takes longer waits for something that does not come.
LIMIT_SECONDS = 3600.0
#: What a run is called that has ended with a code; all others have failed.
_STATUS = {ExitCode.OK: "ok", ExitCode.DIFFERS: "differs", ExitCode.INTERRUPTED: "interrupted"}


def run_study(
    study: Any,
    *,
    runs: str | Path = "runs",
    run_id: str | None = None,
    resume: bool = False,
    limit_seconds: float = LIMIT_SECONDS,
    progress: bool = True,
    notebooks: Path | None = None,
) -> int:
    """Run every notebook of a study and write the page of the run.

    Parameters
    ----------
    study : Study
        With ``id``, ``title``, ``file``, ``folder``, ``sites``, ``rehearsal`` and ``files``.
    runs : path
        The folder of all runs.
    run_id : str, optional
        Of a new run, or of the one to resume; else the study and the time, or the study's latest.
    resume : bool
        Redo only what is missing.
    limit_seconds : float
        Wall-clock limit of each notebook.
    progress : bool
        Whether to show what is happening.
    notebooks : Path, optional
        Where the three notebooks are; else the nearest ``notebooks`` folder above the study.

    Returns
    -------
    int
        An :class:`~fedstats.running.exit_codes.ExitCode`.
    """
    try:
        with signals_interrupt():
            run = _Run(study, Path(runs), run_id, notebooks, limit_seconds, resume=resume)
            with only_one(run.folder):
                return int(run.execute(show=progress))
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return int(ExitCode.USAGE)
    except OSError as error:  # the folder of runs cannot be made or written
        sys.stderr.write(f"The run cannot be written: {error.strerror}: {error.filename}.\n")
        return int(ExitCode.USAGE)
    except KeyboardInterrupt:  # before anything was started
        return int(ExitCode.INTERRUPTED)


class _Run:
    """One run under way: its plan, its account, its display."""

    def __init__(
        self,
        study: Any,
        runs: Path,
        run_id: str | None,
        notebooks: Path | None,
        limit_seconds: float,
        *,
        resume: bool,
    ) -> None:
        for site in study.sites:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", site):
                raise UsageError(
                    f"The site name {site!r} cannot name a folder; use letters, digits, - and _."
                )
        if study.rehearsal is None:
            raise UsageError(
                f"The study {study.id} names no rehearsal script, so there are no sites' data to play it with on one machine: "
                "add rehearsal to study.toml, or run the notebooks by hand as the README shows."
            )
        if limit_seconds <= 0:
            raise UsageError(f"The time limit must be positive, not {limit_seconds:g} seconds.")
        self.study, self.runs, self.limit_seconds = study, runs, limit_seconds
        self.run_id = plan.run_to_resume(study, runs, run_id) if resume else _fresh_id(study, runs, run_id)
        if (runs / self.run_id).is_symlink():
            raise UsageError(
                f"{self.run_id} in {runs} is a link to another place; a run has a folder of its own."
            )
        self.folder = (runs / self.run_id).resolve()
        self.plan = plan.Plan(study, self.folder, plan.find_notebooks(study, notebooks), limit_seconds)
        for step in self.plan.all_steps():
            check_parameters(step.notebook, step.given())  # before a folder is made
        self.folder.mkdir(parents=True, exist_ok=True)
        self.manifest = Manifest(self.folder, {"run": self.folder, "study": study.folder})
        self.display = Progress(enabled=False)
        self.outcomes: list[Outcome] = []
        known = {"run": self.run_id, "study": {"id": study.id}}
        self.resume_command = resume_command(known, runs, study.file)

    def execute(self, *, show: bool) -> ExitCode:
        """Run what is not done, and close the account whatever happens."""
        began = time.time()
        (self.folder / "logs").mkdir(exist_ok=True)
        self.manifest.begin(self.run_id, self.study, self.plan.all_steps(), limit_seconds=self.limit_seconds)
        point_latest(self.runs, self.run_id)
        self._page()
        why = ""
        try:
            with Progress(enabled=show) as self.display:
                code = self._stages()
        except KeyboardInterrupt:
            code, why = ExitCode.INTERRUPTED, "It was interrupted."
        except DataNotMade as error:
            code, why = ExitCode.DATA_INVALID, str(error)
        # The outermost boundary: a bug of ours must still leave a closed account and a page.
        except Exception as error:  # noqa: BLE001
            (self.folder / "logs" / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
            code, why = ExitCode.BUG, f"Unexpected {type(error).__name__}; the details are in logs/error.txt."
        status = _STATUS.get(code, "failed")
        self.manifest.end(status, code)
        self._page()
        self._last_words(code, why, time.time() - began)
        return code

    def _stages(self) -> ExitCode:
        self.plan.make_folders()
        # rows that failed validation are made again, though their script is the same: it may read what was mended
        refused = any(step.get("error") == "DataError" for step in self.manifest.content["steps"].values())
        if self.study.rehearsal is not None and make_data(
            self.study, self.folder, self.manifest, self.limit_seconds, refused
        ):
            self.display.say("The data of the rehearsal were made.")
        coordinator, sites = self.plan.coordinator, self.plan.sites
        coordinator_done = self.manifest.is_done(coordinator)
        # A coordinator at work needs every site to answer; one that is done needs none.
        self._execute(
            [*sites, coordinator], done=lambda step: coordinator_done and self.manifest.is_done(step)
        )
        if self.manifest.is_done(coordinator):
            self._execute([self.plan.report], done=self.manifest.is_done)
            self._export()
        differing = self.plan.differing() if self.manifest.is_done(self.plan.report) else []
        self.manifest.content["differing"] = differing
        return exit_code(self.outcomes, differing)

    def _execute(self, steps: Sequence[Step], done: Callable[[Step], bool]) -> None:
        todo = []
        for step in steps:
            if done(step):
                self.display.done_before(step.name, step.label)
            else:
                todo.append(step)
                self.display.add(step.name, step.label)
                self.plan.reopen(step)
                self.manifest.step_started(step)
        self._page()
        if todo:
            by_name = {step.name: step for step in todo}
            run_together(
                todo,
                self.folder / "logs",
                self.display.event,
                lambda outcome: self._finished(by_name[outcome.name], outcome),
                limit_seconds=self.limit_seconds,
            )

    def _finished(self, step: Step, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if not outcome.ok and step is not self.plan.report:
            # Whoever waits for this one can stop; the reason in full stays with the site.
            write_json(
                self.plan.absent_file(step),
                {"site": step.parameters.get("site", step.name), "reason": "notebook failed"},
            )
        self.manifest.step_finished(step, outcome)
        self.display.finished(outcome)
        self._page()

    def _export(self) -> None:
        """Turn executed notebooks into pages: the report, and one for each site that stays there."""
        for step, page, title in self.plan.pages():
            source, name = sha256_of(step.output), page.relative_to(self.folder).as_posix()
            record = self.manifest.content["reports"].get(name)
            if source is None or record == {"from": source, "sha256": sha256_of(page)}:
                continue
            from fedstats.reporting.html import export_html  # noqa: PLC0415 (nbconvert takes seconds to import)

            self.display.say(f"Writing {name}")
            export_html(step.output, page, title=title)
            self.manifest.content["reports"][name] = {"from": source, "sha256": sha256_of(page)}
            self.manifest.save()

    def _page(self) -> None:
        write_index(self.folder, self.manifest.content, self.resume_command)

    def _last_words(self, code: ExitCode, why: str, seconds: float) -> None:
        here = Path.cwd()
        shown = self.folder.relative_to(here) if self.folder.is_relative_to(here) else self.folder
        if code is ExitCode.OK:
            sys.stdout.write(f"Finished in {duration(seconds)}: {shown / 'reports' / 'report.html'}\n")
            return
        if code is ExitCode.DIFFERS:
            listed = "; ".join(self.manifest.content["differing"])
            sys.stderr.write(
                f"Finished in {duration(seconds)}, and these analyses differ from the pooled rows by more than the tolerance: {listed}. "
                f"See {shown / 'reports' / 'report.html'}, under 'Federated against pooled'.\n"
            )
            return
        labels = {step.name: step.label for step in self.plan.all_steps()}
        failed = [outcome for outcome in self.outcomes if outcome.status not in {"ok", "stopped"}]
        if not why and failed:
            first = min(failed, key=lambda outcome: outcome.ended)
            why = f"{labels[first.name].capitalize()} {first.status}: {first.sentence()}"
            if first.error == "DataError" and self.study.rehearsal is not None:
                why = f"{why.rstrip('.')}. The rows of this run are written by {self.study.rehearsal.name}: correct that"
        why += "" if why.endswith((".", "?", "!", "…")) else "."
        sys.stderr.write(f"{why} See {shown / 'index.html'}; go on with: {self.resume_command}\n")


def _fresh_id(study: Any, runs: Path, run_id: str | None) -> str:
    if run_id is None:
        return new_run_id(study.id, runs)
    if (runs / check_run_id(run_id) / NAME).exists():
        raise UsageError(
            f"There is a run {run_id} already: go on with --resume {run_id}, or take another id."
        )
    return run_id
