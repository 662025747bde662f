"""The dry run of a study at a site: what the gate would say, in numbers, to the site alone."""

import pytest

import fedstats as fs
from fedstats.cli import main
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.federations.keys import HOME_VARIABLE
from fedstats.federations.memory import Memory
from fedstats.running.exit_codes import ExitCode
from fedstats.study.check_model import refused
from tests.federations.small_study import STUDY, tables, write_study

SMALL = STUDY.replace('profile = "none"', 'profile = "teaching"')


@pytest.fixture
def north(tmp_path):
    """A study, and the 280 rows of one of its sites as a file."""
    write_study(tmp_path, SMALL)
    tables(280)["north"].to_csv(tmp_path / "north.csv", index=False)
    return fs.Study.load(tmp_path), tmp_path / "north.csv"


@pytest.fixture
def judged(north):
    """The dry run under a profile."""
    study, rows = north
    return lambda profile="teaching", analysis=None: fs.check_model(
        study, study.site("north", rows, profile), analysis
    )


def test_every_analysis_is_judged_in_its_first_and_in_its_last_round(judged, north):
    found = judged()
    assert list(dict.fromkeys(found["analysis"])) == list(north[0].analyses())
    for name, kind in (("own_baseline", "CoxDerivatives"), ("response", "GlmDerivatives")):
        lines = found[(found["analysis"] == name) & (found["question"] == kind)]
        assert set(lines["round"]) == {"first", "last"}
        sizes = lines.loc[lines["rule"] == "size of coefficients", ["round", "count"]].groupby("round").max()
        assert sizes.loc["first", "count"] == 0 < sizes.loc["last", "count"]
    assert refused(found) == []
    assert (found.loc[found["round"] != "tried", "remedy"] == "").all()


def test_counts_are_those_of_the_site(judged):
    found = judged(analysis="response")
    patients = found[(found["rule"] == "patients") & (found["round"] == "first")]
    assert patients["count"].tolist() == [len(tables(280)["north"].dropna())]
    assert patients["needed"].tolist() == ["at least 20"]


def test_what_would_be_refused_is_named_with_its_numbers_to_the_last_round(judged):
    own = judged("strict", "response")
    assert refused(own) == ["response"]
    failed = own[~own["passed"].astype(bool)]
    assert {"first", "last"} == set(failed["round"])
    assert "dropped rows" in set(failed["rule"])  # four responses are missing
    assert failed.loc[failed["rule"] == "dropped rows", "count"].tolist() == [4, 4]
    assert failed["remedy"].str.endswith(".").all()


def test_a_grid_that_was_given_up_for_a_coarser_one_is_no_refusal(north, tmp_path):
    study, rows = north
    frame = tables(280)["north"]
    frame.loc[(frame["time"] > 12) & (frame["time"] <= 18), "time"] = 20  # nobody leaves then
    frame.loc[:1, "time"] = 15
    frame.to_csv(rows, index=False)
    own = tmp_path / "own.toml"
    own.write_text('base = "teaching"\nmin_leavers = 3\n', encoding="utf-8")
    found = fs.check_model(study, study.site("north", rows, str(own)), "survival_by_sex")
    tried = found[found["round"] == "tried"]
    assert "leavers of a time cell" in set(tried.loc[~tried["passed"].astype(bool), "rule"])
    assert set(found.loc[~found["passed"].astype(bool), "round"]) == {"tried"}
    assert refused(found) == []


def test_a_question_that_the_site_denies_is_refused(north, tmp_path):
    study, rows = north
    own = tmp_path / "own.toml"
    own.write_text('base = "teaching"\ndeny = ["RiskTable"]\n', encoding="utf-8")
    found = fs.check_model(study, study.site("north", rows, str(own)))
    assert refused(found) == ["survival_by_sex"]
    failed = found[~found["passed"].astype(bool) & (found["round"] != "tried")]
    assert failed["rule"].tolist() == ["kind of question"]


def test_a_dry_run_is_not_remembered(north, tmp_path):
    study, rows = north
    site = study.site("north", rows, "teaching", home=tmp_path / "home")
    assert isinstance(site.memory, Memory)
    fs.check_model(study, site, "response")
    assert not (tmp_path / "home" / "memory" / "answers.jsonl").exists()


def test_a_model_that_this_site_alone_cannot_fit_is_judged_as_far_as_it_goes(north, tmp_path):
    study, _ = north
    frame = tables(280)["north"].assign(response=lambda d: (d["age"] > 60).astype(int))
    site = fs.Site("north", frame, study.codebook, DisclosurePolicy.teaching())
    found = fs.check_model(study, site, "response")
    assert set(found["round"]) == {"first", "last"}


def test_an_analysis_that_is_not_there_is_one_sentence(judged):
    with pytest.raises(fs.StudyError, match="has no analysis 'os'; it has table_one, survival_by_sex"):
        judged(analysis="os")


# the command ------------------------------------------------------------------------------------


def command(north, *more, site="north", data=None):
    study, rows = north
    return main(
        ["check-model", "--study", str(study.folder), "--site", site, "--data", str(data or rows), *more]
    )


def test_the_command_prints_every_judgement_and_says_0_where_all_passes(north, capsys):
    assert command(north, "--profile", "teaching", "--analysis", "response") == ExitCode.OK
    said = capsys.readouterr().out
    assert "patients in the model" in said
    assert said.rstrip().endswith("Every analysis passes.")


def test_the_command_writes_nothing(north, tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    before = sorted(tmp_path.rglob("*"))
    command(north, "--profile", "teaching", "--analysis", "response")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_says_4_and_names_what_would_be_refused(north, capsys):
    assert command(north, "--analysis", "response") == ExitCode.RELEASE_REFUSED == 4
    said = capsys.readouterr().out
    assert said.rstrip().endswith("Refused: response.")
    assert "0 or at least 11" in said


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"site": "nowhere"}, 64, "'nowhere' is not one of them"),
        ({"data": "nothing.csv"}, 3, "There is no data file"),
        ({"more": ("--profile", "lax")}, 64, "There is no disclosure profile 'lax'"),
        ({"more": ("--profile", "lax.toml")}, 64, "There is no disclosure profile 'lax.toml'"),
        ({"more": ("--analysis", "os")}, 64, "has no analysis 'os'"),
    ],
)
def test_a_slip_is_one_sentence_and_a_code(north, capsys, change, code, said):
    more = change.pop("more", ())
    assert command(north, *more, **change) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
