"""The notebooks run with papermill alone, as the README says: no runner, two kinds of site, the same results."""

import json
import re
import shlex
import stat
import threading
from itertools import pairwise

import pytest

import fedstats as fs
from tests.notebooks.checkout import (
    ROOT,
    WAIT,
    copy_study,
    ended,
    half_written,
    hashes,
    in_process_sha256,
    make_checkout,
    papermill,
)

pytestmark = pytest.mark.run

#: Table 1 of age alone takes two rounds, the second of which depends on the first.
TWO_ROUNDS = [
    ('sites = ["site-a", "site-b", "site-c"]', 'sites = ["site-a", "site-b"]'),
    ('variables = ["age", "ph.ecog", "meal.cal"]', 'variables = ["age"]'),
]


def readme_commands():
    """The lines of the README's block that runs notebooks by hand, continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (text for text in blocks if "papermill notebooks/1_site.ipynb" in text)
    return [shlex.split(line) for line in block.replace("\\\n", " ").strip().splitlines()]


def readme_papermill():
    """The README's two papermill commands: the site's, the coordinator's."""
    site, coordinator = (c[1:] for c in readme_commands() if c[0].endswith("papermill"))
    return site, coordinator


def text_of(notebook):
    """Everything that an executed notebook shows."""
    outputs = [o for cell in json.loads(notebook.read_text())["cells"] for o in cell.get("outputs", ())]
    data = ["".join(part) for o in outputs for part in o.get("data", {}).values() if isinstance(part, list)]
    return "\n".join([*data, *("".join(o.get("text", "")) for o in outputs)])


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = make_checkout(tmp_path_factory.mktemp("by hand"))
    (folder / "out").mkdir()
    return folder


@pytest.fixture(scope="module")
def started(checkout):
    """Site A and the coordinator by the README's very commands, site B with our engine, site C without a notebook."""
    site, coordinator = readme_papermill()
    other = [word.replace("site-a", "site-b").replace("site.ipynb", "site-b.ipynb", 1) for word in site]
    other[0] = site[0]
    processes = {
        "site-a": papermill(*site, cwd=checkout),
        "site-b": papermill("--engine", "fedstats", *other, cwd=checkout),
        "coordinator": papermill(*coordinator, cwd=checkout),
    }
    study = fs.Study.load(checkout / "studies" / "lung")
    here = study.site("site-c", checkout / "path" / "to" / "site-c.csv", "teaching")
    serving = threading.Thread(
        target=fs.serve,
        args=(checkout / "path/to/exchange", here),
        kwargs={"wait_seconds": WAIT},
        daemon=True,
    )
    serving.start()
    yield processes
    for process in processes.values():
        with process:  # its pipes are closed, whether or not a test of this worker has read them
            process.kill()


@pytest.fixture(scope="module")
def served(started, attended):  # the attended rounds go on meanwhile
    return {name: ended(process) for name, process in started.items()}


@pytest.fixture(scope="module")
def attended(checkout, started):
    """Preview, then rounds of coordinator and site until there are results; one entry a notebook run."""
    study_file = copy_study(checkout, "two-rounds", *TWO_ROUNDS)
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(text[: text.index("[[curves]]")], encoding="utf-8")
    study, data, exchange = fs.Study.load(study_file), checkout / "path" / "to", checkout / "two rounds"
    other = study.site("site-b", data / "site-b.csv", "teaching")
    common = ("-p", "study_file", str(study_file), "-p", "exchange", str(exchange))
    history = []

    def coordinator():
        results = checkout / "two-rounds.json"
        done = ended(
            papermill(
                "notebooks/2_coordinator.ipynb",
                "out/two-c.ipynb",
                *common,
                "-p",
                "results",
                str(results),
                cwd=checkout,
            )
        )
        history.append(("coordinator", done, hashes(exchange), text_of(checkout / "out" / "two-c.ipynb")))
        return results.exists()

    def site(*more):
        arguments = ("-p", "site", "site-a", "-p", "data_file", str(data / "site-a.csv"), *common, *more)
        done = ended(
            papermill(
                "--engine",
                "fedstats",
                "notebooks/1_site.ipynb",
                "out/two-s.ipynb",
                *arguments,
                "-p",
                "profile",
                "teaching",
                cwd=checkout,
            )
        )
        history.append(("site", done, hashes(exchange), text_of(checkout / "out" / "two-s.ipynb")))

    assert not coordinator()
    site()
    for _ in range(5):
        site("-p", "approve", "True")
        questions = fs.open_questions(exchange, other, study=study.digest)
        fs.send(exchange, other, questions, other.answers(questions))
        if coordinator():
            break
    return history


