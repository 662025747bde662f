"""Whole runs of the lung study through the command line: one left in peace, one killed three times over."""

import json
import os
import re
import shlex
import signal
import time
from types import SimpleNamespace

import psutil
import pytest

import fedstats as fs
from fedstats.cli import main
from fedstats.federations.keys import HOME_VARIABLE
from tests.browser import page_checks
from tests.notebooks.checkout import (
    PATIENCE,
    copy_study,
    ended,
    fedstats,
    half_written,
    hashes,
    in_process_sha256,
    kill_tree,
    make_checkout,
)

pytestmark = pytest.mark.run

#: Answers of one site after which somebody is killed; a complete exchange has 24 questions.
SOME = 3


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("a run"))


def account(run):
    """What a run says of itself: its manifest, and each step's status."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    return manifest, {name: step["status"] for name, step in manifest["steps"].items()}


def data_of(checkout, sites):
    return {site: checkout / "path" / "to" / f"{site}.csv" for site in sites}


# Left in peace ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(checkout):
    home = checkout / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        done = ended(fedstats("run", "--study", "lung", "--run-id", "one", cwd=checkout))
    assert done.returncode == 0, done.stderr[-2000:]
    run = checkout / "runs" / "one"
    return SimpleNamespace(done=done, run=run, home=home, before=hashes(run))


def test_a_run_ends_with_the_path_of_its_report(checkout, finished):
    found = re.fullmatch(r"Finished in .*: (\S+)\n", finished.done.stdout)
    assert found
    assert (checkout / found[1]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (checkout / "runs" / "latest").resolve() == finished.run.resolve()


def test_a_run_has_the_results_of_one_process(checkout, finished, tmp_path):
    study_file = checkout / "studies" / "lung" / "study.toml"
    expected = in_process_sha256(study_file, data_of(checkout, ("site-a", "site-b", "site-c")), tmp_path)
    assert finished.before["coordinator/results.json"] == expected


def test_a_run_s_manifest_says_ok_and_names_what_was_written_by_its_hash(finished):
    manifest, statuses = account(finished.run)
    assert (manifest["status"], manifest["exit_code"]) == ("ok", 0)
    assert set(statuses.values()) == {"ok"}
    assert len(statuses) == 5
    for step in manifest["steps"].values():
        for path, digest in step["outputs"].items():
            assert finished.before[path.removeprefix("<run>/")] == digest
    for path, report in manifest["reports"].items():
        assert finished.before[path] == report["sha256"]


def test_a_run_s_page_leads_to_files_that_are_there(finished):
    page = (finished.run / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"#]+)"', page)
    assert "reports/report.html" in links
    assert [link for link in links if not (finished.run / link).is_file()] == []
    assert "5 of 5 notebooks finished" in page


def test_a_run_leaves_no_machine_s_path_where_it_would_travel(checkout, finished):
    travels = ["manifest.json", "index.html", "reports/report.html", "coordinator/results.json"]
    folders = ("exchange/", "reports/", "coordinator/")
    travels += [name for name in finished.before if name.startswith(folders) or name.endswith(".spec.json")]
    travels += [name for name in finished.before if name.endswith(".ipynb")]
    texts = {name: (finished.run / name).read_text(encoding="utf-8") for name in travels}
    assert {"reports/3_report.ipynb", "coordinator/2_coordinator.ipynb", "logs/report.spec.json"} <= set(
        texts
    )
    assert [name for name, text in texts.items() if str(checkout) in text] == []


def test_an_executed_notebook_says_by_relative_paths_what_it_was_given(finished):
    """Whoever opens it where it lies can run it again."""
    name = finished.run / "reports" / "3_report.ipynb"
    told = json.loads(name.read_text(encoding="utf-8"))["metadata"]["papermill"]
    assert told["parameters"]["results"] == "../coordinator/results.json"
    assert told["parameters"]["run_folder"] == ".."
    assert told["output_path"] == "3_report.partial.ipynb"
    assert (name.parent / told["input_path"]).is_file()
    assert (name.parent / told["parameters"]["study_file"]).is_file()


def test_a_run_keeps_everything_in_its_own_folder(finished):
    assert not finished.home.exists()


def test_a_run_leaves_nothing_half_written(finished):
    assert half_written(finished.run) == []
    assert list(fs.Ledger(finished.run / "exchange").verify()) == []
    for events in finished.run.glob("logs/*.events.jsonl"):
        pids = [json.loads(line).get("pid") for line in events.read_text().splitlines()]
        assert not [pid for pid in pids if pid and alive(pid)]


def test_going_on_with_a_finished_run_is_quick_and_redoes_nothing(checkout, finished):
    began = time.monotonic()
    done = ended(fedstats("run", "--study", "lung", "--resume", cwd=checkout))
    assert done.returncode == 0, done.stderr[-2000:]
    assert time.monotonic() - began < 60  # a quiet machine takes three seconds, a whole run ten times that
    told = ("manifest.json", "index.html")
    after = {name: digest for name, digest in hashes(finished.run).items() if name not in told}
    assert after == {name: digest for name, digest in finished.before.items() if name not in told}
    assert account(finished.run)[0]["status"] == "ok"


@pytest.mark.browser
def test_every_page_of_a_run_keeps_what_a_page_must(finished):
    """Narrow and dark, the harder half; the sample report is looked at in every way elsewhere."""
    with page_checks.chromium() as browser:
        for page in ("index.html", "reports/report.html", "sites/site-a/private/site.html"):
            page_checks.check_size(finished.run / page)
            with page_checks.opened(browser, finished.run / page, width=390, scheme="dark") as visit:
                page_checks.check_locked(visit)
                page_checks.check_outline(visit)
                page_checks.check_images(visit)
                page_checks.check_fits(visit)
                page_checks.check_accessible(visit)
                page_checks.check_quiet(visit)


# Killed ------------------------------------------------------------------------------------------------


def alive(pid):
    """Whether a process runs; one that has ended and waits to be noticed does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(run, site="site-a"):
    return len(list((run / "exchange" / "answers" / site).glob("??????.json")))


