"""Names as paths (C3.34): whatever a site, study, run or analysis is called, nothing is written or read elsewhere."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import fedstats as fs
from fedstats.cli import main
from fedstats.running import plan
from fedstats.running.exit_codes import UsageError
from fedstats.running.files import write_json
from fedstats.running.manifest import check_run_id, new_run_id
from fedstats.running.study_run import run_study
from fedstats.study.curve_spec import CurveSpec
from fedstats.study.model_spec import ModelSpec
from fedstats.study.study_file import Heading

pytestmark = pytest.mark.acceptance(34)

PIECES = ["..", "/", "\\", ".", "~", "\x00", "\n", "con", "NUL", "a", "b-1", "_", " ", "%2e%2e", "\uff0e\uff0e", "\u2024",
          "\u2215", "\u202e", "{site}", "$HOME", "*", ":", "c:", "a" * 300, "é", "latest", "-", "'", '"', "&"]  # fmt: skip
NAMES = st.one_of(st.lists(st.sampled_from(PIECES), max_size=5).map("".join), st.text(max_size=12))
TRAVERSALS = ["../x", "..", ".", "", "/etc/passwd", "a/../../b", "a\\..\\b", "a\x00b", "a\n", "～/x", "\uff0e\uff0e/x",
              "a" * 300, "~", "-rf", "x/", "a:b", "{site}"]  # fmt: skip
MANY = settings(deadline=None, max_examples=500, suppress_health_check=list(HealthCheck))


def within(folder, path):
    """Whether a path is a child of the folder itself, as the file system understands it."""
    return path.resolve().parent == folder.resolve() and path.resolve().name not in ("", ".", "..")


def heading(**changes):
    told = {"id": "s", "title": "t", "question": "q", "version": "1", "sites": ("north",)}
    return Heading.model_validate(told | changes)


def site_as_written(name):
    return heading(sites=(name,)).sites[0]


def study_as_written(name):
    return heading(id=name).id


def curve_as_written(name):
    return CurveSpec(name=name, title="t", formula="Surv(t, y) ~ 1").name


def model_as_written(name):
    return ModelSpec(name=name, title="t", kind="cox", formula="Surv(t, y) ~ x").name


DOORS = {
    "site": site_as_written,
    "study": study_as_written,
    "curve": curve_as_written,
    "model": model_as_written,
    "run": check_run_id,
}


def accepted(door, name):
    """The name as it goes on, or None where it is refused."""
    try:
        return DOORS[door](name)
    except (ValidationError, UsageError):
        return None


def test_without_a_door_names_lead_out_of_the_folder(tmp_path):
    assert not within(tmp_path, tmp_path / "../x")
    assert not within(tmp_path, tmp_path / "/etc/passwd")
    assert not within(tmp_path, tmp_path / "a/../../b")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", TRAVERSALS, ids=range(len(TRAVERSALS)))
def test_a_name_that_is_a_path_is_refused(door, name):
    assert accepted(door, name) is None


@pytest.mark.parametrize("name", ["con", "prn", "aux", "nul", "com1", "lpt9"])
def test_a_site_is_not_called_as_windows_calls_a_device(name):
    assert accepted("site", name) is None
    assert accepted("site", f"{name}x") == f"{name}x"


@pytest.mark.parametrize("door", DOORS)
def test_of_five_hundred_names_none_leads_elsewhere(door, tmp_path):
    taken = []

    @MANY
    @example("north")
    @given(NAMES)
    def stays(name):
        went_on = accepted(door, name)
        if went_on is not None:
            taken.append(went_on)
            assert within(tmp_path, tmp_path / f"{went_on}")
            assert went_on.isascii()
            assert went_on.isprintable()
            assert " " not in went_on

    stays()
    assert "north" in taken


@MANY
@given(NAMES)
def test_a_new_run_has_a_folder_of_its_own_whatever_the_study_is_called(tmp_path_factory, name):
    runs = tmp_path_factory.getbasetemp()
    assert within(runs, runs / check_run_id(new_run_id(name, runs)))


# A run that is gone on with ---------------------------------------------------------------------------


def planted_run(runs, folder, name):
    """A run's folder from elsewhere, whose manifest says that it is called otherwise."""
    write_json(
        runs / folder / "manifest.json",
        {"run": name, "study": {"id": "s"}, "started": "2099", "resumed": [], "steps": {}, "reports": {}},
    )


