"""Which notebooks a study's run consists of, with which parameters, and where everything lands."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fedstats.running.exit_codes import UsageError
from fedstats.running.files import POOLED_CHECK, read_json
from fedstats.running.manifest import NAME, check_run_id, remembered_study, study_files
from fedstats.running.outcome import Step
from fedstats.running.provenance import HOME
from fedstats.running.rehearsal import site_data, site_folder
from fedstats.running.runs import all_runs

SITE, COORDINATOR, REPORT = "1_site.ipynb", "2_coordinator.ipynb", "3_report.ipynb"
#: Within a run's folder.
RESULTS, COORDINATOR_HOME = "coordinator/results.json", "coordinator/private"


class Plan:
    """The steps of a run.

    Attributes
    ----------
    sites : list of Step
        One a site; they answer while the coordinator asks, and cannot end without it.
    coordinator, report : Step
    """

    def __init__(self, study: Any, folder: Path, notebooks: Path, limit_seconds: float) -> None:
        self.study, self.folder, self.notebooks = study, folder, notebooks
        self.exchange = folder / "exchange"
        self.results = folder / RESULTS
        self.coordinator_home = folder / COORDINATOR_HOME
        # Waiting ends before the wall-clock limit does: then the notebook itself can say for whom.
        self._wait_seconds = int(max(limit_seconds - 60, limit_seconds / 2, 1))
        self.sites = [self._site(site) for site in study.sites]
        self.coordinator = self._coordinator()
        self.report = self._report()

    def all_steps(self) -> list[Step]:
        """Every step, in the order of the display."""
        return [*self.sites, self.coordinator, self.report]

    def make_folders(self) -> None:
        """Make the folders of the run; what is private is closed to other users."""
        for site in self.study.sites:
            for part in ("notebooks", "private"):
                (site_folder(self.folder, site) / part).mkdir(parents=True, exist_ok=True)
            site_folder(self.folder, site).chmod(0o700)  # its notebook shows what the gate has not seen
            (site_folder(self.folder, site) / "private").chmod(0o700)
        self.coordinator_home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (self.exchange, self.results.parent, self.folder / "reports", self.folder / "logs"):
            path.mkdir(parents=True, exist_ok=True)

    def reopen(self, step: Step) -> None:
        """Take back what the exchange says of an earlier attempt of a step."""
        self.absent_file(step).unlink(missing_ok=True)
        if step is self.coordinator:  # a site that starts before it would believe that all is done
            (self.exchange / "closed.json").unlink(missing_ok=True)
        if step is self.report:
            (self.folder / POOLED_CHECK).unlink(missing_ok=True)

    def differing(self) -> list[str]:
        """Analyses that the report found to differ from the pooled rows by more than the tolerance; none where it compared nothing."""
        found = read_json(self.folder / POOLED_CHECK)
        return [str(name) for name in found["differing"]] if isinstance(found, dict) else []

    def absent_file(self, step: Step) -> Path:
        """The file that tells the others that a step has failed and will not answer."""
        return self.exchange / "absent" / f"{step.parameters.get('site', step.name)}.json"

    def pages(self) -> Iterator[tuple[Step, Path, str]]:
        """Executed notebooks that become HTML: step, page, title."""
        yield self.report, self.folder / "reports" / "report.html", self.study.title
        for step in self.sites:
            site = step.parameters["site"]
            yield (
                step,
                site_folder(self.folder, site) / "private" / "site.html",
                f"{self.study.title}: {site}",
            )

    def _site(self, site: str) -> Step:
        parameters: dict[str, Any] = {
            "site": site,
            "study_file": self.study.file,
            "exchange": self.exchange,
            "home": site_folder(self.folder, site) / "private",
            "mode": "serve",
            "profile": self.study.profile,  # played on one machine, every site takes the study's own
            "wait_seconds": self._wait_seconds,
            "egress": site_folder(self.folder, site) / "private" / "egress",
        }
        inputs = tuple(self.study.files)
        if self.study.rehearsal is not None:  # otherwise the site's own settings know where its rows lie
            parameters["data_file"] = site_data(self.study, self.folder, site)
            inputs += (site_data(self.study, self.folder, site),)
        return Step(
            name=f"site-{site}",
            notebook=self.notebooks / SITE,
            parameters=parameters,
            output=site_folder(self.folder, site) / "notebooks" / SITE,
            inputs=inputs,
            needs=("coordinator",),
            label=f"site {site}",
        )

    def _coordinator(self) -> Step:
        return Step(
            name="coordinator",
            notebook=self.notebooks / COORDINATOR,
            parameters={
                "study_file": self.study.file,
                "exchange": self.exchange,
                "home": self.coordinator_home,
                "results": self.results,
                "wait_seconds": self._wait_seconds,
            },
            output=self.results.parent / COORDINATOR,
            inputs=tuple(self.study.files),
            produces=(self.results,),
            label="coordinator",
        )

    def _report(self) -> Step:
        rehearsal = self.study.rehearsal is not None
        pooled = [site_data(self.study, self.folder, s) for s in self.study.sites] if rehearsal else []
        return Step(
            name="report",
            notebook=self.notebooks / REPORT,
            parameters={
                "study_file": self.study.file,
                "results": self.results,
                "exchange": self.exchange,
                "home": self.coordinator_home,
                "pooled_data": pooled,
                "run_folder": self.folder,
            },
            output=self.folder / "reports" / REPORT,
            inputs=(*self.study.files, self.results, *pooled),
            label="report",
        )


def find_notebooks(study: Any, given: Path | None = None) -> Path:
    """The folder with the three notebooks: as given, or the nearest one above the study.

    Raises
    ------
    UsageError
        When there is none, or a notebook is missing.
    """
    near = [folder / "notebooks" for folder in (study.folder.resolve(), *study.folder.resolve().parents)]
    for folder in [given] if given is not None else [*near, HOME / "notebooks"]:
        if (folder / SITE).is_file():
            missing = [name for name in (COORDINATOR, REPORT) if not (folder / name).is_file()]
            if missing:
                raise UsageError(f"The notebook {missing[0]} is missing from {folder}.")
            return folder.resolve()
    raise UsageError(f"There is no folder 'notebooks' with {SITE} at or above the study {study.id}.")


def run_to_resume(study: Any, runs: Path, run_id: str | None) -> str:
    """The id of the run to go on with: as given, or the latest one of the study.

    Raises
    ------
    UsageError
        When there is no such run, or it belongs to another study or to other files of a study of that name.
    """
    known = all_runs(runs)
    by_id = {content["run"]: content for content in known}
    if run_id is None:
        mine = [content["run"] for content in known if content["study"]["id"] == study.id]
        if not mine:
            raise UsageError(f"There is no run of the study {study.id} in {runs} to go on with.")
        run_id = str(mine[0])
    if not (runs / check_run_id(run_id) / NAME).is_file():
        names = ", ".join(content["run"] for content in known[:10]) or "none"
        raise UsageError(f"There is no run {run_id} in {runs}; there are: {names}.")
    content = by_id.get(run_id)
    if content is not None and content["study"]["id"] != study.id:
        raise UsageError(f"The run {run_id} is one of the study {content['study']['id']}, not of {study.id}.")
    if content is not None:
        _check_same_files(study, content)
    return run_id


def run_folder(runs: Path, run_id: str | None) -> tuple[Path, str]:
    """The folder of a run (the latest one unless named) and its study, as :func:`remembered_study` says.

    Raises
    ------
    UsageError
        There is no such run.
    """
    known = {content["run"]: content["study"] for content in all_runs(runs)}
    chosen = next(iter(known), "") if run_id is None or run_id == "latest" else run_id
    if chosen not in known:
        raise UsageError(
            f"There is no run {run_id or 'latest'} in {runs}; there are: {', '.join(known) or 'none'}."
        )
    return runs / chosen, remembered_study(known[chosen])


def _check_same_files(study: Any, content: Mapping[str, Any]) -> None:
    """A run goes on with the files that it began with: its answers name their digest, its data were made for them."""
    recorded = content["study"].get("files", {})
    now = study_files(study)
    changed = sorted(name for name in now if recorded.get(name) != now[name])
    if changed:
        raise UsageError(
            f"The run {content['run']} was begun with another {' and '.join(changed)} than that of the study "
            f"{study.id} here: give --study with the path of the study it belongs to, or start a new run."
        )