def kernel(run, step):
    """The process of a step's kernel in the attempt under way."""
    events = (run / "logs" / f"{step}.events.jsonl").read_text(encoding="utf-8").splitlines()
    return next(event["pid"] for event in map(json.loads, events) if event["event"] == "kernel")


def attempt(checkout, run, kill, *arguments):
    """Begin or go on, let some more answers come, kill; what was left behind when the run had ended."""
    known = answers(run)
    process = fedstats("run", *arguments, cwd=checkout)
    try:
        end = time.monotonic() + PATIENCE
        while answers(run) < known + SOME:
            assert process.poll() is None, process.communicate()[1][-2000:]
            assert time.monotonic() < end, "no answers came"
            time.sleep(0.002)
        killed = kill(run)
        done = ended(process)
    except BaseException:
        kill_tree(process.pid)
        raise
    manifest, statuses = account(run)
    return SimpleNamespace(
        done=done,
        manifest=manifest,
        statuses=statuses,
        page=(run / "index.html").read_text(encoding="utf-8"),
        exchange=hashes(run / "exchange"),
        results=(run / "coordinator" / "results.json").exists(),
        left=[pid for pid in killed if alive(pid)],
        files=hashes(run),
    )


def kill_coordinator_process(run):
    """Its kernel is halted first, so that it cannot finish behind the back of its dead parent."""
    pid = kernel(run, "coordinator")
    os.kill(pid, signal.SIGSTOP)
    parent = psutil.Process(pid).ppid()
    os.kill(parent, signal.SIGKILL)
    return [pid, parent]


def kill_coordinator_kernel(run):
    pid = kernel(run, "coordinator")
    os.kill(pid, signal.SIGKILL)
    return [pid]


def kill_site_kernel(run):
    pid = kernel(run, "site-site-a")
    os.kill(pid, signal.SIGKILL)
    return [pid]


@pytest.fixture(scope="module")
def killed(checkout):
    """Two sites; the coordinator's process is killed, then its kernel, then a site's kernel; then all goes well."""
    study_file = copy_study(
        checkout,
        "two-sites",
        ('id = "lung"', 'id = "two-sites"'),
        ('sites = ["site-a", "site-b", "site-c"]', 'sites = ["site-a", "site-b"]'),
    )
    run = checkout / "runs" / "killed"
    first = attempt(checkout, run, kill_coordinator_process, "--study", "two-sites", "--run-id", "killed")
    second = attempt(checkout, run, kill_coordinator_kernel, "--resume", "killed")
    third = attempt(checkout, run, kill_site_kernel, "--resume", "killed")
    last = ended(fedstats("run", "--resume", "killed", cwd=checkout))
    return SimpleNamespace(run=run, study_file=study_file, kills=[first, second, third], last=last)