def runs_of(history, role):
    return [entry[1:] for entry in history if entry[0] == role]


# Served: unattended sites and a coordinator that waits --------------------------------------------


def test_the_readme_makes_the_folder_that_its_commands_write_to():
    folder = readme_papermill()[0][1].split("/")[0]
    assert any(c[0] == "mkdir" and folder in c for c in readme_commands()), f"papermill makes no {folder}/"


def test_the_readme_s_commands_succeed(served):
    for name, done in served.items():
        assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"


def test_served_by_hand_the_results_are_those_of_one_process(checkout, served, tmp_path):
    data = {site: checkout / "path" / "to" / f"{site}.csv" for site in ("site-a", "site-b", "site-c")}
    expected = in_process_sha256(checkout / "studies" / "lung" / "study.toml", data, tmp_path)
    assert hashes(checkout / "out")["results.json"] == expected
    assert expected in text_of(checkout / "out" / "coordinator.ipynb")


def test_served_by_hand_the_account_is_whole(checkout, served):
    ledger = fs.Ledger(checkout / "path" / "to" / "exchange")
    assert list(ledger.verify()) == []
    assert ledger.closed
    numbers = {question.number for question in ledger.questions()}
    assert all(ledger.answered(site) == numbers for site in ledger.head.sites)
    assert half_written(checkout) == []


def test_our_engine_uses_no_tcp(served):
    assert "running over TCP" not in served["site-b"].stderr


def test_files_of_the_exchange_can_be_read_by_the_other_parties(checkout, served):
    """The folder lies on a share: who may read a file there is for the share and the umask to say."""
    exchange = checkout / "path" / "to" / "exchange"
    reference = checkout / "as the umask has it"
    reference.touch()
    wanted = stat.S_IMODE(reference.stat().st_mode)
    modes = {oct(stat.S_IMODE(path.stat().st_mode)) for path in exchange.rglob("*.json")}
    assert modes == {oct(wanted)}


# Attended: look, then send ---------------------------------------------------------------------------


def test_the_coordinator_says_in_one_calm_line_whom_it_waits_for(attended):
    done, _, _ = runs_of(attended, "coordinator")[0]
    assert done.returncode != 0
    line = "Waiting for site-a, site-b to answer question 1 (age by sex). Run this again afterwards."
    assert done.stderr.splitlines().count(line) == 1
    assert "together.py" not in done.stderr  # our own code is nobody's business who waits
    assert "SiteMissing" not in done.stderr


def test_a_preview_shows_what_would_leave_and_sends_nothing(attended):
    done, after, shown = runs_of(attended, "site")[0]
    before = runs_of(attended, "coordinator")[0][1]
    assert done.returncode == 0, done.stderr[-2000:]
    assert after == before
    assert "0 of 1 open questions answered and sent." in shown
    assert "age by sex: number of patients, sum and sum of squares" in shown
    assert "Rule needs" in shown


def test_approved_answers_are_sent_and_nothing_else_changes(attended):
    done, after, shown = runs_of(attended, "site")[1]
    before = runs_of(attended, "coordinator")[0][1]
    assert done.returncode == 0, done.stderr[-2000:]
    assert {name: digest for name, digest in after.items() if name in before} == before
    assert set(after) - set(before) == {"answers/site-a/000001.json", "joins/0001/site-a.json"}
    assert "1 of 1 open questions answered and sent." in shown


