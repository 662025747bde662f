"""A small study of three invented sites, its tables, and its questions answered in every possible way."""

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

import fedstats as fs
from fedstats.federations.asking import Asking
from fedstats.federations.desk import Desk
from fedstats.federations.envelope import compose, read_envelope
from fedstats.federations.keys import COORDINATOR, HOME_VARIABLE, Identity, home_of

STUDY = """
[study]
id = "small"
title = "A small study"
question = "Does the fit depend on the carrier?"
version = "1"
sites = ["north", "south", "west"]
profile = "none"

[table_one]
by = "sex"
variables = ["age", "ecog"]

[[curves]]
name = "survival_by_sex"
title = "Survival by sex"
formula = "Surv(time, status) ~ sex"

[[models]]
name = "own_baseline"
title = "A baseline hazard at each practice"
kind = "cox"
formula = "Surv(time, status) ~ age + sex + ecog"
strata = "practice"

[[models]]
name = "shared_baseline"
title = "One baseline hazard"
kind = "cox"
formula = "Surv(time, status) ~ age + sex"
baseline = "shared"

[[models]]
name = "response"
title = "Response"
kind = "logistic"
formula = "response ~ age + sex"
"""

#: Two models alone, where many runs are made.
TWO_MODELS = STUDY[: STUDY.index("[table_one]")] + "".join(
    "[[models]]" + entry for entry in STUDY.split("[[models]]")[1:] if "shared" not in entry
)

CODEBOOK = """
[columns.practice]
kind = "label"
[columns.time]
kind = "time"
unit = "months"
[columns.status]
kind = "event"
[columns.age]
kind = "numeric"
range = [18, 110]
centre = 60
edges = [18, 50, 60, 70, 110]
[columns.sex]
kind = "factor"
levels = ["F", "M"]
[columns.ecog]
kind = "factor"
levels = ["0", "1", "2+"]
[columns.response]
kind = "event"
missing = true
[grid]
unit = "months"
candidates = [6, 12]
horizon = 24
"""


def tables(n: int = 70) -> dict[str, pd.DataFrame]:
    """Rows of the three sites: tied times, three practices a site, some responses missing."""
    found = {}
    for i, site in enumerate(("north", "south", "west")):
        random = np.random.default_rng(i)
        size = n + 10 * i
        age = np.round(random.normal(60 + 2 * i, 9, size).clip(30, 90), 1)
        sex = random.choice(["F", "M"], size)
        ecog = random.choice(["0", "1", "2+"], size)
        hazard = 0.06 * np.exp(0.03 * (age - 60) + 0.4 * (sex == "M") + 0.3 * (ecog == "2+"))
        time_to_death = np.ceil(random.exponential(1 / hazard))
        end = random.integers(6, 30, size)
        response = (random.random(size) < 1 / (1 + np.exp(0.04 * (age - 60)))).astype(float)
        response[:4] = np.nan
        found[site] = pd.DataFrame(
            {
                "practice": [f"{site}-{j % 3}" for j in range(size)],
                "time": np.minimum(time_to_death, end),
                "status": (time_to_death <= end).astype(int),
                "age": age,
                "sex": sex,
                "ecog": ecog,
                "response": response,
            }
        )
    return found


def write_study(folder: Path, study: str = STUDY, codebook: str = CODEBOOK) -> Path:
    """The two files of a study; returns ``study.toml``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "codebook.toml").write_text(codebook, encoding="utf-8")
    (folder / "study.toml").write_text(study, encoding="utf-8")
    return folder / "study.toml"


def site_objects(
    study: Any, frames: Mapping[str, pd.DataFrame], policy: Any = None, homes: Path | None = None
) -> dict[str, fs.Site]:
    """The sites, each with its rows behind the study's policy or another; private folders below ``homes``."""
    return {
        name: fs.Site(name, f, study.codebook, policy or study.policy, home=homes / name if homes else "")
        for name, f in frames.items()
    }


@contextmanager
def serving(
    exchange: Path, sites: Mapping[str, fs.Site], study: Any, patience: float = 0.3, egress: Any = ""
) -> Iterator[dict[str, Any]]:
    """Every site answers in a thread of its own until the exchange is closed, or the block ends; gives the egress sheets."""
    sheets: dict[str, Any] = {}
    failed: list[Exception] = []
    over = threading.Event()

    def serve(site: fs.Site) -> None:
        while not over.is_set() and site.name not in sheets:
            try:
                sheets[site.name] = fs.serve(
                    exchange,
                    site,
                    study=study.digest,
                    wait_seconds=patience,
                    egress=egress and egress / site.name,
                )
            except fs.SiteMissing:
                continue
            except Exception as problem:  # noqa: BLE001 (raised again in the test's own thread)
                failed.append(problem)
                return

    threads = [threading.Thread(target=serve, args=(s,), daemon=True) for s in sites.values()]
    for thread in threads:
        thread.start()
    try:
        yield sheets
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
        if failed:
            raise failed[0]


def attended_pass(exchange: Path, sites: Mapping[str, fs.Site], study: Any) -> int:
    """Every site looks at its open questions and sends the answers; how many questions there were."""
    asked = set()
    for site in sites.values():
        questions = fs.open_questions(exchange, site, study=study.digest)
        fs.send(exchange, site, questions, site.answers(questions))
        asked |= {q.number for q in questions}
    return len(asked)


def ask_until_answered(exchange: Path, sites: Mapping[str, fs.Site], study: Any, analysis: Any) -> Any:
    """One analysis by itself, asked again until every site has answered."""
    while True:
        try:
            return analysis(fs.Folder(exchange, study=study))
        except fs.Waiting:
            assert attended_pass(exchange, sites, study)


