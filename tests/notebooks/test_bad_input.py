"""What is wrong is said in one sentence, with the right exit code, before or instead of a half-written result."""

import html
import json
import re
import shutil

import pandas as pd
import pytest

from fedstats.cli import main
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.running.parameters import declared_parameters
from tests.notebooks.checkout import (
    ROOT,
    copy_study,
    ended,
    fedstats,
    half_written,
    hashes,
    make_checkout,
    papermill,
)

#: A rehearsal that hands out the files that lie beside it.
HAND_OUT = """
import shutil, sys
from pathlib import Path
shutil.copytree(Path(__file__).parent / "data", sys.argv[2], dirs_exist_ok=True)
"""
REHEARSAL = ('rehearsal = "make_data.py"', 'rehearsal = "hand_out.py"')

#: Site A's faults, all in one file: cell by cell (row, column, what is there).
PLANTED = [(0, "sex", "unknown"), (1, "age", "sixty"), (2, "time", "-5"), (3, "status", "2")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("bad input"))


def hand_out(checkout, name, **files):
    """A study whose rehearsal writes these texts, site by site; others are as in the lung study."""
    study_file = copy_study(checkout, name, REHEARSAL)
    data = study_file.parent / "data"
    shutil.copytree(checkout / "path" / "to", data)
    (study_file.parent / "hand_out.py").write_text(HAND_OUT)
    for site, text in files.items():
        path = data / f"{site.replace('_', '-')}.csv"
        path.unlink()
        if text is not None:
            path.write_text(text)
    return study_file


def with_cells(checkout, *cells):
    """Site A's table with some cells overwritten, as text."""
    frame = pd.read_csv(checkout / "path" / "to" / "site-a.csv", dtype=str, keep_default_na=False)
    for row, column, value in cells:
        frame.loc[row, column] = value
    return frame.to_csv(index=False)


def run_in_this_process(checkout, capsys, study, *more):
    """``fedstats run`` in a checkout; its exit code and what it wrote on stderr."""
    code = main(["run", "--study", str(study), "--runs", str(checkout / "runs"), "--quiet", *more])
    said = capsys.readouterr()
    assert said.out == ""
    return code, said.err


def assert_one_sentence(said):
    """One line that ends, and nothing of the machinery in it."""
    assert said.count("\n") == 1
    assert said.rstrip().endswith((".", "?", "!"))
    machinery = (
        r"Traceback|Error\b|object (has|is) no|unpack|unsupported operand|not iterable|\bNone\b|<class"
    )
    assert not re.search(machinery, said), said


# Data that do not keep to the codebook -------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty(checkout):
    """One run with three bad files: bad cells at A, a renamed column at B, nothing at all at C."""
    renamed = (checkout / "path" / "to" / "site-b.csv").read_text().replace("ph.ecog", "ecog", 1)
    study_file = hand_out(
        checkout, "faulty", site_a=with_cells(checkout, *PLANTED), site_b=renamed, site_c=""
    )
    done = ended(fedstats("run", "--study", str(study_file.parent), "--run-id", "faulty", cwd=checkout))
    run = checkout / "runs" / "faulty"
    page = html.unescape((run / "index.html").read_text(encoding="utf-8"))
    return done, run, page


@pytest.mark.run
def test_bad_data_end_a_run_with_3_and_one_sentence_that_says_how_to_go_on(faulty):
    done, _, _ = faulty
    assert done.returncode == 3
    last = done.stderr.strip().splitlines()[-1]
    assert re.match(r"Site site-[abc] failed: cell \d+ 'The site's data', DataError: ", last)
    assert "go on with: python3 study.py run --resume faulty" in last
    assert "Traceback" not in done.stderr


@pytest.mark.run
@pytest.mark.parametrize(
    ("found", "agreed"),
    [
        ("'unknown'", "['male', 'female']"),
        ("'sixty'", "must be a number"),
        ("-5 in row 3", "1 to 1500 days"),
        ("2 in row 4", "an event is coded 0 or 1"),
    ],
    ids=["a level outside the codebook", "a text in a number", "a negative time", "an event coded 2"],
)
def test_every_fault_of_a_file_is_on_the_page_of_the_run(faulty, found, agreed):
    _, _, page = faulty
    (row,) = re.findall(r"site site-a<span.*?</tr>", page, re.DOTALL)
    assert found in row
    assert agreed in row
    assert "Correct the table or its export." in row


@pytest.mark.run
def test_a_wrong_column_name_and_an_empty_file_are_on_the_page_of_the_run(faulty):
    _, _, page = faulty
    assert "The table of site-b does not keep to the codebook: the column 'ph.ecog' is missing." in page
    assert "The data file data.csv is empty. Export it again with a header and one row a patient." in page