def test_a_kill_ends_a_run_with_2_and_a_status_that_says_so(killed):
    for kill, step in zip(killed.kills, ["coordinator", "coordinator", "site-site-a"], strict=True):
        assert kill.done.returncode == 2
        assert kill.statuses[step] == "killed"
        assert (kill.manifest["status"], kill.manifest["exit_code"]) == ("failed", 2)
        assert "Traceback" not in kill.done.stderr
        last = kill.done.stderr.strip().splitlines()[-1]
        label = kill.manifest["steps"][step]["label"]
        assert last.startswith(f"{label.capitalize()} killed: cell ")
        assert "was killed" in last
        assert last.endswith("go on with: python3 study.py run --resume killed")
        assert "run --resume killed" in kill.page


def test_a_kill_leaves_no_results_no_report_and_no_process(killed):
    for kill in killed.kills:
        assert not kill.results
        assert not [name for name in kill.files if name.startswith("reports/")]
        assert not [n for n in kill.files if n.endswith((".tmp", ".partial.ipynb")) or "/." in n]
        assert kill.left == []


def test_a_kill_keeps_the_other_sites_notebooks_and_answers(killed):
    for kill in killed.kills:
        assert [n for n in kill.files if n.startswith("sites/site-b/notebooks/1_site")]
    third = killed.kills[2]
    assert [name for name in third.exchange if name.startswith("answers/site-b/")]
    assert third.statuses["site-site-b"] != "killed"  # it heard that the others had gone, and left


def test_answers_that_were_there_are_never_written_again(killed):
    final = hashes(killed.run / "exchange")
    for kill in killed.kills:
        kept = {n: d for n, d in kill.exchange.items() if n.startswith(("answers/", "questions/", "study"))}
        assert len(kept) > SOME
        assert {name: final.get(name) for name in kept} == kept


def test_killed_three_times_a_run_goes_on_to_the_results_of_one_process(checkout, killed, tmp_path):
    assert killed.last.returncode == 0, killed.last.stderr[-2000:]
    expected = in_process_sha256(killed.study_file, data_of(checkout, ("site-a", "site-b")), tmp_path)
    assert hashes(killed.run / "coordinator")["results.json"] == expected
    manifest, statuses = account(killed.run)
    assert (manifest["status"], set(statuses.values())) == ("ok", {"ok"})
    assert len(manifest["resumed"]) == 3
    assert (killed.run / "reports" / "report.html").is_file()


def test_killed_three_times_every_question_is_asked_once_and_in_order(killed):
    ledger = fs.Ledger(killed.run / "exchange")
    assert list(ledger.verify()) == []
    numbers = [int(path.stem) for path in sorted((ledger.folder / "questions").glob("*.json"))]
    assert numbers == list(range(1, len(numbers) + 1))
    digests = [question.query.digest() for question in ledger.questions()]
    assert len(set(digests)) == len(digests)
    assert all(ledger.answered(site) == set(numbers) for site in ("site-a", "site-b"))
    assert half_written(killed.run) == []


def test_killed_three_times_a_site_s_egress_sheet_has_a_line_for_every_answer(killed):
    for site in ("site-a", "site-b"):
        sheet = (killed.run / "sites" / site / "private" / "egress" / "summary.csv").read_text(
            encoding="utf-8"
        )
        assert len(sheet.splitlines()) - 1 == answers(killed.run, site)


# The command that a stopped run names ---------------------------------------------------------------


def test_the_command_to_go_on_works_for_a_study_outside_the_checkout_too(
    checkout, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(checkout)
    study_file = copy_study(
        checkout, "mine", ('id = "lung"', 'id = "mine"'), ('"make_data.py"', '"not_there.py"')
    )
    study_file.parent.rename(tmp_path / "folder of mine")
    study, runs = tmp_path / "folder of mine", tmp_path / "runs of mine"
    assert main(["run", "--study", str(study), "--runs", str(runs), "--run-id", "x", "--quiet"]) == 3
    command = capsys.readouterr().err.split("go on with: ")[1]
    words = shlex.split(command)
    assert words[:3] == ["python3", "study.py", "run"]
    code = main([*words[2:], "--quiet"])
    said = capsys.readouterr().err
    assert (code, said.startswith("The study's data are made by not_there.py")) == (3, True), said