def test_rounds_by_hand_end_with_the_results_of_one_process(checkout, attended, tmp_path):
    codes = [done.returncode for done, *_ in runs_of(attended, "coordinator")]
    assert codes == [1, 1, 0]
    data = {site: checkout / "path" / "to" / f"{site}.csv" for site in ("site-a", "site-b")}
    expected = in_process_sha256(checkout / "studies" / "two-rounds" / "study.toml", data, tmp_path)
    assert hashes(checkout)["two-rounds.json"] == expected


def test_a_later_round_changes_no_file_of_an_earlier_one(attended):
    files = [after for _, _, after, _ in attended]
    for earlier, later in pairwise(files):
        assert {name: later.get(name) for name in earlier} == earlier


# What the parameters mean, cell by cell in this process ---------------------------------------------


@pytest.fixture
def cells(checkout, tmp_path):
    """Execute the site's notebook up to a cell, an open question before it; returns its names and the exchange."""
    study = fs.Study.load(checkout / "studies" / "lung")
    exchange = tmp_path / "exchange"
    with pytest.raises(fs.Waiting):
        fs.kaplan_meier(fs.Folder(exchange, study=study), "Surv(time, status) ~ sex")

    def execute(**parameters):
        names = {"In": []}  # IPython's own
        values = {
            "site": "site-a",
            "study_file": str(study.file),
            "data_file": str(checkout / "path" / "to" / "site-a.csv"),
            "exchange": str(exchange),
            "profile": "teaching",
        } | parameters
        for cell in json.loads((checkout / "notebooks" / "1_site.ipynb").read_text())["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), "cell", "exec"), names)
                if "parameters" in cell["metadata"].get("tags", ()):
                    names |= values
        return len(list(exchange.glob("answers/site-a/*.json")))

    return execute


def test_the_cells_send_when_and_only_when_told_to(cells):
    assert cells() == 0
    assert cells(approve=False) == 0
    assert cells(approve=True) == 1


def test_the_egress_folder_keeps_what_has_left_and_nothing_else(cells, tmp_path):
    folder = tmp_path / "egress"
    cells(egress=str(folder))
    assert not folder.exists()  # looked at, not sent
    for approve in (True, False):  # the second time nothing is open any more: what had left has left
        cells(egress=str(folder), approve=approve)
        assert sorted(path.name for path in folder.iterdir()) == ["000001.csv", "summary.csv"]
        assert len((folder / "summary.csv").read_text().splitlines()) == 2


def test_a_site_sees_the_smallest_group_of_patients_behind_each_answer(checkout):
    """An empty group is let out by every rule and says nothing of how close the others came."""
    study = fs.Study.load(checkout / "studies" / "lung")
    here = study.site("site-a", checkout / "path" / "to" / "site-a.csv", "teaching")
    with pytest.raises(fs.Waiting):
        fs.together(fs.Folder(checkout / "to look at", study=study), **study.analyses())
    shown = fs.review(here.answers(fs.open_questions(checkout / "to look at", here)))
    assert len(shown) == 5
    assert (shown["patients"] > 0).all(), shown.to_string()


@pytest.mark.parametrize("typed", ["false", "no", "FALSE"])
def test_a_refusal_to_approve_sends_nothing_however_it_is_spelt(cells, typed):
    """papermill reads ``-p approve false`` as the text 'false', which Python takes for true."""
    try:
        sent = cells(approve=typed)
    except (ValueError, TypeError):  # to say what may be typed is as good
        return
    assert sent == 0


def test_a_mode_that_does_not_exist_is_an_error_that_names_those_that_do(cells):
    with pytest.raises(ValueError, match=r"attended.*serve"):
        cells(mode="servce")