@pytest.mark.run
def test_bad_data_leave_nothing_half_written(faulty):
    _, run, page = faulty
    assert not (run / "coordinator" / "results.json").exists()
    assert list((run / "reports").iterdir()) == []
    assert list(run.glob("sites/*/private/*.html")) == []
    assert list(run.glob("exchange/answers/**/*.json")) == []
    assert half_written(run) == []
    assert not (run / "sites-data-tmp").exists()
    assert "report.html" not in page
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["status"], manifest["exit_code"]) == ("failed", 3)
    statuses = {name: step["status"] for name, step in manifest["steps"].items()}
    assert [statuses[f"site-site-{s}"] for s in "abc"] == ["failed"] * 3
    assert statuses["coordinator"] in {"failed", "stopped"}
    assert statuses["report"] == "waiting"


def test_a_file_that_the_rehearsal_does_not_write_is_named_with_3(checkout, capsys):
    study_file = hand_out(checkout, "without-c", site_c=None)
    code, said = run_in_this_process(checkout, capsys, study_file, "--run-id", "without-c")
    assert code == 3
    assert said.startswith("The script hand_out.py wrote no data for site-c.")
    run = checkout / "runs" / "without-c"
    assert not (run / "coordinator" / "results.json").exists()
    assert half_written(run) == []
    assert not list(run.rglob("*.csv"))


@pytest.fixture(scope="module")
def by_hand(checkout):
    """The site's notebook by hand, side by side: without its file; too early; with a parameter that is not there."""
    common = [
        "-p",
        "site",
        "site-a",
        "-p",
        "study_file",
        "studies/lung/study.toml",
        "-p",
        "exchange",
        "nowhere",
    ]
    missing, typo = ["-p", "data_file", "path/to/nowhere.csv"], ["-p", "aproove", "True"]
    early = ["-p", "data_file", "path/to/site-a.csv", "-p", "home", "early"]
    before = hashes(checkout / "studies") | hashes(checkout / "path")
    notebook = "notebooks/1_site.ipynb"
    processes = {
        "missing file": papermill(notebook, "missing.ipynb", *common, *missing, cwd=checkout),
        "too early": papermill(notebook, "early.ipynb", *common, *early, cwd=checkout),
        "papermill alone": papermill(notebook, "typo.ipynb", *common, *typo, cwd=checkout),
        "our engine": papermill(
            "--engine", "fedstats", notebook, "typo-2.ipynb", *common, *typo, cwd=checkout
        ),
    }
    done = {name: ended(process) for name, process in processes.items()}
    assert hashes(checkout / "studies") | hashes(checkout / "path") == before
    assert not (checkout / "nowhere").exists()
    return done


@pytest.mark.run
def test_a_missing_file_by_hand_is_one_sentence_and_nothing_is_sent(by_hand):
    done = by_hand["missing file"]
    assert done.returncode != 0
    sentence = (
        "There is no data file 'path/to/nowhere.csv'. Give the path of the site's CSV file as data_file."
    )
    assert done.stderr.strip().splitlines()[-1].endswith(sentence)


@pytest.mark.run
def test_a_missing_file_by_hand_shows_nothing_of_our_code(by_hand):
    assert "definition.py" not in by_hand["missing file"].stderr


@pytest.mark.run
def test_a_site_that_starts_before_the_coordinator_is_told_in_one_sentence_when_to_run_again(by_hand):
    done = by_hand["too early"]
    assert done.returncode != 0
    sentence = "There is no exchange in nowhere yet: the coordinator opens it. Run this again when the coordinator has started."
    assert done.stderr.splitlines().count(sentence) == 1
    assert "membership.py" not in done.stderr


# Parameters ------------------------------------------------------------------------------------------


def test_a_parameter_that_a_notebook_does_not_have_is_named_with_64(tmp_path, checkout, capsys):
    own = tmp_path / "own"
    shutil.copytree(checkout / "notebooks", own / "notebooks")
    shutil.copytree(checkout / "studies" / "lung", own / "studies" / "lung")
    notebook = own / "notebooks" / "1_site.ipynb"
    notebook.write_text(
        notebook.read_text().replace("egress: str", "sheets: str").replace("egress=egress", "egress=sheets")
    )
    code, said = run_in_this_process(own, capsys, own / "studies" / "lung")
    assert code == 64
    assert_one_sentence(said)
    assert said.startswith("Notebook 1_site.ipynb has no parameter 'egress'; its parameters are: site,")
    assert not (own / "runs").exists()


@pytest.mark.run
@pytest.mark.parametrize("how", ["papermill alone", "our engine"])
def test_a_parameter_mistyped_by_hand_stops_the_notebook_and_is_named(by_hand, how):
    """papermill itself only mutters of it and goes on: under papermill alone the notebook says it."""
    assert by_hand[how].returncode != 0
    last = by_hand[how].stderr.strip().splitlines()[-1]
    assert "Error: This notebook has no parameter 'aproove'; its parameters are: site, study_file," in last
    assert "parameters.py" not in by_hand[how].stderr


@pytest.mark.run
def test_our_engine_shows_the_sentence_alone_and_leaves_no_notebook(checkout, by_hand):
    assert by_hand["our engine"].returncode == 64
    assert "Traceback" not in by_hand["our engine"].stderr
    assert (checkout / "typo.ipynb").exists()
    assert not (checkout / "typo-2.ipynb").exists()