@pytest.mark.parametrize("name", ["../../elsewhere", "/tmp/elsewhere", "other", 7, None, ["x"]])
def test_a_manifest_cannot_lead_a_resumed_run_elsewhere(tmp_path, name):
    """`--resume` took the newest manifest's own word for where its run lies."""
    study = SimpleNamespace(id="s", files=())
    planted_run(tmp_path, "innocent", name)
    with pytest.raises(UsageError, match="There is no run of the study s"):
        plan.run_to_resume(study, tmp_path, None)
    planted_run(tmp_path, "mine", "mine")
    assert plan.run_to_resume(study, tmp_path, None) == "mine"


@pytest.fixture
def linked(tmp_path):
    """A folder of runs in which one is a link to another place."""
    runs = tmp_path / "runs"
    runs.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (runs / "linked").symlink_to(tmp_path / "elsewhere")
    return runs


def test_a_new_run_does_not_follow_a_link(linked, capsys):
    assert main(["run", "--study", "lung", "--runs", str(linked), "--run-id", "linked", "--quiet"]) == 64
    assert "is a link to another place" in capsys.readouterr().err
    assert list((linked.parent / "elsewhere").iterdir()) == []


def test_a_run_that_goes_on_does_not_follow_a_link(linked, capsys):
    planted_run(linked.parent, "elsewhere", "linked")
    before = (linked.parent / "elsewhere" / "manifest.json").read_bytes()
    assert main(["run", "--study", "lung", "--runs", str(linked), "--resume", "linked", "--quiet"]) == 64
    assert "is a link to another place" in capsys.readouterr().err
    assert [p.read_bytes() for p in (linked.parent / "elsewhere").iterdir()] == [before]


# Scripts and files that a study names -------------------------------------------------------------------

STUDY = '[study]\nid = "s"\ntitle = "t"\nquestion = "q"\nversion = "1"\nsites = ["north"]\nrehearsal = {}\n'


def study_with(folder, script):
    folder.mkdir()
    (folder / "study.toml").write_text(STUDY.format(json.dumps(script)))
    (folder / "codebook.toml").write_text('[columns.y]\nkind = "event"\n')
    return fs.Study.load(folder)


@pytest.mark.parametrize(
    "script", ["../planted.py", "/tmp/planted.py", "a/../../planted.py", "..\\planted.py"]
)
def test_a_rehearsal_outside_the_studys_folder_is_refused(tmp_path, script):
    with pytest.raises(fs.StudyError, match="must lie in the study's folder"):
        study_with(tmp_path / "study", script)


def test_a_rehearsal_within_the_studys_folder_is_found(tmp_path):
    study = study_with(tmp_path / "study", "scripts/make.py")
    assert study.rehearsal == (tmp_path / "study").resolve() / "scripts" / "make.py"


@pytest.mark.parametrize("name", [n for n in TRAVERSALS if n])
def test_a_site_that_is_not_the_studys_is_refused_before_its_file_is_read(tmp_path, name):
    study = study_with(tmp_path / "study", "make.py")
    with pytest.raises(fs.StudyError, match="is not one of them"):
        study.site(name, tmp_path / "nothing.csv")


@pytest.mark.parametrize("site", ["../north", "north/", "no rth", ""])
def test_a_run_makes_no_folder_for_a_site_with_another_name(tmp_path, site):
    study = SimpleNamespace(id="s", sites=(site,), rehearsal=Path("x.py"), folder=tmp_path, file=tmp_path / "study.toml",
                            files=(), profile="strict", title="t")  # fmt: skip
    before = sorted(tmp_path.rglob("*"))
    assert run_study(study, runs=tmp_path / "runs", progress=False) == 64
    assert sorted(tmp_path.rglob("*")) == before