def attended(exchange: Path, sites: Mapping[str, fs.Site], study: Any, **analyses: Any) -> Any:
    """Ask, let the sites answer, ask again, until done: (results, number of exchanges)."""
    for exchanges in range(100):
        try:
            return fs.together(fs.Folder(exchange, study=study), **analyses), exchanges
        except fs.Waiting:
            attended_pass(exchange, sites, study)
    raise AssertionError("no end in sight")


def files(exchange: Path) -> dict[str, tuple[str, int, int]]:
    """Every question and answer: sha256, inode and time of change."""
    found = {}
    for path in sorted([*exchange.glob("questions/*.json"), *exchange.glob("answers/*/*.json")]):
        state = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found[path.relative_to(exchange).as_posix()] = (digest, state.st_ino, state.st_mtime_ns)
    return found


def coordinator(exchange: Path, study: Any) -> Asking:
    """The coordinator's desk at an exchange."""
    return Asking(exchange, home_of(study.id, COORDINATOR))


def opened_answer(exchange: Path, study: Any, site: str, number: int) -> Any:
    """What a site has answered, as the coordinator reads it."""
    desk = coordinator(exchange, study)
    return desk.answer(site, desk.ledger.questions()[number - 1])


def rewrite(path: Path, change: Any, study: Any) -> None:
    """Change the body of a message as its own writer could, with the right keys."""
    kind = {"questions": "question", "study": "study", "joins": "join", "roster": "roster"}
    message = read_envelope(path, kind.get(path.parent.name, kind.get(path.parent.parent.name, "answer")))
    own = Identity.of(home_of(study.id, message.header["from"]), message.header["from"])
    reader = Identity.of(home_of(study.id, COORDINATOR), COORDINATOR)
    sealed = "sealed" in message.header
    body = message.opened(reader) if sealed else message.body
    change(body)
    header = {k: v for k, v in message.header.items() if k not in ("kind", "from", "format", "sealed")}
    path.write_bytes(compose(own, message.header["kind"], header, body, reader.public if sealed else None))


def kept(exchange: Path, site: fs.Site, number: int) -> Path:
    """The site's own copy of an answer, in its outbox."""
    return Desk(exchange, site).outbox / f"{number:06d}.json"


def question_numbers(exchange: Path) -> list[int]:
    """Numbers of the filed questions."""
    return sorted(int(p.stem) for p in (exchange / "questions").glob("*.json"))


def wait_for_answers(exchange: Path, count: int, limit: float = 30.0) -> None:
    """Return once so many answer files exist."""
    end = time.monotonic() + limit
    while len(list(exchange.glob("answers/*/*.json"))) < count:
        assert time.monotonic() < end, "too few answers came"
        time.sleep(0.002)


# Real processes ------------------------------------------------------------------------------

#: A server that has imported the package once forks the processes, so each starts in milliseconds.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["fedstats.study.definition", "fedstats.federations.answering"])


def coordinate(study_file: Path, exchange: Path, results: Path, wait_seconds: float) -> None:
    """What the coordinator's notebook does."""
    study = fs.Study.load(study_file)
    sites = fs.Folder(exchange, study=study, wait_seconds=wait_seconds)
    fs.save_results(fs.together(sites, **study.analyses()), results, study=study.digest)
    sites.close()


def serve_site(study_file: Path, exchange: Path, name: str, data_file: Path) -> None:
    """What an unattended site's notebook does."""
    study = fs.Study.load(study_file)
    site = study.site(name, data_file, profile="none")
    fs.serve(exchange, site, study=study.digest, wait_seconds=20)


def start_coordinator(here: SimpleNamespace, wait_seconds: float = 20.0) -> Any:
    """A coordinator process that writes ``here.results``."""
    return _start(coordinate, here.study.file, here.exchange, here.results, wait_seconds)


def start_site(here: SimpleNamespace, name: str) -> Any:
    """A site process that serves."""
    return _start(serve_site, here.study.file, here.exchange, name, here.data[name])


def dying(call: str, nth: int, after: bool, target: Any, *arguments: Any) -> None:
    """Run something that is killed at the n-th call of a function of ``os``, before or after it."""
    original, count = getattr(os, call), 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **options)
        if count == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, call, counted)
    target(*arguments)


def start_dying_coordinator(here: SimpleNamespace, call: str, nth: int, after: bool) -> Any:
    """As :func:`start_coordinator`, killed on its way."""
    arguments = (here.study.file, here.exchange, here.results, 20.0)
    return _start(dying, call, nth, after, coordinate, *arguments)


def start_dying_site(here: SimpleNamespace, name: str, call: str, nth: int, after: bool) -> Any:
    """As :func:`start_site`, killed on its way."""
    arguments = (here.study.file, here.exchange, name, here.data[name])
    return _start(dying, call, nth, after, serve_site, *arguments)


def at_home(home: str | None, target: Any, *arguments: Any) -> None:
    """Run something with the private folders of whoever started it: the server was forked earlier."""
    if home is not None:
        os.environ[HOME_VARIABLE] = home
    target(*arguments)


def _start(target: Any, *arguments: Any) -> Any:
    arguments = (os.environ.get(HOME_VARIABLE), target, *arguments)
    process = _PROCESSES.Process(target=at_home, args=arguments, daemon=True)
    process.start()
    return process


def kill(process: Any) -> None:
    """SIGKILL, and wait until it is gone."""
    process.kill()
    process.join(20)
    assert process.exitcode == -9


def finish(*processes: Any) -> None:
    """Wait for processes to end well."""
    for process in processes:
        process.join(60)
    assert [p.exitcode for p in processes] == [0] * len(processes)