def test_the_notebook_lists_the_profiles_that_a_mistyped_one_is_told_of():
    with pytest.raises(ValueError, match="choose one of") as error:
        DisclosurePolicy.named("teeching")
    listed = declared_parameters(ROOT / "notebooks" / "1_site.ipynb")["profile"].help
    profiles = re.findall(r"'(\w+)'", str(error.value).split("choose one of")[1])
    assert len(profiles) > 1
    assert [name for name in profiles if not re.search(rf"\b{name}\b", listed)] == []


# Studies -----------------------------------------------------------------------------------------------


def test_an_unknown_study_is_named_with_those_there_are(checkout):
    done = ended(fedstats("run", "--study", "lungs", cwd=checkout))
    assert done.returncode == 64
    assert done.stderr.startswith("There is no study 'lungs'; the studies here are:")
    assert_one_sentence(done.stderr)
    assert list(checkout.glob("runs/lungs*")) == []


BROKEN_STUDIES = {
    "not TOML": ("[study]", "[study", "not valid TOML"),
    "a key is missing": ('title = "Survival in', 'titel = "Survival in', "title"),
    "an unknown profile": (
        'profile = "teaching"',
        'profile = "lax"',
        "'strict', 'teaching', 'opensafely' or 'none'",
    ),
    "an unknown kind": ('kind = "logistic"', 'kind = "logit"', "'cox', 'logistic' or 'glm'"),
    "a site named twice": ('"site-b", "site-c"]', '"site-a", "site-c"]', "twice"),
    "a site with a blank": ('"site-b", "site-c"]', '"site b", "site-c"]', "'site b'"),
    "a column of the table": ('"ph.ecog", "meal.cal"', '"ecog", "meal.cal"', "'ecog'"),
    "a name used twice": ('name = "survival_extended"', 'name = "survival"', "'survival'"),
    "a column of a formula": ("died_180 ~ sex", "died_180 ~ gender", "'gender'"),
    "a formula": ("Surv(time, status) ~ sex", "Surv(time, status ~ sex", "Surv(time, event)"),
    "a stratum": ('strata = "inst"', 'strata = "institution"', "'institution'"),
}
BROKEN_CODEBOOKS = {
    "not TOML": ("[columns.inst]", "[columns.inst", "not valid TOML"),
    "an unknown kind": ('kind = "time"', 'kind = "tme"', "'time'"),
    "an unknown key": ("centre = 63", "center = 63", "center"),
    "one level": ('levels = ["male", "female"]', 'levels = ["male"]', "two different levels"),
    "a range that is no pair": ("range = [18, 110]", "range = 18", "'age'"),
    "a range of texts": ("range = [18, 110]", 'range = ["young", "old"]', "'age'"),
    "a range upside down": ("range = [18, 110]", "range = [110, 18]", "'age'"),
    "edges that fall": ("edges = [38, 54", "edges = [58, 54", "'age'"),
    "a truth that is none": ("missing = true", 'missing = "no"', "missing"),
}


def check_broken(checkout, capsys, file, name, change):
    old, new, words = change
    study_file = copy_study(checkout, re.sub(r"\W+", "-", f"{file} {name}"), (old, new), file=file)
    before = hashes(checkout)
    code, said = run_in_this_process(checkout, capsys, study_file)
    assert code == 64
    assert said.startswith(f"{file}")
    assert words in said
    assert_one_sentence(said)
    assert hashes(checkout) == before


@pytest.fixture
def no_run(monkeypatch):
    """A fault that is found too late would start kernels: here it is found at once that it was not."""

    def never(*_arguments, **_options):
        pytest.fail("the study was taken for sound, and its notebooks would have been started")

    monkeypatch.setattr("fedstats.running.study_run.run_together", never)
    monkeypatch.setattr("fedstats.running.study_run.make_data", never)


@pytest.mark.parametrize("name", BROKEN_STUDIES)
def test_a_broken_study_file_is_one_sentence_and_64(checkout, capsys, no_run, name):
    check_broken(checkout, capsys, "study.toml", name, BROKEN_STUDIES[name])


@pytest.mark.parametrize("name", BROKEN_CODEBOOKS)
def test_a_broken_codebook_is_one_sentence_and_64(checkout, capsys, no_run, name):
    check_broken(checkout, capsys, "codebook.toml", name, BROKEN_CODEBOOKS[name])


def test_a_study_without_its_codebook_is_one_sentence_and_64(checkout, capsys, no_run):
    study_file = copy_study(checkout, "no-codebook")
    (study_file.parent / "codebook.toml").unlink()
    code, said = run_in_this_process(checkout, capsys, study_file)
    assert code == 64
    assert_one_sentence(said)
    assert "There is no codebook.toml in no-codebook." in said


def test_a_study_without_data_for_its_sites_is_refused_before_anything_starts(checkout, capsys, no_run):
    """The runner plays all sites on one machine; it has no rows unless a rehearsal makes them."""
    study_file = copy_study(checkout, "no-rehearsal", ('rehearsal = "make_data.py"\n', ""))
    code, said = run_in_this_process(checkout, capsys, study_file, "--run-id", "no-rehearsal")
    assert code == 64
    assert_one_sentence(said)
    assert "rehearsal" in said
